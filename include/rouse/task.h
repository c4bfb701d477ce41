// SPDX-License-Identifier: MIT
//
// A task is a future that an executor drives: one allocation with a header, the future and its
// output. It is polled by one thread at a time, sits in at most one queue, and is kept alive by
// its own life until it ends, then by its handles and wakers.
//
// A task knows no scheduler, only a function that is called when it has become runnable. So an
// executor of one's own is a `struct rouse_scheduler`, a queue, and a loop over rouse_task_run():
// see examples/own_executor.c.

#ifndef ROUSE_TASK_H
#define ROUSE_TASK_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_task;
struct rouse_runtime;

// The largest future that a task can hold, in bytes.
#define ROUSE_TASK_FUTURE_MAX ((size_t)128 << 10)

// A fiber's body, as C11's thrd_create: its result is what a join returns.
typedef int (*rouse_fiber_function)(void *arg);

// Makes a future at `storage` from `arg`. Called once, by the spawning thread; may not fail, and
// may not wait.
typedef void (*rouse_init_function)(struct rouse_future *storage, void *arg);

// Ends when the task has ended. Dropping it detaches the task, or aborts it after
// rouse_abort_on_drop(), and gives up its result: the cancel kind is terminal.
struct rouse_join_handle {
    struct rouse_future base;
    struct rouse_task *task;  // one share
    int64_t output;           // the fiber's or future's result; -ECANCELED if it was aborted
    bool abort_on_drop;
};

// The right to abort a task: separate from joining it, counted, usable from any thread.
struct rouse_abort_handle {
    struct rouse_task *task;  // one share, or NULL
};

// How to spawn. All zero means: no name, default stack, not pinned.
struct rouse_task_attrs {
    size_t size;           // sizeof(struct rouse_task_attrs)
    const char *name;      // not copied: must outlive the task
    size_t stack_size;     // bytes, fibers only; rounded up to a power of two; 0: the default
    bool pinned;           // polled by one worker only (fibers always are, once started)
    unsigned worker;       // pinned to this one: its index + 1; 0: if pinned, to any
    const char *site;      // where it was spawned; NULL: filled in by the macros
    size_t member_offset;  // private: 0
};

// A future to be made in place, inside its task.
struct rouse_future_spec {
    size_t size;   // of the struct that starts with `struct rouse_future`
    size_t align;  // a power of two up to 64; 0: as malloc aligns
    rouse_init_function init;
    void *arg;
};

/// Spawns `fn(arg)` as a fiber on the runtime or executor that runs the caller, or on the default
/// runtime from a thread that runs none. Once this returns 0, `fn` is certain to be called, so
/// what `arg` owns is certain to be released: a task aborted before it began starts with its first
/// wait failing.
///
/// Errors:  -EAGAIN at the task limit; -ENOMEM; -ECANCELED after shutdown began. Then `fn` is not
///          called and `arg` stays the caller's.
/// Owns:    `handle` is filled and owes an end; NULL detaches the task at once.
/// Threads: any.
#define rouse_spawn(handle, fn, arg) \
    rouse_spawn_at((handle), (fn), (arg), &(const struct rouse_task_attrs){.site = ROUSE_SITE})

/// As rouse_spawn(), with attributes; `attrs->site` should be ROUSE_SITE.
///
/// Errors:  as rouse_spawn(); -EINVAL for a stack size over 8 MiB, or a worker that is not there.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_spawn_at(struct rouse_join_handle *handle,
                                             rouse_fiber_function fn, void *arg,
                                             const struct rouse_task_attrs *attrs);

/// Spawns a future, made in place by `spec->init`.
///
/// Errors:  as rouse_spawn(); -E2BIG for a future over 128 KiB (put its state behind a pointer).
/// Owns:    the task owns the future and drops it; `handle` as in rouse_spawn().
/// Threads: any.
/// Cancel:  an abort drops the future between two polls.
#define rouse_spawn_future(handle, spec) \
    rouse_spawn_future_at((handle), (spec), &(const struct rouse_task_attrs){.site = ROUSE_SITE})

/// As rouse_spawn_future(), with attributes.
///
/// Errors:  as rouse_spawn_future().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_spawn_future_at(struct rouse_join_handle *handle,
                                                    const struct rouse_future_spec *spec,
                                                    const struct rouse_task_attrs *attrs);

// What rouse_future_init_move() moves.
struct rouse_future_move {
    const void *from;
    size_t size;
};

/// An init function that moves: copies a future of `size` bytes that has not been polled and owns
/// all that it points to. `arg` is a `struct rouse_future_move`.
///
/// Threads: the spawning one.
ROUSE_API void rouse_future_init_move(struct rouse_future *storage, void *move);

/// Waits until the task has ended, and releases the handle.
///
/// Errors:  the task's own result; -ECANCELED if it was aborted, or if the calling task was
///          cancelled (then the joined task is detached).
/// Threads: a fiber or a plain thread; not inside a poll.
/// Cancel:  terminal: the task goes on, but the handle is given up, and with it the result. To keep
///          it, await a rouse_borrow of the handle.
ROUSE_API int64_t rouse_join(struct rouse_join_handle *handle);

/// The ended future of a joined task, to read or take its typed output; NULL for a fiber or an
/// aborted task. Valid until the handle is dropped.
///
/// Threads: whoever holds the ended handle.
ROUSE_API struct rouse_future *rouse_join_handle_future(const struct rouse_join_handle *handle);

/// Asks a task to end. A future is dropped before its next poll; in a fiber each waiting call
/// returns -ECANCELED from now on. The answer comes through the join handle.
///
/// Threads: any, at any time; also after the end, then it does nothing.
ROUSE_API void rouse_abort(const struct rouse_join_handle *handle);

/// Asks a task to end and waits until it has; returns its result and releases the handle.
///
/// Threads: a fiber or a plain thread; not inside a poll. Not the task itself.
/// Cancel:  as rouse_join().
ROUSE_API int64_t rouse_abort_and_wait(struct rouse_join_handle *handle);

/// From now on dropping the handle aborts the task instead of detaching it.
///
/// Threads: whoever holds the handle.
ROUSE_API void rouse_abort_on_drop(struct rouse_join_handle *handle);

/// Gives up the handle: the task goes on by itself. The same as rouse_future_drop().
///
/// Threads: whoever holds the handle.
ROUSE_API void rouse_detach(struct rouse_join_handle *handle);

/// A handle to abort the task with, valid after the join handle is gone.
///
/// Owns:    the caller owes the result a drop.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD struct rouse_abort_handle rouse_abort_handle(
    const struct rouse_join_handle *handle);

/// Another share of an abort handle.
///
/// Owns:    the caller owes the result a drop.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD struct rouse_abort_handle rouse_abort_handle_clone(
    const struct rouse_abort_handle *handle);

/// Asks the task to end, as rouse_abort().
///
/// Threads: any, at any time.
ROUSE_API void rouse_abort_handle_abort(const struct rouse_abort_handle *handle);

/// True once the task has ended.
///
/// Threads: any.
ROUSE_API bool rouse_abort_handle_is_ended(const struct rouse_abort_handle *handle);

/// Gives up the handle.
///
/// Threads: any.
ROUSE_API void rouse_abort_handle_drop(struct rouse_abort_handle *handle);

// One kind of task-local value. Make one static object for each kind.
struct rouse_local_key {
    void (*destructor)(void *value);  // may be NULL; called on the worker that ended the task
};

/// Stores `value` under `key` in the running task. The destructor is called for it when the task
/// ends, but not when it is replaced.
///
/// Errors:  -ENOMEM; -EINVAL outside a task.
/// Threads: the running task.
ROUSE_API ROUSE_NODISCARD int rouse_local_set(const struct rouse_local_key *key, void *value);

/// The value stored under `key` in the running task, or NULL.
///
/// Threads: any.
ROUSE_API void *rouse_local_get(const struct rouse_local_key *key);

// ---- For executors of one's own ----

// How a task tells its executor that it has become runnable.
struct rouse_scheduler {
    // Called by any thread that wakes, spawns or aborts; the task is in no queue, and must be
    // given to rouse_task_run() once. Must not fail, must not run the task itself. The scheduler
    // outlives its tasks: until the last has ended it may be called.
    void (*schedule)(struct rouse_scheduler *self, struct rouse_task *task);
};

typedef enum rouse_task_state {
    ROUSE_TASK_WAITING = 0,    // it will be scheduled when woken
    ROUSE_TASK_SCHEDULED = 1,  // it was woken during the poll and has been scheduled again
    ROUSE_TASK_ENDED = 2,      // do not touch it any more
} rouse_task_state;

/// Makes a task for a scheduler of one's own and schedules it.
///
/// Errors:  -ENOMEM, -E2BIG.
/// Owns:    as rouse_spawn_future().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_task_spawn(
    struct rouse_scheduler *scheduler, struct rouse_join_handle *handle,
    const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs);

/// Polls a task that was scheduled, once, with the timers and sources of `driver` (may be NULL).
///
/// Owns:    takes the task from its queue; it belongs to nobody until it is scheduled again.
/// Threads: any, one at a time for each task.
ROUSE_API rouse_task_state rouse_task_run(struct rouse_task *task, struct rouse_driver *driver);

/// A word in the task that its scheduler may use to link it into a queue, between schedule() and
/// rouse_task_run().
///
/// Threads: the scheduler's.
ROUSE_API struct rouse_task **rouse_task_link(struct rouse_task *task);

/// The task's name, or else its spawn site.
///
/// Threads: any that holds the task.
ROUSE_API const char *rouse_task_name(const struct rouse_task *task);

ROUSE_EXTERN_C_END

#endif
