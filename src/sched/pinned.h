// SPDX-License-Identifier: MIT
//
// A worker's queue of the tasks that only it may run: a list, first in first out, and a slot for
// the one that is to be run next. The owner's only, but for `length`. No call allocates.

#ifndef RS_SCHED_PINNED_H
#define RS_SCHED_PINNED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/link.h"

struct rs_pinned {
    struct rs_task_link *slot;   // NULL: none
    struct rs_task_link *first;  // NULL: the list is empty
    struct rs_task_link *last;
    _Atomic uint32_t length;  // of the list: a hint for others
};

static inline void rs_pinned_count(struct rs_pinned *q, uint32_t change)
{
    // Relaxed, both: ours; others take it as a hint.
    atomic_store_explicit(&q->length,
                          atomic_load_explicit(&q->length, memory_order_relaxed) + change,
                          memory_order_relaxed);
}

static inline void rs_pinned_push(struct rs_pinned *q, struct rs_task_link *link)
{
    link->next = NULL;
    *(q->first != NULL ? &q->last->next : &q->first) = link;
    q->last = link;
    rs_pinned_count(q, 1);
}

// The oldest task of the list, or NULL.
static inline struct rs_task_link *rs_pinned_pop(struct rs_pinned *q)
{
    struct rs_task_link *link = q->first;

    if (link == NULL) return NULL;
    q->first = link->next;
    rs_task_link_prefetch(q->first);
    rs_pinned_count(q, UINT32_MAX);
    return link;
}

static inline bool rs_pinned_is_empty(const struct rs_pinned *q)
{
    return q->first == NULL && q->slot == NULL;
}

#endif
