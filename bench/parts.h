// SPDX-License-Identifier: MIT
//
// Rows whose work is shared among tasks: each task is a part, which is run as a fiber or as an
// async frame. The root is a fiber that starts the parts and joins them.

#ifndef ROUSE_BENCH_PARTS_H
#define ROUSE_BENCH_PARTS_H

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "root.h"

// What a part knows: what it does, how often, and what it has to do with the others.
struct part {
    rouse_fiber_function fiber;
    const struct rouse_future_vtable *frame;
    uint64_t count;
    uint64_t sum;
    uint64_t index;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_broadcast_receiver *news;
    struct rouse_watch_receiver *watched;
    struct rouse_join_handle handle;
};

// The frame of a part: where it is, and what it awaits.
struct frame {
    struct rouse_async async;
    struct part *part;
    uint64_t i;
    uint64_t value;
    int64_t output;
    struct rouse_oneshot_receiver *oneshot;
    union {
        struct rouse_channel_send send;
        struct rouse_channel_receive receive;
        struct rouse_broadcast_receive news;
        struct rouse_watch_changed changed;
        struct rouse_oneshot_receive answer;
        struct rouse_mutex_lock lock;
        struct rouse_semaphore_acquire acquire;
        struct rouse_rwlock_read read;
        struct rouse_rwlock_write write;
        struct rouse_notify_wait notified;
        struct rouse_blocking blocking;
        struct rouse_yield yield;
    };
};

static inline void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    rouse_panic("%s: %s", what, rouse_strerror((int)result));
}

static inline void check(bool holds)
{
    if (!holds) rouse_panic("a benchmark has lost something");
}

static inline void frame_init(struct rouse_future *storage, void *arg)
{
    struct frame *frame = ROUSE_CONTAINER_OF(storage, struct frame, async.base);
    struct part *part = arg;

    rouse_async_init(&frame->async, part->frame);
    frame->part = part;
    frame->i = 0;
    frame->output = 0;
}

static inline struct frame *frame_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct frame, async.base);
}

static inline void start(const struct bench *bench, struct part *part)
{
    struct rouse_future_spec spec = {.size = sizeof(struct frame), .init = frame_init, .arg = part};

    must(bench->style == BENCH_FIBER ? rouse_spawn(&part->handle, part->fiber, part)
                                     : rouse_spawn_future(&part->handle, &spec),
         "spawn");
}

static inline void join(struct part *part)
{
    must(rouse_join(&part->handle), "join");
}

static inline struct part *parts_new(size_t count, const struct part *like)
{
    struct part *parts = calloc(count, sizeof *parts);

    if (parts == NULL) must(-ENOMEM, "parts");
    for (size_t i = 0; i < count; i++) {
        parts[i] = *like;
        parts[i].index = i;
    }
    return parts;
}

// Starts them all, waits for all, and frees them.
static inline void run_parts(struct bench *bench, struct part *parts, size_t count)
{
    bench_start(bench);
    for (size_t i = 0; i < count; i++) start(bench, &parts[i]);
    for (size_t i = 0; i < count; i++) join(&parts[i]);
    bench_stop(bench);
    free(parts);
}

// ---- Rows ----

struct row {
    const char *name;
    int (*run)(struct bench *bench);
};

struct root {
    struct bench *bench;
    const struct row *rows;  // the last has no name
};

static inline int find_and_run(void *arg)
{
    const struct root *root = arg;

    for (const struct row *row = root->rows; row->name != NULL; row++) {
        if (strcmp(row->name, root->bench->name) == 0) return row->run(root->bench);
    }
    return -ENOTSUP;
}

// Runs a row as the root of a runtime of its own.
static inline int run_row(struct bench *bench, const struct row *rows)
{
    struct root root = {.bench = bench, .rows = rows};

    return run_root(bench->workers, find_and_run, &root);
}

// The same for a row whose tasks wait for ever: a runtime cancels them when the root has ended,
// and an executor would wait for them.
static inline int run_row_that_is_cancelled(struct bench *bench, const struct row *rows)
{
    struct root root = {.bench = bench, .rows = rows};

    return run_root_on(bench->workers, find_and_run, &root);
}

#endif
