// SPDX-License-Identifier: MIT
//
// Once: NEW --enter--> BUSY --leave(true)--> DONE
//        ^              |
//        +-leave(false)-+  with nobody waiting; else the turn, and BUSY, go to the first waiter
//
// The word changes under the queue's lock; it is read without it only to find DONE.

#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/once.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/tls.h"
#include "sync/wait_queue.h"

enum { NEW = 0, BUSY = 1, DONE = 2 };

static _Atomic uint32_t *word_of(const struct rouse_once *once)
{
    return (_Atomic uint32_t *)(uintptr_t)&once->word;
}

bool rouse_once_is_done(const struct rouse_once *once)
{
    // Acquire, with the release in word_store().
    return atomic_load_explicit(word_of(once), memory_order_acquire) == DONE;
}

static void word_store(struct rouse_once *once, uint32_t word)
{
    // Release, with the acquire in rouse_once_is_done(): what was done is seen.
    atomic_store_explicit(word_of(once), word, memory_order_release);
}

void rouse_once_leave(struct rouse_once *once, bool done)
{
    struct rouse_wait_queue *q = &once->waiters;
    struct rouse_waker waker = {0};

    rs_waitq_lock(q);
    rouse_assert(once->word == BUSY, "a turn ends once; enter first");
    if (done) {
        word_store(once, DONE);
        rs_waitq_release_and_unlock(q, UINT64_MAX);
        return;
    }
    if (rs_waitq_is_empty(q)) {
        word_store(once, NEW);
    } else {
        rs_waitq_settle(q, q->first, RS_WAITER_GRANTED, &waker);
    }
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
}

static struct rouse_once_enter *enter_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_once_enter, base);
}

// Takes the turn, or a place in the queue. True if it has ended.
static bool enter_or_queue(struct rouse_once_enter *e, struct rouse_waker *waker)
{
    struct rouse_once *once = e->once;
    bool ended = true;

    rs_waitq_lock(&once->waiters);
    if (once->word == NEW) {
        word_store(once, BUSY);
        e->output = 1;
    } else if (once->word == BUSY) {
        rs_waitq_push(&once->waiters, &e->waiter, waker);
        ended = false;
    }
    rs_waitq_unlock(&once->waiters);
    return ended;
}

static rouse_poll enter_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_once_enter *e = enter_of(self);

    if (!e->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        if (rouse_once_is_done(e->once)) return ROUSE_READY;
        struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));
        bool ended = enter_or_queue(e, &waker);

        rouse_waker_drop(&waker);
        return ended ? ROUSE_READY : ROUSE_PENDING;
    }
    enum rs_waiter_state state = rs_waitq_look(&e->once->waiters, &e->waiter, cx);

    if (state == RS_WAITER_QUEUED) return ROUSE_PENDING;
    e->output = state == RS_WAITER_GRANTED ? 1 : 0;
    return ROUSE_READY;
}

static void enter_drop(struct rouse_future *self)
{
    struct rouse_once_enter *e = enter_of(self);

    if (!e->waiter.pushed) return;
    if (rs_waitq_leave(&e->once->waiters, &e->waiter) == RS_WAITER_GRANTED) {
        rouse_once_leave(e->once, false);
    }
}

static void leave_untaken(struct rouse_future *self)
{
    struct rouse_once_enter *e = enter_of(self);

    if (e->output == 1 && e->once != NULL) rouse_once_leave(e->once, false);
}

static int64_t enter_result(const struct rouse_future *self)
{
    return ((const struct rouse_once_enter *)self)->output;
}

static int enter_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_once_enter *e = (const struct rouse_once_enter *)self;

    return snprintf(buf, size, "once %p, which another task is at", (void *)e->once);
}

static const struct rouse_future_vtable enter_ended = {
    .drop = leave_untaken, .name = "once", .result = enter_result};
static const struct rouse_future_vtable enter_vtable = {
    .poll = enter_poll,
    .drop = enter_drop,
    .name = "once",
    .describe = enter_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &enter_ended};

void rouse_once_enter_init(struct rouse_once_enter *enter, struct rouse_once *once)
{
    enter->base.vtable = &enter_vtable;
    enter->once = once;
    enter->output = 0;
    rs_waiter_init(&enter->waiter, 0);
}

void rouse_once_enter_take(struct rouse_once_enter *enter)
{
    rouse_assert(rouse_future_is_ended(&enter->base) && enter->output == 1,
                 "only who has the turn can take it over; look at the output");
    enter->once = NULL;
}

int rouse_once_call(struct rouse_once *once, int (*fn)(void *arg), void *arg)
{
    struct rouse_once_enter enter;
    int err;

    if (rs_tls.fiber == NULL && rouse_once_is_done(once)) return 0;
    rouse_once_enter_init(&enter, once);
    err = rouse_await(&enter.base);
    if (err < 0 || enter.output == 0) return err;
    err = fn(arg);
    rouse_once_leave(once, err >= 0);
    return err < 0 ? err : 0;
}
