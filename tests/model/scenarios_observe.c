// SPDX-License-Identifier: MIT
//
// What a worker tells of itself while others read: the ring of a trace, of capacity two; the time
// that it is awake; and that to measure may begin while it runs.

#include <stdatomic.h>

#include "model.h"
#include "sched/busy.h"
#include "sched/observe.h"
#include "sched/sched.h"

// ---- The ring ----

enum { RECORDS = 4 };

static struct rs_trace_ring ring;
static uint64_t next;  // what the reader may see at the least
static unsigned read_count;

static void ring_new(void)
{
    ring = (struct rs_trace_ring){.records = NULL};
    model_claim(rs_trace_ring_init(&ring, &model_allocator) == 0, "there is memory");
    next = 0;
    read_count = 0;
    model_name(&ring, sizeof ring, "ring");
}

// The record is plain memory: whether its hand-over is ordered shows as a race.
static void put(void)
{
    for (uint64_t i = 0; i < RECORDS; i++) {
        struct rs_trace_record *record = rs_trace_ring_reserve(&ring);

        if (record == NULL) continue;
        record->begin_ns = i;
        rs_trace_ring_commit(&ring);
    }
}

static void see(const struct rs_trace_record *record, void *arg)
{
    (void)arg;
    model_claim(record->begin_ns >= next, "records come in order, each once");
    next = record->begin_ns + 1;
    read_count++;
}

static void take_twice(void)
{
    (void)rs_trace_ring_read(&ring, RECORDS, see, NULL);
    (void)rs_trace_ring_read(&ring, RECORDS, see, NULL);
}

static void ring_check(void)
{
    (void)rs_trace_ring_read(&ring, RECORDS, see, NULL);
    model_claim(read_count + rs_trace_ring_dropped(&ring) == RECORDS,
                "every record is read or counted as dropped");
    rs_trace_ring_deinit(&ring, &model_allocator);
}

// ---- The time awake ----

static struct rs_busy busy;

static void busy_new(void)
{
    busy = (struct rs_busy){0};
    rs_busy_begin(&busy, 100);
    model_name(&busy, sizeof busy, "busy");
}

// Awake from 100 to 200 and from 300 to 400.
static void come_and_go(void)
{
    rs_busy_end(&busy, 200);
    rs_busy_begin(&busy, 300);
    rs_busy_end(&busy, 400);
}

static void read_busy(void)
{
    uint64_t first = rs_busy_get(&busy, 200);
    uint64_t second = rs_busy_get(&busy, 400);

    model_claim(first <= 200, "no time is counted twice");
    model_claim(second >= first && second <= 300, "and no reading is below an earlier one");
}

static void busy_check(void)
{
    model_claim(rs_busy_get(&busy, 500) >= 200, "what is over is counted");
}

// ---- To begin with it ----

static struct rs_sched sched;
static struct rs_worker worker;

static void sched_new(void)
{
    sched = (struct rs_sched){.allocator = &model_allocator, .workers = &worker, .worker_count = 1};
    worker = (struct rs_worker){.sched = &sched};
}

static void start(void)
{
    model_claim(rs_observe_start(&sched, RS_OBSERVE_TIMES | RS_OBSERVE_TRACE) == 0, "it starts");
}

static void sleep_and_tell(void)
{
    if (rs_sched_is_observed(&sched)) rs_observe_park(&worker, 1, 2);
}

static void look_at_times(void)
{
    struct rouse_histogram out = {0};

    if (rs_observed(&sched) != 0) rs_histogram_read(&worker.observations->poll_times, &out);
    model_claim(out.count == 0, "there were no polls");
}

static void sched_check(void)
{
    rs_observe_end(&sched);
}

const struct model_scenario model_observe_scenarios[] = {
    {.name = "observe_ring",
     .about = "records are whole, in order, and read or counted as dropped",
     .setup = ring_new,
     .threads = {put, take_twice},
     .check = ring_check},
    {.name = "observe_busy",
     .about = "no time awake is counted twice",
     .setup = busy_new,
     .threads = {come_and_go, read_busy},
     .check = busy_check},
    {.name = "observe_start",
     .about = "whoever sees that something is measured sees what there is to write to",
     .setup = sched_new,
     .threads = {start, sleep_and_tell, look_at_times},
     .check = sched_check},
    {.name = NULL},
};
