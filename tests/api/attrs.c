// SPDX-License-Identifier: MIT
//
// Attributes of tasks: names and spawn sites, stack sizes, and tasks pinned to one worker.

#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <string.h>

#include "harness/api.h"

// The name of the running task, asked from inside its poll.
static rouse_poll ask_name(void *arg, struct rouse_context *cx)
{
    *(const char **)arg = rouse_task_name(rouse_context_task(cx));
    return ROUSE_READY;
}

struct named {
    struct body body;
    const char *wanted;
    const char *name;
    struct rouse_poll_fn ask;
};

static rouse_poll named(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(named, frame, cx);
    rouse_poll_fn_init(&f->ask, ask_name, &f->name);
    AWAIT(&f->ask.base);
    CHECK(strstr(f->name, f->wanted) != NULL);
    BODY_END();
}

// A spawn with attributes of the test's own.
static int spawn_with(struct rouse_join_handle *handle, const struct body_type *type,
                      const void *init, struct rouse_task_attrs attrs)
{
    attrs.size = sizeof attrs;
    return body_spawn(STYLE, NULL, handle, type, init, &attrs);
}

static const struct body_type named_type = BODY(named);

struct task_is_called_by_its_name_or_its_spawn_site {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll task_is_called_by_its_name_or_its_spawn_site(void *frame,
                                                               struct rouse_context *cx)
{
    BODY_BEGIN(task_is_called_by_its_name_or_its_spawn_site, frame, cx);
    CHECK_EQ(spawn_with(&f->handle, &named_type, &(struct named){.wanted = "gardener"},
                        (struct rouse_task_attrs){.name = "gardener", .site = ROUSE_SITE}),
             0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    CHECK_EQ(SPAWN(&f->handle, named, .wanted = "attrs.c:"), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    BODY_END();
}

enum { PINNED = 6, STEPS = 50 };

// Checks after each wait that it is where it was.
struct pinned {
    struct body body;
    int steps;
    int worker;
    struct rouse_sleep sleep;
    struct rouse_yield yield;
};

static rouse_poll pinned(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(pinned, frame, cx);
    f->worker = rouse_worker_index();
    CHECK(f->worker >= 0);
    for (f->steps = 0; f->steps < STEPS; f->steps++) {
        if (f->steps % 10 == 0) {
            rouse_sleep_init(&f->sleep, 200 * ROUSE_NS_PER_US);
            AWAIT(&f->sleep.base);
        } else {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
        CHECK_EQ(rouse_worker_index(), f->worker);
        busy_ns(5 * ROUSE_NS_PER_US);
    }
    BODY_END();
}

static const struct body_type pinned_type = BODY(pinned);

struct pinned_task_stays_on_one_worker {
    struct body body;
    int next;
    struct rouse_join_handle handles[PINNED];
};

static rouse_poll pinned_task_stays_on_one_worker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(pinned_task_stays_on_one_worker, frame, cx);
    for (int i = 0; i < PINNED; i++) {
        CHECK_EQ(spawn_with(&f->handles[i], &pinned_type, &(struct pinned){.steps = 0},
                            (struct rouse_task_attrs){.pinned = true, .site = ROUSE_SITE}),
                 0);
    }
    for (f->next = 0; f->next < PINNED; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), 0);
    }
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
// Uses most of a stack of 512 KiB, which a default one has no room for.
static int use_much_stack(void *arg)
{
    volatile char room[400 << 10];

    for (size_t i = 0; i < sizeof room; i += 4096) {
        room[i] = (char)i;
    }
    CHECK_EQ(rouse_yield(), 0);
    for (size_t i = 0; i < sizeof room; i += 4096) {
        CHECK_EQ(room[i], (char)i);
    }
    (void)arg;
    return 1;
}

struct fiber_gets_the_stack_it_asked_for {
    struct body body;
    int next;
    struct rouse_join_handle handles[4];
};

static rouse_poll fiber_gets_the_stack_it_asked_for(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(fiber_gets_the_stack_it_asked_for, frame, cx);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(
            rouse_spawn_at(&f->handles[i], use_much_stack, NULL,
                           &(const struct rouse_task_attrs){.size = sizeof(struct rouse_task_attrs),
                                                            .stack_size = 500 << 10,
                                                            .site = ROUSE_SITE}),
            0);
    }
    for (f->next = 0; f->next < 4; f->next++) {
        CHECK_EQ(rouse_join(&f->handles[f->next]), 1);
    }
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(task_is_called_by_its_name_or_its_spawn_site), .any_reactor = true},
    {TEST(pinned_task_stays_on_one_worker), .hosts = HOST_RUNTIMES},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(fiber_gets_the_stack_it_asked_for), .any_reactor = true},
#endif
    {0}};
