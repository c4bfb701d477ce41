// SPDX-License-Identifier: MIT
//
// What is done to an open file besides reading and writing. Any thread; the pool does it.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <stdio.h>

#include "base/sys.h"
#include "fiber/direct.h"
#include "fs/file.h"
#include "fs/job.h"

enum call_kind { CALL_SYNC, CALL_DATASYNC, CALL_TRUNCATE, CALL_ALLOCATE, CALL_STAT };

struct call_job {
    struct rs_fs_job job;
    struct rouse_file *file;  // a share
    enum call_kind kind;
    int64_t offset;
    int64_t size;
    struct stat about;
};

// ---- The record ----

static int call_once(struct call_job *job)
{
    int fd = job->file->source.fd;

    switch (job->kind) {
    case CALL_SYNC:
        return rs_sys.fsync(fd);
    case CALL_DATASYNC:
        return rs_sys.fdatasync(fd);
    case CALL_TRUNCATE:
        return rs_sys.ftruncate(fd, job->size);
    case CALL_ALLOCATE:
        return rs_sys.fallocate(fd, 0, job->offset, job->size);
    case CALL_STAT:
        return rs_sys.fstat(fd, &job->about);
    }
    return -EINVAL;
}

static int64_t call_run(struct rs_fs_job *base)
{
    struct call_job *job = ROUSE_CONTAINER_OF(base, struct call_job, job);
    int err;

    do {
        err = call_once(job);
    } while (err == -EINTR);
    return err;
}

static void call_release(struct rs_fs_job *base)
{
    rouse_file_unref(ROUSE_CONTAINER_OF(base, struct call_job, job)->file);
}

static bool call_describe_op(struct rs_fs_job *base)
{
    const struct call_job *job = ROUSE_CONTAINER_OF(base, struct call_job, job);

    if (job->kind != CALL_SYNC && job->kind != CALL_DATASYNC) return false;
    base->op = (struct rs_op){.code = IORING_OP_FSYNC,
                              .fd = job->file->source.fd,
                              .flags = job->kind == CALL_DATASYNC ? IORING_FSYNC_DATASYNC : 0};
    return true;
}

static const struct rs_fs_job_ops call_ops = {
    .run = call_run, .release = call_release, .describe = call_describe_op};

static void call_fill(struct call_job *job, const struct rouse_file_call *call)
{
    job->file = call->file;
    job->kind = (enum call_kind)call->kind;
    job->offset = call->offset;
    job->size = call->size;
}

// ---- The future ----

// True for a stat that needs no disk and no server.
static bool call_is_at_hand(const struct rouse_file_call *call)
{
    return call->kind == CALL_STAT &&
           (rs_file_has(call->file, RS_FILE_AT_HAND) || rs_file_has(call->file, RS_FILE_IN_MEMORY));
}

static int call_begin_work(struct rouse_file_call *call)
{
    struct call_job *job = rs_fs_job_new(&call_ops, sizeof *job, 0);

    if (job == NULL) return -ENOMEM;
    call_fill(job, call);
    rouse_file_ref(job->file);
    rs_fs_work_begin(&call->work, &job->job);
    return 0;
}

static rouse_poll call_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_file_call *call = ROUSE_CONTAINER_OF(self, struct rouse_file_call, base);

    if (!rs_fs_work_is_begun(&call->work)) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        call->output = call_is_at_hand(call) ? rs_sys.fstat(call->file->source.fd, call->stat)
                                             : call_begin_work(call);
        if (!rs_fs_work_is_begun(&call->work)) return ROUSE_READY;
    }
    if (rs_fs_work_poll(&call->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    const struct call_job *job = call->work.job;

    call->output = (int)call->work.result;
    if (call->kind == CALL_STAT && call->output == 0) *call->stat = job->about;
    rs_fs_work_end(&call->work);
    return ROUSE_READY;
}

static void call_drop(struct rouse_future *self)
{
    rs_fs_work_end(&ROUSE_CONTAINER_OF(self, struct rouse_file_call, base)->work);
}

static int call_describe(const struct rouse_future *self, char *buf, size_t size)
{
    static const char *const names[] = {"sync", "datasync", "truncate", "allocate", "stat"};
    const struct rouse_file_call *call = (const struct rouse_file_call *)self;

    return snprintf(buf, size, "%s of file fd %d", names[call->kind], call->file->source.fd);
}

static int64_t call_result(const struct rouse_future *self)
{
    return ((const struct rouse_file_call *)self)->output;
}

static rouse_cancel_kind call_cancel_kind(const struct rouse_future *self)
{
    const struct rouse_file_call *call = (const struct rouse_file_call *)self;

    return call->kind == CALL_STAT ? ROUSE_CANCEL_TOTAL : ROUSE_CANCEL_TERMINAL;
}

static const struct rouse_future_vtable call_ended = {.name = "file_call", .result = call_result};
static const struct rouse_future_vtable call_vtable = {
    .poll = call_poll,
    .drop = call_drop,
    .name = "file_call",
    .describe = call_describe,
    .ended = &call_ended,
    .cancel_kind = call_cancel_kind};

static void call_init(struct rouse_file_call *call, struct rouse_file *file, enum call_kind kind)
{
    *call = (struct rouse_file_call){.base.vtable = &call_vtable, .file = file, .kind = kind};
}

void rouse_file_sync_init(struct rouse_file_call *call, struct rouse_file *file)
{
    call_init(call, file, CALL_SYNC);
}

void rouse_file_datasync_init(struct rouse_file_call *call, struct rouse_file *file)
{
    call_init(call, file, CALL_DATASYNC);
}

void rouse_file_truncate_init(struct rouse_file_call *call, struct rouse_file *file, int64_t size)
{
    call_init(call, file, CALL_TRUNCATE);
    call->size = size;
}

void rouse_file_allocate_init(struct rouse_file_call *call, struct rouse_file *file, int64_t offset,
                              int64_t size)
{
    call_init(call, file, CALL_ALLOCATE);
    call->offset = offset;
    call->size = size;
}

void rouse_file_stat_init(struct rouse_file_call *call, struct rouse_file *file, struct stat *out)
{
    call_init(call, file, CALL_STAT);
    call->stat = out;
}

// ---- Direct forms ----

static int call_direct(struct rouse_file_call *call)
{
    if (rs_file_may_block()) {
        struct call_job job = {.kind = CALL_SYNC};

        call_fill(&job, call);
        int err = (int)call_run(&job.job);

        if (err == 0 && call->stat != NULL) *call->stat = job.about;
        return err;
    }
    if (call_is_at_hand(call) && rs_direct_may_try()) {
        rs_direct_tried();
        return rs_sys.fstat(call->file->source.fd, call->stat);
    }
    int err = rouse_await(&call->base);

    return err < 0 ? err : call->output;
}

int rouse_file_sync(struct rouse_file *file)
{
    struct rouse_file_call call;

    rouse_file_sync_init(&call, file);
    return call_direct(&call);
}

int rouse_file_datasync(struct rouse_file *file)
{
    struct rouse_file_call call;

    rouse_file_datasync_init(&call, file);
    return call_direct(&call);
}

int rouse_file_truncate(struct rouse_file *file, int64_t size)
{
    struct rouse_file_call call;

    rouse_file_truncate_init(&call, file, size);
    return call_direct(&call);
}

int rouse_file_allocate(struct rouse_file *file, int64_t offset, int64_t size)
{
    struct rouse_file_call call;

    rouse_file_allocate_init(&call, file, offset, size);
    return call_direct(&call);
}

int rouse_file_stat(struct rouse_file *file, struct stat *out)
{
    struct rouse_file_call call;

    rouse_file_stat_init(&call, file, out);
    return call_direct(&call);
}
