// SPDX-License-Identifier: MIT
//
// The end of something that another thread does on a future's behalf: a job of the pool, an
// operation of a ring. The one sets it, once; the other polls.
//
// 1. `done` is set once. What stands in memory before that is seen by the poll that finds it set.
// 2. Setting it touches the outcome no more once the lock is released: by then the waker has been
//    taken out, and is woken after.
// 3. A stored waker belongs to the last poll. It is cloned, woken and dropped without the lock.

#ifndef RS_FUTURE_OUTCOME_H
#define RS_FUTURE_OUTCOME_H

#include <rouse/future.h>
#include <stdbool.h>

#include "base/lock.h"

// All zero: nothing has ended, nobody waits.
struct rs_outcome {
    struct rs_lock lock;
    bool done;
    struct rouse_waker waker;
};

// The waker of the last poll, taken out.
static inline struct rouse_waker rs_outcome_take_waker(struct rs_outcome *outcome, bool done)
{
    rs_lock(&outcome->lock);
    struct rouse_waker waker = outcome->waker;

    outcome->waker = (struct rouse_waker){0};
    if (done) outcome->done = true;
    rs_unlock(&outcome->lock);
    return waker;
}

// It has ended. Any thread, once.
static inline void rs_outcome_set(struct rs_outcome *outcome)
{
    struct rouse_waker waker = rs_outcome_take_waker(outcome, true);

    rouse_waker_wake(&waker);
}

// Nobody waits any more.
static inline void rs_outcome_forget(struct rs_outcome *outcome)
{
    struct rouse_waker waker = rs_outcome_take_waker(outcome, false);

    rouse_waker_drop(&waker);
}

// READY when it has ended; else the waker of `cx` will be woken.
static inline rouse_poll rs_outcome_poll(struct rs_outcome *outcome, struct rouse_context *cx)
{
    const struct rouse_waker *waker = rouse_context_waker(cx);

    rs_lock(&outcome->lock);
    bool done = outcome->done;
    bool stored = rouse_waker_will_wake(&outcome->waker, waker);
    rs_unlock(&outcome->lock);
    if (done) return ROUSE_READY;
    if (stored) return ROUSE_PENDING;

    struct rouse_waker spare = rouse_waker_clone(waker);

    rs_lock(&outcome->lock);
    done = outcome->done;
    if (!done) {
        struct rouse_waker old = outcome->waker;

        outcome->waker = spare;
        spare = old;
    }
    rs_unlock(&outcome->lock);
    rouse_waker_drop(&spare);
    return done ? ROUSE_READY : ROUSE_PENDING;
}

#endif
