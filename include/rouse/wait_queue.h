// SPDX-License-Identifier: MIT
//
// What every lock and channel waits with: a queue of waiters in the order in which they came. A
// waiter lies in the future that waits, so that waiting allocates nothing. Both are private to the
// library, and stand here because futures are the caller's storage.

#ifndef ROUSE_WAIT_QUEUE_H
#define ROUSE_WAIT_QUEUE_H

#include <rouse/waker.h>
#include <stdbool.h>
#include <stdint.h>

ROUSE_EXTERN_C_BEGIN

// The words are private.
struct rouse_waiter {
    struct rouse_waiter *next;
    struct rouse_waiter *prev;
    struct rouse_waker waker;
    uint64_t want;  // means something to the owner of the queue
    uint32_t state;
    bool pushed;  // since it was made; its owner's
};

// All zero is an empty queue. The words are private.
struct rouse_wait_queue {
    struct rouse_waiter *first;
    struct rouse_waiter *last;
    uint32_t lock;
    const void *granted;  // the task that was granted something last, until it takes it; for dumps
};

ROUSE_EXTERN_C_END

#endif
