// SPDX-License-Identifier: MIT
//
// The semaphore: a word with the permits, and a queue in the order of arrival.
//
// 1. WAITED is set if and only if the queue is not empty, except within a critical section of the
//    queue's lock. While it is set, the word changes under that lock only; so whoever waits first
//    sees every permit, nobody overtakes, and a store is enough.
// 2. Permits that are not enough for the first waiter stay in the word, for it.
// 3. CLOSED is set for good, and no waiter is pushed afterwards.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/cpu.h"
#include "base/rmw.h"
#include "fiber/direct.h"
#include "sync/holder.h"
#include "sync/wait_queue.h"

enum { WAITED = 1 << 0, CLOSED = 1 << 1, PERMIT = 1 << 2 };

static _Atomic uint64_t *word_of(const struct rouse_semaphore *semaphore)
{
    return (_Atomic uint64_t *)(uintptr_t)&semaphore->word;
}

void rouse_semaphore_init(struct rouse_semaphore *semaphore, uint64_t permits)
{
    rouse_assert(permits <= ROUSE_SEMAPHORE_PERMITS_MAX, "a semaphore has less than 2^61 permits");
    *semaphore = (struct rouse_semaphore){.word = permits * PERMIT};
}

static inline int try_acquire(struct rouse_semaphore *semaphore, uint64_t permits)
{
    // Relaxed: only a guess for the exchange.
    uint64_t word = atomic_load_explicit(word_of(semaphore), memory_order_relaxed);

    do {
        if ((word & CLOSED) != 0) return -EBADF;
        if (permits == 0) return 0;
        if ((word & WAITED) != 0 || word / PERMIT < permits) return -EAGAIN;
        // Acquire, with the release in rouse_semaphore_release() and serve(): what was done under
        // the permits before is seen. Relaxed on failure: nothing was learnt but the word.
    } while (!rs_compare_exchange_weak_64(word_of(semaphore), &word, word - permits * PERMIT,
                                          memory_order_acquire, memory_order_relaxed));
    return 0;
}

int rouse_semaphore_try_acquire(struct rouse_semaphore *semaphore, uint64_t permits)
{
    return try_acquire(semaphore, permits);
}

// ---- Under the queue's lock ----

// Takes permits for somebody whose turn it is. If there are not enough, says that he waits.
static bool take_or_wait(struct rouse_semaphore *semaphore, uint64_t permits)
{
    // Relaxed, and on failure: only a guess for the exchange.
    uint64_t word = atomic_load_explicit(word_of(semaphore), memory_order_relaxed);

    for (;;) {
        bool enough = word / PERMIT >= permits;
        uint64_t next = enough ? word - permits * PERMIT : word | WAITED;

        // Acquire, as in rouse_semaphore_try_acquire().
        if (rs_compare_exchange_weak_64(word_of(semaphore), &word, next, memory_order_acquire,
                                        memory_order_relaxed)) {
            return enough;
        }
    }
}

static bool is_closed(const struct rouse_semaphore *semaphore)
{
    // Relaxed: set under this lock.
    return (atomic_load_explicit(word_of(semaphore), memory_order_relaxed) & CLOSED) != 0;
}

// Gives what there is and `fresh` permits to those who wait, in their order, as far as that goes.
// True if the batch was full before the end. Those who wait when it is closed are being told so.
static bool serve(struct rouse_semaphore *semaphore, uint64_t fresh, struct rs_batch *batch)
{
    struct rouse_wait_queue *q = &semaphore->waiters;
    // Relaxed: set, and all that was released before has been acquired, under this lock.
    uint64_t word = atomic_load_explicit(word_of(semaphore), memory_order_relaxed);
    struct rouse_waker waker;
    bool full = false;

    if ((word & WAITED) == 0) return false;
    word += fresh * PERMIT;
    // Without permits nobody need be asked how many he wants.
    while ((word & CLOSED) == 0 && word >= PERMIT && !rs_waitq_is_empty(q) &&
           word / PERMIT >= q->first->want) {
        full = rs_batch_is_full(batch);
        if (full) break;
        word -= q->first->want * PERMIT;
        rs_waitq_grant(q, q->first, &waker);
        rs_batch_take(batch, &waker);
    }
    if (rs_waitq_is_empty(q)) word &= ~(uint64_t)WAITED;
    // Release, with the acquire of whoever takes what is left.
    atomic_store_explicit(word_of(semaphore), word, memory_order_release);
    return full;
}

// ---- Given back ----

// Serves those who wait, if they can be, and wakes them, in as many goes as it takes.
static void serve_and_wake(struct rouse_semaphore *semaphore, uint64_t fresh)
{
    struct rouse_wait_queue *q = &semaphore->waiters;
    struct rs_batch batch;

    batch.count = 0;
    for (; serve(semaphore, fresh, &batch); fresh = 0) rs_waitq_wake_between(q, &batch);
    rs_waitq_unlock_and_wake(q, &batch);
}

// False if nobody waits by now.
static bool give(struct rouse_semaphore *semaphore, uint64_t permits)
{
    struct rouse_wait_queue *q = &semaphore->waiters;

    rs_waitq_lock(q);
    if (rs_waitq_is_empty(q)) {
        rs_waitq_unlock(q);
        return false;
    }
    serve_and_wake(semaphore, permits);
    return true;
}

void rouse_semaphore_release(struct rouse_semaphore *semaphore, uint64_t permits)
{
    rs_prefetch_write(semaphore);
    // Relaxed: only a guess for the exchange.
    uint64_t word = atomic_load_explicit(word_of(semaphore), memory_order_relaxed);

    for (;;) {
        rouse_assert(word / PERMIT + permits <= ROUSE_SEMAPHORE_PERMITS_MAX,
                     "a semaphore has less than 2^61 permits; release what was acquired");
        if ((word & WAITED) != 0) {
            if (give(semaphore, permits)) return;
            word = atomic_load_explicit(word_of(semaphore), memory_order_relaxed);
            continue;
        }
        // Release, with the acquire of whoever takes them.
        if (rs_compare_exchange_weak_64(word_of(semaphore), &word, word + permits * PERMIT,
                                        memory_order_release, memory_order_relaxed)) {
            return;
        }
    }
}

void rouse_semaphore_close(struct rouse_semaphore *semaphore)
{
    struct rouse_wait_queue *q = &semaphore->waiters;
    struct rs_batch batch;

    rs_waitq_lock(q);
    // Relaxed: a flag that stands for itself; who pushes looks at it under the lock.
    rs_fetch_or_64(word_of(semaphore), CLOSED, memory_order_relaxed);
    rs_waitq_release(q, UINT64_MAX, &batch);
    // Relaxed: as in serve().
    rs_fetch_and_64(word_of(semaphore), ~(uint64_t)WAITED, memory_order_relaxed);
    rs_waitq_unlock_and_wake(q, &batch);
}

uint64_t rouse_semaphore_available(const struct rouse_semaphore *semaphore)
{
    // Relaxed: out of date at once.
    return atomic_load_explicit(word_of(semaphore), memory_order_relaxed) / PERMIT;
}

// ---- Acquire ----

static struct rouse_semaphore_acquire *acquire_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_semaphore_acquire, base);
}

// Takes the permits, or a place in the queue. True if the acquire has ended.
static bool take_or_queue(struct rouse_semaphore_acquire *a, struct rouse_context *cx)
{
    struct rouse_semaphore *semaphore = a->semaphore;
    struct rouse_wait_queue *q = &semaphore->waiters;
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));
    bool ended = true;

    rs_waitq_lock(q);
    if (is_closed(semaphore)) {
        a->output = -EBADF;
    } else if (!rs_waitq_is_empty(q) || !take_or_wait(semaphore, a->waiter.want)) {
        rs_waitq_push(q, &a->waiter, &waker);
        ended = false;
    }
    rs_waitq_unlock(q);
    rouse_waker_drop(&waker);
    return ended;
}

static rouse_poll acquire_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_semaphore_acquire *a = acquire_of(self);

    // If only for the lock of the queue.
    rs_prefetch_write(a->semaphore);
    if (!a->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        a->output = try_acquire(a->semaphore, a->waiter.want);
        if (a->output != -EAGAIN) return ROUSE_READY;
        a->output = 0;
        return take_or_queue(a, cx) ? ROUSE_READY : ROUSE_PENDING;
    }
    enum rs_waiter_state state = rs_waitq_look(&a->semaphore->waiters, &a->waiter, cx);

    if (state == RS_WAITER_QUEUED) return ROUSE_PENDING;
    a->output = state == RS_WAITER_GRANTED ? 0 : -EBADF;
    return ROUSE_READY;
}

static void acquire_drop(struct rouse_future *self)
{
    struct rouse_semaphore_acquire *a = acquire_of(self);
    struct rouse_wait_queue *q = &a->semaphore->waiters;
    struct rouse_waker waker = {0};

    if (!a->waiter.pushed) return;
    rs_waitq_lock(q);
    if (a->waiter.state == RS_WAITER_QUEUED) {
        rs_waitq_settle(q, &a->waiter, RS_WAITER_IDLE, &waker);
        serve_and_wake(a->semaphore, 0);  // those behind may want less
        rouse_waker_drop(&waker);
        return;
    }
    bool granted = a->waiter.state == RS_WAITER_GRANTED;
    if (granted) rs_waitq_taken(q);
    rs_waitq_unlock(q);
    if (granted) rouse_semaphore_release(a->semaphore, a->waiter.want);
}

static void release_untaken(struct rouse_future *self)
{
    struct rouse_semaphore_acquire *a = acquire_of(self);

    if (a->output == 0 && a->semaphore != NULL) {
        rouse_semaphore_release(a->semaphore, a->waiter.want);
    }
}

static int64_t acquire_result(const struct rouse_future *self)
{
    return ((const struct rouse_semaphore_acquire *)self)->output;
}

static int acquire_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_semaphore_acquire *a = (const struct rouse_semaphore_acquire *)self;

    return snprintf(buf, size, "%llu permits of semaphore %p, which has %llu",
                    (unsigned long long)a->waiter.want, (void *)a->semaphore,
                    (unsigned long long)rouse_semaphore_available(a->semaphore));
}

static void acquire_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rouse_semaphore_acquire *a = (const struct rouse_semaphore_acquire *)self;

    inspector->needs(inspector, rs_holder_get(&a->semaphore->waiters.granted), ROUSE_NEED_TURN);
}

static const struct rouse_future_vtable acquire_ended = {
    .drop = release_untaken, .name = "semaphore acquire", .result = acquire_result};
static const struct rouse_future_vtable acquire_vtable = {
    .poll = acquire_poll,
    .drop = acquire_drop,
    .name = "semaphore acquire",
    .describe = acquire_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &acquire_ended,
    .inspect = acquire_inspect};

void rouse_semaphore_acquire_init(struct rouse_semaphore_acquire *acquire,
                                  struct rouse_semaphore *semaphore, uint64_t permits)
{
    rouse_assert(permits <= ROUSE_SEMAPHORE_PERMITS_MAX, "a semaphore has less than 2^61 permits");
    acquire->base.vtable = &acquire_vtable;
    acquire->semaphore = semaphore;
    acquire->output = 0;
    rs_waiter_init(&acquire->waiter, permits);
}

void rouse_semaphore_acquire_take(struct rouse_semaphore_acquire *acquire)
{
    rouse_assert(rouse_future_is_ended(&acquire->base) && acquire->output == 0,
                 "only an acquire that ended well has permits; await it and look at its output");
    acquire->semaphore = NULL;
}

int rouse_semaphore_acquire(struct rouse_semaphore *semaphore, uint64_t permits)
{
    struct rouse_semaphore_acquire acquire;

    rs_prefetch_write(semaphore);
    if (rs_direct_may_try()) {
        int err = try_acquire(semaphore, permits);

        if (err != -EAGAIN) {
            rs_direct_tried();
            return err;
        }
    }
    rouse_semaphore_acquire_init(&acquire, semaphore, permits);
    int err = rouse_await(&acquire.base);

    return err < 0 ? err : acquire.output;
}
