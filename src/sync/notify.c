// SPDX-License-Identifier: MIT
//
// Notify. All of it changes under the queue's lock; who begins to wait looks without it whether a
// notification is kept. A waiter wants its number in the order of arrival, so that a notification
// of all ends with those who were there when it began; and they are passed over by a notification
// of one from then on, also while they are still in the queue.

#include <rouse/await.h>
#include <rouse/notify.h>
#include <stdatomic.h>
#include <stdio.h>

#include "sync/wait_queue.h"

void rouse_notify_init(struct rouse_notify *notify)
{
    *notify = (struct rouse_notify)ROUSE_NOTIFY_INIT;
}

static _Atomic bool *kept_of(struct rouse_notify *notify)
{
    return (_Atomic bool *)&notify->kept;
}

// Under the lock, which it gives up.
__attribute__((noinline)) static void tell_first(struct rouse_notify *notify)
{
    struct rouse_wait_queue *q = &notify->waiters;
    struct rouse_waiter *first = rs_waitq_first_from(q, notify->told);
    struct rouse_waker waker = {0};

    if (first == NULL) {
        // Relaxed: it changes under the lock.
        atomic_store_explicit(kept_of(notify), true, memory_order_relaxed);
    } else {
        rs_waitq_settle(q, first, RS_WAITER_GRANTED, &waker);
    }
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
}

void rouse_notify_one(struct rouse_notify *notify)
{
    rs_waitq_lock(&notify->waiters);
    tell_first(notify);
}

void rouse_notify_all(struct rouse_notify *notify)
{
    struct rouse_wait_queue *q = &notify->waiters;

    rs_waitq_lock(q);
    notify->told = notify->arrivals;
    rs_waitq_release_and_unlock(q, notify->told);
}

static struct rouse_notify_wait *wait_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_notify_wait, base);
}

// Takes the notification that was kept, if there is one by now. Out of line, as what is called by
// the following, so that each pushes few registers before it locks: see rs_waitq_append().
__attribute__((noinline)) static bool take_kept(struct rouse_notify *notify)
{
    rs_waitq_lock(&notify->waiters);
    // Relaxed, both: it changes under the lock.
    bool kept = atomic_load_explicit(kept_of(notify), memory_order_relaxed);

    if (kept) atomic_store_explicit(kept_of(notify), false, memory_order_relaxed);
    rs_waitq_unlock(&notify->waiters);
    return kept;
}

// Takes the notification that was kept, or a place in the queue.
static bool take_or_queue(struct rouse_notify_wait *w, struct rouse_context *cx)
{
    struct rouse_notify *notify = w->notify;

    // Relaxed: only a guess, which spares a waker.
    if (atomic_load_explicit(kept_of(notify), memory_order_relaxed) && take_kept(notify)) {
        return true;
    }
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    rs_waitq_lock(&notify->waiters);
    // Relaxed, both: it changes under the lock.
    bool kept = atomic_load_explicit(kept_of(notify), memory_order_relaxed);

    if (ROUSE_UNLIKELY(kept)) {
        atomic_store_explicit(kept_of(notify), false, memory_order_relaxed);
    } else {
        w->waiter.want = notify->arrivals++;
        rs_waitq_append(&notify->waiters, &w->waiter, waker);
    }
    rs_waitq_unlock(&notify->waiters);
    if (ROUSE_UNLIKELY(kept)) rouse_waker_drop(&waker);
    return kept;
}

static rouse_poll notify_wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_notify_wait *w = wait_of(self);

    if (!w->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        return take_or_queue(w, cx) ? ROUSE_READY : ROUSE_PENDING;
    }
    return rs_waitq_look(&w->notify->waiters, &w->waiter, cx) == RS_WAITER_QUEUED
               ? ROUSE_PENDING
               : ROUSE_READY;
}

static bool notify_wait_is_pending(const struct rouse_future *self)
{
    struct rouse_notify_wait *w = wait_of((struct rouse_future *)(uintptr_t)self);

    if (w->waiter.pushed) return rs_waiter_seems_queued(&w->waiter);
    // Relaxed: only a look; who takes it looks again.
    return !atomic_load_explicit(kept_of(w->notify), memory_order_relaxed);
}

static void notify_wait_drop(struct rouse_future *self)
{
    struct rouse_notify_wait *w = wait_of(self);

    if (!w->waiter.pushed) return;
    if (rs_waitq_leave(&w->notify->waiters, &w->waiter) == RS_WAITER_GRANTED) {
        rouse_notify_one(w->notify);
    }
}

static int notify_wait_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_notify_wait *w = (const struct rouse_notify_wait *)self;

    return snprintf(buf, size, "a notification of %p", (void *)w->notify);
}

static const struct rouse_future_vtable wait_vtable = {
    .poll = notify_wait_poll,
    .drop = notify_wait_drop,
    .name = "notify wait",
    .describe = notify_wait_describe,
    .is_pending = notify_wait_is_pending,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_notify_wait_init(struct rouse_notify_wait *wait, struct rouse_notify *notify)
{
    wait->base.vtable = &wait_vtable;
    wait->notify = notify;
    rs_waiter_init(&wait->waiter, 0);
}

int rouse_notify_wait(struct rouse_notify *notify)
{
    struct rouse_notify_wait wait;

    rouse_notify_wait_init(&wait, notify);
    return rouse_await(&wait.base);
}
