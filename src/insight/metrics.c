// SPDX-License-Identifier: MIT
//
// Metrics: what workers count of themselves, added up. Any thread reads, and nobody waits for it;
// the only locks are those of the blocking pools and of the process's counters, which are held for
// moments, and never while user code runs.

#include <errno.h>
#include <rouse/buffer.h>
#include <rouse/clock.h>
#include <rouse/metrics.h>
#include <string.h>

#include "insight/gauges.h"
#include "sched/observe.h"
#include "sched/runtime.h"

static uint64_t counted(const struct rs_worker *worker, enum rs_counter counter)
{
    return (uint64_t)rs_counters_get(&worker->counters, counter);
}

static uint64_t counted_by_all(const struct rs_sched *sched, enum rs_counter counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < sched->worker_count; i++) sum += counted(&sched->workers[i], counter);
    return sum;
}

// What lives, by the process's counters, each of which may be a little behind another.
static uint64_t living(enum rs_counter counter)
{
    int64_t sum = rs_counter_sum(counter);

    return sum > 0 ? (uint64_t)sum : 0;
}

void rs_gauges_process(struct rouse_metrics *m)
{
    m->num_timers = living(RS_COUNTER_TIMERS);
    m->num_sources = living(RS_COUNTER_SOURCES);
    m->task_bytes = living(RS_COUNTER_TASK_BYTES);
    m->stack_bytes = living(RS_COUNTER_STACK_BYTES);
    m->buffer_bytes = ROUSE_BUFFER_SIZE *
                      (living(RS_COUNTER_BUFFERS) + living(RS_COUNTER_BUFFERS_CACHED));
    m->allocated_bytes = living(RS_COUNTER_ALLOCATED_BYTES);
    m->page_bytes = living(RS_COUNTER_PAGE_BYTES);
}

static void read_pools(struct rs_sched *sched, struct rouse_metrics *m)
{
    struct rs_blocking_counts pool = rs_blocking_pool_counts(&sched->pool);
    struct rs_blocking_counts lookups = rs_blocking_pool_counts(&sched->lookups);

    m->num_blocking_threads = pool.threads;
    m->num_idle_blocking_threads = pool.idle;
    m->blocking_queue_depth = pool.queued;
    m->num_lookup_threads = lookups.threads;
    m->num_idle_lookup_threads = lookups.idle;
    m->lookup_queue_depth = lookups.queued;
}

void rs_gauges_sched(struct rs_sched *sched, struct rouse_metrics *m)
{
    int64_t live = (int64_t)rs_sched_live(sched);

    *m = (struct rouse_metrics){
        .num_workers = sched->worker_count,
        .num_idle_workers = (uint64_t)__builtin_popcountll(rs_idle_sleepers(&sched->idle)),
        .num_searching_workers = rs_idle_searchers(&sched->idle),
        // What has ended is counted first, so it is never more than what was spawned.
        .num_alive_tasks = live > 0 ? (uint64_t)live : 0,
        .spawned_tasks_count = rs_sched_spawned(sched),
        .global_queue_depth = rs_inject_length(&sched->inject),
        .injection_count = rs_inject_pushed(&sched->inject),
        .budget_forced_yield_count = counted_by_all(sched, RS_COUNTER_BUDGET_YIELDS),
        .io_driver_ready_count = counted_by_all(sched, RS_COUNTER_READY_EVENTS),
    };
    read_pools(sched, m);
}

void rs_gauges_worker(struct rs_sched *sched, unsigned worker, struct rouse_worker_metrics *m)
{
    struct rs_worker *w = &sched->workers[worker];

    *m = (struct rouse_worker_metrics){
        .poll_count = counted(w, RS_COUNTER_POLLS),
        .park_count = counted(w, RS_COUNTER_PARKS),
        .noop_count = counted(w, RS_COUNTER_NOOPS),
        .steal_count = counted(w, RS_COUNTER_STEALS),
        .steal_operations = counted(w, RS_COUNTER_STEAL_OPERATIONS),
        .overflow_count = counted(w, RS_COUNTER_OVERFLOWS),
        .budget_forced_yield_count = counted(w, RS_COUNTER_BUDGET_YIELDS),
        .io_driver_ready_count = counted(w, RS_COUNTER_READY_EVENTS),
        .local_queue_depth = rs_worker_queue_depth(w),
        .total_busy_duration_ns = rs_busy_get(&w->busy, rouse_now_ns()),
        .spin_count = counted(w, RS_COUNTER_SPINS),
        .spared_park_count = counted(w, RS_COUNTER_SPARED_PARKS),
        .move_count = counted(w, RS_COUNTER_MOVES),
        .solo_count = counted(w, RS_COUNTER_SOLOS),
    };
}

static void histogram_add(const struct rs_worker *worker, rouse_histogram_kind kind,
                          struct rouse_histogram *out)
{
    const struct rs_observations *seen = worker->observations;

    rs_histogram_read(kind == ROUSE_HISTOGRAM_POLL_TIME ? &seen->poll_times : &seen->latencies,
                      out);
}

int rs_gauges_histogram(struct rs_sched *sched, int worker, rouse_histogram_kind kind,
                        struct rouse_histogram *out)
{
    *out = (struct rouse_histogram){0};
    if ((rs_observed(sched) & RS_OBSERVE_TIMES) == 0) return -ENOTSUP;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if (worker < 0 || i == (unsigned)worker) histogram_add(&sched->workers[i], kind, out);
    }
    return 0;
}

// ---- For users ----

// The caller's runtime, or the default one, which is pinned.
static struct rs_sched *sched_acquire(struct rouse_runtime *runtime)
{
    struct rouse_runtime *found = runtime != NULL ? runtime : rs_default_pin_if_any();

    return found != NULL ? &found->sched : NULL;
}

static void sched_release(const struct rouse_runtime *runtime, struct rs_sched *sched)
{
    if (runtime == NULL) rs_sched_unpin(sched);
}

// Gives a caller that knows less, or more, what both know. `size` is the first member of both.
static void hand_out(void *to, size_t *size, void *from, size_t from_size)
{
    size_t common = *size < from_size ? *size : from_size;

    memcpy(from, &common, sizeof common);
    memcpy(to, from, common);
}

int rouse_metrics(struct rouse_runtime *runtime, struct rouse_metrics *out)
{
    struct rouse_metrics m;

    if (out->size < sizeof out->size) return -EINVAL;
    struct rs_sched *sched = sched_acquire(runtime);

    if (sched == NULL) return -ENOENT;
    rs_gauges_sched(sched, &m);
    rs_gauges_process(&m);
    sched_release(runtime, sched);
    hand_out(out, &out->size, &m, sizeof m);
    return 0;
}

int rouse_worker_metrics(struct rouse_runtime *runtime, unsigned worker,
                         struct rouse_worker_metrics *out)
{
    struct rouse_worker_metrics m;

    if (out->size < sizeof out->size) return -EINVAL;
    struct rs_sched *sched = sched_acquire(runtime);

    if (sched == NULL) return -ENOENT;
    bool is_there = worker < sched->worker_count;

    if (is_there) rs_gauges_worker(sched, worker, &m);
    sched_release(runtime, sched);
    if (!is_there) return -EINVAL;
    hand_out(out, &out->size, &m, sizeof m);
    return 0;
}

int rouse_metrics_histogram(struct rouse_runtime *runtime, int worker, rouse_histogram_kind kind,
                            struct rouse_histogram *out)
{
    struct rouse_histogram h;
    int err = -EINVAL;

    if (out->size < sizeof out->size) return -EINVAL;
    struct rs_sched *sched = sched_acquire(runtime);

    if (sched == NULL) return -ENOENT;
    if (worker >= -1 && worker < (int)sched->worker_count) {
        err = rs_gauges_histogram(sched, worker, kind, &h);
    }
    sched_release(runtime, sched);
    if (err == 0) hand_out(out, &out->size, &h, sizeof h);
    return err;
}
