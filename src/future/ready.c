// SPDX-License-Identifier: MIT
//
// The smallest futures.

#include <rouse/ready.h>

static rouse_poll ready_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_READY;
}

static const struct rouse_future_vtable ready_ended = {.name = "ready"};
static const struct rouse_future_vtable ready_vtable = {.poll = ready_poll,
                                                        .name = "ready",
                                                        .ended = &ready_ended,
                                                        .cancel_kind = rouse_cancel_kind_total};

void rouse_ready_init(struct rouse_ready *ready)
{
    ready->base.vtable = &ready_vtable;
}

static rouse_poll pending_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable pending_vtable = {
    .poll = pending_poll, .name = "pending", .cancel_kind = rouse_cancel_kind_total};

void rouse_pending_init(struct rouse_pending *pending)
{
    pending->base.vtable = &pending_vtable;
}

static rouse_poll poll_fn_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_poll_fn *p = ROUSE_CONTAINER_OF(self, struct rouse_poll_fn, base);

    return p->fn(p->arg, cx);
}

static const struct rouse_future_vtable poll_fn_ended = {.name = "poll_fn"};
static const struct rouse_future_vtable poll_fn_vtable = {
    .poll = poll_fn_poll, .name = "poll_fn", .ended = &poll_fn_ended};

void rouse_poll_fn_init(struct rouse_poll_fn *poll_fn, rouse_poll_function fn, void *arg)
{
    *poll_fn = (struct rouse_poll_fn){.base.vtable = &poll_fn_vtable, .fn = fn, .arg = arg};
}

static rouse_poll yield_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_yield *y = ROUSE_CONTAINER_OF(self, struct rouse_yield, base);

    if (y->yielded) return ROUSE_READY;
    y->yielded = true;
    rouse_waker_wake_by_ref(&cx->waker);
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable yield_ended = {.name = "yield"};
const struct rouse_future_vtable rouse_yield_vtable = {.poll = yield_poll,
                                                       .name = "yield",
                                                       .ended = &yield_ended,
                                                       .cancel_kind = rouse_cancel_kind_total};

static bool borrow_is_pending(const struct rouse_future *self)
{
    return rouse_future_is_pending(((const struct rouse_borrow *)self)->inner);
}

static rouse_poll borrow_poll(struct rouse_future *self, struct rouse_context *cx)
{
    return rouse_future_poll(ROUSE_CONTAINER_OF(self, struct rouse_borrow, base)->inner, cx);
}

static int borrow_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rouse_future_describe(((const struct rouse_borrow *)self)->inner, buf, size);
}

static void borrow_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    inspector->part(inspector, ((const struct rouse_borrow *)self)->inner, 0, false);
}

static int64_t borrow_result(const struct rouse_future *self)
{
    return rouse_future_result(((const struct rouse_borrow *)self)->inner);
}

static const struct rouse_future_vtable borrow_ended = {.name = "borrow", .result = borrow_result};
static const struct rouse_future_vtable borrow_vtable = {
    .poll = borrow_poll,
    .name = "borrow",
    .describe = borrow_describe,
    .ended = &borrow_ended,
    .cancel_kind = rouse_cancel_kind_total,
    .inspect = borrow_inspect,
    .is_pending = borrow_is_pending};

void rouse_borrow_init(struct rouse_borrow *borrow, struct rouse_future *inner)
{
    *borrow = (struct rouse_borrow){.base.vtable = &borrow_vtable, .inner = inner};
}
