// SPDX-License-Identifier: MIT
//
// Aborting tasks: before their first poll, while they wait, while they run, and after their end;
// by join handles, abort handles and drops. Each victim counts how often it began, went on and
// ended.

#include <rouse/cancel.h>
#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <stdlib.h>

#include "harness/api.h"

static _Atomic int began;
static _Atomic int went_on;
static _Atomic int ended;
static _Atomic int tripped;
static struct gate gate;

static void count_end(void *frame)
{
    (void)frame;
    count_add(&ended, 1);
}

// Waits on a trip wire for ever.
struct victim {
    struct body body;
    struct trip_wire wire;
};

static rouse_poll victim(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(victim, frame, cx);
    count_add(&began, 1);
    trip_wire_init(&f->wire, &tripped, NULL);
    AWAIT(&f->wire.base);
    count_add(&went_on, 1);
    BODY_END();
}

#define SPAWN_VICTIM(handle) CHECK_EQ(SPAWN((handle), victim, .body.end = count_end), 0)

struct waiting_task_is_dropped_once {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll waiting_task_is_dropped_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(waiting_task_is_dropped_once, frame, cx);
    SPAWN_VICTIM(&f->handle);
    while (count_get(&began) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->handle);
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(f->handle.output, -ECANCELED);
    CHECK(rouse_join_handle_future(&f->handle) == NULL);
    CHECK_EQ(count_get(&tripped), 1);
    CHECK_EQ(count_get(&ended), 1);
    CHECK_EQ(count_get(&went_on), 0);
    rouse_abort(&f->handle);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    BODY_END();
}

struct task_aborted_before_it_began_still_releases_what_it_owns {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll task_aborted_before_it_began_still_releases_what_it_owns(void *frame,
                                                                           struct rouse_context *cx)
{
    BODY_BEGIN(task_aborted_before_it_began_still_releases_what_it_owns, frame, cx);
    SPAWN_VICTIM(&f->handle);
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(count_get(&ended), 1);
    CHECK_EQ(count_get(&went_on), 0);
    // With one worker we are sure to have been first. A fiber begins all the same and fails at its
    // first wait; a future is dropped unpolled.
    if (test_now()->host == HOST_EXECUTOR) {
        CHECK_EQ(count_get(&began), STYLE == STYLE_FIBER);
    }
    CHECK_EQ(count_get(&tripped), count_get(&began));
    BODY_END();
}

// Keeps its worker busy until it has been aborted, then waits.
struct busy_victim {
    struct body body;
    struct trip_wire wire;
};

static rouse_poll busy_victim(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(busy_victim, frame, cx);
    CHECK(!rouse_is_cancelled());
    count_add(&began, 1);
    while (!gate_is_open(&gate)) {
    }
    CHECK(rouse_is_cancelled());
    trip_wire_init(&f->wire, &tripped, NULL);
    AWAIT(&f->wire.base);
    count_add(&went_on, 1);
    BODY_END();
}

static void *abort_while_it_runs(void *arg)
{
    while (count_get(&began) == 0) {
        nap_ns(100 * ROUSE_NS_PER_US);
    }
    rouse_abort(arg);
    gate_open(&gate);
    return NULL;
}

struct running_task_ends_at_its_next_wait {
    struct body body;
    struct rouse_join_handle handle;
    pthread_t thread;
};

static rouse_poll running_task_ends_at_its_next_wait(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(running_task_ends_at_its_next_wait, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, busy_victim, .body.end = count_end), 0);
    f->thread = thread_start(abort_while_it_runs, &f->handle);
    AWAIT(&f->handle.base);
    thread_join(f->thread);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(count_get(&tripped), 1);
    CHECK_EQ(count_get(&ended), 1);
    CHECK_EQ(count_get(&went_on), 0);
    BODY_END();
}

// Aborts itself, and is done: a result that is there counts.
struct self_abort {
    struct body body;
    struct rouse_abort_handle *abort;
};

static rouse_poll self_abort(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(self_abort, frame, cx);
    CHECK(!rouse_is_cancelled());
    rouse_abort_handle_abort(f->abort);
    CHECK(rouse_is_cancelled());
    BODY_RETURN(9);
    BODY_END();
}

struct abort_in_the_last_poll_does_not_undo_it {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_abort_handle abort;
    struct rouse_yield yield;
};

// Its root spawns on an executor: the child cannot run before the handle is there.
static rouse_poll abort_in_the_last_poll_does_not_undo_it(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_in_the_last_poll_does_not_undo_it, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, self_abort, .abort = &f->abort), 0);
    f->abort = rouse_abort_handle(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 9);
    CHECK(!rouse_is_cancelled());
    rouse_abort_handle_drop(&f->abort);
    BODY_END();
}

struct quick {
    struct body body;
};

static rouse_poll quick(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(quick, frame, cx);
    BODY_RETURN(3);
    BODY_END();
}

struct abort_after_the_end_changes_nothing {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_abort_handle abort;
    struct rouse_yield yield;
};

static rouse_poll abort_after_the_end_changes_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_after_the_end_changes_nothing, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, quick, .body.end = count_end), 0);
    f->abort = rouse_abort_handle(&f->handle);
    while (!rouse_abort_handle_is_ended(&f->abort)) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    rouse_abort(&f->handle);
    rouse_abort_handle_abort(&f->abort);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 3);
    rouse_abort_handle_abort(&f->abort);
    CHECK(rouse_abort_handle_is_ended(&f->abort));
    rouse_abort_handle_drop(&f->abort);
    CHECK_EQ(count_get(&ended), 1);
    BODY_END();
}

static void *abort_and_drop(void *arg)
{
    struct rouse_abort_handle *abort = arg;

    nap_ns(2 * MS);
    rouse_abort_handle_abort(abort);
    rouse_abort_handle_drop(abort);
    return NULL;
}

struct abort_handles_work_from_other_threads_without_the_join_handle {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_abort_handle first;
    struct rouse_abort_handle second;
    struct rouse_sleep sleep;
    pthread_t thread;
};

static rouse_poll abort_handles_work_from_other_threads_without_the_join_handle(
    void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_handles_work_from_other_threads_without_the_join_handle, frame, cx);
    SPAWN_VICTIM(&f->handle);
    f->first = rouse_abort_handle(&f->handle);
    f->second = rouse_abort_handle_clone(&f->first);
    rouse_detach(&f->handle);
    CHECK(!rouse_abort_handle_is_ended(&f->first));
    f->thread = thread_start(abort_and_drop, &f->first);
    while (!rouse_abort_handle_is_ended(&f->second)) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    thread_join(f->thread);
    CHECK_EQ(count_get(&ended), 1);
    CHECK_EQ(count_get(&went_on), 0);
    rouse_abort_handle_drop(&f->second);
    rouse_abort_handle_drop(&f->second);
    BODY_END();
}

struct abort_on_drop_aborts_instead_of_detaching {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll abort_on_drop_aborts_instead_of_detaching(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_on_drop_aborts_instead_of_detaching, frame, cx);
    SPAWN_VICTIM(&f->handle);
    rouse_abort_on_drop(&f->handle);
    while (count_get(&began) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_future_drop(&f->handle.base);
    while (count_get(&ended) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    CHECK_EQ(count_get(&tripped), 1);
    CHECK_EQ(count_get(&went_on), 0);
    BODY_END();
}

// Joins a victim; the join is what is cancelled.
struct joiner {
    struct body body;
    struct rouse_join_handle *handle;
};

static rouse_poll joiner(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(joiner, frame, cx);
    count_add(&began, 1);
    AWAIT(&f->handle->base);
    count_add(&went_on, 1);
    BODY_END();
}

struct aborted_join_detaches_the_task {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_join_handle joiner;
    struct rouse_abort_handle abort;
    struct rouse_sleep sleep;
};

static rouse_poll aborted_join_detaches_the_task(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_join_detaches_the_task, frame, cx);
    SPAWN_VICTIM(&f->handle);
    f->abort = rouse_abort_handle(&f->handle);
    CHECK_EQ(SPAWN(&f->joiner, joiner, .handle = &f->handle), 0);
    while (count_get(&began) < 2) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->joiner);
    AWAIT(&f->joiner.base);
    CHECK_EQ(joined(&f->joiner), -ECANCELED);
    CHECK_EQ(count_get(&ended), 0);
    CHECK(!rouse_abort_handle_is_ended(&f->abort));
    rouse_abort_handle_abort(&f->abort);
    while (!rouse_abort_handle_is_ended(&f->abort)) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort_handle_drop(&f->abort);
    CHECK_EQ(count_get(&ended), 1);
    BODY_END();
}

enum { CROWD = 200 };

// Sleeps a little, again and again, until it is aborted.
struct napper {
    struct body body;
    struct rouse_sleep sleep;
};

static rouse_poll napper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(napper, frame, cx);
    for (;;) {
        rouse_sleep_init(&f->sleep, 100 * ROUSE_NS_PER_US);
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

static struct rouse_join_handle crowd[CROWD];

// Every other one; the rest is aborted by the tasks' own runtime.
static void *abort_half(void *unused)
{
    for (int i = 0; i < CROWD; i += 2) {
        rouse_abort(&crowd[i]);
    }
    return unused;
}

struct abort_races_with_wakes_and_loses_none {
    struct body body;
    int next;
    struct rouse_sleep sleep;
    pthread_t thread;
};

static rouse_poll abort_races_with_wakes_and_loses_none(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_races_with_wakes_and_loses_none, frame, cx);
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(SPAWN(&crowd[i], napper, .body.end = count_end), 0);
    }
    rouse_sleep_init(&f->sleep, 3 * MS);
    AWAIT(&f->sleep.base);
    f->thread = thread_start(abort_half, NULL);
    for (int i = 1; i < CROWD; i += 2) {
        rouse_abort(&crowd[i]);
    }
    thread_join(f->thread);
    for (f->next = 0; f->next < CROWD; f->next++) {
        AWAIT(&crowd[f->next].base);
        CHECK_EQ(joined(&crowd[f->next]), -ECANCELED);
    }
    CHECK_EQ(count_get(&ended), CROWD);
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
static int stubborn(void *arg)
{
    struct rouse_pending pending;
    int *fails = arg;

    for (int i = 0; i < 3; i++) {
        rouse_pending_init(&pending);
        if (rouse_await(&pending.base) == -ECANCELED) ++*fails;
        CHECK(rouse_is_cancelled());
    }
    if (rouse_sleep(3600 * ROUSE_NS_PER_S) == -ECANCELED) ++*fails;
    if (rouse_yield() == -ECANCELED) ++*fails;
    return 77;
}

struct cancelled_fiber_fails_at_each_wait_and_ends_by_itself {
    struct body body;
    int fails;
    struct rouse_join_handle handle;
};

static rouse_poll cancelled_fiber_fails_at_each_wait_and_ends_by_itself(void *frame,
                                                                        struct rouse_context *cx)
{
    BODY_BEGIN(cancelled_fiber_fails_at_each_wait_and_ends_by_itself, frame, cx);
    CHECK_EQ(rouse_spawn(&f->handle, stubborn, &f->fails), 0);
    CHECK_EQ(rouse_yield(), 0);
    CHECK_EQ(rouse_abort_and_wait(&f->handle), 77);
    CHECK_EQ(f->fails, 5);
    BODY_END();
}

static int wait_at_gate(void *arg)
{
    struct rouse_pending pending;
    struct gate_wait wait;

    gate_wait_init(&wait, &gate);
    count_add(arg, 1);
    CHECK_EQ(rouse_await(&wait.base), 0);
    rouse_pending_init(&pending);
    CHECK_EQ(rouse_await(&pending.base), -ECANCELED);
    return 1;
}

struct wait_that_completed_before_the_cancel_was_seen_counts {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll wait_that_completed_before_the_cancel_was_seen_counts(void *frame,
                                                                        struct rouse_context *cx)
{
    BODY_BEGIN(wait_that_completed_before_the_cancel_was_seen_counts, frame, cx);
    CHECK_EQ(rouse_spawn(&f->handle, wait_at_gate, &began), 0);
    while (count_get(&began) == 0) {
        CHECK_EQ(rouse_sleep(MS), 0);
    }
    CHECK_EQ(rouse_sleep(MS), 0);
    gate_open(&gate);
    CHECK_EQ(rouse_abort_and_wait(&f->handle), 1);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(waiting_task_is_dropped_once)},
    {TEST(task_aborted_before_it_began_still_releases_what_it_owns)},
    {TEST(running_task_ends_at_its_next_wait)},
    {TEST(abort_in_the_last_poll_does_not_undo_it), .hosts = HOST_EXECUTOR},
    {TEST(abort_after_the_end_changes_nothing)},
    {TEST(abort_handles_work_from_other_threads_without_the_join_handle)},
    {TEST(abort_on_drop_aborts_instead_of_detaching)},
    {TEST(aborted_join_detaches_the_task)},
    {TEST(abort_races_with_wakes_and_loses_none)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(cancelled_fiber_fails_at_each_wait_and_ends_by_itself)},
    {TEST(wait_that_completed_before_the_cancel_was_seen_counts)},
#endif
    {0}};
