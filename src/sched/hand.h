// SPDX-License-Identifier: MIT
//
// The tasks that a worker runs next, out of thieves' reach: in the slot the one that a task here
// woke last; and those that it has taken off its run queue in one go, oldest first, with one
// read-modify-write of the queue's head for several polls. There are only as many as run in a
// fraction of the time that is worth a thief's coming, see share.c. If that was a mistake, and the
// worker does not come back from one of them, the sentinel takes the others.
//
// 1. The queue's owner owns the hand. Others only empty it, under `lock`, which favours the owner.
// 2. Where the owner has found the hand empty it stays empty until the owner fills it, and so does
//    the slot.

#ifndef RS_SCHED_HAND_H
#define RS_SCHED_HAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/biased_lock.h"
#include "sched/runq.h"

// Off the queue; and with the one in the slot.
enum { RS_HAND_MAX = 8, RS_HAND_ALL = RS_HAND_MAX + 1 };

struct rs_hand {
    struct rs_biased_lock lock;
    bool is_empty;   // of what it took off the queue, by invariant 2: the owner's alone; false may
                     // be wrong
    uint32_t next;   // under `lock`, as all below
    uint32_t count;  // the tasks are those from next to count - 1
    struct rs_task_link *tasks[RS_HAND_MAX];
    _Atomic(struct rs_task_link *) slot;  // written under `lock`
};

void rs_hand_init(struct rs_hand *hand);

// Owner only. Takes at most `max` tasks, and at most half of them, off the queue into the empty
// hand. Returns the first to run, or NULL.
struct rs_task_link *rs_hand_fill(struct rs_hand *hand, struct rs_runq *q, uint32_t max);

// Takes all tasks out, for another thread than the owner's. Returns how many.
uint32_t rs_hand_rob(struct rs_hand *hand, struct rs_task_link *out[RS_HAND_ALL]);

// Owner only. The next one to run, or NULL.
static inline struct rs_task_link *rs_hand_take(struct rs_hand *hand)
{
    struct rs_task_link *task = NULL;

    if (hand->is_empty) return NULL;
    rs_biased_lock(&hand->lock, true);
    if (hand->next < hand->count) {
        task = hand->tasks[hand->next++];
        rs_task_link_prefetch(hand->tasks[hand->next % RS_HAND_MAX]);
    }
    hand->is_empty = hand->next == hand->count;
    rs_biased_unlock(&hand->lock, true);
    return task;
}

// Whether there is a task in the slot. For others than the owner, of a moment ago.
static inline bool rs_hand_has_slot(const struct rs_hand *hand)
{
    // Relaxed: who takes it looks again, under the lock.
    return atomic_load_explicit(&hand->slot, memory_order_relaxed) != NULL;
}

// Owner only. Puts a task, or NULL, into the slot; returns what was there, or NULL.
static inline struct rs_task_link *rs_hand_exchange_slot(struct rs_hand *hand,
                                                         struct rs_task_link *task)
{
    struct rs_task_link *before;

    rs_biased_lock(&hand->lock, true);
    // Relaxed, both: under the lock.
    before = atomic_load_explicit(&hand->slot, memory_order_relaxed);
    atomic_store_explicit(&hand->slot, task, memory_order_relaxed);
    rs_biased_unlock(&hand->lock, true);
    return before;
}

#endif
