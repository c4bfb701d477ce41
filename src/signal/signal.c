// SPDX-License-Identifier: MIT
//
// Signals as futures. A handler notes the signal and writes to an eventfd; the thread
// "rouse-signal", made at first use, reads it and tells everyone who waits.
//
// Threads: the handler runs on whichever thread the kernel picks; futures are polled and dropped
// anywhere; the signal thread delivers.
//
// 1. Everything in `state` but its two atomics changes under `state.lock`. No waker and no action
//    is called under it.
// 2. The handler adds to `noted`; the thread moves that to `count`, under the lock. Their sum is
// how
//    many have come: a future remembers it, and is ready when `count` alone is more.
// 3. A future is in the list of its signal from its first pending poll until it is ready or
//    dropped, or until a delivery took it out. The list is in the order of `seen`.
// 4. The signal thread blocks all signals but those that are caught: so there is one thread that
//    can take them, even if all others block them.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/signal.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/counters.h"
#include "base/lock.h"
#include "base/sys.h"
#include "base/thread.h"
#include "signal/signal.h"

enum { SIGNAL_COUNT = 65, SIGNAL_CLASSIC_MAX = 31, WAKE_BATCH = 16 };

// `state` of a future, under the lock.
enum { SIGNAL_UNLINKED = 0, SIGNAL_LINKED = 1 };

struct signal_number {
    struct rouse_signal *first;
    struct rouse_signal *last;
    uint64_t count;
    size_t waits;  // futures made and not ended, in the list or not
    void (*action)(void);
    bool caught;
    struct sigaction before;  // written before our handler is in place, so it may read it
};

static struct {
    struct rs_lock lock;
    struct signal_number numbers[SIGNAL_COUNT];
    bool running;
    bool stopping;
    bool fork_handled;
    pthread_t thread;
    int event_fd;  // while running

    // What the handler uses besides `before`.
    _Atomic int wake_fd;                   // event_fd + 1; 0: nobody reads
    _Atomic uint32_t handlers;             // how many run now
    _Atomic uint32_t noted[SIGNAL_COUNT];  // how many came and are not delivered
} state;

// Calls the handler that was there before ours, if it was a function.
static void call_before(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = &state.numbers[number].before;

    if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) return;
    if ((before->sa_flags & SA_SIGINFO) != 0) {
        before->sa_sigaction(number, info, context);
    } else {
        before->sa_handler(number);
    }
}

// seq_cst, against set_wake_fd() and what follows it: we note and then look for a reader, a new
// reader is announced and then looks for notes, so one of the two sees the other. Likewise we enter
// and then look for a reader; who retires the reader takes it away and then looks for us.
static void on_signal(int number, siginfo_t *info, void *context)
{
    const uint64_t one = 1;
    int saved = errno;
    int fd;

    atomic_fetch_add_explicit(&state.handlers, 1, memory_order_seq_cst);
    atomic_fetch_add_explicit(&state.noted[number], 1, memory_order_seq_cst);
    fd = atomic_load_explicit(&state.wake_fd, memory_order_seq_cst) - 1;
    // It fails only when the eventfd is full, and then it is readable anyway.
    if (fd >= 0) (void)rs_sys.write(fd, &one, sizeof one);
    // Release, with the load in retire_wake_fd(): we are done with the descriptor.
    atomic_fetch_sub_explicit(&state.handlers, 1, memory_order_release);
    call_before(number, info, context);
    errno = saved;
}

static void unlink_future(struct signal_number *n, struct rouse_signal *signal)
{
    if (signal->prev != NULL) {
        signal->prev->next = signal->next;
    } else {
        n->first = signal->next;
    }
    if (signal->next != NULL) {
        signal->next->prev = signal->prev;
    } else {
        n->last = signal->prev;
    }
    signal->next = NULL;
    signal->prev = NULL;
    signal->state = SIGNAL_UNLINKED;
}

static void link_future(struct signal_number *n, struct rouse_signal *signal)
{
    struct rouse_signal *before = n->last;

    // Almost always none: futures are mostly polled in the order in which they were made.
    while (before != NULL && before->seen > signal->seen) {
        before = before->prev;
    }
    signal->prev = before;
    signal->next = before != NULL ? before->next : n->first;
    if (signal->prev != NULL) {
        signal->prev->next = signal;
    } else {
        n->first = signal;
    }
    if (signal->next != NULL) {
        signal->next->prev = signal;
    } else {
        n->last = signal;
    }
    signal->state = SIGNAL_LINKED;
}

// Takes the wakers of up to WAKE_BATCH futures that a delivery has made ready. Returns how many.
static int take_wakers(struct signal_number *n, struct rouse_waker *wakers)
{
    int count = 0;

    rs_lock(&state.lock);
    while (count < WAKE_BATCH && n->first != NULL && n->first->seen < n->count) {
        struct rouse_signal *signal = n->first;

        unlink_future(n, signal);
        wakers[count++] = signal->waker;
        signal->waker = (struct rouse_waker){0};
    }
    rs_unlock(&state.lock);
    return count;
}

static void wake_ready(struct signal_number *n)
{
    struct rouse_waker wakers[WAKE_BATCH];
    int count;

    do {
        count = take_wakers(n, wakers);
        for (int i = 0; i < count; i++) {
            rouse_waker_wake(&wakers[i]);
        }
    } while (count == WAKE_BATCH);
}

// Delivers signal `number` if it has been noted.
static void deliver(int number)
{
    struct signal_number *n = &state.numbers[number];
    void (*action)(void);

    // seq_cst: see on_signal().
    if (atomic_load_explicit(&state.noted[number], memory_order_seq_cst) == 0) return;
    rs_lock(&state.lock);
    // Acquire, with the addition in on_signal(): what was written before the signal is seen by
    // those we wake.
    n->count += atomic_exchange_explicit(&state.noted[number], 0, memory_order_acquire);
    action = n->action;
    rs_unlock(&state.lock);
    if (action != NULL) action();
    wake_ready(n);
}

// Blocks all signals but those that are caught. Returns false if the thread is to end.
static bool thread_prepare(void)
{
    sigset_t blocked;
    bool goes_on;

    rs_thread_async_signals(&blocked);
    rs_lock(&state.lock);
    goes_on = !state.stopping;
    for (int number = 1; number < SIGNAL_COUNT; number++) {
        if (state.numbers[number].caught) (void)sigdelset(&blocked, number);
    }
    rs_unlock(&state.lock);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, NULL);
    return goes_on;
}

// It has no shard of the counters: it counts little, and its stack is not there after a fork.
static void *thread_run(void *arg)
{
    struct pollfd entry = {.fd = (int)(intptr_t)arg, .events = POLLIN};
    uint64_t writes;

    rs_thread_set_name("rouse-signal");
    while (thread_prepare()) {
        for (int number = 1; number < SIGNAL_COUNT; number++) {
            deliver(number);
        }
        // Sleeps in poll, not in read, where ThreadSanitizer would keep signals back. Neither
        // matters when it fails: the loop looks at everything again.
        (void)rs_sys.ppoll(&entry, 1, NULL);
        (void)rs_sys.read(entry.fd, &writes, sizeof writes);
    }
    return NULL;
}

static void tell_thread(void)
{
    const uint64_t one = 1;

    (void)rs_sys.write(state.event_fd, &one, sizeof one);
}

static void set_wake_fd(int fd)
{
    // seq_cst: see on_signal().
    atomic_store_explicit(&state.wake_fd, fd + 1, memory_order_seq_cst);
}

static void fork_prepare(void)
{
    rs_lock(&state.lock);
}

static void fork_parent(void)
{
    rs_unlock(&state.lock);
}

// The child has no signal thread, and the eventfd is the parent's as well. The next use starts
// anew; what was noted before is the parent's to deliver.
static void fork_child(void)
{
    if (state.running) {
        set_wake_fd(-1);
        (void)rs_sys.close(state.event_fd);
        rs_counter_add(RS_COUNTER_FDS, -1);
        rs_counter_add(RS_COUNTER_THREADS, -1);
        state.running = false;
        for (int number = 1; number < SIGNAL_COUNT; number++) {
            // Relaxed: one thread only.
            state.numbers[number].count +=
                atomic_exchange_explicit(&state.noted[number], 0, memory_order_relaxed);
        }
    }
    // Relaxed: the handlers of other threads are not here.
    atomic_store_explicit(&state.handlers, 0, memory_order_relaxed);
    rs_unlock(&state.lock);
}

// Closes the eventfd. seq_cst: see on_signal(); the last load is also the acquire of the handler's
// release, so that none writes to a descriptor that is no longer ours.
static void retire_wake_fd(void)
{
    set_wake_fd(-1);
    while (atomic_load_explicit(&state.handlers, memory_order_seq_cst) != 0) {
        (void)sched_yield();
    }
    (void)rs_sys.close(state.event_fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
}

// Call with the lock held.
static int thread_start_locked(void)
{
    int err;

    if (state.running) return 0;
    if (!state.fork_handled) {
        if (pthread_atfork(fork_prepare, fork_parent, fork_child) != 0) return -ENOMEM;
        state.fork_handled = true;
    }
    err = rs_sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (err < 0) return err;
    rs_counter_add(RS_COUNTER_FDS, 1);
    state.event_fd = err;
    set_wake_fd(state.event_fd);
    err = rs_thread_start(&state.thread, thread_run, (void *)(intptr_t)state.event_fd);
    if (err < 0) {
        retire_wake_fd();
        return err;
    }
    rs_counter_add(RS_COUNTER_THREADS, 1);
    state.running = true;
    return 0;
}

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) != 0 && action->sa_sigaction == on_signal;
}

// Not by bytes: a set is larger than what the kernel has of it, and libc leaves the rest unwritten.
static bool are_equal(const struct sigaction *a, const struct sigaction *b)
{
    if (a->sa_sigaction != b->sa_sigaction || a->sa_flags != b->sa_flags) return false;
    for (int number = 1; number < SIGNAL_COUNT; number++) {
        if (sigismember(&a->sa_mask, number) != sigismember(&b->sa_mask, number)) return false;
    }
    return true;
}

// Call with the lock held. Puts our handler in front of the one that is there.
static int install_locked(int number)
{
    struct signal_number *n = &state.numbers[number];
    struct sigaction action = {.sa_sigaction = on_signal};
    struct sigaction before;
    int err;

    if (n->caught) return 0;
    err = rs_sys.sigaction(number, NULL, &before);
    if (err < 0) return err;
    if (is_ours(&before)) before = (struct sigaction){.sa_handler = SIG_DFL};
    // After a stop a handler may still be on its way to read it.
    if (!are_equal(&before, &n->before)) n->before = before;
    action.sa_mask = before.sa_mask;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    err = rs_sys.sigaction(number, &action, NULL);
    if (err < 0) return err;
    n->caught = true;
    tell_thread();  // it is to unblock the signal
    return 0;
}

static bool can_be_caught(int number)
{
    sigset_t asynchronous;

    if (number < 1 || number >= SIGNAL_COUNT || number == SIGKILL || number == SIGSTOP) {
        return false;
    }
    // What lies between the classic signals and those of real time is the C library's.
    if (number > SIGNAL_CLASSIC_MAX && number < SIGRTMIN) return false;
    rs_thread_async_signals(&asynchronous);
    return sigismember(&asynchronous, number) == 1;
}

// Call with the lock held. Sees to it that the signal reaches the thread.
static int catch_locked(int number)
{
    int err = thread_start_locked();

    return err < 0 ? err : install_locked(number);
}

int rs_signal_set_action(int number, void (*action)(void))
{
    if (!can_be_caught(number)) return -EINVAL;
    rs_lock(&state.lock);
    int err = catch_locked(number);

    if (err == 0) state.numbers[number].action = action;
    rs_unlock(&state.lock);
    return err;
}

// Call with the lock held. A handler that came after ours stays.
static void restore_locked(int number)
{
    struct signal_number *n = &state.numbers[number];
    struct sigaction now;

    if (!n->caught) return;
    n->caught = false;
    n->action = NULL;
    if (rs_sys.sigaction(number, NULL, &now) == 0 && is_ours(&now)) {
        (void)rs_sys.sigaction(number, &n->before, NULL);
    }
}

int rouse_signal_release(int number)
{
    int err = 0;

    if (!can_be_caught(number)) return -EINVAL;
    rs_lock(&state.lock);
    if (state.numbers[number].waits > 0 || state.numbers[number].action != NULL) {
        err = -EBUSY;
    } else if (state.numbers[number].caught) {
        restore_locked(number);
        tell_thread();  // it is to block the signal again
    }
    rs_unlock(&state.lock);
    return err;
}

void rs_signal_thread_stop(void)
{
    rs_lock(&state.lock);
    if (!state.running) {
        rs_unlock(&state.lock);
        return;
    }
    for (int number = 1; number < SIGNAL_COUNT; number++) {
        restore_locked(number);
    }
    state.stopping = true;
    tell_thread();
    rs_unlock(&state.lock);
    (void)pthread_join(state.thread, NULL);

    rs_lock(&state.lock);
    retire_wake_fd();
    rs_counter_add(RS_COUNTER_THREADS, -1);
    state.stopping = false;
    state.running = false;
    rs_unlock(&state.lock);
}

// Call with the lock held. Takes `signal` out of its list if it has come, which ends it; its waker
// goes to `*spare`.
static bool take_if_ready(struct rouse_signal *signal, struct rouse_waker *spare)
{
    struct signal_number *n = &state.numbers[signal->number];

    if (n->count <= signal->seen) return false;
    n->waits--;
    if (signal->state == SIGNAL_LINKED) unlink_future(n, signal);
    *spare = signal->waker;
    signal->waker = (struct rouse_waker){0};
    return true;
}

// Stores `waker`, the clone of the poll's, unless the signal has come. What is left in it is the
// caller's to drop.
static bool store_waker(struct rouse_signal *signal, struct rouse_waker *waker)
{
    struct rouse_waker old = {0};
    bool ready;

    rs_lock(&state.lock);
    ready = take_if_ready(signal, &old);
    if (!ready) {
        old = signal->waker;
        signal->waker = *waker;
        if (signal->state == SIGNAL_UNLINKED) {
            link_future(&state.numbers[signal->number], signal);
        }
        *waker = old;
    }
    rs_unlock(&state.lock);
    if (ready) rouse_waker_drop(&old);
    return ready;
}

static rouse_poll signal_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_signal *s = ROUSE_CONTAINER_OF(self, struct rouse_signal, base);
    struct rouse_waker spare = {0};

    if (s->output < 0) return ROUSE_READY;
    if (!rouse_context_spend(cx)) return ROUSE_PENDING;
    rs_lock(&state.lock);
    bool ready = take_if_ready(s, &spare);
    bool stored = rouse_waker_will_wake(&s->waker, rouse_context_waker(cx));
    stored = stored && s->state == SIGNAL_LINKED;
    rs_unlock(&state.lock);
    if (!ready && !stored) {
        spare = rouse_waker_clone(rouse_context_waker(cx));
        ready = store_waker(s, &spare);
    }
    rouse_waker_drop(&spare);
    if (!ready) return ROUSE_PENDING;
    s->output = s->number;
    return ROUSE_READY;
}

static void signal_drop(struct rouse_future *self)
{
    struct rouse_signal *s = ROUSE_CONTAINER_OF(self, struct rouse_signal, base);
    struct rouse_waker waker;

    if (s->output < 0) return;
    rs_lock(&state.lock);
    state.numbers[s->number].waits--;
    if (s->state == SIGNAL_LINKED) unlink_future(&state.numbers[s->number], s);
    waker = s->waker;
    s->waker = (struct rouse_waker){0};
    rs_unlock(&state.lock);
    rouse_waker_drop(&waker);
}

static int signal_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return snprintf(buf, size, "signal %d", ((const struct rouse_signal *)self)->number);
}

static int64_t signal_result(const struct rouse_future *self)
{
    return ((const struct rouse_signal *)self)->output;
}

static const struct rouse_future_vtable signal_ended = {.name = "signal", .result = signal_result};
static const struct rouse_future_vtable signal_vtable = {
    .poll = signal_poll,
    .drop = signal_drop,
    .name = "signal",
    .describe = signal_describe,
    .ended = &signal_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_signal_init(struct rouse_signal *signal, int number)
{
    *signal =
        (struct rouse_signal){.base.vtable = &signal_vtable, .number = number, .output = -EINVAL};
    if (!can_be_caught(number)) return;
    rs_lock(&state.lock);
    signal->output = catch_locked(number);
    if (signal->output == 0) {
        struct signal_number *n = &state.numbers[number];

        n->waits++;
        // Relaxed: only the number matters. Under the lock, so none is between `noted` and `count`.
        signal->seen = n->count + atomic_load_explicit(&state.noted[number], memory_order_relaxed);
    }
    rs_unlock(&state.lock);
}

int rouse_signal_wait(int number)
{
    struct rouse_signal signal;
    int err;

    rouse_signal_init(&signal, number);
    err = rouse_await(&signal.base);
    return err < 0 ? err : signal.output;
}
