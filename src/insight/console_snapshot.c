// SPDX-License-Identifier: MIT
//
// Writing snapshots: see console_snapshot.h. What each number means stands in docs/console.md.

#include "insight/console_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/clock.h>
#include <rouse/runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "insight/console_action.h"
#include "insight/gauges.h"
#include "insight/json.h"
#include "sched/observe.h"
#include "task/task.h"

// The build says it; tools that read this file alone do not.
#ifndef ROUSE_VERSION_STRING
#define ROUSE_VERSION_STRING ""
#endif

// A worker that is in one poll for as long is called stalled.
#define STALLED_NS (100 * ROUSE_NS_PER_MS)
#define BUDGET_MIN_NS ROUSE_NS_PER_MS
#define BUDGET_MAX_NS (20 * ROUSE_NS_PER_MS)

enum { SCHEDS_MAX = 256, BUDGET_PART = 100 };

// One that is being written.
struct snapshot {
    struct rs_snapshots *kept;
    struct rs_text *text;
    uint64_t now_ns;
    uint32_t scheds[SCHEDS_MAX];  // their numbers, in the order in which they are written
    size_t sched_count;
};

static void print(struct rs_text *text, const char *name, uint64_t value)
{
    rs_text_print(text, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void print_string(struct rs_text *text, const char *name, const char *value)
{
    rs_text_print(text, ",\"%s\":", name);
    rs_json_print(text, value);
}

// ---- The process ----

// What of it lies in memory; 0 if that cannot be told.
static uint64_t resident_bytes(void)
{
    char line[128];
    unsigned long long pages = 0;
    int fd = rs_sys.openat(AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0) return 0;
    ssize_t n = rs_sys.read(fd, line, sizeof line - 1);

    (void)rs_sys.close(fd);
    line[n > 0 ? n : 0] = '\0';
    if (sscanf(line, "%*u %llu", &pages) != 1) return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void print_head(const struct snapshot *s)
{
    rs_text_print(s->text, "{\"time_ns\":%llu", (unsigned long long)s->now_ns);
    print_string(s->text, "program", program_invocation_short_name);
    print(s->text, "pid", (uint64_t)getpid());
    print(s->text, "uptime_ns", s->now_ns - s->kept->started_ns);
    print(s->text, "rss_bytes", resident_bytes());
    print_string(s->text, "version", ROUSE_VERSION_STRING);
    rs_text_print(s->text, ",\"control\":%s", s->kept->has_control ? "true" : "false");
    rs_text_print(s->text, ",\"actions\":[");
    rs_actions_print(s->text);
    rs_text_print(s->text, "]");
}

static void print_process(const struct snapshot *s)
{
    struct rouse_metrics m = {.size = 0};

    rs_gauges_process(&m);
    rs_text_print(s->text, ",\"process\":{\"num_timers\":%llu", (unsigned long long)m.num_timers);
    print(s->text, "num_sources", m.num_sources);
    print(s->text, "task_bytes", m.task_bytes);
    print(s->text, "stack_bytes", m.stack_bytes);
    print(s->text, "buffer_bytes", m.buffer_bytes);
    print(s->text, "allocated_bytes", m.allocated_bytes);
    print(s->text, "page_bytes", m.page_bytes);
    rs_text_print(s->text, "}");
}

// ---- Schedulers ----

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

static struct worker_state state_of(const struct snapshot *s, const struct rs_sched *sched,
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

static void print_worker(const struct snapshot *s, struct rs_sched *sched, unsigned index)
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
    print(s->text, "since_ns", state.since_ns);
    print(s->text, "poll_count", m.poll_count);
    print(s->text, "park_count", m.park_count);
    print(s->text, "noop_count", m.noop_count);
    print(s->text, "steal_count", m.steal_count);
    print(s->text, "steal_operations", m.steal_operations);
    print(s->text, "overflow_count", m.overflow_count);
    print(s->text, "busy_ns", m.total_busy_duration_ns);
    print(s->text, "queue", m.local_queue_depth);
    print(s->text, "events", m.io_driver_ready_count);
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
    print(text, "num_idle_workers", m.num_idle_workers);
    print(text, "num_searching_workers", m.num_searching_workers);
    print(text, "num_alive_tasks", m.num_alive_tasks);
    print(text, "spawned_tasks_count", m.spawned_tasks_count);
    print(text, "global_queue_depth", m.global_queue_depth);
    print(text, "injection_count", m.injection_count);
    print(text, "budget_forced_yield_count", m.budget_forced_yield_count);
    print(text, "io_driver_ready_count", m.io_driver_ready_count);
    print(text, "num_blocking_threads", m.num_blocking_threads);
    print(text, "num_idle_blocking_threads", m.num_idle_blocking_threads);
    print(text, "blocking_queue_depth", m.blocking_queue_depth);
    print(text, "num_lookup_threads", m.num_lookup_threads);
    print(text, "num_idle_lookup_threads", m.num_idle_lookup_threads);
    print(text, "lookup_queue_depth", m.lookup_queue_depth);
    rs_text_print(text, "}");
}

static void print_sched(struct rs_sched *sched, void *arg)
{
    struct snapshot *s = arg;
    const struct rs_watched_sched *seen = rs_observer_sched(&s->kept->observer, sched);

    if (s->sched_count == SCHEDS_MAX) return;
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

// Where in the snapshot the scheduler with a number stands; -1: it does not.
static int index_of(const struct snapshot *s, uint32_t number)
{
    for (size_t i = 0; i < s->sched_count; i++) {
        if (s->scheds[i] == number) return (int)i;
    }
    return -1;
}

// ---- Lanes ----

// The number's digits, and what follows. Returns where the text goes on.
static char *put_number(char *to, uint64_t value, char behind)
{
    char digits[20];
    int count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0) *to++ = digits[--count];
    *to++ = behind;
    return to;
}

// There are thousands of them in a second: printf() would take more time than all the rest.
static void put_run(struct rs_text *text, const struct rs_lane_run *run, uint64_t index, int site,
                    bool first)
{
    char line[7 * 21];
    char *to = line;

    if (!first) *to++ = ',';
    *to++ = '[';
    to = put_number(to, index, ',');
    to = put_number(to, run->worker, ',');
    *to++ = '"';
    to = put_number(to, run->task, '"');
    *to++ = ',';
    to = put_number(to, run->begin_ns, ',');
    to = put_number(to, run->duration_ns, site >= 0 ? ',' : ']');
    if (site >= 0) to = put_number(to, (uint64_t)site, ']');
    rs_text_put(text, line, (size_t)(to - line));
}

static void print_runs(const struct snapshot *s, uint64_t first)
{
    const struct rs_lanes *lanes = &s->kept->observer.lanes;
    bool is_first = true;

    for (uint64_t i = first; i < lanes->run_count; i++) {
        const struct rs_lane_run *run = &lanes->runs[i % RS_LANES_RUNS];
        int index = index_of(s, run->scheduler);

        if (index < 0) continue;
        put_run(s->text, run, (uint64_t)index, rs_lanes_site(lanes, run->origin), is_first);
        is_first = false;
    }
}

static void print_sites(const struct snapshot *s)
{
    const struct rs_lanes *lanes = &s->kept->observer.lanes;

    for (uint64_t i = 0; i < lanes->site_count && i < RS_LANES_SITES; i++) {
        if (i > 0) rs_text_print(s->text, ",");
        rs_json_print(s->text, lanes->sites[i].text);
    }
}

static void print_steals(const struct snapshot *s, uint64_t first)
{
    const struct rs_lanes *lanes = &s->kept->observer.lanes;
    bool is_first = true;

    for (uint64_t i = first; i < lanes->steal_count; i++) {
        const struct rs_lane_steal *steal = &lanes->steals[i % RS_LANES_STEALS];
        int index = index_of(s, steal->scheduler);

        if (index < 0) continue;
        rs_text_print(s->text, "%s[%d,%u,%u,%llu,%llu]", is_first ? "" : ",", index, steal->thief,
                      steal->victim, (unsigned long long)steal->tasks,
                      (unsigned long long)steal->at_ns);
        is_first = false;
    }
}

static void print_lanes(const struct snapshot *s, struct rs_lanes_place *seen)
{
    const struct rs_observer *observer = &s->kept->observer;
    struct rs_lanes_part part = rs_lanes_read(&observer->lanes, seen, s->now_ns);
    uint64_t from_ns = part.from_ns != 0 ? part.from_ns : observer->since_ns;

    rs_text_print(s->text, ",\"lanes\":{\"from_ns\":%llu",
                  (unsigned long long)(from_ns != 0 ? from_ns : s->now_ns));
    print(s->text, "to_ns", s->now_ns);
    print(s->text, "dropped", part.dropped);
    rs_text_print(s->text, ",\"sites\":[");
    print_sites(s);
    rs_text_print(s->text, "],\"runs\":[");
    print_runs(s, part.first_run);
    rs_text_print(s->text, "],\"steals\":[");
    print_steals(s, part.first_steal);
    rs_text_print(s->text, "]}");
}

// ---- Tasks ----

static void print_lints(struct rs_text *text, unsigned lints)
{
    static const char *const names[] = {"never yields", "wakes itself", "lost waker",
                                        "oversized frame"};
    bool is_first = true;

    rs_text_print(text, ",\"lints\":[");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((lints >> i & 1) == 0) continue;
        rs_text_print(text, "%s\"%s\"", is_first ? "" : ",", names[i]);
        is_first = false;
    }
    rs_text_print(text, "]");
}

// Without the brace at its end.
static void print_row(const struct snapshot *s, const struct rs_row *row)
{
    int index = index_of(s, row->scheduler);

    rs_text_print(s->text, "{\"id\":\"%llu\",\"scheduler\":%d", (unsigned long long)row->id,
                  index >= 0 ? index : 0);
    print_string(s->text, "name", row->name);
    print_string(s->text, "site", row->site);
    print_string(s->text, "style", row->style);
    print_string(s->text, "state", rs_row_state_name(row->state));
    rs_text_print(s->text, ",\"cancelled\":%s", row->is_cancelled ? "true" : "false");
    print_string(s->text, "waits", row->waits);
    print(s->text, "polls", row->polls);
    print(s->text, "wakes", row->wakes);
    print(s->text, "busy_ns", row->busy_ns);
    print(s->text, "scheduled_ns", row->scheduled_ns);
    print(s->text, "idle_ns", row->idle_ns);
    print(s->text, "since_ns", row->since_ns);
    print_lints(s->text, row->lints);
}

static uint64_t poll_since_ns(const struct rs_worker *worker, void *arg)
{
    const struct rs_observer *observer = arg;
    const struct rs_watched_sched *seen = rs_observer_sched(observer, worker->sched);

    return seen != NULL ? seen->workers[worker->index].since_ns : 0;
}

// What rows are filled in from.
static void prepare_rows(struct snapshot *s)
{
    struct rs_rows *rows = &s->kept->rows;

    rows->counts = &s->kept->observer.counts;
    rows->watched_since_ns = s->kept->observer.since_ns;
    rows->now_ns = s->now_ns;
    rows->poll_since_ns = poll_since_ns;
    rows->arg = &s->kept->observer;
}

static void print_tasks(struct snapshot *s, const struct rs_rows_query *query, uint64_t period_ns)
{
    struct rs_rows *rows = &s->kept->rows;
    struct rs_task_link *unowned = NULL;
    const struct rs_row *row;

    prepare_rows(s);
    rows->query = *query;
    rows->budget_ns = period_ns / BUDGET_PART;
    if (rows->budget_ns < BUDGET_MIN_NS) rows->budget_ns = BUDGET_MIN_NS;
    if (rows->budget_ns > BUDGET_MAX_NS) rows->budget_ns = BUDGET_MAX_NS;
    rs_rows_choose(rows, &unowned);
    rs_tasks_free(unowned);
    rs_text_print(s->text, ",\"tasks\":{\"alive\":%llu", (unsigned long long)rows->alive);
    print(s->text, "looked_at", rows->looked_at);
    print(s->text, "matched", rows->matched);
    rs_text_print(s->text, ",\"is_sample\":%s,\"rows\":[", rows->has_more ? "true" : "false");
    for (size_t i = 0; (row = rs_rows_take(rows, i)) != NULL; i++) {
        if (i > 0) rs_text_print(s->text, ",");
        print_row(s, row);
        rs_text_print(s->text, "}");
    }
    rs_text_print(s->text, "]}");
}

void rs_snapshot_print(struct rs_snapshots *snapshots, const struct rs_rows_query *query,
                       uint64_t period_ns, struct rs_lanes_place *seen, struct rs_text *text)
{
    struct snapshot s = {.kept = snapshots, .text = text};

    rs_observer_look(&snapshots->observer);
    s.now_ns = rouse_now_ns();
    print_head(&s);
    rs_text_print(text, ",\"schedulers\":[");
    rs_sched_visit(print_sched, &s);
    rs_text_print(text, "]");
    print_process(&s);
    if (seen != NULL) print_lanes(&s, seen);
    print_tasks(&s, query, period_ns);
    rs_text_print(text, "}");
}

// ---- One task ----

static void print_chain(struct rs_text *text, const struct rs_task_sight *sight)
{
    struct rs_symbols *symbols = sight->call_count > 0 ? rs_symbols_new() : NULL;
    char call[RS_JSON_STRING_MAX + 1];
    bool is_first = true;

    rs_text_print(text, ",\"chain\":[");
    // The innermost is where it is; the others are where it goes on, behind the call.
    for (size_t i = 0; i < sight->call_count; i++) {
        (void)rs_symbols_describe(symbols, i == 0 ? sight->calls[i] : sight->calls[i] - 1, call,
                                  sizeof call);
        rs_text_print(text, "%s", is_first ? "" : ",");
        rs_json_print(text, call);
        is_first = false;
    }
    for (size_t i = sight->part_count; i-- > 0;) {
        rs_text_print(text, "%s", is_first ? "" : ",");
        rs_json_print(text, sight->parts[i]);
        is_first = false;
    }
    rs_text_print(text, "],\"calls_are_a_guess\":%s", sight->is_guess ? "true" : "false");
    rs_symbols_free(symbols);
}

static void print_needs(struct rs_text *text, const struct rs_task_sight *sight)
{
    static const char *const words[] = {[ROUSE_NEED_RELEASE] = "it is held by",
                                        [ROUSE_NEED_TURN] = "the turn was given to",
                                        [ROUSE_NEED_END] = "it ends with"};

    rs_text_print(text, ",\"needs\":[");
    for (size_t i = 0; i < sight->need_count; i++) {
        rs_text_print(text, "%s{\"task\":", i > 0 ? "," : "");
        if (sight->needs[i].id != 0) {
            rs_text_print(text, "\"%llu\"", (unsigned long long)sight->needs[i].id);
        } else {
            rs_text_print(text, "null");
        }
        print_string(text, "name", sight->needs[i].name);
        print_string(text, "why", words[sight->needs[i].need]);
        rs_text_print(text, "}");
    }
    rs_text_print(text, "]");
}

static void note_sched(struct rs_sched *sched, void *arg)
{
    struct snapshot *s = arg;

    if (s->sched_count < SCHEDS_MAX) s->scheds[s->sched_count++] = sched->number;
}

bool rs_snapshot_print_task(struct rs_snapshots *snapshots, uint64_t id, struct rs_text *text)
{
    struct snapshot s = {.kept = snapshots, .text = text};
    struct rs_task_sight *sight = &snapshots->sight;

    rs_observer_look(&snapshots->observer);
    s.now_ns = rouse_now_ns();
    rs_sched_visit(note_sched, &s);
    prepare_rows(&s);
    rs_task_sight_take(sight, &snapshots->rows, id);
    if (!sight->is_found) return false;
    print_row(&s, &sight->row);
    print_chain(text, sight);
    print_needs(text, sight);
    rs_text_print(text, "}");
    return true;
}

// ---- For people ----

static void print_sched_line(struct rs_sched *sched, void *arg)
{
    const struct snapshot *s = arg;
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

void rs_snapshot_print_workers(struct rs_snapshots *snapshots, struct rs_text *text)
{
    struct snapshot s = {.kept = snapshots, .text = text};

    rs_observer_look(&snapshots->observer);
    s.now_ns = rouse_now_ns();
    rs_text_print(text, "%s, process %ld\n", program_invocation_short_name, (long)getpid());
    rs_sched_visit(print_sched_line, &s);
}

void rs_snapshots_free(struct rs_snapshots *snapshots)
{
    rs_observer_free(&snapshots->observer);
    rs_rows_free(&snapshots->rows);
}
