// SPDX-License-Identifier: MIT
//
// Waiting for one of several. Each wake polls every arm: meant for up to 64 arms.
//
// What becomes of the losers: the arms are polled one after another, and the first that is ready
// wins. Those behind it are not polled any more, so one that would have been ready at the same
// moment has not acted: its bytes are still in the socket, its connection in the backlog. Those
// before it that know that they are pending (rouse_future_is_pending()) are passed over until none
// of the others is ready, so that they need not begin to wait, and give up, for nothing. Then every
// loser is withdrawn, and what it was granted goes to the next in its queue. A loser whose
// kind is total (rouse_future_cancel_kind()) has lost nothing; one whose kind is partial says how
// much it did; one whose kind is terminal takes its result with it: lend that with a rouse_borrow,
// and it is still there afterwards.

#ifndef ROUSE_SELECT_H
#define ROUSE_SELECT_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

typedef enum rouse_select_order {
    ROUSE_SELECT_FAIR = 0,    // a random arm is polled first, so none is starved
    ROUSE_SELECT_BIASED = 1,  // in the order given: the first ready arm wins
} rouse_select_order;

// Ends when the first of two ends; the other is dropped.
struct rouse_select {
    struct rouse_future base;
    struct rouse_future *arms[2];  // owned from init until dropped
    rouse_select_order order;
    size_t output;  // which arm won: 0 or 1
};

/// Waits for `a` or `b`, whichever ends first, and drops the other. To keep the loser alive, pass
/// a rouse_borrow of it.
///
/// Errors:  none of its own.
/// Owns:    both, from now on; dropping an ended select releases the winner's output.
/// Threads: any, one at a time.
/// Cancel:  drops both: as bad as the worse of the two.
ROUSE_API void rouse_select_init(struct rouse_select *select, struct rouse_future *a,
                                 struct rouse_future *b, rouse_select_order order);

// Ends when the first of an array ends; the others are dropped.
struct rouse_select_all {
    struct rouse_future base;
    struct rouse_future **arms;  // the caller's array; the futures are owned
    size_t count;
    rouse_select_order order;
    size_t output;  // which arm won
};

/// Waits for any of `arms[0..count)`, count > 0, and drops the others.
///
/// Errors:  none of its own.
/// Owns:    the futures; the array is borrowed until the select is dropped or its output is read.
/// Threads: any, one at a time.
/// Cancel:  drops all: as bad as the worst of them.
ROUSE_API void rouse_select_all_init(struct rouse_select_all *select, struct rouse_future **arms,
                                     size_t count, rouse_select_order order);

// Ends with the first arm that succeeds; the others are dropped.
struct rouse_race {
    struct rouse_future base;
    struct rouse_future **arms;
    size_t count;
    bool begun;      // private
    size_t winner;   // the arm that succeeded; `count` if all failed
    int64_t output;  // its result, or the last failure's negative errno
};

/// Waits for the first of `arms[0..count)`, count > 0, to end well. An arm that fails
/// (rouse_future_result() < 0) is out of the race; when all have failed, the output is the last
/// error.
///
/// Errors:  the last one, when every arm failed.
/// Owns:    as rouse_select_all_init().
/// Threads: any, one at a time.
/// Cancel:  drops all: as bad as the worst of them.
ROUSE_API void rouse_race_init(struct rouse_race *race, struct rouse_future **arms, size_t count);

ROUSE_EXTERN_C_END

#endif
