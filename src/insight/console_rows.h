// SPDX-License-Identifier: MIT
//
// The table of tasks: the first so many by a key, of those that a filter lets through. Where there
// are many tasks it looks at a part of them each time, at the next part the next time.
//
// Tasks are looked at as by a dump, while their workers stand still, but for no longer than a
// hundredth of the time from one table to the next.

#ifndef RS_INSIGHT_CONSOLE_ROWS_H
#define RS_INSIGHT_CONSOLE_ROWS_H

#include "insight/console_counts.h"
#include "insight/view.h"

enum { RS_ROWS_MAX = 1000, RS_ROWS_DEFAULT = 100 };

enum rs_row_key {
    RS_ROW_ID,
    RS_ROW_NAME,
    RS_ROW_SITE,
    RS_ROW_STATE,
    RS_ROW_POLLS,
    RS_ROW_WAKES,
    RS_ROW_BUSY,
    RS_ROW_SCHEDULED,
    RS_ROW_IDLE,
};

enum {
    RS_LINT_NEVER_YIELDS = 1 << 0,
    RS_LINT_WAKES_ITSELF = 1 << 1,
    RS_LINT_LOST_WAKER = 1 << 2,
    RS_LINT_OVERSIZED = 1 << 3,
};

struct rs_row {
    uint64_t id;
    uint32_t scheduler;  // its number
    enum rs_view_state state;
    bool is_cancelled;
    unsigned lints;
    const char *style;
    uint64_t polls;
    uint64_t wakes;
    uint64_t busy_ns;
    uint64_t scheduled_ns;
    uint64_t idle_ns;
    uint64_t since_ns;
    char name[96];
    char site[96];
    char waits[160];
};

// What is asked for.
struct rs_rows_query {
    unsigned count;
    enum rs_row_key key;
    bool falls;
    char filter[64];
};

// What the tasks are looked at with. The caller fills in the first part, and keeps the rest.
struct rs_rows {
    struct rs_rows_query query;
    const struct rs_counts_table *counts;
    uint64_t watched_since_ns;
    uint64_t now_ns;
    uint64_t budget_ns;
    // When the poll that a worker is in was first seen; 0: not before.
    uint64_t (*poll_since_ns)(const struct rs_worker *worker, void *arg);
    void *arg;

    struct rs_area area;       // rows, and their order: a heap with the last of the chosen on top
    struct rs_view view;       // of one task at a time
    struct rs_task_cursor at;  // where the next look begins
    uint32_t at_scheduler;     // in which scheduler, by its number
    struct rs_sched *sched;    // in hand
    struct rs_row row;         // that is being filled in
    size_t kept;
    uint64_t alive;
    uint64_t looked_at;
    uint64_t matched;
    bool has_more;  // there was no time for all of them
};

// "busy", or with a '-' before it: falling. Anything else: RS_ROW_BUSY, falling.
void rs_rows_parse_key(struct rs_rows_query *query, const char *text);

// Chooses, in all schedulers. Tasks that turned out to be nobody's are put into `*unowned`, for
// rs_tasks_free() with no lock held.
void rs_rows_choose(struct rs_rows *rows, struct rs_task_link **unowned);

// The chosen ones, once each, in order. NULL: there is none left.
const struct rs_row *rs_rows_take(struct rs_rows *rows, size_t index);

// Fills in a row for one task, in a visit of `sched`, between pause and resume. False if it has
// ended.
bool rs_row_fill(struct rs_rows *rows, struct rs_row *row, struct rouse_task *task,
                 struct rs_sched *sched);

const char *rs_row_state_name(enum rs_view_state state);

void rs_rows_free(struct rs_rows *rows);

#endif
