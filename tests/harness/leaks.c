// SPDX-License-Identifier: MIT
//
// Compares rouse's own counters, the open descriptors and the threads of the process with what was
// noted before. Runs on the main thread of a test's process, when the test has ended.

#include "harness/leaks.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "harness/body.h"
#include "harness/check.h"

// A thread that was joined may be seen in /proc for a moment.
enum { PATIENCE_MS = 2000 };
static const struct timespec moment = {0, 1000000};

struct counter {
    const char *name;
    size_t offset;
};

#define COUNTER(field)                              \
    {                                               \
#field, offsetof(struct rouse_stats, field) \
    }

// Those that must come back to where they were. What is cached, or only grows, is not among them.
static const struct counter counters[] = {
    COUNTER(tasks),   COUNTER(task_records),      COUNTER(timers),          COUNTER(sources),
    COUNTER(stacks),  COUNTER(sockets),           COUNTER(blocking_jobs),   COUNTER(threads),
    COUNTER(buffers), COUNTER(allocations),       COUNTER(allocated_bytes), COUNTER(page_bytes),
    COUNTER(fds),     COUNTER(lookups_abandoned),
};

static int64_t counter_value(const struct rouse_stats *stats, const struct counter *counter)
{
    return *(const int64_t *)(const void *)((const char *)stats + counter->offset);
}

static long entries(const char *path)
{
    DIR *folder = opendir(path);
    long count = 0;

    CHECK(folder != NULL);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void note(struct leaks *now)
{
    rouse_stats_get(&now->stats);
    now->descriptors = entries("/proc/self/fd");
    now->threads = entries("/proc/self/task");
    now->bodies = body_live();
}

// How many threads of the process are not rouse's.
static int64_t foreign_threads(const struct leaks *now)
{
    return now->threads - now->stats.threads;
}

void leaks_start(struct leaks *before)
{
    static int64_t foreign = -1;  // when the process began

    note(before);
    if (foreign < 0) foreign = foreign_threads(before);
    for (int waited_ms = 0; foreign_threads(before) > foreign && waited_ms < PATIENCE_MS;
         waited_ms++) {
        nanosleep(&moment, NULL);
        note(before);
    }
}

// What differs, as text.
struct report {
    char text[1024];
    size_t used;
};

static void report_line(struct report *report, const char *name, int64_t before, int64_t after)
{
    int length;

    if (before == after || report->used >= sizeof report->text - 1) return;
    length = snprintf(report->text + report->used, sizeof report->text - report->used,
                      " %s %" PRId64 " -> %" PRId64 ";", name, before, after);
    report->used += (size_t)length;
}

static bool is_as_before(const struct leaks *before, struct report *report)
{
    struct leaks now;

    note(&now);
    *report = (struct report){.used = 0};
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        report_line(report, counters[i].name, counter_value(&before->stats, &counters[i]),
                    counter_value(&now.stats, &counters[i]));
    }
    report_line(report, "open descriptors", before->descriptors, now.descriptors);
    report_line(report, "threads of the process", before->threads, now.threads);
    report_line(report, "bodies", before->bodies, now.bodies);
    return report->used == 0;
}

void leaks_check(const struct leaks *before)
{
    struct report report;

    for (int waited_ms = 0; !is_as_before(before, &report); waited_ms++) {
        if (waited_ms == PATIENCE_MS) check_failed("leak oracle", "leaked:%s", report.text);
        nanosleep(&moment, NULL);
    }
}
