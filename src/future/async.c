// SPDX-License-Identifier: MIT
//
// Async frames: what the macros cannot do.

#include <rouse/async.h>
#include <stdio.h>

void rouse_async_init(struct rouse_async *async, const struct rouse_future_vtable *vtable)
{
    *async = (struct rouse_async){.base.vtable = vtable};
}

void rouse_async_cancel(struct rouse_async *async)
{
    struct rouse_future *awaiting = async->awaiting;

    async->awaiting = NULL;
    if (awaiting != NULL) rouse_future_drop(awaiting);
}

void rouse_async_drop(struct rouse_future *self)
{
    rouse_async_cancel(ROUSE_CONTAINER_OF(self, struct rouse_async, base));
}

int rouse_async_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_async *async = (const struct rouse_async *)self;

    if (async->awaiting != NULL) return rouse_future_describe(async->awaiting, buf, size);
    return snprintf(buf, size, "%s", self->vtable->name != NULL ? self->vtable->name : "frame");
}

void rouse_async_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_async *async = (const struct rouse_async *)self;

    if (async->awaiting != NULL) {
        inspector->part(inspector, async->awaiting, async->resume, false);
    }
}
