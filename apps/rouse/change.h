// SPDX-License-Identifier: MIT
//
// What has happened between two snapshots of one program. Where there is no earlier one, or it is
// of another program, the time is that since the start.
#ifndef TOP_CHANGE_H
#define TOP_CHANGE_H

#include "snapshot.h"

// Two snapshots, and the time between them.
struct change {
    const struct snapshot *now;
    const struct snapshot *before;  // NULL: since the start
    uint64_t duration_ns;           // at least 1
};

struct change_worker {
    double busy;  // the part of the time, 0 to 1
    double polls_per_s;
    double steals_per_s;
};

// `before` may be NULL, or not be of the same program.
void change_init(struct change *change, const struct snapshot *now, const struct snapshot *before);

// Of a worker of `now`, by its place among the workers of a scheduler.
struct change_worker change_of_worker(const struct change *change,
                                      const struct snapshot_scheduler *scheduler, unsigned worker);

// The histograms of a scheduler, with only what has come to them.
void change_of_poll_time(const struct change *change, const struct snapshot_scheduler *scheduler,
                         struct rouse_histogram *out);
void change_of_schedule_latency(const struct change *change,
                                const struct snapshot_scheduler *scheduler,
                                struct rouse_histogram *out);

#endif
