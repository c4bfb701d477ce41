// SPDX-License-Identifier: MIT
//
// Who ran what when: the last runs and steals, for the lanes that the console shows. Of more polls
// than can be drawn only the longest of each round are kept, so a long one is never left out. Of
// the console's thread alone.

#ifndef RS_INSIGHT_CONSOLE_LANES_H
#define RS_INSIGHT_CONSOLE_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RS_LANES_RUNS_PER_ROUND = 80,
    RS_LANES_STEALS_PER_ROUND = 20,
    RS_LANES_RUNS = 2000,  // that are kept
    RS_LANES_STEALS = 500,
    RS_LANES_SITES = 64,  // that were told last
};

struct rs_lane_run {
    uint64_t task;
    uint64_t begin_ns;
    uint64_t duration_ns;
    uint32_t scheduler;  // its number
    uint32_t worker;
    uint32_t origin;  // the number of the task's site
};

// Where tasks were spawned.
struct rs_lane_site {
    uint32_t origin;
    char text[56];
};

struct rs_lane_steal {
    uint64_t at_ns;
    uint64_t tasks;
    uint32_t scheduler;
    uint16_t thief;
    uint16_t victim;
};

// How far a reader has come; all zero: not at all.
struct rs_lanes_place {
    uint64_t at_ns;
    uint64_t runs;
    uint64_t steals;
    uint64_t met;
};

// All zero is empty.
struct rs_lanes {
    struct rs_lane_run round[RS_LANES_RUNS_PER_ROUND];  // a heap, the shortest on top
    size_t round_runs;
    size_t round_steals;
    struct rs_lane_run runs[RS_LANES_RUNS];        // the last ones
    struct rs_lane_steal steals[RS_LANES_STEALS];  // the last ones
    uint64_t run_count;                            // kept so far, also such as have gone since
    uint64_t steal_count;
    uint64_t met;  // all that there were, kept or not
    struct rs_lane_site sites[RS_LANES_SITES];
    uint64_t site_count;  // told so far, also such as others have replaced
};

void rs_lanes_add_site(struct rs_lanes *lanes, uint32_t origin, const char *text);
// Its index; -1: it was not told, or is forgotten.
int rs_lanes_site(const struct rs_lanes *lanes, uint32_t origin);

void rs_lanes_add_run(struct rs_lanes *lanes, const struct rs_lane_run *run);
void rs_lanes_add_steal(struct rs_lanes *lanes, const struct rs_lane_steal *steal);

// So many for which a worker had no room.
void rs_lanes_add_lost(struct rs_lanes *lanes, uint64_t count);

void rs_lanes_end_round(struct rs_lanes *lanes);

// What a reader has not seen, between two rounds. Moves `*place`, and returns how many runs and
// steals of that time it does not get.
struct rs_lanes_part {
    uint64_t first_run;  // up to run_count
    uint64_t first_steal;
    uint64_t from_ns;
    uint64_t dropped;
};
struct rs_lanes_part rs_lanes_read(const struct rs_lanes *lanes, struct rs_lanes_place *place,
                                   uint64_t now_ns);

#endif
