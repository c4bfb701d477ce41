// SPDX-License-Identifier: MIT
//
// The life of a socket, and the short calls on its descriptor. Any thread; nothing here waits.

#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sys.h"

void *rs_socket_alloc(size_t size)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rs_socket *socket = rs_alloc(allocator, size);

    if (socket != NULL) socket->allocator = allocator;
    return socket;
}

void rs_socket_discard(struct rs_socket *socket, size_t size)
{
    rs_free(socket->allocator, socket, size);
}

int rs_socket_open(sa_family_t family)
{
    if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT;
    return rs_sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

void rs_socket_init(struct rs_socket *socket, int fd)
{
    rs_source_init(&socket->source, fd);
    // Relaxed: published with the pointer.
    atomic_store_explicit(&socket->shares, 1, memory_order_relaxed);
    atomic_store_explicit(&socket->closed, 0, memory_order_relaxed);
    rs_counter_add(RS_COUNTER_SOCKETS, 1);
}

void rs_socket_ref(struct rs_socket *socket)
{
    // Relaxed: the caller has a share, so the count cannot reach zero meanwhile.
    atomic_fetch_add_explicit(&socket->shares, 1, memory_order_relaxed);
}

bool rs_socket_unref(struct rs_socket *socket)
{
    // Acq_rel: the last one comes after everything that the others did.
    if (atomic_fetch_sub_explicit(&socket->shares, 1, memory_order_acq_rel) != 1) return false;
    rs_socket_close(socket);
    return true;
}

static bool is_closed(const struct rs_socket *socket)
{
    // Relaxed: the order that counts is the kernel's. Who has met our shutdown() sees the flag, for
    // that was set before.
    return atomic_load_explicit(&socket->closed, memory_order_relaxed) != 0;
}

// Somebody waits, or is in a system call: the kernel may hold the connection after our close().
static bool is_busy(const struct rs_socket *socket)
{
    const struct rs_source *source = &socket->source;

    // Relaxed: a hint. An operation that begins after this look is over soon.
    return atomic_load_explicit(&source->users, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&source->directions[RS_READ].queued, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&source->directions[RS_WRITE].queued, memory_order_relaxed) != 0;
}

void rs_socket_close(struct rs_socket *socket)
{
    // Relaxed: see is_closed(). Of several closers one goes on.
    if (atomic_exchange_explicit(&socket->closed, 1, memory_order_relaxed) != 0) return;
    rs_counter_add(RS_COUNTER_SOCKETS, -1);

    // A user of our own keeps the descriptor's number until the peer has been told. The shutdown
    // comes after the close, so that who is woken by it finds the source closed.
    bool tell = is_busy(socket) && rs_source_enter(&socket->source) == 0;

    rs_source_close(&socket->source);
    if (!tell) return;
    (void)rs_sys.shutdown(socket->source.fd, SHUT_RDWR);
    rs_source_leave(&socket->source);
}

ssize_t rs_socket_result(const struct rs_socket *socket, ssize_t result)
{
    if (ROUSE_LIKELY(result > 0)) return result;
    return is_closed(socket) ? -EBADF : result;
}

int rs_socket_set(struct rs_socket *socket, int level, int name, int value)
{
    int err = rs_source_enter(&socket->source);

    if (err < 0) return err;
    err = rs_sys.setsockopt(socket->source.fd, level, name, &value, sizeof value);
    rs_source_leave(&socket->source);
    return err;
}

int rs_socket_shutdown_write(struct rs_socket *socket)
{
    int err = rs_source_enter(&socket->source);

    if (err < 0) return err;
    err = rs_sys.shutdown(socket->source.fd, SHUT_WR);
    rs_source_leave(&socket->source);
    return err;
}

// getsockname() or getpeername().
static int read_address(const struct rs_socket *socket, struct rouse_addr *out,
                        int (*call)(int fd, struct sockaddr *address, socklen_t *length))
{
    // To ask for an address is no change to the caller, but it is an operation to the source.
    struct rs_source *source = (struct rs_source *)&socket->source;
    struct rouse_addr addr = {.length = sizeof addr.storage};
    int err = rs_source_enter(source);

    if (err < 0) return err;
    err = call(source->fd, (struct sockaddr *)&addr.storage, &addr.length);
    rs_source_leave(source);
    if (err == 0) *out = addr;
    return err;
}

int rs_socket_local_address(const struct rs_socket *socket, struct rouse_addr *out)
{
    return read_address(socket, out, rs_sys.getsockname);
}

int rs_socket_peer_address(const struct rs_socket *socket, struct rouse_addr *out)
{
    return read_address(socket, out, rs_sys.getpeername);
}

int rs_socket_describe(const struct rs_socket *socket, const char *what, char *buf, size_t size)
{
    return snprintf(buf, size, "%s fd %d", what, socket->source.fd);
}
