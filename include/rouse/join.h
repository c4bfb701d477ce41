// SPDX-License-Identifier: MIT
//
// Waiting for all: two futures, or an array of them. The arms share the task's waker, so each wake
// polls every arm that is still pending: meant for up to 64 arms; beyond that, use tasks.

#ifndef ROUSE_JOIN_H
#define ROUSE_JOIN_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

// Ends when both have ended. Their outputs are in them.
struct rouse_join {
    struct rouse_future base;
    struct rouse_future *arms[2];  // owned from init until dropped
};

/// Waits for both `a` and `b`.
///
/// Errors:  none of its own.
/// Owns:    both, from now on: dropping the join drops them, also after it ended (which releases
///          outputs nobody took).
/// Threads: any, one at a time.
/// Cancel:  partial: drops both, of which one may have ended, with its output. Worse if one of them
///          is.
ROUSE_API void rouse_join_init(struct rouse_join *join, struct rouse_future *a,
                               struct rouse_future *b);

// Ends when all of an array have ended.
struct rouse_join_all {
    struct rouse_future base;
    struct rouse_future **arms;  // the caller's array; the futures are owned
    size_t count;
};

/// Waits for all of `arms[0..count)`. With no arms it is ready at once.
///
/// Errors:  none of its own.
/// Owns:    the futures; the array is borrowed until the join is dropped or its outputs are read.
/// Threads: any, one at a time.
/// Cancel:  partial: drops all, of which some may have ended, with their outputs. Worse if one of
///          them is.
ROUSE_API void rouse_join_all_init(struct rouse_join_all *join, struct rouse_future **arms,
                                   size_t count);

// Ends when both have ended well, or with the first that failed.
struct rouse_try_join {
    struct rouse_future base;
    struct rouse_future *arms[2];
    int64_t output;  // 0, or the failed arm's negative errno
};

/// Waits for both; if one fails (rouse_future_result() < 0) the other is dropped and the error is
/// the output.
///
/// Errors:  those of the arms.
/// Owns:    both, as rouse_join_init().
/// Threads: any, one at a time.
/// Cancel:  partial: drops both, of which one may have ended, with its output. Worse if one of them
///          is.
ROUSE_API void rouse_try_join_init(struct rouse_try_join *join, struct rouse_future *a,
                                   struct rouse_future *b);

// Ends when all have ended well, or with the first that failed.
struct rouse_try_join_all {
    struct rouse_future base;
    struct rouse_future **arms;
    size_t count;
    size_t failed;   // the arm that failed; `count` if none did
    int64_t output;  // 0, or its negative errno
};

/// Waits for all; if one fails the others are dropped and the error is the output.
///
/// Errors:  those of the arms.
/// Owns:    as rouse_join_all_init().
/// Threads: any, one at a time.
/// Cancel:  partial: drops all, of which some may have ended, with their outputs. Worse if one of
///          them is.
ROUSE_API void rouse_try_join_all_init(struct rouse_try_join_all *join, struct rouse_future **arms,
                                       size_t count);

ROUSE_EXTERN_C_END

#endif
