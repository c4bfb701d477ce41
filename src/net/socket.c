// SPDX-License-Identifier: MIT
//
// The life of a socket, and the short calls on its descriptor. Any thread; nothing here waits.

#include "net/socket.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sys.h"
#include "io/source_poll.h"

// In `flags`.
enum { SOCKET_CLOSED = 1 << 0, SOCKET_LENDS = 1 << 1 };

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

int rs_socket_open(sa_family_t family, int type)
{
    if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT;
    return rs_sys.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

void rs_socket_init(struct rs_socket *socket, int fd)
{
    rs_source_init(&socket->source, fd);
    // Relaxed: published with the pointer.
    atomic_store_explicit(&socket->shares, 1, memory_order_relaxed);
    atomic_store_explicit(&socket->flags, 0, memory_order_relaxed);
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
    return (atomic_load_explicit(&socket->flags, memory_order_relaxed) & SOCKET_CLOSED) != 0;
}

// Of several closers one goes on.
static bool set_closed(struct rs_socket *socket)
{
    // Relaxed: see is_closed().
    uint32_t before = atomic_fetch_or_explicit(&socket->flags, SOCKET_CLOSED, memory_order_relaxed);

    return (before & SOCKET_CLOSED) == 0;
}

// Somebody waits, or is in a system call: the kernel may hold the connection after our close().
static bool is_busy(const struct rs_socket *socket)
{
    const struct rs_source *source = &socket->source;

    // A hint. An operation that begins after this look is over soon.
    return rs_source_is_used(source) || rs_source_is_waited_on(source, RS_READ) ||
           rs_source_is_waited_on(source, RS_WRITE);
}

void rs_socket_close(struct rs_socket *socket)
{
    if (!set_closed(socket)) return;
    rs_counter_add(RS_COUNTER_SOCKETS, -1);

    // A user of our own keeps the descriptor's number until the peer has been told. The shutdown
    // comes after the close, so that who is woken by it finds the source closed.
    bool tell = is_busy(socket) && rs_source_hold(&socket->source) == 0;

    rs_source_close(&socket->source);
    if (!tell) return;
    (void)rs_sys.shutdown(socket->source.fd, SHUT_RDWR);
    rs_source_unhold(&socket->source);
}

// To disconnect resets at once, whoever still uses the descriptor; a close with SO_LINGER would do
// so only when the last of them has left. Who is woken by it finds the source closed.
void rs_socket_reset(struct rs_socket *socket)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    if (!set_closed(socket)) return;
    rs_counter_add(RS_COUNTER_SOCKETS, -1);
    bool tell = rs_source_hold(&socket->source) == 0;

    rs_source_close(&socket->source);
    if (!tell) return;
    (void)rs_sys.connect(socket->source.fd, &nobody, sizeof nobody);
    rs_source_unhold(&socket->source);
}

bool rs_socket_lend_begin(struct rs_socket *socket)
{
    // Relaxed, here and below: it publishes no memory; what the two operations share is the queue
    // of notices, in the kernel, which orders itself.
    return (atomic_fetch_or_explicit(&socket->flags, SOCKET_LENDS, memory_order_relaxed) &
            SOCKET_LENDS) == 0;
}

void rs_socket_lend_end(struct rs_socket *socket)
{
    // Relaxed: see above.
    (void)atomic_fetch_and_explicit(&socket->flags, ~(uint32_t)SOCKET_LENDS, memory_order_relaxed);
}

ssize_t rs_socket_result(const struct rs_socket *socket, ssize_t result)
{
    if (ROUSE_LIKELY(result > 0)) return result;
    return is_closed(socket) ? -EBADF : result;
}

ssize_t rs_socket_try(struct rs_socket *socket, enum rs_direction_name direction,
                      rs_source_function fn, void *arg)
{
    struct rs_source *source = &socket->source;
    uint64_t tick = rs_source_tick(source, direction);
    ssize_t result;

    (void)rs_source_try(source, direction, tick, fn, arg, 0, &result);
    return rs_socket_result(socket, result);
}

int rs_socket_set_bytes(struct rs_socket *socket, int level, int name, const void *value,
                        socklen_t length)
{
    int err = rs_source_hold(&socket->source);

    if (err < 0) return err;
    err = rs_sys.setsockopt(socket->source.fd, level, name, value, length);
    rs_source_unhold(&socket->source);
    return err;
}

int rs_socket_set(struct rs_socket *socket, int level, int name, int value)
{
    return rs_socket_set_bytes(socket, level, name, &value, sizeof value);
}

// To ask for something is no change to the caller, but it is an operation to the source.
static struct rs_source *source_of(const struct rs_socket *socket)
{
    return (struct rs_source *)&socket->source;
}

int rs_socket_get(const struct rs_socket *socket, int level, int name, void *value,
                  socklen_t length)
{
    struct rs_source *source = source_of(socket);
    int err = rs_source_hold(source);

    if (err < 0) return err;
    err = rs_sys.getsockopt(source->fd, level, name, value, &length);
    rs_source_unhold(source);
    return err;
}

int rs_socket_shutdown_write(struct rs_socket *socket)
{
    int err = rs_source_hold(&socket->source);

    if (err < 0) return err;
    err = rs_sys.shutdown(socket->source.fd, SHUT_WR);
    rs_source_unhold(&socket->source);
    return err;
}

// getsockname() or getpeername().
static int read_address(const struct rs_socket *socket, struct rouse_addr *out,
                        int (*call)(int fd, struct sockaddr *address, socklen_t *length))
{
    struct rs_source *source = source_of(socket);
    struct rouse_addr addr = {.length = sizeof addr.storage};
    int err = rs_source_hold(source);

    if (err < 0) return err;
    err = call(source->fd, (struct sockaddr *)&addr.storage, &addr.length);
    rs_source_unhold(source);
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
    struct rouse_addr addr;
    char peer[128];

    if (rs_socket_peer_address(socket, &addr) < 0 || addr.storage.ss_family == AF_UNIX ||
        rouse_addr_format(&addr, peer, sizeof peer) < 0) {
        return snprintf(buf, size, "%s fd %d", what, socket->source.fd);
    }
    return snprintf(buf, size, "%s fd %d (peer %s)", what, socket->source.fd, peer);
}
