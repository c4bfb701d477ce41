// SPDX-License-Identifier: MIT
//
// The smallest futures: one that is ready, one that never is, one made of a function, one that
// lets others run, and one that lends another. None allocates, none fails.

#ifndef ROUSE_READY_H
#define ROUSE_READY_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

// Ends at its first poll.
struct rouse_ready {
    struct rouse_future base;
};

/// Makes a future that is ready at its first poll.
///
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_ready_init(struct rouse_ready *ready);

// Never ends by itself.
struct rouse_pending {
    struct rouse_future base;
};

/// Makes a future that is never ready and never wakes anybody: it waits to be dropped.
///
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_pending_init(struct rouse_pending *pending);

typedef rouse_poll (*rouse_poll_function)(void *arg, struct rouse_context *cx);

// Each poll is a call of a function.
struct rouse_poll_fn {
    struct rouse_future base;
    rouse_poll_function fn;
    void *arg;
};

/// Makes a future whose every poll is `fn(arg, cx)`. The function keeps the contract of
/// rouse_future_vtable's poll.
///
/// Owns:    `arg` is borrowed until the future ends.
/// Threads: whoever polls it, one at a time.
/// Cancel:  `fn` is not called again; what that means is up to `fn`, so the kind is unstated.
ROUSE_API void rouse_poll_fn_init(struct rouse_poll_fn *poll_fn, rouse_poll_function fn, void *arg);

// Pending once, then ready.
struct rouse_yield {
    struct rouse_future base;
    bool yielded;
};

/// Private to rouse_yield_init().
ROUSE_API extern const struct rouse_future_vtable rouse_yield_vtable;

/// Makes a future that lets every task that is ready now run before this one goes on.
///
/// Threads: any, one at a time.
/// Cancel:  total.
static inline void rouse_yield_init(struct rouse_yield *yield)
{
    yield->base.vtable = &rouse_yield_vtable;
    yield->yielded = false;
}

// Forwards polls, and ignores the drop.
struct rouse_borrow {
    struct rouse_future base;
    struct rouse_future *inner;  // borrowed
};

/// Lends `inner` to a combinator: the borrow ends when `inner` ends; dropping the borrow leaves
/// `inner` alive. So the loser of a select can go on later.
///
/// Owns:    `inner` is borrowed and must outlive the borrow; its owner still owes it an end.
/// Threads: any, one at a time.
/// Cancel:  total, whatever `inner` is: it keeps what it has, and its place where it waits. While
///          nobody polls it, what it is granted lies idle: poll it again or drop it before you wait
///          for what it may hold.
ROUSE_API void rouse_borrow_init(struct rouse_borrow *borrow, struct rouse_future *inner);

ROUSE_EXTERN_C_END

#endif
