// SPDX-License-Identifier: MIT
//
// Opening a file: from the cache of names at once, else by the pool. Any thread.
//
// The descriptor is the record's until the poll that sees the end takes it out; so an open whose
// future was dropped meanwhile closes what it has opened.

#include <errno.h>
#include <fcntl.h>
#include <rouse/await.h>
#include <stdio.h>

#include "base/sys.h"
#include "fiber/direct.h"
#include "fs/cached.h"
#include "fs/path_job.h"

static int64_t open_run(struct rs_fs_job *job)
{
    return rs_path_job_open(rs_path_job_of(job));
}

static const struct rs_fs_job_ops open_ops = {.run = open_run, .release = rs_path_job_release};

// Makes a file of `fd`, or closes it.
static int file_of(struct rouse_file **out, int fd, const struct stat *about, int flags)
{
    int err = rs_file_new(out, fd, about, flags);

    if (err < 0) (void)rs_sys.close(fd);
    return err;
}

static int open_cached(struct rouse_file **out, const char *path,
                       const struct rouse_file_open_options *options)
{
    struct stat about;
    int fd = rs_cached_open(rs_file_directory(options->directory), path, options->flags, &about);

    if (fd < 0) return fd;
    int err = file_of(out, fd, &about, options->flags);

    if (err == 0) rs_file_learn(*out, RS_FILE_AT_HAND);
    return err;
}

static int open_begin_work(struct rouse_file_open *open)
{
    const struct rouse_file_open_options *options = &open->options;
    struct rs_path_job *job = rs_path_job_new(&open_ops, options->directory, open->path, NULL);

    if (job == NULL) return -ENOMEM;
    job->flags = options->flags;
    job->mode = options->mode;
    rs_fs_work_begin(&open->work, &job->job);
    return 0;
}

static int open_take_result(struct rouse_file_open *open)
{
    struct rs_path_job *job = open->work.job;
    int err = (int)open->work.result;

    if (err == 0) {
        err = file_of(&open->file, job->fd, &job->about, job->flags);
        job->fd = -1;
    }
    rs_fs_work_end(&open->work);
    return err;
}

static rouse_poll open_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_file_open *open = ROUSE_CONTAINER_OF(self, struct rouse_file_open, base);

    if (!rs_fs_work_is_begun(&open->work)) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        open->output = open_cached(&open->file, open->path, &open->options);
        if (open->output == -EAGAIN) open->output = open_begin_work(open);
        if (!rs_fs_work_is_begun(&open->work)) return ROUSE_READY;
    }
    if (rs_fs_work_poll(&open->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    open->output = open_take_result(open);
    return ROUSE_READY;
}

static void open_drop(struct rouse_future *self)
{
    rs_fs_work_end(&ROUSE_CONTAINER_OF(self, struct rouse_file_open, base)->work);
}

static void open_drop_output(struct rouse_future *self)
{
    rouse_file_unref(rouse_file_open_take(ROUSE_CONTAINER_OF(self, struct rouse_file_open, base)));
}

static int open_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return snprintf(buf, size, "open of %s", ((const struct rouse_file_open *)self)->path);
}

static int64_t open_result(const struct rouse_future *self)
{
    return ((const struct rouse_file_open *)self)->output;
}

static const struct rouse_future_vtable open_ended = {
    .drop = open_drop_output, .name = "file_open", .result = open_result};
static const struct rouse_future_vtable open_vtable = {
    .poll = open_poll,
    .drop = open_drop,
    .name = "file_open",
    .describe = open_describe,
    .ended = &open_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_file_open_init(struct rouse_file_open *open, const char *path,
                          const struct rouse_file_open_options *options)
{
    *open = (struct rouse_file_open){.base.vtable = &open_vtable, .path = path};
    if (options != NULL) open->options = *options;
}

struct rouse_file *rouse_file_open_take(struct rouse_file_open *open)
{
    struct rouse_file *file = open->file;

    open->file = NULL;
    return file;
}

// On a thread of the program's own.
static int open_block(struct rouse_file **out, const struct rouse_file_open *open)
{
    struct rs_path_job job = {.directory = open->options.directory,
                              .path = open->path,
                              .flags = open->options.flags,
                              .mode = open->options.mode};
    int err = rs_path_job_open(&job);

    return err < 0 ? err : file_of(out, job.fd, &job.about, job.flags);
}

int rouse_file_open(struct rouse_file **out, const char *path,
                    const struct rouse_file_open_options *options)
{
    struct rouse_file_open open;

    rouse_file_open_init(&open, path, options);
    if (rs_file_may_block()) return open_block(out, &open);
    if (rs_direct_may_try()) {
        int err = open_cached(out, path, &open.options);

        if (err != -EAGAIN) return rs_direct_tried(), err;
    }
    int err = rouse_await(&open.base);

    if (err < 0) return err;
    if (open.output == 0) *out = rouse_file_open_take(&open);
    return open.output;
}
