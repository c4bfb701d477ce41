// SPDX-License-Identifier: MIT
//
// The inside of connections and listeners, for the files that wait on them.

#ifndef RS_NET_TCP_H
#define RS_NET_TCP_H

#include <rouse/tcp.h>

#include "net/socket.h"

struct rouse_tcp {
    struct rs_socket socket;
};

struct rouse_tcp_listener {
    struct rs_socket socket;
    _Atomic uint32_t exhausted;  // 1 while accepts back off and nobody has got through
    void (*init)(struct rouse_tcp *conn, int fd);  // of what it accepts: see rs_tcp_init()
};

// Connections that wait to be accepted, where the user does not say.
enum { RS_TCP_BACKLOG = 1024 };

// The most that one system call is asked to move. The kernel itself stops at 2 GiB, and a transfer
// must be short only because the socket would have blocked.
enum { RS_TCP_CALL_MAX = 1 << 30 };

// Memory for a connection; NULL if there is none. Made into one by rs_tcp_init(), or discarded.
struct rouse_tcp *rs_tcp_alloc(void);
void rs_tcp_discard(struct rouse_tcp *conn);

// Takes `fd`. The caller has the one share.
void rs_tcp_init(struct rouse_tcp *conn, int fd);

// The total size of `iov[0..count)`; -EINVAL if there are none or too many, or if they hold
// nothing or more than fits an ssize_t.
ssize_t rs_tcp_iov_size(const struct iovec *iov, int count);

static inline size_t rs_tcp_call_size(size_t size)
{
    return size < RS_TCP_CALL_MAX ? size : RS_TCP_CALL_MAX;
}

#endif
