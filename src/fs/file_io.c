// SPDX-License-Identifier: MIT
//
// Reading and writing. Any thread.
//
//                 at hand, or no memory: ended
//                  ^
//     new --> try -+--> work: the pool, a ring --> ended
//              ^  |         |
//              |  v         | a stream, and what was there is gone
//          waits, a stream <+
//
// 1. Until there is work, the caller's memory is touched only within a poll. The work has memory of
//    its own; what a read has put there is copied by the poll that sees its end. Or the memory was
//    lent, and is the record's from then on.
// 2. `release` is called once: by the record it was moved to, or at the future's end.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sanitizer.h"
#include "base/sys.h"
#include "fiber/direct.h"
#include "fs/file.h"
#include "fs/job.h"

enum { IO_IS_WRITE = 1 << 0 };

// What the work of a stream says when somebody else has taken what there was.
enum { TRY_AGAIN = -ERESTART };

// ---- The record ----

struct io_job {
    struct rs_fs_job job;
    struct rouse_file *file;  // a share
    struct rs_file_transfer transfer;
    struct iovec single;
    void (*release)(void *arg);  // of lent memory
    void *release_arg;
    struct iovec lent[];  // or the bytes, aligned for direct I/O
};

static int64_t io_job_run(struct rs_fs_job *base)
{
    struct io_job *job = ROUSE_CONTAINER_OF(base, struct io_job, job);
    ssize_t result = rs_file_block(job->file, &job->transfer);

    return result == -EAGAIN && job->file->is_stream ? TRY_AGAIN : result;
}

static void io_job_release(struct rs_fs_job *base)
{
    struct io_job *job = ROUSE_CONTAINER_OF(base, struct io_job, job);

    rouse_file_unref(job->file);
    if (job->release != NULL) job->release(job->release_arg);
}

static bool io_job_describe(struct rs_fs_job *base)
{
    const struct io_job *job = ROUSE_CONTAINER_OF(base, struct io_job, job);
    const struct rs_file_transfer *transfer = &job->transfer;

    if (job->file->is_stream) return false;
    // A ring hands a write to the page cache to a thread of the kernel, which sleeps in between; a
    // thread of the pool may be looking around for work.
    if (transfer->is_write && !job->file->is_direct) return false;
    base->op = (struct rs_op){.code = transfer->is_write ? IORING_OP_WRITEV : IORING_OP_READV,
                              .fd = job->file->source.fd,
                              .offset = (uint64_t)transfer->offset,
                              .address = transfer->iov,
                              .length = (uint32_t)transfer->count,
                              .may_fix = job->release != NULL};
    if (transfer->count != 1) return true;
    // It need not fetch the vector then.
    base->op.code = transfer->is_write ? IORING_OP_WRITE : IORING_OP_READ;
    base->op.address = transfer->iov->iov_base;
    base->op.length = (uint32_t)transfer->iov->iov_len;
    return true;
}

static const struct rs_fs_job_ops io_job_ops = {
    .run = io_job_run, .release = io_job_release, .describe = io_job_describe};

// ---- What one call moves ----

static bool is_write(const struct rouse_file_io *io)
{
    return (io->step & IO_IS_WRITE) != 0;
}

// The part of the caller's buffers that one call moves, at most ROUSE_FILE_IO_MAX: a clipped first
// buffer, in `clipped`, or as many whole ones as fit.
static struct rs_file_transfer transfer_of(const struct rouse_file_io *io, struct iovec *clipped)
{
    struct rs_file_transfer transfer = {.iov = io->iov != NULL ? io->iov : &io->single,
                                        .count = io->count,
                                        .is_write = is_write(io),
                                        .offset = io->offset};
    size_t size = 0;

    for (int i = 0; i < io->count; i++) {
        if (transfer.iov[i].iov_len <= ROUSE_FILE_IO_MAX - size) {
            size += transfer.iov[i].iov_len;
            continue;
        }
        transfer.count = i;
        if (size > 0) break;
        *clipped = (struct iovec){transfer.iov[i].iov_base, ROUSE_FILE_IO_MAX};
        transfer.iov = clipped;
        transfer.count = 1;
        break;
    }
    return transfer;
}

static size_t transfer_size(const struct rs_file_transfer *transfer)
{
    size_t size = 0;

    for (int i = 0; i < transfer->count; i++) size += transfer->iov[i].iov_len;
    return size;
}

// ---- Work ----

// Points the record at memory of its own, which a write fills now.
static void own_memory(struct io_job *job, const struct rs_file_transfer *from, size_t align)
{
    uintptr_t bytes = ((uintptr_t)job->lent + align - 1) & ~(uintptr_t)(align - 1);
    char *to = (char *)bytes;

    job->single = (struct iovec){(void *)bytes, transfer_size(from)};
    job->transfer.iov = &job->single;
    job->transfer.count = 1;
    for (int i = 0; from->is_write && i < from->count; i++) {
        if (from->iov[i].iov_len > 0) memcpy(to, from->iov[i].iov_base, from->iov[i].iov_len);
        to += from->iov[i].iov_len;
    }
}

static int io_begin_work(struct rouse_file_io *io)
{
    struct iovec clipped;
    struct rs_file_transfer transfer = transfer_of(io, &clipped);
    size_t align = io->file->is_direct ? RS_FILE_DIRECT_ALIGN : 1;
    size_t extra = io->release != NULL ? (size_t)transfer.count * sizeof(struct iovec)
                                       : transfer_size(&transfer) + align - 1;
    struct io_job *job = rs_fs_job_new(&io_job_ops, sizeof *job, extra);

    if (job == NULL) return -ENOMEM;
    job->file = rouse_file_ref(io->file);
    job->transfer = transfer;
    if (io->release == NULL) {
        own_memory(job, &transfer, align);
    } else {
        memcpy(job->lent, transfer.iov, extra);
        job->transfer.iov = job->lent;
        job->release = io->release;
        job->release_arg = io->release_arg;
        io->release = NULL;
    }
    rs_fs_work_begin(&io->work, &job->job);
    return 0;
}

// The kernel does not say what it is that it does not like.
static void explain_direct(const struct rouse_file_io *io)
{
    struct iovec clipped;
    struct rs_file_transfer transfer = transfer_of(io, &clipped);

    rs_log(ROUSE_LOG_WARN,
           "files: direct I/O of %zu bytes at %lld of fd %d was refused: both have to be multiples "
           "of the disk's block, often 512 or 4096",
           transfer_size(&transfer), (long long)transfer.offset, io->file->source.fd);
}

// What the work has brought: a read's bytes go to the caller, unless they are there already.
static ssize_t io_take_result(struct rouse_file_io *io)
{
    const struct io_job *job = io->work.job;
    const struct iovec *iov = io->iov != NULL ? io->iov : &io->single;
    ssize_t result = (ssize_t)io->work.result;

    if (result > 0 && !is_write(io) && job->transfer.iov == &job->single) {
        const char *from = job->single.iov_base;
        size_t rest = (size_t)result;

        rs_has_been_written(from, rest);
        for (int i = 0; rest > 0; i++) {
            size_t size = iov[i].iov_len < rest ? iov[i].iov_len : rest;

            if (size > 0) memcpy(iov[i].iov_base, from, size);
            from += size;
            rest -= size;
        }
    }
    rs_fs_work_end(&io->work);
    if (result == -EINVAL && io->file->is_direct) explain_direct(io);
    return result;
}

// ---- Streams ----

static ssize_t stream_try(int fd, void *arg)
{
    struct rouse_file_io *io = arg;
    struct iovec clipped;
    struct rs_file_transfer transfer = transfer_of(io, &clipped);

    (void)fd;
    return rs_file_try(io->file, &transfer);
}

static ssize_t stream_is_ready(int fd, void *arg)
{
    struct pollfd entry = {.fd = fd, .events = is_write(arg) ? POLLOUT : POLLIN | POLLRDHUP};
    const struct timespec at_once = {0};
    int count = rs_sys.ppoll(&entry, 1, &at_once);

    return count == 0 ? -EAGAIN : count;
}

// True if the call fails at once in any case; the stream might never be ready for it.
static bool is_in_vain(const struct rouse_file_io *io)
{
    return io->offset != ROUSE_FILE_POSITION ||
           io->file->access == (is_write(io) ? O_RDONLY : O_WRONLY);
}

// READY: `*result`, or -EOPNOTSUPP: a call that may block is due, and need not wait long.
static rouse_poll stream_poll(struct rouse_file_io *io, struct rouse_context *cx, ssize_t *result)
{
    struct rs_source *source = &io->file->source;
    enum rs_direction_name direction = is_write(io) ? RS_WRITE : RS_READ;
    enum rs_file_trait refusal = is_write(io) ? RS_FILE_NO_TRY_WRITE : RS_FILE_NO_TRY_READ;

    if (!rs_file_has(io->file, refusal)) {
        if (rs_source_poll(source, direction, &io->wait, cx, stream_try, io, 0, result) ==
            ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
        if (*result != -EOPNOTSUPP) return ROUSE_READY;
    }
    if (is_in_vain(io)) return *result = -EOPNOTSUPP, ROUSE_READY;
    if (rs_source_poll(source, direction, &io->wait, cx, stream_is_ready, io, 0, result) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    // A device that cannot be watched is as ready as it will ever be.
    if (*result >= 0 || *result == -EPERM) *result = -EOPNOTSUPP;
    return ROUSE_READY;
}

// ---- The future ----

static void io_release(struct rouse_file_io *io)
{
    void (*release)(void *arg) = io->release;

    io->release = NULL;
    if (release != NULL) release(io->release_arg);
}

static rouse_poll io_end(struct rouse_file_io *io, ssize_t result)
{
    io->output = result;
    io_release(io);
    return ROUSE_READY;
}

// READY: `*result`, or -EOPNOTSUPP: there has to be work.
static rouse_poll io_try(struct rouse_file_io *io, struct rouse_context *cx, ssize_t *result)
{
    struct iovec clipped;

    if (io->file->is_stream) return stream_poll(io, cx, result);
    if (!rouse_context_spend(cx)) return ROUSE_PENDING;
    struct rs_file_transfer transfer = transfer_of(io, &clipped);

    *result = rs_file_try(io->file, &transfer);
    if (*result == -EAGAIN) *result = -EOPNOTSUPP;
    return ROUSE_READY;
}

static rouse_poll io_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_file_io *io = ROUSE_CONTAINER_OF(self, struct rouse_file_io, base);
    ssize_t result;

    if (io->count < 0) return io_end(io, -EINVAL);
    do {
        if (!rs_fs_work_is_begun(&io->work)) {
            if (io_try(io, cx, &result) == ROUSE_PENDING) return ROUSE_PENDING;
            if (result == -EOPNOTSUPP) result = io_begin_work(io);
            if (!rs_fs_work_is_begun(&io->work)) return io_end(io, result);
        }
        if (rs_fs_work_poll(&io->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        result = io_take_result(io);
    } while (result == TRY_AGAIN);
    return io_end(io, result);
}

static void io_drop(struct rouse_future *self)
{
    struct rouse_file_io *io = ROUSE_CONTAINER_OF(self, struct rouse_file_io, base);

    rs_source_unwait(&io->wait);
    rs_fs_work_end(&io->work);
    io_release(io);
}

static int io_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_file_io *io = (const struct rouse_file_io *)self;

    return snprintf(buf, size, "%s file fd %d", is_write(io) ? "write to" : "read of",
                    io->file->source.fd);
}

static int64_t io_result(const struct rouse_future *self)
{
    return ((const struct rouse_file_io *)self)->output;
}

static rouse_cancel_kind io_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_file_io *io = (const struct rouse_file_io *)self;
    bool is_total = !is_write(io) && io->offset != ROUSE_FILE_POSITION && io->release == NULL;

    return is_total ? ROUSE_CANCEL_TOTAL : ROUSE_CANCEL_TERMINAL;
}

static const struct rouse_future_vtable io_ended = {.name = "file_io", .result = io_result};
static const struct rouse_future_vtable io_vtable = {
    .poll = io_poll,
    .drop = io_drop,
    .name = "file_io",
    .describe = io_describe,
    .ended = &io_ended,
    .cancel_kind = io_cancel_kind};

static void io_init(struct rouse_file_io *io, struct rouse_file *file, const struct iovec *iov,
                    int count, int64_t offset, uint32_t step)
{
    rouse_assert(
        offset >= ROUSE_FILE_POSITION,
        "an offset counts from the start of the file; ROUSE_FILE_POSITION is its position");
    *io = (struct rouse_file_io){.base.vtable = &io_vtable,
                                 .file = file,
                                 .iov = iov,
                                 .count = count < 0 || count > IOV_MAX ? -1 : count,
                                 .offset = offset,
                                 .step = step};
}

static void io_init_single(struct rouse_file_io *io, struct rouse_file *file, const void *buf,
                           size_t size, int64_t offset, uint32_t step)
{
    io_init(io, file, NULL, 1, offset, step);
    io->single = (struct iovec){(void *)buf, size};
}

void rouse_file_read_init(struct rouse_file_io *read, struct rouse_file *file, void *buf,
                          size_t size, int64_t offset)
{
    io_init_single(read, file, buf, size, offset, 0);
}

void rouse_file_readv_init(struct rouse_file_io *read, struct rouse_file *file,
                           const struct iovec *iov, int count, int64_t offset)
{
    io_init(read, file, iov, count, offset, 0);
}

void rouse_file_write_init(struct rouse_file_io *write, struct rouse_file *file, const void *buf,
                           size_t size, int64_t offset)
{
    io_init_single(write, file, buf, size, offset, IO_IS_WRITE);
}

void rouse_file_writev_init(struct rouse_file_io *write, struct rouse_file *file,
                            const struct iovec *iov, int count, int64_t offset)
{
    io_init(write, file, iov, count, offset, IO_IS_WRITE);
}

void rouse_file_io_lend(struct rouse_file_io *io, void (*release)(void *arg), void *arg)
{
    io->release = release;
    io->release_arg = arg;
}

// ---- Direct forms ----

// Direct I/O by way of a record, whose memory is aligned, on a thread of the program's own.
static ssize_t io_block_directly(struct rouse_file_io *io)
{
    int err = io_begin_work(io);

    if (err < 0) return err;
    io->work.result = io_job_run(io->work.job);
    return io_take_result(io);
}

// On a thread of the program's own.
static ssize_t io_block(struct rouse_file_io *io)
{
    struct iovec clipped;
    struct rs_file_transfer transfer = transfer_of(io, &clipped);
    ssize_t result;

    if (io->file->is_direct) return io_block_directly(io);
    while ((result = rs_file_block(io->file, &transfer)) == -EAGAIN) {
        struct pollfd entry = {.fd = io->file->source.fd,
                               .events = is_write(io) ? POLLOUT : POLLIN};

        (void)rs_sys.ppoll(&entry, 1, NULL);
    }
    return result;
}

static ssize_t io_direct(struct rouse_file_io *io)
{
    struct iovec clipped;

    if (io->count < 0) return -EINVAL;
    if (rs_file_may_block()) return io_block(io);
    if (!io->file->is_stream && rs_direct_may_try()) {
        struct rs_file_transfer transfer = transfer_of(io, &clipped);
        ssize_t result = rs_file_try(io->file, &transfer);

        if (result != -EAGAIN && result != -EOPNOTSUPP) return rs_direct_tried(), result;
    }
    int err = rouse_await(&io->base);

    return err < 0 ? err : io->output;
}

ssize_t rouse_file_read(struct rouse_file *file, void *buf, size_t size, int64_t offset)
{
    struct rouse_file_io io;

    rouse_file_read_init(&io, file, buf, size, offset);
    return io_direct(&io);
}

ssize_t rouse_file_readv(struct rouse_file *file, const struct iovec *iov, int count,
                         int64_t offset)
{
    struct rouse_file_io io;

    rouse_file_readv_init(&io, file, iov, count, offset);
    return io_direct(&io);
}

ssize_t rouse_file_write(struct rouse_file *file, const void *buf, size_t size, int64_t offset)
{
    struct rouse_file_io io;

    rouse_file_write_init(&io, file, buf, size, offset);
    return io_direct(&io);
}

ssize_t rouse_file_writev(struct rouse_file *file, const struct iovec *iov, int count,
                          int64_t offset)
{
    struct rouse_file_io io;

    rouse_file_writev_init(&io, file, iov, count, offset);
    return io_direct(&io);
}
