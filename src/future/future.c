// SPDX-License-Identifier: MIT
//
// What all futures share: contexts, budgets, and what happens after the end.

#include <rouse/assert.h>
#include <rouse/async.h>
#include <rouse/future.h>
#include <stdio.h>

const struct rouse_future_vtable rouse_future_ended_vtable = {.name = "future"};
const struct rouse_future_vtable rouse_future_dropped_vtable = {.name = "dropped future"};

void rouse_context_init(struct rouse_context *cx, const struct rouse_waker *waker,
                        struct rouse_driver *driver)
{
    *cx = (struct rouse_context){.waker = *waker, .driver = driver, .budget = UINT32_MAX};
}

void rouse_future_poll_ended(const struct rouse_future *future)
{
    rouse_panic("a future was polled after its end: \"%s\"; a future ends once, by ROUSE_READY or "
                "by a drop: make a new one, or ask rouse_future_is_ended() first",
                future->vtable->name);
}

int64_t rouse_future_result(const struct rouse_future *future)
{
    rouse_assert(rouse_future_is_ended(future),
                 "only an ended future has a result; await it first");
    return future->vtable->result != NULL ? future->vtable->result(future) : 0;
}

rouse_cancel_kind rouse_future_cancel_kind(const struct rouse_future *future)
{
    const struct rouse_future_vtable *vtable = future->vtable;

    if (vtable->poll == NULL) return ROUSE_CANCEL_TOTAL;
    return vtable->cancel_kind != NULL ? vtable->cancel_kind(future) : ROUSE_CANCEL_UNSTATED;
}

rouse_cancel_kind rouse_cancel_kind_total(const struct rouse_future *self)
{
    (void)self;
    return ROUSE_CANCEL_TOTAL;
}

rouse_cancel_kind rouse_cancel_kind_partial(const struct rouse_future *self)
{
    (void)self;
    return ROUSE_CANCEL_PARTIAL;
}

rouse_cancel_kind rouse_cancel_kind_terminal(const struct rouse_future *self)
{
    (void)self;
    return ROUSE_CANCEL_TERMINAL;
}

int rouse_future_describe(const struct rouse_future *future, char *buf, size_t size)
{
    const struct rouse_future_vtable *vtable = future->vtable;

    if (vtable->describe != NULL) return vtable->describe(future, buf, size);
    return snprintf(buf, size, "%s", vtable->name != NULL ? vtable->name : "future");
}

// Frames of before there was anything to inspect are known by the functions that are made for them.
static bool is_frame(const struct rouse_future_vtable *vtable)
{
    return vtable->drop == rouse_async_drop || vtable->describe == rouse_async_describe;
}

void rouse_future_inspect(const struct rouse_future *future, struct rouse_inspector *inspector)
{
    const struct rouse_future_vtable *vtable = future->vtable;

    if (vtable->poll == NULL) return;
    if (vtable->inspect != NULL) {
        vtable->inspect(future, inspector);
    } else if (is_frame(vtable)) {
        rouse_async_inspect(future, inspector);
    }
}
