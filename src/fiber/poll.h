// SPDX-License-Identifier: MIT
//
// One poll of a fiber: inline, so that a worker's loop can switch to fibers in its own frame. The
// calls that a fiber is in when it suspends have not returned, and the processor predicts that the
// next returns are theirs. A loop that has no call to return from between a suspend and the next
// resume leaves these predictions to the next fiber, for which they mostly hold.

#ifndef RS_FIBER_POLL_H
#define RS_FIBER_POLL_H

#include "base/tls.h"
#include "fiber/fiber.h"
#include "task/poll.h"
#include "task/task.h"

// Of a fiber that has no stack yet, and of one that has.
extern const struct rouse_future_vtable rs_fiber_new_vtable;
extern const struct rouse_future_vtable rs_fiber_vtable;

// Gives a new fiber its stack. False if there is none: the fiber is woken when it should be polled
// again.
bool rs_fiber_begin(struct rs_fiber_root *root, struct rouse_context *cx);

// The function has returned: its stack is free.
void rs_fiber_end(struct rs_fiber_host *host, struct rs_stack_slot *stack);

// Runs a fiber that has a stack until it waits or returns.
__attribute__((always_inline)) static inline rouse_poll rs_fiber_resume(struct rs_fiber_root *root,
                                                                        struct rouse_context *cx)
{
    struct rs_fiber *fiber = root->fiber;
    uint32_t depth = rs_tls.poll_depth;

    fiber->cx = cx;
    rs_tls.fiber = fiber;
    rs_tls.poll_depth = 0;  // the fiber's own code may wait
    rs_coroutine_resume(&fiber->coroutine);
    rs_tls.poll_depth = depth;
    rs_tls.fiber = NULL;
    if (ROUSE_LIKELY(!fiber->coroutine.done)) return ROUSE_PENDING;
    rs_fiber_end(rs_tls.fibers, fiber->stack);
    return ROUSE_READY;
}

// As rs_task_poll_future(), for a task with RS_TASK_FIBER: it is polled also if it is cancelled.
// Its future need not be one of ours, only behave like one.
__attribute__((always_inline)) static inline bool rs_fiber_poll(struct rouse_task *task,
                                                                struct rouse_context *cx)
{
    struct rs_fiber_root *root =
        ROUSE_CONTAINER_OF(rs_task_future(task), struct rs_fiber_root, base);

    (void)rs_state_begin_poll(&task->state);
    if (root->base.vtable == &rs_fiber_new_vtable && !rs_fiber_begin(root, cx)) return false;
    if (ROUSE_UNLIKELY(root->base.vtable != &rs_fiber_vtable)) return rs_task_poll_begun(task, cx);
    if (rs_fiber_resume(root, cx) == ROUSE_PENDING) return false;
    root->base.vtable = rs_fiber_vtable.ended;
    rs_task_take_result(task);
    return true;
}

#endif
