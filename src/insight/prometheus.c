// SPDX-License-Identifier: MIT
//
// The metrics in the text format of Prometheus. All samples of a name stand together, so the text
// goes over the schedulers once for each name.

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/metrics.h>
#include <stddef.h>
#include <string.h>

#include "insight/gauges.h"
#include "insight/prometheus.h"

// A number of struct rouse_metrics or struct rouse_worker_metrics.
struct series {
    const char *name;
    const char *type;
    const char *help;
    size_t offset;
    bool ns;  // shown in seconds
};

#define OF_SCHED(member) offsetof(struct rouse_metrics, member), false
#define OF_WORKER(member) offsetof(struct rouse_worker_metrics, member)

static const struct series sched_series[] = {
    {"rouse_workers", "gauge", "Workers.", OF_SCHED(num_workers)},
    {"rouse_workers_idle", "gauge", "Workers asleep.", OF_SCHED(num_idle_workers)},
    {"rouse_workers_searching", "gauge", "Workers that look for work to steal.",
     OF_SCHED(num_searching_workers)},
    {"rouse_tasks_alive", "gauge", "Tasks spawned and not ended.", OF_SCHED(num_alive_tasks)},
    {"rouse_tasks_spawned_total", "counter", "Tasks spawned.", OF_SCHED(spawned_tasks_count)},
    {"rouse_global_queue_depth", "gauge", "Tasks in the injection queue.",
     OF_SCHED(global_queue_depth)},
    {"rouse_injections_total", "counter", "Tasks put into the injection queue.",
     OF_SCHED(injection_count)},
    {"rouse_blocking_threads", "gauge", "Threads for blocking calls.",
     OF_SCHED(num_blocking_threads)},
    {"rouse_blocking_threads_idle", "gauge", "Threads for blocking calls without one.",
     OF_SCHED(num_idle_blocking_threads)},
    {"rouse_blocking_queue_depth", "gauge", "Blocking calls that wait for a thread.",
     OF_SCHED(blocking_queue_depth)},
    {"rouse_lookup_threads", "gauge", "Threads that look up names.", OF_SCHED(num_lookup_threads)},
    {"rouse_lookup_threads_idle", "gauge", "Threads that look up names without one.",
     OF_SCHED(num_idle_lookup_threads)},
    {"rouse_lookup_queue_depth", "gauge", "Names that wait for a thread.",
     OF_SCHED(lookup_queue_depth)},
};

static const struct series worker_series[] = {
    {"rouse_worker_polls_total", "counter", "Polls of tasks.", OF_WORKER(poll_count), false},
    {"rouse_worker_parks_total", "counter", "Times that the worker went to sleep.",
     OF_WORKER(park_count), false},
    {"rouse_worker_noops_total", "counter", "Times that it had polled nothing since it woke.",
     OF_WORKER(noop_count), false},
    {"rouse_worker_spins_total", "counter", "Times that it looked around before it slept.",
     OF_WORKER(spin_count), false},
    {"rouse_worker_spared_parks_total", "counter", "Times that it found work in that.",
     OF_WORKER(spared_park_count), false},
    {"rouse_worker_moves_total", "counter", "Times that it went to another processor.",
     OF_WORKER(move_count), false},
    {"rouse_worker_solos_total", "counter", "Times that it began to run the tasks of all.",
     OF_WORKER(solo_count), false},
    {"rouse_worker_stolen_tasks_total", "counter", "Tasks taken from other workers.",
     OF_WORKER(steal_count), false},
    {"rouse_worker_steal_operations_total", "counter", "Times that it took tasks from another.",
     OF_WORKER(steal_operations), false},
    {"rouse_worker_overflows_total", "counter", "Times that its queue was full.",
     OF_WORKER(overflow_count), false},
    {"rouse_worker_budget_forced_yields_total", "counter", "Polls that ended for want of budget.",
     OF_WORKER(budget_forced_yield_count), false},
    {"rouse_worker_ready_events_total", "counter", "Events of descriptors.",
     OF_WORKER(io_driver_ready_count), false},
    {"rouse_worker_queue_depth", "gauge", "Tasks that are ready to run.",
     OF_WORKER(local_queue_depth), false},
    {"rouse_worker_busy_seconds_total", "counter", "Time not asleep.",
     OF_WORKER(total_busy_duration_ns), true},
};

static const struct series process_series[] = {
    {"rouse_timers", "gauge", "Timers that wait.", OF_SCHED(num_timers)},
    {"rouse_sources", "gauge", "Descriptors known to a driver.", OF_SCHED(num_sources)},
    {"rouse_task_bytes", "gauge", "Memory for tasks.", OF_SCHED(task_bytes)},
    {"rouse_stack_bytes", "gauge", "Address space for stacks of fibers.", OF_SCHED(stack_bytes)},
    {"rouse_buffer_bytes", "gauge", "Memory for pooled buffers.", OF_SCHED(buffer_bytes)},
    {"rouse_allocated_bytes", "gauge", "Memory by the byte.", OF_SCHED(allocated_bytes)},
    {"rouse_page_bytes", "gauge", "Address space by the page; tasks and stacks are part of it.",
     OF_SCHED(page_bytes)},
};

struct page {
    struct rs_text *text;
    const struct series *series;
    rouse_histogram_kind kind;
    bool is_any;  // of the histogram in hand
};

static void print_head(struct page *page, const char *name, const char *type, const char *help)
{
    rs_text_print(page->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t value_at(const void *metrics, size_t offset)
{
    uint64_t value;

    memcpy(&value, (const char *)metrics + offset, sizeof value);
    return value;
}

static void print_sched(struct rs_sched *sched, void *arg)
{
    struct page *page = arg;
    struct rouse_metrics m;

    rs_gauges_sched(sched, &m);
    rs_text_print(page->text, "%s{scheduler=\"%s-%u\"} %llu\n", page->series->name, sched->kind,
                  sched->number, (unsigned long long)value_at(&m, page->series->offset));
}

static void print_worker(struct rs_sched *sched, void *arg)
{
    struct page *page = arg;
    const struct series *series = page->series;
    struct rouse_worker_metrics m;

    for (unsigned i = 0; i < sched->worker_count; i++) {
        rs_gauges_worker(sched, i, &m);
        unsigned long long value = value_at(&m, series->offset);

        rs_text_print(page->text, "%s{scheduler=\"%s-%u\",worker=\"%u\"} ", series->name,
                      sched->kind, sched->number, i);
        if (series->ns) {
            rs_text_print(page->text, "%llu.%09llu\n", value / ROUSE_NS_PER_S,
                          value % ROUSE_NS_PER_S);
        } else {
            rs_text_print(page->text, "%llu\n", value);
        }
    }
}

static void print_process(struct page *page)
{
    struct rouse_metrics m = {.size = 0};

    rs_gauges_process(&m);
    for (size_t i = 0; i < sizeof process_series / sizeof process_series[0]; i++) {
        const struct series *series = &process_series[i];

        print_head(page, series->name, series->type, series->help);
        rs_text_print(page->text, "%s %llu\n", series->name,
                      (unsigned long long)value_at(&m, series->offset));
    }
}

// Of the four buckets of each power of two only the sum: from 256 ns to 17 s.
enum { EXPONENT_FIRST = 8, EXPONENT_LAST = 34 };

static const char *const histogram_names[] = {
    [ROUSE_HISTOGRAM_POLL_TIME] = "rouse_poll_duration_seconds",
    [ROUSE_HISTOGRAM_SCHEDULE_LATENCY] = "rouse_schedule_latency_seconds",
};
static const char *const histogram_helps[] = {
    [ROUSE_HISTOGRAM_POLL_TIME] = "How long polls of tasks take.",
    [ROUSE_HISTOGRAM_SCHEDULE_LATENCY] = "Time from a task's way into a queue to its poll.",
};

static void print_buckets(struct page *page, const struct rs_sched *sched,
                          const struct rouse_histogram *h)
{
    const char *name = histogram_names[page->kind];
    uint64_t count = 0;
    unsigned bucket = 0;

    for (unsigned exponent = EXPONENT_FIRST; exponent <= EXPONENT_LAST; exponent++) {
        uint64_t bound = UINT64_C(1) << exponent;

        while (rouse_histogram_bound_ns(bucket) <= bound) count += h->buckets[bucket++];
        rs_text_print(page->text, "%s_bucket{scheduler=\"%s-%u\",le=\"%.9g\"} %llu\n", name,
                      sched->kind, sched->number, (double)bound / (double)ROUSE_NS_PER_S,
                      (unsigned long long)count);
    }
    rs_text_print(page->text, "%s_bucket{scheduler=\"%s-%u\",le=\"+Inf\"} %llu\n", name,
                  sched->kind, sched->number, (unsigned long long)h->count);
    rs_text_print(page->text, "%s_sum{scheduler=\"%s-%u\"} %.9f\n", name, sched->kind,
                  sched->number, (double)h->sum_ns / (double)ROUSE_NS_PER_S);
    rs_text_print(page->text, "%s_count{scheduler=\"%s-%u\"} %llu\n", name, sched->kind,
                  sched->number, (unsigned long long)h->count);
}

static void print_histogram(struct rs_sched *sched, void *arg)
{
    struct page *page = arg;
    struct rouse_histogram h;

    if (rs_gauges_histogram(sched, -1, page->kind, &h) < 0) return;
    if (!page->is_any) {
        print_head(page, histogram_names[page->kind], "histogram", histogram_helps[page->kind]);
    }
    page->is_any = true;
    print_buckets(page, sched, &h);
}

static void print_each(struct page *page, const struct series *series, size_t count,
                       void (*print)(struct rs_sched *sched, void *arg))
{
    for (size_t i = 0; i < count; i++) {
        page->series = &series[i];
        print_head(page, series[i].name, series[i].type, series[i].help);
        rs_sched_visit(print, page);
    }
}

void rs_prometheus_print(struct rs_text *text)
{
    struct page page = {.text = text};

    print_each(&page, sched_series, sizeof sched_series / sizeof sched_series[0], print_sched);
    print_each(&page, worker_series, sizeof worker_series / sizeof worker_series[0], print_worker);
    print_process(&page);
    for (int kind = 0; kind <= ROUSE_HISTOGRAM_SCHEDULE_LATENCY; kind++) {
        page.kind = (rouse_histogram_kind)kind;
        page.is_any = false;
        rs_sched_visit(print_histogram, &page);
    }
}

int rouse_metrics_write(int fd)
{
    struct rs_text text;
    int err = -ENOMEM;

    rs_text_init(&text);
    rs_prometheus_print(&text);
    // A part of it would be taken for all.
    if (!text.truncated) err = rs_text_write(&text, fd);
    rs_text_deinit(&text);
    return err;
}
