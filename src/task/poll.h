// SPDX-License-Identifier: MIT
//
// One poll of a task: inline, since a worker's loop is mostly this.

#ifndef RS_TASK_POLL_H
#define RS_TASK_POLL_H

#include "base/choice.h"
#include "base/tls.h"
#include "task/task.h"

// A poll in parts, for who polls some futures in a way of their own: what comes before, the poll of
// the future, and what comes after.

// Returns the context that was in use before.
static inline struct rouse_context *rs_task_poll_enter(struct rouse_task *task,
                                                       struct rouse_context *cx)
{
    struct rouse_context *outer = rs_tls.context;

    cx->waker = rs_task_waker(task);
    cx->task = task;
    cx->budget = RS_TASK_BUDGET;
    cx->again = 0;
    rs_tls.context = cx;
    rs_tls.poll_depth++;
    return outer;
}

static inline rouse_task_state rs_task_poll_leave(struct rouse_task *task, struct rouse_context *cx,
                                                  struct rouse_context *outer, bool ended,
                                                  uint32_t now_ms)
{
    rouse_task_state state = ROUSE_TASK_WAITING;

    if (ended) {
        rs_task_complete(task);
        state = ROUSE_TASK_ENDED;
    } else {
        // Relaxed: only for a reader that has made us stand still. 0 would mean: not begun.
        atomic_store_explicit(&task->since_ms, now_ms | 1, memory_order_relaxed);
        if (rs_chaos(RS_CHAOS_SPURIOUS)) (void)rs_state_wake(&task->state);
        rs_chaos_delay();
        if (rs_state_end_poll(&task->state, cx->again != 0)) state = ROUSE_TASK_SCHEDULED;
    }
    rs_tls.poll_depth--;
    rs_tls.context = outer;
    return state;
}

// The future has ended by itself.
static inline void rs_task_take_result(struct rouse_task *task)
{
    const struct rouse_future *future = rs_task_future(task);

    task->result = future->vtable->result != NULL ? future->vtable->result(future) : 0;
}

// Whether the task has ended, whose poll has begun, and which is not to be dropped.
static inline bool rs_task_poll_begun(struct rouse_task *task, struct rouse_context *cx)
{
    if (rouse_future_poll(rs_task_future(task), cx) == ROUSE_PENDING) return false;
    rs_task_take_result(task);
    return true;
}

// Whether the task has ended.
static inline bool rs_task_poll_future(struct rouse_task *task, struct rouse_context *cx)
{
    if (ROUSE_UNLIKELY(rs_state_begin_poll(&task->state)) && (task->flags & RS_TASK_FIBER) == 0) {
        rs_task_drop_future(task);
        return true;
    }
    return rs_task_poll_begun(task, cx);
}

// Polls a task that was taken from its queue. `now_ms` is noted for the dump. If the result is
// ROUSE_TASK_SCHEDULED, the caller must schedule it again; after ROUSE_TASK_ENDED it may be gone.
static inline rouse_task_state rs_task_poll(struct rouse_task *task, struct rouse_context *cx,
                                            uint32_t now_ms)
{
    struct rouse_context *outer = rs_task_poll_enter(task, cx);

    return rs_task_poll_leave(task, cx, outer, rs_task_poll_future(task, cx), now_ms);
}

#endif
