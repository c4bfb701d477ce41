// SPDX-License-Identifier: MIT
//
// Watching for changes: an inotify descriptor, waited for as any other. One task asks for changes
// at a time; any thread adds and removes, which the kernel serializes.
//
// What one read brings lies in `bytes`, and is told change by change. Jobs of the pool that add to
// the descriptor hold a share of its file: it is not closed, nor its number reused, under them.

#include <errno.h>
#include <fcntl.h>
#include <rouse/await.h>
#include <rouse/file_watch.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "fs/file.h"
#include "fs/path_job.h"
#include "io/source.h"

// At least one event with the longest name fits.
enum { BYTES_SIZE = 4096 };

struct rouse_file_watch {
    struct rouse_file *file;  // its source is what is waited on
    struct rouse_allocator allocator;
    size_t filled;
    size_t used;
    _Alignas(struct inotify_event) char bytes[BYTES_SIZE];
};

static const struct {
    uint32_t change;
    uint32_t mask;
} names[] = {
    {ROUSE_CHANGE_MODIFIED, IN_MODIFY},       {ROUSE_CHANGE_ATTRIBUTES, IN_ATTRIB},
    {ROUSE_CHANGE_CREATED, IN_CREATE},        {ROUSE_CHANGE_DELETED, IN_DELETE | IN_DELETE_SELF},
    {ROUSE_CHANGE_MOVED_FROM, IN_MOVED_FROM}, {ROUSE_CHANGE_MOVED_TO, IN_MOVED_TO},
    {ROUSE_CHANGE_MOVED, IN_MOVE_SELF},       {ROUSE_CHANGE_WRITTEN, IN_CLOSE_WRITE},
    {ROUSE_CHANGE_OVERFLOW, IN_Q_OVERFLOW},   {ROUSE_CHANGE_ENDED, IN_IGNORED},
    {ROUSE_CHANGE_IS_DIRECTORY, IN_ISDIR},
};

enum { NAME_COUNT = sizeof names / sizeof names[0] };

static uint32_t mask_of(uint32_t changes)
{
    uint32_t mask = 0;

    for (int i = 0; i < NAME_COUNT; i++) {
        if ((changes & names[i].change & ROUSE_CHANGE_ANY) != 0) mask |= names[i].mask;
    }
    return mask;
}

static uint32_t changes_of(uint32_t mask)
{
    uint32_t changes = 0;

    for (int i = 0; i < NAME_COUNT; i++) {
        if ((mask & names[i].mask) != 0) changes |= names[i].change;
    }
    return changes;
}

// ---- The object ----

int rouse_file_watch_new(struct rouse_file_watch **out)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rouse_file_watch *watch = rs_alloc(allocator, sizeof *watch);

    if (watch == NULL) return -ENOMEM;
    watch->allocator = *allocator;
    int fd = rs_sys.inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    int err = fd < 0 ? fd : rs_file_new(&watch->file, fd, &(struct stat){0}, 0);

    if (err < 0) {
        if (fd >= 0) (void)rs_sys.close(fd);
        rs_free(allocator, watch, sizeof *watch);
        return err;
    }
    *out = watch;
    return 0;
}

void rouse_file_watch_free(struct rouse_file_watch *watch)
{
    if (watch == NULL) return;
    struct rouse_allocator allocator = watch->allocator;

    rouse_file_unref(watch->file);
    rs_free(&allocator, watch, sizeof *watch);
}

int rouse_file_watch_remove(struct rouse_file_watch *watch, int id)
{
    return rs_sys.inotify_rm_watch(watch->file->source.fd, id);
}

// ---- Adding ----

static int64_t add_run(struct rs_fs_job *base)
{
    const struct rs_path_job *job = rs_path_job_of(base);

    return rs_sys.inotify_add_watch(job->directory->source.fd, job->path, job->mode);
}

static const struct rs_fs_job_ops add_ops = {.run = add_run, .release = rs_path_job_release};

static rouse_poll add_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_file_watch_add *add = ROUSE_CONTAINER_OF(self, struct rouse_file_watch_add, base);

    if (!rs_fs_work_is_begun(&add->work)) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        struct rs_path_job *job = rs_path_job_new(&add_ops, add->watch->file, add->path, NULL);

        add->output = -ENOMEM;
        if (job == NULL) return ROUSE_READY;
        job->mode = mask_of(add->changes);
        rs_fs_work_begin(&add->work, &job->job);
    }
    if (rs_fs_work_poll(&add->work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    add->output = (int)add->work.result;
    rs_fs_work_end(&add->work);
    return ROUSE_READY;
}

static void add_drop(struct rouse_future *self)
{
    rs_fs_work_end(&ROUSE_CONTAINER_OF(self, struct rouse_file_watch_add, base)->work);
}

static int add_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return snprintf(buf, size, "watch of %s", ((const struct rouse_file_watch_add *)self)->path);
}

static int64_t add_result(const struct rouse_future *self)
{
    return ((const struct rouse_file_watch_add *)self)->output;
}

static const struct rouse_future_vtable add_ended = {.name = "file_watch_add",
                                                     .result = add_result};
static const struct rouse_future_vtable add_vtable = {
    .poll = add_poll,
    .drop = add_drop,
    .name = "file_watch_add",
    .describe = add_describe,
    .ended = &add_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_file_watch_add_init(struct rouse_file_watch_add *add, struct rouse_file_watch *watch,
                               const char *path, uint32_t changes)
{
    *add = (struct rouse_file_watch_add){
        .base.vtable = &add_vtable, .watch = watch, .path = path, .changes = changes};
}

int rouse_file_watch_add(struct rouse_file_watch *watch, const char *path, uint32_t changes)
{
    struct rouse_file_watch_add add;

    if (rs_file_may_block()) {
        return rs_sys.inotify_add_watch(watch->file->source.fd, path, mask_of(changes));
    }
    rouse_file_watch_add_init(&add, watch, path, changes);
    int err = rouse_await(&add.base);

    return err < 0 ? err : add.output;
}

// ---- Changes ----

// The next change of what was read. False: there is none.
static bool change_take(struct rouse_file_watch *watch, struct rouse_change *change)
{
    if (watch->used >= watch->filled) return false;
    const struct inotify_event *event = (const void *)(watch->bytes + watch->used);

    watch->used += sizeof *event + event->len;
    *change = (struct rouse_change){.id = event->wd,
                                    .changes = changes_of(event->mask),
                                    .pair = event->cookie,
                                    .name = event->len > 0 ? event->name : ""};
    return true;
}

static ssize_t changes_read(int fd, void *arg)
{
    struct rouse_file_watch *watch = arg;
    ssize_t count = rs_sys.read(fd, watch->bytes, BYTES_SIZE);

    if (count < 0) return count;
    watch->filled = (size_t)count;
    watch->used = 0;
    return count;
}

static rouse_poll next_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_file_watch_next *next =
        ROUSE_CONTAINER_OF(self, struct rouse_file_watch_next, base);
    struct rouse_file_watch *watch = next->watch;
    ssize_t result = 0;

    while (result >= 0 && !change_take(watch, &next->change)) {
        if (rs_source_poll(&watch->file->source, RS_READ, &next->wait, cx, changes_read, watch, 0,
                           &result) == ROUSE_PENDING) {
            return ROUSE_PENDING;
        }
    }
    next->output = result < 0 ? (int)result : 0;
    return ROUSE_READY;
}

static void next_drop(struct rouse_future *self)
{
    rs_source_unwait(&ROUSE_CONTAINER_OF(self, struct rouse_file_watch_next, base)->wait);
}

static int next_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_file_watch_next *next = (const struct rouse_file_watch_next *)self;

    return snprintf(buf, size, "changes of files, fd %d", next->watch->file->source.fd);
}

static int64_t next_result(const struct rouse_future *self)
{
    return ((const struct rouse_file_watch_next *)self)->output;
}

static const struct rouse_future_vtable next_ended = {.name = "file_watch_next",
                                                      .result = next_result};
static const struct rouse_future_vtable next_vtable = {
    .poll = next_poll,
    .drop = next_drop,
    .name = "file_watch_next",
    .describe = next_describe,
    .ended = &next_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_file_watch_next_init(struct rouse_file_watch_next *next, struct rouse_file_watch *watch)
{
    *next = (struct rouse_file_watch_next){.base.vtable = &next_vtable, .watch = watch};
}

int rouse_file_watch_next(struct rouse_file_watch *watch, struct rouse_change *change)
{
    struct rouse_file_watch_next next;

    rouse_file_watch_next_init(&next, watch);
    int err = rouse_await(&next.base);

    if (err < 0) return err;
    if (next.output == 0) *change = next.change;
    return next.output;
}
