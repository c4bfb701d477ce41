// SPDX-License-Identifier: MIT
//
// The samples of a soak: one row a second, kept in memory that is there from the start (so that
// keeping them does not look like a leak), and written to a CSV file. At the end each column that
// has a tolerance is judged: the median of the last quarter may be above that of the first by a
// share and a constant. One thread.

#ifndef TESTS_SOAK_SAMPLES_H
#define TESTS_SOAK_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum sample_column {
    SAMPLE_RESIDENT,  // KiB
    SAMPLE_OPEN_FDS,
    SAMPLE_OS_THREADS,
    SAMPLE_TASKS,
    SAMPLE_TASK_RECORDS,
    SAMPLE_TIMERS,
    SAMPLE_SOURCES,
    SAMPLE_STACKS,
    SAMPLE_STACKS_CACHED,
    SAMPLE_SOCKETS,
    SAMPLE_JOBS,
    SAMPLE_THREADS,
    SAMPLE_ALLOCATIONS,
    SAMPLE_ALLOCATED,  // bytes
    SAMPLE_PAGES,      // bytes
    SAMPLE_DRIVER_FDS,
    SAMPLE_OTHER_RESIDENT,  // of the process watched beside: KiB
    SAMPLE_OTHER_FDS,
    SAMPLE_OTHER_THREADS,
    SAMPLE_JUDGED,  // those above; those below only grow
    SAMPLE_OPERATIONS = SAMPLE_JUDGED,
    SAMPLE_BYTES,  // echoed, MiB
    SAMPLE_POLLS,
    SAMPLE_STEALS,
    SAMPLE_PARKS,
    SAMPLE_COLUMNS,
};

struct sample {
    double at_s;
    int64_t values[SAMPLE_COLUMNS];
};

struct samples {
    struct sample *rows;
    size_t count;
    size_t limit;
    FILE *csv;  // NULL: none
};

// Room for `limit` rows; `csv_path` may be NULL. Ends the program if there is neither.
void samples_init(struct samples *samples, size_t limit, const char *csv_path);
void samples_deinit(struct samples *samples);

void samples_add(struct samples *samples, const struct sample *sample);

// One line for a terminal.
void sample_print(FILE *out, const struct sample *now, double total_s);

// Calls `claim` for each judged column, over the rows from `warm_s` on. `others`: also for the
// columns of the other process.
void samples_judge(const struct samples *samples, double warm_s, bool others,
                   void (*claim)(bool holds, const char *text));

#endif
