// SPDX-License-Identifier: MIT
//
// Keeping samples, and the judgement over them.

#include "samples.h"

#include <stdlib.h>
#include <string.h>

#include "base/sanitizer.h"

// The last median may be `percent` of the first and `constant` above it. The constants cover what
// swings with the load by chance: how many of the actors have a connection or children just now,
// and caches that grow to the highest peak so far.
struct tolerance {
    const char *name;
    int64_t percent;
    int64_t constant;
};

// AddressSanitizer keeps freed memory, and what it has learnt of stacks.
enum { SANITIZER_KIB = RS_ASAN ? 8192 : 0 };

static const struct tolerance columns[SAMPLE_COLUMNS] = {
    [SAMPLE_RESIDENT] = {"rss_kib", 10, 1024 + SANITIZER_KIB},
    [SAMPLE_OPEN_FDS] = {"open_fds", 10, 8},
    [SAMPLE_OS_THREADS] = {"os_threads", 0, 3},
    [SAMPLE_TASKS] = {"tasks", 10, 16},
    [SAMPLE_TASK_RECORDS] = {"task_records", 10, 16},
    [SAMPLE_TIMERS] = {"timers", 10, 16},
    [SAMPLE_SOURCES] = {"sources", 10, 8},
    [SAMPLE_STACKS] = {"stacks", 10, 12},
    [SAMPLE_STACKS_CACHED] = {"stacks_cached", 10, 32},
    [SAMPLE_SOCKETS] = {"sockets", 10, 8},
    [SAMPLE_JOBS] = {"blocking_jobs", 10, 3},
    [SAMPLE_THREADS] = {"threads", 0, 3},
    [SAMPLE_ALLOCATIONS] = {"allocations", 10, 16},
    [SAMPLE_ALLOCATED] = {"allocated_bytes", 10, 16 << 10},
    [SAMPLE_PAGES] = {"page_bytes", 10, 2 << 20},
    [SAMPLE_DRIVER_FDS] = {"driver_fds", 0, 0},
    [SAMPLE_OTHER_RESIDENT] = {"httpd_rss_kib", 10, 1024 + SANITIZER_KIB},
    [SAMPLE_OTHER_FDS] = {"httpd_fds", 10, 40},
    [SAMPLE_OTHER_THREADS] = {"httpd_threads", 0, 4},
    [SAMPLE_OPERATIONS] = {"operations", 0, 0},
    [SAMPLE_BYTES] = {"echoed_mib", 0, 0},
    [SAMPLE_POLLS] = {"polls", 0, 0},
    [SAMPLE_STEALS] = {"steals", 0, 0},
    [SAMPLE_PARKS] = {"parks", 0, 0},
};

void samples_init(struct samples *samples, size_t limit, const char *csv_path)
{
    *samples = (struct samples){.limit = limit, .rows = malloc(limit * sizeof samples->rows[0])};
    if (samples->rows == NULL) exit(1);
    // Not zero, which the kernel would give without memory behind it.
    memset(samples->rows, 0xa5, limit * sizeof samples->rows[0]);
    if (csv_path == NULL) return;
    samples->csv = fopen(csv_path, "we");
    if (samples->csv == NULL) {
        perror(csv_path);
        exit(1);
    }
    (void)fprintf(samples->csv, "seconds");
    for (int i = 0; i < SAMPLE_COLUMNS; i++) (void)fprintf(samples->csv, ",%s", columns[i].name);
    (void)fprintf(samples->csv, "\n");
}

void samples_deinit(struct samples *samples)
{
    free(samples->rows);
    if (samples->csv != NULL && fclose(samples->csv) != 0) perror("CSV file");
    *samples = (struct samples){0};
}

void samples_add(struct samples *samples, const struct sample *sample)
{
    if (samples->count < samples->limit) samples->rows[samples->count++] = *sample;
    if (samples->csv == NULL) return;
    (void)fprintf(samples->csv, "%.3f", sample->at_s);
    for (int i = 0; i < SAMPLE_COLUMNS; i++) {
        (void)fprintf(samples->csv, ",%lld", (long long)sample->values[i]);
    }
    (void)fprintf(samples->csv, "\n");
    (void)fflush(samples->csv);
}

void sample_print(FILE *out, const struct sample *now, double total_s)
{
    const int64_t *v = now->values;

    (void)fprintf(out,
                  "%6.0f/%.0f s  rss %6lld KiB  fds %3lld  threads %2lld  tasks %3lld  timers %3lld"
                  "  stacks %3lld  bytes %8lld  ops %9lld  echoed %6lld MiB",
                  now->at_s, total_s, (long long)v[SAMPLE_RESIDENT], (long long)v[SAMPLE_OPEN_FDS],
                  (long long)v[SAMPLE_OS_THREADS], (long long)v[SAMPLE_TASKS],
                  (long long)v[SAMPLE_TIMERS], (long long)v[SAMPLE_STACKS],
                  (long long)v[SAMPLE_ALLOCATED], (long long)v[SAMPLE_OPERATIONS],
                  (long long)v[SAMPLE_BYTES]);
}

// ThreadSanitizer keeps a history that grows with what has run, so there the counters have to do.
static bool is_judged(enum sample_column column, bool others)
{
    if (column >= SAMPLE_OTHER_RESIDENT && !others) return false;
    return !RS_TSAN || (column != SAMPLE_RESIDENT && column != SAMPLE_OTHER_RESIDENT);
}

static int compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static int64_t median(const struct sample *rows, size_t count, enum sample_column column)
{
    int64_t *values = malloc(count * sizeof values[0]);

    if (values == NULL) exit(1);
    for (size_t i = 0; i < count; i++) values[i] = rows[i].values[column];
    qsort(values, count, sizeof values[0], compare);
    int64_t middle = values[count / 2];

    free(values);
    return middle;
}

void samples_judge(const struct samples *samples, double warm_s, bool others,
                   void (*claim)(bool holds, const char *text))
{
    size_t first = 0;

    while (first < samples->count && samples->rows[first].at_s < warm_s) first++;
    size_t quarter = (samples->count - first) / 4;

    claim(quarter > 0, "there are samples enough to judge");
    if (quarter == 0) return;
    for (int i = 0; i < SAMPLE_JUDGED; i++) {
        char text[160];
        int64_t begin = median(samples->rows + first, quarter, (enum sample_column)i);
        int64_t end = median(samples->rows + samples->count - quarter, quarter,
                             (enum sample_column)i);
        int64_t most = begin + begin * columns[i].percent / 100 + columns[i].constant;

        if (!is_judged((enum sample_column)i, others)) continue;
        (void)snprintf(text, sizeof text, "%s is flat: %lld at first, %lld at last, at most %lld",
                       columns[i].name, (long long)begin, (long long)end, (long long)most);
        claim(end <= most, text);
    }
}
