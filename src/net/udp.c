// SPDX-License-Identifier: MIT
//
// Datagram sockets as objects: opened, bound, connected, their shares, their end. Any thread;
// nothing here waits. Receiving and sending are files of their own.

#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include "base/sys.h"
#include "net/addr.h"

struct rouse_udp *rs_udp_alloc(void)
{
    return rs_socket_alloc(sizeof(struct rouse_udp));
}

void rs_udp_discard(struct rouse_udp *udp)
{
    rs_socket_discard(&udp->socket, sizeof *udp);
}

void rs_udp_init(struct rouse_udp *udp, int fd, sa_family_t family)
{
    rs_socket_init(&udp->socket, fd);
    udp->family = family;
}

// ---- Opening ----

static int set(int fd, int level, int name, int value)
{
    return rs_sys.setsockopt(fd, level, name, &value, sizeof value);
}

static int set_options(int fd, sa_family_t family, const struct rouse_udp_options *options)
{
    int err = 0;

    if (options->reuse_addr) err = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && options->reuse_port) err = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (err == 0 && options->broadcast) err = set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (err == 0 && options->receive_buffer > 0) {
        err = set(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    }
    if (err == 0 && options->send_buffer > 0) {
        err = set(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
    }
    if (err == 0 && family == AF_INET6) {
        err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only);
    }
    return err;
}

// A bound descriptor, or a negative errno.
static int open_bound(const struct rouse_addr *address, const struct rouse_udp_options *options)
{
    sa_family_t family = rs_addr_family(address);
    int fd = rs_socket_open(family, SOCK_DGRAM);

    if (fd < 0) return fd;
    int err = set_options(fd, family, options);

    if (err == 0) {
        err = rs_sys.bind(fd, (const struct sockaddr *)&address->storage, address->length);
    }
    if (err == 0) return fd;
    (void)rs_sys.close(fd);
    return err;
}

int rouse_udp_bind(struct rouse_udp **out, const struct rouse_addr *address,
                   const struct rouse_udp_options *options)
{
    const struct rouse_udp_options defaults = {0};
    struct rouse_addr used = *address;

    if (options == NULL) options = &defaults;
    if (options->receive_buffer < 0 || options->send_buffer < 0) return -EINVAL;
    struct rouse_udp *udp = rs_udp_alloc();

    if (udp == NULL) return -ENOMEM;
    int fd = open_bound(&used, options);

    // A kernel without IPv6 still has all of its IPv4 addresses.
    if (fd == -EAFNOSUPPORT && !options->ipv6_only && rs_addr_any_as_ipv4(address, &used)) {
        fd = open_bound(&used, options);
    }
    if (fd < 0) {
        rs_udp_discard(udp);
        return fd;
    }
    rs_udp_init(udp, fd, rs_addr_family(&used));
    *out = udp;
    return 0;
}

int rouse_udp_connect(struct rouse_udp *udp, const struct rouse_addr *peer)
{
    struct rs_source *source = &udp->socket.source;
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    const struct sockaddr *name = (const struct sockaddr *)&peer->storage;
    int err = rs_source_hold(source);

    if (err < 0) return err;
    do {
        err = peer->length > 0 ? rs_sys.connect(source->fd, name, peer->length)
                               : rs_sys.connect(source->fd, &nobody, sizeof nobody);
    } while (err == -EINTR);
    rs_source_unhold(source);
    return err;
}

// ---- The end ----

void rouse_udp_close(struct rouse_udp *udp)
{
    rs_socket_close(&udp->socket);
}

struct rouse_udp *rouse_udp_ref(struct rouse_udp *udp)
{
    rs_socket_ref(&udp->socket);
    return udp;
}

void rouse_udp_unref(struct rouse_udp *udp)
{
    if (udp != NULL && rs_socket_unref(&udp->socket)) rs_udp_discard(udp);
}

// ---- Short calls ----

int rouse_udp_local_address(const struct rouse_udp *udp, struct rouse_addr *out)
{
    return rs_socket_local_address(&udp->socket, out);
}

int rouse_udp_peer_address(const struct rouse_udp *udp, struct rouse_addr *out)
{
    return rs_socket_peer_address(&udp->socket, out);
}

bool rouse_udp_can_segment(const struct rouse_udp *udp)
{
    int size;

    return rs_socket_get(&udp->socket, SOL_UDP, UDP_SEGMENT, &size, sizeof size) == 0;
}

int rouse_udp_set_gro(struct rouse_udp *udp, bool gro)
{
    return rs_socket_set(&udp->socket, SOL_UDP, UDP_GRO, gro);
}
