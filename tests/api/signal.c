// SPDX-License-Identifier: MIT
//
// Waiting for signals. A signal that is waited for once is caught for good, by a thread of rouse's
// that stays; so what leaks is checked between two waits, not over the whole test.

#include <rouse/error.h>
#include <rouse/signal.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <signal.h>
#include <unistd.h>

#include "harness/api.h"

static _Atomic int waiting;
static _Atomic int got;

// Waits for a signal.
struct listener {
    struct body body;
    int number;
    struct rouse_signal signal;
};

static rouse_poll listener(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(listener, frame, cx);
    rouse_signal_init(&f->signal, f->number);
    count_add(&waiting, 1);
    AWAIT(&f->signal.base);
    count_add(&got, 1);
    BODY_RETURN(f->signal.output);
    BODY_END();
}

enum { LISTENERS = 5 };

struct every_waiter_gets_the_signal {
    struct body body;
    int next;
    struct rouse_sleep sleep;
    struct rouse_join_handle handles[LISTENERS];
    struct rouse_join_handle other;
};

static rouse_poll every_waiter_gets_the_signal(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(every_waiter_gets_the_signal, frame, cx);
    for (int i = 0; i < LISTENERS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], listener, .number = SIGUSR1), 0);
    }
    CHECK_EQ(SPAWN(&f->other, listener, .number = SIGHUP), 0);
    while (count_get(&waiting) <= LISTENERS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    for (f->next = 0; f->next < LISTENERS; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), SIGUSR1);
    }
    CHECK_EQ(count_get(&got), LISTENERS);
    CHECK_EQ(kill(getpid(), SIGHUP), 0);
    AWAIT(&f->other.base);
    CHECK_EQ(joined(&f->other), SIGHUP);
    BODY_END();
}

struct signal_before_the_first_poll_counts {
    struct body body;
    struct rouse_signal signal;
    struct rouse_sleep sleep;
    struct rouse_timeout timeout;
};

static rouse_poll signal_before_the_first_poll_counts(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(signal_before_the_first_poll_counts, frame, cx);
    rouse_signal_init(&f->signal, SIGTERM);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    AWAIT(&f->signal.base);
    CHECK_EQ(f->signal.output, SIGTERM);

    // One made after it does not.
    rouse_signal_init(&f->signal, SIGTERM);
    rouse_timeout_init(&f->timeout, &f->signal.base, rouse_deadline_after(3 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    rouse_future_drop(&f->timeout.base);

    // Nobody waits, and nothing happens.
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    BODY_END();
}

struct aborted_wait_leaves_the_signal_to_others {
    struct body body;
    struct rouse_sleep sleep;
    struct rouse_join_handle first;
    struct rouse_join_handle second;
};

static rouse_poll aborted_wait_leaves_the_signal_to_others(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_wait_leaves_the_signal_to_others, frame, cx);
    CHECK_EQ(SPAWN(&f->first, listener, .number = SIGUSR2), 0);
    CHECK_EQ(SPAWN(&f->second, listener, .number = SIGUSR2), 0);
    while (count_get(&waiting) < 2) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->first);
    AWAIT(&f->first.base);
    CHECK_EQ(joined(&f->first), -ECANCELED);
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    AWAIT(&f->second.base);
    CHECK_EQ(joined(&f->second), SIGUSR2);
    CHECK_EQ(count_get(&got), 1);
    BODY_END();
}

struct signals_that_cannot_be_waited_for_are_refused {
    struct body body;
    int next;
    struct rouse_signal signal;
};

static rouse_poll signals_that_cannot_be_waited_for_are_refused(void *frame,
                                                                struct rouse_context *cx)
{
    static const int numbers[] = {0, -1, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    BODY_BEGIN(signals_that_cannot_be_waited_for_are_refused, frame, cx);
    for (f->next = 0; f->next < (int)(sizeof numbers / sizeof numbers[0]); f->next++) {
        rouse_signal_init(&f->signal, numbers[f->next]);
        AWAIT(&f->signal.base);
        CHECK_EQ(f->signal.output, -EINVAL);
    }
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
static _Atomic int received;

static int wait_directly(void *unused)
{
    (void)unused;
    int number = rouse_signal_wait(SIGUSR1);

    count_add(&received, 1);
    return number;
}

struct direct_form_returns_the_number {
    struct body body;
    struct rouse_signal also;  // so that the signal is caught from here on
    struct rouse_join_handle handle;
};

static rouse_poll direct_form_returns_the_number(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_form_returns_the_number, frame, cx);
    rouse_signal_init(&f->also, SIGUSR1);
    CHECK_EQ(rouse_spawn(&f->handle, wait_directly, NULL), 0);
    // Nobody says when the wait has begun.
    while (count_get(&received) == 0) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        CHECK_EQ(rouse_sleep(MS), 0);
    }
    CHECK_EQ(rouse_join(&f->handle), SIGUSR1);
    rouse_future_drop(&f->also.base);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(every_waiter_gets_the_signal), .lasting = true},
    {TEST(signal_before_the_first_poll_counts), .lasting = true},
    {TEST(aborted_wait_leaves_the_signal_to_others), .lasting = true},
    {TEST(signals_that_cannot_be_waited_for_are_refused), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_form_returns_the_number), .lasting = true},
#endif
    {0}};
