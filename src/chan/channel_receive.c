// SPDX-License-Identifier: MIT
//
// The receiving end of a channel.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <stdio.h>

#include "chan/channel.h"
#include "chan/spin.h"
#include "fiber/direct.h"

static struct rouse_channel_receive *receive_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_channel_receive, base);
}

// Takes a place in the queue, its old one if it has been there before, unless there is an element,
// or will be none.
static bool queue_for_element(struct rs_channel *ch, struct rouse_waiter *waiter,
                              struct rouse_waker *waker)
{
    struct rouse_wait_queue *q = &ch->receiving;

    rs_waitq_lock(q);
    bool wait = rs_channel_is_empty(ch, rs_tail_wait(rs_channel_tail(ch)));

    if (wait && waiter->pushed) {
        rs_waitq_push_front(q, waiter, waker);
    } else if (wait) {
        rs_waitq_push(q, waiter, waker);
    } else if (rs_waitq_is_empty(q)) {
        rs_tail_nobody_waits(rs_channel_tail(ch));
    }
    rs_waitq_unlock(q);
    return wait;
}

// ---- The only receiver ----

// Listens, unless there is an element, or will be none.
static bool listen_for_element(struct rs_channel *ch, struct rouse_channel_receive *r,
                               struct rouse_waker *waker)
{
    struct rs_tail *tail = rs_channel_tail(ch);
    uint64_t word = rs_tail_look(tail);

    r->waiter.waker = *waker;
    r->waiter.state = RS_WAITER_QUEUED;
    tail->listener = &r->waiter;
    do {
        if (!rs_channel_is_empty(ch, word)) {
            tail->listener = NULL;
            return false;
        }
    } while (!rs_tail_listen(tail, &word));
    r->waiter.pushed = true;
    r->listens = true;
    waker->vtable = NULL;
    return true;
}

// It has been released, or has its waiter back.
static void listen_end(struct rs_tail *tail, struct rouse_channel_receive *r)
{
    r->listens = false;
    tail->listener = NULL;
}

static bool is_released(struct rouse_waiter *waiter)
{
    // Acquire, with the release in rs_channel_wake_listener().
    return atomic_load_explicit(rs_waiter_state_of(waiter), memory_order_acquire) ==
           RS_WAITER_RELEASED;
}

// Returns true if it was woken.
static bool stop_listening(struct rs_tail *tail, struct rouse_channel_receive *r)
{
    bool woken = !rs_tail_unlisten(tail);
    int rounds = 0;

    while (woken && !is_released(&r->waiter)) rs_spin(&rounds);
    if (!woken) rouse_waker_drop(&r->waiter.waker);
    listen_end(tail, r);
    return woken;
}

// False if it was woken, or is to wait with another waker from now on.
static bool still_listens(struct rs_tail *tail, struct rouse_channel_receive *r,
                          struct rouse_context *cx)
{
    if (ROUSE_LIKELY(is_released(&r->waiter))) {
        listen_end(tail, r);
        return false;
    }
    if (rouse_waker_will_wake(&r->waiter.waker, rouse_context_waker(cx)) && rs_tail_listens(tail)) {
        return true;
    }
    (void)stop_listening(tail, r);
    return false;
}

// ---- Receive ----

static bool wait_or_not(struct rouse_channel_receive *r, struct rs_channel *ch,
                        struct rouse_waker *waker)
{
    // Two futures of one receiver may wait.
    if (rs_channel_is_alone(ch) && rs_channel_tail(ch)->listener == NULL) {
        return listen_for_element(ch, r, waker);
    }
    return queue_for_element(ch, &r->waiter, waker);
}

static bool still_waits(struct rouse_channel_receive *r, struct rs_channel *ch,
                        struct rouse_context *cx)
{
    if (ROUSE_LIKELY(r->listens)) return still_listens(rs_channel_tail(ch), r, cx);
    return rs_waitq_look(&ch->receiving, &r->waiter, cx) == RS_WAITER_QUEUED;
}

// Waits, or ends with what has come meanwhile.
static rouse_poll receive_or_wait(struct rouse_channel_receive *r, struct rs_channel *ch,
                                  struct rouse_context *cx)
{
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    while (!wait_or_not(r, ch, &waker)) {
        r->output = rs_channel_pop(ch, r->elements, r->count_max);
        if (r->output == -EAGAIN) continue;
        rouse_waker_drop(&waker);
        return ROUSE_READY;
    }
    return ROUSE_PENDING;
}

static rouse_poll receive_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_channel_receive *r = receive_of(self);
    struct rs_channel *ch = rs_channel_of_receiver(r->receiver);

    if (!r->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        // The direct form has looked just now.
        if (r->output == -EAGAIN) return receive_or_wait(r, ch, cx);
    } else if (still_waits(r, ch, cx)) {
        return ROUSE_PENDING;
    }
    r->output = rs_channel_pop(ch, r->elements, r->count_max);
    return r->output != -EAGAIN ? ROUSE_READY : receive_or_wait(r, ch, cx);
}

static bool receive_is_pending(const struct rouse_future *self)
{
    struct rouse_channel_receive *r = receive_of((struct rouse_future *)(uintptr_t)self);
    struct rs_channel *ch = rs_channel_of_receiver(r->receiver);

    if (r->waiter.pushed) return rs_waiter_seems_queued(&r->waiter);
    return rs_channel_is_empty(ch, rs_tail_look(rs_channel_tail(ch)));
}

static void receive_drop(struct rouse_future *self)
{
    struct rouse_channel_receive *r = receive_of(self);
    struct rs_channel *ch = rs_channel_of_receiver(r->receiver);

    if (!r->waiter.pushed) return;
    bool woken = r->listens ? stop_listening(rs_channel_tail(ch), r)
                            : rs_waitq_leave(&ch->receiving, &r->waiter) == RS_WAITER_RELEASED;

    // Woken for an element that it will not take: the next one is to look.
    if (woken) rs_channel_wake_receiver(ch);
}

static int64_t receive_result(const struct rouse_future *self)
{
    return ((const struct rouse_channel_receive *)self)->output;
}

static int receive_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_channel_receive *r = (const struct rouse_channel_receive *)self;

    const struct rs_channel *ch = rs_channel_of_receiver(r->receiver);

    // Relaxed: out of date at once.
    return snprintf(buf, size, "an element of channel %p, which holds %zu; senders: %u",
                    (const void *)ch, rouse_channel_receiver_length(r->receiver),
                    atomic_load_explicit(&ch->senders, memory_order_relaxed));
}

static const struct rouse_future_vtable receive_ended = {.name = "channel receive",
                                                         .result = receive_result};
static const struct rouse_future_vtable receive_vtable = {
    .poll = receive_poll,
    .drop = receive_drop,
    .name = "channel receive",
    .describe = receive_describe,
    .is_pending = receive_is_pending,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &receive_ended};

void rouse_channel_receive_many_init(struct rouse_channel_receive *receive,
                                     struct rouse_channel_receiver *receiver, void *elements,
                                     size_t count_max)
{
    rouse_assert(count_max > 0, "a receive takes one element at least");
    receive->base.vtable = &receive_vtable;
    receive->receiver = receiver;
    receive->elements = elements;
    receive->count_max = count_max;
    receive->output = 0;
    receive->listens = false;
    rs_channel_waiter_init(&receive->waiter);
}

void rouse_channel_receive_init(struct rouse_channel_receive *receive,
                                struct rouse_channel_receiver *receiver, void *element)
{
    rouse_channel_receive_many_init(receive, receiver, element, 1);
}

int rouse_channel_try_receive(struct rouse_channel_receiver *receiver, void *element)
{
    ssize_t count = rs_channel_pop(rs_channel_of_receiver(receiver), element, 1);

    return count < 0 ? (int)count : 0;
}

// Apart, so that the usual way needs no frame for the future.
__attribute__((noinline)) static ssize_t receive_by_future(
    struct rouse_channel_receiver *receiver, void *elements, size_t count_max, ssize_t output)
{
    struct rouse_channel_receive receive;

    rouse_channel_receive_many_init(&receive, receiver, elements, count_max);
    receive.output = output;
    int err = rouse_await(&receive.base);

    return err < 0 ? err : receive.output;
}

static inline ssize_t receive_directly(struct rouse_channel_receiver *receiver, void *elements,
                                       size_t count_max)
{
    ssize_t count = 0;

    if (ROUSE_LIKELY(rs_direct_may_try())) {
        count = rs_channel_pop(rs_channel_of_receiver(receiver), elements, count_max);
        if (ROUSE_LIKELY(count != -EAGAIN)) {
            rs_direct_tried();
            return count;
        }
    }
    return receive_by_future(receiver, elements, count_max, count);
}

ssize_t rouse_channel_receive_many(struct rouse_channel_receiver *receiver, void *elements,
                                   size_t count_max)
{
    rouse_assert(count_max > 0, "a receive takes one element at least");
    return receive_directly(receiver, elements, count_max);
}

int rouse_channel_receive(struct rouse_channel_receiver *receiver, void *element)
{
    ssize_t count = receive_directly(receiver, element, 1);

    return count < 0 ? (int)count : 0;
}
