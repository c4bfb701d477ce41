// SPDX-License-Identifier: MIT
//
// The regions of a fiber: nested stretches of its code that may be cancelled, each in its caller's
// storage, the innermost first. Every wait asks them before it acts, and before it sleeps.

#ifndef RS_FIBER_REGION_H
#define RS_FIBER_REGION_H

#include <rouse/cancel.h>

#include "task/task.h"

// Opens a region in the running fiber. Its `check` and `expire` are set by the caller, or NULL.
void rs_region_enter(struct rouse_region *region, uint64_t deadline_ns, bool shields,
                     const char *function);

// The innermost region of the running task; NULL if it is no fiber, and where there is none.
struct rouse_region *rs_region_innermost(void);

// Closes it: it must be the innermost. Its timer is in no list afterwards.
void rs_region_leave(struct rouse_region *region, const char *function);

// What a wait of `task`, whose innermost region is `region`, fails with; 0 if it may go on. Marks
// the region that is to blame.
int rs_regions_check(struct rouse_region *region, const struct rouse_task *task);

// Before a sleep: files the deadlines of all regions. Also of those outside a shield, which do not
// end this wait: that of a scope is for its tasks, too.
void rs_regions_arm(struct rouse_region *region, struct rouse_context *cx);

#endif
