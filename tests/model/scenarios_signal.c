// SPDX-License-Identifier: MIT
//
// Signals: the handler against the thread that delivers, and against its end.

#include <errno.h>
#include <rouse/signal.h>
#include <signal.h>

#include "base/sys.h"
#include "signal/signal.h"
#include "wait.h"

static struct rouse_signal awaited[2];
static struct model_waker wakers[2];
static struct sigaction installed;  // for the one signal that is used
static void (*handler)(int number, siginfo_t *info, void *context);
static ssize_t (*write_really)(int fd, const void *buf, size_t size);
static _Atomic int noted;

static int keep_action(int number, const struct sigaction *action, struct sigaction *old)
{
    (void)number;
    if (old != NULL) *old = installed;
    if (action != NULL) installed = *action;
    return 0;
}

static int plain;  // stands for what the kernel keeps for the descriptor

static ssize_t write_checked(int fd, const void *buf, size_t size)
{
    model_claim(plain == 0, "the descriptor is open");
    ssize_t written = write_really(fd, buf, size);

    model_claim(written != -EBADF, "a handler never writes to a descriptor that has been closed");
    return written;
}

static int (*close_really)(int fd);

static int close_checked(int fd)
{
    plain = 1;
    return close_really(fd);
}

static void stop_with_close(void)
{
    close_really = rs_sys.close;
    rs_sys.close = close_checked;
    rs_signal_thread_stop();
}

// The signal thread is started first: it is thread 1.
static void make(void)
{
    installed = (struct sigaction){.sa_handler = SIG_DFL};
    rs_sys.sigaction = keep_action;
    write_really = rs_sys.write;
    rs_sys.write = write_checked;
    // Relaxed: the other threads do not look yet.
    atomic_store_explicit(&noted, 0, memory_order_relaxed);
    wakers[0] = (struct model_waker){.thread = 2};
    wakers[1] = (struct model_waker){.thread = 2};
    rouse_signal_init(&awaited[0], SIGUSR1);
    handler = installed.sa_sigaction;
    plain = 0;
}

static void unmake(void)
{
    claim_dropped(&wakers[0]);
    claim_dropped(&wakers[1]);
}

static void raise_signal(void)
{
    handler(SIGUSR1, NULL, NULL);
}

static void note_and_raise(void)
{
    // Relaxed: what the signal publishes.
    atomic_store_explicit(&noted, 1, memory_order_relaxed);
    raise_signal();
}

static void wait_and_stop(void)
{
    wait_for(&awaited[0].base, &wakers[0], NULL);
    model_claim(awaited[0].output == SIGUSR1, "the signal arrives");
    // Relaxed: so that only the delivery orders.
    model_claim(atomic_load_explicit(&noted, memory_order_relaxed) == 1,
                "what came before a signal is seen by who is woken by it");
    rs_signal_thread_stop();
}

// Made after the first signal, whether or not that has been delivered: the second one ends it.
static void make_second(void)
{
    make();
    handler(SIGUSR1, NULL, NULL);
    rouse_signal_init(&awaited[1], SIGUSR1);
}

static void wait_for_second_and_stop(void)
{
    wait_for(&awaited[1].base, &wakers[1], NULL);
    // Relaxed: so that only the delivery orders.
    model_claim(atomic_load_explicit(&noted, memory_order_relaxed) == 1,
                "what came before the second signal is seen by who is woken by it");
    rouse_future_drop(&awaited[0].base);
    rs_signal_thread_stop();
}

static void wait_with_second_and_stop(void)
{
    if (poll_with(&awaited[0].base, &wakers[0], NULL) == ROUSE_PENDING) {
        while (poll_with(&awaited[0].base, &wakers[1], NULL) == ROUSE_PENDING) {
            while (!model_waker_take(&wakers[1])) model_park();
        }
    }
    rs_signal_thread_stop();
}

static void drop_and_stop(void)
{
    (void)poll_with(&awaited[0].base, &wakers[0], NULL);
    rouse_future_drop(&awaited[0].base);
    awaited[0] = (struct rouse_signal){.output = -1};
    rs_signal_thread_stop();
}

// The signal comes while nobody reads: whoever starts the thread anew delivers it.
static void stop_and_start(void)
{
    rs_signal_thread_stop();
    rouse_signal_init(&awaited[1], SIGUSR1);
    wait_for(&awaited[0].base, &wakers[0], NULL);
    rouse_future_drop(&awaited[1].base);
    rs_signal_thread_stop();
}

static void make_stopped(void)
{
    make();
    rs_signal_thread_stop();
}

static void start_and_wait(void)
{
    rouse_signal_init(&awaited[1], SIGUSR1);
    wait_for(&awaited[0].base, &wakers[0], NULL);
    rouse_future_drop(&awaited[1].base);
    rs_signal_thread_stop();
}

static void nothing(void)
{
}

// As after a fork: who starts the thread anew does so for another signal, and reads nothing of this
// one.
static void start_for_another_and_wait(void)
{
    model_claim(rs_signal_set_action(SIGUSR2, nothing) == 0, "the thread is started");
    wait_for(&awaited[0].base, &wakers[0], NULL);
    rs_signal_thread_stop();
}

const struct model_scenario model_signal_scenarios[] = {
    {.name = "signal_against_start",
     .about = "a signal that comes before its reader is announced is delivered by that",
     .setup = make_stopped,
     .threads = {start_and_wait, raise_signal},
     .check = unmake},
    {.name = "signal_against_other_start",
     .about = "so it is if the reader is announced for the sake of another signal",
     .setup = make_stopped,
     .threads = {start_for_another_and_wait, raise_signal},
     .check = unmake},
    {.name = "signal_delivered",
     .about = "a signal reaches who waits for it, and publishes",
     .setup = make,
     .threads = {wait_and_stop, note_and_raise},
     .check = unmake},
    {.name = "signal_second",
     .about = "a signal that is delivered together with an earlier one publishes as well",
     .setup = make_second,
     .threads = {wait_for_second_and_stop, note_and_raise},
     .check = unmake},
    {.name = "signal_against_waker",
     .about = "of two wakers the last one is woken",
     .setup = make,
     .threads = {wait_with_second_and_stop, raise_signal},
     .check = unmake},
    {.name = "signal_against_drop",
     .about = "a future that is dropped while its signal comes is not touched again",
     .setup = make,
     .threads = {drop_and_stop, raise_signal},
     .check = unmake},
    {.name = "signal_against_stop",
     .about = "a handler does not use a descriptor of a thread that has been stopped",
     .setup = make,
     .threads = {stop_with_close, raise_signal}},
    {.name = "signal_against_restart",
     .about = "a signal that comes between two threads is delivered by the second",
     .setup = make,
     .threads = {stop_and_start, raise_signal},
     .check = unmake},
    {.name = NULL},
};
