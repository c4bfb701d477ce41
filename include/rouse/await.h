// SPDX-License-Identifier: MIT
//
// Waiting for a future from sequential code: suspends a fiber, parks a plain thread.

#ifndef ROUSE_AWAIT_H
#define ROUSE_AWAIT_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_runtime;

/// Waits until `future` has ended. In a fiber the fiber is suspended and its thread serves others;
/// on a plain thread, and in the blocking pool, the thread sleeps, with the timers and sources of
/// the default runtime. A checkpoint: in a cancelled fiber it fails at once, but a future that has
/// completed by the time the cancel is seen counts as completed.
///
/// Errors:  0: it ended, read its output. -ECANCELED: the calling task was cancelled, and `future`
///          has been dropped. -ENOMEM on a plain thread: `future` is dropped unpolled.
/// Owns:    `future` is the caller's storage; it has ended or been dropped when this returns.
/// Threads: a fiber or a plain thread. Inside a poll or a waker callback it aborts: return
///          ROUSE_PENDING there instead.
/// Cancel:  as `future`, which is dropped.
ROUSE_API ROUSE_NODISCARD int rouse_await(struct rouse_future *future);

/// Drives `future` to its end on the calling thread, which sleeps in between, with the timers and
/// sources of `runtime`; NULL is the default runtime.
///
/// Errors:  0, or -ENOMEM before the first poll (then `future` is dropped).
/// Threads: plain threads only; in a fiber it aborts: use rouse_await().
/// Cancel:  never: nobody cancels a plain thread.
ROUSE_API ROUSE_NODISCARD int rouse_block_on(struct rouse_runtime *runtime,
                                             struct rouse_future *future);

/// Lets every task that is ready now run before the caller goes on. On a plain thread it gives the
/// processor away. A checkpoint.
///
/// Errors:  0, or -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API int rouse_yield(void);

ROUSE_EXTERN_C_END

#endif
