// SPDX-License-Identifier: MIT
//
// The harness itself: what it must notice. Each of these tests fails, and the harness must say why;
// if it did not notice, the test would count as failed.

#include <fcntl.h>
#include <rouse/ready.h>
#include <rouse/task.h>
#include <stdlib.h>
#include <string.h>

#include "harness/api.h"

struct failed_check_shows_both_values {
    struct body body;
    int value;
};

static rouse_poll failed_check_shows_both_values(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(failed_check_shows_both_values, frame, cx);
    f->value = 3;
    CHECK_EQ(f->value, 4);
    BODY_END();
}

struct open_descriptor_is_noticed {
    struct body body;
};

static rouse_poll open_descriptor_is_noticed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(open_descriptor_is_noticed, frame, cx);
    CHECK(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
    BODY_END();
}

static void *sleep_for_ever(void *unused)
{
    nap_ns(3600 * ROUSE_NS_PER_S);
    return unused;
}

static void running_thread_is_noticed(void)
{
    CHECK_EQ(pthread_detach(thread_start(sleep_for_ever, NULL)), 0);
}

static struct rouse_waker kept;

static rouse_poll keep_waker(void *arg, struct rouse_context *cx)
{
    (void)arg;
    kept = rouse_waker_clone(rouse_context_waker(cx));
    return ROUSE_READY;
}

struct task_record_held_by_a_waker_is_noticed {
    struct body body;
    struct rouse_poll_fn keep;
};

static rouse_poll task_record_held_by_a_waker_is_noticed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(task_record_held_by_a_waker_is_noticed, frame, cx);
    rouse_poll_fn_init(&f->keep, keep_waker, NULL);
    AWAIT(&f->keep.base);
    BODY_END();
}

// The watchdog asks it for a task dump, which names the task and what it waits for.
struct hang_is_ended_with_a_task_dump {
    struct body body;
    struct rouse_pending pending;
};

static rouse_poll hang_is_ended_with_a_task_dump(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(hang_is_ended_with_a_task_dump, frame, cx);
    rouse_pending_init(&f->pending);
    AWAIT(&f->pending.base);
    BODY_END();
}

struct crash_ends_only_its_own_test {
    struct body body;
};

static rouse_poll crash_ends_only_its_own_test(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(crash_ends_only_its_own_test, frame, cx);
    abort();
    BODY_END();
}

static void seed_and_reactor_are_in_the_environment(void)
{
    CHECK(getenv("ROUSE_SEED") != NULL);
    CHECK(strtoull(getenv("ROUSE_SEED"), NULL, 10) > 0);
    CHECK_EQ(strcmp(getenv("ROUSE_REACTOR"), test_now()->reactor), 0);
}

// The slow ones run on one host: each waits until the harness is sure.
const struct api_test API_TESTS[] = {
    {TEST(failed_check_shows_both_values), .any_reactor = true, .fails = "f->value is 3, not 4"},
    {TEST(open_descriptor_is_noticed), .hosts = HOST_EXECUTOR, .any_reactor = true,
     .any_style = true, .fails = "leaked: open descriptors"},
    {PLAIN(running_thread_is_noticed), .any_reactor = true, .any_style = true,
     .fails = "threads of the process"},
    {TEST(task_record_held_by_a_waker_is_noticed), .hosts = HOST_RUNTIME_2, .any_reactor = true,
     .fails = "leaked: task_records 0 -> 1"},
    {TEST(hang_is_ended_with_a_task_dump), .hosts = HOST_EXECUTOR | HOST_RUNTIME_2,
     .any_reactor = true, .limit_s = 1, .fails = "for: pending"},
    {TEST(crash_ends_only_its_own_test), .any_reactor = true, .dies = ""},
    {PLAIN(seed_and_reactor_are_in_the_environment), .any_style = true},
    {0}};
