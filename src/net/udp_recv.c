// SPDX-License-Identifier: MIT
//
// Receiving a datagram. Any thread; one receiver waits at a time, further ones queue in order.

#include <rouse/await.h>

#include "base/sys.h"
#include "net/udp.h"

rouse_poll rs_udp_recv_poll(struct rouse_udp *udp, struct rouse_io_wait *wait,
                            struct rouse_context *cx, rs_source_function fn, void *arg,
                            ssize_t *result)
{
    struct rs_socket *socket = &udp->socket;

    if (rs_source_poll(&socket->source, RS_READ, wait, cx, fn, arg, 0, result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    *result = rs_socket_result(socket, *result);
    return ROUSE_READY;
}

static ssize_t recv_try(int fd, void *arg)
{
    struct rouse_udp_recv *r = arg;
    struct iovec iov = {r->buf, r->size};
    struct msghdr message = {.msg_name = &r->from.storage,
                             .msg_namelen = sizeof r->from.storage,
                             .msg_iov = &iov,
                             .msg_iovlen = 1};
    // With the flag it returns the whole length.
    ssize_t length = rs_sys.recvmsg(fd, &message, MSG_TRUNC);

    if (length < 0) return length;
    r->from.length = message.msg_namelen;
    r->length = (size_t)length;
    r->truncated = r->length > r->size;
    return r->truncated ? (ssize_t)r->size : length;
}

static rouse_poll recv_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_udp_recv *r = ROUSE_CONTAINER_OF(self, struct rouse_udp_recv, base);

    return rs_udp_recv_poll(r->udp, &r->wait, cx, recv_try, r, &r->output);
}

static void recv_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_udp_recv, base)->wait);
}

static int recv_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_udp_recv *r = (const struct rouse_udp_recv *)self;

    return rs_socket_describe(&r->udp->socket, "receive on", buf, size);
}

static int64_t recv_result(const struct rouse_future *self)
{
    return ((const struct rouse_udp_recv *)self)->output;
}

static const struct rouse_future_vtable recv_ended = {.name = "udp_recv", .result = recv_result};
static const struct rouse_future_vtable recv_vtable = {
    .poll = recv_poll,
    .drop = recv_drop,
    .name = "udp_recv",
    .describe = recv_describe,
    .ended = &recv_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_udp_recv_init(struct rouse_udp_recv *recv, struct rouse_udp *udp, void *buf, size_t size)
{
    *recv =
        (struct rouse_udp_recv){.base.vtable = &recv_vtable, .udp = udp, .buf = buf, .size = size};
}

static void recv_tell(const struct rouse_udp_recv *recv, struct rouse_addr *from, size_t *length)
{
    if (from != NULL) *from = recv->from;
    if (length != NULL) *length = recv->length;
}

ssize_t rouse_udp_recv_from(struct rouse_udp *udp, void *buf, size_t size, struct rouse_addr *from,
                            size_t *length)
{
    struct rouse_udp_recv op;

    rouse_udp_recv_init(&op, udp, buf, size);
    int err = rouse_await(&op.base);

    if (err < 0) return err;
    if (op.output >= 0) recv_tell(&op, from, length);
    return op.output;
}

ssize_t rouse_udp_recv(struct rouse_udp *udp, void *buf, size_t size)
{
    return rouse_udp_recv_from(udp, buf, size, NULL, NULL);
}

ssize_t rouse_udp_try_recv_from(struct rouse_udp *udp, void *buf, size_t size,
                                struct rouse_addr *from, size_t *length)
{
    struct rouse_udp_recv op;

    rouse_udp_recv_init(&op, udp, buf, size);
    ssize_t result = rs_socket_try(&udp->socket, RS_READ, recv_try, &op);

    if (result >= 0) recv_tell(&op, from, length);
    return result;
}
