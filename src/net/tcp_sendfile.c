// SPDX-License-Identifier: MIT
//
// Sending a stretch of a file, from the page cache to the socket. Any thread.
//
// A short transfer does not tell whether the socket is full or the file has ended, so it says
// nothing about the socket: the next call answers -EAGAIN or 0.
//
// sendfile(2) has no flag against SIGPIPE, so the signal is held back around it: two short calls
// for up to a mebibyte of data.

#include <errno.h>
#include <rouse/await.h>

#include "base/sigpipe.h"
#include "base/sys.h"
#include "net/tcp.h"

// What one call is asked for at most, so that a task's budget bounds what it sends at a time.
enum { CHUNK_MAX = 1 << 20 };

static ssize_t sendfile_try(int fd, void *arg)
{
    struct rouse_tcp_sendfile *s = arg;
    size_t rest = s->size - s->done;
    struct rs_sigpipe_guard guard;

    rs_sigpipe_hold(&guard);
    ssize_t result = rs_sys.sendfile(fd, s->fd, &s->offset, rest < CHUNK_MAX ? rest : CHUNK_MAX);
    rs_sigpipe_release(&guard, result == -EPIPE);
    return result;
}

static rouse_poll sendfile_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_sendfile *s = ROUSE_CONTAINER_OF(self, struct rouse_tcp_sendfile, base);
    struct rs_socket *socket = &s->conn->socket;
    ssize_t result;

    while (s->done < s->size) {
        if (rs_source_poll(&socket->source, RS_WRITE, &s->wait, cx, sendfile_try, s, 0, &result) ==
            ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        if (result < 0) {
            s->output = rs_socket_result(socket, result);
            return ROUSE_READY;
        }
        if (result == 0) break;  // the file ended
        s->done += (size_t)result;
    }
    s->output = (ssize_t)s->done;
    return ROUSE_READY;
}

static void sendfile_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_tcp_sendfile, base)->wait);
}

static int sendfile_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_sendfile *s = (const struct rouse_tcp_sendfile *)self;

    return rs_socket_describe(&s->conn->socket, "sendfile to", buf, size);
}

static int64_t sendfile_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_sendfile *)self)->output;
}

static const struct rouse_future_vtable sendfile_ended = {.name = "sendfile",
                                                          .result = sendfile_result};
static const struct rouse_future_vtable sendfile_vtable = {
    .poll = sendfile_poll,
    .drop = sendfile_drop,
    .name = "sendfile",
    .describe = sendfile_describe,
    .ended = &sendfile_ended,
    .cancel_kind = rouse_cancel_kind_partial};

void rouse_tcp_sendfile_init(struct rouse_tcp_sendfile *send, struct rouse_tcp *conn, int fd,
                             off_t offset, size_t size)
{
    *send = (struct rouse_tcp_sendfile){
        .base.vtable = &sendfile_vtable, .conn = conn, .fd = fd, .offset = offset, .size = size};
}

ssize_t rouse_tcp_sendfile(struct rouse_tcp *conn, int fd, off_t offset, size_t size)
{
    struct rouse_tcp_sendfile op;

    rouse_tcp_sendfile_init(&op, conn, fd, offset, size);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}
