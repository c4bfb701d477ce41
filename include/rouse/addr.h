// SPDX-License-Identifier: MIT
//
// Socket addresses: a value that holds any of them, and its text form.

#ifndef ROUSE_ADDR_H
#define ROUSE_ADDR_H

#include <rouse/compiler.h>
#include <stdbool.h>
#include <sys/socket.h>

ROUSE_EXTERN_C_BEGIN

// A value: copy it with `=`.
struct rouse_addr {
    struct sockaddr_storage storage;
    socklen_t length;  // 0: no address
};

// Room for the longest text form, with its zero: of an IP address, and of a Unix one.
#define ROUSE_ADDR_TEXT_MAX 64
#define ROUSE_ADDR_UNIX_TEXT_MAX 114
// The longest path or abstract name of a Unix socket, in bytes, without a zero.
#define ROUSE_ADDR_UNIX_MAX 107

/// Reads "127.0.0.1:80", "[::1]:80", "*:80" or ":80" (all addresses, IPv6 and IPv4), or
/// "[fe80::1%eth0]:80". Numbers only: names are for rouse_tcp_connect_name().
///
/// Errors:  -EINVAL.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_addr_parse(struct rouse_addr *out, const char *text);

/// The IPv4 loopback address with `port`.
///
/// Threads: any.
ROUSE_API struct rouse_addr rouse_addr_loopback(uint16_t port);

/// The address of the Unix socket at `path` in the file system.
///
/// Units:   bytes; up to ROUSE_ADDR_UNIX_MAX.
/// Errors:  -EINVAL for an empty path, -ENAMETOOLONG.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_addr_unix(struct rouse_addr *out, const char *path);

/// The address of the Unix socket with an abstract name, which is in no file system and goes with
/// its last socket: `size` bytes, zeros among them count. Linux has these.
///
/// Units:   bytes; up to ROUSE_ADDR_UNIX_MAX.
/// Errors:  -EINVAL for no name, -ENAMETOOLONG.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_addr_unix_abstract(struct rouse_addr *out, const void *name,
                                                       size_t size);

/// The port of an IPv4 or IPv6 address; 0 for others.
///
/// Threads: any.
ROUSE_API uint16_t rouse_addr_port(const struct rouse_addr *addr);

/// Writes the text form, as snprintf() does. That of a Unix address is for reading only: the path
/// behind "unix:", or an abstract name behind "unix:@", with '@' for a zero and '?' for what cannot
/// be shown.
///
/// Threads: any.
ROUSE_API int rouse_addr_format(const struct rouse_addr *addr, char *buf, size_t size);

/// True if family, address and port are the same.
///
/// Threads: any.
ROUSE_API bool rouse_addr_equal(const struct rouse_addr *a, const struct rouse_addr *b);

ROUSE_EXTERN_C_END

#endif
