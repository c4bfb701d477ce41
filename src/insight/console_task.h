// SPDX-License-Identifier: MIT
//
// One task of all that there are, by its id: what it waits for and where, whom it needs; and asking
// it to end.

#ifndef RS_INSIGHT_CONSOLE_TASK_H
#define RS_INSIGHT_CONSOLE_TASK_H

#include "insight/console_rows.h"
#include "insight/symbols.h"
#include "sched/probe.h"

enum { RS_TASK_LINE_SIZE = 160 };

// What was seen of a task, before it is put into words.
struct rs_task_sight {
    bool is_found;
    struct rs_row row;
    size_t part_count;  // what is awaited in what, from the outside in
    char parts[RS_VIEW_PARTS_MAX][RS_TASK_LINE_SIZE];
    bool is_guess;
    size_t call_count;
    uintptr_t calls[RS_VIEW_CALLS_MAX];
    size_t need_count;
    struct {
        rouse_need need;
        uintptr_t address;
        uint64_t id;  // 0: it is gone
        char name[96];
    } needs[RS_VIEW_NEEDS_MAX];
};

// Looks at it; `rows` is prepared, as for rs_rows_choose(). With no lock held.
void rs_task_sight_take(struct rs_task_sight *sight, struct rs_rows *rows, uint64_t id);

// Asks the task to end. False: there is none with that id. With no lock held.
bool rs_task_ask_to_end(uint64_t id);

#endif
