// SPDX-License-Identifier: MIT
//
// An echo server on port 7777, with async frames: each connection is a struct of a few kilobytes,
// without a stack, polled by whichever core is free.

#include <rouse.h>

struct serve {
    struct rouse_async async;
    struct rouse_tcp *conn;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    char buf[4096];
};

static rouse_poll serve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    do {
        rouse_tcp_read_init(&s->read, s->conn, s->buf, sizeof s->buf);
        ROUSE_AWAIT(&s->read.base);
        if (s->read.output <= 0) break;
        rouse_tcp_write_all_init(&s->write, s->conn, s->buf, (size_t)s->read.output);
        ROUSE_AWAIT(&s->write.base);
    } while (s->write.output > 0);
    rouse_tcp_unref(s->conn);
    ROUSE_ASYNC_END();
}

static void serve_drop(struct rouse_future *self)
{
    struct serve *s = ROUSE_CONTAINER_OF(self, struct serve, async.base);

    rouse_async_cancel(&s->async);
    rouse_tcp_unref(s->conn);
}

static const struct rouse_future_vtable serve_vtable = {.poll = serve_poll, .drop = serve_drop};

static void serve_init(struct rouse_future *storage, void *conn)
{
    struct serve *s = ROUSE_CONTAINER_OF(storage, struct serve, async.base);

    rouse_async_init(&s->async, &serve_vtable);
    s->conn = conn;
}

int main(void)
{
    struct rouse_addr address = rouse_addr_loopback(7777);
    struct rouse_tcp_listener *listener;

    if (rouse_tcp_listen(&listener, &address, NULL) < 0) return 1;
    for (struct rouse_tcp *conn; rouse_tcp_accept(listener, &conn) == 0;) {
        struct rouse_future_spec spec = {
            .size = sizeof(struct serve), .init = serve_init, .arg = conn};

        if (rouse_spawn_future(NULL, &spec) < 0) rouse_tcp_unref(conn);
    }
    return 1;
}
