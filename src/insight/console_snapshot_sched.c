// SPDX-License-Identifier: MIT
//
// The part of a snapshot that is about schedulers and their workers: see console_snapshot_part.h.

#include <rouse/clock.h>
#include <rouse/runtime.h>

#include "insight/console_snapshot_part.h"
#include "insight/gauges.h"
#include "insight/json.h"
#include "task/task.h"

// A worker that is in one poll for as long is called stalled.
#define STALLED_NS (100 * ROUSE_NS_PER_MS)

struct worker_state {
    const char *name;
    uint64_t task;  // its id; 0: none
    uint64_t since_ns;
};

// The task that a worker is in, by its id. It may end at any moment, so nothing of it is read but
// what tells whether it is one.
static uint64_t current_id(const struct rs_worker *worker)
{
    // Relaxed: only an address.
    const struct rouse_task *task = atomic_load_explicit(&worker->current, memory_order_relaxed);

    return task != NULL ? rs_task_id(task) : 0;
}

static struct worker_state state_of(const struct rs_snapshot *s, const struct rs_sched *sched,
                                    unsigned index)
{
    const struct rs_watched_sched *seen = rs_observer_sched(&s->kept->observer, sched);
    const struct rs_worker *worker = &sched->workers[index];
    struct worker_state state = {.name = "searching", .task = current_id(worker)};

    if (state.task != 0) {
        state.since_ns = seen != NULL ? seen->workers[index].since_ns : 0;
        bool is_stalled = state.since_ns != 0 && s->now_ns - state.since_ns >= STALLED_NS;

        state.name = is_stalled ? "stalled" : "running";
    } else if ((rs_idle_sleepers(&sched->idle) >> index & 1) != 0) {
        state.name = "idle";
    }
    return state;
}

static void print_worker(const struct rs_snapshot *s, struct rs_sched *sched, unsigned index)
{
    struct worker_state state = state_of(s, sched, index);
    struct rouse_worker_metrics m;

    rs_gauges_worker(sched, index, &m);
    rs_text_print(s->text, "%s{\"id\":%u,\"state\":\"%s\"", index > 0 ? "," : "", index,
                  state.name);
    if (state.task != 0) {
        rs_text_print(s->text, ",\"task\":\"%llu\"", (unsigned long long)state.task);
    } else {
        rs_text_print(s->text, ",\"task\":null");
    }
    rs_json_number(s->text, "since_ns", state.since_ns);
    rs_json_number(s->text, "poll_count", m.poll_count);
    rs_json_number(s->text, "park_count", m.park_count);
    rs_json_number(s->text, "noop_count", m.noop_count);
    rs_json_number(s->text, "steal_count", m.steal_count);
    rs_json_number(s->text, "steal_operations", m.steal_operations);
    rs_json_number(s->text, "overflow_count", m.overflow_count);
    rs_json_number(s->text, "busy_ns", m.total_busy_duration_ns);
    rs_json_number(s->text, "queue", m.local_queue_depth);
    rs_json_number(s->text, "events", m.io_driver_ready_count);
    rs_text_print(s->text, "}");
}

static void print_histogram(struct rs_text *text, const char *name,
                            const struct rouse_histogram *histogram)
{
    bool is_first = true;

    rs_text_print(text, ",\"%s\":[", name);
    for (unsigned i = 0; histogram != NULL && i < ROUSE_HISTOGRAM_BUCKETS; i++) {
        uint64_t bound_ns = rouse_histogram_bound_ns(i);

        if (histogram->buckets[i] == 0) continue;
        rs_text_print(text, "%s[%llu,%llu]", is_first ? "" : ",",
                      bound_ns != ROUSE_NEVER ? (unsigned long long)bound_ns : 0,
                      (unsigned long long)histogram->buckets[i]);
        is_first = false;
    }
    rs_text_print(text, "]");
}

static void print_metrics(struct rs_text *text, struct rs_sched *sched)
{
    struct rouse_metrics m;

    rs_gauges_sched(sched, &m);
    rs_text_print(text, ",\"metrics\":{\"num_workers\":%llu", (unsigned long long)m.num_workers);
    rs_json_number(text, "num_idle_workers", m.num_idle_workers);
    rs_json_number(text, "num_searching_workers", m.num_searching_workers);
    rs_json_number(text, "num_alive_tasks", m.num_alive_tasks);
    rs_json_number(text, "spawned_tasks_count", m.spawned_tasks_count);
    rs_json_number(text, "global_queue_depth", m.global_queue_depth);
    rs_json_number(text, "injection_count", m.injection_count);
    rs_json_number(text, "budget_forced_yield_count", m.budget_forced_yield_count);
    rs_json_number(text, "io_driver_ready_count", m.io_driver_ready_count);
    rs_json_number(text, "num_blocking_threads", m.num_blocking_threads);
    rs_json_number(text, "num_idle_blocking_threads", m.num_idle_blocking_threads);
    rs_json_number(text, "blocking_queue_depth", m.blocking_queue_depth);
    rs_json_number(text, "num_lookup_threads", m.num_lookup_threads);
    rs_json_number(text, "num_idle_lookup_threads", m.num_idle_lookup_threads);
    rs_json_number(text, "lookup_queue_depth", m.lookup_queue_depth);
    rs_text_print(text, "}");
}

void rs_snapshot_print_sched(struct rs_sched *sched, void *arg)
{
    struct rs_snapshot *s = arg;
    const struct rs_watched_sched *seen = rs_observer_sched(&s->kept->observer, sched);

    if (s->sched_count == RS_SNAPSHOT_SCHEDS_MAX) return;
    rs_text_print(s->text, "%s{\"name\":\"%s %u\",\"kind\":\"%s\",\"reactor\":\"%s\"",
                  s->sched_count > 0 ? "," : "", sched->kind, sched->number, sched->kind,
                  rouse_driver_reactor(sched->workers[0].driver));
    s->scheds[s->sched_count++] = sched->number;
    print_metrics(s->text, sched);
    rs_text_print(s->text, ",\"workers\":[");
    for (unsigned i = 0; i < sched->worker_count; i++) print_worker(s, sched, i);
    rs_text_print(s->text, "]");
    print_histogram(s->text, "poll_time", seen != NULL ? &seen->poll_times : NULL);
    print_histogram(s->text, "schedule_latency", seen != NULL ? &seen->latencies : NULL);
    rs_text_print(s->text, "}");
}

// ---- For people ----

void rs_snapshot_print_sched_line(struct rs_sched *sched, void *arg)
{
    const struct rs_snapshot *s = arg;
    struct rouse_worker_metrics w;
    struct rouse_metrics m;

    rs_gauges_sched(sched, &m);
    rs_text_print(s->text, "%s %u, %s: %llu tasks, %llu in the injection queue\n", sched->kind,
                  sched->number, rouse_driver_reactor(sched->workers[0].driver),
                  (unsigned long long)m.num_alive_tasks, (unsigned long long)m.global_queue_depth);
    for (unsigned i = 0; i < sched->worker_count; i++) {
        rs_gauges_worker(sched, i, &w);
        rs_text_print(s->text,
                      "  worker %u: %-9s %llu polls, %llu queued, %llu stolen, busy for %.3f s\n",
                      i, state_of(s, sched, i).name, (unsigned long long)w.poll_count,
                      (unsigned long long)w.local_queue_depth, (unsigned long long)w.steal_count,
                      (double)w.total_busy_duration_ns / (double)ROUSE_NS_PER_S);
    }
}
