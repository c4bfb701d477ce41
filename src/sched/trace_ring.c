// SPDX-License-Identifier: MIT
//
// The ring's moves. Invariants, and who may run at once: see trace_ring.h.

#include "sched/trace_ring.h"

#include <errno.h>

#include "base/alloc.h"

enum { PAGE = 4096 };

_Static_assert((RS_TRACE_RING_CAPACITY & (RS_TRACE_RING_CAPACITY - 1)) == 0, "an index is masked");

static size_t records_size(const struct rs_trace_ring *ring)
{
    size_t size = (size_t)ring->capacity * ring->stride;

    return (size + PAGE - 1) / PAGE * PAGE;
}

static struct rs_trace_record *record_at(const struct rs_trace_ring *ring, uint64_t index)
{
    return (struct rs_trace_record *)(void *)(ring->records +
                                              (index & (ring->capacity - 1)) * ring->stride);
}

static int init(struct rs_trace_ring *ring, const struct rouse_allocator *allocator)
{
    // No pointers are in it, so no leak checker has to read it.
    ring->records = rs_pages_reserve(allocator, records_size(ring), PAGE);
    return ring->records != NULL ? 0 : -ENOMEM;
}

int rs_trace_ring_init(struct rs_trace_ring *ring, const struct rouse_allocator *allocator)
{
    ring->capacity = RS_TRACE_RING_CAPACITY;
    ring->stride = sizeof(struct rs_trace_record);
    return init(ring, allocator);
}

int rs_trace_ring_init_small(struct rs_trace_ring *ring, const struct rouse_allocator *allocator)
{
    ring->capacity = RS_TRACE_RING_SMALL_CAPACITY;
    ring->stride = sizeof(struct rs_trace_record);
    return init(ring, allocator);
}

int rs_trace_ring_init_short(struct rs_trace_ring *ring, const struct rouse_allocator *allocator)
{
    ring->capacity = RS_TRACE_RING_SHORT_CAPACITY;
    ring->stride = RS_TRACE_RECORD_SHORT;
    return init(ring, allocator);
}

void rs_trace_ring_deinit(struct rs_trace_ring *ring, const struct rouse_allocator *allocator)
{
    rs_pages_unreserve(allocator, ring->records, records_size(ring));
    ring->records = NULL;
}

struct rs_trace_record *rs_trace_ring_reserve(struct rs_trace_ring *ring)
{
    // Relaxed: ours.
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    if (tail - ring->head_seen == ring->capacity) {
        // Acquire, with the release in rs_trace_ring_read(): the reader is done with what it has
        // taken out, and we may write over it.
        ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    }
    if (tail - ring->head_seen == ring->capacity) {
        // Relaxed, both: ours; a count.
        atomic_store_explicit(&ring->dropped,
                              atomic_load_explicit(&ring->dropped, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return NULL;
    }
    return record_at(ring, tail);
}

void rs_trace_ring_commit(struct rs_trace_ring *ring)
{
    // Relaxed: ours.
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    // Release, with the acquire in rs_trace_ring_read(): the record is there.
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

uint64_t rs_trace_ring_read(struct rs_trace_ring *ring, uint64_t max,
                            void (*visit)(const struct rs_trace_record *record, void *arg),
                            void *arg)
{
    // Relaxed: the reader's own.
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    // Acquire, with the release in rs_trace_ring_commit().
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t count = tail - head < max ? tail - head : max;

    for (uint64_t i = 0; i < count; i++) {
        visit(record_at(ring, head + i), arg);
    }
    // Release, with the acquire in rs_trace_ring_reserve().
    atomic_store_explicit(&ring->head, head + count, memory_order_release);
    return count;
}

uint64_t rs_trace_ring_dropped(const struct rs_trace_ring *ring)
{
    // Relaxed: a count.
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}
