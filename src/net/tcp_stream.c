// SPDX-License-Identifier: MIT
//
// A connection as an object: its memory, its shares, its options, its end. Reading and writing are
// files of their own. Any thread; nothing here waits.

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "net/tcp.h"

struct rouse_tcp *rs_tcp_alloc(void)
{
    return rs_socket_alloc(sizeof(struct rouse_tcp));
}

void rs_tcp_discard(struct rouse_tcp *conn)
{
    rs_socket_discard(&conn->socket, sizeof *conn);
}

void rs_tcp_init(struct rouse_tcp *conn, int fd)
{
    rs_socket_init(&conn->socket, fd);
    rs_source_may_receive(&conn->socket.source);
}

void rouse_tcp_close(struct rouse_tcp *conn)
{
    rs_socket_close(&conn->socket);
}

void rouse_tcp_reset(struct rouse_tcp *conn)
{
    rs_socket_reset(&conn->socket);
}

struct rouse_tcp *rouse_tcp_ref(struct rouse_tcp *conn)
{
    rs_socket_ref(&conn->socket);
    return conn;
}

void rouse_tcp_unref(struct rouse_tcp *conn)
{
    if (conn != NULL && rs_socket_unref(&conn->socket)) rs_tcp_discard(conn);
}

int rouse_tcp_shutdown_write(struct rouse_tcp *conn)
{
    return rs_socket_shutdown_write(&conn->socket);
}

int rouse_tcp_set_nodelay(struct rouse_tcp *conn, bool nodelay)
{
    return rs_socket_set(&conn->socket, IPPROTO_TCP, TCP_NODELAY, nodelay);
}

int rouse_tcp_set_keepalive(struct rouse_tcp *conn, unsigned idle_s, unsigned interval_s,
                            unsigned count)
{
    struct rs_socket *socket = &conn->socket;

    if (idle_s == 0) return rs_socket_set(socket, SOL_SOCKET, SO_KEEPALIVE, 0);
    if (idle_s > INT_MAX || interval_s > INT_MAX || count > INT_MAX) return -EINVAL;

    // On last: the kernel checks the numbers, and one that it refuses changes nothing.
    int err = rs_socket_set(socket, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle_s);

    if (err == 0) err = rs_socket_set(socket, IPPROTO_TCP, TCP_KEEPINTVL, (int)interval_s);
    if (err == 0) err = rs_socket_set(socket, IPPROTO_TCP, TCP_KEEPCNT, (int)count);
    if (err == 0) err = rs_socket_set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    return err;
}

int rouse_tcp_local_address(const struct rouse_tcp *conn, struct rouse_addr *out)
{
    return rs_socket_local_address(&conn->socket, out);
}

int rouse_tcp_peer_address(const struct rouse_tcp *conn, struct rouse_addr *out)
{
    return rs_socket_peer_address(&conn->socket, out);
}

ssize_t rs_tcp_iov_size(const struct iovec *iov, int count)
{
    size_t total = 0;

    if (count < 1 || count > IOV_MAX) return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > (size_t)SSIZE_MAX - total) return -EINVAL;
        total += iov[i].iov_len;
    }
    return total > 0 ? (ssize_t)total : -EINVAL;
}
