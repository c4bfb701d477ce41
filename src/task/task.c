// SPDX-License-Identifier: MIT
//
// Tasks: made, woken, polled, completed and freed.

#include "task/task.h"

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/clock.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/choice.h"
#include "base/counters.h"
#include "base/global_lock.h"
#include "base/log.h"
#include "base/tls.h"
#include "task/poll.h"

static void task_free(struct rouse_task *task)
{
    rs_counter_add(RS_COUNTER_TASK_RECORDS, -1);
    rs_heap_free(rs_tls.heap, &task->block);
}

void rs_task_unref(struct rouse_task *task)
{
    if (rs_state_unref(&task->state)) task_free(task);
}

void rs_tasks_free(struct rs_task_link *list)
{
    while (list != NULL) {
        struct rs_task_link *next = list->next;

        task_free(rs_task_of_link(list));
        list = next;
    }
}

// ---- The waker ----

// The context of the poll that we are in, if it is the task's: then what is the polls' is ours.
static struct rouse_context *own_context(const struct rouse_task *task)
{
    struct rouse_context *cx = rs_tls.context;

    return cx != NULL && cx->task == task ? cx : NULL;
}

// Whether the references in hand are ours.
static bool has_hand(const struct rouse_task *task)
{
    return own_context(task) != NULL && task->in_hand != RS_TASK_HAND_CLOSED;
}

static struct rouse_waker task_waker_clone(void *data)
{
    struct rouse_task *task = data;

    if (!has_hand(task)) {
        rs_state_ref(&task->state);
        return rs_task_waker(task);
    }
    if (task->in_hand == 0) {
        rs_state_ref_many(&task->state, RS_TASK_HAND);
        task->in_hand = RS_TASK_HAND;
    }
    task->in_hand--;
    return rs_task_waker(task);
}

// Gives up a waker's share.
static void waker_unref(struct rouse_task *task)
{
    if (!has_hand(task)) {
        rs_task_unref(task);
        return;
    }
    if (task->in_hand == RS_TASK_HAND_MAX) {
        rs_state_unref_many(&task->state, RS_TASK_HAND);
        task->in_hand -= RS_TASK_HAND;
    }
    task->in_hand++;
}

// Whether the task wakes itself: it is told so when its poll ends, and nobody else has to hear of
// it.
static bool wakes_itself(const struct rouse_task *task)
{
    struct rouse_context *cx = own_context(task);

    if (cx == NULL) return false;
    cx->again |= 1;
    return true;
}

static void task_schedule(struct rouse_task *task)
{
    // The scheduler is alive: the task was idle, so it has not ended, and it cannot end before it
    // is scheduled.
    rs_chaos_delay();
    task->scheduler->schedule(task->scheduler, task);
}

// Apart, so that a task that wakes itself needs no frame.
__attribute__((noinline)) static void wake_other(struct rouse_task *task)
{
    if (rs_state_wake(&task->state)) task_schedule(task);
}

static void task_wake_by_ref(void *data)
{
    if (!wakes_itself(data)) wake_other(data);
}

static void task_wake(void *data)
{
    struct rouse_task *task = data;
    bool last = false;

    if (wakes_itself(task)) {
        waker_unref(task);
    } else if (rs_state_wake_and_unref(&task->state, &last)) {
        task_schedule(task);
    } else if (last) {
        task_free(task);
    }
}

static void task_waker_drop(void *data)
{
    waker_unref(data);
}

const struct rouse_waker_vtable rs_task_waker_vtable = {
    .clone = task_waker_clone,
    .wake = task_wake,
    .wake_by_ref = task_wake_by_ref,
    .drop = task_waker_drop,
};

// ---- Made ----

enum { FUTURE_ALIGN_MAX = 64 };

_Static_assert(sizeof(struct rouse_task) + ROUSE_TASK_FUTURE_MAX + FUTURE_ALIGN_MAX <=
                   RS_SLAB_BLOCK_MAX,
               "the largest future fits a block, however it is aligned");
_Static_assert(sizeof(struct rouse_task) + FUTURE_ALIGN_MAX <= UINT8_MAX, "see future_offset");
_Static_assert(_Alignof(max_align_t) <= RS_SLAB_ALIGN, "most futures follow the task's header");

static const struct rouse_future_vtable join_vtable;

// The size of the block, with room for the future wherever its alignment puts it.
static size_t task_size(const struct rouse_future_spec *spec)
{
    size_t slack = spec->align > RS_SLAB_ALIGN ? spec->align - RS_SLAB_ALIGN : 0;

    return sizeof(struct rouse_task) + spec->size + slack;
}

// Where the future begins: behind the header.
static size_t future_offset(const struct rouse_task *task, const struct rouse_future_spec *spec)
{
    size_t align = spec->align > RS_SLAB_ALIGN ? spec->align : RS_SLAB_ALIGN;
    uintptr_t end = (uintptr_t)task + sizeof *task;

    return ((end + align - 1) & ~(uintptr_t)(align - 1)) - (uintptr_t)task;
}

static void *block_alloc(struct rs_heap *heap, struct rs_lock *lock, size_t size)
{
    if (lock != NULL) rs_lock(lock);
    void *block = rs_heap_alloc(heap, size);
    if (lock != NULL) rs_unlock(lock);
    return block;
}

static void task_init(struct rouse_task *task, struct rouse_scheduler *scheduler, bool joinable,
                      size_t offset, const struct rouse_task_attrs *attrs)
{
    rs_state_init(&task->state, joinable);
    task->scheduler = scheduler;
    task->name = attrs != NULL ? attrs->name : NULL;
    task->site = attrs != NULL && attrs->site != NULL ? attrs->site : "unknown site";
    task->locals = NULL;
    task->member = NULL;
    task->woken = 0;
    task->worker = 0;
    task->in_hand = 0;
    task->future_offset = (uint8_t)offset;
    task->flags = 0;
    // Relaxed: published by the queue.
    atomic_store_explicit(&task->since_ms, 0, memory_order_relaxed);
}

int rs_task_new(struct rouse_task **out, struct rs_heap *heap, struct rs_lock *lock,
                struct rouse_scheduler *scheduler, struct rouse_join_handle *handle,
                const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs)
{
    rouse_assert(spec->align <= FUTURE_ALIGN_MAX, "a task's future is aligned to at most 64 bytes");
    if (spec->size > ROUSE_TASK_FUTURE_MAX) return -E2BIG;
    struct rouse_task *task = block_alloc(heap, lock, task_size(spec));

    if (task == NULL) return -ENOMEM;
    size_t offset = future_offset(task, spec);

    task_init(task, scheduler, handle != NULL, offset, attrs);
    if (attrs != NULL && attrs->member_offset != 0) {
        task->member = (struct rs_member *)(void *)((char *)task + offset + attrs->member_offset);
        task->member->task = task;
    }
    spec->init(rs_task_future(task), spec->arg);
    if (handle != NULL) {
        *handle = (struct rouse_join_handle){.base.vtable = &join_vtable, .task = task};
    }
    rs_counter_add(RS_COUNTER_TASKS, 1);
    rs_counter_add(RS_COUNTER_TASK_RECORDS, 1);
    *out = task;
    return 0;
}

void rouse_future_init_move(struct rouse_future *storage, void *move)
{
    const struct rouse_future_move *m = move;

    memcpy(storage, m->from, m->size);
}

// ---- Ended ----

static void member_ended(struct rouse_task *task, int64_t result)
{
    if (task->member != NULL) task->member->ended(task->member, result);
}

// What is in hand goes as the task completes: from here on nothing is put there any more.
static uint64_t hand_close(struct rouse_task *task)
{
    uint64_t in_hand = task->in_hand;

    task->in_hand = RS_TASK_HAND_CLOSED;
    return in_hand;
}

// Nobody wants the output.
static void task_complete_unjoined(struct rouse_task *task)
{
    rouse_future_drop(rs_task_future(task));
    member_ended(task, task->result);
    if (rs_state_complete_unjoined(&task->state, hand_close(task))) task_free(task);
}

static void task_complete_joined(struct rouse_task *task)
{
    int64_t result = task->result;
    unsigned duties = rs_state_complete(&task->state, hand_close(task));

    if ((duties & RS_COMPLETED_JOINED) == 0) rouse_future_drop(rs_task_future(task));
    if ((duties & RS_COMPLETED_JOINER) != 0) {
        struct rouse_waker joiner = task->joiner;

        rs_chaos_delay();
        rouse_waker_wake(&joiner);
    }
    member_ended(task, result);
    rs_task_unref(task);
}

void rs_task_complete(struct rouse_task *task)
{
    if (task->locals != NULL) rs_locals_destroy(task);
    rs_counter_add(RS_COUNTER_TASKS, -1);
    if (rs_state_is_joined(&task->state)) {
        task_complete_joined(task);
    } else {
        task_complete_unjoined(task);
    }
}

void rs_task_drop_future(struct rouse_task *task)
{
    rouse_future_drop(rs_task_future(task));
    task->flags |= RS_TASK_ABORTED;
    task->result = -ECANCELED;
}

// ---- Joined ----

static struct rouse_join_handle *handle_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_join_handle, base);
}

static void handle_release(struct rouse_join_handle *handle)
{
    struct rouse_task *task = handle->task;

    if (task == NULL) return;
    handle->task = NULL;
    unsigned duties = rs_state_drop_join(&task->state);

    if ((duties & RS_UNJOINED_COMPLETE) != 0) rouse_future_drop(rs_task_future(task));
    if ((duties & RS_UNJOINED_JOINER) != 0) {
        struct rouse_waker joiner = task->joiner;

        rouse_waker_drop(&joiner);
    }
    rs_task_unref(task);
}

bool rs_join_is_ready(const struct rouse_join_handle *handle)
{
    // Without a task it has ended or was dropped: to poll it is an abort.
    return handle->task == NULL || rs_state_is_complete(&handle->task->state);
}

// Leaves the waker where the task, when it completes, wakes it. False if it has completed.
static bool register_joiner(struct rouse_task *task, const struct rouse_waker *waker)
{
    struct rouse_waker old = {0};

    if (rs_state_has_joiner(&task->state)) {
        // It is there. A second look all the same, that cannot miss an end as a load may.
        if (rouse_waker_will_wake(&task->joiner, waker)) return rs_state_set_joiner(&task->state);
        if (!rs_state_take_joiner(&task->state)) return false;
        old = task->joiner;
    }
    task->joiner = rouse_waker_clone(waker);
    rs_chaos_delay();
    bool waits = rs_state_set_joiner(&task->state);

    if (!waits) rouse_waker_drop(&task->joiner);
    rouse_waker_drop(&old);
    return waits;
}

static rouse_poll join_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_join_handle *handle = handle_of(self);
    struct rouse_task *task = handle->task;

    if (!rs_state_is_complete(&task->state) && register_joiner(task, rouse_context_waker(cx))) {
        return ROUSE_PENDING;
    }
    handle->output = task->result;
    // A fiber's output is this number: nothing is left to read in the task.
    if ((task->flags & RS_TASK_FIBER) != 0) handle_release(handle);
    return ROUSE_READY;
}

static bool join_is_pending(const struct rouse_future *self)
{
    return !rs_join_is_ready((const struct rouse_join_handle *)self);
}

static void join_drop(struct rouse_future *self)
{
    struct rouse_join_handle *handle = handle_of(self);

    if (handle->abort_on_drop) rouse_abort(handle);
    handle_release(handle);
}

static void join_ended_drop(struct rouse_future *self)
{
    handle_release(handle_of(self));
}

static int join_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_join_handle *handle = (const struct rouse_join_handle *)self;

    return snprintf(buf, size, "join of %s", rouse_task_name(handle->task));
}

static void join_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    inspector->needs(inspector, ((const struct rouse_join_handle *)self)->task, ROUSE_NEED_END);
}

static int64_t join_result(const struct rouse_future *self)
{
    return ((const struct rouse_join_handle *)self)->output;
}

static const struct rouse_future_vtable join_ended = {
    .drop = join_ended_drop, .name = "join_handle", .result = join_result};
static const struct rouse_future_vtable join_vtable = {
    .poll = join_poll,
    .drop = join_drop,
    .name = "join_handle",
    .describe = join_describe,
    .is_pending = join_is_pending,
    .ended = &join_ended,
    .cancel_kind = rouse_cancel_kind_terminal,
    .inspect = join_inspect};

struct rouse_future *rouse_join_handle_future(const struct rouse_join_handle *handle)
{
    rouse_assert(rouse_future_is_ended(&handle->base),
                 "the task's output is there when the handle has ended; await it first");
    if (handle->task == NULL || (handle->task->flags & RS_TASK_ABORTED) != 0) return NULL;
    return rs_task_future(handle->task);
}

void rouse_detach(struct rouse_join_handle *handle)
{
    handle->abort_on_drop = false;
    rouse_future_drop(&handle->base);
}

void rouse_abort_on_drop(struct rouse_join_handle *handle)
{
    handle->abort_on_drop = true;
}

// ---- Aborted ----

static void task_abort(struct rouse_task *task)
{
    if (rs_state_abort(&task->state)) task->scheduler->schedule(task->scheduler, task);
}

void rouse_abort(const struct rouse_join_handle *handle)
{
    if (handle->task != NULL) task_abort(handle->task);
}

struct rouse_abort_handle rouse_abort_handle(const struct rouse_join_handle *handle)
{
    if (handle->task != NULL) rs_state_ref(&handle->task->state);
    return (struct rouse_abort_handle){.task = handle->task};
}

struct rouse_abort_handle rouse_abort_handle_clone(const struct rouse_abort_handle *handle)
{
    if (handle->task != NULL) rs_state_ref(&handle->task->state);
    return *handle;
}

void rouse_abort_handle_abort(const struct rouse_abort_handle *handle)
{
    if (handle->task != NULL) task_abort(handle->task);
}

bool rouse_abort_handle_is_ended(const struct rouse_abort_handle *handle)
{
    return handle->task == NULL || rs_state_is_complete(&handle->task->state);
}

void rouse_abort_handle_drop(struct rouse_abort_handle *handle)
{
    struct rouse_task *task = handle->task;

    handle->task = NULL;
    if (task != NULL) rs_task_unref(task);
}

// ---- For executors of one's own ----

// Tasks of foreign schedulers are made by any thread: one heap for all of them, under a lock.
static struct rs_heap *shared_heap;

int rouse_task_spawn(struct rouse_scheduler *scheduler, struct rouse_join_handle *handle,
                     const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs)
{
    struct rouse_task *task;

    rs_lock(rs_global_lock(RS_GLOBAL_FOREIGN_TASKS));
    if (shared_heap == NULL) shared_heap = rs_heap_new(rouse_allocator_default());
    struct rs_heap *heap = shared_heap;
    rs_unlock(rs_global_lock(RS_GLOBAL_FOREIGN_TASKS));
    if (heap == NULL) return -ENOMEM;
    int err = rs_task_new(&task, heap, rs_global_lock(RS_GLOBAL_FOREIGN_TASKS), scheduler, handle,
                          spec, attrs);

    if (err < 0) return err;
    rs_task_publish(task);
    scheduler->schedule(scheduler, task);
    return 0;
}

rouse_task_state rouse_task_run(struct rouse_task *task, struct rouse_driver *driver)
{
    struct rouse_scheduler *scheduler = task->scheduler;
    struct rouse_context cx = {.driver = driver};
    rouse_task_state state = rs_task_poll(task, &cx, (uint32_t)(rouse_now_ns() / ROUSE_NS_PER_MS));

    if (state == ROUSE_TASK_SCHEDULED) scheduler->schedule(scheduler, task);
    return state;
}

struct rouse_task **rouse_task_link(struct rouse_task *task)
{
    return (struct rouse_task **)(void *)&task->link.next;
}

const char *rouse_task_name(const struct rouse_task *task)
{
    return task->name != NULL ? task->name : task->site;
}
