// SPDX-License-Identifier: MIT
//
// The inside of a task: one block of memory with the header below, then the future.

#ifndef RS_TASK_TASK_H
#define RS_TASK_TASK_H

#include <rouse/task.h>

#include "base/link.h"
#include "base/lock.h"
#include "task/slab.h"
#include "task/state.h"

struct rs_local;

// What a task is a part of, beside its scheduler: a scope. It lies in the task's block.
struct rs_member {
    struct rouse_task *task;
    // The task has ended, and its future with it unless somebody joins it. The last that is done
    // with the member.
    void (*ended)(struct rs_member *member, int64_t result);
};

enum {
    RS_TASK_PINNED = 1 << 0,   // polled by worker `worker` only
    RS_TASK_FIBER = 1 << 1,    // the future is a fiber: it is never dropped, it ends by itself
    RS_TASK_ABORTED = 1 << 2,  // the future was dropped instead of polled to its end
};

// How many references a poll takes at once for the wakers that it clones, or gives up at once where
// it has twice as many in hand. Tests take fewer.
#ifndef RS_TASK_HAND
#define RS_TASK_HAND 32
#endif
enum { RS_TASK_HAND_MAX = 2 * RS_TASK_HAND, RS_TASK_HAND_CLOSED = UINT8_MAX };
_Static_assert(RS_TASK_HAND_MAX < RS_TASK_HAND_CLOSED, "it is counted in a byte");

// Polls of leaf operations that are ready at once, before a task must let others run.
enum { RS_TASK_BUDGET = 128 };

struct rouse_task {
    struct rs_block block;     // first: the slab's
    struct rs_task_link link;  // whoever has scheduled the task: it is in one queue at most
    rs_task_state state;
    struct rouse_scheduler *scheduler;  // until the task has ended
    const char *name;                   // NULL: none
    const char *site;
    struct rouse_waker joiner;  // the join handle's waker: see state.h
    struct rs_local *locals;    // the running task's
    struct rs_member *member;   // NULL: of nothing
    union {
        int64_t result;  // written before COMPLETE
        uint64_t woken;  // before that, by whoever queues the task: see sched/observe.h
    };
    _Atomic uint32_t since_ms;  // when the last poll ended, for the dump
    uint8_t worker;             // whom it is pinned to; written by that worker, in a poll
    uint8_t in_hand;            // references, the polls'; CLOSED once they have gone: see state.h
    uint8_t future_offset;      // from the start of the task
    uint8_t flags;              // written in a poll, or before the task is shared
};
_Static_assert(sizeof(struct rouse_task) <= 96, "with a future of two words it takes 112 bytes");

static inline struct rouse_future *rs_task_future(const struct rouse_task *task)
{
    return (struct rouse_future *)(void *)((char *)(uintptr_t)task + task->future_offset);
}

static inline struct rouse_task *rs_task_of_link(struct rs_task_link *link)
{
    return ROUSE_CONTAINER_OF(link, struct rouse_task, link);
}

static inline struct rouse_task *rs_task_of_block(struct rs_block *block)
{
    return ROUSE_CONTAINER_OF(block, struct rouse_task, block);
}

// Makes a task, SCHEDULED, in no queue; `handle` may be NULL. `lock` guards the heap where it has
// no owner; else NULL. -ENOMEM or -E2BIG. It is the caller's alone until rs_task_publish().
int rs_task_new(struct rouse_task **out, struct rs_heap *heap, struct rs_lock *lock,
                struct rouse_scheduler *scheduler, struct rouse_join_handle *handle,
                const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs);

// From here on others may see the task: who visits all of them, for a dump or a shutdown.
static inline void rs_task_publish(struct rouse_task *task)
{
    rs_block_publish(&task->block);
}

extern const struct rouse_waker_vtable rs_task_waker_vtable;

// The waker of a task, borrowed.
static inline struct rouse_waker rs_task_waker(struct rouse_task *task)
{
    return (struct rouse_waker){.vtable = &rs_task_waker_vtable, .data = task};
}

// The future has ended, by itself or by a drop: says so, and lets go of the task's life. In its
// last poll. The task may be gone after it.
void rs_task_complete(struct rouse_task *task);

// An aborted task's future is dropped instead of polled.
void rs_task_drop_future(struct rouse_task *task);

void rs_task_unref(struct rouse_task *task);

// Frees tasks without a reference, a list by their links. With no lock held: what is released may
// be a waker of the user's.
void rs_tasks_free(struct rs_task_link *list);

// Whether a poll of the handle would not be pending.
bool rs_join_is_ready(const struct rouse_join_handle *handle);

// Calls the destructors of a task's locals. In a poll, before the task completes.
void rs_locals_destroy(struct rouse_task *task);

#endif
