// SPDX-License-Identifier: MIT
//
// Reading a whole file by its name: from the kernel's caches at once, else the pool opens, reads
// and closes in one go, which costs one trip there instead of four. Any thread.

#include <errno.h>
#include <fcntl.h>
#include <rouse/await.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fiber/direct.h"
#include "fs/cached.h"
#include "fs/contents.h"
#include "fs/path_job.h"

// What is copied on the caller's thread at most.
enum { AT_ONCE_MAX = ROUSE_FILE_IO_MAX };

static int64_t read_run(struct rs_fs_job *base)
{
    struct rs_path_job *job = rs_path_job_of(base);
    int err = rs_path_job_open(job);

    if (err < 0) return err;
    if (S_ISDIR(job->about.st_mode)) return -EISDIR;
    if (!S_ISREG(job->about.st_mode)) return -EINVAL;
    return rs_contents_read(&job->data, &job->job.allocator, job->fd, (size_t)job->about.st_size,
                            job->size_max, 0);
}

static void read_release(struct rs_fs_job *base)
{
    rouse_file_data_free(rs_path_job_of(base)->data);
    rs_path_job_release(base);
}

static const struct rs_fs_job_ops read_ops = {.run = read_run, .release = read_release};

// -EAGAIN or -EOPNOTSUPP: not all of it is at hand.
static int read_cached(struct rouse_file_data **out, int fd, size_t size, size_t size_max)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    int err = rs_contents_read(out, allocator, fd, size, size_max, RWF_NOWAIT);

    if (err != -EOPNOTSUPP || !rs_file_is_in_memory(fd)) return err;
    return rs_contents_read(out, allocator, fd, size, size_max, 0);
}

// -EAGAIN: it cannot be had without waiting.
static int read_try(struct rouse_file_data **out, const char *path, size_t size_max)
{
    struct stat about;
    int fd = rs_cached_open(AT_FDCWD, path, O_RDONLY, &about);
    int err = -EAGAIN;

    if (fd < 0) return fd;
    if (S_ISREG(about.st_mode) && about.st_size <= AT_ONCE_MAX) {
        err = read_cached(out, fd, (size_t)about.st_size,
                          size_max < AT_ONCE_MAX ? size_max : AT_ONCE_MAX);
    }
    (void)rs_sys.close(fd);
    return err == 0 || err == -ENOMEM ? err : -EAGAIN;
}

static int read_begin_work(struct rouse_path_read *read)
{
    struct rs_path_job *job = rs_path_job_new(&read_ops, NULL, read->path, NULL);

    if (job == NULL) return -ENOMEM;
    job->flags = O_RDONLY | O_NONBLOCK;
    job->size_max = read->size_max;
    rs_fs_work_begin(&read->work, &job->job);
    return 0;
}

static rouse_poll read_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_path_read *read = ROUSE_CONTAINER_OF(self, struct rouse_path_read, base);

    if (!rs_fs_work_is_begun(&read->work)) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        read->output = read_try(&read->data, read->path, read->size_max);
        if (read->output == -EAGAIN) read->output = read_begin_work(read);
        if (!rs_fs_work_is_begun(&read->work)) return ROUSE_READY;
    }
    if (rs_fs_work_poll(&read->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    struct rs_path_job *job = read->work.job;

    read->output = (int)read->work.result;
    if (read->output == 0) {
        read->data = job->data;
        job->data = NULL;
    }
    rs_fs_work_end(&read->work);
    return ROUSE_READY;
}

static void read_drop(struct rouse_future *self)
{
    rs_fs_work_end(&ROUSE_CONTAINER_OF(self, struct rouse_path_read, base)->work);
}

static void read_drop_output(struct rouse_future *self)
{
    rouse_file_data_free(
        rouse_path_read_take(ROUSE_CONTAINER_OF(self, struct rouse_path_read, base)));
}

static int read_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return snprintf(buf, size, "read of %s", ((const struct rouse_path_read *)self)->path);
}

static int64_t read_result(const struct rouse_future *self)
{
    return ((const struct rouse_path_read *)self)->output;
}

static const struct rouse_future_vtable read_ended = {
    .drop = read_drop_output, .name = "path_read", .result = read_result};
static const struct rouse_future_vtable read_vtable = {
    .poll = read_poll,
    .drop = read_drop,
    .name = "path_read",
    .describe = read_describe,
    .ended = &read_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_path_read_init(struct rouse_path_read *read, const char *path, size_t size_max)
{
    *read =
        (struct rouse_path_read){.base.vtable = &read_vtable, .path = path, .size_max = size_max};
}

struct rouse_file_data *rouse_path_read_take(struct rouse_path_read *read)
{
    struct rouse_file_data *data = read->data;

    read->data = NULL;
    return data;
}

// On a thread of the program's own.
static int read_block(const char *path, size_t size_max, struct rouse_file_data **out)
{
    struct rs_path_job job = {.job.allocator = *rs_allocator_current(),
                              .path = path,
                              .flags = O_RDONLY | O_NONBLOCK};

    job.fd = -1;
    job.size_max = size_max;
    int err = (int)read_run(&job.job);

    if (err == 0) *out = job.data;
    job.data = NULL;
    read_release(&job.job);
    return err;
}

int rouse_path_read(const char *path, size_t size_max, struct rouse_file_data **out)
{
    struct rouse_path_read read;

    if (rs_file_may_block()) return read_block(path, size_max, out);
    if (rs_direct_may_try()) {
        int err = read_try(out, path, size_max);

        if (err != -EAGAIN) return rs_direct_tried(), err;
    }
    rouse_path_read_init(&read, path, size_max);
    int err = rouse_await(&read.base);

    if (err < 0) return err;
    if (read.output == 0) *out = rouse_path_read_take(&read);
    return read.output;
}
