// SPDX-License-Identifier: MIT
//
// The registry of counter shards, and their sums.

#include "base/counters.h"

#include <rouse/stats.h>

#include "base/global_lock.h"

struct rs_counters rs_counters_shared;

static struct rs_counters *registry;  // every thread's shard; under RS_GLOBAL_COUNTERS

// What a shard has counted becomes part of the shared one (1), or of itself again (-1). Call with
// the lock held, under which sums are read.
static void fold(const struct rs_counters *shard, int64_t sign)
{
    for (int i = 0; i < RS_COUNTER_COUNT; i++) {
        int64_t value = rs_counters_get(shard, (enum rs_counter)i);

        // Relaxed: a count orders nothing.
        if (value != 0) {
            atomic_fetch_add_explicit(&rs_counters_shared.values[i], sign * value,
                                      memory_order_relaxed);
        }
    }
}

void rs_counters_enter(struct rs_counters *shard)
{
    rs_lock(rs_global_lock(RS_GLOBAL_COUNTERS));
    fold(shard, -1);
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
    fold(shard, 1);
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
        .buffers = sum_locked(RS_COUNTER_BUFFERS),
        .buffers_cached = sum_locked(RS_COUNTER_BUFFERS_CACHED),
        .blocking_jobs = sum_locked(RS_COUNTER_BLOCKING_JOBS),
        .threads = sum_locked(RS_COUNTER_THREADS),
        .allocations = sum_locked(RS_COUNTER_ALLOCATIONS),
        .allocated_bytes = sum_locked(RS_COUNTER_ALLOCATED_BYTES),
        .page_bytes = sum_locked(RS_COUNTER_PAGE_BYTES),
        .fds = sum_locked(RS_COUNTER_FDS),
        .lookups_abandoned = sum_locked(RS_COUNTER_LOOKUPS_ABANDONED),
        .polls = sum_locked(RS_COUNTER_POLLS),
        .steals = sum_locked(RS_COUNTER_STEALS),
        .parks = sum_locked(RS_COUNTER_PARKS),
    };
    rs_unlock(rs_global_lock(RS_GLOBAL_COUNTERS));
}
