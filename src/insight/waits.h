// SPDX-License-Identifier: MIT
//
// Who waits for whom: an edge for each task that a wait needs something of. From them come the
// deadlocks, which are circles; the turns that were given to a future that nobody polls; and how
// many wait for whom.
//
// In two visits, since whom a lock names may have ended: the first collects edges, and with them
// addresses; the second finds out which of those are tasks.

#ifndef RS_INSIGHT_WAITS_H
#define RS_INSIGHT_WAITS_H

#include "insight/area.h"
#include "insight/text.h"
#include "insight/view.h"

// All zero to begin with.
struct rs_waits {
    struct rs_area edges;
    struct rs_area nodes;  // a hash table
    size_t edge_count;
    size_t node_count;
    bool is_cut;  // there was no memory for all of them
};

// The first visit: a task and what it needs.
void rs_waits_add(struct rs_waits *waits, const struct rs_view *view);

// Between the two. False if nobody waits for a task.
bool rs_waits_index(struct rs_waits *waits);

// The second visit: a task that has not ended.
void rs_waits_meet(struct rs_waits *waits, const struct rouse_task *task, bool is_running);

// What comes of it. While what was met has not ended.
void rs_waits_print(struct rs_waits *waits, struct rs_text *text);

void rs_waits_deinit(struct rs_waits *waits);

#endif
