// SPDX-License-Identifier: MIT
//
// What the tests of datagram sockets share: sockets over loopback.

#ifndef TESTS_UNIT_UDP_PAIR_H
#define TESTS_UNIT_UDP_PAIR_H

#include "net/udp.h"
#include "tcp_pair.h"

// On a free port of 127.0.0.1, and its address, if that is asked for.
static inline struct rouse_udp *udp_new(struct rouse_addr *address)
{
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_udp *udp;

    must(rouse_udp_bind(&udp, &any, NULL), "bind");
    if (address != NULL) must(rouse_udp_local_address(udp, address), "local address");
    return udp;
}

// Two sockets that are connected to each other.
struct udp_pair {
    struct rouse_udp *near;
    struct rouse_udp *far;
};

static inline struct udp_pair udp_pair_new(void)
{
    struct rouse_addr near, far;
    struct udp_pair pair = {.near = udp_new(&near)};

    pair.far = udp_new(&far);
    must(rouse_udp_connect(pair.near, &far), "connect");
    must(rouse_udp_connect(pair.far, &near), "connect");
    return pair;
}

static inline void udp_pair_free(struct udp_pair *pair)
{
    rouse_udp_unref(pair->near);
    rouse_udp_unref(pair->far);
}

static inline int udp_number(const struct rouse_udp *udp)
{
    return udp->socket.source.fd;
}

#endif
