// SPDX-License-Identifier: MIT
//
// Tasks that come and go: a parent spawns children of its style, which yield and sleep a little;
// it joins some, aborts some, gives up waiting for some, and lets some go on alone.

#include <errno.h>

#include "soak.h"

enum { CHILDREN = 8, STEPS_MAX = 5, FATES = 6 };

// Children that began to be and that came to an end, whatever end.
static _Atomic int64_t made;
static _Atomic int64_t gone;

struct child {
    struct body body;
    uint64_t random;
    uint64_t steps;
    struct rouse_yield yield;
    struct rouse_sleep sleep;
};

static void child_end(void *frame)
{
    (void)frame;
    (void)stress_add(&gone, 1);
}

static rouse_poll child(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(child, frame, cx);
    while (f->steps-- > 0) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
        rouse_sleep_init(&f->sleep, stress_below(&f->random, ROUSE_NS_PER_MS));
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

struct parent {
    struct body body;
    struct soak_actor *actor;
    struct rouse_join_handle handles[CHILDREN];
    uint64_t fates[CHILDREN];
    struct rouse_timeout timeout;
    int count;
    int next;
};

static void children_spawn(struct parent *f)
{
    f->count = 1 + (int)soak_below(f->actor, CHILDREN);
    for (int i = 0; i < f->count; i++) {
        uint64_t random = stress_stream(claim_random(&f->actor->random));

        (void)stress_add(&made, 1);
        stress_must(SPAWN(&f->handles[i], child, .body.end = child_end, .random = random,
                          .steps = stress_below(&random, STEPS_MAX)),
                    "spawn");
        f->fates[i] = soak_below(f->actor, FATES);
    }
}

// What is done to child `next` before it is waited for. False: it is not waited for.
static bool fate_begin(struct parent *f)
{
    struct rouse_join_handle *handle = &f->handles[f->next];
    struct rouse_abort_handle abort;
    uint64_t deadline = soak_bound();

    switch (f->fates[f->next]) {
    case 0:
        rouse_detach(handle);
        return false;
    case 1:
        rouse_abort_on_drop(handle);
        rouse_future_drop(&handle->base);
        return false;
    case 2:
        abort = rouse_abort_handle(handle);
        rouse_abort_handle_abort(&abort);
        rouse_abort_handle_drop(&abort);
        break;
    case 3:
        deadline = rouse_deadline_after(soak_below(f->actor, ROUSE_NS_PER_MS));
        break;
    default:
        break;
    }
    rouse_timeout_init(&f->timeout, &handle->base, deadline);
    return true;
}

// After the wait.
static void fate_end(struct parent *f)
{
    uint64_t fate = f->fates[f->next];
    struct rouse_join_handle *handle = &f->handles[f->next];

    if (f->timeout.output == -ETIMEDOUT) {  // the timeout has dropped the handle
        if (fate != 3) soak_wrong("a child did not end", -ETIMEDOUT);
        return;
    }
    if (handle->output != 0 && !(fate == 2 && handle->output == -ECANCELED)) {
        soak_wrong("a child's end", handle->output);
    }
    rouse_future_drop(&handle->base);
}

static rouse_poll parent(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(parent, frame, cx);
    while (!soak_is_over()) {
        soak_operation_begin(f->actor);
        children_spawn(f);
        for (f->next = 0; f->next < f->count; f->next++) {
            if (!fate_begin(f)) continue;
            AWAIT(&f->timeout.base);
            fate_end(f);
        }
        soak_operation_end(f->actor);
    }
    BODY_END();
}

static int spawn(const struct body_target *target, struct rouse_join_handle *handle,
                 struct soak_actor *actor)
{
    return SPAWN_ON(target, handle, parent, .actor = actor);
}

// Those that were let go on end too.
static void children_wait(struct rouse_runtime *runtime)
{
    uint64_t deadline = soak_bound();

    (void)runtime;
    while (stress_get(&gone) < stress_get(&made) && rouse_now_ns() < deadline) {
        stress_nap(ROUSE_NS_PER_MS);
    }
    if (stress_get(&gone) != stress_get(&made)) {
        soak_wrong("children that did not end", stress_get(&made) - stress_get(&gone));
    }
}

const struct soak_load SOAK_LOAD(churn) = {
    .name = "churn", .actors = 3, .close = children_wait, .spawn = spawn};
