// SPDX-License-Identifier: MIT
//
// Wakers taken out under a lock, to be woken after it: no user code runs under a lock of ours.

#ifndef RS_IO_BATCH_H
#define RS_IO_BATCH_H

#include <rouse/waker.h>
#include <stdint.h>

#include "base/cpu.h"

#ifndef RS_BATCH_SIZE
#define RS_BATCH_SIZE 64
#endif
_Static_assert(RS_BATCH_SIZE >= 2, "a descriptor's two directions fit");

struct rs_batch {
    int count;
    struct rouse_waker wakers[RS_BATCH_SIZE];
};

static inline bool rs_batch_is_full(const struct rs_batch *batch)
{
    return batch->count == RS_BATCH_SIZE;
}

// Moves `waker` into the batch, which has room; an empty one is not counted.
static inline void rs_batch_take(struct rs_batch *batch, struct rouse_waker *waker)
{
    if (waker->vtable == NULL) return;
    // By the time of the wake it is near; for a million sleepers it would be far away. Of a task,
    // the wake and the poll that follows need the first two lines.
    __builtin_prefetch(waker->data, 1);
    __builtin_prefetch((const void *)((uintptr_t)waker->data + RS_CACHE_LINE), 1);
    batch->wakers[batch->count++] = *waker;
    waker->vtable = NULL;
}

// Wakes all. Returns how many.
static inline int rs_batch_wake(struct rs_batch *batch)
{
    int count = batch->count;

    for (int i = 0; i < count; i++) rouse_waker_wake(&batch->wakers[i]);
    batch->count = 0;
    return count;
}

#endif
