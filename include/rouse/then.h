// SPDX-License-Identifier: MIT
//
// One future after another, the second made from the first one's output.

#ifndef ROUSE_THEN_H
#define ROUSE_THEN_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

/// Called once, when `first` has ended: reads or takes its output, and returns the future to go on
/// with, initialised in the caller's storage; or NULL to end here.
typedef struct rouse_future *(*rouse_then_function)(void *arg, struct rouse_future *first);

// Ends when the second future has ended.
struct rouse_then {
    struct rouse_future base;
    struct rouse_future *first;   // owned from init until dropped
    struct rouse_future *second;  // owned from the moment `make` returned it
    rouse_then_function make;     // NULL once it was called
    void *arg;
};

/// Waits for `first`, then for the future that `make` returns.
///
/// Errors:  none of its own.
/// Owns:    `first`, and what `make` returns; `arg` is borrowed until `make` has been called.
/// Threads: any, one at a time.
/// Cancel:  partial: `first` may have ended; `make` is not called after a drop. Worse if the one in
///          progress is.
ROUSE_API void rouse_then_init(struct rouse_then *then, struct rouse_future *first,
                               rouse_then_function make, void *arg);

/// Called once, when `inner` has ended: reads or takes its output and returns the map's.
typedef int64_t (*rouse_map_function)(void *arg, struct rouse_future *inner);

// Ends when the inner future has ended, with what a function makes of its output.
struct rouse_map {
    struct rouse_future base;
    struct rouse_future *inner;  // owned from init until dropped
    rouse_map_function fn;
    void *arg;
    int64_t output;  // what `fn` returned
};

/// Waits for `inner`, then calls `fn` on it; what that returns is the output.
///
/// Errors:  none of its own.
/// Owns:    `inner`; `arg` is borrowed until `fn` has been called.
/// Threads: any, one at a time.
/// Cancel:  as `inner`, which is dropped; `fn` is not called after a drop.
ROUSE_API void rouse_map_init(struct rouse_map *map, struct rouse_future *inner,
                              rouse_map_function fn, void *arg);

ROUSE_EXTERN_C_END

#endif
