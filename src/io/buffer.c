// SPDX-License-Identifier: MIT
//
// Lending buffers and taking them back. A thread without a pool, which is one that runs no worker,
// asks the allocator each time.

#include "io/buffer.h"

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sanitizer.h"
#include "base/tls.h"

// A pool is trimmed at every so many rests: one that is used in bursts does not begin anew each
// time.
enum { RESTS_PER_TRIM = 16 };

struct rs_buffer {
    struct rs_buffer *next;  // in a pool
    const struct rouse_allocator *allocator;
    _Alignas(16) char data[ROUSE_BUFFER_SIZE];
};

static void buffer_discard(struct rs_buffer *buffer)
{
    rs_free(buffer->allocator, buffer, sizeof *buffer);
}

static struct rs_buffer *pool_pop(struct rs_buffer_pool *pool)
{
    struct rs_buffer *buffer = pool->first;

    pool->first = buffer->next;
    pool->count--;
    if (pool->count < pool->unneeded) pool->unneeded = pool->count;
    rs_counter_add(RS_COUNTER_BUFFERS_CACHED, -1);
    rs_unpoison(buffer->data, sizeof buffer->data);
    return buffer;
}

static void pool_push(struct rs_buffer_pool *pool, struct rs_buffer *buffer)
{
    // Who goes on using what it gave back is caught.
    rs_poison(buffer->data, sizeof buffer->data);
    buffer->next = pool->first;
    pool->first = buffer;
    pool->count++;
    rs_counter_add(RS_COUNTER_BUFFERS_CACHED, 1);
}

static struct rs_buffer *buffer_new(void)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rs_buffer *buffer = rs_alloc_uncleared(allocator, sizeof *buffer);

    if (buffer != NULL) buffer->allocator = allocator;
    return buffer;
}

void *rs_buffer_take(void)
{
    struct rs_buffer_pool *pool = rs_tls.buffers;
    struct rs_buffer *buffer = pool != NULL && pool->count > 0 ? pool_pop(pool) : buffer_new();

    if (buffer == NULL) return NULL;
    rs_counter_add(RS_COUNTER_BUFFERS, 1);
    return buffer->data;
}

void rouse_buffer_free(void *data)
{
    struct rs_buffer_pool *pool = rs_tls.buffers;

    if (data == NULL) return;
    struct rs_buffer *buffer = ROUSE_CONTAINER_OF(data, struct rs_buffer, data);

    rs_counter_add(RS_COUNTER_BUFFERS, -1);
    // A pool outlives no worker, and its buffers are of the worker's own allocator.
    if (pool != NULL && pool->count < RS_BUFFERS_KEPT_MAX &&
        buffer->allocator == rs_allocator_current()) {
        pool_push(pool, buffer);
    } else {
        buffer_discard(buffer);
    }
}

static void pool_shrink(struct rs_buffer_pool *pool, uint32_t count)
{
    while (count-- > 0) buffer_discard(pool_pop(pool));
}

void rs_buffer_pool_rest(struct rs_buffer_pool *pool)
{
    if (pool->count == 0 || ++pool->rests % RESTS_PER_TRIM != 0) return;
    pool_shrink(pool, (pool->unneeded + 1) / 2);
    pool->unneeded = pool->count;
}

void rs_buffer_pool_deinit(struct rs_buffer_pool *pool)
{
    pool_shrink(pool, pool->count);
}
