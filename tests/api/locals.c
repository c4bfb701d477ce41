// SPDX-License-Identifier: MIT
//
// Task-local values: each task has its own, they survive waits, and their destructors run once, at
// the end of the task, however it ends.

#include <rouse/cancel.h>
#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/task.h>

#include "harness/api.h"

static _Atomic int destroyed;
static _Atomic int began;
static _Atomic int tripped;

static void destroy(void *value)
{
    count_add(value, 1);
    count_add(&destroyed, 1);
}

static const struct rouse_local_key owned = {.destructor = destroy};
static const struct rouse_local_key plain = {.destructor = NULL};

enum { TASKS = 20 };

static _Atomic int values[TASKS];

// Stores its own value and sees it after each of some yields.
struct keeper {
    struct body body;
    _Atomic int *value;
    int yields;
    struct rouse_yield yield;
};

static rouse_poll keeper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(keeper, frame, cx);
    CHECK(rouse_local_get(&owned) == NULL);
    CHECK_EQ(rouse_local_set(&owned, f->value), 0);
    while (f->yields-- > 0) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        CHECK(rouse_local_get(&owned) == f->value);
        CHECK(rouse_local_get(&plain) == NULL);
    }
    CHECK_EQ(count_get(f->value), 0);
    BODY_END();
}

struct each_task_has_its_own {
    struct body body;
    int next;
    struct rouse_join_handle handles[TASKS];
};

static rouse_poll each_task_has_its_own(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(each_task_has_its_own, frame, cx);
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], keeper, .value = &values[i], .yields = i), 0);
    }
    for (f->next = 0; f->next < TASKS; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), 0);
        CHECK_EQ(count_get(&values[f->next]), 1);
    }
    CHECK(rouse_local_get(&owned) == NULL);
    BODY_END();
}

// Stores, replaces, and stores under a second key.
struct replacer {
    struct body body;
};

static rouse_poll replacer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(replacer, frame, cx);
    CHECK_EQ(rouse_local_set(&owned, &values[0]), 0);
    CHECK_EQ(rouse_local_set(&plain, &values[1]), 0);
    CHECK_EQ(rouse_local_set(&owned, &values[2]), 0);
    CHECK(rouse_local_get(&owned) == &values[2]);
    CHECK(rouse_local_get(&plain) == &values[1]);
    CHECK_EQ(count_get(&destroyed), 0);
    CHECK_EQ(rouse_local_set(&plain, NULL), 0);
    CHECK(rouse_local_get(&plain) == NULL);
    BODY_END();
}

struct replaced_value_is_the_tasks_to_release {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll replaced_value_is_the_tasks_to_release(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(replaced_value_is_the_tasks_to_release, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, replacer, .body.end = NULL), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    CHECK_EQ(count_get(&destroyed), 1);
    CHECK_EQ(count_get(&values[0]), 0);
    CHECK_EQ(count_get(&values[1]), 0);
    CHECK_EQ(count_get(&values[2]), 1);
    BODY_END();
}

// Stores a value and waits for ever.
struct victim {
    struct body body;
    struct trip_wire wire;
};

static rouse_poll victim(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(victim, frame, cx);
    CHECK_EQ(rouse_local_set(&owned, &values[0]), 0);
    count_add(&began, 1);
    trip_wire_init(&f->wire, &tripped, NULL);
    AWAIT(&f->wire.base);
    BODY_END();
}

struct aborted_task_destroys_its_values_too {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_yield yield;
};

static rouse_poll aborted_task_destroys_its_values_too(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_task_destroys_its_values_too, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, victim, .body.end = NULL), 0);
    while (count_get(&began) == 0) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(count_get(&values[0]), 1);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(count_get(&destroyed), 1);
    BODY_END();
}

static void there_are_none_outside_tasks(void)
{
    CHECK_EQ(rouse_local_set(&owned, &values[0]), -EINVAL);
    CHECK(rouse_local_get(&owned) == NULL);
    CHECK(!rouse_is_cancelled());
    CHECK_EQ(count_get(&destroyed), 0);
}

const struct api_test API_TESTS[] = {
    {TEST(each_task_has_its_own)},
    {TEST(replaced_value_is_the_tasks_to_release), .any_reactor = true},
    {TEST(aborted_task_destroys_its_values_too)},
    {PLAIN(there_are_none_outside_tasks), .any_reactor = true, .any_style = true},
    {0}};
