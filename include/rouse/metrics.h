// SPDX-License-Identifier: MIT
//
// What a runtime does, in numbers, read while it runs and without stopping anyone. Where Tokio has
// the same name, it means the same. Always counted: see docs/metrics.md for what that costs, and
// what each number tells.

#ifndef ROUSE_METRICS_H
#define ROUSE_METRICS_H

#include <rouse/compiler.h>
#include <rouse/histogram.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_runtime;

// Counts grow for the runtime's life; depths and what is alive are a moment's.
struct rouse_metrics {
    size_t size;  // sizeof(struct rouse_metrics)
    uint64_t num_workers;
    uint64_t num_idle_workers;       // asleep
    uint64_t num_searching_workers;  // that look for work to steal
    uint64_t num_alive_tasks;
    uint64_t spawned_tasks_count;
    uint64_t global_queue_depth;  // of the injection queue
    uint64_t injection_count;     // tasks put there: by other threads, and where a queue was full
    uint64_t budget_forced_yield_count;
    uint64_t io_driver_ready_count;  // events of descriptors
    uint64_t num_blocking_threads;
    uint64_t num_idle_blocking_threads;
    uint64_t blocking_queue_depth;
    uint64_t num_lookup_threads;  // that look up names: a pool of their own
    uint64_t num_idle_lookup_threads;
    uint64_t lookup_queue_depth;
    // From here on, of the whole process: all runtimes and executors.
    uint64_t num_timers;       // waiting
    uint64_t num_sources;      // descriptors known to a driver
    uint64_t task_bytes;       // of slabs of tasks
    uint64_t stack_bytes;      // address space for stacks; memory only where one was touched
    uint64_t buffer_bytes;     // of buffers lent by pooled reads, and kept for the next one
    uint64_t allocated_bytes;  // from the allocators' bytes: all but pages
    uint64_t page_bytes;       // from the allocators' pages: tasks and stacks are among them
};

struct rouse_worker_metrics {
    size_t size;           // sizeof(struct rouse_worker_metrics)
    uint64_t poll_count;   // polls of tasks
    uint64_t park_count;   // times it went to sleep
    uint64_t noop_count;   // of these, having polled nothing since it woke
    uint64_t steal_count;  // tasks taken from other workers
    uint64_t steal_operations;
    uint64_t overflow_count;  // times that its own queue was full
    uint64_t budget_forced_yield_count;
    uint64_t io_driver_ready_count;   // events that it took from its driver, or another's
    uint64_t local_queue_depth;       // tasks that are ready to run
    uint64_t total_busy_duration_ns;  // time not asleep
    uint64_t spin_count;              // times it looked around for work before it slept
    uint64_t spared_park_count;       // of these, found some
    uint64_t move_count;              // times it left a processor where another worker was
    uint64_t solo_count;              // times it began to run all tasks, since it gets more done
};

// What there are histograms of, where they are switched on: by the runtime's option, or by
// ROUSE_METRICS=histograms in the environment.
typedef enum rouse_histogram_kind {
    ROUSE_HISTOGRAM_POLL_TIME = 0,         // how long a poll takes
    ROUSE_HISTOGRAM_SCHEDULE_LATENCY = 1,  // from a task's way into a queue to its poll
} rouse_histogram_kind;

/// Reads the metrics of a runtime; NULL: the default one. Numbers that belong together need not be
/// of the same moment.
///
/// Errors:  -EINVAL if `out->size` is not set; -ENOENT if there is no default runtime yet.
/// Owns:    `out->size` says how much there is room for, and then how much was filled in.
/// Threads: any.
ROUSE_API int rouse_metrics(struct rouse_runtime *runtime, struct rouse_metrics *out);

/// The same for one worker, by its index.
///
/// Errors:  as rouse_metrics(); -EINVAL for a worker that is not there.
/// Owns:    as rouse_metrics().
/// Threads: any.
ROUSE_API int rouse_worker_metrics(struct rouse_runtime *runtime, unsigned worker,
                                   struct rouse_worker_metrics *out);

/// A histogram of one worker, or, with -1, of all of them.
///
/// Errors:  as rouse_worker_metrics(); -ENOTSUP if the runtime has none.
/// Owns:    as rouse_metrics().
/// Threads: any.
ROUSE_API int rouse_metrics_histogram(struct rouse_runtime *runtime, int worker,
                                      rouse_histogram_kind kind, struct rouse_histogram *out);

/// Writes the metrics of all runtimes and executors, in the text format of Prometheus.
///
/// Errors:  0, or write's; -ENOMEM.
/// Threads: any, also a task; not a signal handler. The write blocks the calling thread.
ROUSE_API int rouse_metrics_write(int fd);

ROUSE_EXTERN_C_END

#endif
