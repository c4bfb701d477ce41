// SPDX-License-Identifier: MIT
//
// The condition variable. A waiter is in the queue before its mutex is unlocked, so a signal by
// whoever locks the mutex next finds it there.
//
//     HOLDING --first poll--> WAITING --signalled--> RELOCKING --locked--> ended

#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/condition.h>
#include <sched.h>
#include <stdio.h>

#include "base/tls.h"
#include "fiber/await.h"
#include "sync/wait_queue.h"

enum stage { HOLDING = 0, WAITING = 1, RELOCKING = 2 };

void rouse_condition_init(struct rouse_condition *condition)
{
    *condition = (struct rouse_condition)ROUSE_CONDITION_INIT;
}

void rouse_condition_signal(struct rouse_condition *condition)
{
    struct rouse_wait_queue *q = &condition->waiters;
    struct rouse_waker waker = {0};

    rs_waitq_lock(q);
    struct rouse_waiter *first = rs_waitq_first_from(q, condition->told);

    if (first != NULL) rs_waitq_settle(q, first, RS_WAITER_GRANTED, &waker);
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
}

void rouse_condition_broadcast(struct rouse_condition *condition)
{
    struct rouse_wait_queue *q = &condition->waiters;

    rs_waitq_lock(q);
    condition->told = condition->arrivals;
    rs_waitq_release_and_unlock(q, condition->told);
}

static struct rouse_condition_wait *wait_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_condition_wait, base);
}

static void queue_and_unlock(struct rouse_condition_wait *w, struct rouse_context *cx)
{
    struct rouse_condition *condition = w->condition;
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    rs_waitq_lock(&condition->waiters);
    w->waiter.want = condition->arrivals++;
    rs_waitq_push(&condition->waiters, &w->waiter, &waker);
    rs_waitq_unlock(&condition->waiters);
    rouse_mutex_unlock(w->mutex);
    w->stage = WAITING;
}

static rouse_poll condition_wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_condition_wait *w = wait_of(self);

    if (w->stage == HOLDING) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        queue_and_unlock(w, cx);
        return ROUSE_PENDING;
    }
    if (w->stage == WAITING) {
        if (rs_waitq_look(&w->condition->waiters, &w->waiter, cx) == RS_WAITER_QUEUED) {
            return ROUSE_PENDING;
        }
        w->stage = RELOCKING;
        rouse_mutex_lock_init(&w->relock, w->mutex);
    }
    return rouse_future_poll(&w->relock.base, cx);
}

static void condition_wait_drop(struct rouse_future *self)
{
    struct rouse_condition_wait *w = wait_of(self);

    if (w->stage == HOLDING) {
        rouse_mutex_unlock(w->mutex);
        return;
    }
    if (w->stage == RELOCKING) rouse_future_drop(&w->relock.base);
    if (rs_waitq_leave(&w->condition->waiters, &w->waiter) == RS_WAITER_GRANTED) {
        rouse_condition_signal(w->condition);
    }
}

static int condition_wait_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_condition_wait *w = (const struct rouse_condition_wait *)self;

    if (w->stage == RELOCKING) return rouse_future_describe(&w->relock.base, buf, size);
    return snprintf(buf, size, "a signal of condition %p", (void *)w->condition);
}

static void condition_wait_inspect(const struct rouse_future *self,
                                   struct rouse_inspector *inspector)
{
    const struct rouse_condition_wait *w = (const struct rouse_condition_wait *)self;

    if (w->stage == RELOCKING) inspector->part(inspector, &w->relock.base, 0, false);
}

static void unlock_untaken(struct rouse_future *self)
{
    struct rouse_condition_wait *w = wait_of(self);

    if (w->mutex != NULL) rouse_mutex_unlock(w->mutex);
}

static const struct rouse_future_vtable wait_ended = {.drop = unlock_untaken,
                                                      .name = "condition wait"};
static const struct rouse_future_vtable wait_vtable = {
    .poll = condition_wait_poll,
    .drop = condition_wait_drop,
    .name = "condition wait",
    .describe = condition_wait_describe,
    .cancel_kind = rouse_cancel_kind_terminal,
    .ended = &wait_ended,
    .inspect = condition_wait_inspect};

void rouse_condition_wait_init(struct rouse_condition_wait *wait, struct rouse_condition *condition,
                               struct rouse_mutex *mutex)
{
    wait->base.vtable = &wait_vtable;
    wait->condition = condition;
    wait->mutex = mutex;
    wait->stage = HOLDING;
    rs_waiter_init(&wait->waiter, 0);
}

void rouse_condition_wait_take(struct rouse_condition_wait *wait)
{
    rouse_assert(rouse_future_is_ended(&wait->base) && wait->mutex != NULL,
                 "only a wait that has ended has the lock, once; await it first");
    wait->mutex = NULL;
}

// Without a wait that may fail.
static void lock_again(struct rouse_mutex *mutex)
{
    struct rouse_mutex_lock lock;

    if (rs_tls.fiber == NULL) {
        while (rouse_mutex_lock(mutex) < 0) (void)sched_yield();  // no memory to sleep with
        return;
    }
    rouse_mutex_lock_init(&lock, mutex);
    rs_await_shielded(&lock.base);
}

int rouse_condition_wait(struct rouse_condition *condition, struct rouse_mutex *mutex)
{
    struct rouse_condition_wait wait;

    rouse_condition_wait_init(&wait, condition, mutex);
    int err = rouse_await(&wait.base);

    if (err < 0) lock_again(mutex);
    return err;
}
