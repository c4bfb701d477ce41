// SPDX-License-Identifier: MIT
//
// The short way of a direct form whose operation can be tried: what an await would do with a
// future that ends at its first poll, without the future.
//
//     if (rs_direct_may_try()) {
//         err = ...;  // try
//         if (err != -EAGAIN) return rs_direct_tried(), err;
//     }
//     ...  // make the future, and await it

#ifndef RS_FIBER_DIRECT_H
#define RS_FIBER_DIRECT_H

#include "base/tls.h"
#include "fiber/fiber.h"
#include "task/task.h"

// True on a plain thread, and in a fiber that has nothing to ask or to be told before it acts: no
// region, not cancelled, some budget. Whatever else there is, the await sees to it.
static inline bool rs_direct_may_try(void)
{
    const struct rs_fiber *fiber = rs_tls.fiber;

    if (ROUSE_UNLIKELY(rs_tls.poll_depth != 0)) return false;
    if (fiber == NULL) return true;
    return fiber->region == NULL && fiber->refused == 0 && fiber->cx->budget > 0 &&
           !rs_state_is_cancelled(&fiber->task->state);
}

// It was not in vain: it counts as a poll.
static inline void rs_direct_tried(void)
{
    if (rs_tls.fiber != NULL) (void)rouse_context_spend(rs_tls.fiber->cx);
}

#endif
