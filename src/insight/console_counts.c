// SPDX-License-Identifier: MIT
//
// The table: rows of eight places. A task is in the row that its id's hash names.

#include "insight/console_counts.h"

#include <rouse/clock.h>
#include <stdbool.h>

enum { ROW = 8, ROWS_MAX = 1 << 14 };

static size_t row_count(const struct rs_counts_table *table)
{
    return table->area.size / (ROW * sizeof(struct rs_counts));
}

// There are rows, a power of two of them.
static struct rs_counts *row_of(const struct rs_counts_table *table, uint64_t task)
{
    struct rs_counts *places = table->area.memory;
    uint64_t hash = task * UINT64_C(0x9e3779b97f4a7c15);

    return &places[ROW * ((size_t)(hash >> 32) & (row_count(table) - 1))];
}

// The place of a task in its row; else an empty one; else the one that was used least recently.
static struct rs_counts *place_in(struct rs_counts *row, uint64_t task)
{
    struct rs_counts *oldest = row;

    for (int i = 0; i < ROW; i++) {
        if (row[i].task == task) return &row[i];
        if (row[i].last_ns < oldest->last_ns) oldest = &row[i];
    }
    return oldest;
}

const struct rs_counts *rs_counts_find(const struct rs_counts_table *table, uint64_t task)
{
    if (row_count(table) == 0) return NULL;
    const struct rs_counts *place = place_in(row_of(table, task), task);

    return place->task == task ? place : NULL;
}

// To twice as many rows, if half of the places are taken and there is memory.
static void grow(struct rs_counts_table *table)
{
    size_t rows = row_count(table);
    struct rs_counts_table larger = {.used = 0};
    const struct rs_counts *old = table->area.memory;

    if (rows >= ROWS_MAX || 2 * table->used < ROW * rows) return;
    if (!rs_area_renew(&larger.area, 2 * table->area.size)) return;
    for (size_t i = 0; i < ROW * rows; i++) {
        if (old[i].task == 0) continue;
        struct rs_counts *to = place_in(row_of(&larger, old[i].task), old[i].task);

        larger.used += to->task == 0;
        *to = old[i];
    }
    rs_area_free(&table->area);
    *table = larger;
}

void rs_counts_add(struct rs_counts_table *table, const struct rs_trace_record *poll,
                   uint64_t ready_ns)
{
    if (row_count(table) == 0 && !rs_area_renew(&table->area, 1)) return;
    struct rs_counts *place = place_in(row_of(table, poll->task), poll->task);
    bool is_woken = ready_ns != ROUSE_NEVER;

    if ((poll->flags & RS_TRACE_ENDED) != 0) {
        table->used -= place->task == poll->task;
        if (place->task == poll->task) *place = (struct rs_counts){0};
        return;
    }
    if (place->task != poll->task) {
        table->used += place->task == 0;
        *place = (struct rs_counts){.task = poll->task, .first_ns = poll->begin_ns};
        place->first_ns -= is_woken ? ready_ns : 0;
    }
    place->polls += poll->weight;
    place->wakes += is_woken ? poll->weight : 0;
    place->wakes_by_it += (poll->flags & RS_TRACE_AGAIN) != 0 ? poll->weight : 0;
    place->busy_ns += poll->weight * (poll->end_ns - poll->begin_ns);
    place->scheduled_ns += is_woken ? poll->weight * ready_ns : 0;
    place->last_ns = poll->end_ns;
    grow(table);
}

void rs_counts_free(struct rs_counts_table *table)
{
    rs_area_free(&table->area);
    table->used = 0;
}
