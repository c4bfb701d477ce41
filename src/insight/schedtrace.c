// SPDX-License-Identifier: MIT
//
// The line that ROUSE_SCHEDTRACE asks for. Printed by a thread of its own, which stops nobody: the
// numbers of a line are read one after another. Straight to standard error and not to the log,
// whose hook is the program's: it would be called under the lock of the registry.

#include "insight/schedtrace.h"

#include <rouse/clock.h>
#include <unistd.h>

#include "insight/gauges.h"
#include "insight/text.h"

// The counters of all workers since the start.
struct totals {
    uint64_t polls;
    uint64_t parks;
    uint64_t steals;
};

static void print_queues(struct rs_text *text, struct rs_sched *sched, struct totals *totals)
{
    struct rouse_worker_metrics w;

    rs_text_print(text, " local=[");
    for (unsigned i = 0; i < sched->worker_count; i++) {
        rs_gauges_worker(sched, i, &w);
        rs_text_print(text, "%s%llu", i > 0 ? " " : "", (unsigned long long)w.local_queue_depth);
        totals->polls += w.poll_count;
        totals->parks += w.park_count;
        totals->steals += w.steal_count;
    }
    rs_text_print(text, "]");
}

static void print_sched(struct rs_sched *sched, void *arg)
{
    struct rs_text *text = arg;
    struct totals totals = {0};
    struct rouse_metrics m;

    rs_gauges_sched(sched, &m);
    rs_gauges_process(&m);
    // Whoever searches is not asleep.
    uint64_t awake = m.num_workers - m.num_idle_workers;
    uint64_t searching = m.num_searching_workers < awake ? m.num_searching_workers : awake;

    rs_text_print(text,
                  "rouse: sched: %llu ms %s-%u: workers=%llu busy=%llu searching=%llu idle=%llu "
                  "global=%llu",
                  (unsigned long long)(rouse_now_ns() / ROUSE_NS_PER_MS), sched->kind,
                  sched->number, (unsigned long long)m.num_workers,
                  (unsigned long long)(awake - searching), (unsigned long long)searching,
                  (unsigned long long)m.num_idle_workers, (unsigned long long)m.global_queue_depth);
    print_queues(text, sched, &totals);
    rs_text_print(text,
                  " tasks=%llu timers=%llu blocking=%llu/%llu queued=%llu polls=%llu parks=%llu "
                  "steals=%llu\n",
                  (unsigned long long)m.num_alive_tasks, (unsigned long long)m.num_timers,
                  (unsigned long long)(m.num_blocking_threads - m.num_idle_blocking_threads),
                  (unsigned long long)m.num_blocking_threads,
                  (unsigned long long)m.blocking_queue_depth, (unsigned long long)totals.polls,
                  (unsigned long long)totals.parks, (unsigned long long)totals.steals);
}

void rs_schedtrace_print(void)
{
    struct rs_text text;

    rs_text_init(&text);
    rs_sched_visit(print_sched, &text);
    // Nothing can be done about a standard error that is closed.
    (void)rs_text_write(&text, STDERR_FILENO);
    rs_text_deinit(&text);
}
