// SPDX-License-Identifier: MIT
//
// What is known of tasks that were polled while somebody watched: how often, for how long, and how
// long they were ready before; estimates, where a sample was recorded. A table beside the tasks,
// which are no larger for it. It grows up to a bound; from there on a task takes the place of the
// one of its row that was polled least recently. Of the console's thread alone.

#ifndef RS_INSIGHT_CONSOLE_COUNTS_H
#define RS_INSIGHT_CONSOLE_COUNTS_H

#include <stdint.h>

#include "insight/area.h"
#include "sched/trace_ring.h"

struct rs_counts {
    uint64_t task;  // its id; 0: an empty place
    uint64_t polls;
    uint64_t wakes;        // polls that a wake has led to
    uint64_t wakes_by_it;  // of these, by a poll of its own
    uint64_t busy_ns;
    uint64_t scheduled_ns;
    uint64_t first_ns;  // when its first poll began, or the wake came that led to it
    uint64_t last_ns;   // when its last one ended
};
_Static_assert(sizeof(struct rs_counts) == 64, "one cache line");

// All zero is empty.
struct rs_counts_table {
    struct rs_area area;
    size_t used;
};

// A poll, as many times as it stands for, and how long the task was ready before it; ROUSE_NEVER:
// that is not known. One that has ended its task takes it out. Without memory it is not counted.
void rs_counts_add(struct rs_counts_table *table, const struct rs_trace_record *poll,
                   uint64_t ready_ns);

// NULL: it has not been polled, as far as the table knows.
const struct rs_counts *rs_counts_find(const struct rs_counts_table *table, uint64_t task);

void rs_counts_free(struct rs_counts_table *table);

#endif
