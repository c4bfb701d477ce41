// SPDX-License-Identifier: MIT
//
// The seldom half of a hand: filling it, and emptying it from elsewhere.

#include "sched/hand.h"

#include <stddef.h>

void rs_hand_init(struct rs_hand *hand)
{
    rs_biased_prepare();
    hand->is_empty = true;
}

struct rs_task_link *rs_hand_fill(struct rs_hand *hand, struct rs_runq *q, uint32_t max)
{
    struct rs_task_link *first = NULL;

    rs_biased_lock(&hand->lock, true);
    hand->count = rs_runq_take_half(q, hand->tasks, max < RS_HAND_MAX ? max : RS_HAND_MAX);
    if (hand->count > 0) first = hand->tasks[0];
    hand->next = hand->count > 0 ? 1 : 0;
    hand->is_empty = hand->next == hand->count;
    rs_biased_unlock(&hand->lock, true);
    return first;
}

uint32_t rs_hand_rob(struct rs_hand *hand, struct rs_task_link *out[RS_HAND_ALL])
{
    uint32_t count = 0;

    rs_biased_lock(&hand->lock, false);
    // Relaxed, both: under the lock.
    out[0] = atomic_load_explicit(&hand->slot, memory_order_relaxed);
    if (out[0] != NULL) {
        atomic_store_explicit(&hand->slot, NULL, memory_order_relaxed);
        count = 1;
    }
    while (hand->next < hand->count) out[count++] = hand->tasks[hand->next++];
    rs_biased_unlock(&hand->lock, false);
    return count;
}
