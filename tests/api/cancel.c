// SPDX-License-Identifier: MIT
//
// Cancellation at work: deadlines around every kind of wait, one in another, shields, a signal that
// cancels, and cancels that meet completions on sockets, of which no byte and no connection may be
// lost. A deadline is a region of a fiber, and a timeout around a future in a frame.

#include <rouse/blocking.h>
#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/scope.h>
#include <rouse/signal.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "harness/api.h"
#include "harness/pair.h"

// ---- Deadlines in both styles ----

// The deadline of a wait, and one within it.
struct limit {
    struct rouse_deadline outer;
    struct rouse_deadline inner;
    struct rouse_timeout timeouts[2];
    int error;  // 0, or -ETIMEDOUT from the outer one
    int inner_error;
};

#ifdef ROUSE_TEST_STYLE_FIBER

static void limit_within(struct limit *limit, struct rouse_future *future, uint64_t inner_ns,
                         uint64_t outer_ns)
{
    rouse_deadline_enter(&limit->outer, outer_ns);
    rouse_deadline_enter(&limit->inner, inner_ns);
    int err = rouse_await(future);

    limit->inner_error = rouse_deadline_leave(&limit->inner);
    limit->error = rouse_deadline_leave(&limit->outer);
    CHECK_EQ(err, limit->error < 0 ? -ECANCELED : limit->inner_error);
}

static void limit_await(struct limit *limit, struct rouse_future *future, uint64_t deadline_ns)
{
    rouse_deadline_enter(&limit->outer, deadline_ns);
    int err = rouse_await(future);

    limit->error = rouse_deadline_leave(&limit->outer);
    CHECK_EQ(err, limit->error);
}

#define AWAIT_UNTIL(limit, future, deadline_ns) limit_await((limit), (future), (deadline_ns))
#define AWAIT_WITHIN(limit, future, inner_ns, outer_ns) \
    limit_within((limit), (future), (inner_ns), (outer_ns))

#else

#define AWAIT_UNTIL(limit, future, deadline_ns)                             \
    do {                                                                    \
        rouse_timeout_init(&(limit)->timeouts[0], (future), (deadline_ns)); \
        AWAIT(&(limit)->timeouts[0].base);                                  \
        (limit)->error = (limit)->timeouts[0].output;                       \
    } while (0)

#define AWAIT_WITHIN(limit, future, inner_ns, outer_ns)                                    \
    do {                                                                                   \
        (limit)->timeouts[1].output = 0;                                                   \
        rouse_timeout_init(&(limit)->timeouts[1], (future), (inner_ns));                   \
        rouse_timeout_init(&(limit)->timeouts[0], &(limit)->timeouts[1].base, (outer_ns)); \
        AWAIT(&(limit)->timeouts[0].base);                                                 \
        (limit)->error = (limit)->timeouts[0].output;                                      \
        (limit)->inner_error = (limit)->error < 0 ? 0 : (limit)->timeouts[1].output;       \
    } while (0)

#endif

static int64_t timers(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.timers;
}

struct deadline_ends_a_sleep {
    struct body body;
    uint64_t deadline_ns;
    struct limit limit;
    struct rouse_sleep sleep;
};

static rouse_poll deadline_ends_a_sleep(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(deadline_ends_a_sleep, frame, cx);
    rouse_sleep_init(&f->sleep, 3600 * ROUSE_NS_PER_S);
    f->deadline_ns = rouse_deadline_after(3 * MS);
    AWAIT_UNTIL(&f->limit, &f->sleep.base, f->deadline_ns);
    CHECK(rouse_now_ns() >= f->deadline_ns);
    CHECK_EQ(f->limit.error, -ETIMEDOUT);
    CHECK(rouse_future_is_ended(&f->sleep.base));
    CHECK_EQ(timers(), 0);
    rouse_sleep_init(&f->sleep, MS);
    AWAIT_UNTIL(&f->limit, &f->sleep.base, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    CHECK_EQ(f->limit.error, 0);
    CHECK_EQ(f->sleep.output, 0);
    CHECK_EQ(timers(), 0);
    BODY_END();
}

struct deadline_expires_for_itself_only {
    struct body body;
    struct limit limit;
    struct rouse_sleep sleep;
};

static rouse_poll deadline_expires_for_itself_only(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(deadline_expires_for_itself_only, frame, cx);
    rouse_sleep_init(&f->sleep, 3600 * ROUSE_NS_PER_S);
    AWAIT_WITHIN(&f->limit, &f->sleep.base, rouse_deadline_after(2 * MS),
                 rouse_deadline_after(1800 * ROUSE_NS_PER_S));
    CHECK_EQ(f->limit.inner_error, -ETIMEDOUT);
    CHECK_EQ(f->limit.error, 0);
    rouse_sleep_init(&f->sleep, 3600 * ROUSE_NS_PER_S);
    AWAIT_WITHIN(&f->limit, &f->sleep.base, rouse_deadline_after(1800 * ROUSE_NS_PER_S),
                 rouse_deadline_after(2 * MS));
    CHECK_EQ(f->limit.inner_error, 0);
    CHECK_EQ(f->limit.error, -ETIMEDOUT);
    CHECK_EQ(timers(), 0);
    BODY_END();
}

struct deadline_ends_a_read_that_takes_no_byte {
    struct body body;
    struct pair pair;
    struct limit limit;
    struct rouse_tcp_read read;
    char buf[8];
};

static rouse_poll deadline_ends_a_read_that_takes_no_byte(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(deadline_ends_a_read_that_takes_no_byte, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    rouse_tcp_read_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
    AWAIT_UNTIL(&f->limit, &f->read.base, rouse_deadline_after(2 * MS));
    CHECK_EQ(f->limit.error, -ETIMEDOUT);
    CHECK_EQ(f->buf[0], 0);
    CHECK_EQ(rouse_tcp_try_write(f->pair.client, "abc", 3), 3);
    rouse_tcp_read_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
    AWAIT_UNTIL(&f->limit, &f->read.base, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    CHECK_EQ(f->limit.error, 0);
    CHECK_EQ(f->read.output, 3);
    CHECK(memcmp(f->buf, "abc", 3) == 0);
    pair_free(&f->pair);
    BODY_END();
}

struct deadline_ends_an_accept_that_takes_no_connection {
    struct body body;
    struct pair pair;
    struct limit limit;
};

static rouse_poll deadline_ends_an_accept_that_takes_no_connection(void *frame,
                                                                   struct rouse_context *cx)
{
    BODY_BEGIN(deadline_ends_an_accept_that_takes_no_connection, frame, cx);
    listen_anywhere(&f->pair.listener, &f->pair.address);
    rouse_tcp_accept_init(&f->pair.accept, f->pair.listener);
    AWAIT_UNTIL(&f->limit, &f->pair.accept.base, rouse_deadline_after(2 * MS));
    CHECK_EQ(f->limit.error, -ETIMEDOUT);
    rouse_tcp_connect_init(&f->pair.connect, &f->pair.address);
    AWAIT(&f->pair.connect.base);
    rouse_tcp_accept_init(&f->pair.accept, f->pair.listener);
    AWAIT(&f->pair.accept.base);
    CHECK_EQ(f->pair.accept.output, 0);
    rouse_future_drop(&f->pair.connect.base);
    rouse_future_drop(&f->pair.accept.base);
    pair_unlisten(&f->pair);
    BODY_END();
}

static struct gate gate;
static _Atomic int began;
static _Atomic int released;

// Waits until the gate is open.
struct gatekeeper {
    struct body body;
    struct gate_wait wait;
};

static rouse_poll gatekeeper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(gatekeeper, frame, cx);
    gate_wait_init(&f->wait, &gate);
    AWAIT(&f->wait.base);
    BODY_RETURN(5);
    BODY_END();
}

struct deadline_ends_a_join_and_not_the_task {
    struct body body;
    struct limit limit;
    struct rouse_join_handle task;
    struct rouse_borrow lent;
};

static rouse_poll deadline_ends_a_join_and_not_the_task(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(deadline_ends_a_join_and_not_the_task, frame, cx);
    CHECK_EQ(SPAWN(&f->task, gatekeeper, .body.end = NULL), 0);
    rouse_borrow_init(&f->lent, &f->task.base);
    AWAIT_UNTIL(&f->limit, &f->lent.base, rouse_deadline_after(2 * MS));
    CHECK_EQ(f->limit.error, -ETIMEDOUT);
    CHECK(!rouse_future_is_ended(&f->task.base));
    gate_open(&gate);
    AWAIT_UNTIL(&f->limit, &f->task.base, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    CHECK_EQ(f->limit.error, 0);
    CHECK_EQ(joined(&f->task), 5);
    BODY_END();
}

static int64_t wait_at_gate(void *arg)
{
    (void)arg;
    count_add(&began, 1);
    while (!gate_is_open(&gate)) nap_ns(200 * ROUSE_NS_PER_US);
    return 7;
}

static void release(void *arg)
{
    (void)arg;
    count_add(&released, 1);
}

struct deadline_leaves_a_job_that_runs_to_itself {
    struct body body;
    int jobs;
    struct limit limit;
    struct rouse_blocking job;
    struct rouse_sleep sleep;
};

static rouse_poll deadline_leaves_a_job_that_runs_to_itself(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(deadline_leaves_a_job_that_runs_to_itself, frame, cx);
    do {
        rouse_blocking_init(&f->job, wait_at_gate, NULL, release);
        f->jobs++;
        AWAIT_UNTIL(&f->limit, &f->job.base, rouse_deadline_after(2 * MS));
        CHECK_EQ(f->limit.error, -ETIMEDOUT);
    } while (count_get(&began) == 0);  // one that was only queued is taken back, and released
    CHECK(count_get(&released) < f->jobs);
    gate_open(&gate);
    while (count_get(&released) < f->jobs) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

// ---- A signal ----

struct sleeper {
    struct body body;
    struct rouse_sleep sleep;
};

static rouse_poll sleeper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sleeper, frame, cx);
    rouse_sleep_until_init(&f->sleep, ROUSE_NEVER);
    AWAIT(&f->sleep.base);
    BODY_END();
}

// Cancels a scope when a signal comes.
struct watchman {
    struct body body;
    struct rouse_scope_canceller *canceller;
    struct rouse_signal signal;
};

static rouse_poll watchman(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(watchman, frame, cx);
    rouse_signal_init(&f->signal, SIGINT);
    count_add(&began, 1);
    AWAIT(&f->signal.base);
    rouse_scope_canceller_cancel(f->canceller, "interrupted");
    BODY_END();
}

struct signal_cancels_the_root_scope {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_canceller canceller;
    struct rouse_scope_wait wait;
    struct rouse_sleep sleep;
};

static rouse_poll signal_cancels_the_root_scope(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(signal_cancels_the_root_scope, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    CHECK_EQ(rouse_scope_canceller(&f->scope, &f->canceller), 0);
    for (int i = 0; i < 10; i++) CHECK_EQ(SPAWN_IN(&f->scope, sleeper, .body.end = NULL), 0);
    CHECK_EQ(SPAWN_IN(&f->scope, watchman, .canceller = &f->canceller), 0);
    while (count_get(&began) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    CHECK_EQ(kill(getpid(), SIGINT), 0);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ECANCELED);
    CHECK(strcmp(f->wait.output.why.origin, "interrupted") == 0);
    rouse_scope_canceller_drop(&f->canceller);
    BODY_END();
}

// ---- Cancels that meet completions ----

enum { STREAM = 3000, DIALS = 60 };

static struct rouse_tcp *source;
static _Atomic int received;

// Takes what comes, and sees to it that it is next. One at a time.
struct taker {
    struct body body;
    struct rouse_tcp_read read;
    uint8_t buf[31];
};

static rouse_poll taker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(taker, frame, cx);
    for (;;) {
        rouse_tcp_read_init(&f->read, source, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        if (f->read.output <= 0) BODY_RETURN(f->read.output);
        for (ssize_t i = 0; i < f->read.output; i++) {
            CHECK_EQ(f->buf[i], (uint8_t)count_get(&received));
            count_add(&received, 1);
        }
    }
    BODY_END();
}

// Writes the numbers, some at a time.
struct giver {
    struct body body;
    struct rouse_tcp *conn;
    int sent;
    int burst;
    uint8_t buf[64];
    struct rouse_tcp_write_all write;
    struct rouse_sleep sleep;
};

static rouse_poll giver(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(giver, frame, cx);
    while (f->sent < STREAM) {
        f->burst = 1 + f->sent * 7 % 60;
        if (f->burst > STREAM - f->sent) f->burst = STREAM - f->sent;
        for (int i = 0; i < f->burst; i++) f->buf[i] = (uint8_t)(f->sent + i);
        rouse_tcp_write_all_init(&f->write, f->conn, f->buf, (size_t)f->burst);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, f->burst);
        f->sent += f->burst;
        rouse_sleep_init(&f->sleep, (uint64_t)(f->sent % 3) * 200 * ROUSE_NS_PER_US);
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

struct cancelled_readers_lose_no_byte {
    struct body body;
    int cancelled;
    struct pair pair;
    struct rouse_join_handle giver;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

// On a slow machine the scope's deadline may have passed by now.
static void check_spawned(int result)
{
    CHECK(result == 0 || result == -ECANCELED);
}

// A reader after another, each in a scope that soon ends it: the next goes on where it stopped.
static rouse_poll cancelled_readers_lose_no_byte(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(cancelled_readers_lose_no_byte, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    source = f->pair.server;
    CHECK_EQ(SPAWN(&f->giver, giver, .conn = f->pair.client), 0);
    while (count_get(&received) < STREAM) {
        rouse_scope_open(&f->scope, rouse_deadline_after(150 * ROUSE_NS_PER_US));
        check_spawned(SPAWN_IN(&f->scope, taker, .body.end = NULL));
        AWAIT_SCOPE(&f->wait, &f->scope);
        CHECK_EQ(f->wait.output.error, -ETIMEDOUT);
        f->cancelled++;
    }
    CHECK(f->cancelled > 0);
    AWAIT(&f->giver.base);
    CHECK_EQ(joined(&f->giver), 0);
    CHECK_EQ(rouse_tcp_try_read(source, &(char){0}, 1), -EAGAIN);
    pair_free(&f->pair);
    BODY_END();
}

static struct rouse_tcp_listener *listener;
static _Atomic int accepted;

// Accepts, and lets go of what it got.
struct doorman {
    struct body body;
    struct rouse_tcp_accept accept;
};

static rouse_poll doorman(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(doorman, frame, cx);
    for (;;) {
        rouse_tcp_accept_init(&f->accept, listener);
        AWAIT(&f->accept.base);
        if (f->accept.output < 0) BODY_RETURN(f->accept.output);
        count_add(&accepted, 1);
        rouse_tcp_unref(rouse_tcp_accept_take(&f->accept));
    }
    BODY_END();
}

struct caller {
    struct body body;
    int count;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
    struct rouse_sleep sleep;
};

static rouse_poll caller(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(caller, frame, cx);
    for (; f->count < DIALS; f->count++) {
        rouse_tcp_connect_init(&f->connect, &f->address);
        AWAIT(&f->connect.base);
        CHECK_EQ(f->connect.output, 0);
        rouse_future_drop(&f->connect.base);
        rouse_sleep_init(&f->sleep, (uint64_t)(f->count % 4) * 100 * ROUSE_NS_PER_US);
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

struct cancelled_acceptors_lose_no_connection {
    struct body body;
    struct rouse_addr address;
    struct rouse_join_handle caller;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static rouse_poll cancelled_acceptors_lose_no_connection(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(cancelled_acceptors_lose_no_connection, frame, cx);
    listen_anywhere(&listener, &f->address);
    CHECK_EQ(SPAWN(&f->caller, caller, .address = f->address), 0);
    while (count_get(&accepted) < DIALS) {
        rouse_scope_open(&f->scope, rouse_deadline_after(150 * ROUSE_NS_PER_US));
        check_spawned(SPAWN_IN(&f->scope, doorman, .body.end = NULL));
        check_spawned(SPAWN_IN(&f->scope, doorman, .body.end = NULL));
        AWAIT_SCOPE(&f->wait, &f->scope);
        CHECK_EQ(f->wait.output.error, -ETIMEDOUT);
    }
    AWAIT(&f->caller.base);
    CHECK_EQ(joined(&f->caller), 0);
    CHECK_EQ(count_get(&accepted), DIALS);
    rouse_tcp_listener_unref(listener);
    BODY_END();
}

// ---- Shields ----

#ifdef ROUSE_TEST_STYLE_FIBER
// Serves until it is aborted, and then says goodbye.
static int polite(void *arg)
{
    struct pair *pair = arg;
    struct rouse_shield shield;
    char buf[8];

    count_add(&began, 1);
    CHECK_EQ(rouse_tcp_read(pair->server, buf, sizeof buf), -ECANCELED);
    CHECK_EQ(rouse_cancel_info().reason, ROUSE_CANCEL_ABORT);
    CHECK_EQ(rouse_tcp_write(pair->server, "no", 2), -ECANCELED);
    rouse_shield_enter(&shield, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    CHECK(!rouse_is_cancelled());
    CHECK_EQ(rouse_sleep(MS), 0);
    CHECK_EQ(rouse_tcp_write_all(pair->server, "bye", 3), 3);
    CHECK_EQ(rouse_shield_leave(&shield), 0);
    CHECK(rouse_is_cancelled());
    CHECK_EQ(rouse_sleep(0), -ECANCELED);
    rouse_shield_enter(&shield, rouse_deadline_after(2 * MS));
    CHECK_EQ(rouse_tcp_read(pair->server, buf, sizeof buf), -ETIMEDOUT);
    CHECK_EQ(rouse_shield_leave(&shield), -ETIMEDOUT);
    return 1;
}

struct shield_lets_an_aborted_fiber_say_goodbye {
    struct body body;
    struct pair pair;
    struct rouse_join_handle task;
};

static rouse_poll shield_lets_an_aborted_fiber_say_goodbye(void *frame, struct rouse_context *cx)
{
    char buf[8];
    size_t done;

    BODY_BEGIN(shield_lets_an_aborted_fiber_say_goodbye, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(rouse_spawn(&f->task, polite, &f->pair), 0);
    while (count_get(&began) == 0) CHECK_EQ(rouse_sleep(MS), 0);
    CHECK_EQ(rouse_sleep(MS), 0);
    CHECK_EQ(rouse_abort_and_wait(&f->task), 1);
    CHECK_EQ(rouse_tcp_read_exact(f->pair.client, buf, 3, &done), 3);
    CHECK(memcmp(buf, "bye", 3) == 0);
    pair_free(&f->pair);
    BODY_END();
}

static void *open_gate_later(void *arg)
{
    while (count_get(&began) == 0) nap_ns(100 * ROUSE_NS_PER_US);
    nap_ns(5 * MS);
    gate_open(&gate);
    return arg;
}

struct job_that_has_started_wins_against_a_deadline {
    struct body body;
};

static rouse_poll job_that_has_started_wins_against_a_deadline(void *frame,
                                                               struct rouse_context *cx)
{
    BODY_BEGIN(job_that_has_started_wins_against_a_deadline, frame, cx);
    pthread_t thread = thread_start(open_gate_later, NULL);
    struct rouse_deadline deadline;
    int64_t result = 0;
    int err;

    do {
        rouse_deadline_enter(&deadline, rouse_deadline_after(MS));
        err = rouse_blocking(wait_at_gate, NULL, &result);
        int expired = rouse_deadline_leave(&deadline);

        CHECK(err == 0 || (err == -ETIMEDOUT && expired == err));
    } while (err < 0);  // it was only queued
    CHECK_EQ(result, 7);
    CHECK_EQ(count_get(&began), 1);
    thread_join(thread);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(deadline_ends_a_sleep)},
    {TEST(deadline_expires_for_itself_only)},
    {TEST(deadline_ends_a_read_that_takes_no_byte)},
    {TEST(deadline_ends_an_accept_that_takes_no_connection)},
    {TEST(deadline_ends_a_join_and_not_the_task)},
    {TEST(deadline_leaves_a_job_that_runs_to_itself)},
    {TEST(signal_cancels_the_root_scope), .lasting = true},
    {TEST(cancelled_readers_lose_no_byte)},
    {TEST(cancelled_acceptors_lose_no_connection)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(shield_lets_an_aborted_fiber_say_goodbye)},
    {TEST(job_that_has_started_wins_against_a_deadline)},
#endif
    {0}};
