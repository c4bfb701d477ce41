// SPDX-License-Identifier: MIT
//
// What the tests of TCP share: connections over loopback, and a check of what leaked. All of it is
// for one fiber, or one plain thread, at a time.

#ifndef TESTS_UNIT_TCP_PAIR_H
#define TESTS_UNIT_TCP_PAIR_H

#include <rouse.h>
#include <stdlib.h>

#include "net/tcp.h"

static inline void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("Bail out! %s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

// A listener on a free port of 127.0.0.1, and its address.
static inline struct rouse_tcp_listener *listen_anywhere(struct rouse_addr *address)
{
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_tcp_listener *listener;

    must(rouse_tcp_listen(&listener, &any, NULL), "listen");
    must(rouse_tcp_listener_address(listener, address), "listener's address");
    return listener;
}

// Two ends of one connection.
struct pair {
    struct rouse_tcp *near;  // connected
    struct rouse_tcp *far;   // accepted
};

static inline struct pair pair_new(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct pair pair;

    must(rouse_tcp_connect(&pair.near, &address), "connect");
    must(rouse_tcp_accept(listener, &pair.far), "accept");
    rouse_tcp_listener_unref(listener);
    return pair;
}

static inline void pair_free(struct pair *pair)
{
    rouse_tcp_unref(pair->near);
    rouse_tcp_unref(pair->far);
}

static inline int socket_number(const struct rouse_tcp *conn)
{
    return conn->socket.source.fd;
}

static inline int set_option(const struct rouse_tcp *conn, int level, int name, const void *value,
                             socklen_t length)
{
    return setsockopt(socket_number(conn), level, name, value, length);
}

// The peer of `conn` gets a reset instead of an end of the stream.
static inline void reset_and_unref(struct rouse_tcp *conn)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    must(set_option(conn, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), "SO_LINGER");
    rouse_tcp_unref(conn);
}

#endif
