// SPDX-License-Identifier: MIT
//
// A connected pair of sockets over loopback, or across to the far network where there is one, made
// by a body: it accepts and connects at once.
//
//     pair_init(&f->pair);
//     AWAIT(&f->pair.both.base);
//     pair_take(&f->pair);

#ifndef TESTS_HARNESS_PAIR_H
#define TESTS_HARNESS_PAIR_H

#include <rouse/join.h>
#include <rouse/tcp.h>

#include "harness/check.h"
#include "harness/far.h"

struct pair {
    struct rouse_tcp_listener *listener;  // until the pair is taken
    struct rouse_addr address;
    struct rouse_tcp_accept accept;
    struct rouse_tcp_connect connect;
    struct rouse_join both;
    struct rouse_tcp *server;
    struct rouse_tcp *client;
};

// On a free port, as `options` say; NULL: as usual.
static inline void listen_with(struct rouse_tcp_listener **listener, struct rouse_addr *address,
                               const struct rouse_tcp_listen_options *options)
{
    struct rouse_addr any = far_address(0);
    int home = far_enter();

    CHECK_EQ(rouse_tcp_listen(listener, &any, options), 0);
    far_leave(home);
    CHECK_EQ(rouse_tcp_listener_address(*listener, address), 0);
    CHECK(rouse_addr_port(address) != 0);
}

static inline void listen_anywhere(struct rouse_tcp_listener **listener, struct rouse_addr *address)
{
    listen_with(listener, address, NULL);
}

static inline void pair_unlisten(struct pair *pair)
{
    rouse_tcp_listener_unref(pair->listener);
    pair->listener = NULL;
}

static inline void pair_init(struct pair *pair)
{
    listen_anywhere(&pair->listener, &pair->address);
    rouse_tcp_accept_init(&pair->accept, pair->listener);
    rouse_tcp_connect_init(&pair->connect, &pair->address);
    rouse_join_init(&pair->both, &pair->accept.base, &pair->connect.base);
}

static inline void pair_take(struct pair *pair)
{
    CHECK_EQ(pair->accept.output, 0);
    CHECK_EQ(pair->connect.output, 0);
    pair->server = rouse_tcp_accept_take(&pair->accept);
    pair->client = rouse_tcp_connect_take(&pair->connect);
    CHECK(pair->server != NULL && pair->client != NULL);
    CHECK(rouse_tcp_accept_take(&pair->accept) == NULL);
    CHECK(rouse_tcp_connect_take(&pair->connect) == NULL);
    rouse_future_drop(&pair->both.base);
    pair_unlisten(pair);
}

static inline void pair_free(struct pair *pair)
{
    rouse_tcp_unref(pair->server);
    rouse_tcp_unref(pair->client);
}

#endif
