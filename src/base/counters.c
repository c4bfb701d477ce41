// SPDX-License-Identifier: MIT
//
// The registry of counter shards, and their sums.

#include "base/counters.h"

#include <rouse/stats.h>

#include "base/global_lock.h"

struct rs_counters rs_counters_shared;

static struct rs_counters *registry;  // every thread's shard; under RS_GLOBAL_COUNTERS

void rs_counters_enter(struct rs_counters *shard)
{
    // Relaxed: a reader that knows the storage already may be late.
    for (int i = 0; i < RS_COUNTER_COUNT; i++) {
        atomic_store_explicit(&shard->values[i], 0, memory_order_relaxed);
    }
    rs_lock(rs_global_lock(RS_GLOBAL_COUNTERS));
    shard->next = registry;
    registry = shard;
    rs_unlock(rs_global_lock(RS_GLOBAL_COUNTERS));
    rs_tls.counters = shard;
}

// Call with the lock held.
static void registry_remove(const struct rs_counters *shard)
{
    for (struct rs_counters **link = &registry; *link != NULL; link = &(*link)->next) {
        if (*link != shard) continue;
        *link = shard->next;
        break;
    }
}

void rs_counters_leave(void)
{
    struct rs_counters *shard = rs_tls.counters;

    rs_tls.counters = NULL;
    rs_lock(rs_global_lock(RS_GLOBAL_COUNTERS));
    registry_remove(shard);
    for (int i = 0; i < RS_COUNTER_COUNT; i++) {
        // Relaxed: we wrote the shard ourselves; the sum is read under the same lock.
        atomic_fetch_add_explicit(&rs_counters_shared.values[i],
                                  atomic_load_explicit(&shard->values[i], memory_order_relaxed),
                                  memory_order_relaxed);
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_COUNTERS));
}

void rs_counters_forget(struct rs_counters *shard)
{
    rs_lock(rs_global_lock(RS_GLOBAL_COUNTERS));
    registry_remove(shard);
    rs_unlock(rs_global_lock(RS_GLOBAL_COUNTERS));
}

static int64_t sum_locked(enum rs_counter counter)
{
    // Relaxed throughout: see rs_counter_add().
    int64_t sum = atomic_load_explicit(&rs_counters_shared.values[counter], memory_order_relaxed);

    for (struct rs_counters *shard = registry; shard != NULL; shard = shard->next) {
        sum += atomic_load_explicit(&shard->values[counter], memory_order_relaxed);
    }
    return sum;
}

int64_t rs_counter_sum(enum rs_counter counter)
{
    rs_lock(rs_global_lock(RS_GLOBAL_COUNTERS));
    int64_t sum = sum_locked(counter);
    rs_unlock(rs_global_lock(RS_GLOBAL_COUNTERS));
    return sum;
}

void rouse_stats_get(struct rouse_stats *out)
{
    rs_lock(rs_global_lock(RS_GLOBAL_COUNTERS));
    *out = (struct rouse_stats){
        .tasks = sum_locked(RS_COUNTER_TASKS),
        .task_records = sum_locked(RS_COUNTER_TASK_RECORDS),
        .timers = sum_locked(RS_COUNTER_TIMERS),
        .sources = sum_locked(RS_COUNTER_SOURCES),
        .stacks = sum_locked(RS_COUNTER_STACKS),
        .stacks_cached = sum_locked(RS_COUNTER_STACKS_CACHED),
        .sockets = sum_locked(RS_COUNTER_SOCKETS),
        .blocking_jobs = sum_locked(RS_COUNTER_BLOCKING_JOBS),
        .threads = sum_locked(RS_COUNTER_THREADS),
        .allocations = sum_locked(RS_COUNTER_ALLOCATIONS),
        .allocated_bytes = sum_locked(RS_COUNTER_ALLOCATED_BYTES),
        .page_bytes = sum_locked(RS_COUNTER_PAGE_BYTES),
        .fds = sum_locked(RS_COUNTER_FDS),
        .polls = sum_locked(RS_COUNTER_POLLS),
        .steals = sum_locked(RS_COUNTER_STEALS),
        .parks = sum_locked(RS_COUNTER_PARKS),
    };
    rs_unlock(rs_global_lock(RS_GLOBAL_COUNTERS));
}
