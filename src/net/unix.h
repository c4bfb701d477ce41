// SPDX-License-Identifier: MIT
//
// What the files about Unix sockets share.

#ifndef RS_NET_UNIX_H
#define RS_NET_UNIX_H

#include <rouse/unix.h>

// -EAFNOSUPPORT unless it is a Unix address.
int rs_unix_check(const struct rouse_addr *address);

// A new Unix socket of `type`, non-blocking, not inherited by children: its number, or a negative
// errno.
int rs_unix_open(int type);

// The same, bound to `address`. With `remove_stale` a socket file there that nobody is bound to is
// unlinked before.
int rs_unix_open_bound(int type, const struct rouse_addr *address, bool remove_stale);

// Two connected sockets of `type`.
int rs_unix_open_pair(int type, int fds[2]);

// As rs_tcp_init(), for the end of a Unix stream.
void rs_unix_stream_init(struct rouse_tcp *conn, int fd);

#endif
