// SPDX-License-Identifier: MIT
//
// Sending a datagram. Any thread; one sender waits at a time, further ones queue in order.
//
// A Unix socket that is full is no business of the sender's own socket, unless the two are
// connected: the sender stays writable, and no event tells when there is room. So a send to an
// address of that family pauses and tries again.

#include <errno.h>
#include <rouse/await.h>
#include <string.h>

#include "base/sys.h"
#include "net/udp.h"
#include "time/backoff.h"

#define BACKOFF_MIN_NS ROUSE_NS_PER_MS
#define BACKOFF_MAX_NS (100 * ROUSE_NS_PER_MS)

// ---- Polling ----

// A poll's try, where no event would follow -EAGAIN. It ends then, as if it had failed.
struct unannounced {
    rs_source_function fn;
    void *arg;
    bool is_full;
};

static ssize_t unannounced_try(int fd, void *arg)
{
    struct unannounced *u = arg;
    ssize_t result = u->fn(fd, u->arg);

    u->is_full = result == -EAGAIN;
    return u->is_full ? -ENOBUFS : result;
}

static rouse_poll send_paused(struct rouse_udp *udp, struct rouse_io_wait *wait,
                              struct rouse_backoff *backoff, struct rouse_context *cx,
                              rs_source_function fn, void *arg, ssize_t *result)
{
    struct unannounced u = {.fn = fn, .arg = arg};
    int err;

    for (;;) {
        if (rs_backoff_poll(backoff, cx, &err) == ROUSE_PENDING) return ROUSE_PENDING;
        *result = err;
        if (err < 0) return ROUSE_READY;
        u.is_full = false;
        if (rs_source_poll(&udp->socket.source, RS_WRITE, wait, cx, unannounced_try, &u, 0,
                           result) == ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        if (!u.is_full) return ROUSE_READY;
        rs_backoff_begin(backoff, BACKOFF_MIN_NS, BACKOFF_MAX_NS);
    }
}

rouse_poll rs_udp_send_poll(struct rouse_udp *udp, const struct rouse_addr *to,
                            struct rouse_io_wait *wait, struct rouse_backoff *backoff,
                            struct rouse_context *cx, rs_source_function fn, void *arg,
                            ssize_t *result)
{
    struct rs_socket *socket = &udp->socket;
    rouse_poll poll;

    if (udp->family == AF_UNIX && to->length > 0) {
        poll = send_paused(udp, wait, backoff, cx, fn, arg, result);
    } else {
        poll = rs_source_poll(&socket->source, RS_WRITE, wait, cx, fn, arg, 0, result);
    }
    if (poll == ROUSE_READY) *result = rs_socket_result(socket, *result);
    return poll;
}

// ---- One datagram ----

static ssize_t send_try(int fd, void *arg)
{
    struct rouse_udp_send *s = arg;
    struct iovec iov = {(void *)s->buf, s->size};
    const struct msghdr message = {.msg_name = s->to.length > 0 ? &s->to.storage : NULL,
                                   .msg_namelen = s->to.length,
                                   .msg_iov = &iov,
                                   .msg_iovlen = 1};

    return rs_sys.sendmsg(fd, &message, MSG_NOSIGNAL);
}

static rouse_poll send_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_udp_send *s = ROUSE_CONTAINER_OF(self, struct rouse_udp_send, base);

    return rs_udp_send_poll(s->udp, &s->to, &s->wait, &s->backoff, cx, send_try, s, &s->output);
}

static void send_drop(struct rouse_future *self)
{
    struct rouse_udp_send *s = ROUSE_CONTAINER_OF(self, struct rouse_udp_send, base);

    rs_backoff_drop(&s->backoff);
    rs_source_unwait(&s->wait);
}

static int send_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_udp_send *s = (const struct rouse_udp_send *)self;
    const char *what = s->backoff.is_pausing ? "pause before a full socket, on" : "send on";

    return rs_socket_describe(&s->udp->socket, what, buf, size);
}

static int64_t send_result(const struct rouse_future *self)
{
    return ((const struct rouse_udp_send *)self)->output;
}

static const struct rouse_future_vtable send_ended = {.name = "udp_send", .result = send_result};
static const struct rouse_future_vtable send_vtable = {
    .poll = send_poll,
    .drop = send_drop,
    .name = "udp_send",
    .describe = send_describe,
    .ended = &send_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_udp_send_init(struct rouse_udp_send *send, struct rouse_udp *udp, const void *buf,
                         size_t size, const struct rouse_addr *to)
{
    *send =
        (struct rouse_udp_send){.base.vtable = &send_vtable, .udp = udp, .buf = buf, .size = size};
    if (to != NULL) send->to = *to;
}

ssize_t rouse_udp_send_to(struct rouse_udp *udp, const void *buf, size_t size,
                          const struct rouse_addr *to)
{
    struct rouse_udp_send op;

    rouse_udp_send_init(&op, udp, buf, size, to);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

ssize_t rouse_udp_send(struct rouse_udp *udp, const void *buf, size_t size)
{
    return rouse_udp_send_to(udp, buf, size, NULL);
}

ssize_t rouse_udp_try_send_to(struct rouse_udp *udp, const void *buf, size_t size,
                              const struct rouse_addr *to)
{
    struct rouse_udp_send op;

    rouse_udp_send_init(&op, udp, buf, size, to);
    return rs_socket_try(&udp->socket, RS_WRITE, send_try, &op);
}
