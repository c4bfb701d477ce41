// SPDX-License-Identifier: MIT
//
// Writing to a connection: what the socket takes, from one buffer or several, or all of them. Any
// thread; one writer waits at a time, further ones queue in order. No write raises SIGPIPE.
//
// A write shorter than its buffer has filled the socket, so the next one waits for an event without
// asking the kernel first.

#include <errno.h>
#include <rouse/await.h>

#include "base/sys_message.h"
#include "fiber/direct.h"
#include "io/source_poll.h"
#include "net/tcp.h"

// ---- What the socket takes ----

static ssize_t write_try(int fd, void *arg)
{
    const struct rouse_tcp_write *w = arg;

    return rs_sys_send(fd, w->buf, rs_tcp_call_size(w->size), MSG_NOSIGNAL);
}

// What the first poll of a write's future would give, in one's own frame; -EAGAIN: it is to be
// made, and awaited. Who waits already comes first.
static inline ssize_t write_directly(struct rouse_tcp *conn, const void *buf, size_t size)
{
    struct rouse_tcp_write write = {.buf = buf, .size = size};
    struct rs_source *source = &conn->socket.source;
    ssize_t result;

    if (!rs_source_may_be_ready(source, RS_WRITE) || rs_source_is_waited_on(source, RS_WRITE) ||
        !rs_direct_may_try()) {
        return -EAGAIN;
    }
    uint64_t tick = rs_source_tick(source, RS_WRITE);

    if (!rs_source_try(source, RS_WRITE, tick, write_try, &write, rs_tcp_call_size(size),
                       &result)) {
        return -EAGAIN;
    }
    rs_direct_tried();
    return rs_socket_result(&conn->socket, result);
}

static rouse_poll write_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_write *w = ROUSE_CONTAINER_OF(self, struct rouse_tcp_write, base);
    struct rs_socket *socket = &w->conn->socket;
    ssize_t result;

    if (rs_source_poll_inline(&socket->source, RS_WRITE, &w->wait, cx, write_try, w,
                              rs_tcp_call_size(w->size), &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    w->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void write_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_write, base)->wait);
}

static int write_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_write *w = (const struct rouse_tcp_write *)self;

    return rs_socket_describe(&w->conn->socket, "write to", buf, size);
}

static int64_t write_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_write *)self)->output;
}

static const struct rouse_future_vtable write_ended = {.name = "write", .result = write_result};
static const struct rouse_future_vtable write_vtable = {
    .poll = write_poll,
    .drop = write_drop,
    .name = "write",
    .describe = write_describe,
    .ended = &write_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_tcp_write_init(struct rouse_tcp_write *write, struct rouse_tcp *conn, const void *buf,
                          size_t size)
{
    // Part by part: gcc clears what is larger than 64 bytes by a slow instruction.
    write->base.vtable = &write_vtable;
    write->wait = (struct rouse_io_wait){0};
    write->conn = conn;
    write->buf = buf;
    write->size = size;
    write->output = 0;
}

ssize_t rouse_tcp_write(struct rouse_tcp *conn, const void *buf, size_t size)
{
    struct rouse_tcp_write op;
    ssize_t written = write_directly(conn, buf, size);

    if (written != -EAGAIN) return written;
    rouse_tcp_write_init(&op, conn, buf, size);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

ssize_t rouse_tcp_try_write(struct rouse_tcp *conn, const void *buf, size_t size)
{
    struct rouse_tcp_write write = {.buf = buf, .size = size};
    struct rs_source *source = &conn->socket.source;
    uint64_t tick = rs_source_tick(source, RS_WRITE);
    ssize_t result;

    // The kernel is asked in any case: where nobody waits, nobody hears of events.
    (void)rs_source_try(source, RS_WRITE, tick, write_try, &write, 0, &result);
    return rs_socket_result(&conn->socket, result);
}

// ---- From several buffers ----

struct writev {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_tcp *conn;
    struct msghdr message;
    size_t size;
    ssize_t output;
};

static ssize_t writev_try(int fd, void *arg)
{
    const struct writev *w = arg;

    return rs_sys.sendmsg(fd, &w->message, MSG_NOSIGNAL);
}

static rouse_poll writev_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct writev *w = ROUSE_CONTAINER_OF(self, struct writev, base);
    struct rs_socket *socket = &w->conn->socket;
    ssize_t result;

    if (rs_source_poll(&socket->source, RS_WRITE, &w->wait, cx, writev_try, w,
                       rs_tcp_call_size(w->size), &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    w->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void writev_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct writev, base)->wait);
}

static int writev_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return rs_socket_describe(&((const struct writev *)self)->conn->socket, "write to", buf, size);
}

static const struct rouse_future_vtable writev_vtable = {
    .poll = writev_poll,
    .drop = writev_drop,
    .name = "writev",
    .describe = writev_describe,
    .cancel_kind = rouse_cancel_kind_total};

// `iov` holds `size` bytes.
static ssize_t writev_await(struct rouse_tcp *conn, const struct iovec *iov, int count, size_t size)
{
    // sendmsg() takes the vector without `const`, and leaves it as it is.
    struct writev op = {
        .base.vtable = &writev_vtable,
        .conn = conn,
        .message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count},
        .size = size,
    };
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

ssize_t rouse_tcp_writev(struct rouse_tcp *conn, const struct iovec *iov, int count)
{
    ssize_t size = rs_tcp_iov_size(iov, count);

    return size < 0 ? size : writev_await(conn, iov, count, (size_t)size);
}

// ---- A whole buffer ----

static ssize_t write_rest_try(int fd, void *arg)
{
    const struct rouse_tcp_write_all *w = arg;

    return rs_sys_send(fd, (const char *)w->buf + w->done, rs_tcp_call_size(w->size - w->done),
                       MSG_NOSIGNAL);
}

static rouse_poll write_all_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_write_all *w = ROUSE_CONTAINER_OF(self, struct rouse_tcp_write_all, base);
    struct rs_socket *socket = &w->conn->socket;

    while (w->done < w->size) {
        ssize_t result;

        if (rs_source_poll_inline(&socket->source, RS_WRITE, &w->wait, cx, write_rest_try, w,
                                  rs_tcp_call_size(w->size - w->done), &result) == ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        result = rs_socket_result(socket, result);
        if (result < 0) {
            w->output = result;
            return ROUSE_READY;
        }
        w->done += (size_t)result;
    }
    w->output = (ssize_t)w->size;
    return ROUSE_READY;
}

static void write_all_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_write_all, base)->wait);
}

static int write_all_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_write_all *w = (const struct rouse_tcp_write_all *)self;

    return rs_socket_describe(&w->conn->socket, "write to", buf, size);
}

static int64_t write_all_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_write_all *)self)->output;
}

static const struct rouse_future_vtable write_all_ended = {.name = "write_all",
                                                           .result = write_all_result};
static const struct rouse_future_vtable write_all_vtable = {
    .poll = write_all_poll,
    .drop = write_all_drop,
    .name = "write_all",
    .describe = write_all_describe,
    .ended = &write_all_ended,
    .cancel_kind = rouse_cancel_kind_partial};

void rouse_tcp_write_all_init(struct rouse_tcp_write_all *write, struct rouse_tcp *conn,
                              const void *buf, size_t size)
{
    // Part by part: as in rouse_tcp_write_init().
    write->base.vtable = &write_all_vtable;
    write->wait = (struct rouse_io_wait){0};
    write->conn = conn;
    write->buf = buf;
    write->size = size;
    write->done = 0;
    write->output = 0;
}

// All of a buffer, of which `done` bytes are written.
static ssize_t write_remaining(struct rouse_tcp *conn, const void *buf, size_t size, size_t done)
{
    struct rouse_tcp_write_all op;

    rouse_tcp_write_all_init(&op, conn, (const char *)buf + done, size - done);
    int err = rouse_await(&op.base);

    if (err < 0) return err;
    return op.output < 0 ? op.output : (ssize_t)size;
}

ssize_t rouse_tcp_write_all(struct rouse_tcp *conn, const void *buf, size_t size)
{
    ssize_t written = size > 0 ? write_directly(conn, buf, size) : -EAGAIN;

    if (written == (ssize_t)size) return written;
    if (written < 0 && written != -EAGAIN) return written;
    return write_remaining(conn, buf, size, written > 0 ? (size_t)written : 0);
}

// ---- All of several buffers ----

// A stretch of the vector is copied, since its first part shrinks as it is sent. Bounded: it lies
// on a fiber's stack.
enum { STRETCH_MAX = 64 };

// Where the next byte to send is.
struct position {
    const struct iovec *iov;
    int count;    // from `iov` on
    size_t done;  // bytes of iov[0]
};

// Fills `stretch` from the position on; returns its size in bytes, and its length in `*count`.
static size_t stretch_fill(const struct position *at, struct iovec *stretch, int *count)
{
    size_t size = 0;

    *count = at->count < STRETCH_MAX ? at->count : STRETCH_MAX;
    for (int i = 0; i < *count; i++) {
        stretch[i] = at->iov[i];
        size += stretch[i].iov_len;
    }
    if (at->done > 0) {
        stretch[0].iov_base = (char *)stretch[0].iov_base + at->done;
        stretch[0].iov_len -= at->done;
    }
    return size - at->done;
}

// Moves on by `size` bytes, and over what is empty behind them.
static void position_advance(struct position *at, size_t size)
{
    while (at->count > 0 && size >= at->iov->iov_len - at->done) {
        size -= at->iov->iov_len - at->done;
        at->iov++;
        at->count--;
        at->done = 0;
    }
    at->done += size;
}

ssize_t rouse_tcp_writev_all(struct rouse_tcp *conn, const struct iovec *iov, int count)
{
    ssize_t total = rs_tcp_iov_size(iov, count);
    struct position at = {.iov = iov, .count = count};

    if (total < 0) return total;
    position_advance(&at, 0);
    while (at.count > 0) {
        struct iovec stretch[STRETCH_MAX];
        int length;
        size_t size = stretch_fill(&at, stretch, &length);
        ssize_t sent = writev_await(conn, stretch, length, size);

        if (sent < 0) return sent;
        position_advance(&at, (size_t)sent);
    }
    return total;
}
