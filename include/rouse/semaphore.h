// SPDX-License-Identifier: MIT
//
// A counting semaphore for tasks: permits that are taken, any number at a time, and given back.
// First come, first served: who wants many is not overtaken by those who want few.

#ifndef ROUSE_SEMAPHORE_H
#define ROUSE_SEMAPHORE_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

#define ROUSE_SEMAPHORE_PERMITS_MAX ((UINT64_C(1) << 61) - 1)

// In the caller's storage. The words are private.
struct rouse_semaphore {
    uint64_t word;
    struct rouse_wait_queue waiters;
};

/// A semaphore with that many permits to begin with, as an initializer.
#define ROUSE_SEMAPHORE_INIT(permits)    \
    {                                    \
        .word = (uint64_t)(permits) << 2 \
    }

/// Makes a semaphore with `permits` to begin with, which may be none. It owns nothing: when nobody
/// waits any more, its storage may go; but a call that ends more than 64 waits must have returned.
///
/// Units:   permits, at most ROUSE_SEMAPHORE_PERMITS_MAX.
/// Threads: any.
ROUSE_API void rouse_semaphore_init(struct rouse_semaphore *semaphore, uint64_t permits);

// Ends when the permits have been taken.
struct rouse_semaphore_acquire {
    struct rouse_future base;
    struct rouse_semaphore *semaphore;
    struct rouse_waiter waiter;
    int output;  // 0: the permits are the future's, until taken; -EBADF: closed
};

/// Takes `permits` as soon as there are so many and everybody who came before has been served; none
/// are taken at once.
///
/// Errors:  -EBADF: the semaphore was closed.
/// Owns:    the permits are the future's until rouse_semaphore_acquire_take(); dropped with it,
///          they go back.
/// Threads: any, one at a time.
/// Cancel:  total: no permit is taken, and what was granted goes to the next.
ROUSE_API void rouse_semaphore_acquire_init(struct rouse_semaphore_acquire *acquire,
                                            struct rouse_semaphore *semaphore, uint64_t permits);

/// Makes the permits of an ended acquire the caller's, who owes a rouse_semaphore_release().
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_semaphore_acquire_take(struct rouse_semaphore_acquire *acquire);

/// Waits for `permits` and takes them.
///
/// Errors:  -EBADF: the semaphore was closed; -ECANCELED; on a plain thread also -ENOMEM.
/// Owns:    the caller owes a rouse_semaphore_release().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_semaphore_acquire(struct rouse_semaphore *semaphore,
                                                      uint64_t permits);

/// Takes `permits` if they are there and nobody waits, or if it is none.
///
/// Errors:  -EAGAIN; -EBADF: closed.
/// Owns:    the caller owes a rouse_semaphore_release().
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_semaphore_try_acquire(struct rouse_semaphore *semaphore,
                                                          uint64_t permits);

/// Gives `permits` back, or adds new ones. Also after a close.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_semaphore_release(struct rouse_semaphore *semaphore, uint64_t permits);

/// Ends all who wait, and all who come, with -EBADF. Permits that were taken are not affected.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_semaphore_close(struct rouse_semaphore *semaphore);

/// How many permits there are now; others may take them at the same time.
///
/// Threads: any.
ROUSE_API uint64_t rouse_semaphore_available(const struct rouse_semaphore *semaphore);

ROUSE_EXTERN_C_END

#endif
