// SPDX-License-Identifier: MIT
//
// Direct forms without a future, where what they want is there: an await of a future that is ready
// at once, less the future. Whatever is not as it almost always is, a cancel, a region, a spent
// budget, is left to that await.

#ifndef RS_SYNC_DIRECT_H
#define RS_SYNC_DIRECT_H

#include <rouse/compiler.h>
#include <stdbool.h>

#include "base/tls.h"
#include "fiber/fiber.h"
#include "task/task.h"

// True if the caller may take what is there without a poll. If it does, rs_direct_taken() is next.
// Not inside a poll: there an await says what is wrong.
static inline bool rs_direct_may_take(void)
{
    const struct rs_fiber *fiber = rs_tls.fiber;

    if (ROUSE_UNLIKELY(rs_tls.poll_depth != 0)) return false;
    if (fiber == NULL) return true;  // a plain thread, which nobody cancels
    return fiber->region == NULL && fiber->refused == 0 && fiber->cx->budget > 0 &&
           !rs_state_is_cancelled(&fiber->task->state);
}

// It has been taken: that spends one of the budget.
static inline void rs_direct_taken(void)
{
    if (rs_tls.fiber != NULL) (void)rouse_context_spend(rs_tls.fiber->cx);
}

#endif
