// SPDX-License-Identifier: MIT
//
// Reading into a buffer that rouse lends. Any thread; it is taken from the pool of the thread that
// polls, in the poll that tries, and goes back at once unless there was data for it. So a read that
// waits holds no buffer. What a ring has received is in a lent buffer already.

#include <errno.h>
#include <rouse/await.h>

#include "base/sys_message.h"
#include "io/buffer.h"
#include "io/inflow.h"
#include "io/source_poll.h"
#include "net/tcp.h"

static ssize_t pooled_try(int fd, void *arg)
{
    struct rouse_tcp_read_pooled *r = arg;
    struct rs_inflow_read read = {0};

    if (rs_source_receives(&r->conn->socket.source)) {
        ssize_t received = rs_source_received(&r->conn->socket.source, &read);

        r->data = read.lent;
        rs_inflow_free(&read.spent);
        if (received != -ENODATA) return received;
    }
    void *data = rs_buffer_take();

    if (data == NULL) return -ENOMEM;
    ssize_t result = rs_sys_recv(fd, data, ROUSE_BUFFER_SIZE, 0);

    if (result > 0) {
        r->data = data;
    } else {
        rouse_buffer_free(data);
    }
    return result;
}

static rouse_poll pooled_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_read_pooled *r = ROUSE_CONTAINER_OF(self, struct rouse_tcp_read_pooled, base);
    struct rs_socket *socket = &r->conn->socket;
    ssize_t result;

    if (rs_source_poll_inline(&socket->source, RS_READ, &r->wait, cx, pooled_try, r,
                              ROUSE_BUFFER_SIZE, &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = rs_socket_result(socket, result);
    return ROUSE_READY;
}

static void pooled_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_read_pooled, base)->wait);
}

static int pooled_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_read_pooled *r = (const struct rouse_tcp_read_pooled *)self;

    return rs_socket_describe(&r->conn->socket, "read of", buf, size);
}

static void pooled_ended_drop(struct rouse_future *self)
{
    rouse_buffer_free(
        rouse_tcp_read_pooled_take(ROUSE_CONTAINER_OF(self, struct rouse_tcp_read_pooled, base)));
}

static int64_t pooled_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_read_pooled *)self)->output;
}

static const struct rouse_future_vtable pooled_ended = {
    .drop = pooled_ended_drop, .name = "read_pooled", .result = pooled_result};
static const struct rouse_future_vtable pooled_vtable = {
    .poll = pooled_poll,
    .drop = pooled_drop,
    .name = "read_pooled",
    .describe = pooled_describe,
    .ended = &pooled_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_tcp_read_pooled_init(struct rouse_tcp_read_pooled *read, struct rouse_tcp *conn)
{
    *read = (struct rouse_tcp_read_pooled){.base.vtable = &pooled_vtable, .conn = conn};
}

void *rouse_tcp_read_pooled_take(struct rouse_tcp_read_pooled *read)
{
    void *data = read->data;

    read->data = NULL;
    return data;
}

ssize_t rouse_tcp_read_pooled(struct rouse_tcp *conn, void **data)
{
    struct rouse_tcp_read_pooled op;

    rouse_tcp_read_pooled_init(&op, conn);
    int err = rouse_await(&op.base);

    *data = err == 0 ? rouse_tcp_read_pooled_take(&op) : NULL;
    return err < 0 ? err : op.output;
}
