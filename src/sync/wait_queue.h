// SPDX-License-Identifier: MIT
//
// The wait queue under all locks and channels. Its owner has a condition and a queue of those who
// wait for it: both change under the queue's lock.
//
//     IDLE --push--> QUEUED --settle--> GRANTED: it has been given what it waits for
//                      |                RELEASED: it has only been woken, as everybody
//                      +--------------> IDLE: it has given up
//
// 1. Queue and waiters change, and are read, under the lock only, but for `pushed`, and for the
//    waiter's own look at whether it has been settled, which then waits until the lock is free. So
//    whoever finds out that it was granted something knows that the granter is done with the queue,
//    and may free it.
// 2. For the same reason an owner that hands something over does so under the lock altogether: it
//    does not make it free first and lock the queue then.
// 3. A waker is cloned, woken and dropped outside the lock.
// 4. A waiter that was granted something has it: a drop of its future hands it on.
//
// Threads: one polls and drops the future of a waiter, any may grant. The order is that of arrival;
// a waiter that is polled again keeps its place.

#ifndef RS_SYNC_WAIT_QUEUE_H
#define RS_SYNC_WAIT_QUEUE_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

#include "base/lock.h"
#include "io/batch.h"

enum rs_waiter_state {
    RS_WAITER_IDLE = 0,
    RS_WAITER_QUEUED = 1,
    RS_WAITER_GRANTED = 2,
    RS_WAITER_RELEASED = 3,
};

static inline void rs_waitq_lock(struct rouse_wait_queue *q)
{
    rs_lock((struct rs_lock *)&q->lock);
}

static inline void rs_waitq_unlock(struct rouse_wait_queue *q)
{
    rs_unlock((struct rs_lock *)&q->lock);
}

static inline _Atomic uint32_t *rs_waiter_state_of(struct rouse_waiter *waiter)
{
    return (_Atomic uint32_t *)&waiter->state;
}

// A look at a waiter that was pushed: it has not been settled, as far as can be seen.
static inline bool rs_waiter_seems_queued(struct rouse_waiter *waiter)
{
    // Relaxed: only a look; rs_waitq_look() does the acquire.
    return atomic_load_explicit(rs_waiter_state_of(waiter), memory_order_relaxed) ==
           RS_WAITER_QUEUED;
}

// The rest is written when it is pushed.
static inline void rs_waiter_init(struct rouse_waiter *waiter, uint64_t want)
{
    waiter->want = want;
    waiter->pushed = false;
}

// ---- Under the lock ----

static inline bool rs_waitq_is_empty(const struct rouse_wait_queue *q)
{
    return q->first == NULL;
}

// Puts an idle waiter at the end, with its waker. Inline, by value: what is in registers until the
// lock is ours need not be written before it, where each store would hold it up.
static inline void rs_waitq_append(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                                   struct rouse_waker waker)
{
    waiter->waker = waker;
    waiter->next = NULL;
    waiter->prev = q->last;
    *(q->last != NULL ? &q->last->next : &q->first) = waiter;
    q->last = waiter;
    waiter->state = RS_WAITER_QUEUED;
    waiter->pushed = true;
}

// Puts an idle waiter at the end. Takes the share in `waker`.
void rs_waitq_push(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                   struct rouse_waker *waker);

// Puts one at the front that was there before.
void rs_waitq_push_front(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                         struct rouse_waker *waker);

// Of the first one `prev` means nothing: who is behind it becomes the first without being written
// to, since it may lie in another processor's cache.
static inline void rs_waitq_unlink(struct rouse_wait_queue *q, const struct rouse_waiter *waiter)
{
    struct rouse_waiter *next = waiter->next;

    if (waiter == q->first) {
        q->first = next;
        if (next == NULL) q->last = NULL;
        return;
    }
    waiter->prev->next = next;
    *(next != NULL ? &next->prev : &q->last) = waiter->prev;
}

// Takes a queued waiter out, into `state`, and moves its waker to `waker`.
void rs_waitq_settle(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                     enum rs_waiter_state state, struct rouse_waker *waker);

// The same for one who was given what only he can give back, and who may not come for it: a dump is
// to find that out.
void rs_waitq_grant(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                    struct rouse_waker *waker);

// The first one that wants `limit` or more: those before it are about to be released. NULL: none.
struct rouse_waiter *rs_waitq_first_from(const struct rouse_wait_queue *q, uint64_t limit);

// Releases those in front who want less than `limit`, as many as the batch has room for. True if
// there are more: the caller unlocks, wakes, and comes back.
bool rs_waitq_release_below(struct rouse_wait_queue *q, uint64_t limit, struct rs_batch *batch);

// Releases them all, in as many goes as it takes: between two of them the lock is given up. Those
// of the last go are in the batch, for rs_waitq_unlock_and_wake().
void rs_waitq_release(struct rouse_wait_queue *q, uint64_t limit, struct rs_batch *batch);

// Between two goes: gives up the lock, wakes, and has it again.
void rs_waitq_wake_between(struct rouse_wait_queue *q, struct rs_batch *batch);

// After the last: gives up the lock, and wakes.
void rs_waitq_unlock_and_wake(struct rouse_wait_queue *q, struct rs_batch *batch);

// All of that: releases them all, unlocks, and wakes.
void rs_waitq_release_and_unlock(struct rouse_wait_queue *q, uint64_t limit);

// ---- Without the lock ----

// A waiter that was granted something has taken it, or hands it on: for who looks at the state of
// its waiter itself. Before another grant can come of that, lest the mark of that be lost.
void rs_waitq_taken(struct rouse_wait_queue *q);

// The poll of a waiter that was pushed: its state. While that is QUEUED, the waker of `cx` is the
// one that will be woken.
enum rs_waiter_state rs_waitq_look(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                                   struct rouse_context *cx);

// The drop of a waiter that was pushed: it is in the queue no longer. Returns what it was until
// then; GRANTED is for the caller to hand on.
enum rs_waiter_state rs_waitq_leave(struct rouse_wait_queue *q, struct rouse_waiter *waiter);

#endif
