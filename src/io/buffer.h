// SPDX-License-Identifier: MIT
//
// The pool of lent buffers: each worker keeps a few free ones, and only its thread touches them.
//
// 1. A buffer belongs to nobody but its allocator, so it stays with the worker on which it was
//    given back. There is nothing to send home: all are of one size, and what a worker has no room
//    for goes back to the allocator at once. A worker that only lends takes from the allocator
//    what one that only takes back gives to it: that is the allocator's trade, with its caches.
// 2. A pool keeps at most RS_BUFFERS_KEPT_MAX, and before its worker sleeps it lets go, now and
//    then, of half of those that were not needed since.
// 3. RS_COUNTER_BUFFERS counts what is lent, RS_COUNTER_BUFFERS_CACHED what pools keep.

#ifndef RS_IO_BUFFER_H
#define RS_IO_BUFFER_H

#include <rouse/buffer.h>

enum { RS_BUFFERS_KEPT_MAX = 32 };

struct rs_buffer;

// All zero is an empty pool.
struct rs_buffer_pool {
    struct rs_buffer *first;  // the one given back last, which is in the cache
    uint32_t count;
    uint32_t unneeded;  // how few there were at the least since the last trim
    uint32_t rests;
};

// Lends a buffer: ROUSE_BUFFER_SIZE bytes, not cleared; NULL without memory. Any thread.
void *rs_buffer_take(void);

// The worker is about to sleep. Owner only.
void rs_buffer_pool_rest(struct rs_buffer_pool *pool);

// Lets go of all. The owner, or when it is gone.
void rs_buffer_pool_deinit(struct rs_buffer_pool *pool);

#endif
