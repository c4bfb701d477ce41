// SPDX-License-Identifier: MIT
//
// What a dump has seen of one task, in a form that is quickly taken and compared; words come later,
// for one task of each kind.

#ifndef RS_INSIGHT_VIEW_H
#define RS_INSIGHT_VIEW_H

#include "sched/sched.h"

enum { RS_VIEW_PARTS_MAX = 16, RS_VIEW_NEEDS_MAX = 8, RS_VIEW_CALLS_MAX = 32 };

enum rs_view_state {
    RS_VIEW_NOT_BEGUN,
    RS_VIEW_WAITING,
    RS_VIEW_SCHEDULED,  // woken, and not polled since
    RS_VIEW_RUNNING,
    RS_VIEW_LOST,  // waits, and nobody has a waker for it
};

// A future that is polled by the one before, or by one before that: `depth` says by which.
struct rs_view_part {
    const struct rouse_future *future;
    int line;  // of the await, in the one that polls it; 0: it has none
    unsigned depth;
};

struct rs_view_need {
    const struct rouse_task *task;  // may be gone
    rouse_need need;
    bool is_certain;  // the wait cannot end otherwise
};

struct rs_view {
    struct rouse_task *task;
    enum rs_view_state state;
    bool is_cancelled;
    const struct rs_worker *runner;  // if running
    uint32_t since_ms;               // when its last poll ended; 0: there was none
    size_t part_count;
    size_t need_count;
    size_t call_count;
    struct rs_view_part parts[RS_VIEW_PARTS_MAX];
    struct rs_view_need needs[RS_VIEW_NEEDS_MAX];
    uintptr_t calls[RS_VIEW_CALLS_MAX];  // a suspended fiber's, the innermost first
};

// The worker that is inside a poll of the task; NULL: there is none.
const struct rs_worker *rs_view_runner(const struct rs_sched *sched, const struct rouse_task *task);

// Looks at a task of `sched` in a visit, between pause and resume. False if it has ended.
// rs_view_look() does not look at what it waits for.
bool rs_view_look(struct rs_view *view, struct rouse_task *task, const struct rs_sched *sched);
bool rs_view_take(struct rs_view *view, struct rouse_task *task, const struct rs_sched *sched);

// The same for views that differ in nothing but the task, the time, and whom exactly they need.
uint64_t rs_view_hash(const struct rs_view *view);

#endif
