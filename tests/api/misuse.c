// SPDX-License-Identifier: MIT
//
// Misuse stops the program with the cure: waiting where one must not, polling what has ended,
// shutting down from inside. Each test must end by SIGABRT with the words in its row.

#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "harness/api.h"

// Runs a function inside the poll of the root.
static void (*in_the_poll)(void);

static rouse_poll call(void *arg, struct rouse_context *cx)
{
    (void)arg;
    (void)cx;
    in_the_poll();
    return ROUSE_READY;
}

struct caller {
    struct body body;
    struct rouse_poll_fn poll_fn;
};

static rouse_poll caller(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(caller, frame, cx);
    rouse_poll_fn_init(&f->poll_fn, call, NULL);
    AWAIT(&f->poll_fn.base);
    BODY_END();
}

static void run_in_a_poll(void (*fn)(void))
{
    static const struct body_type type = BODY(caller);
    struct host host;

    in_the_poll = fn;
    host_open(&host, test_now()->host, &(struct host_options){0});
    CHECK_EQ(host_run(&host, STYLE, &type), 0);
    host_close(&host);
}

static void await_pending(void)
{
    struct rouse_pending pending;

    rouse_pending_init(&pending);
    CHECK_EQ(rouse_await(&pending.base), 0);
}

static void block_on_ready(void)
{
    struct rouse_ready ready;

    rouse_ready_init(&ready);
    CHECK_EQ(rouse_block_on(NULL, &ready.base), 0);
}

static void await_inside_a_poll_aborts(void)
{
    run_in_a_poll(await_pending);
}

static void block_on_inside_a_poll_aborts(void)
{
    run_in_a_poll(block_on_ready);
}

struct poll_after_the_end_aborts {
    struct body body;
    struct rouse_sleep sleep;
};

static rouse_poll poll_after_the_end_aborts(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(poll_after_the_end_aborts, frame, cx);
    rouse_sleep_init(&f->sleep, MS);
    AWAIT(&f->sleep.base);
    AWAIT(&f->sleep.base);
    BODY_END();
}

struct twice_joined {
    struct body body;
};

static rouse_poll twice_joined(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(twice_joined, frame, cx);
    BODY_END();
}

struct second_join_aborts {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll second_join_aborts(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(second_join_aborts, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, twice_joined, .body.end = NULL), 0);
    AWAIT(&f->handle.base);
    AWAIT(&f->handle.base);
    BODY_END();
}

struct shutdown_from_its_own_task_aborts {
    struct body body;
};

static rouse_poll shutdown_from_its_own_task_aborts(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(shutdown_from_its_own_task_aborts, frame, cx);
    CHECK(rouse_runtime_current() != NULL);
    CHECK_EQ(rouse_runtime_shutdown(rouse_runtime_current(), ROUSE_NEVER), 0);
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct block_on_in_a_fiber_aborts {
    struct body body;
};

static rouse_poll block_on_in_a_fiber_aborts(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(block_on_in_a_fiber_aborts, frame, cx);
    block_on_ready();
    BODY_END();
}
#endif

static void advancing_a_real_clock_aborts(void)
{
    rouse_clock_advance(1);
}

const struct api_test API_TESTS[] = {
    {PLAIN(await_inside_a_poll_aborts), .hosts = HOST_ALL, .any_reactor = true,
     .dies = "ROUSE_PENDING"},
    {PLAIN(block_on_inside_a_poll_aborts), .hosts = HOST_ALL, .any_reactor = true,
     .dies = "rouse_block_on"},
    {TEST(poll_after_the_end_aborts), .any_reactor = true,
     .dies = "polled after its end: \"sleep\""},
    {TEST(second_join_aborts), .any_reactor = true, .dies = "polled after its end: \""},
    {TEST(shutdown_from_its_own_task_aborts), .hosts = HOST_RUNTIMES, .any_reactor = true,
     .dies = "shut"},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(block_on_in_a_fiber_aborts), .any_reactor = true, .dies = "rouse_await"},
#endif
    {PLAIN(advancing_a_real_clock_aborts), .any_reactor = true, .any_style = true,
     .dies = "rouse_clock_use_virtual()"},
    {0}};
