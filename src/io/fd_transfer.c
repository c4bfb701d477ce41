// SPDX-License-Identifier: MIT
//
// Reading from and writing to adopted descriptors. Any thread.
//
// A short transfer says nothing about what follows: a tty gives a line at a time, an eventfd a
// word. So the next one asks the kernel again.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/fd.h>
#include <stdio.h>

#include "base/sigpipe.h"
#include "base/sys.h"
#include "io/fd.h"

// ---- Reading ----

static ssize_t read_try(int fd, void *arg)
{
    const struct rouse_fd_read *r = arg;

    return rs_sys.read(fd, r->buf, r->size);
}

static rouse_poll read_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_fd_read *r = ROUSE_CONTAINER_OF(self, struct rouse_fd_read, base);

    if (rs_source_poll(&r->fd->source, RS_READ, &r->wait, cx, read_try, r, 0, &r->output) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    rs_fd_unref(r->fd);
    return ROUSE_READY;
}

static void read_drop(struct rouse_future *self)
{
    struct rouse_fd_read *r = ROUSE_CONTAINER_OF(self, struct rouse_fd_read, base);

    rs_source_unwait(&r->wait);
    rs_fd_unref(r->fd);
}

static int read_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_fd_read *r = (const struct rouse_fd_read *)self;

    return snprintf(buf, size, "read of fd %d", r->fd->source.fd);
}

static int64_t read_result(const struct rouse_future *self)
{
    return ((const struct rouse_fd_read *)self)->output;
}

static const struct rouse_future_vtable read_ended = {.name = "fd_read", .result = read_result};
static const struct rouse_future_vtable read_vtable = {
    .poll = read_poll,
    .drop = read_drop,
    .name = "fd_read",
    .describe = read_describe,
    .ended = &read_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_fd_read_init(struct rouse_fd_read *read, struct rouse_fd *fd, void *buf, size_t size)
{
    rouse_assert(size > 0, "a read of nothing looks like the end of the stream; give it room");
    rs_fd_ref(fd);
    *read = (struct rouse_fd_read){.base.vtable = &read_vtable, .fd = fd, .buf = buf, .size = size};
}

ssize_t rouse_fd_read(struct rouse_fd *fd, void *buf, size_t size)
{
    struct rouse_fd_read op;

    rouse_fd_read_init(&op, fd, buf, size);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

// ---- Writing ----

static ssize_t write_try(int fd, void *arg)
{
    const struct rouse_fd_write *w = arg;
    struct rs_sigpipe_guard guard;

    rs_sigpipe_hold(&guard);
    ssize_t result = rs_sys.write(fd, w->buf, w->size);

    rs_sigpipe_release(&guard, result == -EPIPE);
    return result;
}

static rouse_poll write_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_fd_write *w = ROUSE_CONTAINER_OF(self, struct rouse_fd_write, base);

    if (rs_source_poll(&w->fd->source, RS_WRITE, &w->wait, cx, write_try, w, 0, &w->output) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    rs_fd_unref(w->fd);
    return ROUSE_READY;
}

static void write_drop(struct rouse_future *self)
{
    struct rouse_fd_write *w = ROUSE_CONTAINER_OF(self, struct rouse_fd_write, base);

    rs_source_unwait(&w->wait);
    rs_fd_unref(w->fd);
}

static int write_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_fd_write *w = (const struct rouse_fd_write *)self;

    return snprintf(buf, size, "write to fd %d", w->fd->source.fd);
}

static int64_t write_result(const struct rouse_future *self)
{
    return ((const struct rouse_fd_write *)self)->output;
}

static const struct rouse_future_vtable write_ended = {.name = "fd_write", .result = write_result};
static const struct rouse_future_vtable write_vtable = {
    .poll = write_poll,
    .drop = write_drop,
    .name = "fd_write",
    .describe = write_describe,
    .ended = &write_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_fd_write_init(struct rouse_fd_write *write, struct rouse_fd *fd, const void *buf,
                         size_t size)
{
    rs_fd_ref(fd);
    *write =
        (struct rouse_fd_write){.base.vtable = &write_vtable, .fd = fd, .buf = buf, .size = size};
}

ssize_t rouse_fd_write(struct rouse_fd *fd, const void *buf, size_t size)
{
    struct rouse_fd_write op;

    rouse_fd_write_init(&op, fd, buf, size);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}

// ---- Writing it all ----

// Has a share besides that of the write in progress, so that the descriptor may be freed between
// two of them.
static rouse_poll write_all_end(struct rouse_fd_write_all *w, ssize_t output)
{
    w->output = output;
    if (w->size > 0) rs_fd_unref(w->write.fd);
    return ROUSE_READY;
}

static rouse_poll write_all_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_fd_write_all *w = ROUSE_CONTAINER_OF(self, struct rouse_fd_write_all, base);
    struct rouse_fd_write *write = &w->write;

    while (w->done < w->size) {
        if (rouse_future_poll(&write->base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        if (write->output < 0) return write_all_end(w, write->output);
        size_t count = (size_t)write->output;

        w->done += count;
        if (w->done < w->size) {
            rouse_fd_write_init(write, write->fd, (const char *)write->buf + count,
                                w->size - w->done);
        }
    }
    return write_all_end(w, (ssize_t)w->size);
}

static void write_all_drop(struct rouse_future *self)
{
    struct rouse_fd_write_all *w = ROUSE_CONTAINER_OF(self, struct rouse_fd_write_all, base);

    if (w->size == 0) return;
    rouse_future_drop(&w->write.base);
    rs_fd_unref(w->write.fd);
}

static int write_all_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_fd_write_all *w = (const struct rouse_fd_write_all *)self;

    if (w->size == 0) return snprintf(buf, size, "write of nothing");
    return write_describe(&w->write.base, buf, size);
}

static int64_t write_all_result(const struct rouse_future *self)
{
    return ((const struct rouse_fd_write_all *)self)->output;
}

static const struct rouse_future_vtable write_all_ended = {.name = "fd_write_all",
                                                           .result = write_all_result};
static const struct rouse_future_vtable write_all_vtable = {
    .poll = write_all_poll,
    .drop = write_all_drop,
    .name = "fd_write_all",
    .describe = write_all_describe,
    .ended = &write_all_ended,
    .cancel_kind = rouse_cancel_kind_partial};

void rouse_fd_write_all_init(struct rouse_fd_write_all *write, struct rouse_fd *fd, const void *buf,
                             size_t size)
{
    write->base.vtable = &write_all_vtable;
    write->done = 0;
    write->size = size;
    write->output = 0;
    if (size == 0) return;
    rs_fd_ref(fd);
    rouse_fd_write_init(&write->write, fd, buf, size);
}

ssize_t rouse_fd_write_all(struct rouse_fd *fd, const void *buf, size_t size)
{
    struct rouse_fd_write_all op;

    rouse_fd_write_all_init(&op, fd, buf, size);
    int err = rouse_await(&op.base);

    return err < 0 ? err : op.output;
}
