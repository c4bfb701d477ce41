// SPDX-License-Identifier: MIT
//
// What a console says of its program at one moment, as read from the JSON that it sends. It has a
// fixed size: what there is more of than has room is left out. All texts are UTF-8, and may contain
// whatever the other program has put into them.
#ifndef TOP_SNAPSHOT_H
#define TOP_SNAPSHOT_H

#include <rouse/histogram.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SNAPSHOT_SCHEDULERS_MAX = 16,
    SNAPSHOT_WORKERS_MAX = 256,  // of all schedulers
    SNAPSHOT_TASKS_MAX = 1000,
    SNAPSHOT_TEXT_SIZE = 128,
};

struct snapshot_worker {
    uint64_t id;
    uint64_t poll_count;
    uint64_t park_count;
    uint64_t steal_count;
    uint64_t busy_ns;
    uint64_t queue;
    char state[16];
    char task[24];  // empty: none
};

struct snapshot_scheduler {
    char name[32];
    char kind[16];
    char reactor[16];
    uint64_t num_workers;
    uint64_t num_idle_workers;
    uint64_t num_alive_tasks;
    uint64_t global_queue_depth;
    uint64_t num_blocking_threads;
    uint64_t num_idle_blocking_threads;
    uint64_t blocking_queue_depth;
    unsigned worker_first;  // in the snapshot's workers
    unsigned worker_count;
    struct rouse_histogram poll_time;
    struct rouse_histogram schedule_latency;
};

struct snapshot_task {
    char id[24];
    char name[64];
    char site[64];
    char style[16];
    char state[16];
    char waits[SNAPSHOT_TEXT_SIZE];
    char lints[SNAPSHOT_TEXT_SIZE];  // with a comma between two
    uint64_t polls;
    uint64_t wakes;
    uint64_t busy_ns;
    uint64_t scheduled_ns;
    uint64_t idle_ns;
};

struct snapshot {
    uint64_t time_ns;
    uint64_t pid;
    uint64_t uptime_ns;
    uint64_t rss_bytes;
    char program[64];
    char version[32];

    uint64_t num_timers;
    uint64_t num_sources;
    uint64_t task_bytes;
    uint64_t stack_bytes;
    uint64_t buffer_bytes;

    uint64_t tasks_alive;
    uint64_t tasks_looked_at;
    uint64_t tasks_matched;
    bool tasks_are_sample;

    unsigned scheduler_count;
    unsigned worker_count;
    unsigned task_count;
    struct snapshot_scheduler schedulers[SNAPSHOT_SCHEDULERS_MAX];
    struct snapshot_worker workers[SNAPSHOT_WORKERS_MAX];
    struct snapshot_task tasks[SNAPSHOT_TASKS_MAX];
};

// Reads a snapshot. Returns 0, or -EPROTO if the text is no JSON or has a known member of another
// kind; unknown members are skipped. `out` is filled in any case, perhaps in part.
int snapshot_read(struct snapshot *out, const char *text, size_t size);

#endif
