// SPDX-License-Identifier: MIT
//
// The watch: a slot with the latest value, a crowd of receivers that wait, and a queue of senders
// that do. Senders write under the lock of the crowd; receivers read without a lock, as slot.h
// says, and only one that was overtaken takes it.
//
// 1. The value is a message whose number is its version, 0 for the initial one.
// 2. A receiver's position is the mark of the value that it knows. A send releases those who wait
//    for another one; see crowd.h.
// 3. A sender that waits is in the queue, under whose lock the number of receivers changes.
// 4. The block goes with the last end, and nobody takes both locks.
//
//                 | may run at once with
//     send        | everything
//     read, wait  | everything but these of the same receiver

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/watch.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/rmw.h"
#include "chan/crowd.h"
#include "chan/slot.h"
#include "fiber/direct.h"
#include "sync/wait_queue.h"

struct rouse_watch_sender {
    struct rs_crowd crowd;            // for another value
    struct rouse_wait_queue closers;  // for no receiver
    const struct rouse_allocator *allocator;
    size_t size;                 // of the value
    uint32_t senders;            // under the crowd's lock
    _Atomic bool closed;         // set under that lock
    _Atomic uint32_t receivers;  // changes under the lock of the queue
    _Atomic uint32_t ends;       // senders and receivers: who uses the block
    _Atomic uint32_t listening;  // waits for no receiver that have begun, and not ended
    rs_slot_word slot[];
};

struct rouse_watch_receiver {
    struct rs_seat seat;
    struct rouse_watch_sender *watch;
};

static size_t block_size(size_t size)
{
    return sizeof(struct rouse_watch_sender) + rs_slot_words(size) * RS_SLOT_WORD;
}

int rouse_watch_new(struct rouse_watch_sender **tx, size_t element_size, const void *initial)
{
    const struct rouse_allocator *allocator = rs_allocator_current();

    if (element_size > SIZE_MAX / 2) return -ENOMEM;
    struct rouse_watch_sender *w = rs_alloc(allocator, block_size(element_size));

    if (w == NULL) return -ENOMEM;
    w->allocator = allocator;
    w->size = element_size;
    w->senders = 1;
    // Relaxed: not shared yet.
    atomic_store_explicit(&w->ends, 1, memory_order_relaxed);
    rs_slot_write(w->slot, 0, initial, element_size);
    *tx = w;
    return 0;
}

static void end_ref(struct rouse_watch_sender *w)
{
    // Relaxed: the caller has an end.
    rs_fetch_add_32(&w->ends, 1, memory_order_relaxed);
}

static void end_unref(struct rouse_watch_sender *w)
{
    // Acq_rel: the last one frees after everything the others did.
    if (rs_fetch_sub_32(&w->ends, 1, memory_order_acq_rel) == 1) {
        rs_free(w->allocator, w, block_size(w->size));
    }
}

// ---- Senders ----

size_t rouse_watch_receiver_count(const struct rouse_watch_sender *tx)
{
    // Relaxed: out of date at once; who waits looks at it under the lock.
    return atomic_load_explicit(&tx->receivers, memory_order_relaxed);
}

int rouse_watch_send(struct rouse_watch_sender *tx, const void *value)
{
    rs_lock(&tx->crowd.lock);
    uint64_t mark = rs_slot_mark(tx->slot);

    rs_slot_write(tx->slot, mark / 2, value, tx->size);
    rs_crowd_release_and_unlock(&tx->crowd, mark + 1);
    return (int)rouse_watch_receiver_count(tx);
}

static int receiver_new(struct rouse_watch_sender *w, uint64_t seen,
                        struct rouse_watch_receiver **rx)
{
    struct rouse_watch_receiver *r = rs_alloc(w->allocator, sizeof *r);

    if (r == NULL) return -ENOMEM;
    r->seat.crowd = &w->crowd;
    r->seat.position = seen;
    r->watch = w;
    end_ref(w);
    rs_waitq_lock(&w->closers);
    // Relaxed: under the lock.
    rs_fetch_add_32(&w->receivers, 1, memory_order_relaxed);
    rs_waitq_unlock(&w->closers);
    *rx = r;
    return 0;
}

int rouse_watch_subscribe(struct rouse_watch_sender *tx, struct rouse_watch_receiver **rx)
{
    // Under the lock: nothing is being written.
    rs_lock(&tx->crowd.lock);
    uint64_t seen = rs_slot_mark(tx->slot);

    rs_unlock(&tx->crowd.lock);
    return receiver_new(tx, seen, rx);
}

struct rouse_watch_sender *rouse_watch_sender_ref(struct rouse_watch_sender *tx)
{
    end_ref(tx);
    rs_lock(&tx->crowd.lock);
    tx->senders++;
    rs_unlock(&tx->crowd.lock);
    return tx;
}

void rouse_watch_sender_unref(struct rouse_watch_sender *tx)
{
    if (tx == NULL) return;
    rs_lock(&tx->crowd.lock);
    if (--tx->senders > 0) {
        rs_unlock(&tx->crowd.lock);
    } else {
        // Relaxed: a wait borrows a sender, so its end comes before that sender's.
        rouse_assert(atomic_load_explicit(&tx->listening, memory_order_relaxed) == 0,
                     "the last sender of a watch goes when nobody waits at it; drop the future "
                     "first");
        // Release, with the acquire in rouse_watch_try_changed(): the last value is there.
        atomic_store_explicit(&tx->closed, true, memory_order_release);
        rs_crowd_release_and_unlock(&tx->crowd, UINT64_MAX);
    }
    end_unref(tx);
}

// ---- Receivers ----

// Under the lock: nothing is being written.
static uint64_t read_locked(struct rouse_watch_sender *w, void *out)
{
    rs_lock(&w->crowd.lock);
    uint64_t seen = rs_slot_read(w->slot, out, w->size);

    rs_unlock(&w->crowd.lock);
    return seen;
}

void rouse_watch_read(struct rouse_watch_receiver *rx, void *out)
{
    struct rouse_watch_sender *w = rx->watch;
    uint64_t seen = rs_slot_mark(w->slot);

    if (seen % 2 != 0 || rs_slot_read(w->slot, out, w->size) != seen) seen = read_locked(w, out);
    rx->seat.position = seen;
}

int rouse_watch_try_changed(const struct rouse_watch_receiver *rx)
{
    const struct rouse_watch_sender *w = rx->watch;
    uint64_t seen = rx->seat.position;

    // A value that is being written counts: a read waits for the rest of it.
    if (rs_slot_mark(w->slot) != seen) return 0;
    // Acquire, with the release in rouse_watch_sender_unref(): the next look is at the last value.
    if (!atomic_load_explicit(&w->closed, memory_order_acquire)) return -EAGAIN;
    return rs_slot_mark(w->slot) != seen ? 0 : -EPIPE;
}

int rouse_watch_receiver_clone(const struct rouse_watch_receiver *rx,
                               struct rouse_watch_receiver **clone)
{
    return receiver_new(rx->watch, rx->seat.position, clone);
}

void rouse_watch_receiver_free(struct rouse_watch_receiver *rx)
{
    if (rx == NULL) return;
    rs_seat_assert_free(&rx->seat);
    struct rouse_watch_sender *w = rx->watch;

    rs_free(w->allocator, rx, sizeof *rx);
    rs_waitq_lock(&w->closers);
    // Relaxed: under the lock.
    if (rs_fetch_sub_32(&w->receivers, 1, memory_order_relaxed) > 1) {
        rs_waitq_unlock(&w->closers);
    } else {
        rs_waitq_release_and_unlock(&w->closers, UINT64_MAX);
    }
    end_unref(w);
}

// ---- Waiting for another value ----

static struct rouse_watch_changed *changed_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_watch_changed, base);
}

static int changed_look(struct rouse_future *self)
{
    struct rouse_watch_changed *c = changed_of(self);

    c->output = rouse_watch_try_changed(c->rx);
    return c->output;
}

static rouse_poll changed_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_watch_changed *c = changed_of(self);

    return rs_crowd_poll(&c->rx->seat, &c->waiter, self, changed_look, cx);
}

static bool changed_is_pending(const struct rouse_future *self)
{
    return rouse_watch_try_changed(((const struct rouse_watch_changed *)self)->rx) == -EAGAIN;
}

static void changed_drop(struct rouse_future *self)
{
    struct rouse_watch_changed *c = changed_of(self);

    rs_crowd_leave(&c->rx->seat, &c->waiter);
}

static int64_t changed_result(const struct rouse_future *self)
{
    return ((const struct rouse_watch_changed *)self)->output;
}

static int changed_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_watch_changed *c = (const struct rouse_watch_changed *)self;

    return snprintf(buf, size, "a change of watch %p", (void *)c->rx->watch);
}

static const struct rouse_future_vtable changed_ended = {.name = "watch changed",
                                                         .result = changed_result};
static const struct rouse_future_vtable changed_vtable = {
    .poll = changed_poll,
    .drop = changed_drop,
    .name = "watch changed",
    .describe = changed_describe,
    .is_pending = changed_is_pending,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &changed_ended};

void rouse_watch_changed_init(struct rouse_watch_changed *changed, struct rouse_watch_receiver *rx)
{
    changed->base.vtable = &changed_vtable;
    changed->rx = rx;
    changed->output = 0;
    rs_waiter_init(&changed->waiter, 0);
}

int rouse_watch_changed(struct rouse_watch_receiver *rx)
{
    struct rouse_watch_changed changed;

    if (ROUSE_LIKELY(rs_direct_may_try())) {
        int err = rouse_watch_try_changed(rx);

        if (err != -EAGAIN) {
            rs_direct_tried();
            return err;
        }
    }
    rouse_watch_changed_init(&changed, rx);
    int err = rouse_await(&changed.base);

    return err < 0 ? err : changed.output;
}

// ---- Waiting for no receiver ----

static struct rouse_watch_closed *closed_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_watch_closed, base);
}

// Relaxed, in both: only counted.
static void listening_begin(struct rouse_watch_sender *w)
{
    rs_fetch_add_32(&w->listening, 1, memory_order_relaxed);
}

static void listening_end(struct rouse_watch_sender *w)
{
    rs_fetch_sub_32(&w->listening, 1, memory_order_relaxed);
}

// Finds no receiver, or takes a place in the queue. True if it has ended.
static bool close_or_queue(struct rouse_watch_closed *c, struct rouse_context *cx)
{
    struct rouse_wait_queue *q = &c->tx->closers;
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    rs_waitq_lock(q);
    bool ended = rouse_watch_receiver_count(c->tx) == 0;

    if (!ended) rs_waitq_push(q, &c->waiter, &waker);
    rs_waitq_unlock(q);
    rouse_waker_drop(&waker);
    if (!ended) listening_begin(c->tx);
    return ended;
}

static rouse_poll closed_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_watch_closed *c = closed_of(self);

    if (!c->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        return close_or_queue(c, cx) ? ROUSE_READY : ROUSE_PENDING;
    }
    if (rs_waitq_look(&c->tx->closers, &c->waiter, cx) == RS_WAITER_QUEUED) return ROUSE_PENDING;
    listening_end(c->tx);
    return ROUSE_READY;
}

static void closed_drop(struct rouse_future *self)
{
    struct rouse_watch_closed *c = closed_of(self);

    if (!c->waiter.pushed) return;
    (void)rs_waitq_leave(&c->tx->closers, &c->waiter);
    listening_end(c->tx);
}

static int closed_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_watch_closed *c = (const struct rouse_watch_closed *)self;

    return snprintf(buf, size, "the receivers of watch %p to go", (void *)c->tx);
}

static const struct rouse_future_vtable closed_ended = {.name = "watch closed"};
static const struct rouse_future_vtable closed_vtable = {
    .poll = closed_poll,
    .drop = closed_drop,
    .name = "watch closed",
    .describe = closed_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &closed_ended};

void rouse_watch_closed_init(struct rouse_watch_closed *closed, struct rouse_watch_sender *tx)
{
    closed->base.vtable = &closed_vtable;
    closed->tx = tx;
    rs_waiter_init(&closed->waiter, 0);
}

int rouse_watch_closed(struct rouse_watch_sender *tx)
{
    struct rouse_watch_closed closed;

    rouse_watch_closed_init(&closed, tx);
    return rouse_await(&closed.base);
}
