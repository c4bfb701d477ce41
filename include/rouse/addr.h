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

// Room for the longest text form, with its zero.
#define ROUSE_ADDR_TEXT_MAX 64

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

/// The port of an IPv4 or IPv6 address; 0 for others.
///
/// Threads: any.
ROUSE_API uint16_t rouse_addr_port(const struct rouse_addr *addr);

/// Writes the text form, as snprintf() does.
///
/// Threads: any.
ROUSE_API int rouse_addr_format(const struct rouse_addr *addr, char *buf, size_t size);

/// True if family, address and port are the same.
///
/// Threads: any.
ROUSE_API bool rouse_addr_equal(const struct rouse_addr *a, const struct rouse_addr *b);

ROUSE_EXTERN_C_END

#endif
