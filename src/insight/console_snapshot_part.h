// SPDX-License-Identifier: MIT
//
// What the parts of a snapshot share while it is being written.

#ifndef RS_INSIGHT_CONSOLE_SNAPSHOT_PART_H
#define RS_INSIGHT_CONSOLE_SNAPSHOT_PART_H

#include "insight/console_snapshot.h"
#include "sched/observe.h"

enum { RS_SNAPSHOT_SCHEDS_MAX = 256 };

struct rs_snapshot {
    struct rs_snapshots *kept;
    struct rs_text *text;
    uint64_t now_ns;
    uint32_t scheds[RS_SNAPSHOT_SCHEDS_MAX];  // their numbers, in the order of the text
    size_t sched_count;
};

// Where in the snapshot the scheduler with a number stands; -1: it does not.
int rs_snapshot_index(const struct rs_snapshot *s, uint32_t number);

// An element of the list of schedulers, with its workers; for rs_sched_visit(), `arg` being the
// snapshot.
void rs_snapshot_print_sched(struct rs_sched *sched, void *arg);

// The same as lines for people.
void rs_snapshot_print_sched_line(struct rs_sched *sched, void *arg);

// The member "lanes": what is new since `*seen`.
void rs_snapshot_print_lanes(const struct rs_snapshot *s, struct rs_lanes_place *seen);

#endif
