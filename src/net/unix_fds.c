// SPDX-License-Identifier: MIT
//
// Descriptors that travel with the bytes of a Unix stream, or with a datagram. Any thread.
//
// 1. A descriptor that has been received is in `fds` of its future, or has been taken, or is
//    closed: none is lost, however the future ends.
// 2. The kernel is given room for `capacity` descriptors exactly. What finds no room it closes, and
//    says so by MSG_CTRUNC.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <string.h>

#include "base/sys.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "net/unix.h"

// Room for the control part of a message, aligned for its header.
struct control {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(ROUSE_UNIX_FDS_MAX * sizeof(int))];
};

// ---- Sending ----

// 0 if descriptors can go with the bytes. A TCP socket would take these and say nothing of those.
static int send_check(int fd, unsigned count)
{
    int family;
    socklen_t length = sizeof family;

    if (count > ROUSE_UNIX_FDS_MAX) return -EINVAL;
    int err = rs_sys.getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);

    if (err < 0) return err;
    return family == AF_UNIX ? 0 : -EOPNOTSUPP;
}

// `control` has to last as long as the message.
static void rights_put(struct msghdr *message, struct control *control, const int *fds,
                       unsigned count)
{
    size_t size = count * sizeof(int);

    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(size);
    memset(control, 0, message->msg_controllen);
    struct cmsghdr *part = CMSG_FIRSTHDR(message);

    part->cmsg_len = CMSG_LEN(size);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(part), fds, size);
}

// A datagram goes as a whole, or not at all.
static size_t send_size(const struct rouse_unix_send_fds *s)
{
    return s->is_datagram ? s->size : rs_tcp_call_size(s->size);
}

static ssize_t send_try(int fd, void *arg)
{
    const struct rouse_unix_send_fds *s = arg;
    struct iovec iov = {(void *)s->buf, send_size(s)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
    struct control control;

    if (s->count > 0) {
        int err = send_check(fd, s->count);

        if (err < 0) return err;
        rights_put(&message, &control, s->fds, s->count);
    }
    return rs_sys.sendmsg(fd, &message, MSG_NOSIGNAL);
}

static rouse_poll send_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_unix_send_fds *s = ROUSE_CONTAINER_OF(self, struct rouse_unix_send_fds, base);
    struct rs_socket *socket = s->socket;
    ssize_t result;

    if (rs_source_poll(&socket->source, RS_WRITE, &s->wait, cx, send_try, s, send_size(s),
                       &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    s->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void send_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_unix_send_fds, base)->wait);
}

static int send_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_unix_send_fds *s = (const struct rouse_unix_send_fds *)self;

    return rs_socket_describe(s->socket, "send of descriptors to", buf, size);
}

static int64_t send_result(const struct rouse_future *self)
{
    return ((const struct rouse_unix_send_fds *)self)->output;
}

static const struct rouse_future_vtable send_ended = {.name = "send_fds", .result = send_result};
static const struct rouse_future_vtable send_vtable = {
    .poll = send_poll,
    .drop = send_drop,
    .name = "send_fds",
    .describe = send_describe,
    .ended = &send_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_unix_send_fds_init(struct rouse_unix_send_fds *send, struct rouse_tcp *conn,
                              const void *buf, size_t size, const int *fds, unsigned count)
{
    rouse_assert(size > 0, "descriptors travel with a byte; send one at least");
    *send = (struct rouse_unix_send_fds){
        .base.vtable = &send_vtable,
        .socket = &conn->socket,
        .buf = buf,
        .size = size,
        .fds = fds,
        .count = count};
}

void rouse_unix_datagram_send_fds_init(struct rouse_unix_send_fds *send, struct rouse_udp *udp,
                                       const void *buf, size_t size, const int *fds, unsigned count)
{
    *send = (struct rouse_unix_send_fds){
        .base.vtable = &send_vtable,
        .socket = &udp->socket,
        .buf = buf,
        .size = size,
        .fds = fds,
        .count = count,
        .is_datagram = true};
}

static ssize_t send_await(struct rouse_unix_send_fds *op)
{
    int err = rouse_await(&op->base);

    return err < 0 ? err : op->output;
}

ssize_t rouse_unix_send_fds(struct rouse_tcp *conn, const void *buf, size_t size, const int *fds,
                            unsigned count)
{
    struct rouse_unix_send_fds op;

    rouse_unix_send_fds_init(&op, conn, buf, size, fds, count);
    return send_await(&op);
}

ssize_t rouse_unix_datagram_send_fds(struct rouse_udp *udp, const void *buf, size_t size,
                                     const int *fds, unsigned count)
{
    struct rouse_unix_send_fds op;

    rouse_unix_datagram_send_fds_init(&op, udp, buf, size, fds, count);
    return send_await(&op);
}

// ---- Receiving ----

static void fds_close(struct rouse_unix_recv_fds *r)
{
    for (unsigned i = 0; i < r->count; i++) {
        (void)rs_sys.close(r->fds[i]);
    }
    r->count = 0;
}

// Keeps what one part of the control message brings.
static void fds_keep(struct rouse_unix_recv_fds *r, const struct cmsghdr *part)
{
    const unsigned char *data = CMSG_DATA(part);
    size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, data + i * sizeof fd, sizeof fd);
        if (r->count < r->capacity) {
            r->fds[r->count++] = fd;
        } else {
            (void)rs_sys.close(fd);
            r->truncated = true;
        }
    }
}

static ssize_t recv_try(int fd, void *arg)
{
    struct rouse_unix_recv_fds *r = arg;
    struct iovec iov = {r->buf, rs_tcp_call_size(r->size)};
    unsigned room = r->capacity < ROUSE_UNIX_FDS_MAX ? r->capacity : ROUSE_UNIX_FDS_MAX;
    struct control control;
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = room > 0 ? &control : NULL,
                             .msg_controllen = room > 0 ? CMSG_LEN(room * sizeof(int)) : 0};
    // Of a datagram the call says the whole length; bytes of a stream it would throw away.
    ssize_t result =
        rs_sys.recvmsg(fd, &message, MSG_CMSG_CLOEXEC | (r->is_datagram ? MSG_TRUNC : 0));

    if (result < 0) return result;
    r->truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL;
         part = CMSG_NXTHDR(&message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS) fds_keep(r, part);
    }
    r->length = (size_t)result;
    return r->length < r->size ? result : (ssize_t)r->size;
}

static rouse_poll recv_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_unix_recv_fds *r = ROUSE_CONTAINER_OF(self, struct rouse_unix_recv_fds, base);
    struct rs_socket *socket = r->socket;
    ssize_t result;

    if (rs_source_poll(&socket->source, RS_READ, &r->wait, cx, recv_try, r, 0, &result) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void recv_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_unix_recv_fds, base)->wait);
}

static int recv_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_unix_recv_fds *r = (const struct rouse_unix_recv_fds *)self;

    return rs_socket_describe(r->socket, "receive of descriptors from", buf, size);
}

static void recv_ended_drop(struct rouse_future *self)
{
    fds_close(ROUSE_CONTAINER_OF(self, struct rouse_unix_recv_fds, base));
}

static int64_t recv_result(const struct rouse_future *self)
{
    return ((const struct rouse_unix_recv_fds *)self)->output;
}

static const struct rouse_future_vtable recv_ended = {
    .drop = recv_ended_drop, .name = "recv_fds", .result = recv_result};
static const struct rouse_future_vtable recv_vtable = {
    .poll = recv_poll,
    .drop = recv_drop,
    .name = "recv_fds",
    .describe = recv_describe,
    .ended = &recv_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_unix_recv_fds_init(struct rouse_unix_recv_fds *recv, struct rouse_tcp *conn, void *buf,
                              size_t size, int *fds, unsigned capacity)
{
    rouse_assert(size > 0, "a read of nothing looks like the end of the stream; give it room");
    *recv = (struct rouse_unix_recv_fds){
        .base.vtable = &recv_vtable,
        .socket = &conn->socket,
        .buf = buf,
        .size = size,
        .fds = fds,
        .capacity = capacity};
}

void rouse_unix_datagram_recv_fds_init(struct rouse_unix_recv_fds *recv, struct rouse_udp *udp,
                                       void *buf, size_t size, int *fds, unsigned capacity)
{
    *recv = (struct rouse_unix_recv_fds){
        .base.vtable = &recv_vtable,
        .socket = &udp->socket,
        .buf = buf,
        .size = size,
        .fds = fds,
        .capacity = capacity,
        .is_datagram = true};
}

unsigned rouse_unix_recv_fds_take(struct rouse_unix_recv_fds *recv)
{
    unsigned count = recv->count;

    if (!rouse_future_is_ended(&recv->base)) return 0;
    recv->count = 0;
    return count;
}

static ssize_t recv_await(struct rouse_unix_recv_fds *op, unsigned *count, bool *truncated)
{
    *count = 0;
    int err = rouse_await(&op->base);

    if (err < 0) return err;
    *count = rouse_unix_recv_fds_take(op);
    if (truncated != NULL) *truncated = op->truncated;
    return op->output;
}

ssize_t rouse_unix_recv_fds(struct rouse_tcp *conn, void *buf, size_t size, int *fds,
                            unsigned *count, bool *truncated)
{
    struct rouse_unix_recv_fds op;

    rouse_unix_recv_fds_init(&op, conn, buf, size, fds, *count);
    return recv_await(&op, count, truncated);
}

ssize_t rouse_unix_datagram_recv_fds(struct rouse_udp *udp, void *buf, size_t size, int *fds,
                                     unsigned *count, bool *truncated)
{
    struct rouse_unix_recv_fds op;

    rouse_unix_datagram_recv_fds_init(&op, udp, buf, size, fds, *count);
    return recv_await(&op, count, truncated);
}
