// SPDX-License-Identifier: MIT
//
// The barrier. All of it changes under the queue's lock. The last to come releases those who wait,
// up to the number that it has itself in the order of arrival: who comes after it waits for the
// next time.

#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/barrier.h>
#include <stdio.h>

#include "sync/wait_queue.h"

void rouse_barrier_init(struct rouse_barrier *barrier, uint32_t parties)
{
    rouse_assert(parties > 0, "a barrier is for one task at least");
    *barrier = (struct rouse_barrier){.parties = parties};
}

static struct rouse_barrier_wait *wait_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_barrier_wait, base);
}

// True if it was the last one: then all the others go on.
static bool come(struct rouse_barrier_wait *w, struct rouse_context *cx)
{
    struct rouse_barrier *barrier = w->barrier;
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    rs_waitq_lock(&barrier->waiters);
    w->waiter.want = barrier->arrivals++;
    bool last = barrier->waiting + 1 == barrier->parties;

    if (last) {
        barrier->waiting = 0;
        barrier->gone = w->waiter.want;
        rs_waitq_release_and_unlock(&barrier->waiters, w->waiter.want);
    } else {
        barrier->waiting++;
        rs_waitq_push(&barrier->waiters, &w->waiter, &waker);
        rs_waitq_unlock(&barrier->waiters);
    }
    rouse_waker_drop(&waker);
    return last;
}

static rouse_poll barrier_wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_barrier_wait *w = wait_of(self);

    if (!w->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        if (!come(w, cx)) return ROUSE_PENDING;
        w->output = 1;
        return ROUSE_READY;
    }
    return rs_waitq_look(&w->barrier->waiters, &w->waiter, cx) == RS_WAITER_QUEUED
               ? ROUSE_PENDING
               : ROUSE_READY;
}

static void barrier_wait_drop(struct rouse_future *self)
{
    struct rouse_barrier_wait *w = wait_of(self);
    struct rouse_barrier *barrier = w->barrier;
    struct rouse_waker waker = {0};

    if (!w->waiter.pushed) return;
    rs_waitq_lock(&barrier->waiters);
    if (w->waiter.state == RS_WAITER_QUEUED) {
        rs_waitq_settle(&barrier->waiters, &w->waiter, RS_WAITER_IDLE, &waker);
        // Not one of an earlier time, who is queued still while those are being let through.
        if (w->waiter.want >= barrier->gone) barrier->waiting--;
    }
    rs_waitq_unlock(&barrier->waiters);
    rouse_waker_drop(&waker);
}

static int64_t barrier_wait_result(const struct rouse_future *self)
{
    return ((const struct rouse_barrier_wait *)self)->output;
}

static int barrier_wait_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_barrier_wait *w = (const struct rouse_barrier_wait *)self;

    return snprintf(buf, size, "the others at barrier %p", (void *)w->barrier);
}

static const struct rouse_future_vtable wait_ended = {.name = "barrier wait",
                                                      .result = barrier_wait_result};
static const struct rouse_future_vtable wait_vtable = {
    .poll = barrier_wait_poll,
    .drop = barrier_wait_drop,
    .name = "barrier wait",
    .describe = barrier_wait_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &wait_ended};

void rouse_barrier_wait_init(struct rouse_barrier_wait *wait, struct rouse_barrier *barrier)
{
    wait->base.vtable = &wait_vtable;
    wait->barrier = barrier;
    wait->output = 0;
    rs_waiter_init(&wait->waiter, 0);
}

int rouse_barrier_wait(struct rouse_barrier *barrier)
{
    struct rouse_barrier_wait wait;

    rouse_barrier_wait_init(&wait, barrier);
    int err = rouse_await(&wait.base);

    return err < 0 ? err : wait.output;
}
