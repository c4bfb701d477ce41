// SPDX-License-Identifier: MIT
//
// The runtime: worker threads that share tasks by stealing, each with a driver for timers and
// sources of its own, and a pool for blocking calls.

#ifndef ROUSE_RUNTIME_H
#define ROUSE_RUNTIME_H

#include <rouse/allocator.h>
#include <rouse/task.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_runtime;

#define ROUSE_WORKERS_MAX 56

// All zero means the default for each. The allocator must outlive the runtime, its tasks and
// wakers, and the sockets and descriptors that its tasks made or adopted.
struct rouse_runtime_options {
    size_t size;       // sizeof(struct rouse_runtime_options)
    unsigned workers;  // threads; 0: ROUSE_WORKERS, or what affinity and the cgroup quota allow
    const struct rouse_allocator *allocator;  // NULL: the default one
    size_t task_limit;                        // live tasks; 0: no limit
    size_t stack_size;                        // of fibers, bytes; 0: 64 KiB
    unsigned blocking_threads;                // at most; 0: 512
    size_t blocking_queue;                    // jobs waiting for a thread, at most; 0: 65536
    // "epoll", "io_uring", "poll", or "auto": the best for sockets; NULL: ROUSE_REACTOR, or "auto"
    const char *reactor;
    bool handle_faults;       // report fiber stack overflows (SIGSEGV, SIGBUS)
    bool dump_on_sigquit;     // write a task dump to standard error on SIGQUIT
    unsigned lookup_threads;  // that look up names, at most; 0: 16
    size_t lookup_queue;      // names waiting for a thread, at most; 0: 1024
    bool histograms;          // of polls' times; see rouse_metrics_histogram()
    bool no_spin;             // threads without work sleep at once, as with ROUSE_SPIN=0
    bool no_solo;             // never one worker for all, where it does more; as with ROUSE_SOLO=0
};

/// Starts a runtime. `options` may be NULL.
///
/// Errors:  -ENOMEM, -EMFILE, -EAGAIN when threads cannot be made, -EINVAL for an option out of
///          range or an unknown reactor.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_runtime_new(struct rouse_runtime **out,
                                                const struct rouse_runtime_options *options);

/// Shuts down in order: foreign spawns fail; every task is aborted; the workers run until none is
/// left; queued blocking jobs fail and running ones are waited for; drivers drain; threads are
/// joined and memory is freed. After `timeout_ns` what remains is named in the log, nothing is
/// freed, and the call may be repeated.
///
/// Errors:  0: all is gone. -ETIMEDOUT: something is left; call again.
/// Threads: any plain thread, one at a time; from a task of the same runtime it aborts.
ROUSE_API ROUSE_NODISCARD int rouse_runtime_shutdown(struct rouse_runtime *runtime,
                                                     uint64_t timeout_ns);

/// As rouse_runtime_shutdown() without a limit. NULL is allowed. In the child after a fork it only
/// closes and unmaps.
///
/// Threads: as rouse_runtime_shutdown().
ROUSE_API void rouse_runtime_free(struct rouse_runtime *runtime);

/// The runtime used by plain threads that name none: that of rouse_run(), or else one made at the
/// first call, with default options, for the rest of the program. NULL if it cannot be made.
///
/// Threads: any.
ROUSE_API struct rouse_runtime *rouse_runtime_default(void);

/// The runtime that runs the caller; NULL on plain threads and in executors.
///
/// Threads: any.
ROUSE_API struct rouse_runtime *rouse_runtime_current(void);

/// The number of workers.
///
/// Threads: any.
ROUSE_API unsigned rouse_runtime_workers(const struct rouse_runtime *runtime);

/// The index of the worker that runs the caller, 0 up; -1 on other threads.
///
/// Threads: any.
ROUSE_API int rouse_worker_index(void);

/// The time on rouse_now_ns()'s clock when the worker that runs the caller last looked for events
/// and timers, which it does at least every half millisecond or between two polls: for what need
/// not be exact, at a fifteenth of the cost. On other threads the time now. Never goes back, on one
/// worker.
///
/// Threads: any.
ROUSE_API uint64_t rouse_now_recent_ns(void);

/// Spawns a fiber on `runtime`, from any thread. `attrs` may be NULL.
///
/// Errors:  as rouse_spawn().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_runtime_spawn(
    struct rouse_runtime *runtime, struct rouse_join_handle *handle, rouse_fiber_function fn,
    void *arg, const struct rouse_task_attrs *attrs);

/// Spawns a future on `runtime`, from any thread. `attrs` may be NULL.
///
/// Errors:  as rouse_spawn_future().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_runtime_spawn_future(
    struct rouse_runtime *runtime, struct rouse_join_handle *handle,
    const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs);

/// A whole program: makes the default runtime, runs `fn(arg)` as its root fiber, shuts down, and
/// returns what `fn` returned. Reports stack overflows, and dumps all tasks on SIGQUIT.
///
/// Errors:  as rouse_runtime_new() and rouse_spawn().
/// Threads: a plain thread, one at a time in a process.
ROUSE_API int rouse_run(rouse_fiber_function fn, void *arg);

/// As rouse_run(), with options.
///
/// Errors:  as rouse_run().
/// Threads: as rouse_run().
ROUSE_API int rouse_run_with(rouse_fiber_function fn, void *arg,
                             const struct rouse_runtime_options *options);

ROUSE_EXTERN_C_END

#endif
