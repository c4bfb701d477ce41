// SPDX-License-Identifier: MIT
//
// The crowd: see crowd.h.

#include "chan/crowd.h"

#include <rouse/assert.h>

// A public struct has no atomics.
static _Atomic uint32_t *state_of(struct rouse_waiter *waiter)
{
    return (_Atomic uint32_t *)&waiter->state;
}

// ---- Under the lock ----

// Moves those who arrived to the end of the queue. The stack has the last one on top.
static void gather(struct rs_crowd *crowd)
{
    // Acquire, with the release in push(): the waiters are there. Release, with the acquire there:
    // a message that was written before this is seen by who joins after it.
    struct rouse_waiter *top =
        atomic_exchange_explicit(&crowd->arrived, NULL, memory_order_acq_rel);
    struct rouse_waiter *after = NULL;
    struct rouse_waiter *waiter = top;

    if (top == NULL) return;
    for (;;) {
        struct rouse_waiter *before = waiter->next;

        waiter->next = after;
        if (before == NULL) break;
        waiter->prev = before;
        after = waiter;
        waiter = before;
    }
    waiter->prev = crowd->last;
    *(crowd->last != NULL ? &crowd->last->next : &crowd->first) = waiter;
    crowd->last = top;
}

static void unlink_waiter(struct rs_crowd *crowd, struct rouse_waiter *waiter)
{
    *(waiter->prev != NULL ? &waiter->prev->next : &crowd->first) = waiter->next;
    *(waiter->next != NULL ? &waiter->next->prev : &crowd->last) = waiter->prev;
}

// Releases as many as the batch has room for. True if there are more.
static bool release_below(struct rs_crowd *crowd, uint64_t limit, struct rs_batch *batch)
{
    struct rouse_waiter *waiter;

    while ((waiter = crowd->first) != NULL && waiter->want < limit) {
        if (rs_batch_is_full(batch)) return true;
        struct rouse_waker waker = waiter->waker;

        rs_batch_take(batch, &waker);
        unlink_waiter(crowd, waiter);
        // Release, with the acquire in rs_crowd_is_queued() and rs_crowd_leave(): we are done with
        // the waiter.
        atomic_store_explicit(state_of(waiter), RS_WAITER_RELEASED, memory_order_release);
    }
    return false;
}

void rs_crowd_release_and_unlock(struct rs_crowd *crowd, uint64_t limit)
{
    struct rs_batch batch;

    batch.count = 0;
    gather(crowd);
    while (release_below(crowd, limit, &batch)) {
        rs_unlock(&crowd->lock);
        (void)rs_batch_wake(&batch);
        rs_lock(&crowd->lock);
    }
    rs_unlock(&crowd->lock);
    (void)rs_batch_wake(&batch);
}

// ---- Who waits ----

static void push(struct rs_crowd *crowd, struct rouse_waiter *waiter)
{
    // Relaxed: only compared.
    struct rouse_waiter *top = atomic_load_explicit(&crowd->arrived, memory_order_relaxed);

    do {
        waiter->next = top;
        // Release and acquire, with the exchange in gather(), which is this one's partner both
        // ways; see there. Relaxed on failure: only compared.
    } while (!atomic_compare_exchange_weak_explicit(&crowd->arrived, &top, waiter,
                                                    memory_order_acq_rel, memory_order_relaxed));
}

static bool is_released(struct rouse_waiter *waiter)
{
    // Acquire, with the release in release_below(): the message is there, and the waiter ours.
    return atomic_load_explicit(state_of(waiter), memory_order_acquire) == RS_WAITER_RELEASED;
}

// Puts `waker` in the place of the one that will be woken, which it becomes. Nothing happens if the
// waiter was released.
static void exchange_wakers(struct rs_crowd *crowd, struct rouse_waiter *waiter,
                            struct rouse_waker *waker)
{
    rs_lock(&crowd->lock);
    // Relaxed: it changes under the lock.
    if (atomic_load_explicit(state_of(waiter), memory_order_relaxed) == RS_WAITER_QUEUED) {
        struct rouse_waker old = waiter->waker;

        waiter->waker = *waker;
        *waker = old;
    }
    rs_unlock(&crowd->lock);
}

bool rs_crowd_is_queued(struct rs_crowd *crowd, struct rouse_waiter *waiter,
                        struct rouse_context *cx)
{
    const struct rouse_waker *waker = rouse_context_waker(cx);

    if (is_released(waiter)) return false;
    // Who releases it only reads the waker.
    if (rouse_waker_will_wake(&waiter->waker, waker)) return true;
    struct rouse_waker spare = rouse_waker_clone(waker);

    exchange_wakers(crowd, waiter, &spare);
    rouse_waker_drop(&spare);
    return !is_released(waiter);
}

// Gets a waiter out that was not released, with its waker.
static void get_out(struct rs_crowd *crowd, struct rouse_waiter *waiter, struct rouse_waker *waker)
{
    rs_lock(&crowd->lock);
    // Relaxed, both: it changes under the lock.
    if (atomic_load_explicit(state_of(waiter), memory_order_relaxed) == RS_WAITER_QUEUED) {
        gather(crowd);
        unlink_waiter(crowd, waiter);
        atomic_store_explicit(state_of(waiter), RS_WAITER_IDLE, memory_order_relaxed);
        *waker = waiter->waker;
    }
    rs_unlock(&crowd->lock);
}

void rs_crowd_leave(struct rs_seat *seat, struct rouse_waiter *waiter)
{
    struct rouse_waker waker = {0};

    if (!waiter->pushed) return;
    seat->occupied = false;
    if (is_released(waiter)) return;
    get_out(seat->crowd, waiter, &waker);
    rouse_waker_drop(&waker);
}

rouse_poll rs_crowd_join(struct rs_seat *seat, struct rouse_waiter *waiter,
                         struct rouse_future *future, rs_crowd_look *look, struct rouse_context *cx)
{
    rouse_assert(waiter->pushed || !seat->occupied,
                 "at each receiver one future waits at a time; end the other one first");
    waiter->want = seat->position;
    waiter->waker = rouse_waker_clone(rouse_context_waker(cx));
    // Relaxed: published by the push.
    atomic_store_explicit(state_of(waiter), RS_WAITER_QUEUED, memory_order_relaxed);
    waiter->pushed = true;
    seat->occupied = true;
    push(seat->crowd, waiter);
    if (look(future) == -EAGAIN) return ROUSE_PENDING;
    rs_crowd_leave(seat, waiter);
    return ROUSE_READY;
}

void rs_seat_assert_free(const struct rs_seat *seat)
{
    rouse_assert(!seat->occupied,
                 "a receiver is freed when nobody waits at it; drop the future first");
}
