// SPDX-License-Identifier: MIT
//
// Running a body in either style. Everything here runs where the task runs.

#include "harness/body.h"

#include <rouse/error.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check.h"

static _Atomic long live;

long body_live(void)
{
    // Relaxed: compared when everything has ended.
    return atomic_load_explicit(&live, memory_order_relaxed);
}

static void live_add(long count)
{
    // Relaxed: see body_live().
    atomic_fetch_add_explicit(&live, count, memory_order_relaxed);
}

static void body_end(struct body *body)
{
    void (*end)(void *frame) = body->end;

    live_add(-1);
    if (end != NULL) end(body);
}

int body_await(struct body *body, struct rouse_future *future)
{
    int err = rouse_await(future);

    if (err < 0) body->result = err;
    return err;
}

int64_t joined(struct rouse_join_handle *handle)
{
    CHECK(rouse_future_is_ended(&handle->base));
    int64_t output = handle->output;

    rouse_future_drop(&handle->base);
    return output;
}

// ---- As a fiber ----

static int fiber_main(void *arg)
{
    struct body *body = arg;

    CHECK(body->type.run(body, NULL) == ROUSE_READY);
    body_end(body);
    int result = (int)body->result;

    free(body);
    return result;
}

static int spawn_fiber(const struct body_target *target, struct rouse_join_handle *handle,
                       const struct body *init, const struct rouse_task_attrs *attrs)
{
    struct body *frame = malloc(init->type.size);
    int err;

    CHECK(frame != NULL);
    memcpy(frame, init, init->type.size);
    if (target->spawner != NULL) {
        err = rouse_spawner_spawn_at(target->spawner, handle, fiber_main, frame, attrs);
    } else if (target->runtime != NULL) {
        err = rouse_runtime_spawn(target->runtime, handle, fiber_main, frame, attrs);
    } else if (target->scope != NULL) {
        err = rouse_scope_spawn_at(target->scope, handle, fiber_main, frame, attrs);
    } else {
        err = rouse_spawn_at(handle, fiber_main, frame, attrs);
    }
    if (err < 0) free(frame);
    return err;
}

// ---- As an async frame ----

static struct body *body_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct body, async.base);
}

static rouse_poll frame_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct body *body = body_of(self);

    if (body->type.run(body, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    body_end(body);
    return ROUSE_READY;
}

static void frame_drop(struct rouse_future *self)
{
    struct body *body = body_of(self);

    rouse_async_cancel(&body->async);
    body->result = -ECANCELED;
    body_end(body);
}

static int frame_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct body *body = (const struct body *)self;

    if (body->async.awaiting != NULL) return rouse_async_describe(self, buf, size);
    return snprintf(buf, size, "%s", body->type.name);
}

static int64_t frame_result(const struct rouse_future *self)
{
    return ((const struct body *)self)->result;
}

static const struct rouse_future_vtable frame_ended = {.name = "body", .result = frame_result};
static const struct rouse_future_vtable frame_vtable = {
    .poll = frame_poll,
    .drop = frame_drop,
    .name = "body",
    .describe = frame_describe,
    .ended = &frame_ended};

static void frame_init(struct rouse_future *storage, void *arg)
{
    const struct body *init = arg;

    memcpy(storage, init, init->type.size);
    rouse_async_init(&body_of(storage)->async, &frame_vtable);
}

static int spawn_frame(const struct body_target *target, struct rouse_join_handle *handle,
                       struct body *init, const struct rouse_task_attrs *attrs)
{
    const struct rouse_future_spec spec = {
        .size = init->type.size, .init = frame_init, .arg = init};

    if (target->spawner != NULL) {
        return rouse_spawner_spawn_future_at(target->spawner, handle, &spec, attrs);
    }
    if (target->runtime != NULL) {
        return rouse_runtime_spawn_future(target->runtime, handle, &spec, attrs);
    }
    if (target->scope != NULL) {
        return rouse_scope_spawn_future_at(target->scope, handle, &spec, attrs);
    }
    return rouse_spawn_future_at(handle, &spec, attrs);
}

int body_spawn(enum body_style style, const struct body_target *target,
               struct rouse_join_handle *handle, const struct body_type *type, const void *init,
               const struct rouse_task_attrs *attrs)
{
    static const struct body_target here;
    struct body *frame = malloc(type->size);
    int err;

    CHECK(frame != NULL);
    memcpy(frame, init, type->size);
    frame->type = *type;
    if (target == NULL) target = &here;
    live_add(1);  // before, since it may end before the spawn returns
    err = style == STYLE_FIBER ? spawn_fiber(target, handle, frame, attrs)
                               : spawn_frame(target, handle, frame, attrs);
    if (err < 0) live_add(-1);
    free(frame);
    return err;
}
