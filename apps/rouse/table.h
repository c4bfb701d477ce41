// SPDX-License-Identifier: MIT
//
// The table of tasks: which columns have room, and what stands in them.
#ifndef TOP_TABLE_H
#define TOP_TABLE_H

#include "query.h"
#include "screen.h"
#include "snapshot.h"

// A line with the titles; that of the column by which tasks are sorted has a mark.
void table_draw_titles(struct screen *screen, struct query_order order);
// A line for a task.
void table_draw_task(struct screen *screen, const struct snapshot_task *task);

#endif
