// SPDX-License-Identifier: MIT
//
// Reading a directory. One task asks at a time; the pool fetches batches.
//
// 1. A batch that is being fetched is the directory's, not the future's: who drops the future drops
//    nothing, and the next one waits for the same batch.
// 2. The record of the last batch stays until it has been used up: its bytes are the entries.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rouse/await.h>
#include <rouse/dir.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fs/file.h"
#include "fs/job.h"

enum { BATCH_SIZE = 32 << 10 };

// What getdents64 gives: entries of `length` bytes each.
struct raw_entry {
    uint64_t inode;
    int64_t position;
    uint16_t length;
    uint8_t type;
    char name[];
};

struct batch_job {
    struct rs_fs_job job;
    struct rouse_file *file;                  // a share
    _Alignas(struct raw_entry) char bytes[];  // BATCH_SIZE of them
};

struct rouse_dir {
    struct rouse_file *file;
    struct rouse_file_work work;  // the batch that is being fetched, or used
    bool is_fetched;
    size_t used;  // of the batch
    struct rouse_allocator allocator;
};

static int64_t batch_run(struct rs_fs_job *base)
{
    struct batch_job *job = ROUSE_CONTAINER_OF(base, struct batch_job, job);

    return rs_sys.getdents(job->file->source.fd, job->bytes, BATCH_SIZE);
}

static void batch_release(struct rs_fs_job *base)
{
    rouse_file_unref(ROUSE_CONTAINER_OF(base, struct batch_job, job)->file);
}

static const struct rs_fs_job_ops batch_ops = {.run = batch_run, .release = batch_release};

// ---- The object ----

int rouse_dir_new(struct rouse_dir **out, struct rouse_file *file)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rouse_dir *dir = rs_alloc(allocator, sizeof *dir);

    if (dir == NULL) return -ENOMEM;
    dir->file = file;
    dir->allocator = *allocator;
    *out = dir;
    return 0;
}

int rouse_dir_open(struct rouse_dir **out, const char *path)
{
    const struct rouse_file_open_options options = {.flags = O_RDONLY | O_DIRECTORY};
    struct rouse_file *file;
    int err = rouse_file_open(&file, path, &options);

    if (err < 0) return err;
    err = rouse_dir_new(out, file);
    if (err < 0) rouse_file_unref(file);
    return err;
}

void rouse_dir_free(struct rouse_dir *dir)
{
    if (dir == NULL) return;
    struct rouse_allocator allocator = dir->allocator;

    rs_fs_work_end(&dir->work);
    rouse_file_unref(dir->file);
    rs_free(&allocator, dir, sizeof *dir);
}

// ---- Entries ----

static rouse_entry_type type_of(uint8_t type)
{
    switch (type) {
    case DT_UNKNOWN:
        return ROUSE_ENTRY_UNKNOWN;
    case DT_REG:
        return ROUSE_ENTRY_FILE;
    case DT_DIR:
        return ROUSE_ENTRY_DIRECTORY;
    case DT_LNK:
        return ROUSE_ENTRY_LINK;
    default:
        return ROUSE_ENTRY_OTHER;
    }
}

// The next entry of the batch, but for "." and "..". False: it is used up.
static bool batch_take(struct rouse_dir *dir, struct rouse_dir_entry *entry)
{
    const struct batch_job *job = dir->work.job;

    while (dir->is_fetched && dir->used < (size_t)dir->work.result) {
        const struct raw_entry *raw = (const void *)(job->bytes + dir->used);

        dir->used += raw->length;
        if (strcmp(raw->name, ".") == 0 || strcmp(raw->name, "..") == 0) continue;
        *entry = (struct rouse_dir_entry){raw->name, raw->inode, type_of(raw->type)};
        return true;
    }
    return false;
}

// A record for the next batch: a new one, for the last one may still be the pool's, which has yet
// to give up its share of it.
static struct batch_job *batch_new(struct rouse_dir *dir)
{
    rs_fs_work_end(&dir->work);
    dir->is_fetched = false;
    dir->used = 0;
    struct batch_job *job = rs_fs_job_new(&batch_ops, sizeof *job, BATCH_SIZE);

    if (job != NULL) job->file = rouse_file_ref(dir->file);
    return job;
}

// What the batch that has come means: 1: look into it; 0: the end; or a negative errno.
static int batch_came(struct rouse_dir *dir)
{
    int64_t result = dir->work.result;

    if (result > 0) {
        dir->is_fetched = true;
        return 1;
    }
    rs_fs_work_end(&dir->work);
    return (int)result;
}

static rouse_poll next_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_dir_next *next = ROUSE_CONTAINER_OF(self, struct rouse_dir_next, base);
    struct rouse_dir *dir = next->dir;

    if (!rouse_context_spend(cx)) return ROUSE_PENDING;
    next->output = 1;
    while (next->output == 1 && !batch_take(dir, &next->entry)) {
        if (dir->is_fetched || !rs_fs_work_is_begun(&dir->work)) {
            struct batch_job *job = batch_new(dir);

            if (job == NULL) {
                next->output = -ENOMEM;
                break;
            }
            rs_fs_work_begin(&dir->work, &job->job);
        }
        if (rs_fs_work_poll(&dir->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        next->output = batch_came(dir);
    }
    return ROUSE_READY;
}

static int next_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_dir_next *next = (const struct rouse_dir_next *)self;

    return snprintf(buf, size, "entries of directory fd %d", next->dir->file->source.fd);
}

static int64_t next_result(const struct rouse_future *self)
{
    return ((const struct rouse_dir_next *)self)->output;
}

static const struct rouse_future_vtable next_ended = {.name = "dir_next", .result = next_result};
static const struct rouse_future_vtable next_vtable = {
    .poll = next_poll,
    .name = "dir_next",
    .describe = next_describe,
    .ended = &next_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_dir_next_init(struct rouse_dir_next *next, struct rouse_dir *dir)
{
    *next = (struct rouse_dir_next){.base.vtable = &next_vtable, .dir = dir};
}

// On a thread of the program's own, where no batch is under way.
static int next_block(struct rouse_dir *dir, struct rouse_dir_entry *entry)
{
    while (!batch_take(dir, entry)) {
        struct batch_job *job = batch_new(dir);

        if (job == NULL) return -ENOMEM;
        rs_fs_work_begin(&dir->work, &job->job);
        dir->work.result = batch_run(&job->job);
        int came = batch_came(dir);

        if (came <= 0) return came;
    }
    return 1;
}

int rouse_dir_next(struct rouse_dir *dir, struct rouse_dir_entry *entry)
{
    bool is_under_way = rs_fs_work_is_begun(&dir->work) && !dir->is_fetched;
    struct rouse_dir_next next;

    if (!is_under_way && rs_file_may_block()) return next_block(dir, entry);
    rouse_dir_next_init(&next, dir);
    int err = rouse_await(&next.base);

    if (err < 0) return err;
    if (next.output == 1) *entry = next.entry;
    return next.output;
}
