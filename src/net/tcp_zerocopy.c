// SPDX-License-Identifier: MIT
//
// Sending from memory that the kernel keeps. Any thread.
//
// The kernel tells by notices in the socket's error queue what it is done with: each covers one or
// more of the calls that sent, in any order. Only one write of a connection has calls out at a
// time, so all notices are its own, and counting them is enough.
//
//                 set up                    all taken, or an error        the last notice
//     BEGIN ----------------------> LENDING -------------------------> WAITING -----------> ended
//       |  refused                  |                                     |
//       +----------> COPYING        | drop, with calls out                | drop
//                                   +-----------> a thread waits <--------+
//
// 1. `struct rs_lent` is there while calls may be out. It keeps a share of the connection, and the
//    descriptor open: a close by its owner then shuts down, and the kernel goes on to send.
// 2. Notices are waited for at an epoll set of our own that holds only the connection, with no
//    interest: such a set is ready for errors alone. To wait at the connection itself would wake
//    for each byte that comes, and take turns with its readers.
// 3. Where notices cannot be had, the connection is reset: then the kernel keeps nothing that it
//    would still send.

#include <errno.h>
#include <netinet/in.h>
#include <rouse/await.h>
#include <rouse/tcp_zerocopy.h>
#include <sys/epoll.h>
#include <time.h>
// After <time.h>, which it needs.
#include <linux/errqueue.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "base/thread.h"
#include "net/tcp.h"

enum step { STEP_BEGIN, STEP_COPYING, STEP_LENDING, STEP_WAITING };

// Used by the write, or after it by the thread.
struct rs_lent {
    struct rouse_tcp *conn;  // a share
    struct rs_source notices;
    uint32_t out;  // calls without a notice
    bool copied;   // by the kernel
    void (*release)(void *arg);
    void *release_arg;
};

// ---- Notices ----

static bool is_notice(const struct cmsghdr *control)
{
    return (control->cmsg_level == SOL_IP && control->cmsg_type == IP_RECVERR) ||
           (control->cmsg_level == SOL_IPV6 && control->cmsg_type == IPV6_RECVERR);
}

static void notice_count(struct rs_lent *lent, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        const struct sock_extended_err *err = (const struct sock_extended_err *)CMSG_DATA(c);

        if (!is_notice(c) || err->ee_origin != SO_EE_ORIGIN_ZEROCOPY) continue;
        // From the first to the last call that it covers; the numbers wrap.
        lent->out -= err->ee_data - err->ee_info + 1;
        if ((err->ee_code & SO_EE_CODE_ZEROCOPY_COPIED) != 0) lent->copied = true;
    }
}

// One message of the queue: 0, or -EAGAIN when there is none.
static ssize_t notice_take(struct rs_lent *lent)
{
    _Alignas(struct cmsghdr) char control[256];
    struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
    ssize_t result;

    do {
        result = rs_sys.recvmsg(lent->conn->socket.source.fd, &message, MSG_ERRQUEUE);
    } while (result == -EINTR);
    if (result >= 0) notice_count(lent, &message);
    return result;
}

// Takes what there is. 0: no call is out any more; -EAGAIN: some are.
static ssize_t notices_try(int epoll_fd, void *arg)
{
    struct rs_lent *lent = arg;
    struct epoll_event event;
    ssize_t result = 0;

    // The event first, then what it is about: a notice that comes later is another event.
    (void)rs_sys.epoll_wait(epoll_fd, &event, 1, 0);
    while (lent->out > 0 && result >= 0) result = notice_take(lent);
    return lent->out > 0 ? result : 0;
}

// ---- Lent, and given back ----

static void unclaim(struct rouse_tcp *conn)
{
    rs_source_unhold(&conn->socket.source);
    rs_socket_lend_end(&conn->socket);
}

static void lent_free(struct rs_lent *lent)
{
    struct rouse_tcp *conn = lent->conn;

    rs_source_close(&lent->notices);
    rs_free(conn->socket.allocator, lent, sizeof *lent);
    unclaim(conn);
    rouse_tcp_unref(conn);
}

static int notices_open(struct rs_lent *lent, int fd)
{
    struct epoll_event errors_only = {.events = EPOLLET};
    int epoll_fd = rs_sys.epoll_create1(EPOLL_CLOEXEC);

    if (epoll_fd < 0) return epoll_fd;
    rs_source_init(&lent->notices, epoll_fd);
    int err = rs_sys.epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &errors_only);

    // It is also tried whether notices can be asked for.
    if (err == 0 && notice_take(lent) != -EAGAIN) err = -EOPNOTSUPP;
    if (err < 0) rs_source_close(&lent->notices);
    return err;
}

// NULL: the bytes are to be copied.
static struct rs_lent *lent_new(struct rouse_tcp *conn)
{
    const int on = 1;
    int fd = conn->socket.source.fd;

    if (!rs_socket_lend_begin(&conn->socket)) return NULL;
    if (rs_source_hold(&conn->socket.source) < 0) {
        rs_socket_lend_end(&conn->socket);
        return NULL;
    }
    struct rs_lent *lent = rs_alloc(conn->socket.allocator, sizeof *lent);

    if (lent != NULL) {
        lent->conn = conn;
        if (rs_sys.setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) == 0 &&
            notices_open(lent, fd) == 0) {
            (void)rouse_tcp_ref(conn);
            return lent;
        }
        rs_free(conn->socket.allocator, lent, sizeof *lent);
    }
    unclaim(conn);
    return NULL;
}

// What is to be sent is thrown away, and with it goes what the kernel keeps.
static void lent_cut(struct rs_lent *lent)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    (void)rs_sys.connect(lent->conn->socket.source.fd, &nobody, sizeof nobody);
    lent->out = 0;
}

// ---- After a drop ----

static void lent_finish(struct rs_lent *lent)
{
    void (*release)(void *arg) = lent->release;
    void *arg = lent->release_arg;

    if (lent->out > 0) lent_cut(lent);
    lent_free(lent);
    release(arg);
}

static void *lent_wait(void *arg)
{
    struct rs_lent *lent = arg;
    struct pollfd entry = {.fd = lent->notices.fd, .events = POLLIN};

    rs_thread_set_name("rouse-zerocopy");
    while (notices_try(lent->notices.fd, lent) == -EAGAIN) (void)rs_sys.ppoll(&entry, 1, NULL);
    lent_finish(lent);
    return NULL;
}

static void lent_leave(struct rs_lent *lent)
{
    pthread_t thread;

    if (lent->out > 0 && rs_thread_start(&thread, lent_wait, lent) == 0) {
        (void)pthread_detach(thread);
    } else {
        lent_finish(lent);
    }
}

// ---- The future ----

static ssize_t send_try(int fd, void *arg)
{
    struct rouse_tcp_write_zerocopy *w = arg;
    const char *from = (const char *)w->buf + w->done;
    size_t size = rs_tcp_call_size(w->size - w->done);
    ssize_t result = -ENOBUFS;

    if (w->step == STEP_LENDING) {
        result = rs_sys.send(fd, from, size, MSG_NOSIGNAL | MSG_ZEROCOPY);
        if (result > 0) w->lent->out++;
    }
    // There is a limit to the memory that may be out; what is above it is copied.
    if (result != -ENOBUFS) return result;
    w->copied = true;
    return rs_sys.send(fd, from, size, MSG_NOSIGNAL);
}

// READY: `output` is set.
static rouse_poll send_poll(struct rouse_tcp_write_zerocopy *w, struct rouse_context *cx)
{
    struct rs_socket *socket = &w->conn->socket;

    while (w->done < w->size) {
        ssize_t result;

        if (rs_source_poll(&socket->source, RS_WRITE, &w->wait, cx, send_try, w,
                           rs_tcp_call_size(w->size - w->done), &result) == ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        result = rs_socket_result(socket, result);
        if (result < 0) {
            w->output = result;
            return ROUSE_READY;
        }
        w->done += (size_t)result;
    }
    w->output = (ssize_t)w->size;
    return ROUSE_READY;
}

static void write_begin(struct rouse_tcp_write_zerocopy *w)
{
    w->lent = lent_new(w->conn);
    w->step = w->lent != NULL ? STEP_LENDING : STEP_COPYING;
    if (w->lent == NULL) return;
    w->lent->release = w->release;
    w->lent->release_arg = w->release_arg;
}

static rouse_poll wait_poll(struct rouse_tcp_write_zerocopy *w, struct rouse_context *cx)
{
    ssize_t result = 0;

    if (w->lent->out > 0 && rs_source_poll(&w->lent->notices, RS_READ, &w->wait, cx, notices_try,
                                           w->lent, 0, &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    if (result < 0) w->output = result;
    w->copied = w->copied || w->lent->copied;
    lent_finish(w->lent);
    return ROUSE_READY;
}

static rouse_poll zerocopy_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_tcp_write_zerocopy *w =
        ROUSE_CONTAINER_OF(self, struct rouse_tcp_write_zerocopy, base);

    if (w->step == STEP_BEGIN) write_begin(w);
    if (w->step != STEP_WAITING) {
        if (send_poll(w, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        if (w->lent == NULL) {
            w->release(w->release_arg);
            return ROUSE_READY;
        }
        w->step = STEP_WAITING;
    }
    return wait_poll(w, cx);
}

static void zerocopy_drop(struct rouse_future *self)
{
    struct rouse_tcp_write_zerocopy *w =
        ROUSE_CONTAINER_OF(self, struct rouse_tcp_write_zerocopy, base);

    rs_source_unwait(&w->wait);
    if (w->lent != NULL) {
        lent_leave(w->lent);
    } else {
        w->release(w->release_arg);
    }
}

static int zerocopy_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_tcp_write_zerocopy *w = (const struct rouse_tcp_write_zerocopy *)self;

    return rs_socket_describe(&w->conn->socket,
                              w->step == STEP_WAITING ? "memory sent on" : "write to", buf, size);
}

static int64_t zerocopy_result(const struct rouse_future *self)
{
    return ((const struct rouse_tcp_write_zerocopy *)self)->output;
}

static const struct rouse_future_vtable zerocopy_ended = {.name = "write_zerocopy",
                                                          .result = zerocopy_result};
static const struct rouse_future_vtable zerocopy_vtable = {
    .poll = zerocopy_poll,
    .drop = zerocopy_drop,
    .name = "write_zerocopy",
    .describe = zerocopy_describe,
    .ended = &zerocopy_ended,
    .cancel_kind = rouse_cancel_kind_partial};

void rouse_tcp_write_zerocopy_init(struct rouse_tcp_write_zerocopy *write, struct rouse_tcp *conn,
                                   const void *buf, size_t size, void (*release)(void *arg),
                                   void *arg)
{
    *write = (struct rouse_tcp_write_zerocopy){
        .base.vtable = &zerocopy_vtable,
        .conn = conn,
        .buf = buf,
        .size = size,
        .release = release,
        .release_arg = arg};
}

ssize_t rouse_tcp_write_zerocopy(struct rouse_tcp *conn, const void *buf, size_t size,
                                 void (*release)(void *arg), void *arg)
{
    struct rouse_tcp_write_zerocopy op;

    rouse_tcp_write_zerocopy_init(&op, conn, buf, size, release, arg);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}
