// SPDX-License-Identifier: MIT
//
// A listener on loopback and the task that accepts on it, in the style of the file that includes
// this. Opened and closed by the main thread.

#ifndef TESTS_SOAK_SERVER_H
#define TESTS_SOAK_SERVER_H

#include "soak.h"

struct soak_server {
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    struct rouse_join_handle accepting;
    int (*serve)(struct rouse_tcp *conn);  // spawns; takes the connection if it returns 0
};

struct server_accept {
    struct body body;
    struct soak_server *server;
    struct rouse_tcp_accept accept;
    struct rouse_tcp *conn;
};

static rouse_poll server_accept(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(server_accept, frame, cx);
    for (;;) {
        rouse_tcp_accept_init(&f->accept, f->server->listener);
        AWAIT(&f->accept.base);
        if (f->accept.output < 0) break;
        f->conn = rouse_tcp_accept_take(&f->accept);
        if (f->server->serve(f->conn) < 0) {
            soak_wrong("a connection could not be served", -1);
            rouse_tcp_unref(f->conn);
        }
    }
    if (f->accept.output != -EBADF) soak_wrong("accept", f->accept.output);
    BODY_END();
}

static void soak_server_open(struct soak_server *server, struct rouse_runtime *runtime,
                             int (*serve)(struct rouse_tcp *conn))
{
    const struct rouse_addr any = rouse_addr_loopback(0);
    const struct body_target target = {.runtime = runtime};

    server->serve = serve;
    stress_must(rouse_tcp_listen(&server->listener, &any, NULL), "listen");
    stress_must(rouse_tcp_listener_address(server->listener, &server->address), "address");
    stress_must(SPAWN_ON(&target, &server->accepting, server_accept, .server = server), "spawn");
}

static void soak_server_close(struct soak_server *server, struct rouse_runtime *runtime)
{
    rouse_tcp_listener_close(server->listener);
    stress_must(rouse_block_on(runtime, &server->accepting.base), "accept loop");
    rouse_future_drop(&server->accepting.base);
    rouse_tcp_listener_unref(server->listener);
}

#endif
