// SPDX-License-Identifier: MIT
//
// The inbox: a stack that is only ever emptied as a whole, then turned round. Invariants: see
// inbox.h.

#include "sched/inbox.h"

#include <stddef.h>

// Before any other thread knows of the inbox.
void rs_inbox_init(struct rs_inbox *inbox)
{
    atomic_init(&inbox->newest, NULL);
    atomic_init(&inbox->placed, 0);
}

bool rs_inbox_push(struct rs_inbox *inbox, struct rs_task_link *task)
{
    // Relaxed: only compared, and linked to; never followed by us.
    struct rs_task_link *newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

    // A loop, where one exchange would do with the link written after it: then the owner, finding
    // a task not linked yet, would have to wait for a thread that may be preempted.
    do {
        task->next = newest;
        // Release, with the acquire in rs_inbox_take(): the owner sees the link and the task.
        // Seq_cst, because a pusher and an owner on its way to sleep must not miss each other: the
        // pusher pushes, then loads the idle set; the owner enters the idle set, then loads
        // `newest` (rs_inbox_seems_empty). One of them comes second. Relaxed on failure: we try
        // again.
    } while (!atomic_compare_exchange_weak_explicit(&inbox->newest, &newest, task,
                                                    memory_order_seq_cst, memory_order_relaxed));
    return newest == NULL;
}

// Turns a NULL-terminated list round.
static struct rs_task_link *reverse(struct rs_task_link *list)
{
    struct rs_task_link *reversed = NULL;

    while (list != NULL) {
        struct rs_task_link *next = list->next;

        list->next = reversed;
        reversed = list;
        list = next;
    }
    return reversed;
}

struct rs_task_link *rs_inbox_take(struct rs_inbox *inbox)
{
    // Relaxed: a look whether it is worth the exchange. NULL may be out of date, which makes this
    // one miss, not the second look before sleep.
    if (atomic_load_explicit(&inbox->newest, memory_order_relaxed) == NULL) return NULL;
    // Relaxed: a hint, in which one that is pushed right now may be missing.
    atomic_store_explicit(&inbox->placed, 0, memory_order_relaxed);
    // Acquire, with the release in rs_inbox_push(), of every task in the list: the pushes follow
    // each other by read-modify-writes.
    return reverse(atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire));
}
