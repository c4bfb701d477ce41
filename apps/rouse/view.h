// SPDX-License-Identifier: MIT
//
// What stands on the screen: the program, its workers, how long polls take, and a table of tasks.
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

#include "query.h"
#include "screen.h"
#include "snapshot.h"

struct view {
    const struct snapshot *now;     // NULL: there is none yet
    const struct snapshot *before;  // or NULL
    const char *target;
    const char *trouble;  // of the connection; empty: none
    struct query_order order;
    const char *filter;
    bool is_typing;  // the filter
    bool is_paused;
    unsigned scroll;  // tasks that are left out above; more than there are is as many as can be
};

// Begins, fills and ends the screen. Returns how many tasks have room.
unsigned view_draw(struct screen *screen, const struct view *view, unsigned columns, unsigned rows);

#endif
