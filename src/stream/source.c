// SPDX-License-Identifier: MIT
//
// What streams begin with. Each has a future of the object under it, which is made for an item and
// lives for as long as it is pending.

#include <errno.h>
#include <rouse/stream.h>

// ---- Channels ----

static rouse_stream_poll channel_poll(struct rouse_stream *self, struct rouse_context *cx,
                                      void *item)
{
    struct rouse_channel_stream *s = ROUSE_CONTAINER_OF(self, struct rouse_channel_stream, base);

    if (!s->waits) rouse_channel_receive_init(&s->receive, s->receiver, item);
    s->receive.elements = (char *)item;
    s->waits = rouse_future_poll(&s->receive.base, cx) == ROUSE_PENDING;
    if (s->waits) return ROUSE_STREAM_PENDING;
    if (s->receive.output > 0) return ROUSE_STREAM_ITEM;
    self->error = s->receive.output == -EPIPE ? 0 : (int)s->receive.output;
    return ROUSE_STREAM_END;
}

static void channel_withdraw(struct rouse_stream *self)
{
    struct rouse_channel_stream *s = ROUSE_CONTAINER_OF(self, struct rouse_channel_stream, base);

    if (s->waits) rouse_future_drop(&s->receive.base);
    s->waits = false;
}

static const struct rouse_stream_vtable channel_vtable = {
    .poll_next = channel_poll, .withdraw = channel_withdraw, .name = "channel stream"};

void rouse_channel_stream_init(struct rouse_channel_stream *stream,
                               struct rouse_channel_receiver *receiver)
{
    stream->base = (struct rouse_stream){.vtable = &channel_vtable};
    stream->receiver = receiver;
    stream->waits = false;
}

// ---- Intervals ----

static rouse_stream_poll interval_poll(struct rouse_stream *self, struct rouse_context *cx,
                                       void *item)
{
    struct rouse_interval_stream *s = ROUSE_CONTAINER_OF(self, struct rouse_interval_stream, base);

    if (!s->waits) rouse_interval_tick_init(&s->tick, s->interval);
    s->waits = rouse_future_poll(&s->tick.base, cx) == ROUSE_PENDING;
    if (s->waits) return ROUSE_STREAM_PENDING;
    self->error = s->tick.error;
    if (self->error < 0) return ROUSE_STREAM_END;
    *(uint64_t *)item = s->tick.output;
    return ROUSE_STREAM_ITEM;
}

static void interval_withdraw(struct rouse_stream *self)
{
    struct rouse_interval_stream *s = ROUSE_CONTAINER_OF(self, struct rouse_interval_stream, base);

    if (s->waits) rouse_future_drop(&s->tick.base);
    s->waits = false;
}

static const struct rouse_stream_vtable interval_vtable = {
    .poll_next = interval_poll, .withdraw = interval_withdraw, .name = "interval stream"};

void rouse_interval_stream_init(struct rouse_interval_stream *stream,
                                struct rouse_interval *interval)
{
    stream->base = (struct rouse_stream){.vtable = &interval_vtable};
    stream->interval = interval;
    stream->waits = false;
}

// ---- Listeners ----

static rouse_stream_poll accept_poll(struct rouse_stream *self, struct rouse_context *cx,
                                     void *item)
{
    struct rouse_accept_stream *s = ROUSE_CONTAINER_OF(self, struct rouse_accept_stream, base);

    if (!s->waits) rouse_tcp_accept_init(&s->accept, s->listener);
    s->waits = rouse_future_poll(&s->accept.base, cx) == ROUSE_PENDING;
    if (s->waits) return ROUSE_STREAM_PENDING;
    self->error = s->accept.output;
    if (self->error < 0) return ROUSE_STREAM_END;
    *(struct rouse_tcp **)item = rouse_tcp_accept_take(&s->accept);
    return ROUSE_STREAM_ITEM;
}

static void accept_withdraw(struct rouse_stream *self)
{
    struct rouse_accept_stream *s = ROUSE_CONTAINER_OF(self, struct rouse_accept_stream, base);

    if (s->waits) rouse_future_drop(&s->accept.base);
    s->waits = false;
}

static const struct rouse_stream_vtable accept_vtable = {
    .poll_next = accept_poll, .withdraw = accept_withdraw, .name = "accept stream"};

void rouse_accept_stream_init(struct rouse_accept_stream *stream,
                              struct rouse_tcp_listener *listener)
{
    stream->base = (struct rouse_stream){.vtable = &accept_vtable};
    stream->listener = listener;
    stream->waits = false;
}
