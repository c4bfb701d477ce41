// SPDX-License-Identifier: MIT
//
// What connections and listeners have in common: a source, a count of shares, and whether it was
// closed. Any thread may call these, given a share.
//
// 1. The memory belongs to the shares; the last one to go closes, if nobody did before, and frees.
// 2. A future borrows its owner's share, so an operation never outlives the memory. It may outlive
//    the close: the source keeps the descriptor's number until the operation is over.
// 3. An open socket is counted in RS_COUNTER_SOCKETS, from init to the first close.

#ifndef RS_NET_SOCKET_H
#define RS_NET_SOCKET_H

#include <rouse/addr.h>
#include <rouse/allocator.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "io/source.h"

struct rs_socket {
    struct rs_source source;
    _Atomic uint32_t shares;
    _Atomic uint32_t flags;  // closed, and lending
    const struct rouse_allocator *allocator;
};

// Zeroed memory for an object that begins with a socket, from the current allocator, which the
// socket remembers; NULL if there is none.
void *rs_socket_alloc(size_t size);

// Takes it back: made into a socket and unshared since, or not.
void rs_socket_discard(struct rs_socket *socket, size_t size);

// A new IPv4 or IPv6 socket, SOCK_STREAM or SOCK_DGRAM, non-blocking, not inherited by children:
// its number, or a negative errno.
int rs_socket_open(sa_family_t family, int type);

// Takes `fd`. The caller has the one share.
void rs_socket_init(struct rs_socket *socket, int fd);

void rs_socket_ref(struct rs_socket *socket);

// Gives up a share. True if it was the last: the socket is closed, and the caller frees the memory.
ROUSE_NODISCARD bool rs_socket_unref(struct rs_socket *socket);

// Ends every wait with -EBADF and lets the peer know at once. A second call does nothing.
void rs_socket_close(struct rs_socket *socket);

// As a close, and the peer sees a reset.
void rs_socket_reset(struct rs_socket *socket);

// What an operation is to report: a close shuts the socket down under operations in progress, and
// what they see then, the end of the stream or -EPIPE, is our doing and not the peer's.
ssize_t rs_socket_result(const struct rs_socket *socket, ssize_t result);

// An operation that does not wait: tries `fn(fd, arg)` in any case, for where nobody waits nobody
// hears of events.
ssize_t rs_socket_try(struct rs_socket *socket, enum rs_direction_name direction,
                      rs_source_function fn, void *arg);

// Only one operation at a time lends memory to the kernel. False: another one does.
bool rs_socket_lend_begin(struct rs_socket *socket);
void rs_socket_lend_end(struct rs_socket *socket);

// setsockopt() for an int. -EBADF once closed.
int rs_socket_set(struct rs_socket *socket, int level, int name, int value);

// The same for any value of `length` bytes.
int rs_socket_set_bytes(struct rs_socket *socket, int level, int name, const void *value,
                        socklen_t length);

// getsockopt() for a value of `length` bytes. -EBADF once closed.
int rs_socket_get(const struct rs_socket *socket, int level, int name, void *value,
                  socklen_t length);

// shutdown() of the sending half. -EBADF once closed.
int rs_socket_shutdown_write(struct rs_socket *socket);

// -EBADF once closed.
int rs_socket_local_address(const struct rs_socket *socket, struct rouse_addr *out);
int rs_socket_peer_address(const struct rs_socket *socket, struct rouse_addr *out);

// Writes "`what` fd 7", as snprintf() does.
int rs_socket_describe(const struct rs_socket *socket, const char *what, char *buf, size_t size);

#endif
