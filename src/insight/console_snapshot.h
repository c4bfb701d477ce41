// SPDX-License-Identifier: MIT
//
// A snapshot: all that the console's page shows at one moment, as one line of JSON. Of the
// console's thread alone, which stops nobody but for the moments in which it looks at tasks.

#ifndef RS_INSIGHT_CONSOLE_SNAPSHOT_H
#define RS_INSIGHT_CONSOLE_SNAPSHOT_H

#include "insight/console_observer.h"
#include "insight/console_rows.h"
#include "insight/console_task.h"
#include "insight/text.h"

// Kept from one snapshot to the next.
struct rs_snapshots {
    struct rs_observer observer;
    struct rs_rows rows;
    struct rs_task_sight sight;
    uint64_t started_ns;
    bool has_control;
};

// The text's memory may run out: then it says so, and is no JSON. `*seen` says which runs and
// steals the reader has got already; NULL: it wants none.
void rs_snapshot_print(struct rs_snapshots *snapshots, const struct rs_rows_query *query,
                       uint64_t period_ns, struct rs_lanes_place *seen, struct rs_text *text);

// A task with what it waits for and where, as JSON. False: there is none with that id.
bool rs_snapshot_print_task(struct rs_snapshots *snapshots, uint64_t id, struct rs_text *text);

// A line for each scheduler and each worker, to be read by people.
void rs_snapshot_print_workers(struct rs_snapshots *snapshots, struct rs_text *text);

void rs_snapshots_free(struct rs_snapshots *snapshots);

#endif
