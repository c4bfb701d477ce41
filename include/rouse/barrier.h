// SPDX-License-Identifier: MIT
//
// A barrier: tasks wait at it until all of them have come; then they go on together, and it may be
// used again.

#ifndef ROUSE_BARRIER_H
#define ROUSE_BARRIER_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage. The words are private.
struct rouse_barrier {
    struct rouse_wait_queue waiters;
    uint64_t arrivals;
    uint64_t gone;  // those before this one have been let through
    uint32_t parties;
    uint32_t waiting;
};

/// Makes a barrier for `parties` > 0 tasks. It owns nothing: when nobody waits and no call is in
/// progress, its storage may go.
///
/// Threads: any.
ROUSE_API void rouse_barrier_init(struct rouse_barrier *barrier, uint32_t parties);

// Ends when all have come.
struct rouse_barrier_wait {
    struct rouse_future base;
    struct rouse_barrier *barrier;
    struct rouse_waiter waiter;
    int output;  // 1 for the one who came last, 0 for the others
};

/// Comes to the barrier with the first poll, ends when all have come.
///
/// Errors:  none.
/// Owns:    `barrier` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total: as if it had not come.
ROUSE_API void rouse_barrier_wait_init(struct rouse_barrier_wait *wait,
                                       struct rouse_barrier *barrier);

/// Waits until all have come.
///
/// Errors:  1 for the one who came last, 0 for the others; -ECANCELED; on a plain thread also
///          -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total: as if it had not come.
ROUSE_API ROUSE_NODISCARD int rouse_barrier_wait(struct rouse_barrier *barrier);

ROUSE_EXTERN_C_END

#endif
