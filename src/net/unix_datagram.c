// SPDX-License-Identifier: MIT
//
// Unix datagram sockets: the sockets of udp.h, in another family. Any thread; nothing here waits,
// but for the file system.

#include <errno.h>

#include "net/udp.h"
#include "net/unix.h"

int rouse_unix_bind(struct rouse_udp **out, const struct rouse_addr *address,
                    const struct rouse_unix_bind_options *options)
{
    bool remove_stale = options != NULL && options->remove_stale;
    struct rouse_udp *udp = rs_udp_alloc();

    if (udp == NULL) return -ENOMEM;
    int fd = address != NULL ? rs_unix_open_bound(SOCK_DGRAM, address, remove_stale)
                             : rs_unix_open(SOCK_DGRAM);

    if (fd < 0) {
        rs_udp_discard(udp);
        return fd;
    }
    rs_udp_init(udp, fd, AF_UNIX);
    *out = udp;
    return 0;
}

int rouse_unix_datagram_pair(struct rouse_udp *out[2])
{
    struct rouse_udp *first = rs_udp_alloc();
    struct rouse_udp *second = rs_udp_alloc();
    int fds[2];
    int err = first != NULL && second != NULL ? rs_unix_open_pair(SOCK_DGRAM, fds) : -ENOMEM;

    if (err < 0) {
        if (first != NULL) rs_udp_discard(first);
        if (second != NULL) rs_udp_discard(second);
        return err;
    }
    rs_udp_init(first, fds[0], AF_UNIX);
    rs_udp_init(second, fds[1], AF_UNIX);
    out[0] = first;
    out[1] = second;
    return 0;
}
