// SPDX-License-Identifier: MIT
//
// Waiting until a connection can be read, without a buffer to read into. Any thread.
//
// "Can be read" is what poll(2) says at that moment, asked again after each event: an event alone
// may tell of bytes that another reader has taken.

#include <errno.h>
#include <poll.h>
#include <rouse/await.h>

#include "base/sys.h"
#include "net/tcp.h"

static ssize_t readable_try(int fd, void *arg)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN | POLLRDHUP};
    const struct timespec at_once = {0};

    ssize_t received = rs_source_received(arg, NULL);

    if (received != -ENODATA) return received > 0 ? 0 : received;
    int count = rs_sys.ppoll(&entry, 1, &at_once);

    if (count < 0) return count;
    return count == 0 ? -EAGAIN : 0;
}

static rouse_poll readable_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_readable *r = ROUSE_CONTAINER_OF(self, struct rouse_tcp_readable, base);
    struct rs_socket *socket = &r->conn->socket;
    ssize_t result;

    if (rs_source_poll(&socket->source, RS_READ, &r->wait, cx, readable_try, &socket->source, 0,
                       &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = (int)rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void readable_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_readable, base)->wait);
}

static int readable_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_readable *r = (const struct rouse_tcp_readable *)self;

    return rs_socket_describe(&r->conn->socket, "data on", buf, size);
}

static int64_t readable_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_readable *)self)->output;
}

static const struct rouse_future_vtable readable_ended = {.name = "readable",
                                                          .result = readable_result};
static const struct rouse_future_vtable readable_vtable = {
    .poll = readable_poll,
    .drop = readable_drop,
    .name = "readable",
    .describe = readable_describe,
    .ended = &readable_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_tcp_readable_init(struct rouse_tcp_readable *readable, struct rouse_tcp *conn)
{
    *readable = (struct rouse_tcp_readable){.base.vtable = &readable_vtable, .conn = conn};
}

int rouse_tcp_readable(struct rouse_tcp *conn)
{
    struct rouse_tcp_readable op;

    rouse_tcp_readable_init(&op, conn);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}
