// SPDX-License-Identifier: MIT
//
// A mutex for tasks: the waiting task sleeps, its thread serves others, and the lock may be held
// across waits. It is unlocked by any thread.
//
// An unlock makes it free and wakes the one who has waited longest; whoever comes by may take it
// first, which costs no switch between tasks. But only so often: from the moment on that the first
// waiter has come too late 16 times, or once after a millisecond of waiting, an unlock keeps the
// lock for him, for a millisecond; then it is for whoever looks. So it is fast, nobody starves, and
// a waiter that nobody polls does not keep the others out: those behind look after it, when they
// have waited twice as long as at their last look, and every 100 milliseconds at last.

#ifndef ROUSE_MUTEX_H
#define ROUSE_MUTEX_H

#include <rouse/future.h>
#include <rouse/sleep.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage; all zero is a mutex that nobody holds. The words are private.
struct rouse_mutex {
    uint32_t word;
    uint32_t vain;           // how often the first waiter has been woken in vain
    uint64_t kept_until_ns;  // 0: nobody else has looked yet
    struct rouse_wait_queue waiters;
    const void *holder;  // the task that locked it last; for dumps
};

/// An initializer.
#define ROUSE_MUTEX_INIT \
    {                    \
        .word = 0        \
    }

/// Makes a mutex that nobody holds. It owns nothing: once the last holder's unlock has begun and
/// nobody waits, its storage may go.
///
/// Threads: any.
ROUSE_API void rouse_mutex_init(struct rouse_mutex *mutex);

// Ends when the mutex is locked.
struct rouse_mutex_lock {
    struct rouse_future base;
    struct rouse_mutex *mutex;  // NULL: taken over by the caller
    struct rouse_waiter waiter;
    struct rouse_sleep patrol;  // looks after those in front, who may not be polled
    bool old;                   // has waited for a millisecond
};

/// Locks the mutex as soon as that can be.
///
/// Errors:  none.
/// Owns:    the lock is the future's until rouse_mutex_lock_take(); dropped with it, it is
///          unlocked.
/// Threads: any, one at a time.
/// Cancel:  total: the mutex is not locked, and if it was this one's turn the next is woken.
ROUSE_API void rouse_mutex_lock_init(struct rouse_mutex_lock *lock, struct rouse_mutex *mutex);

/// Makes the lock of an ended future the caller's, who owes a rouse_mutex_unlock().
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_mutex_lock_take(struct rouse_mutex_lock *lock);

/// Waits for the mutex and locks it. Locking it twice waits for ever.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Owns:    the caller owes a rouse_mutex_unlock().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_mutex_lock(struct rouse_mutex *mutex);

/// Locks the mutex if it is free, and not kept for somebody.
///
/// Errors:  -EAGAIN.
/// Owns:    the caller owes a rouse_mutex_unlock().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_mutex_try_lock(struct rouse_mutex *mutex);

/// Unlocks the mutex, which the caller holds. Never a checkpoint.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_mutex_unlock(struct rouse_mutex *mutex);

/// True if it is locked just now, by whomever.
///
/// Threads: any.
ROUSE_API bool rouse_mutex_is_locked(const struct rouse_mutex *mutex);

ROUSE_EXTERN_C_END

#endif
