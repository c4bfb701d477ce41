// SPDX-License-Identifier: MIT
//
// Something that is done once, by whoever comes first; those who come meanwhile wait for him. If it
// fails, or he gives up, the next one tries.

#ifndef ROUSE_ONCE_H
#define ROUSE_ONCE_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage; all zero is one that was not done. The words are private.
struct rouse_once {
    uint32_t word;
    struct rouse_wait_queue waiters;
};

/// An initializer.
#define ROUSE_ONCE_INIT \
    {                   \
        .word = 0       \
    }

/// True if it has been done; who sees that sees what was done.
///
/// Threads: any.
ROUSE_API bool rouse_once_is_done(const struct rouse_once *once);

/// Calls `fn(arg)`, unless that has been done; while somebody else is at it, waits for him. `fn`
/// may wait. A lazy cell is a once beside the value that `fn` makes.
///
/// Errors:  0: it has been done; what `fn` returned, if that is negative: then it counts as not
///          done; -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread. `fn` must not call it for the same `once`.
/// Cancel:  total for who waits; `fn` sees to itself.
ROUSE_API ROUSE_NODISCARD int rouse_once_call(struct rouse_once *once, int (*fn)(void *arg),
                                              void *arg);

// Ends when it has been done, or it is the caller's turn to do it.
struct rouse_once_enter {
    struct rouse_future base;
    struct rouse_once *once;  // NULL: the turn was taken over by the caller
    struct rouse_waiter waiter;
    int output;  // 0: it has been done; 1: do it, then call rouse_once_leave()
};

/// For async frames: waits while somebody else is at it.
///
/// Errors:  none.
/// Owns:    with output 1 the turn is the future's until rouse_once_enter_take(); dropped with it,
///          the next one tries.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_once_enter_init(struct rouse_once_enter *enter, struct rouse_once *once);

/// Makes the turn of an ended future, with output 1, the caller's, who owes a rouse_once_leave().
///
/// Threads: whoever may poll it.
ROUSE_API void rouse_once_enter_take(struct rouse_once_enter *enter);

/// Ends the caller's turn: it is done, or else the next one may try.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_once_leave(struct rouse_once *once, bool done);

ROUSE_EXTERN_C_END

#endif
