// SPDX-License-Identifier: MIT
//
// The injection queue: a list under a lock, and its length beside it. Invariants: see inject.h.

#include "sched/inject.h"

// Before any other thread knows of the queue.
void rs_inject_init(struct rs_inject *q)
{
    *q = (struct rs_inject){0};
}

// The holder of the lock only.
static size_t locked_length(const struct rs_inject *q)
{
    // Relaxed: only holders of the lock write it, and the lock has ordered them before us.
    return atomic_load_explicit(&q->length, memory_order_relaxed);
}

void rs_inject_push_batch(struct rs_inject *q, struct rs_task_link *first,
                          struct rs_task_link *last, size_t count)
{
    last->next = NULL;
    rs_lock(&q->lock);
    if (q->first == NULL) {
        q->first = first;
    } else {
        q->last->next = first;
    }
    q->last = last;
    // Seq_cst, because a submitter and a worker on its way to sleep must not miss each other: the
    // submitter stores the length, then loads the idle set; the worker enters the idle set, then
    // loads the length (rs_inject_seems_empty). One of them comes second.
    atomic_store_explicit(&q->length, locked_length(q) + count, memory_order_seq_cst);
    // Relaxed, both: only holders of the lock write it, and who reads it may be late.
    atomic_store_explicit(&q->pushed,
                          atomic_load_explicit(&q->pushed, memory_order_relaxed) + count,
                          memory_order_relaxed);
    rs_unlock(&q->lock);
}

void rs_inject_push(struct rs_inject *q, struct rs_task_link *task)
{
    rs_inject_push_batch(q, task, task, 1);
}

uint32_t rs_inject_pop_batch(struct rs_inject *q, struct rs_task_link **out, uint32_t max)
{
    uint32_t count = 0;

    // Relaxed: 0 may be out of date, which makes this one miss, not the second look before sleep;
    // otherwise the lock tells.
    if (rs_inject_length(q) == 0) return 0;

    rs_lock(&q->lock);
    while (count < max && q->first != NULL) {
        out[count++] = q->first;
        q->first = q->first->next;
    }
    // Relaxed: a reader that still sees more looks in vain, under the lock.
    atomic_store_explicit(&q->length, locked_length(q) - count, memory_order_relaxed);
    rs_unlock(&q->lock);
    return count;
}

struct rs_task_link *rs_inject_pop(struct rs_inject *q)
{
    struct rs_task_link *task;

    return rs_inject_pop_batch(q, &task, 1) == 1 ? task : NULL;
}

size_t rs_inject_length(const struct rs_inject *q)
{
    // Relaxed: a hint.
    return atomic_load_explicit(&q->length, memory_order_relaxed);
}

uint64_t rs_inject_pushed(const struct rs_inject *q)
{
    // Relaxed: a moment's view.
    return atomic_load_explicit(&q->pushed, memory_order_relaxed);
}

bool rs_inject_seems_empty(const struct rs_inject *q)
{
    // Seq_cst, with the store in rs_inject_push_batch(), see there.
    return atomic_load_explicit(&q->length, memory_order_seq_cst) == 0;
}
