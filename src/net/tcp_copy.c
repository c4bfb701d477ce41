// SPDX-License-Identifier: MIT
//
// Copying from connection to connection, one way and both ways. Any thread.
//
//               bytes                        the last of them is out
//     READING ---------> HOLDING a conduit --------------------------> READING
//        |                   |
//        | end, error        | error
//        v                   v
//      ended               ended, and what the conduit held is lost
//
// A copy begins with a buffer. A receive that fills it is followed by receives into a pipe, until
// one of those brings no more than a buffer holds.

#include <errno.h>
#include <rouse/await.h>
#include <rouse/tcp_copy.h>
#include <stdio.h>

#include "io/conduit.h"
#include "net/tcp.h"

// ---- One way ----

// What one try needs.
struct copy_try {
    struct rouse_tcp_copy *copy;
    struct rouse_driver *driver;
};

static ssize_t receive_try(int fd, void *arg)
{
    const struct copy_try *t = arg;

    struct rs_source *source = &t->copy->from->socket.source;
    bool received = rs_source_receives(source);

    // Bytes that have been received already go through a buffer; then a pipe is as good as ever.
    return rs_conduit_receive(&t->copy->held, t->driver,
                              t->copy->is_bulk && !received ? RS_CONDUIT_PIPE : RS_CONDUIT_BUFFER,
                              fd, received ? source : NULL);
}

static ssize_t send_try(int fd, void *arg)
{
    const struct copy_try *t = arg;

    return rs_conduit_send(&t->copy->held, t->driver, fd);
}

static rouse_poll copy_end(struct rouse_tcp_copy *c, struct rouse_tcp *failed, int64_t output)
{
    rs_conduit_free(c->held);
    c->held = NULL;
    c->failed = output != -ENOMEM ? failed : NULL;
    c->output = output;
    return ROUSE_READY;
}

// Receives into a conduit: pending, or ready with what came.
static rouse_poll copy_receive(struct rouse_tcp_copy *c, struct rouse_context *cx, ssize_t *result)
{
    struct copy_try t = {.copy = c, .driver = rouse_context_driver(cx)};
    struct rs_socket *socket = &c->from->socket;
    // A pipe may be full of small pieces before the socket is empty.
    size_t want = c->is_bulk ? 0 : RS_CONDUIT_BUFFER_SIZE;

    rs_source_receive_never(&socket->source);
    if (rs_source_poll(&socket->source, RS_READ, &c->wait, cx, receive_try, &t, want, result) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    *result = rs_socket_result(socket, *result);
    if (*result <= 0) return ROUSE_READY;
    c->taken += (uint64_t)*result;
    c->is_bulk = *result >= RS_CONDUIT_BUFFER_SIZE;
    return ROUSE_READY;
}

// Sends what the conduit holds, likewise.
static rouse_poll copy_send(struct rouse_tcp_copy *c, struct rouse_context *cx, ssize_t *result)
{
    struct copy_try t = {.copy = c, .driver = rouse_context_driver(cx)};
    struct rs_socket *socket = &c->to->socket;

    if (rs_source_poll(&socket->source, RS_WRITE, &c->wait, cx, send_try, &t,
                       rs_conduit_full(c->held), result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    *result = rs_socket_result(socket, *result);
    if (*result > 0) c->done += (uint64_t)*result;
    return ROUSE_READY;
}

static rouse_poll copy_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_copy *c = ROUSE_CONTAINER_OF(self, struct rouse_tcp_copy, base);
    ssize_t result;

    for (;;) {
        if (c->held == NULL) {
            if (copy_receive(c, cx, &result) == ROUSE_PENDING) return ROUSE_PENDING;
            if (result < 0) return copy_end(c, c->from, result);
            if (result == 0) return copy_end(c, NULL, (int64_t)c->done);
        }
        if (copy_send(c, cx, &result) == ROUSE_PENDING) return ROUSE_PENDING;
        if (result < 0) return copy_end(c, c->to, result);
    }
}

static void copy_drop(struct rouse_future *self)
{
    struct rouse_tcp_copy *c = ROUSE_CONTAINER_OF(self, struct rouse_tcp_copy, base);

    rs_source_unwait(&c->wait);
    rs_conduit_free(c->held);
    c->held = NULL;
}

static int copy_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_copy *c = (const struct rouse_tcp_copy *)self;

    return snprintf(buf, size, "copy from fd %d to fd %d: %s", c->from->socket.source.fd,
                    c->to->socket.source.fd, c->held != NULL ? "writing" : "reading");
}

static int64_t copy_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_copy *)self)->output;
}

static const struct rouse_future_vtable copy_ended = {.name = "copy", .result = copy_result};
static const struct rouse_future_vtable copy_vtable = {
    .poll = copy_poll,
    .drop = copy_drop,
    .name = "copy",
    .describe = copy_describe,
    .ended = &copy_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_tcp_copy_init(struct rouse_tcp_copy *copy, struct rouse_tcp *from, struct rouse_tcp *to)
{
    *copy = (struct rouse_tcp_copy){.base.vtable = &copy_vtable, .from = from, .to = to};
}

int64_t rouse_tcp_copy(struct rouse_tcp *from, struct rouse_tcp *to)
{
    struct rouse_tcp_copy op;

    rouse_tcp_copy_init(&op, from, to);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

// ---- Both ways ----

// The receiver has ended its own stream before and is gone: what it sent is whole.
static bool is_unheard(const struct rouse_tcp_copy *copy)
{
    return copy->output == -EPIPE && copy->failed == copy->to;
}

// Polls one direction, unless it is over. Returns 0 or the error that ends both. An error with
// which the other direction goes on is kept in the output.
static int direction_poll(struct rouse_tcp_copy_bidirectional *b, struct rouse_tcp_copy *copy,
                          struct rouse_context *cx)
{
    if (rouse_future_is_ended(&copy->base)) return 0;
    if (rouse_future_poll(&copy->base, cx) == ROUSE_PENDING) return 0;
    if (copy->output < 0 && !is_unheard(copy)) return (int)copy->output;
    // That this fails, too, says that the receiver is gone: the other direction hears of it as its
    // reader.
    int err = copy->output < 0 ? -EPIPE : rouse_tcp_shutdown_write(copy->to);
    if (b->output == 0) b->output = err;
    return 0;
}

static void bidirectional_stop(struct rouse_tcp_copy_bidirectional *b)
{
    rouse_future_drop(&b->forth.base);
    rouse_future_drop(&b->back.base);
}

static rouse_poll bidirectional_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_copy_bidirectional *b =
        ROUSE_CONTAINER_OF(self, struct rouse_tcp_copy_bidirectional, base);
    struct rouse_tcp_copy *order[2] = {&b->forth, &b->back};

    // In turn: the first may spend the whole budget.
    for (int i = 0; i < 2; i++) {
        int err = direction_poll(b, order[i ^ (int)b->back_first], cx);

        if (err == 0) continue;
        bidirectional_stop(b);
        b->output = err;
        return ROUSE_READY;
    }
    b->back_first = !b->back_first;
    return rouse_future_is_ended(&b->forth.base) && rouse_future_is_ended(&b->back.base)
               ? ROUSE_READY
               : ROUSE_PENDING;
}

static void bidirectional_drop(struct rouse_future *self)
{
    bidirectional_stop(ROUSE_CONTAINER_OF(self, struct rouse_tcp_copy_bidirectional, base));
}

// Writes what one direction waits for, as snprintf() does.
static int direction_describe(const struct rouse_tcp_copy *copy, char *buf, size_t size)
{
    if (rouse_future_is_ended(&copy->base)) return snprintf(buf, size, "copy ended");
    return copy_describe(&copy->base, buf, size);
}

static int bidirectional_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_copy_bidirectional *b =
        (const struct rouse_tcp_copy_bidirectional *)self;
    char forth[64], back[64];

    (void)direction_describe(&b->forth, forth, sizeof forth);
    (void)direction_describe(&b->back, back, sizeof back);
    return snprintf(buf, size, "%s; %s", forth, back);
}

static int64_t bidirectional_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_copy_bidirectional *)self)->output;
}

static const struct rouse_future_vtable bidirectional_ended = {.name = "copy_bidirectional",
                                                               .result = bidirectional_result};
static const struct rouse_future_vtable bidirectional_vtable = {
    .poll = bidirectional_poll,
    .drop = bidirectional_drop,
    .name = "copy_bidirectional",
    .describe = bidirectional_describe,
    .ended = &bidirectional_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_tcp_copy_bidirectional_init(struct rouse_tcp_copy_bidirectional *copy,
                                       struct rouse_tcp *a, struct rouse_tcp *b)
{
    copy->base.vtable = &bidirectional_vtable;
    copy->back_first = false;
    copy->output = 0;
    rouse_tcp_copy_init(&copy->forth, a, b);
    rouse_tcp_copy_init(&copy->back, b, a);
}

int rouse_tcp_copy_bidirectional(struct rouse_tcp *a, struct rouse_tcp *b, uint64_t *forth,
                                 uint64_t *back)
{
    struct rouse_tcp_copy_bidirectional op;

    rouse_tcp_copy_bidirectional_init(&op, a, b);
    int err = rouse_await(&op.base);

    if (forth != NULL) *forth = op.forth.done;
    if (back != NULL) *back = op.back.done;
    return err < 0 ? err : op.output;
}
