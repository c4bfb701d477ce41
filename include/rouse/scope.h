// SPDX-License-Identifier: MIT
//
// Scopes: a scope owns the tasks that are spawned into it. Whoever opened it waits, when he leaves
// it, until all of them have ended; so no task outlives what it was given. When one fails, the
// others are cancelled, and with them the waits of the fiber that opened the scope. A deadline
// covers everything inside.
//
// Scopes nest as the code does, and through the tasks: cancelling one cancels those inside it. In a
// fiber an open scope is a region (rouse/cancel.h). In an async frame it is a struct in the frame,
// which the frame awaits with a `struct rouse_scope_wait`, and drops in its own drop.

#ifndef ROUSE_SCOPE_H
#define ROUSE_SCOPE_H

#include <rouse/cancel.h>
#include <rouse/task.h>

ROUSE_EXTERN_C_BEGIN

struct rs_scope_record;

// In the caller's storage. The words are private. All zero is a scope that was left: a frame whose
// drop may come before it opened its scope begins with that.
struct rouse_scope {
    struct rouse_region region;      // entered, if a fiber opened the scope
    struct rs_scope_record *record;  // NULL until the first task
    const char *why;                 // of a cancel before there was a record
    bool entered;
    bool cancelled;  // before there was a record
};

// Why a scope ended as it did.
struct rouse_scope_result {
    int error;                     // what rouse_scope_wait() returned
    struct rouse_cancel_info why;  // ROUSE_CANCEL_NONE if it was not cancelled
};

/// Opens a scope. In a fiber it is the innermost region from here on: its cancel and its deadline
/// also reach the fiber's own waits, until rouse_scope_wait(). Elsewhere, in a poll or on a plain
/// thread, it only holds tasks, and its deadline is that of the wait for them.
///
/// Units:   nanoseconds on rouse_now_ns()'s clock; ROUSE_NEVER is no deadline.
/// Owns:    `scope` is the caller's storage, and owes a rouse_scope_wait() or _drop(). It costs no
///          heap until the first spawn.
/// Threads: any. It belongs to the task, or thread, that opened it.
ROUSE_API void rouse_scope_open(struct rouse_scope *scope, uint64_t deadline_ns);

/// Spawns `fn(arg)` as a fiber into the scope. If it returns a negative errno, the scope is
/// cancelled; -ECANCELED from a task that was asked to end does not count.
///
/// Errors:  as rouse_spawn(); -ECANCELED once the scope has been cancelled.
/// Owns:    as rouse_spawn(). The scope waits for the task also if the handle is given away.
/// Threads: the owner's, and the tasks of the scope and of scopes inside it; those only where the
///          owner is certain to wait for them, since after a rouse_scope_drop() its storage is
///          gone.
#define rouse_scope_spawn(scope, handle, fn, arg)        \
    rouse_scope_spawn_at((scope), (handle), (fn), (arg), \
                         &(const struct rouse_task_attrs){.site = ROUSE_SITE})

/// As rouse_scope_spawn(), with attributes.
///
/// Errors:  as rouse_spawn_at(); -ECANCELED once the scope has been cancelled.
/// Threads: as rouse_scope_spawn().
ROUSE_API ROUSE_NODISCARD int rouse_scope_spawn_at(
    struct rouse_scope *scope, struct rouse_join_handle *handle, rouse_fiber_function fn, void *arg,
    const struct rouse_task_attrs *attrs);

/// Spawns a future into the scope. Its result counts as a fiber's does.
///
/// Errors:  as rouse_spawn_future(); -ECANCELED once the scope has been cancelled.
/// Threads: as rouse_scope_spawn().
#define rouse_scope_spawn_future(scope, handle, spec)      \
    rouse_scope_spawn_future_at((scope), (handle), (spec), \
                                &(const struct rouse_task_attrs){.site = ROUSE_SITE})

/// As rouse_scope_spawn_future(), with attributes.
///
/// Errors:  as rouse_scope_spawn_future().
/// Threads: as rouse_scope_spawn().
ROUSE_API ROUSE_NODISCARD int rouse_scope_spawn_future_at(
    struct rouse_scope *scope, struct rouse_join_handle *handle,
    const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs);

/// Cancels everything in the scope: its tasks, the scopes inside it, and the waits of the fiber
/// that opened it. A second cancel does nothing.
///
/// Owns:    `why` is not copied; it may be NULL.
/// Threads: the owner's. For others: rouse_scope_canceller().
ROUSE_API void rouse_scope_cancel(struct rouse_scope *scope, const char *why);

/// Leaves the scope: waits until all its tasks have ended, and those of scopes that were dropped
/// inside it. If the caller is cancelled meanwhile, so is the scope, and the wait goes on.
/// `result` may be NULL.
///
/// Errors:  the first error of a task; -ETIMEDOUT if the scope's own deadline ended it; -ECANCELED
///          if it was cancelled otherwise; else 0.
/// Owns:    `scope` is free afterwards.
/// Threads: the fiber or plain thread that opened it; not inside a poll.
/// Cancel:  never cuts it short: it is passed on to the tasks, which are waited for.
ROUSE_API int rouse_scope_wait(struct rouse_scope *scope, struct rouse_scope_result *result);

/// Gives up a scope, in a frame's drop: its tasks are cancelled, and handed to the scope around it,
/// whose wait then includes them; at last to the runtime. Does nothing after a wait.
///
/// Threads: the owner's. Never blocks.
ROUSE_API void rouse_scope_drop(struct rouse_scope *scope);

// The same wait as a future.
struct rouse_scope_wait {
    struct rouse_future base;
    struct rouse_scope *scope;
    struct rouse_scope_result output;
    struct rouse_sleep sleep;  // the deadline
};

/// Ends when every task of the scope has ended; its output is the scope's result. The scope is free
/// then.
///
/// Errors:  as rouse_scope_wait(), in `output.error`.
/// Owns:    `wait` is the caller's storage. Dropping it leaves the scope open.
/// Threads: the owner's; not a fiber's own scope, which ends with rouse_scope_wait().
/// Cancel:  total: the scope stands as before.
ROUSE_API void rouse_scope_wait_init(struct rouse_scope_wait *wait, struct rouse_scope *scope);

// The right to cancel a scope from anywhere, also when it is gone. Counted.
struct rouse_scope_canceller {
    struct rs_scope_record *record;
};

/// A handle with which any thread may cancel the scope.
///
/// Errors:  -ENOMEM.
/// Owns:    `out` owes a rouse_scope_canceller_drop().
/// Threads: the owner's.
ROUSE_API ROUSE_NODISCARD int rouse_scope_canceller(struct rouse_scope *scope,
                                                    struct rouse_scope_canceller *out);

/// As rouse_scope_cancel(); does nothing once the scope has been left.
///
/// Threads: any.
ROUSE_API void rouse_scope_canceller_cancel(const struct rouse_scope_canceller *canceller,
                                            const char *why);

/// Gives up the handle.
///
/// Threads: any.
ROUSE_API void rouse_scope_canceller_drop(struct rouse_scope_canceller *canceller);

ROUSE_EXTERN_C_END

#endif
