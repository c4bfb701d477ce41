// SPDX-License-Identifier: MIT
//
// One poll of a task: inline, since a worker's loop is mostly this.

#ifndef RS_TASK_POLL_H
#define RS_TASK_POLL_H

#include "base/choice.h"
#include "base/tls.h"
#include "task/task.h"

// Whether the task has ended.
static inline bool rs_task_poll_future(struct rouse_task *task, struct rouse_context *cx)
{
    struct rouse_future *future = rs_task_future(task);

    if (ROUSE_UNLIKELY(rs_state_begin_poll(&task->state)) && (task->flags & RS_TASK_FIBER) == 0) {
        rs_task_drop_future(task);
        return true;
    }
    if (rouse_future_poll(future, cx) == ROUSE_PENDING) return false;
    task->result = future->vtable->result != NULL ? future->vtable->result(future) : 0;
    return true;
}

// Polls a task that was taken from its queue. `now_ms` is noted for the dump. If the result is
// ROUSE_TASK_SCHEDULED, the caller must schedule it again; after ROUSE_TASK_ENDED it may be gone.
static inline rouse_task_state rs_task_poll(struct rouse_task *task, struct rouse_context *cx,
                                            uint32_t now_ms)
{
    struct rouse_context *outer = rs_tls.context;
    rouse_task_state state = ROUSE_TASK_WAITING;

    cx->waker = rs_task_waker(task);
    cx->task = task;
    cx->budget = RS_TASK_BUDGET;
    cx->again = 0;
    rs_tls.context = cx;
    rs_tls.poll_depth++;
    if (rs_task_poll_future(task, cx)) {
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

#endif
