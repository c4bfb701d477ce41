// SPDX-License-Identifier: MIT
//
// Each back end through its table: pipes and socket pairs are watched, and what comes out of wait()
// is compared with what the table promises. Threads show what may run at the same time. Sleeps are
// bounded by a time that no correct back end needs.

#include "io/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <rouse/clock.h>
#include <rouse/log.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/cpu.h"
#include "base/sys.h"
#include "claim.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)
#define SHORT_NS (10 * ROUSE_NS_PER_MS)

enum { PIPES = 300, ROUNDS = 300, NOTIFICATIONS = 20000, NO_EVENT = 1 << 30 };

static const struct rs_backend_ops *ops;  // of the back end under test
static struct rs_backend *backend;

static void check(bool holds, const char *text)
{
    char line[160];

    (void)snprintf(line, sizeof line, "%s: %s", ops->name, text);
    claim(holds, line);
}

static void need(bool holds, const char *what)
{
    if (holds) return;
    printf("Bail out! %s failed\n", what);
    exit(1);
}

static void pipe_open(int fds[2])
{
    need(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0, "pipe2");
}

static void pair_open(int fds[2])
{
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0, "socketpair");
}

static void pair_close(const int fds[2])
{
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void put_byte(int fd)
{
    need(write(fd, "x", 1) == 1, "write");
}

static void drain(int fd)
{
    char buf[256];

    while (read(fd, buf, sizeof buf) > 0) {
    }
}

static int watch(int fd, uint64_t key, uint32_t before, uint32_t interest)
{
    return ops->watch(backend, fd, key, before, interest);
}

static int unwatch(int fd, uint32_t before)
{
    return watch(fd, 0, before, RS_WATCH_NONE);
}

// What is ready for `key` in a wait for one event; NO_EVENT for none.
static uint32_t ready_for(uint64_t key, uint64_t timeout_ns)
{
    struct rs_event event = {0};
    int count = ops->wait(backend, &event, 1, timeout_ns);

    return count == 1 && event.key == key ? event.ready : (uint32_t)NO_EVENT;
}

static uint64_t time_wait(uint64_t timeout_ns)
{
    struct rs_event event;
    uint64_t start = rouse_now_ns();

    (void)ops->wait(backend, &event, 1, timeout_ns);
    return rouse_now_ns() - start;
}

static void level_is_reported_while_it_lasts(void)
{
    int fds[2];

    pipe_open(fds);
    check(watch(fds[0], 7, RS_WATCH_NONE, ROUSE_READABLE) == 0, "a pipe can be watched");
    check(ready_for(7, 0) == NO_EVENT, "an empty pipe is not ready");
    put_byte(fds[1]);
    check(ready_for(7, LONG_NS) == ROUSE_READABLE && ready_for(7, 0) == ROUSE_READABLE,
          "readable is reported at each wait");
    drain(fds[0]);
    check(ready_for(7, 0) == NO_EVENT, "a drained pipe is not ready");
    put_byte(fds[1]);
    check(unwatch(fds[0], ROUSE_READABLE) == 0 && ready_for(7, 0) == NO_EVENT,
          "nothing is reported once unwatched");
    pair_close(fds);
}

static void key_and_interest_change(void)
{
    const uint64_t key = UINT64_C(0xfedcba9876543210);
    int fds[2];

    pair_open(fds);
    put_byte(fds[1]);
    check(watch(fds[0], 1, RS_WATCH_NONE, ROUSE_WRITABLE) == 0 && ready_for(1, 0) == ROUSE_WRITABLE,
          "only what was asked for is reported");
    check(watch(fds[0], key, ROUSE_WRITABLE, ROUSE_READABLE | ROUSE_WRITABLE) == 0 &&
              ready_for(key, 0) == (ROUSE_READABLE | ROUSE_WRITABLE),
          "a change takes the new interest and all 64 bits of the key");
    check(watch(fds[0], key, ROUSE_READABLE | ROUSE_WRITABLE, 0) == 0 &&
              ready_for(key, 0) == NO_EVENT,
          "no interest, no event");
    (void)unwatch(fds[0], 0);
    pair_close(fds);
}

static void edges_are_reported_once(void)
{
    int fds[2];

    pipe_open(fds);
    put_byte(fds[1]);
    check(watch(fds[0], 3, RS_WATCH_NONE, ROUSE_READABLE | RS_WATCH_EDGE) == 0 &&
              ready_for(3, LONG_NS) == ROUSE_READABLE,
          "what is ready when it is watched counts as an edge");
    check(ready_for(3, 0) == NO_EVENT, "an edge is reported once");
    put_byte(fds[1]);
    check(ready_for(3, 0) == (ops->edge ? (uint32_t)ROUSE_READABLE : (uint32_t)NO_EVENT),
          "the next edge comes by itself exactly if the table says so");
    check(watch(fds[0], 3, ROUSE_READABLE | RS_WATCH_EDGE, ROUSE_READABLE | RS_WATCH_EDGE) == 0 &&
              ready_for(3, 0) == ROUSE_READABLE && ready_for(3, 0) == NO_EVENT,
          "watched again, it is reported again");
    (void)unwatch(fds[0], ROUSE_READABLE | RS_WATCH_EDGE);
    pair_close(fds);
}

static void directions_have_edges_of_their_own(void)
{
    const uint32_t both = ROUSE_READABLE | ROUSE_WRITABLE | RS_WATCH_EDGE;
    int fds[2];

    pair_open(fds);
    check(watch(fds[0], 4, RS_WATCH_NONE, both) == 0 && ready_for(4, 0) == ROUSE_WRITABLE &&
              ready_for(4, 0) == NO_EVENT,
          "a writable socket is reported once");
    put_byte(fds[1]);
    check((ready_for(4, LONG_NS) & ROUSE_READABLE) != 0,
          "the other direction is still watched then");
    check(ready_for(4, 0) == NO_EVENT, "and reported once as well");
    (void)close(fds[1]);
    (void)watch(fds[0], 4, both, both);
    check((ready_for(4, LONG_NS) & ROUSE_HANGUP) != 0 && ready_for(4, 0) == NO_EVENT,
          "a hangup is an edge too");
    (void)unwatch(fds[0], both);
    (void)close(fds[0]);
}

static void ends_are_reported(void)
{
    uint32_t ready;
    int fds[2];

    pair_open(fds);
    (void)watch(fds[0], 5, RS_WATCH_NONE, ROUSE_READABLE);
    (void)shutdown(fds[1], SHUT_WR);
    check(ready_for(5, LONG_NS) == (ROUSE_READABLE | ROUSE_HANGUP),
          "a peer that sends no more is a hangup, and readable");
    (void)close(fds[1]);
    check(ready_for(5, LONG_NS) == (ROUSE_READABLE | ROUSE_WRITABLE | ROUSE_HANGUP),
          "a peer that is gone is a hangup in both directions");
    (void)unwatch(fds[0], ROUSE_READABLE);
    (void)close(fds[0]);

    pipe_open(fds);
    (void)watch(fds[1], 6, RS_WATCH_NONE, ROUSE_WRITABLE);
    (void)close(fds[0]);
    ready = ready_for(6, LONG_NS);
    check((ready & ROUSE_ERROR) != 0 && (ready & ROUSE_WRITABLE) != 0,
          "a pipe without reader has an error, and is writable");
    (void)unwatch(fds[1], ROUSE_WRITABLE);
    (void)close(fds[1]);
}

static void bad_descriptors_are_refused(void)
{
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int fds[2];

    pipe_open(fds);
    check(watch(file, 1, RS_WATCH_NONE, ROUSE_READABLE) == -EPERM,
          "a regular file cannot be watched");
    (void)watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE);
    pair_close(fds);
    check(unwatch(fds[0], ROUSE_READABLE) == 0, "a closed descriptor can still be unwatched");
    check(watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE) == -EBADF &&
              watch(-1, 1, RS_WATCH_NONE, ROUSE_READABLE) == -EBADF,
          "a closed descriptor cannot be watched");
    (void)close(file);
}

static int no_memory_for_stat(int fd, struct stat *out)
{
    (void)fd;
    (void)out;
    return -ENOMEM;
}

static int no_memory_for_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    (void)epoll_fd;
    (void)operation;
    (void)fd;
    (void)event;
    return -ENOMEM;
}

static void errors_are_passed_on(void)
{
    int fds[2];

    pipe_open(fds);
    rs_sys.fstat = no_memory_for_stat;
    rs_sys.epoll_ctl = no_memory_for_ctl;
    check(watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE) == -ENOMEM,
          "a watch that fails says why the kernel refused it");
    rs_sys.fstat = rs_sys_real.fstat;
    rs_sys.epoll_ctl = rs_sys_real.epoll_ctl;
    check(watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE) == 0 &&
              unwatch(fds[0], ROUSE_READABLE) == 0,
          "and can be tried again");
    pair_close(fds);
}

static void reused_numbers_are_watched_anew(void)
{
    int fds[2];
    int old;

    pipe_open(fds);
    old = fds[0];
    (void)watch(old, 1, RS_WATCH_NONE, ROUSE_READABLE);
    pair_close(fds);
    pipe_open(fds);
    need(fds[0] == old, "reuse of the number");
    put_byte(fds[1]);
    check(watch(old, 2, RS_WATCH_NONE, ROUSE_READABLE) == 0 && ready_for(2, 0) == ROUSE_READABLE,
          "a number closed while watched and opened again can be added");
    pair_close(fds);
    pipe_open(fds);
    put_byte(fds[1]);
    check(watch(old, 3, ROUSE_READABLE, ROUSE_READABLE) == 0 && ready_for(3, 0) == ROUSE_READABLE,
          "or changed");
    (void)unwatch(old, ROUSE_READABLE);
    pair_close(fds);
}

static void closed_descriptors_are_forgotten(void)
{
    int fds[2];

    pipe_open(fds);
    (void)watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE);
    pair_close(fds);
    (void)ready_for(1, 0);  // may be an error, once
    check(time_wait(SHORT_NS) >= SHORT_NS, "a descriptor closed while watched keeps nobody awake");
    (void)unwatch(fds[0], ROUSE_READABLE);
}

static void sleeps_are_not_short(void)
{
    bool early = false;

    for (uint64_t ns = 1; ns < 20 * ROUSE_NS_PER_MS; ns = ns * 3 + 1) {
        early = early || time_wait(ns) < ns;
    }
    check(!early, "a sleep is never shorter than asked for");
}

static int pipes[PIPES][2];

static void pipes_open(void)
{
    for (int i = 0; i < PIPES; i++) {
        pipe_open(pipes[i]);
        need(watch(pipes[i][0], (uint64_t)i + 1, RS_WATCH_NONE, ROUSE_READABLE) == 0, "watch");
    }
}

static void pipes_close(void)
{
    for (int i = 0; i < PIPES; i++) {
        (void)unwatch(pipes[i][0], ROUSE_READABLE);
        pair_close(pipes[i]);
    }
}

static void none_of_many_is_starved(void)
{
    bool seen[PIPES + 1] = {false};
    struct rs_event events[7];
    int total = 0;

    pipes_open();
    for (int i = 0; i < PIPES; i++) {
        put_byte(pipes[i][1]);
    }
    for (int turn = 0; turn < PIPES; turn++) {
        int count = ops->wait(backend, events, 7, 0);

        for (int i = 0; i < count; i++) {
            total += !seen[events[i].key];
            seen[events[i].key] = true;
        }
    }
    check(total == PIPES, "of many ready descriptors each is reported in its turn");
    for (int i = 0; i < PIPES; i += 2) {
        (void)unwatch(pipes[i][0], ROUSE_READABLE);
    }
    memset(seen, 0, sizeof seen);
    for (int turn = 0; turn < PIPES; turn++) {
        int count = ops->wait(backend, events, 7, 0);

        for (int i = 0; i < count; i++) {
            seen[events[i].key] = true;
        }
    }
    total = 0;
    for (int i = 0; i < PIPES; i++) {
        total += seen[i + 1] == (i % 2 == 1);
    }
    check(total == PIPES, "after half are removed the other half is reported");
    pipes_close();
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static void waits_need_no_memory(void)
{
    int fds[2];

    pipe_open(fds);
    (void)watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE | RS_WATCH_EDGE);
    put_byte(fds[1]);
    rs_sys.malloc = no_memory;
    check(ready_for(1, LONG_NS) == ROUSE_READABLE, "a wait needs no memory");
    ops->notify(backend);
    check(time_wait(LONG_NS) < LONG_NS, "nor does a notification");
    check(unwatch(fds[0], ROUSE_READABLE | RS_WATCH_EDGE) == 0, "nor does unwatching");
    rs_sys.malloc = rs_sys_real.malloc;
    pair_close(fds);
}

static void notify_before_the_wait(void)
{
    ops->notify(backend);
    ops->notify(backend);
    check(time_wait(LONG_NS) < LONG_NS, "a notification before a wait ends it");
    check(time_wait(SHORT_NS) >= SHORT_NS, "and no other one");
}

// A thread that waits once, or again and again, and adds up the events it gets.
struct waiter {
    pthread_t thread;
    uint64_t timeout_ns;
    atomic_bool stop;
    atomic_int events;
    uint64_t key;
    uint32_t ready;
    uint64_t slept_ns;
};

static void *wait_once(void *arg)
{
    struct waiter *w = arg;
    struct rs_event event = {0};
    uint64_t start = rouse_now_ns();

    if (ops->wait(backend, &event, 1, w->timeout_ns) > 0) {
        w->key = event.key;
        w->ready = event.ready;
    }
    w->slept_ns = rouse_now_ns() - start;
    return NULL;
}

static void *wait_on(void *arg)
{
    struct waiter *w = arg;
    struct rs_event event;

    // Relaxed: joined before anything is compared.
    while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
        if (ops->wait(backend, &event, 1, w->timeout_ns) > 0) {
            // Release, with the acquire of the test's thread: it looks at the pipe afterwards.
            atomic_fetch_add_explicit(&w->events, 1, memory_order_release);
        } else if (w->timeout_ns == 0) {
            (void)sched_yield();
        }
    }
    return NULL;
}

static void waiter_start(struct waiter *w, void *(*fn)(void *), uint64_t timeout_ns)
{
    *w = (struct waiter){.timeout_ns = timeout_ns};
    need(pthread_create(&w->thread, NULL, fn, w) == 0, "pthread_create");
}

// Repeats the notification: the waiter may not have begun when the first one came.
static void waiter_stop(struct waiter *w)
{
    // Relaxed: the notification carries it.
    atomic_store_explicit(&w->stop, true, memory_order_relaxed);
    ops->notify(backend);
    (void)pthread_join(w->thread, NULL);
}

static void notify_during_the_wait(void)
{
    struct waiter w;

    waiter_start(&w, wait_once, LONG_NS);
    (void)usleep(5000);
    ops->notify(backend);
    (void)pthread_join(w.thread, NULL);
    check(w.slept_ns < LONG_NS && w.ready == 0, "a notification during a wait ends it");
}

// A second thread polls all the time and takes the notifications' events away.
static void notifications_reach_the_sleeper(void)
{
    struct waiter helper;
    uint64_t longest = 0;

    waiter_start(&helper, wait_on, 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct waiter w;

        waiter_start(&w, wait_once, LONG_NS);
        for (int i = 0; i < round % 7; i++) {
            (void)sched_yield();
        }
        ops->notify(backend);
        (void)pthread_join(w.thread, NULL);
        if (w.slept_ns > longest) longest = w.slept_ns;
    }
    waiter_stop(&helper);
    check(longest < LONG_NS, "a notification ends the sleep also if others poll meanwhile");
    (void)time_wait(0);
    (void)time_wait(1);  // what the helper's end may have left
}

// ---- Work that is notified of ----

struct work {
    _Atomic uint32_t made;
    _Atomic uint32_t done;
    uint64_t longest_ns;
};

static void *do_work(void *arg)
{
    struct work *work = arg;
    struct rs_event event;
    uint32_t done = 0;

    while (done < NOTIFICATIONS) {
        // Acquire, with the release in notifications_come_close_together().
        while (atomic_load_explicit(&work->made, memory_order_acquire) == done) {
            uint64_t start = rouse_now_ns();

            (void)ops->wait(backend, &event, 1, LONG_NS);
            uint64_t slept_ns = rouse_now_ns() - start;

            if (slept_ns > work->longest_ns) work->longest_ns = slept_ns;
        }
        // Release, with the acquire there.
        atomic_store_explicit(&work->done, ++done, memory_order_release);
    }
    return NULL;
}

// Each is sent as soon as the one before has been heard, so that it comes while the other thread
// is about to sleep again, at any instruction.
static void notifications_come_close_together(void)
{
    struct work work = {.made = 0};
    pthread_t thread;

    need(pthread_create(&thread, NULL, do_work, &work) == 0, "pthread_create");
    for (uint32_t i = 1; i <= NOTIFICATIONS; i++) {
        atomic_store_explicit(&work.made, i, memory_order_release);
        ops->notify(backend);
        while (atomic_load_explicit(&work.done, memory_order_acquire) < i) {
            if (i % 2 == 0) (void)sched_yield();
        }
        for (uint32_t spin = 0; spin < i % 64; spin++) rs_cpu_relax();
    }
    (void)pthread_join(thread, NULL);
    check(work.longest_ns < LONG_NS, "no notification is lost on the way into a sleep");
    (void)time_wait(0);
    (void)time_wait(1);
}

// Until both together have got `wanted` events; false if that takes too long.
static bool wait_for_total(struct waiter *a, struct waiter *b, int wanted)
{
    uint64_t start = rouse_now_ns();

    do {
        // Acquire, with the release in wait_on().
        int total = atomic_load_explicit(&a->events, memory_order_acquire);

        if (b != NULL) total += atomic_load_explicit(&b->events, memory_order_acquire);
        if (total >= wanted) return true;
        (void)sched_yield();
    } while (rouse_now_ns() - start < LONG_NS);
    return false;
}

static void watch_during_the_wait(void)
{
    struct waiter w;
    int fds[2];

    pipe_open(fds);
    put_byte(fds[1]);
    waiter_start(&w, wait_on, LONG_NS);
    (void)usleep(5000);
    (void)watch(fds[0], 9, RS_WATCH_NONE, ROUSE_READABLE | RS_WATCH_EDGE);
    check(wait_for_total(&w, NULL, 1), "a wait in progress sees what is watched meanwhile");
    (void)unwatch(fds[0], ROUSE_READABLE | RS_WATCH_EDGE);
    waiter_stop(&w);
    pair_close(fds);
    (void)time_wait(1);
}

// Grows the table of the sleeper under it.
static void many_watches_during_the_wait(void)
{
    struct waiter w;
    struct rs_event events[PIPES];
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);

    waiter_start(&w, wait_on, LONG_NS);
    (void)usleep(2000);
    pipes_open();
    for (int i = 0; i < PIPES; i++) {
        put_byte(pipes[i][1]);
    }
    check(wait_for_total(&w, NULL, 1), "the table may grow during a wait");
    waiter_stop(&w);
    check(ops->wait(backend, events, PIPES, LONG_NS) > 0, "and is whole afterwards");
    pipes_close();
    check(rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations, "and nothing is left behind");
    (void)time_wait(1);
}

static void each_edge_goes_to_one(void)
{
    const uint32_t edge = ROUSE_READABLE | RS_WATCH_EDGE;
    struct waiter sleeper;
    struct waiter helper;
    int fds[2];
    int round = 0;

    pipe_open(fds);
    (void)watch(fds[0], 1, RS_WATCH_NONE, edge);
    waiter_start(&sleeper, wait_on, LONG_NS);
    waiter_start(&helper, wait_on, 0);
    for (; round < ROUNDS; round++) {
        put_byte(fds[1]);
        if (!wait_for_total(&sleeper, &helper, round + 1)) break;
        drain(fds[0]);
        if (!ops->edge) (void)watch(fds[0], 1, edge, edge);
    }
    waiter_stop(&helper);
    waiter_stop(&sleeper);
    check(round == ROUNDS && sleeper.events + helper.events == ROUNDS,
          "of a sleeper and a helper exactly one gets each edge");
    (void)unwatch(fds[0], edge);
    pair_close(fds);
    (void)time_wait(1);
}

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN};

    return poll(&entry, 1, timeout_ms) == 1;
}

static void embeds_by_one_descriptor(void)
{
    int fd = ops->fd(backend);
    int fds[2];

    if (fd == -ENOTSUP) {
        check(ops->set_alarm(backend, 1) == -ENOTSUP, "without a descriptor there is no alarm");
        return;
    }
    check(!is_readable(fd, 0), "its descriptor is not readable while a wait would sleep");
    ops->notify(backend);
    check(is_readable(fd, 1000), "a notification makes it readable");
    (void)time_wait(0);
    check(!is_readable(fd, 0), "until the next wait");
    ops->notify(backend);
    check(is_readable(fd, 1000) && time_wait(0) < LONG_NS && !is_readable(fd, 0),
          "each notification does");
    (void)time_wait(1);

    pipe_open(fds);
    (void)watch(fds[0], 1, RS_WATCH_NONE, ROUSE_READABLE);
    put_byte(fds[1]);
    check(is_readable(fd, 1000) && ready_for(1, 0) == ROUSE_READABLE, "an event does");
    (void)unwatch(fds[0], ROUSE_READABLE);
    pair_close(fds);
}

static void alarms_wake_the_embedder(void)
{
    int fd = ops->fd(backend);
    uint64_t deadline = rouse_deadline_after(SHORT_NS);

    if (fd < 0) return;
    check(ops->set_alarm(backend, ROUSE_NEVER) == 0, "no alarm is the default");
    check(ops->set_alarm(backend, deadline) == 0 && is_readable(fd, 20000) &&
              rouse_now_ns() >= deadline,
          "an alarm makes it readable, not early");
    check(ready_for(0, 0) == NO_EVENT && !is_readable(fd, 0), "an alarm is not reported");
    check(ops->set_alarm(backend, 0) == 0 && is_readable(fd, 1000), "a past alarm does at once");
    (void)ops->set_alarm(backend, rouse_deadline_after(LONG_NS));
    check(!is_readable(fd, 0), "an alarm moved away does not");
    (void)ops->set_alarm(backend, rouse_deadline_after(SHORT_NS));
    (void)ops->set_alarm(backend, ROUSE_NEVER);
    check(!is_readable(fd, 30), "nor one taken back");
}

static int no_eventfd(unsigned initial, int flags)
{
    (void)initial;
    (void)flags;
    return -EMFILE;
}

static void opening_fails_cleanly(void)
{
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);
    struct rs_backend *out;

    rs_sys.malloc = no_memory;
    check(ops->open(&out, rouse_allocator_default()) == -ENOMEM, "without memory it does not open");
    rs_sys.malloc = rs_sys_real.malloc;
    rs_sys.eventfd = no_eventfd;
    check(ops->open(&out, rouse_allocator_default()) == -EMFILE, "nor without descriptors");
    rs_sys.eventfd = rs_sys_real.eventfd;
    check(rs_counter_sum(RS_COUNTER_FDS) == fds &&
              rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations,
          "and leaves nothing behind");
}

static void test_backend(const struct rs_backend_ops *under_test)
{
    int64_t fds = rs_counter_sum(RS_COUNTER_FDS);
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);

    ops = under_test;
    need(ops->open(&backend, rouse_allocator_default()) == 0, "open");
    level_is_reported_while_it_lasts();
    key_and_interest_change();
    edges_are_reported_once();
    directions_have_edges_of_their_own();
    ends_are_reported();
    bad_descriptors_are_refused();
    errors_are_passed_on();
    reused_numbers_are_watched_anew();
    closed_descriptors_are_forgotten();
    sleeps_are_not_short();
    none_of_many_is_starved();
    waits_need_no_memory();
    notify_before_the_wait();
    notify_during_the_wait();
    watch_during_the_wait();
    notifications_reach_the_sleeper();
    notifications_come_close_together();
    each_edge_goes_to_one();
    // The kernel may take a while to clean up after the threads that have waited, which a ring
    // shows.
    ops->close(backend);
    need(ops->open(&backend, rouse_allocator_default()) == 0, "open");
    embeds_by_one_descriptor();
    alarms_wake_the_embedder();
    ops->close(backend);
    opening_fails_cleanly();
    check(rs_counter_sum(RS_COUNTER_FDS) == fds &&
              rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations,
          "a closed back end has given everything back");
    need(ops->open(&backend, rouse_allocator_default()) == 0, "open");
    many_watches_during_the_wait();
    ops->close(backend);
}

// The choice. Log lines are counted, and the last one kept.

static int log_lines;
static char log_line[256];

static void keep_line(void *data, const struct rouse_log_record *record)
{
    (void)data;
    log_lines++;
    (void)snprintf(log_line, sizeof log_line, "%s", record->message);
}

static int no_epoll(int flags)
{
    (void)flags;
    return -ENOSYS;
}

static int no_descriptors(int flags)
{
    (void)flags;
    return -EMFILE;
}

// The name of the back end that is opened; NULL for an error.
static const char *opened(const char *name, int *err)
{
    struct rs_backend *out;
    const char *chosen;

    *err = rs_backend_open(&out, name, rouse_allocator_default());
    if (*err < 0) return NULL;
    chosen = out->ops->name;
    out->ops->close(out);
    return chosen;
}

static bool opens(const char *name, const char *expected)
{
    int err;
    const char *chosen = opened(name, &err);

    return chosen != NULL && strcmp(chosen, expected) == 0;
}

static void the_choice(void)
{
    int err;

    rouse_log_set_hook(keep_line, NULL, ROUSE_LOG_INFO);
    (void)unsetenv("ROUSE_REACTOR");
    claim(opens(NULL, "epoll"), "without a wish the best one is taken");
    claim(log_lines == 1 && strstr(log_line, "epoll") != NULL, "one log line says which");
    claim(opens(NULL, "epoll") && log_lines == 1, "and no second one for the same choice");
    claim(opens("poll", "poll") && opens("epoll", "epoll"), "a name is obeyed");
    (void)setenv("ROUSE_REACTOR", "poll", 1);
    claim(opens(NULL, "poll"), "so is ROUSE_REACTOR");
    claim(opens("epoll", "epoll"), "a name counts more than ROUSE_REACTOR");
    (void)setenv("ROUSE_REACTOR", "kqueue", 1);
    claim(opened(NULL, &err) == NULL && err == -EINVAL, "an unknown ROUSE_REACTOR is an error");
    claim(opened("select", &err) == NULL && err == -EINVAL, "so is an unknown name");
    (void)setenv("ROUSE_REACTOR", "", 1);
    claim(opens(NULL, "epoll"), "an empty ROUSE_REACTOR is no wish");
    (void)unsetenv("ROUSE_REACTOR");

    rs_sys.epoll_create1 = no_epoll;
    claim(opens(NULL, "poll") && strstr(log_line, "refused") != NULL,
          "a kernel that refuses the best gets the next, and the log says so");
    claim(opens("epoll", "poll"), "also if it was asked for by name");
    rs_sys.epoll_create1 = no_descriptors;
    claim(opened(NULL, &err) == NULL && err == -EMFILE,
          "being out of descriptors is an error, not a reason for the next");
    rs_sys.epoll_create1 = rs_sys_real.epoll_create1;
    rouse_log_set_hook(NULL, NULL, ROUSE_LOG_WARN);
}

static int no_pwait2(int epoll_fd, struct epoll_event *events, int max,
                     const struct timespec *timeout)
{
    (void)epoll_fd;
    (void)events;
    (void)max;
    (void)timeout;
    return -ENOSYS;
}

static int waited_ms;

static int note_wait(int epoll_fd, struct epoll_event *events, int max, int timeout)
{
    waited_ms = timeout;
    return rs_sys_real.epoll_wait(epoll_fd, events, max, timeout);
}

// Last: that the call is missing is remembered for the life of the process. The limit is looked at,
// not the time: the kernel may still be taking rings apart that this thread has used, and ends its
// waits for that.
static void without_pwait2(void)
{
    ops = &rs_backend_epoll;
    need(ops->open(&backend, rouse_allocator_default()) == 0, "open");
    rs_sys.epoll_pwait2 = no_pwait2;
    rs_sys.epoll_wait = note_wait;
    (void)time_wait(1500 * ROUSE_NS_PER_US);
    claim(waited_ms == 2, "without epoll_pwait2 a sleep is rounded up, not down");
    rs_sys.epoll_pwait2 = rs_sys_real.epoll_pwait2;
    rs_sys.epoll_wait = rs_sys_real.epoll_wait;
    ops->notify(backend);
    claim(time_wait(ROUSE_NEVER) < LONG_NS, "and may be endless");
    ops->close(backend);
}

int main(void)
{
    struct rs_backend *out;

    test_backend(&rs_backend_epoll);
    test_backend(&rs_backend_poll);
    if (rs_backend_io_uring.open(&out, rouse_allocator_default()) == 0) {
        out->ops->close(out);
        (void)usleep(50000);  // see without_pwait2()
        test_backend(&rs_backend_io_uring);
    } else {
        printf("# no io_uring here\n");
    }
    the_choice();
    without_pwait2();
    return claims_end();
}
