// SPDX-License-Identifier: MIT
//
// What is done to names. Any thread; the pool does it, but for a stat that the kernel's cache can
// answer.

#include <errno.h>
#include <fcntl.h>
#include <rouse/await.h>
#include <rouse/path.h>
#include <stdio.h>

#include "base/sys.h"
#include "fiber/direct.h"
#include "fs/cached.h"
#include "fs/copy.h"
#include "fs/path_job.h"

enum path_kind {
    PATH_STAT,
    PATH_LSTAT,
    PATH_RENAME,
    PATH_UNLINK,
    PATH_MKDIR,
    PATH_RMDIR,
    PATH_COPY
};

// ---- What the pool does ----

static int64_t stat_run(struct rs_fs_job *base)
{
    struct rs_path_job *job = rs_path_job_of(base);

    return rs_sys.fstatat(AT_FDCWD, job->path, &job->about, job->flags);
}

static int64_t rename_run(struct rs_fs_job *base)
{
    const struct rs_path_job *job = rs_path_job_of(base);

    return rs_sys.renameat(AT_FDCWD, job->path, AT_FDCWD, job->to);
}

static int64_t unlink_run(struct rs_fs_job *base)
{
    const struct rs_path_job *job = rs_path_job_of(base);

    return rs_sys.unlinkat(AT_FDCWD, job->path, job->flags);
}

static int64_t mkdir_run(struct rs_fs_job *base)
{
    const struct rs_path_job *job = rs_path_job_of(base);

    return rs_sys.mkdirat(AT_FDCWD, job->path, job->mode);
}

// Opens what is to be written, and cuts it, unless it is the file that is read. The descriptor.
static int copy_open_target(const struct rs_path_job *from)
{
    struct rs_path_job to = {.path = from->to,
                             .flags = O_WRONLY | O_CREAT,
                             .mode = from->about.st_mode & 0777};
    int err = rs_path_job_open(&to);

    if (err < 0) return err;
    bool is_same = to.about.st_dev == from->about.st_dev && to.about.st_ino == from->about.st_ino;

    do {
        err = is_same ? -EINVAL : rs_sys.ftruncate(to.fd, 0);
    } while (err == -EINTR);
    if (err == 0) return to.fd;
    (void)rs_sys.close(to.fd);
    return err;
}

static int64_t copy_run(struct rs_fs_job *base)
{
    struct rs_path_job *job = rs_path_job_of(base);

    // A pipe is not waited for, but told from a file.
    job->flags = O_RDONLY | O_NONBLOCK;
    int err = rs_path_job_open(job);

    if (err < 0) return err;
    if (!S_ISREG(job->about.st_mode)) return S_ISDIR(job->about.st_mode) ? -EISDIR : -EINVAL;
    int to_fd = copy_open_target(job);

    if (to_fd < 0) return to_fd;
    int64_t copied = rs_copy_bytes(job->fd, to_fd, &job->stop);

    // Where a file lies on a server, the close may be what fails.
    err = rs_sys.close(to_fd);
    return copied < 0 || err == 0 || err == -EINTR ? copied : err;
}

static const struct rs_fs_job_ops path_ops[] = {
    [PATH_STAT] = {.run = stat_run, .release = rs_path_job_release},
    [PATH_LSTAT] = {.run = stat_run, .release = rs_path_job_release},
    [PATH_RENAME] = {.run = rename_run, .release = rs_path_job_release},
    [PATH_UNLINK] = {.run = unlink_run, .release = rs_path_job_release},
    [PATH_MKDIR] = {.run = mkdir_run, .release = rs_path_job_release},
    [PATH_RMDIR] = {.run = unlink_run, .release = rs_path_job_release},
    [PATH_COPY] = {.run = copy_run, .release = rs_path_job_release},
};

// ---- The future ----

static void path_fill(struct rs_path_job *job, const struct rouse_path_call *call)
{
    job->mode = call->mode;
    if (call->kind == PATH_LSTAT) job->flags = AT_SYMLINK_NOFOLLOW;
    if (call->kind == PATH_RMDIR) job->flags = AT_REMOVEDIR;
}

// What can be told without waiting; -EAGAIN: nothing.
static int path_try(const struct rouse_path_call *call)
{
    if (call->kind != PATH_STAT && call->kind != PATH_LSTAT) return -EAGAIN;
    return rs_cached_stat(AT_FDCWD, call->path, call->kind == PATH_LSTAT ? O_NOFOLLOW : 0,
                          call->stat);
}

static int path_begin_work(struct rouse_path_call *call)
{
    struct rs_path_job *job = rs_path_job_new(&path_ops[call->kind], NULL, call->path, call->to);

    if (job == NULL) return -ENOMEM;
    path_fill(job, call);
    rs_fs_work_begin(&call->work, &job->job);
    return 0;
}

static rouse_poll path_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_path_call *call = ROUSE_CONTAINER_OF(self, struct rouse_path_call, base);

    if (!rs_fs_work_is_begun(&call->work)) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        call->output = path_try(call);
        if (call->output == -EAGAIN) call->output = path_begin_work(call);
        if (!rs_fs_work_is_begun(&call->work)) return ROUSE_READY;
    }
    if (rs_fs_work_poll(&call->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    const struct rs_path_job *job = call->work.job;

    call->output = call->work.result;
    if (call->stat != NULL && call->output == 0) *call->stat = job->about;
    rs_fs_work_end(&call->work);
    return ROUSE_READY;
}

static void path_drop(struct rouse_future *self)
{
    struct rouse_path_call *call = ROUSE_CONTAINER_OF(self, struct rouse_path_call, base);
    struct rs_path_job *job = call->work.job;

    // Relaxed: it only spares work.
    if (job != NULL) atomic_store_explicit(&job->stop, true, memory_order_relaxed);
    rs_fs_work_end(&call->work);
}

static int path_describe(const struct rouse_future *self, char *buf, size_t size)
{
    static const char *const names[] = {"stat",  "lstat", "rename", "unlink",
                                        "mkdir", "rmdir", "copy"};
    const struct rouse_path_call *call = (const struct rouse_path_call *)self;

    return snprintf(buf, size, "%s of %s", names[call->kind], call->path);
}

static int64_t path_result(const struct rouse_future *self)
{
    return ((const struct rouse_path_call *)self)->output;
}

static rouse_cancel_kind path_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_path_call *call = (const struct rouse_path_call *)self;

    return call->stat != NULL ? ROUSE_CANCEL_TOTAL : ROUSE_CANCEL_TERMINAL;
}

static const struct rouse_future_vtable path_ended = {.name = "path_call", .result = path_result};
static const struct rouse_future_vtable path_vtable = {
    .poll = path_poll,
    .drop = path_drop,
    .name = "path_call",
    .describe = path_describe,
    .ended = &path_ended,
    .cancel_kind = path_cancel_kind};

static void path_init(struct rouse_path_call *call, enum path_kind kind, const char *path)
{
    *call = (struct rouse_path_call){.base.vtable = &path_vtable, .path = path, .kind = kind};
}

void rouse_path_stat_init(struct rouse_path_call *call, const char *path, struct stat *out)
{
    path_init(call, PATH_STAT, path);
    call->stat = out;
}

void rouse_path_lstat_init(struct rouse_path_call *call, const char *path, struct stat *out)
{
    path_init(call, PATH_LSTAT, path);
    call->stat = out;
}

void rouse_path_rename_init(struct rouse_path_call *call, const char *path, const char *to)
{
    path_init(call, PATH_RENAME, path);
    call->to = to;
}

void rouse_path_unlink_init(struct rouse_path_call *call, const char *path)
{
    path_init(call, PATH_UNLINK, path);
}

void rouse_path_mkdir_init(struct rouse_path_call *call, const char *path, unsigned mode)
{
    path_init(call, PATH_MKDIR, path);
    call->mode = mode;
}

void rouse_path_rmdir_init(struct rouse_path_call *call, const char *path)
{
    path_init(call, PATH_RMDIR, path);
}

void rouse_path_copy_init(struct rouse_path_call *call, const char *path, const char *to)
{
    path_init(call, PATH_COPY, path);
    call->to = to;
}

// ---- Direct forms ----

// On a thread of the program's own.
static int64_t path_block(const struct rouse_path_call *call)
{
    struct rs_path_job job = {.job.ops = &path_ops[call->kind], .path = call->path, .to = call->to};

    job.fd = -1;
    path_fill(&job, call);
    int64_t result = job.job.ops->run(&job.job);

    if (call->stat != NULL && result == 0) *call->stat = job.about;
    job.job.ops->release(&job.job);
    return result;
}

static int64_t path_direct(struct rouse_path_call *call)
{
    if (rs_file_may_block()) return path_block(call);
    if (call->stat != NULL && rs_direct_may_try()) {
        int err = path_try(call);

        if (err != -EAGAIN) return rs_direct_tried(), err;
    }
    int err = rouse_await(&call->base);

    return err < 0 ? err : call->output;
}

int rouse_path_stat(const char *path, struct stat *out)
{
    struct rouse_path_call call;

    rouse_path_stat_init(&call, path, out);
    return (int)path_direct(&call);
}

int rouse_path_lstat(const char *path, struct stat *out)
{
    struct rouse_path_call call;

    rouse_path_lstat_init(&call, path, out);
    return (int)path_direct(&call);
}

int rouse_path_rename(const char *path, const char *to)
{
    struct rouse_path_call call;

    rouse_path_rename_init(&call, path, to);
    return (int)path_direct(&call);
}

int rouse_path_unlink(const char *path)
{
    struct rouse_path_call call;

    rouse_path_unlink_init(&call, path);
    return (int)path_direct(&call);
}

int rouse_path_mkdir(const char *path, unsigned mode)
{
    struct rouse_path_call call;

    rouse_path_mkdir_init(&call, path, mode);
    return (int)path_direct(&call);
}

int rouse_path_rmdir(const char *path)
{
    struct rouse_path_call call;

    rouse_path_rmdir_init(&call, path);
    return (int)path_direct(&call);
}

int64_t rouse_path_copy(const char *path, const char *to)
{
    struct rouse_path_call call;

    rouse_path_copy_init(&call, path, to);
    return path_direct(&call);
}
