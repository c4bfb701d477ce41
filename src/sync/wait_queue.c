// SPDX-License-Identifier: MIT
//
// The wait queue: see wait_queue.h.

#include "sync/wait_queue.h"

#include "sync/holder.h"
#include "task/task.h"

void rs_waitq_push(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                   struct rouse_waker *waker)
{
    rs_waitq_append(q, waiter, *waker);
    waker->vtable = NULL;
}

void rs_waitq_push_front(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                         struct rouse_waker *waker)
{
    waiter->waker = *waker;
    waker->vtable = NULL;
    waiter->prev = NULL;
    waiter->next = q->first;
    *(q->first != NULL ? &q->first->prev : &q->last) = waiter;
    q->first = waiter;
    waiter->state = RS_WAITER_QUEUED;
    waiter->pushed = true;
}

void rs_waitq_settle(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                     enum rs_waiter_state state, struct rouse_waker *waker)
{
    *waker = waiter->waker;
    waiter->waker.vtable = NULL;
    rs_waitq_unlink(q, waiter);
    // Release, with the acquire in rs_waitq_look(): what was written before a grant is seen.
    atomic_store_explicit(rs_waiter_state_of(waiter), (uint32_t)state, memory_order_release);
}

void rs_waitq_grant(struct rouse_wait_queue *q, struct rouse_waiter *waiter,
                    struct rouse_waker *waker)
{
    bool is_task = waiter->waker.vtable == &rs_task_waker_vtable;

    rs_holder_set(&q->granted, is_task ? waiter->waker.data : NULL);
    rs_waitq_settle(q, waiter, RS_WAITER_GRANTED, waker);
}

struct rouse_waiter *rs_waitq_first_from(const struct rouse_wait_queue *q, uint64_t limit)
{
    struct rouse_waiter *waiter = q->first;

    while (waiter != NULL && waiter->want < limit) waiter = waiter->next;
    return waiter;
}

bool rs_waitq_release_below(struct rouse_wait_queue *q, uint64_t limit, struct rs_batch *batch)
{
    struct rouse_waker waker;

    while (!rs_waitq_is_empty(q) && q->first->want < limit) {
        if (rs_batch_is_full(batch)) return true;
        rs_waitq_settle(q, q->first, RS_WAITER_RELEASED, &waker);
        rs_batch_take(batch, &waker);
    }
    return false;
}

void rs_waitq_wake_between(struct rouse_wait_queue *q, struct rs_batch *batch)
{
    rs_waitq_unlock_and_wake(q, batch);
    rs_waitq_lock(q);
}

void rs_waitq_unlock_and_wake(struct rouse_wait_queue *q, struct rs_batch *batch)
{
    rs_waitq_unlock(q);
    (void)rs_batch_wake(batch);
}

void rs_waitq_release(struct rouse_wait_queue *q, uint64_t limit, struct rs_batch *batch)
{
    batch->count = 0;
    while (rs_waitq_release_below(q, limit, batch)) rs_waitq_wake_between(q, batch);
}

void rs_waitq_release_and_unlock(struct rouse_wait_queue *q, uint64_t limit)
{
    struct rs_batch batch;

    rs_waitq_release(q, limit, &batch);
    rs_waitq_unlock_and_wake(q, &batch);
}

void rs_waitq_taken(struct rouse_wait_queue *q)
{
    rs_holder_set(&q->granted, NULL);
}

// What a poll or a drop has found its waiter to be, which nobody else changes any more.
static enum rs_waiter_state found(struct rouse_wait_queue *q, enum rs_waiter_state state)
{
    if (state == RS_WAITER_GRANTED) rs_waitq_taken(q);
    return state;
}

// Who has settled our waiter may have yet to unlock the queue, which we are perhaps about to free.
static void let_out(struct rouse_wait_queue *q)
{
    const _Atomic uint32_t *word = &((struct rs_lock *)&q->lock)->word;

    // Acquire, with the release in rs_unlock(): it is done with the queue. It was locked when the
    // waiter was settled, so a lock that is free by now has been unlocked since.
    if (ROUSE_LIKELY(atomic_load_explicit(word, memory_order_acquire) == RS_LOCK_FREE)) return;
    rs_waitq_lock(q);
    rs_waitq_unlock(q);
}

// Out of line: what polls for the first time, and calls this later, then needs few registers.
__attribute__((noinline)) enum rs_waiter_state rs_waitq_look(
    struct rouse_wait_queue *q, struct rouse_waiter *waiter, struct rouse_context *cx)
{
    const struct rouse_waker *waker = rouse_context_waker(cx);
    struct rouse_waker spare;
    // Acquire, with the release in rs_waitq_settle().
    uint32_t seen = atomic_load_explicit(rs_waiter_state_of(waiter), memory_order_acquire);

    if (seen != RS_WAITER_QUEUED) {
        let_out(q);
        return found(q, (enum rs_waiter_state)seen);
    }
    rs_waitq_lock(q);
    enum rs_waiter_state state = (enum rs_waiter_state)waiter->state;
    bool enough = state != RS_WAITER_QUEUED || rouse_waker_will_wake(&waiter->waker, waker);

    rs_waitq_unlock(q);
    if (enough) return found(q, state);

    spare = rouse_waker_clone(waker);
    rs_waitq_lock(q);
    state = (enum rs_waiter_state)waiter->state;
    if (state == RS_WAITER_QUEUED) {
        struct rouse_waker old = waiter->waker;

        waiter->waker = spare;
        spare = old;
    }
    rs_waitq_unlock(q);
    rouse_waker_drop(&spare);
    return found(q, state);
}

enum rs_waiter_state rs_waitq_leave(struct rouse_wait_queue *q, struct rouse_waiter *waiter)
{
    rs_waitq_lock(q);
    enum rs_waiter_state state = (enum rs_waiter_state)waiter->state;

    // From then on it is ours, with its waker.
    if (state == RS_WAITER_QUEUED) {
        rs_waitq_unlink(q, waiter);
        waiter->state = RS_WAITER_IDLE;
    }
    rs_waitq_unlock(q);
    if (state != RS_WAITER_QUEUED) return found(q, state);
    rouse_waker_drop(&waiter->waker);
    return RS_WAITER_QUEUED;
}
