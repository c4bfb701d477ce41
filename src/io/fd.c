// SPDX-License-Identifier: MIT
//
// Descriptors that somebody else made. Any thread.
//
// 1. The object belongs to its shares: its owner's, and one of each wait from init to end. So free
//    and release may come while others wait; they find the source closed, and the last one frees.
// 2. "Ready" is what poll(2) says at that moment, asked again after each event. But before the
//    first event it is not asked: registering the descriptor tells whether it can be polled at all,
//    and a back end reports at once what is ready then.

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/fd.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "io/fd.h"

static enum rs_direction_name direction_of(uint32_t interest)
{
    rouse_assert(interest == ROUSE_READABLE || interest == ROUSE_WRITABLE,
                 "a wait is for one direction; use two waits in a select for both");
    return interest == ROUSE_READABLE ? RS_READ : RS_WRITE;
}

// ---- The object ----

int rouse_fd_adopt(struct rouse_fd **out, int fd)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rouse_fd *self = rs_alloc(allocator, sizeof *self);

    if (self == NULL) return -ENOMEM;
    int flags = rs_sys.fcntl(fd, F_GETFL, 0);

    if (flags >= 0 && (flags & O_NONBLOCK) == 0) {
        flags = rs_sys.fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
    if (flags < 0) {
        rs_free(allocator, self, sizeof *self);
        return flags;
    }
    self->allocator = allocator;
    rs_source_init(&self->source, fd);
    // Relaxed: published with the pointer.
    atomic_store_explicit(&self->shares, 1, memory_order_relaxed);
    *out = self;
    return 0;
}

int rouse_fd_number(const struct rouse_fd *fd)
{
    return fd->source.fd;
}

void rs_fd_ref(struct rouse_fd *fd)
{
    // Relaxed: the caller has a share, so the count cannot reach zero meanwhile.
    atomic_fetch_add_explicit(&fd->shares, 1, memory_order_relaxed);
}

void rs_fd_unref(struct rouse_fd *fd)
{
    // Acq_rel: the last one comes after everything that the others did.
    if (atomic_fetch_sub_explicit(&fd->shares, 1, memory_order_acq_rel) != 1) return;
    rs_free(fd->allocator, fd, sizeof *fd);
}

int rouse_fd_release(struct rouse_fd *fd)
{
    int number = rs_source_release(&fd->source);

    if (number >= 0) rs_fd_unref(fd);
    return number;
}

void rouse_fd_free(struct rouse_fd *fd)
{
    if (fd == NULL) return;
    rs_source_close(&fd->source);
    rs_fd_unref(fd);
}

void rouse_fd_clear(struct rouse_fd *fd, uint32_t interest, uint64_t tick)
{
    rs_source_drained(&fd->source, direction_of(interest), tick);
}

uint64_t rouse_fd_tick(const struct rouse_fd *fd, uint32_t interest)
{
    return rs_source_tick(&fd->source, direction_of(interest));
}

// ---- Waiting until it is ready ----

static ssize_t ready_try(int fd, void *arg)
{
    const struct rouse_fd_ready *r = arg;
    bool reads = r->interest == ROUSE_READABLE;
    struct pollfd entry = {.fd = fd, .events = reads ? POLLIN | POLLRDHUP : POLLOUT};
    const struct timespec at_once = {0};

    if (rs_source_tick(&r->fd->source, direction_of(r->interest)) == 0) return -EAGAIN;
    int count = rs_sys.ppoll(&entry, 1, &at_once);

    if (count <= 0) return count == 0 ? -EAGAIN : count;
    return (entry.revents & POLLNVAL) != 0 ? -EBADF : 0;
}

static rouse_poll ready_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_fd_ready *r = ROUSE_CONTAINER_OF(self, struct rouse_fd_ready, base);
    ssize_t result;

    if (rs_source_poll(&r->fd->source, direction_of(r->interest), &r->wait, cx, ready_try, r, 0,
                       &result) == ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    r->output = (int)result;
    rs_fd_unref(r->fd);
    return ROUSE_READY;
}

static void ready_drop(struct rouse_future *self)
{
    struct rouse_fd_ready *r = ROUSE_CONTAINER_OF(self, struct rouse_fd_ready, base);

    rs_source_unwait(&r->wait);
    rs_fd_unref(r->fd);
}

static int ready_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_fd_ready *r = (const struct rouse_fd_ready *)self;

    return snprintf(buf, size, "fd %d to be %s", r->fd->source.fd,
                    r->interest == ROUSE_READABLE ? "readable" : "writable");
}

static int64_t ready_result(const struct rouse_future *self)
{
    return ((const struct rouse_fd_ready *)self)->output;
}

static const struct rouse_future_vtable ready_ended = {.name = "fd_ready", .result = ready_result};
static const struct rouse_future_vtable ready_vtable = {
    .poll = ready_poll,
    .drop = ready_drop,
    .name = "fd_ready",
    .describe = ready_describe,
    .ended = &ready_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_fd_ready_init(struct rouse_fd_ready *ready, struct rouse_fd *fd, uint32_t interest)
{
    (void)direction_of(interest);
    rs_fd_ref(fd);
    *ready = (struct rouse_fd_ready){.base.vtable = &ready_vtable, .fd = fd, .interest = interest};
}

int rouse_fd_wait(struct rouse_fd *fd, uint32_t interest)
{
    struct rouse_fd_ready op;

    rouse_fd_ready_init(&op, fd, interest);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

// ---- Trying until it works ----

struct try_io {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_fd *fd;  // a share of its own
    enum rs_direction_name direction;
    rouse_fd_function fn;
    void *arg;
    ssize_t output;
};

static rouse_poll try_io_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct try_io *t = ROUSE_CONTAINER_OF(self, struct try_io, base);

    if (rs_source_poll(&t->fd->source, t->direction, &t->wait, cx, t->fn, t->arg, 0, &t->output) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    rs_fd_unref(t->fd);
    return ROUSE_READY;
}

static void try_io_drop(struct rouse_future *self)
{
    struct try_io *t = ROUSE_CONTAINER_OF(self, struct try_io, base);

    rs_source_unwait(&t->wait);
    rs_fd_unref(t->fd);
}

static int try_io_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct try_io *t = (const struct try_io *)self;

    return snprintf(buf, size, "%s fd %d", t->direction == RS_READ ? "input from" : "output to",
                    t->fd->source.fd);
}

static const struct rouse_future_vtable try_io_vtable = {
    .poll = try_io_poll,
    .drop = try_io_drop,
    .name = "try_io",
    .describe = try_io_describe,
    .cancel_kind = rouse_cancel_kind_total};

ssize_t rouse_fd_try_io(struct rouse_fd *fd, uint32_t interest, rouse_fd_function fn, void *arg)
{
    struct try_io op = {.base.vtable = &try_io_vtable,
                        .fd = fd,
                        .direction = direction_of(interest),
                        .fn = fn,
                        .arg = arg};

    rs_fd_ref(fd);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}
