// SPDX-License-Identifier: MIT
//
// Timeout: a future and a sleep, of which the future is polled first.

#include <errno.h>
#include <rouse/await.h>
#include <rouse/sleep.h>
#include <stdio.h>

// Once more, with all the budget in the world: that it was spent must not look like lateness.
static rouse_poll poll_unbudgeted(struct rouse_future *inner, struct rouse_context *cx)
{
    uint32_t budget = cx->budget;

    cx->budget = UINT32_MAX;
    rouse_poll poll = rouse_future_poll(inner, cx);
    cx->budget = budget;
    return poll;
}

static rouse_poll timeout_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_timeout *t = ROUSE_CONTAINER_OF(self, struct rouse_timeout, base);

    // `inner` first: work done by the deadline counts, even when both are ready.
    if (rouse_future_poll(t->inner, cx) == ROUSE_READY) {
        rouse_future_drop(&t->sleep.base);
        t->output = 0;
        return ROUSE_READY;
    }
    if (rouse_future_poll(&t->sleep.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    if (t->sleep.output == 0 && cx->budget == 0 && poll_unbudgeted(t->inner, cx) == ROUSE_READY) {
        t->output = 0;
        return ROUSE_READY;
    }
    rouse_future_drop(t->inner);
    t->output = t->sleep.output < 0 ? t->sleep.output : -ETIMEDOUT;
    return ROUSE_READY;
}

static void timeout_drop(struct rouse_future *self)
{
    struct rouse_timeout *t = ROUSE_CONTAINER_OF(self, struct rouse_timeout, base);

    rouse_future_drop(t->inner);
    rouse_future_drop(&t->sleep.base);
}

static int timeout_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_timeout *t = (const struct rouse_timeout *)self;
    int used = snprintf(buf, size, "timeout(");
    size_t at = (size_t)used < size ? (size_t)used : size;

    used += rouse_future_describe(t->inner, buf == NULL ? NULL : buf + at, size - at);
    at = (size_t)used < size ? (size_t)used : size;
    return used + snprintf(buf == NULL ? NULL : buf + at, size - at, ")");
}

static void timeout_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_timeout *t = (const struct rouse_timeout *)self;

    inspector->part(inspector, t->inner, 0, t->sleep.deadline_ns != ROUSE_NEVER);
}

static int64_t timeout_result(const struct rouse_future *self)
{
    const struct rouse_timeout *t = (const struct rouse_timeout *)self;

    return t->output < 0 ? t->output : rouse_future_result(t->inner);
}

static rouse_cancel_kind timeout_cancel_kind(const struct rouse_future *self)
{
    return rouse_future_cancel_kind(((const struct rouse_timeout *)self)->inner);
}

// Releases the output of `inner` that nobody took.
static void timeout_ended_drop(struct rouse_future *self)
{
    rouse_future_drop(ROUSE_CONTAINER_OF(self, struct rouse_timeout, base)->inner);
}

static const struct rouse_future_vtable timeout_ended = {
    .drop = timeout_ended_drop, .name = "timeout", .result = timeout_result};
static const struct rouse_future_vtable timeout_vtable = {
    .poll = timeout_poll,
    .drop = timeout_drop,
    .name = "timeout",
    .describe = timeout_describe,
    .ended = &timeout_ended,
    .cancel_kind = timeout_cancel_kind,
    .inspect = timeout_inspect};

void rouse_timeout_init(struct rouse_timeout *timeout, struct rouse_future *inner,
                        uint64_t deadline_ns)
{
    timeout->base.vtable = &timeout_vtable;
    timeout->inner = inner;
    timeout->output = 0;
    rouse_sleep_until_init(&timeout->sleep, deadline_ns);
}

int rouse_await_until(struct rouse_future *future, uint64_t deadline_ns)
{
    struct rouse_timeout timeout;

    rouse_timeout_init(&timeout, future, deadline_ns);
    int err = rouse_await(&timeout.base);
    return err < 0 ? err : timeout.output;
}
