// SPDX-License-Identifier: MIT
//
// Unix streams: the connections and listeners of tcp.h, on sockets of another family. Any thread;
// nothing here waits. Connecting is a file of its own.
//
// One thing is different below: a read of a Unix stream stops behind bytes that came with
// descriptors, also when more is there, so a short one does not show that the socket is empty.

#include <errno.h>

#include "base/sys.h"
#include "net/tcp.h"
#include "net/unix.h"

void rs_unix_stream_init(struct rouse_tcp *conn, int fd)
{
    rs_tcp_init(conn, fd);
    // Descriptors that come with the bytes would be lost.
    rs_source_receive_never(&conn->socket.source);
    rs_source_stops_short(&conn->socket.source, RS_READ);
}

// A listening descriptor, or a negative errno.
static int listen_at(const struct rouse_addr *address,
                     const struct rouse_unix_listen_options *options)
{
    int fd = rs_unix_open_bound(SOCK_STREAM, address, options->remove_stale);

    if (fd < 0) return fd;
    int err = rs_sys.listen(fd, options->backlog > 0 ? options->backlog : RS_TCP_BACKLOG);

    if (err == 0) return fd;
    (void)rs_sys.close(fd);
    return err;
}

int rouse_unix_listen(struct rouse_tcp_listener **out, const struct rouse_addr *address,
                      const struct rouse_unix_listen_options *options)
{
    const struct rouse_unix_listen_options defaults = {0};
    struct rouse_tcp_listener *listener;

    if (options == NULL) options = &defaults;
    if (options->backlog < 0) return -EINVAL;
    listener = rs_socket_alloc(sizeof *listener);
    if (listener == NULL) return -ENOMEM;

    int fd = listen_at(address, options);

    if (fd < 0) {
        rs_socket_discard(&listener->socket, sizeof *listener);
        return fd;
    }
    rs_socket_init(&listener->socket, fd);
    listener->init = rs_unix_stream_init;
    *out = listener;
    return 0;
}

int rouse_unix_pair(struct rouse_tcp *out[2])
{
    struct rouse_tcp *first = rs_tcp_alloc();
    struct rouse_tcp *second = rs_tcp_alloc();
    int fds[2];
    int err = first != NULL && second != NULL ? rs_unix_open_pair(SOCK_STREAM, fds) : -ENOMEM;

    if (err < 0) {
        if (first != NULL) rs_tcp_discard(first);
        if (second != NULL) rs_tcp_discard(second);
        return err;
    }
    rs_unix_stream_init(first, fds[0]);
    rs_unix_stream_init(second, fds[1]);
    out[0] = first;
    out[1] = second;
    return 0;
}

int rouse_unix_peer(const struct rouse_tcp *conn, struct rouse_unix_credentials *out)
{
    struct ucred peer;
    int family;
    // A TCP socket answers too, with no process at all.
    int err = rs_socket_get(&conn->socket, SOL_SOCKET, SO_DOMAIN, &family, sizeof family);

    if (err == 0 && family != AF_UNIX) err = -EOPNOTSUPP;
    if (err == 0) err = rs_socket_get(&conn->socket, SOL_SOCKET, SO_PEERCRED, &peer, sizeof peer);
    if (err == 0) {
        *out = (struct rouse_unix_credentials){.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
    }
    return err;
}
