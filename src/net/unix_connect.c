// SPDX-License-Identifier: MIT
//
// Connecting to a Unix listener. Any thread.
//
// It is done in one system call, or not at all: a full backlog answers -EAGAIN, and then the socket
// is as it was, with nothing to wait for. So it pauses and asks again.

#include <errno.h>
#include <rouse/await.h>
#include <stdio.h>

#include "base/sys.h"
#include "net/tcp.h"
#include "net/unix.h"
#include "time/backoff.h"

#define BACKOFF_MIN_NS ROUSE_NS_PER_MS
#define BACKOFF_MAX_NS (100 * ROUSE_NS_PER_MS)

static int connect_begin(struct rouse_unix_connect *c)
{
    int err = rs_unix_check(&c->address);

    if (err < 0) return err;
    struct rouse_tcp *conn = rs_tcp_alloc();

    if (conn == NULL) return -ENOMEM;
    int fd = rs_unix_open(SOCK_STREAM);

    if (fd < 0) {
        rs_tcp_discard(conn);
        return fd;
    }
    rs_unix_stream_init(conn, fd);
    c->conn = conn;
    return 0;
}

static int connect_try(struct rouse_unix_connect *c)
{
    const struct sockaddr *name = (const struct sockaddr *)&c->address.storage;
    int err = c->conn == NULL ? connect_begin(c) : 0;

    if (err < 0) return err;
    do {
        err = rs_sys.connect(c->conn->socket.source.fd, name, c->address.length);
    } while (err == -EINTR);
    return err;
}

static rouse_poll connect_end(struct rouse_unix_connect *c, int result)
{
    c->output = result;
    if (result < 0) {
        rouse_tcp_unref(c->conn);
        c->conn = NULL;
    }
    return ROUSE_READY;
}

static rouse_poll connect_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_unix_connect *c = ROUSE_CONTAINER_OF(self, struct rouse_unix_connect, base);
    int err;

    for (;;) {
        if (rs_backoff_poll(&c->backoff, cx, &err) == ROUSE_PENDING) return ROUSE_PENDING;
        if (err < 0) return connect_end(c, err);
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        err = connect_try(c);
        if (err != -EAGAIN) return connect_end(c, err);
        rs_backoff_begin(&c->backoff, BACKOFF_MIN_NS, BACKOFF_MAX_NS);
    }
}

static void connect_drop(struct rouse_future *self)
{
    struct rouse_unix_connect *c = ROUSE_CONTAINER_OF(self, struct rouse_unix_connect, base);

    rs_backoff_drop(&c->backoff);
    rouse_tcp_unref(c->conn);
    c->conn = NULL;
}

static int connect_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_unix_connect *c = (const struct rouse_unix_connect *)self;
    char text[ROUSE_ADDR_UNIX_TEXT_MAX];

    (void)rouse_addr_format(&c->address, text, sizeof text);
    return snprintf(buf, size, "connect to %s%s", text,
                    c->backoff.is_pausing ? ", whose backlog is full" : "");
}

static void connect_ended_drop(struct rouse_future *self)
{
    rouse_tcp_unref(
        rouse_unix_connect_take(ROUSE_CONTAINER_OF(self, struct rouse_unix_connect, base)));
}

static int64_t connect_result(const struct rouse_future *self)
{
    return ((const struct rouse_unix_connect *)self)->output;
}

static const struct rouse_future_vtable connect_ended = {
    .drop = connect_ended_drop, .name = "unix_connect", .result = connect_result};
static const struct rouse_future_vtable connect_vtable = {
    .poll = connect_poll,
    .drop = connect_drop,
    .name = "unix_connect",
    .describe = connect_describe,
    .ended = &connect_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_unix_connect_init(struct rouse_unix_connect *connect, const struct rouse_addr *address)
{
    *connect = (struct rouse_unix_connect){.base.vtable = &connect_vtable, .address = *address};
}

struct rouse_tcp *rouse_unix_connect_take(struct rouse_unix_connect *connect)
{
    struct rouse_tcp *conn = connect->conn;

    // Before the end it is not connected yet.
    if (!rouse_future_is_ended(&connect->base)) return NULL;
    connect->conn = NULL;
    return conn;
}

int rouse_unix_connect(struct rouse_tcp **out, const struct rouse_addr *address)
{
    struct rouse_unix_connect op;

    rouse_unix_connect_init(&op, address);
    int err = rouse_await(&op.base);

    if (err == 0) err = op.output;
    if (err == 0) *out = rouse_unix_connect_take(&op);
    return err;
}
