// SPDX-License-Identifier: MIT
//
// A rate limiter: a bucket of tokens that fills up at a steady rate. First come, first served.

#ifndef ROUSE_RATE_LIMITER_H
#define ROUSE_RATE_LIMITER_H

#include <rouse/semaphore.h>
#include <rouse/sleep.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage. The words are private.
struct rouse_rate_limiter {
    struct rouse_semaphore turn;  // of the one who waits for tokens
    uint64_t full_ns;             // when the bucket is full, if nobody takes any; with the turn
    uint64_t period_ns;
    uint64_t burst;
};

/// Makes a limiter that lets through one token in `period_ns`, and up to `burst` of them at once
/// after a rest. The bucket is full to begin with. It owns nothing: when nobody waits and no call
/// is in progress, its storage may go.
///
/// Units:   nanoseconds > 0; tokens > 0; `period_ns` * `burst` fits into 63 bits.
/// Threads: any.
ROUSE_API void rouse_rate_limiter_init(struct rouse_rate_limiter *limiter, uint64_t period_ns,
                                       uint64_t burst);

// Ends when the tokens have been taken.
struct rouse_rate_limiter_acquire {
    struct rouse_future base;
    struct rouse_rate_limiter *limiter;
    uint64_t tokens;
    struct rouse_semaphore_acquire turn;
    struct rouse_sleep sleep;
    bool has_turn;
    int output;  // 0; -EINVAL: more than the bucket holds; -ECANCELED: polled without a driver
};

/// Takes `tokens` as soon as there are so many, and everybody who came before has had his.
///
/// Errors:  -EINVAL: more than the bucket holds; -ECANCELED: polled where there is no driver.
/// Owns:    `limiter` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total: no token is taken.
ROUSE_API void rouse_rate_limiter_acquire_init(struct rouse_rate_limiter_acquire *acquire,
                                               struct rouse_rate_limiter *limiter, uint64_t tokens);

/// Waits for `tokens` and takes them.
///
/// Errors:  -EINVAL: more than the bucket holds; -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total: no token is taken.
ROUSE_API ROUSE_NODISCARD int rouse_rate_limiter_acquire(struct rouse_rate_limiter *limiter,
                                                         uint64_t tokens);

/// Takes `tokens` if they are there and nobody waits.
///
/// Errors:  -EAGAIN, also while another thread is just taking some; -EINVAL: more than the bucket
///          holds.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_rate_limiter_try_acquire(struct rouse_rate_limiter *limiter,
                                                             uint64_t tokens);

ROUSE_EXTERN_C_END

#endif
