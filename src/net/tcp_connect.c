// SPDX-License-Identifier: MIT
//
// Connecting: to an address, and to a name. Any thread.
//
// The socket is watched only after connect(2) has been called: before that the kernel reports a
// hangup.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/resolve.h>
#include <stdio.h>

#include "base/sys.h"
#include "net/addr.h"
#include "net/tcp.h"

// ---- To an address ----

// 0: connected; -EINPROGRESS: `c->conn` is on its way; else an error.
static int connect_begin(struct rouse_tcp_connect *c)
{
    const struct rouse_addr *address = &c->address;
    struct rouse_tcp *conn = rs_tcp_alloc();

    if (conn == NULL) return -ENOMEM;
    int fd = rs_socket_open(rs_addr_family(address), SOCK_STREAM);

    if (fd < 0) {
        rs_tcp_discard(conn);
        return fd;
    }
    rs_tcp_init(conn, fd);
    c->conn = conn;
    int err = rouse_tcp_set_nodelay(conn, true);

    if (err < 0) return err;
    err = rs_sys.connect(fd, (const struct sockaddr *)&address->storage, address->length);
    // An interrupted connect goes on by itself, as one that would have blocked.
    return err == -EINTR ? -EINPROGRESS : err;
}

// Looks whether the connection has been made. SO_ERROR alone does not tell "not yet" from "done".
static ssize_t connect_try(int fd, void *arg)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};
    const struct timespec at_once = {0};
    int error = 0;
    socklen_t length = sizeof error;

    (void)arg;
    int count = rs_sys.ppoll(&entry, 1, &at_once);

    if (count == 0) return -EAGAIN;
    if (count > 0) count = rs_sys.getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return count < 0 ? count : -error;
}

static rouse_poll connect_end(struct rouse_tcp_connect *c, int result)
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
    struct rouse_tcp_connect *c = ROUSE_CONTAINER_OF(self, struct rouse_tcp_connect, base);
    ssize_t result;

    if (c->conn == NULL) {
        int err = connect_begin(c);

        if (err != -EINPROGRESS) return connect_end(c, err);
    }
    // On loopback the first try succeeds: the handshake was over when connect(2) returned.
    if (rs_source_poll(&c->conn->socket.source, RS_WRITE, &c->wait, cx, connect_try, NULL, 0,
                       &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    return connect_end(c, (int)result);
}

static void connect_drop(struct rouse_future *self)
{
    struct rouse_tcp_connect *c = ROUSE_CONTAINER_OF(self, struct rouse_tcp_connect, base);

    rs_source_unwait(&c->wait);
    rouse_tcp_unref(c->conn);
    c->conn = NULL;
}

static int connect_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_connect *c = (const struct rouse_tcp_connect *)self;
    char text[ROUSE_ADDR_TEXT_MAX];

    (void)rouse_addr_format(&c->address, text, sizeof text);
    if (c->conn == NULL) return snprintf(buf, size, "connect to %s", text);
    return snprintf(buf, size, "connect to %s (fd %d)", text, c->conn->socket.source.fd);
}

static void connect_ended_drop(struct rouse_future *self)
{
    rouse_tcp_unref(
        rouse_tcp_connect_take(ROUSE_CONTAINER_OF(self, struct rouse_tcp_connect, base)));
}

static int64_t connect_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_connect *)self)->output;
}

static const struct rouse_future_vtable connect_ended = {
    .drop = connect_ended_drop, .name = "connect", .result = connect_result};
static const struct rouse_future_vtable connect_vtable = {
    .poll = connect_poll,
    .drop = connect_drop,
    .name = "connect",
    .describe = connect_describe,
    .ended = &connect_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_tcp_connect_init(struct rouse_tcp_connect *connect, const struct rouse_addr *address)
{
    *connect = (struct rouse_tcp_connect){.base.vtable = &connect_vtable, .address = *address};
}

struct rouse_tcp *rouse_tcp_connect_take(struct rouse_tcp_connect *connect)
{
    struct rouse_tcp *conn = connect->conn;

    // Before the end it is not connected yet.
    if (!rouse_future_is_ended(&connect->base)) return NULL;
    connect->conn = NULL;
    return conn;
}

int rouse_tcp_connect(struct rouse_tcp **out, const struct rouse_addr *address)
{
    struct rouse_tcp_connect op;

    rouse_tcp_connect_init(&op, address);
    int err = rouse_await(&op.base);

    if (err == 0) err = op.output;
    if (err == 0) *out = rouse_tcp_connect_take(&op);
    return err;
}

// ---- To a name ----

enum { NAME_ADDRESSES_MAX = 32 };

int rouse_tcp_connect_name(struct rouse_tcp **out, const char *host, const char *service)
{
    struct rouse_addr addresses[NAME_ADDRESSES_MAX];

    rouse_assert(host != NULL && service != NULL,
                 "there is nothing to look up; give both a host and a service");
    int result = rouse_resolve(addresses, NAME_ADDRESSES_MAX, host, service, NULL);
    int count = result;

    // The first that answers; else the last one's error.
    for (int i = 0; i < count; i++) {
        result = rouse_tcp_connect(out, &addresses[i]);
        if (result == 0 || result == -ECANCELED) break;
    }
    return result;
}
