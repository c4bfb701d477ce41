// SPDX-License-Identifier: MIT
//
// Writing snapshots: see console_snapshot.h. What each number means stands in docs/console.md.

#include "insight/console_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/clock.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sys.h"
#include "insight/console_action.h"
#include "insight/console_snapshot_part.h"
#include "insight/gauges.h"
#include "insight/json.h"
#include "task/task.h"

// The build says it; tools that read this file alone do not.
#ifndef ROUSE_VERSION_STRING
#define ROUSE_VERSION_STRING ""
#endif

#define BUDGET_MIN_NS ROUSE_NS_PER_MS
#define BUDGET_MAX_NS (20 * ROUSE_NS_PER_MS)

enum { BUDGET_PART = 100 };

int rs_snapshot_index(const struct rs_snapshot *s, uint32_t number)
{
    for (size_t i = 0; i < s->sched_count; i++) {
        if (s->scheds[i] == number) return (int)i;
    }
    return -1;
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

static void print_head(const struct rs_snapshot *s)
{
    rs_text_print(s->text, "{\"time_ns\":%llu", (unsigned long long)s->now_ns);
    rs_json_string(s->text, "program", program_invocation_short_name);
    rs_json_number(s->text, "pid", (uint64_t)getpid());
    rs_json_number(s->text, "uptime_ns", s->now_ns - s->kept->started_ns);
    rs_json_number(s->text, "rss_bytes", resident_bytes());
    rs_json_string(s->text, "version", ROUSE_VERSION_STRING);
    rs_text_print(s->text, ",\"control\":%s", s->kept->has_control ? "true" : "false");
    rs_text_print(s->text, ",\"actions\":[");
    rs_actions_print(s->text);
    rs_text_print(s->text, "]");
}

static void print_process(const struct rs_snapshot *s)
{
    struct rouse_metrics m = {.size = 0};

    rs_gauges_process(&m);
    rs_text_print(s->text, ",\"process\":{\"num_timers\":%llu", (unsigned long long)m.num_timers);
    rs_json_number(s->text, "num_sources", m.num_sources);
    rs_json_number(s->text, "task_bytes", m.task_bytes);
    rs_json_number(s->text, "stack_bytes", m.stack_bytes);
    rs_json_number(s->text, "buffer_bytes", m.buffer_bytes);
    rs_json_number(s->text, "allocated_bytes", m.allocated_bytes);
    rs_json_number(s->text, "page_bytes", m.page_bytes);
    rs_text_print(s->text, "}");
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
static void print_row(const struct rs_snapshot *s, const struct rs_row *row)
{
    int index = rs_snapshot_index(s, row->scheduler);

    rs_text_print(s->text, "{\"id\":\"%llu\",\"scheduler\":%d", (unsigned long long)row->id,
                  index >= 0 ? index : 0);
    rs_json_string(s->text, "name", row->name);
    rs_json_string(s->text, "site", row->site);
    rs_json_string(s->text, "style", row->style);
    rs_json_string(s->text, "state", rs_row_state_name(row->state));
    rs_text_print(s->text, ",\"cancelled\":%s", row->is_cancelled ? "true" : "false");
    rs_json_string(s->text, "waits", row->waits);
    rs_json_number(s->text, "polls", row->polls);
    rs_json_number(s->text, "wakes", row->wakes);
    rs_json_number(s->text, "busy_ns", row->busy_ns);
    rs_json_number(s->text, "scheduled_ns", row->scheduled_ns);
    rs_json_number(s->text, "idle_ns", row->idle_ns);
    rs_json_number(s->text, "since_ns", row->since_ns);
    print_lints(s->text, row->lints);
}

static uint64_t poll_since_ns(const struct rs_worker *worker, void *arg)
{
    const struct rs_observer *observer = arg;
    const struct rs_watched_sched *seen = rs_observer_sched(observer, worker->sched);

    return seen != NULL ? seen->workers[worker->index].since_ns : 0;
}

// What rows are filled in from.
static void prepare_rows(struct rs_snapshot *s)
{
    struct rs_rows *rows = &s->kept->rows;

    rows->counts = &s->kept->observer.counts;
    rows->watched_since_ns = s->kept->observer.since_ns;
    rows->now_ns = s->now_ns;
    rows->poll_since_ns = poll_since_ns;
    rows->arg = &s->kept->observer;
}

static void print_tasks(struct rs_snapshot *s, const struct rs_rows_query *query,
                        uint64_t period_ns)
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
    rs_json_number(s->text, "looked_at", rows->looked_at);
    rs_json_number(s->text, "matched", rows->matched);
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
    struct rs_snapshot s = {.kept = snapshots, .text = text};

    rs_observer_look(&snapshots->observer);
    s.now_ns = rouse_now_ns();
    print_head(&s);
    rs_text_print(text, ",\"schedulers\":[");
    rs_sched_visit(rs_snapshot_print_sched, &s);
    rs_text_print(text, "]");
    print_process(&s);
    if (seen != NULL) rs_snapshot_print_lanes(&s, seen);
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
        rs_json_string(text, "name", sight->needs[i].name);
        rs_json_string(text, "why", words[sight->needs[i].need]);
        rs_text_print(text, "}");
    }
    rs_text_print(text, "]");
}

static void note_sched(struct rs_sched *sched, void *arg)
{
    struct rs_snapshot *s = arg;

    if (s->sched_count < RS_SNAPSHOT_SCHEDS_MAX) s->scheds[s->sched_count++] = sched->number;
}

bool rs_snapshot_print_task(struct rs_snapshots *snapshots, uint64_t id, struct rs_text *text)
{
    struct rs_snapshot s = {.kept = snapshots, .text = text};
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

void rs_snapshot_print_workers(struct rs_snapshots *snapshots, struct rs_text *text)
{
    struct rs_snapshot s = {.kept = snapshots, .text = text};

    rs_observer_look(&snapshots->observer);
    s.now_ns = rouse_now_ns();
    rs_text_print(text, "%s, process %ld\n", program_invocation_short_name, (long)getpid());
    rs_sched_visit(rs_snapshot_print_sched_line, &s);
}

void rs_snapshots_free(struct rs_snapshots *snapshots)
{
    rs_observer_free(&snapshots->observer);
    rs_rows_free(&snapshots->rows);
}
