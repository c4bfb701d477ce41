// SPDX-License-Identifier: MIT
//
// The inside of datagram sockets, for the files that wait on them.
//
// A receive or send is one system call for one datagram or several; a short one says nothing about
// the socket, so only -EAGAIN shows a direction not ready.

#ifndef RS_NET_UDP_H
#define RS_NET_UDP_H

#include <rouse/udp.h>

#include "net/socket.h"

struct rouse_udp {
    struct rs_socket socket;
    sa_family_t family;
};

// Memory for a socket; NULL if there is none. Made into one by rs_udp_init(), or discarded.
struct rouse_udp *rs_udp_alloc(void);
void rs_udp_discard(struct rouse_udp *udp);

// Takes `fd`. The caller has the one share.
void rs_udp_init(struct rouse_udp *udp, int fd, sa_family_t family);

// One poll of a receive: `fn` is the system call.
rouse_poll rs_udp_recv_poll(struct rouse_udp *udp, struct rouse_io_wait *wait,
                            struct rouse_context *cx, rs_source_function fn, void *arg,
                            ssize_t *result);

// One poll of a send to `to`, which has no address where it goes to the connected peer.
rouse_poll rs_udp_send_poll(struct rouse_udp *udp, const struct rouse_addr *to,
                            struct rouse_io_wait *wait, struct rouse_backoff *backoff,
                            struct rouse_context *cx, rs_source_function fn, void *arg,
                            ssize_t *result);

#endif
