// SPDX-License-Identifier: MIT
//
// A single-threaded executor, driven by the thread that calls run, and its cloneable spawner. It is
// the one-worker case of the runtime's loop: the same queues, timers and sources.

#ifndef ROUSE_EXECUTOR_H
#define ROUSE_EXECUTOR_H

#include <rouse/allocator.h>
#include <rouse/task.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_executor;
struct rouse_spawner;

struct rouse_executor_options {
    size_t size;                              // sizeof(struct rouse_executor_options)
    const struct rouse_allocator *allocator;  // as in struct rouse_runtime_options
    size_t task_limit;                        // live tasks; 0: no limit
    // "epoll", "io_uring", "poll", or "auto": the best for sockets; NULL: ROUSE_REACTOR, or "auto"
    const char *reactor;
    bool no_spin;  // as in struct rouse_runtime_options
};

/// Makes an executor and its first spawner.
///
/// Errors:  -ENOMEM, -EMFILE, -EINVAL for an unknown reactor.
/// Owns:    free both, in any order.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_executor_new(struct rouse_executor **out,
                                                 struct rouse_spawner **spawner,
                                                 const struct rouse_executor_options *options);

/// Runs tasks on the calling thread until every spawner is dropped and every task has ended. That
/// thread's timer slack is 1 ns meanwhile.
///
/// Threads: a plain thread, one at a time; always the same one while fibers are alive.
ROUSE_API void rouse_executor_run(struct rouse_executor *executor);

/// Runs what is ready now, handles events, and returns without sleeping. For a foreign loop that
/// watches rouse_executor_fd(). Returns true while there is a spawner or a task.
///
/// Threads: as rouse_executor_run().
ROUSE_API bool rouse_executor_turn(struct rouse_executor *executor);

/// A descriptor that polls readable whenever a turn would do anything: a task is ready, a timer is
/// due, an event is there. Only to be polled, not read.
///
/// Errors:  -ENOTSUP with a reactor that has none (poll).
/// Owns:    the executor's; do not close it.
/// Threads: any.
ROUSE_API int rouse_executor_fd(struct rouse_executor *executor);

/// Aborts what still runs, drives it to its end, and frees the executor. Spawners may outlive it:
/// their spawns then fail with -ECANCELED. In the child after a fork it only closes and unmaps.
///
/// Threads: the one that ran it.
ROUSE_API void rouse_executor_free(struct rouse_executor *executor);

/// Spawns a fiber on the executor.
///
/// Errors:  as rouse_spawn(); -ECANCELED when the executor is gone or shutting down.
/// Threads: any.
#define rouse_spawner_spawn(spawner, handle, fn, arg)        \
    rouse_spawner_spawn_at((spawner), (handle), (fn), (arg), \
                           &(const struct rouse_task_attrs){.site = ROUSE_SITE})

/// Spawns a fiber on the executor, with attributes.
///
/// Errors:  as rouse_spawner_spawn().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_spawner_spawn_at(
    struct rouse_spawner *spawner, struct rouse_join_handle *handle, rouse_fiber_function fn,
    void *arg, const struct rouse_task_attrs *attrs);

/// Spawns a future on the executor.
///
/// Errors:  as rouse_spawn_future(); -ECANCELED when the executor is gone or shutting down.
/// Threads: any.
#define rouse_spawner_spawn_future(spawner, handle, spec)      \
    rouse_spawner_spawn_future_at((spawner), (handle), (spec), \
                                  &(const struct rouse_task_attrs){.site = ROUSE_SITE})

/// Spawns a future on the executor, with attributes.
///
/// Errors:  as rouse_spawner_spawn_future().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_spawner_spawn_future_at(
    struct rouse_spawner *spawner, struct rouse_join_handle *handle,
    const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs);

/// Another share of the spawner. The executor runs on while one is left.
///
/// Threads: any.
ROUSE_API struct rouse_spawner *rouse_spawner_clone(struct rouse_spawner *spawner);

/// Gives up a share; with the last one, the executor's run returns as soon as its tasks have ended.
///
/// Threads: any.
ROUSE_API void rouse_spawner_drop(struct rouse_spawner *spawner);

ROUSE_EXTERN_C_END

#endif
