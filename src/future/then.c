// SPDX-License-Identifier: MIT
//
// then and map: what follows a future.

#include <rouse/then.h>
#include <stddef.h>

#include "future/arms.h"

static rouse_poll then_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_then *t = ROUSE_CONTAINER_OF(self, struct rouse_then, base);

    // Told by `make` and not by the state of `first`: one that had ended before is misuse, which
    // its poll reports, and not a reason to skip the second.
    if (t->make != NULL) {
        rouse_then_function make = t->make;

        if (rouse_future_poll(t->first, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        t->make = NULL;
        t->second = make(t->arg, t->first);
    }
    return t->second == NULL ? ROUSE_READY : rouse_future_poll(t->second, cx);
}

static void then_drop(struct rouse_future *self)
{
    struct rouse_then *t = ROUSE_CONTAINER_OF(self, struct rouse_then, base);

    if (t->second != NULL) rouse_future_drop(t->second);
    rouse_future_drop(t->first);
}

static int then_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_then *t = (const struct rouse_then *)self;

    return rouse_future_describe(t->second != NULL ? t->second : t->first, buf, size);
}

static int64_t then_result(const struct rouse_future *self)
{
    const struct rouse_then *t = (const struct rouse_then *)self;

    return rouse_future_result(t->second != NULL ? t->second : t->first);
}

// The second is not there yet while the first is pending, and then the first has ended.
static rouse_cancel_kind then_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_then *t = (const struct rouse_then *)self;

    return rs_cancel_kind_worse(ROUSE_CANCEL_PARTIAL,
                                rouse_future_cancel_kind(t->second != NULL ? t->second : t->first));
}

static void then_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_then *t = (const struct rouse_then *)self;

    inspector->part(inspector, t->second != NULL ? t->second : t->first, 0, false);
}

static const struct rouse_future_vtable then_ended = {
    .drop = then_drop, .name = "then", .result = then_result};
static const struct rouse_future_vtable then_vtable = {
    .poll = then_poll,
    .drop = then_drop,
    .name = "then",
    .describe = then_describe,
    .ended = &then_ended,
    .cancel_kind = then_cancel_kind,
    .inspect = then_inspect};

void rouse_then_init(struct rouse_then *then, struct rouse_future *first, rouse_then_function make,
                     void *arg)
{
    *then =
        (struct rouse_then){.base.vtable = &then_vtable, .first = first, .make = make, .arg = arg};
}

static rouse_poll map_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_map *m = ROUSE_CONTAINER_OF(self, struct rouse_map, base);

    if (rouse_future_poll(m->inner, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    m->output = m->fn(m->arg, m->inner);
    return ROUSE_READY;
}

static void map_drop(struct rouse_future *self)
{
    rouse_future_drop(ROUSE_CONTAINER_OF(self, struct rouse_map, base)->inner);
}

static int map_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rouse_future_describe(((const struct rouse_map *)self)->inner, buf, size);
}

static int64_t map_result(const struct rouse_future *self)
{
    return ((const struct rouse_map *)self)->output;
}

static rouse_cancel_kind map_cancel_kind(const struct rouse_future *self)
{
    return rouse_future_cancel_kind(((const struct rouse_map *)self)->inner);
}

static void map_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    inspector->part(inspector, ((const struct rouse_map *)self)->inner, 0, false);
}

static const struct rouse_future_vtable map_ended = {
    .drop = map_drop, .name = "map", .result = map_result};
static const struct rouse_future_vtable map_vtable = {
    .poll = map_poll,
    .drop = map_drop,
    .name = "map",
    .describe = map_describe,
    .ended = &map_ended,
    .cancel_kind = map_cancel_kind,
    .inspect = map_inspect};

void rouse_map_init(struct rouse_map *map, struct rouse_future *inner, rouse_map_function fn,
                    void *arg)
{
    *map = (struct rouse_map){.base.vtable = &map_vtable, .inner = inner, .fn = fn, .arg = arg};
}
