// SPDX-License-Identifier: MIT
//
// Writing the events of a trace: see trace_events.h.
//
// A poll is one record, and becomes up to seven events: the task begins (b), it was woken (s, in
// the track of whoever did it) and runs (f), the poll (X), the task ends (e). All of them stand
// together, so what belongs together is there as a whole or was dropped as a whole; but a task's
// begin and its end are in different records.

#include "insight/trace_events.h"

#include <rouse/assert.h>
#include <rouse/clock.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "insight/json.h"
#include "sched/observe.h"
#include "sched/sched.h"

enum {
    TRACKS_PER_SCHED = RS_WORKERS_MAX + 1,
    TRACK_OUTSIDE = INT32_MAX,  // the last: who opens a trace sees a worker first
};

ROUSE_PRINTF(2, 3) static void print(struct rs_trace_events *e, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = vsnprintf(e->buffer + e->used, e->size - e->used, format, args);
    va_end(args);
    rouse_assert(length >= 0 && (size_t)length < e->size - e->used,
                 "there is room for what a record may become");
    e->used += (size_t)length;
}

static unsigned track_of(const struct rs_sched *sched, unsigned worker)
{
    return sched->number * TRACKS_PER_SCHED + worker;
}

// Microseconds since the start, as the format has them, in two parts.
struct time {
    unsigned long long us;
    unsigned ns;
};

static struct time time_of(uint64_t ns)
{
    return (struct time){.us = ns / ROUSE_NS_PER_US, .ns = (unsigned)(ns % ROUSE_NS_PER_US)};
}

// The head of every event but the first.
static void print_event(struct rs_trace_events *e, const char *phase, unsigned track,
                        uint64_t at_ns)
{
    struct time at = time_of(at_ns > e->start_ns ? at_ns - e->start_ns : 0);

    print(e, ",\n{\"ph\":\"%s\",\"pid\":%ld,\"tid\":%u,\"ts\":%llu.%03u", phase, e->pid, track,
          at.us, at.ns);
}

// A nanosecond less than it was. A poll often begins at the very nanosecond at which the one before
// it ends, and who reads the file adds up fractions that are rounded: the two would overlap by a
// trifle, which speedscope takes for one within the other.
static void print_duration(struct rs_trace_events *e, const struct rs_trace_record *r)
{
    uint64_t duration_ns = r->end_ns - r->begin_ns;
    struct time took = time_of(duration_ns > 0 ? duration_ns - 1 : 0);

    print(e, ",\"dur\":%llu.%03u", took.us, took.ns);
}

static void print_flow(struct rs_trace_events *e, unsigned track, const struct rs_sched *sched,
                       const struct rs_trace_record *r, uint64_t woken_ns)
{
    unsigned by = rs_woken_by(r->woken);
    unsigned from = by != RS_WOKEN_OUTSIDE ? track_of(sched, by) : TRACK_OUTSIDE;
    char flow[96];

    (void)snprintf(flow, sizeof flow, "\"name\":\"wake\",\"cat\":\"wake\",\"id\":\"0x%llx.%llx\"",
                   (unsigned long long)r->task, (unsigned long long)r->woken);
    if (from == TRACK_OUTSIDE) {
        // An arrow begins at a slice.
        print_event(e, "X", from, woken_ns);
        print(e, ",\"dur\":0,\"name\":\"wake\",\"cat\":\"wake\"}");
    }
    print_event(e, "s", from, woken_ns);
    print(e, ",%s}", flow);
    print_event(e, "f", track, r->begin_ns);
    print(e, ",\"bp\":\"e\",%s}", flow);
}

static void print_task(struct rs_trace_events *e, const char *phase, unsigned track,
                       const struct rs_trace_record *r, uint64_t at_ns, const char *name)
{
    print_event(e, phase, track, at_ns);
    print(e, ",\"cat\":\"task\",\"id\":\"0x%llx\",\"name\":\"%s\"}", (unsigned long long)r->task,
          name);
}

static const char *end_of(const struct rs_trace_record *r)
{
    if ((r->flags & RS_TRACE_ENDED) != 0) return "ended";
    return (r->flags & RS_TRACE_AGAIN) != 0 ? "scheduled" : "waiting";
}

static void print_poll(struct rs_trace_events *e, unsigned track, const struct rs_sched *sched,
                       const struct rs_trace_record *r)
{
    char name[RS_JSON_FACTOR * sizeof r->name];
    char site[RS_JSON_FACTOR * sizeof r->site];
    uint64_t woken_ns = r->begin_ns;

    rs_json_escape(name, sizeof name, r->name);
    rs_json_escape(site, sizeof site, r->site);
    if (rs_woken_is_timed(r->woken)) woken_ns -= rs_woken_ago_ns(r->woken, r->begin_ns);
    if ((r->flags & RS_TRACE_FIRST) != 0) print_task(e, "b", track, r, woken_ns, name);
    if (rs_woken_is_timed(r->woken)) print_flow(e, track, sched, r, woken_ns);
    print_event(e, "X", track, r->begin_ns);
    print_duration(e, r);
    print(e,
          ",\"name\":\"%s\",\"cat\":\"poll\",\"args\":{\"task\":\"0x%llx\",\"site\":\"%s\","
          "\"then\":\"%s\"}}",
          name, (unsigned long long)r->task, site, end_of(r));
    if ((r->flags & RS_TRACE_ENDED) != 0) print_task(e, "e", track, r, r->end_ns, name);
}

static void print_park(struct rs_trace_events *e, unsigned track, const struct rs_trace_record *r)
{
    print_event(e, "X", track, r->begin_ns);
    print_duration(e, r);
    print(e, ",\"name\":\"park\",\"cat\":\"worker\"}");
}

static void print_steal(struct rs_trace_events *e, unsigned track, const struct rs_trace_record *r)
{
    print_event(e, "i", track, r->begin_ns);
    print(e,
          ",\"s\":\"t\",\"name\":\"steal\",\"cat\":\"worker\","
          "\"args\":{\"from\":\"worker %u\",\"tasks\":%llu}}",
          r->victim, (unsigned long long)r->task);
}

void rs_trace_events_record(struct rs_trace_events *e, const struct rs_worker *worker,
                            const struct rs_trace_record *r)
{
    unsigned track = track_of(worker->sched, worker->index);

    switch ((enum rs_trace_kind)r->kind) {
    case RS_TRACE_POLL:
        print_poll(e, track, worker->sched, r);
        break;
    case RS_TRACE_PARK:
        print_park(e, track, r);
        break;
    case RS_TRACE_STEAL:
        print_steal(e, track, r);
        break;
    }
}

static void print_name(struct rs_trace_events *e, unsigned track, const char *name)
{
    print(e,
          ",\n{\"ph\":\"M\",\"pid\":%ld,\"tid\":%u,\"name\":\"thread_name\","
          "\"args\":{\"name\":\"%s\"}}",
          e->pid, track, name);
}

void rs_trace_events_begin(struct rs_trace_events *e)
{
    e->start_ns = rouse_now_ns();
    e->pid = getpid();
    print(e,
          "{\"traceEvents\":[\n{\"ph\":\"M\",\"pid\":%ld,\"tid\":0,\"name\":\"process_name\","
          "\"args\":{\"name\":\"rouse\"}}",
          e->pid);
    print_name(e, TRACK_OUTSIDE, "other threads");
}

void rs_trace_events_tracks(struct rs_trace_events *e, const struct rs_sched *sched)
{
    char name[64];

    for (unsigned i = 0; i < sched->worker_count; i++) {
        (void)snprintf(name, sizeof name, "%s-%u worker %u", sched->kind, sched->number, i);
        print_name(e, track_of(sched, i), name);
    }
}

size_t rs_trace_events_end(char *to, size_t size, uint64_t dropped)
{
    int length =
        snprintf(to, size,
                 "\n],\n\"displayTimeUnit\":\"ns\",\"otherData\":{\"dropped\":\"%llu\"}}\n",
                 (unsigned long long)dropped);

    rouse_assert(length >= 0 && (size_t)length < size, "there is room for the end");
    return (size_t)length;
}
