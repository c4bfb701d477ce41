// SPDX-License-Identifier: MIT
//
// The event count: a number of notifications, and whether somebody waits, in one word.
//
// A waiter sets WAITED by a read-modify-write, and enters the queue if that finds the number of its
// key; a notification raises the number by another. One of them comes first. If it is the
// waiter, the notification sees WAITED, and comes to wake; if it is the notification, the waiter
// sees the number.

#include <rouse/await.h>
#include <rouse/event_count.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/rmw.h"
#include "sync/wait_queue.h"

enum { WAITED = 1, NOTIFICATION = 2 };

static _Atomic uint64_t *word_of(const struct rouse_event_count *count)
{
    return (_Atomic uint64_t *)(uintptr_t)&count->word;
}

uint64_t rouse_event_count_key(const struct rouse_event_count *count)
{
    // Acquire, with the release in rouse_event_count_notify(): the condition that is looked at next
    // is at least as it was for the last notification.
    return atomic_load_explicit(word_of(count), memory_order_acquire) & ~(uint64_t)WAITED;
}

static uint64_t number_of(const struct rouse_event_count *count)
{
    // Relaxed: under the lock, to tell those who came before the last notification from the others.
    return atomic_load_explicit(word_of(count), memory_order_relaxed) & ~(uint64_t)WAITED;
}

void rouse_event_count_notify(struct rouse_event_count *count)
{
    struct rouse_wait_queue *q = &count->waiters;
    struct rs_batch batch;
    // Release, with the acquire in rouse_event_count_key() and enter_queue().
    uint64_t word = rs_fetch_add_64(word_of(count), NOTIFICATION, memory_order_release);

    if ((word & WAITED) == 0) return;
    rs_waitq_lock(q);
    // Those who come while the lock is given up have a number that is no less, and another
    // notification, if there is one, comes for them.
    rs_waitq_release(q, number_of(count), &batch);
    if (rs_waitq_is_empty(q)) {
        // Relaxed: the lock orders those who have to do with the bit.
        rs_fetch_and_64(word_of(count), ~(uint64_t)WAITED, memory_order_relaxed);
    }
    rs_waitq_unlock_and_wake(q, &batch);
}

static struct rouse_event_count_wait *wait_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_event_count_wait, base);
}

// True if there was a notification.
static bool enter_queue(struct rouse_event_count_wait *w, struct rouse_waker *waker)
{
    struct rouse_event_count *count = w->count;

    rs_waitq_lock(&count->waiters);
    // Acquire, with the release in rouse_event_count_notify(): if there was one, what came before
    // it is seen. Then the bit is set for nobody, until the next one looks.
    uint64_t word = rs_fetch_or_64(word_of(count), WAITED, memory_order_acquire);
    bool same = (word & ~(uint64_t)WAITED) == w->key;

    if (same) {
        w->waiter.want = w->key;
        rs_waitq_push(&count->waiters, &w->waiter, waker);
    }
    rs_waitq_unlock(&count->waiters);
    return !same;
}

static rouse_poll event_wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_event_count_wait *w = wait_of(self);

    if (!w->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));
        bool ended = enter_queue(w, &waker);

        rouse_waker_drop(&waker);
        return ended ? ROUSE_READY : ROUSE_PENDING;
    }
    return rs_waitq_look(&w->count->waiters, &w->waiter, cx) == RS_WAITER_QUEUED
               ? ROUSE_PENDING
               : ROUSE_READY;
}

static void event_wait_drop(struct rouse_future *self)
{
    struct rouse_event_count_wait *w = wait_of(self);

    if (w->waiter.pushed) (void)rs_waitq_leave(&w->count->waiters, &w->waiter);
}

static int event_wait_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_event_count_wait *w = (const struct rouse_event_count_wait *)self;

    return snprintf(buf, size, "a notification of event count %p", (void *)w->count);
}

static const struct rouse_future_vtable wait_vtable = {
    .poll = event_wait_poll,
    .drop = event_wait_drop,
    .name = "event count wait",
    .describe = event_wait_describe,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_event_count_wait_init(struct rouse_event_count_wait *wait,
                                 struct rouse_event_count *count, uint64_t key)
{
    wait->base.vtable = &wait_vtable;
    wait->count = count;
    wait->key = key;
    rs_waiter_init(&wait->waiter, 0);
}

int rouse_event_count_wait(struct rouse_event_count *count, uint64_t key)
{
    struct rouse_event_count_wait wait;

    rouse_event_count_wait_init(&wait, count, key);
    return rouse_await(&wait.base);
}
