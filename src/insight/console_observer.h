// SPDX-License-Identifier: MIT
//
// What the console sees of schedulers from one look to the next: the records that workers put into
// their rings while somebody watches, as runs, counts of tasks and histograms; and since when each
// worker has been in the poll that it is in. Of the console's thread alone, and under the lock of
// the registry only while it reads.

#ifndef RS_INSIGHT_CONSOLE_OBSERVER_H
#define RS_INSIGHT_CONSOLE_OBSERVER_H

#include <rouse/histogram.h>

#include "insight/console_counts.h"
#include "insight/console_lanes.h"
#include "sched/sched.h"

// Of more schedulers nothing is kept.
enum { RS_OBSERVER_SCHEDS_MAX = 16 };

struct rs_watched_worker {
    int64_t polls;      // that it had made when it was first seen in this one
    uint64_t since_ns;  // 0: it was in none
    uint64_t dropped;   // short records, by its ring
    uint64_t unnamed;   // records with names, likewise
};

struct rs_watched_sched {
    uint32_t number;  // 0: none
    bool is_met;      // in this round
    uint64_t polls;   // since it was judged how many there are
    uint64_t judged_ns;
    struct rouse_histogram poll_times;
    struct rouse_histogram latencies;
    struct rs_watched_worker workers[RS_WORKERS_MAX];
};

// All zero does not watch.
struct rs_observer {
    bool is_on;
    uint32_t what;      // is asked of workers
    uint64_t since_ns;  // it was switched on; 0: never
    struct rs_counts_table counts;
    struct rs_lanes lanes;
    struct rs_watched_sched scheds[RS_OBSERVER_SCHEDS_MAX];
    uint64_t unnamed;  // records with names, for which workers had no room
    // For whoever records a trace; NULL: nobody does.
    void (*tap)(const struct rs_worker *worker, const struct rs_trace_record *record, void *arg);
    void *tap_arg;
};

// On while there is a viewer. `has_names`: records for the tap have names.
void rs_observer_set(struct rs_observer *watch, bool on, bool has_names);

// Reads what workers have told, if it is on; and looks at what they do.
void rs_observer_look(struct rs_observer *watch);

// NULL: nothing is kept of it.
const struct rs_watched_sched *rs_observer_sched(const struct rs_observer *watch,
                                                 const struct rs_sched *sched);

void rs_observer_free(struct rs_observer *watch);

#endif
