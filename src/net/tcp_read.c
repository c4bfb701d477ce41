// SPDX-License-Identifier: MIT
//
// Reading from a connection: what is there, into one buffer or several, or until a buffer is full.
// Any thread; one reader waits at a time, further ones queue in order.
//
// A read shorter than its buffer has emptied the socket, so the next one waits for an event without
// asking the kernel first.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>

#include "base/sys.h"
#include "io/inflow.h"
#include "io/source_poll.h"
#include "net/tcp.h"

// ---- What is there ----

static ssize_t read_try(int fd, void *arg)
{
    const struct rouse_tcp_read *r = arg;

    (void)fd;
    return rs_source_recv(&r->conn->socket.source, r->buf, rs_tcp_call_size(r->size));
}

static rouse_poll read_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_read *r = ROUSE_CONTAINER_OF(self, struct rouse_tcp_read, base);
    struct rs_socket *socket = &r->conn->socket;
    ssize_t result;

    if (rs_source_poll_inline(&socket->source, RS_READ, &r->wait, cx, read_try, r,
                              rs_tcp_call_size(r->size), &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void read_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_read, base)->wait);
}

static int read_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_read *r = (const struct rouse_tcp_read *)self;

    return rs_socket_describe(&r->conn->socket, "read of", buf, size);
}

static int64_t read_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_read *)self)->output;
}

static const struct rouse_future_vtable read_ended = {.name = "read", .result = read_result};
static const struct rouse_future_vtable read_vtable = {
    .poll = read_poll,
    .drop = read_drop,
    .name = "read",
    .describe = read_describe,
    .ended = &read_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_tcp_read_init(struct rouse_tcp_read *read, struct rouse_tcp *conn, void *buf,
                         size_t size)
{
    rouse_assert(size > 0, "a read of nothing looks like the end of the stream; give it room");
    // Part by part: gcc clears what is larger than 64 bytes by a slow instruction.
    read->base.vtable = &read_vtable;
    read->wait = (struct rouse_io_wait){0};
    read->conn = conn;
    read->buf = buf;
    read->size = size;
    read->output = 0;
}

ssize_t rouse_tcp_read(struct rouse_tcp *conn, void *buf, size_t size)
{
    struct rouse_tcp_read op;

    rouse_tcp_read_init(&op, conn, buf, size);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

ssize_t rouse_tcp_try_read(struct rouse_tcp *conn, void *buf, size_t size)
{
    struct rouse_tcp_read read = {.conn = conn, .buf = buf, .size = size};
    struct rs_source *source = &conn->socket.source;
    uint64_t tick = rs_source_tick(source, RS_READ);
    ssize_t result;

    rouse_assert(size > 0, "a read of nothing looks like the end of the stream; give it room");
    // The kernel is asked in any case: where nobody waits, nobody hears of events.
    (void)rs_source_try(source, RS_READ, tick, read_try, &read, rs_tcp_call_size(size), &result);
    return rs_socket_result(&conn->socket, result);
}

// ---- Into several buffers ----

struct readv {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;
    struct msghdr message;
    size_t size;
    ssize_t output;
};

// What a ring has received. -ENODATA: nothing, and the kernel is to be asked.
static ssize_t readv_received(struct readv *r)
{
    size_t total = 0;

    for (size_t i = 0; i < r->message.msg_iovlen; i++) {
        const struct iovec *part = &r->message.msg_iov[i];
        struct rs_inflow_read read = {.buf = part->iov_base,
                                      .size = part->iov_len,
                                      .bytes_only = total > 0};

        if (part->iov_len == 0) continue;
        ssize_t result = rs_source_received(&r->conn->socket.source, &read);

        rs_inflow_free(&read.spent);
        if (result <= 0 && total == 0) return result;
        if (result > 0) total += (size_t)result;
        if (result < (ssize_t)part->iov_len) break;
    }
    return (ssize_t)total;
}

static ssize_t readv_try(int fd, void *arg)
{
    struct readv *r = arg;

    if (rs_source_receives(&r->conn->socket.source)) {
        ssize_t result = readv_received(r);

        if (result != -ENODATA) return result;
    }
    return rs_sys.recvmsg(fd, &r->message, 0);
}

static rouse_poll readv_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct readv *r = ROUSE_CONTAINER_OF(self, struct readv, base);
    struct rs_socket *socket = &r->conn->socket;
    ssize_t result;

    if (rs_source_poll(&socket->source, RS_READ, &r->wait, cx, readv_try, r,
                       rs_tcp_call_size(r->size), &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void readv_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct readv, base)->wait);
}

static int readv_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rs_socket_describe(&((const struct readv *)self)->conn->socket, "read of", buf, size);
}

static const struct rouse_future_vtable readv_vtable = {
    .poll = readv_poll,
    .drop = readv_drop,
    .name = "readv",
    .describe = readv_describe,
    .cancel_kind = rouse_cancel_kind_total};

ssize_t rouse_tcp_readv(struct rouse_tcp *conn, const struct iovec *iov, int count)
{
    ssize_t size = rs_tcp_iov_size(iov, count);

    if (size < 0) return size;
    // recvmsg() takes the vector without `const`, and leaves it as it is.
    struct readv op = {
        .base.vtable = &readv_vtable,
        .conn = conn,
        .message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count},
        .size = (size_t)size,
    };
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

// ---- Until a buffer is full ----

static ssize_t read_rest_try(int fd, void *arg)
{
    const struct rouse_tcp_read_exact *r = arg;

    (void)fd;
    return rs_source_recv(&r->conn->socket.source, (char *)r->buf + r->done,
                          rs_tcp_call_size(r->size - r->done));
}

static rouse_poll read_exact_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_read_exact *r = ROUSE_CONTAINER_OF(self, struct rouse_tcp_read_exact, base);
    struct rs_socket *socket = &r->conn->socket;

    while (r->done < r->size) {
        ssize_t result;

        if (rs_source_poll_inline(&socket->source, RS_READ, &r->wait, cx, read_rest_try, r,
                                  rs_tcp_call_size(r->size - r->done), &result) == ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        result = rs_socket_result(socket, result);
        if (result < 0) {
            r->output = result;
            return ROUSE_READY;
        }
        if (result == 0) break;
        r->done += (size_t)result;
    }
    r->output = (ssize_t)r->done;
    return ROUSE_READY;
}

static void read_exact_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_read_exact, base)->wait);
}

static int read_exact_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_read_exact *r = (const struct rouse_tcp_read_exact *)self;

    return rs_socket_describe(&r->conn->socket, "read of", buf, size);
}

static int64_t read_exact_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_read_exact *)self)->output;
}

static const struct rouse_future_vtable read_exact_ended = {.name = "read_exact",
                                                            .result = read_exact_result};
static const struct rouse_future_vtable read_exact_vtable = {
    .poll = read_exact_poll,
    .drop = read_exact_drop,
    .name = "read_exact",
    .describe = read_exact_describe,
    .ended = &read_exact_ended,
    .cancel_kind = rouse_cancel_kind_partial};

void rouse_tcp_read_exact_init(struct rouse_tcp_read_exact *read, struct rouse_tcp *conn, void *buf,
                               size_t size)
{
    // Part by part: as in rouse_tcp_read_init().
    read->base.vtable = &read_exact_vtable;
    read->wait = (struct rouse_io_wait){0};
    read->conn = conn;
    read->buf = buf;
    read->size = size;
    read->done = 0;
    read->output = 0;
}

ssize_t rouse_tcp_read_exact(struct rouse_tcp *conn, void *buf, size_t size, size_t *done)
{
    struct rouse_tcp_read_exact op;

    rouse_tcp_read_exact_init(&op, conn, buf, size);
    int err = rouse_await(&op.base);

    if (done != NULL) *done = op.done;
    return err < 0 ? err : op.output;
}
