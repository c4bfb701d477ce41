// SPDX-License-Identifier: MIT
//
// A condition variable for tasks: gives up a mutex and waits, as one step, and locks the mutex
// again before it goes on. Look at the condition in a loop: it may be false again by then.

#ifndef ROUSE_CONDITION_H
#define ROUSE_CONDITION_H

#include <rouse/mutex.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage; all zero is one for which nobody waits. The words are private.
struct rouse_condition {
    struct rouse_wait_queue waiters;
    uint64_t arrivals;
    uint64_t told;  // those before this one have been signalled, as all
};

/// An initializer.
#define ROUSE_CONDITION_INIT \
    {                        \
        .arrivals = 0        \
    }

/// Makes one for which nobody waits. It owns nothing: when nobody waits and no call is in progress,
/// its storage may go.
///
/// Threads: any.
ROUSE_API void rouse_condition_init(struct rouse_condition *condition);

// Ends when it was signalled and the mutex is locked again.
struct rouse_condition_wait {
    struct rouse_future base;
    struct rouse_condition *condition;
    struct rouse_mutex *mutex;  // NULL: its lock was taken over by the caller
    struct rouse_waiter waiter;
    struct rouse_mutex_lock relock;
    uint32_t stage;
};

/// Unlocks `mutex` with the first poll, ends when it has been signalled and has the mutex again.
///
/// Errors:  none.
/// Owns:    the lock of `mutex`, which the caller holds, is the future's from now on, until
///          rouse_condition_wait_take(); dropped with it, whenever that is, it is unlocked.
/// Threads: any, one at a time.
/// Cancel:  terminal: the mutex is not locked. A signal goes to the next waiter.
ROUSE_API void rouse_condition_wait_init(struct rouse_condition_wait *wait,
                                         struct rouse_condition *condition,
                                         struct rouse_mutex *mutex);

/// Makes the lock of an ended wait the caller's, who owes a rouse_mutex_unlock().
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_condition_wait_take(struct rouse_condition_wait *wait);

/// Unlocks `mutex`, waits for a signal, and locks it again: also when it fails, for which it waits
/// as under a shield.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread that holds `mutex`.
/// Cancel:  total: the mutex is locked, and a signal goes to the next waiter.
ROUSE_API ROUSE_NODISCARD int rouse_condition_wait(struct rouse_condition *condition,
                                                   struct rouse_mutex *mutex);

/// Wakes the one who has waited longest; does nothing if nobody waits.
///
/// Threads: any, with or without the mutex. Never blocks.
ROUSE_API void rouse_condition_signal(struct rouse_condition *condition);

/// Wakes all who wait now.
///
/// Threads: any, with or without the mutex. Never blocks.
ROUSE_API void rouse_condition_broadcast(struct rouse_condition *condition);

ROUSE_EXTERN_C_END

#endif
