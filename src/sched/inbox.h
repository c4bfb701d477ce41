// SPDX-License-Identifier: MIT
//
// A worker's inbox: where other threads put the tasks pinned to it, and new ones. Any thread
// pushes; the owner takes all of them at once, first in first out, or the sentinel in its absence.
// A push cannot fail and allocates nothing.

#ifndef RS_SCHED_INBOX_H
#define RS_SCHED_INBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/link.h"

// 1. `newest` is the latest task pushed, linked by `next` to those before it; NULL when empty.
// 2. Any thread advances it by CAS to a task that nobody else sees yet; owner and sentinel set it
//    to NULL, and take all it held. So a link that is in the inbox never changes, and no task
//    leaves while others stay. (Treiber's stack without its pop: a compare that succeeds may meet a
//    task that went and came back, and then it is on top again, whatever lies below.)
struct rs_inbox {
    _Alignas(RS_CACHE_LINE) _Atomic(struct rs_task_link *) newest;
    _Atomic uint32_t placed;  // a hint: of the tasks in it, those that are new
};

void rs_inbox_init(struct rs_inbox *inbox);

// Any thread. Returns whether the inbox was empty: then the caller owes the owner a wake-up, if it
// sleeps. Whoever finds it not empty relies on the one who did.
bool rs_inbox_push(struct rs_inbox *inbox, struct rs_task_link *task);

// A new task is about to be pushed. Any thread.
static inline void rs_inbox_count_placed(struct rs_inbox *inbox)
{
    // Relaxed, as below and in rs_inbox_take(): a hint.
    atomic_fetch_add_explicit(&inbox->placed, 1, memory_order_relaxed);
}

// How many of those have not been taken, more or less. Any thread.
static inline uint32_t rs_inbox_placed(const struct rs_inbox *inbox)
{
    return atomic_load_explicit(&inbox->placed, memory_order_relaxed);
}

// The owner and the sentinel, each of which may find that the other was faster. Takes every task:
// the oldest, linked by `next` to the newest, whose next is NULL. NULL when empty.
struct rs_task_link *rs_inbox_take(struct rs_inbox *inbox);

// For the owner's second look before it sleeps. Any thread.
static inline bool rs_inbox_seems_empty(const struct rs_inbox *inbox)
{
    // Seq_cst, with the CAS in rs_inbox_push(), see there.
    return atomic_load_explicit(&inbox->newest, memory_order_seq_cst) == NULL;
}

#endif
