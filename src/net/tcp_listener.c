// SPDX-License-Identifier: MIT
//
// Listeners, and accepting. Several tasks may accept from one listener; the source's queue serves
// them in order. Any thread.
//
// At the limit of descriptors or memory an accept leaves the queue, so that the next acceptor is
// not kept waiting behind it, and tries again after a pause. The connection stays in the kernel's
// backlog and the listener stays readable: nothing marks it drained, so nothing is lost.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rouse/await.h>
#include <rouse/error.h>

#include "base/log.h"
#include "base/sys.h"
#include "net/addr.h"
#include "net/tcp.h"
#include "time/backoff.h"

#define BACKOFF_MIN_NS (5 * ROUSE_NS_PER_MS)
#define BACKOFF_MAX_NS ROUSE_NS_PER_S

// Broken connections that one poll skips before it pauses: a firewall may refuse them for ever.
enum { SKIPS_MAX = 32 };

// ---- Listening ----

static int set(int fd, int level, int name, int value)
{
    return rs_sys.setsockopt(fd, level, name, &value, sizeof value);
}

static int listen_set_options(int fd, sa_family_t family,
                              const struct rouse_tcp_listen_options *options)
{
    // Accepted sockets inherit it, so it costs one call for all of them.
    int err = set(fd, IPPROTO_TCP, TCP_NODELAY, 1);

    if (err == 0 && !options->no_reuse_addr) err = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (err == 0 && options->reuse_port) err = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (err == 0 && family == AF_INET6) {
        err = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only);
    }
    return err;
}

// A listening descriptor, or a negative errno.
static int listen_on(const struct rouse_addr *address,
                     const struct rouse_tcp_listen_options *options)
{
    sa_family_t family = rs_addr_family(address);
    int fd = rs_socket_open(family, SOCK_STREAM);

    if (fd < 0) return fd;
    int err = listen_set_options(fd, family, options);

    if (err == 0) {
        err = rs_sys.bind(fd, (const struct sockaddr *)&address->storage, address->length);
    }
    if (err == 0) {
        err = rs_sys.listen(fd, options->backlog > 0 ? options->backlog : RS_TCP_BACKLOG);
    }
    if (err == 0) return fd;
    (void)rs_sys.close(fd);
    return err;
}

int rouse_tcp_listen(struct rouse_tcp_listener **out, const struct rouse_addr *address,
                     const struct rouse_tcp_listen_options *options)
{
    const struct rouse_tcp_listen_options defaults = {0};
    struct rouse_tcp_listener *listener;
    struct rouse_addr ipv4;

    if (options == NULL) options = &defaults;
    if (options->backlog < 0) return -EINVAL;
    listener = rs_socket_alloc(sizeof *listener);
    if (listener == NULL) return -ENOMEM;

    int fd = listen_on(address, options);

    // A kernel without IPv6 still has all of its IPv4 addresses.
    if (fd == -EAFNOSUPPORT && !options->ipv6_only && rs_addr_any_as_ipv4(address, &ipv4)) {
        fd = listen_on(&ipv4, options);
    }
    if (fd < 0) {
        rs_socket_discard(&listener->socket, sizeof *listener);
        return fd;
    }
    rs_socket_init(&listener->socket, fd);
    listener->init = rs_tcp_init;
    *out = listener;
    return 0;
}

int rouse_tcp_listener_address(const struct rouse_tcp_listener *listener, struct rouse_addr *out)
{
    return rs_socket_local_address(&listener->socket, out);
}

void rouse_tcp_listener_close(struct rouse_tcp_listener *listener)
{
    rs_socket_close(&listener->socket);
}

struct rouse_tcp_listener *rouse_tcp_listener_ref(struct rouse_tcp_listener *listener)
{
    rs_socket_ref(&listener->socket);
    return listener;
}

void rouse_tcp_listener_unref(struct rouse_tcp_listener *listener)
{
    if (listener == NULL || !rs_socket_unref(&listener->socket)) return;
    rs_socket_discard(&listener->socket, sizeof *listener);
}

// ---- Accepting ----

// The connection broke before it was accepted, or was refused by a filter: the next one may be
// whole.
static bool is_skipped(ssize_t error)
{
    static const int errors[] = {ECONNABORTED, EPROTO,       ENETDOWN,   ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,       EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, EPERM};

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if (error == -errors[i]) return true;
    }
    return false;
}

static bool is_limit(ssize_t error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static void pause_begin(struct rouse_tcp_accept *a, ssize_t error)
{
    struct rouse_tcp_listener *listener = a->listener;

    rs_backoff_begin(&a->backoff, BACKOFF_MIN_NS, BACKOFF_MAX_NS);
    // Relaxed: it decides who writes the line and orders nothing.
    if (atomic_exchange_explicit(&listener->exhausted, 1, memory_order_relaxed) != 0) return;
    rs_log(ROUSE_LOG_WARN, "accept on fd %d backs off: %s", listener->socket.source.fd,
           rouse_strerror((int)error));
}

static void pause_forget(struct rouse_tcp_listener *listener)
{
    // Relaxed, both: see pause_begin(). The load keeps the line unwritten in the usual case.
    if (ROUSE_LIKELY(atomic_load_explicit(&listener->exhausted, memory_order_relaxed) == 0)) return;
    if (atomic_exchange_explicit(&listener->exhausted, 0, memory_order_relaxed) == 0) return;
    rs_log(ROUSE_LOG_INFO, "accept on fd %d goes on", listener->socket.source.fd);
}

static rouse_poll accept_end(struct rouse_tcp_accept *a, ssize_t result)
{
    if (result >= 0) {
        a->listener->init(a->conn, (int)result);
        pause_forget(a->listener);
        a->output = 0;
        return ROUSE_READY;
    }
    if (a->conn != NULL) rs_tcp_discard(a->conn);
    a->conn = NULL;
    a->output = (int)rs_socket_result(&a->listener->socket, result);
    return ROUSE_READY;
}

// A poll's tries. What it ends with may also be the error of watching the listener, and an EPERM of
// that is not a firewall's: it would come again for ever.
struct accept_tries {
    struct rouse_tcp_accept *accept;
    ssize_t said;  // by accept4(), last
};

// The memory comes first: a connection that has been accepted can no longer fail for want of it.
static ssize_t accept_try(int fd, void *arg)
{
    struct accept_tries *tries = arg;
    struct rouse_tcp_accept *a = tries->accept;

    if (a->conn == NULL) a->conn = rs_tcp_alloc();
    if (a->conn == NULL) return -ENOMEM;
    tries->said = rs_sys.accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return tries->said;
}

static rouse_poll accept_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_accept *a = ROUSE_CONTAINER_OF(self, struct rouse_tcp_accept, base);
    struct accept_tries tries = {.accept = a};
    ssize_t result;
    int err;

    for (int skips = 0;; skips++) {
        if (rs_backoff_poll(&a->backoff, cx, &err) == ROUSE_PENDING) return ROUSE_PENDING;
        if (err < 0) return accept_end(a, err);
        tries.said = 0;
        if (rs_source_poll(&a->listener->socket.source, RS_READ, &a->wait, cx, accept_try, &tries,
                           0, &result) == ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        if (result < 0 && result == tries.said && is_skipped(result)) {
            if (skips >= SKIPS_MAX) pause_begin(a, result);
        } else if (is_limit(result)) {
            pause_begin(a, result);
        } else {
            return accept_end(a, result);
        }
    }
}

static void accept_drop(struct rouse_future *self)
{
    struct rouse_tcp_accept *a = ROUSE_CONTAINER_OF(self, struct rouse_tcp_accept, base);

    rs_backoff_drop(&a->backoff);
    rs_source_unwait(&a->wait);
    if (a->conn != NULL) rs_tcp_discard(a->conn);
    a->conn = NULL;
}

static int accept_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_accept *a = (const struct rouse_tcp_accept *)self;
    const char *what = a->backoff.is_pausing ? "pause before accept on" : "accept on";

    return rs_socket_describe(&a->listener->socket, what, buf, size);
}

static void accept_ended_drop(struct rouse_future *self)
{
    rouse_tcp_unref(rouse_tcp_accept_take(ROUSE_CONTAINER_OF(self, struct rouse_tcp_accept, base)));
}

static int64_t accept_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_accept *)self)->output;
}

static const struct rouse_future_vtable accept_ended = {
    .drop = accept_ended_drop, .name = "accept", .result = accept_result};
static const struct rouse_future_vtable accept_vtable = {
    .poll = accept_poll,
    .drop = accept_drop,
    .name = "accept",
    .describe = accept_describe,
    .ended = &accept_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_tcp_accept_init(struct rouse_tcp_accept *accept, struct rouse_tcp_listener *listener)
{
    *accept = (struct rouse_tcp_accept){.base.vtable = &accept_vtable, .listener = listener};
}

struct rouse_tcp *rouse_tcp_accept_take(struct rouse_tcp_accept *accept)
{
    struct rouse_tcp *conn = accept->conn;

    // Before the end `conn` is memory for one, not a connection.
    if (!rouse_future_is_ended(&accept->base)) return NULL;
    accept->conn = NULL;
    return conn;
}

int rouse_tcp_accept(struct rouse_tcp_listener *listener, struct rouse_tcp **out)
{
    struct rouse_tcp_accept op;

    rouse_tcp_accept_init(&op, listener);
    int err = rouse_await(&op.base);

    if (err == 0) err = op.output;
    if (err == 0) *out = rouse_tcp_accept_take(&op);
    return err;
}
