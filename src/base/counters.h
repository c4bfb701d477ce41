// SPDX-License-Identifier: MIT
//
// Live counters. Each of our threads counts in a shard of its own, with plain relaxed stores;
// other threads count in a shared one with read-modify-writes. A reading is the sum. A worker's
// shard stays with the worker, and is its part of the metrics.

#ifndef RS_BASE_COUNTERS_H
#define RS_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/tls.h"

enum rs_counter {
    // What grows only, and is a worker's: on one cache line.
    RS_COUNTER_POLLS,
    RS_COUNTER_PARKS,
    RS_COUNTER_NOOPS,
    RS_COUNTER_STEALS,
    RS_COUNTER_STEAL_OPERATIONS,
    RS_COUNTER_OVERFLOWS,
    RS_COUNTER_BUDGET_YIELDS,
    RS_COUNTER_READY_EVENTS,
    // What lives.
    RS_COUNTER_TASKS,
    RS_COUNTER_TASK_RECORDS,
    RS_COUNTER_TIMERS,
    RS_COUNTER_SOURCES,
    RS_COUNTER_STACKS,
    RS_COUNTER_STACKS_CACHED,
    RS_COUNTER_SOCKETS,
    RS_COUNTER_BUFFERS,
    RS_COUNTER_BUFFERS_CACHED,
    RS_COUNTER_BLOCKING_JOBS,
    RS_COUNTER_LOOKUPS_ABANDONED,
    RS_COUNTER_THREADS,
    RS_COUNTER_ALLOCATIONS,
    RS_COUNTER_ALLOCATED_BYTES,
    RS_COUNTER_PAGE_BYTES,
    RS_COUNTER_FDS,
    RS_COUNTER_TASK_BYTES,
    RS_COUNTER_STACK_BYTES,
    // What grows only, and seldom.
    RS_COUNTER_SPINS,
    RS_COUNTER_SPARED_PARKS,
    RS_COUNTER_MOVES,
    RS_COUNTER_SOLOS,
    RS_COUNTER_COUNT,
};

_Static_assert(RS_COUNTER_TASKS * sizeof(int64_t) <= RS_CACHE_LINE, "on one cache line");

struct rs_counters {
    _Alignas(RS_CACHE_LINE) _Atomic int64_t values[RS_COUNTER_COUNT];
    struct rs_counters *next;  // registry, under its lock
};

extern struct rs_counters rs_counters_shared;

// Adds to a counter of the calling thread's own shard.
static inline void rs_counters_add(struct rs_counters *shard, enum rs_counter counter,
                                   int64_t amount)
{
    // Relaxed, load and store: this thread is the only writer; a reader may be late.
    int64_t value = atomic_load_explicit(&shard->values[counter], memory_order_relaxed);
    atomic_store_explicit(&shard->values[counter], value + amount, memory_order_relaxed);
}

// What a shard has counted so far. Any thread.
static inline int64_t rs_counters_get(const struct rs_counters *shard, enum rs_counter counter)
{
    // Relaxed: as above.
    return atomic_load_explicit(&shard->values[counter], memory_order_relaxed);
}

// Adds to a counter; `amount` may be negative. Never fails, any thread.
static inline void rs_counter_add(enum rs_counter counter, int64_t amount)
{
    struct rs_counters *shard = rs_tls.counters;

    if (shard != NULL) {
        rs_counters_add(shard, counter, amount);
    } else {
        // Relaxed: a count orders nothing.
        atomic_fetch_add_explicit(&rs_counters_shared.values[counter], amount,
                                  memory_order_relaxed);
    }
}

// Gives the calling thread the shard `shard`, until rs_counters_leave(): a zeroed one, or one that
// was left and goes on from where it was.
void rs_counters_enter(struct rs_counters *shard);

// Folds the calling thread's shard into the shared one, and leaves in it what it has counted. Its
// storage may go.
void rs_counters_leave(void);

// In the child of a fork: drops the shard of a thread that is not there, and what it counted.
void rs_counters_forget(struct rs_counters *shard);

int64_t rs_counter_sum(enum rs_counter counter);

#endif
