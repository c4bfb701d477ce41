// SPDX-License-Identifier: MIT
//
// Signals as futures, polled by hand: who is woken by which signal, what happens to the process's
// handlers, that a signal blocked everywhere still comes, and the life of the signal thread over
// stop, restart, failure and fork.

#include <rouse/signal.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sanitizer.h"
#include "base/sys.h"
#include "child.h"
#include "claim.h"
#include "hand_waker.h"
#include "signal/signal.h"

enum { WAITERS = 40, ROUNDS = 300, LISTENERS = 2 };

static void signal_self(int number)
{
    (void)kill(getpid(), number);
}

static int64_t threads(void)
{
    return rs_counter_sum(RS_COUNTER_THREADS);
}

static int64_t fds(void)
{
    return rs_counter_sum(RS_COUNTER_FDS);
}

// Polls until the future is ready or 20 seconds are over; its output.
static int finish(struct rouse_signal *signal)
{
    struct hand_waker hand = {0};
    int wakes = 0;

    while (hand_waker_poll(&hand, &signal->base) == ROUSE_PENDING) {
        if (!hand_waker_wait(&hand, ++wakes)) {
            rouse_future_drop(&signal->base);
            return -ETIMEDOUT;
        }
    }
    return signal->output;
}

static bool is_refused(int number, int err)
{
    struct rouse_signal signal;
    struct hand_waker hand = {0};

    rouse_signal_init(&signal, number);
    if (hand_waker_poll(&hand, &signal.base) != ROUSE_READY) return false;
    return signal.output == err && rouse_future_result(&signal.base) == err;
}

static void some_cannot_be_waited_for(void)
{
    struct rouse_signal signal;

    claim(is_refused(0, -EINVAL) && is_refused(-1, -EINVAL) && is_refused(65, -EINVAL),
          "a number that is no signal is refused");
    claim(is_refused(SIGKILL, -EINVAL) && is_refused(SIGSTOP, -EINVAL), "so is SIGKILL");
    claim(is_refused(SIGSEGV, -EINVAL) && is_refused(SIGABRT, -EINVAL), "so is a fault");
    rouse_signal_init(&signal, 0);
    rouse_future_drop(&signal.base);
    claim(threads() == 0 && fds() == 0, "nothing is set up for those");
}

static int fail_create(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                       void *arg)
{
    (void)out;
    (void)attributes;
    (void)fn;
    (void)arg;
    return -EAGAIN;
}

static int fail_eventfd(unsigned initial, int flags)
{
    (void)initial;
    (void)flags;
    return -EMFILE;
}

static void setting_up_may_fail(void)
{
    struct sigaction now;

    rs_sys.thread_create = fail_create;
    claim(is_refused(SIGUSR1, -EAGAIN), "without a thread it fails");
    rs_sys.thread_create = rs_sys_real.thread_create;
    rs_sys.eventfd = fail_eventfd;
    claim(is_refused(SIGUSR1, -EMFILE), "without a descriptor too");
    rs_sys.eventfd = rs_sys_real.eventfd;
    (void)sigaction(SIGUSR1, NULL, &now);
    claim(threads() == 0 && fds() == 0 && now.sa_handler == SIG_DFL, "and nothing has changed");
}

static void a_signal_ends_the_wait(void)
{
    struct rouse_signal signal;
    struct rouse_signal other;
    struct hand_waker hand = {0};
    char text[32];

    rouse_signal_init(&signal, SIGUSR1);
    rouse_signal_init(&other, SIGUSR2);
    claim(threads() == 1 && fds() == 1, "the first use makes one thread and one descriptor");
    claim(hand_waker_poll(&hand, &signal.base) == ROUSE_PENDING &&
              hand_waker_poll(&hand, &other.base) == ROUSE_PENDING && hand_waker_shares(&hand) == 2,
          "before the signal it is pending");
    (void)rouse_future_describe(&signal.base, text, sizeof text);
    claim(strncmp(text, "signal ", 7) == 0, "and says what it waits for");
    signal_self(SIGUSR1);
    claim(hand_waker_wait(&hand, 1) && hand_waker_poll(&hand, &signal.base) == ROUSE_READY &&
              signal.output == SIGUSR1 && rouse_future_result(&signal.base) == SIGUSR1,
          "the signal ends it");
    claim(hand_waker_poll(&hand, &other.base) == ROUSE_PENDING && hand_waker_wakes(&hand) == 1,
          "and no wait for another one");
    rouse_future_drop(&other.base);
    rouse_future_drop(&signal.base);
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
}

static void only_later_signals_count(void)
{
    struct rouse_signal before;
    struct rouse_signal after;
    struct hand_waker hand = {0};
    int early = 0;

    for (int round = 0; round < ROUNDS; round++) {
        rouse_signal_init(&before, SIGUSR1);
        (void)raise(SIGUSR1);
        rouse_signal_init(&after, SIGUSR1);
        early += finish(&before) != SIGUSR1;
        early += hand_waker_poll(&hand, &after.base) != ROUSE_PENDING;
        rouse_future_drop(&after.base);
    }
    claim(early == 0, "a signal that came before the future does not end it");
    rouse_signal_init(&after, SIGUSR1);
    (void)raise(SIGUSR1);
    (void)raise(SIGUSR1);
    claim(finish(&after) == SIGUSR1, "one that came between making and polling it does");
}

static void all_waiters_get_it(void)
{
    static struct rouse_signal signals[WAITERS];
    struct hand_waker hand = {0};
    int ready = 0;

    for (int i = 0; i < WAITERS; i++) {
        rouse_signal_init(&signals[i], SIGUSR1);
        (void)hand_waker_poll(&hand, &signals[i].base);
    }
    for (int i = 0; i < WAITERS; i += 4) {
        rouse_future_drop(&signals[i].base);
    }
    claim(hand_waker_shares(&hand) == WAITERS - WAITERS / 4, "a drop gives the waker back");
    signal_self(SIGUSR1);
    claim(hand_waker_wait(&hand, WAITERS - WAITERS / 4), "all others are woken");
    for (int i = 0; i < WAITERS; i++) {
        if (i % 4 != 0) ready += hand_waker_poll(&hand, &signals[i].base) == ROUSE_READY;
    }
    claim(ready == WAITERS - WAITERS / 4 && hand_waker_wakes(&hand) == ready &&
              hand_waker_shares(&hand) == 0,
          "once each, and all end");
}

static void the_last_waker_wins(void)
{
    struct rouse_signal signal;
    struct hand_waker first = {0};
    struct hand_waker second = {0};

    rouse_signal_init(&signal, SIGUSR1);
    (void)hand_waker_poll(&first, &signal.base);
    (void)hand_waker_poll(&second, &signal.base);
    claim(hand_waker_shares(&first) == 0 && hand_waker_shares(&second) == 1,
          "a poll by another task replaces the waker");
    signal_self(SIGUSR1);
    claim(hand_waker_wait(&second, 1) && hand_waker_wakes(&first) == 0, "which alone is woken");
    claim(finish(&signal) == SIGUSR1, "by the signal");
}

static void blocked_signals_come_too(void)
{
    struct rouse_signal signal;
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL);
    rouse_signal_init(&signal, SIGUSR1);
    signal_self(SIGUSR1);
    claim(finish(&signal) == SIGUSR1, "a signal that the program's threads block comes as well");
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static atomic_int acted;
static char actor[16];

static void action(void)
{
    (void)prctl(PR_GET_NAME, actor, 0, 0, 0);
    // Release, with the acquire in acted_become().
    atomic_fetch_add_explicit(&acted, 1, memory_order_release);
}

// Until the action has been called `times` times; false if that takes 20 seconds.
static bool acted_become(int times)
{
    uint64_t deadline = rouse_deadline_after(20 * ROUSE_NS_PER_S);

    // Acquire, with the release in action().
    while (atomic_load_explicit(&acted, memory_order_acquire) != times) {
        if (rouse_now_ns() > deadline) return false;
        hand_pause();
    }
    return true;
}

static void actions_run_on_the_thread(void)
{
    struct rouse_signal signal;
    int err = rs_signal_set_action(SIGHUP, action);

    rouse_signal_init(&signal, SIGHUP);
    signal_self(SIGHUP);
    claim(err == 0 && finish(&signal) == SIGHUP && acted_become(1),
          "a signal calls its action, and wakes the waiters");
    claim(strcmp(actor, "rouse-signal") == 0, "on the signal thread");
    err = rs_signal_set_action(SIGHUP, NULL);
    rouse_signal_init(&signal, SIGHUP);
    signal_self(SIGHUP);
    claim(err == 0 && finish(&signal) == SIGHUP && acted_become(1),
          "and no longer once it is taken away");
    claim(rs_signal_set_action(SIGKILL, action) == -EINVAL, "SIGKILL cannot have one");
}

static volatile sig_atomic_t handled;

static void handler(int number)
{
    handled = number;
}

static void handler_with_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    handled = info != NULL ? -number : 0;
}

static void earlier_handlers_are_called(void)
{
    struct sigaction plain = {.sa_handler = handler};
    struct sigaction with_info = {.sa_sigaction = handler_with_info, .sa_flags = SA_SIGINFO};
    struct rouse_signal signal;

    (void)sigaction(SIGWINCH, &plain, NULL);
    (void)sigaction(SIGALRM, &with_info, NULL);
    rouse_signal_init(&signal, SIGWINCH);
    errno = 77;
    (void)raise(SIGWINCH);
    claim(errno == 77, "errno is as it was");
    claim(finish(&signal) == SIGWINCH && handled == SIGWINCH,
          "the handler that was there before is called too");
    rouse_signal_init(&signal, SIGALRM);
    (void)raise(SIGALRM);
    claim(finish(&signal) == SIGALRM && handled == -SIGALRM, "with all that it wants to know");
}

struct interrupter {
    pthread_t target;
    int fd;
};

static void *interrupt(void *arg)
{
    struct interrupter *i = arg;
    ssize_t ignored;

    for (int n = 0; n < 3; n++) {
        (void)usleep(3000);
        (void)pthread_kill(i->target, SIGUSR1);
    }
    (void)usleep(3000);
    ignored = write(i->fd, "x", 1);
    (void)ignored;
    return NULL;
}

static void system_calls_are_restarted(void)
{
    struct interrupter i = {.target = pthread_self()};
    struct rouse_signal signal;
    pthread_t thread;
    int pipe_fds[2];
    char byte;

    if (pipe(pipe_fds) < 0) return;
    rouse_signal_init(&signal, SIGUSR1);
    i.fd = pipe_fds[1];
    (void)pthread_create(&thread, NULL, interrupt, &i);
    claim(read(pipe_fds[0], &byte, 1) == 1, "a blocking read goes on over signals");
    claim(finish(&signal) == SIGUSR1, "which came");
    (void)pthread_join(thread, NULL);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
}

// Threads that wait again and again, and drop some.
struct listener {
    pthread_t thread;
    int wrong;
    _Atomic int done;
};

static void *listen_on(void *arg)
{
    struct listener *l = arg;
    struct hand_waker hand = {0};
    struct rouse_signal signal;

    for (int i = 0; i < ROUNDS; i++) {
        rouse_signal_init(&signal, SIGUSR1);
        if (i % 3 == 0) {
            (void)hand_waker_poll(&hand, &signal.base);
            rouse_future_drop(&signal.base);
        } else {
            l->wrong += finish(&signal) != SIGUSR1;
        }
    }
    // Release, with the acquire in many_threads().
    atomic_store_explicit(&l->done, 1, memory_order_release);
    return NULL;
}

static void many_threads(void)
{
    struct listener listeners[LISTENERS];
    int wrong = 0;

    memset(listeners, 0, sizeof listeners);
    for (int i = 0; i < LISTENERS; i++) {
        (void)pthread_create(&listeners[i].thread, NULL, listen_on, &listeners[i]);
    }
    for (int i = 0; i < LISTENERS; i++) {
        while (atomic_load_explicit(&listeners[i].done, memory_order_acquire) == 0) {
            signal_self(SIGUSR1);
            hand_pause();
        }
        (void)pthread_join(listeners[i].thread, NULL);
        wrong += listeners[i].wrong;
    }
    claim(wrong == 0, "no wait on any thread misses its signal");
}

// In the child: 0 if all is well.
static int in_the_child(struct rouse_signal *inherited)
{
    struct rouse_signal signal;

    if (threads() != 0 || fds() != 0) return 1;
    rouse_future_drop(&inherited->base);
    rouse_signal_init(&signal, SIGUSR2);
    if (threads() != 1 || fds() != 1) return 2;
    (void)raise(SIGUSR2);
    return finish(&signal) == SIGUSR2 ? 0 : 3;
}

static void forks_start_anew(void)
{
    struct rouse_signal signal;
    struct hand_waker hand = {0};
    int status = -1;
    pid_t child;

    if (!child_can_make_threads()) {
        claim(true, "the child of a fork starts anew # SKIP it can make no threads here");
        return;
    }
    rouse_signal_init(&signal, SIGUSR2);
    (void)hand_waker_poll(&hand, &signal.base);
    child = fork();
    if (child == 0) child_exit(in_the_child(&signal));
    (void)waitpid(child, &status, 0);
    claim(WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "the child of a fork has no signal thread, and makes its own");
    claim(hand_waker_poll(&hand, &signal.base) == ROUSE_PENDING, "its signals are its own");
    signal_self(SIGUSR2);
    claim(finish(&signal) == SIGUSR2, "the parent's go on");
}

static void signals_of_real_time(void)
{
    struct rouse_signal first;
    struct rouse_signal last;

    claim(is_refused(SIGRTMIN - 1, -EINVAL) && is_refused(32, -EINVAL),
          "the C library's own signals cannot be waited for");
    rouse_signal_init(&first, SIGRTMIN);
    rouse_signal_init(&last, SIGRTMAX);
    for (int i = 0; i < 3; i++) signal_self(SIGRTMIN);
    claim(finish(&first) == SIGRTMIN, "signals of real time are waited for, three as one");
    if (child_is_emulated()) {
        rouse_future_drop(&last.base);
        claim(true, "up to the last # SKIP the emulator keeps it for itself");
    } else {
        signal_self(SIGRTMAX);
        claim(finish(&last) == SIGRTMAX, "up to the last");
    }
    rouse_signal_init(&first, SIGRTMIN);
    rouse_future_drop(&first.base);
}

// A child of a fork of the test's own, and what rouse does about it: nothing.
static void ends_of_children(void)
{
    struct rouse_signal signal;
    int status = -1;

    rouse_signal_init(&signal, SIGCHLD);
    pid_t child = fork();

    if (child == 0) _exit(3);
    claim(finish(&signal) == SIGCHLD && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
              WEXITSTATUS(status) == 3,
          "the end of a child is a signal, and its status is there for whoever asks");
}

static bool is_default(int number)
{
    struct sigaction now;

    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

static void released(void)
{
    struct rouse_signal wait;
    struct hand_waker hand = {0};
    struct sigaction now;

    rouse_signal_init(&wait, SIGURG);
    claim(rouse_signal_release(SIGURG) == -EBUSY, "a signal with a wait is not given back");
    (void)hand_waker_poll(&hand, &wait.base);
    claim(rouse_signal_release(SIGURG) == -EBUSY && !is_default(SIGURG), "nor under one");
    signal_self(SIGURG);
    claim(finish(&wait) == SIGURG && rouse_signal_release(SIGURG) == 0 && is_default(SIGURG),
          "after the last wait it is, when asked for");
    claim(rouse_signal_release(SIGURG) == 0 && rouse_signal_release(SIGPROF) == 0 &&
              rouse_signal_release(SIGKILL) == -EINVAL,
          "what was not caught needs nothing");
    rouse_signal_init(&wait, SIGURG);
    rouse_future_drop(&wait.base);
    claim(rouse_signal_release(SIGURG) == 0 && is_default(SIGURG), "a dropped wait counts no more");

    (void)signal(SIGPROF, SIG_IGN);
    rouse_signal_init(&wait, SIGPROF);
    rouse_future_drop(&wait.base);
    (void)rouse_signal_release(SIGPROF);
    (void)sigaction(SIGPROF, NULL, &now);
    claim(now.sa_handler == SIG_IGN, "one that was ignored is ignored again");
    (void)signal(SIGPROF, SIG_DFL);
    rouse_signal_init(&wait, SIGURG);
    signal_self(SIGURG);
    claim(finish(&wait) == SIGURG, "a later wait catches it again");
}

// Survives a signal that it catches, says so, and gives it back.
ROUSE_NORETURN static void release_and_die(int said)
{
    struct rouse_signal wait;

    rouse_signal_init(&wait, SIGVTALRM);
    signal_self(SIGVTALRM);
    if (finish(&wait) == SIGVTALRM && write(said, "x", 1) == 1 &&
        rouse_signal_release(SIGVTALRM) == 0) {
        signal_self(SIGVTALRM);
    }
    child_exit(1);
}

static void released_means_the_default_action(void)
{
    int said[2];
    int status = -1;
    char byte;

    if (!child_can_make_threads() || pipe(said) < 0) {
        claim(true, "a released signal ends the process # SKIP a child can make no threads here");
        return;
    }
    pid_t child = fork();

    if (child == 0) release_and_die(said[1]);
    (void)waitpid(child, &status, 0);
    (void)close(said[1]);
    claim(read(said[0], &byte, 1) == 1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM,
          "a released signal ends the process, and a caught one did not");
    (void)close(said[0]);
}

static void stop_and_restart(void)
{
    struct sigaction now;
    struct rouse_signal signal;

    rs_signal_thread_stop();
    claim(threads() == 0 && fds() == 0, "stopped, there is no thread and no descriptor");
    (void)sigaction(SIGUSR1, NULL, &now);
    claim(now.sa_handler == SIG_DFL, "signals do again what they did before");
    (void)sigaction(SIGWINCH, NULL, &now);
    claim(now.sa_handler == handler, "and handlers are back");
    rs_signal_thread_stop();
    claim(threads() == 0, "a second stop does nothing");
    rouse_signal_init(&signal, SIGUSR1);
    signal_self(SIGUSR1);
    claim(finish(&signal) == SIGUSR1, "the next use starts again");
    rs_signal_thread_stop();
}

int main(void)
{
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);

    some_cannot_be_waited_for();
    setting_up_may_fail();
    a_signal_ends_the_wait();
    only_later_signals_count();
    all_waiters_get_it();
    the_last_waker_wins();
    blocked_signals_come_too();
    actions_run_on_the_thread();
    earlier_handlers_are_called();
    system_calls_are_restarted();
    many_threads();
    forks_start_anew();
    signals_of_real_time();
    ends_of_children();
    released();
    released_means_the_default_action();
    stop_and_restart();
    claim(threads() == 0 && fds() == 0 && rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations,
          "everything has been given back");
    return claims_end();
}
