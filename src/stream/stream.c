// SPDX-License-Identifier: MIT
//
// The uses of a stream: the next item as a future, and a loop over all of them.

#include <rouse/await.h>
#include <rouse/stream.h>
#include <stdio.h>

static struct rouse_stream_next *next_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_stream_next, base);
}

static rouse_poll next_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_stream_next *next = next_of(self);
    rouse_stream_poll poll = rouse_stream_poll_next(next->stream, cx, next->item);

    if (poll == ROUSE_STREAM_PENDING) return ROUSE_PENDING;
    next->output = poll == ROUSE_STREAM_ITEM ? 1 : next->stream->error;
    return ROUSE_READY;
}

static void next_drop(struct rouse_future *self)
{
    rouse_stream_withdraw(next_of(self)->stream);
}

static int next_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_stream_next *next = (const struct rouse_stream_next *)self;

    return snprintf(buf, size, "next of %s %p", next->stream->vtable->name, (void *)next->stream);
}

static int64_t next_result(const struct rouse_future *self)
{
    return ((const struct rouse_stream_next *)self)->output;
}

static const struct rouse_future_vtable next_ended = {.name = "stream next", .result = next_result};
static const struct rouse_future_vtable next_vtable = {
    .poll = next_poll,
    .drop = next_drop,
    .name = "stream next",
    .describe = next_describe,
    .ended = &next_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_stream_next_init(struct rouse_stream_next *next, struct rouse_stream *stream, void *item)
{
    *next = (struct rouse_stream_next){.base.vtable = &next_vtable, .stream = stream, .item = item};
}

int rouse_stream_next(struct rouse_stream *stream, void *item)
{
    struct rouse_stream_next next;

    rouse_stream_next_init(&next, stream, item);
    int err = rouse_await(&next.base);

    return err < 0 ? err : next.output;
}

int rouse_stream_for_each(struct rouse_stream *stream, void *item, int (*fn)(void *arg, void *item),
                          void *arg)
{
    int next;

    while ((next = rouse_stream_next(stream, item)) > 0) {
        int err = fn(arg, item);

        if (err < 0) return err;
    }
    return next;
}
