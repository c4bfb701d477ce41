// SPDX-License-Identifier: MIT
//
// An echo server on port 7777, with fibers: each connection is a function that waits, served by
// whichever core is free.

#include <rouse.h>

static int serve(void *conn)
{
    char buf[4096];

    for (ssize_t n; (n = rouse_tcp_read(conn, buf, sizeof buf)) > 0;) {
        if (rouse_tcp_write_all(conn, buf, (size_t)n) < 0) break;
    }
    rouse_tcp_unref(conn);
    return 0;
}

int main(void)
{
    struct rouse_addr address = rouse_addr_loopback(7777);
    struct rouse_tcp_listener *listener;

    if (rouse_tcp_listen(&listener, &address, NULL) < 0) return 1;
    for (struct rouse_tcp *conn; rouse_tcp_accept(listener, &conn) == 0;) {
        if (rouse_spawn(NULL, serve, conn) < 0) rouse_tcp_unref(conn);
    }
    return 1;
}
