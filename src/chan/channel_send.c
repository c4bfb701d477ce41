// SPDX-License-Identifier: MIT
//
// The sending end of a channel: sends, and places that are reserved for a send.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <stdio.h>

#include "chan/channel.h"
#include "fiber/direct.h"

// ---- Reserved places ----

static void unreserve(struct rs_channel *ch)
{
    bool ended;

    if (rs_ring_unreserve(&ch->ring, &ended)) rs_channel_serve_senders(ch);
    if (ended) rs_channel_release_receivers(ch);
}

static void push_reserved(struct rs_channel *ch, const void *element)
{
    bool ended;

    rs_channel_sent(ch, rs_ring_push_reserved(&ch->ring, element, &ended));
    if (ended) rs_channel_release_receivers(ch);
}

// ---- Waiting for a place ----

// Takes a place in the queue, unless there is one in the ring, or will be none.
static bool queue_for_place(struct rs_channel *ch, struct rouse_waiter *waiter,
                            struct rouse_waker *waker)
{
    struct rouse_wait_queue *q = &ch->sending;

    rs_waitq_lock(q);
    bool wait = rs_ring_wait_for_place(&ch->ring) ||
                (!rs_waitq_is_empty(q) && !rs_tail_is_closed(&ch->ring.tail));

    if (wait) {
        rs_waitq_push(q, waiter, waker);
    } else if (rs_waitq_is_empty(q)) {
        rs_channel_nobody_waits_for_place(ch);
    }
    rs_waitq_unlock(q);
    return wait;
}

// Ends with a reserved place, or with `*err`.
static rouse_poll place_poll(struct rs_channel *ch, struct rouse_waiter *waiter,
                             struct rouse_context *cx, int *err)
{
    if (waiter->pushed) {
        enum rs_waiter_state state = rs_waitq_look(&ch->sending, waiter, cx);

        if (state == RS_WAITER_QUEUED) return ROUSE_PENDING;
        *err = state == RS_WAITER_GRANTED ? 0 : -EPIPE;
        return ROUSE_READY;
    }
    struct rouse_waker waker = rouse_waker_clone(rouse_context_waker(cx));

    while (!queue_for_place(ch, waiter, &waker)) {
        *err = rs_ring_reserve(&ch->ring);
        if (*err == -EAGAIN) continue;
        rouse_waker_drop(&waker);
        return ROUSE_READY;
    }
    return ROUSE_PENDING;
}

static void place_drop(struct rs_channel *ch, struct rouse_waiter *waiter)
{
    struct rouse_wait_queue *q = &ch->sending;
    struct rouse_waker waker = {0};

    if (!waiter->pushed) return;
    rs_waitq_lock(q);
    bool granted = waiter->state == RS_WAITER_GRANTED;

    if (granted) rs_waitq_taken(q);

    if (waiter->state == RS_WAITER_QUEUED) {
        rs_waitq_settle(q, waiter, RS_WAITER_IDLE, &waker);
        if (rs_waitq_is_empty(q)) rs_channel_nobody_waits_for_place(ch);
    }
    rs_waitq_unlock(q);
    rouse_waker_drop(&waker);
    if (granted) unreserve(ch);
}

static int place_describe(const struct rs_channel *ch, char *buf, size_t size)
{
    // Relaxed: out of date at once.
    return snprintf(buf, size, "a place in channel %p, which holds %zu of %u; receivers: %u",
                    (const void *)ch, rs_ring_length(&ch->ring), (unsigned)ch->ring.capacity,
                    atomic_load_explicit(&ch->receivers, memory_order_relaxed));
}

// ---- Send ----

static struct rouse_channel_send *send_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_channel_send, base);
}

// After a send without a bound, which does not wait for receivers that are behind: the sender
// leaves them more of the turns.
static inline void pay_toll(const struct rs_channel *ch, struct rouse_context *cx)
{
    uint32_t toll = ch->is_bounded ? 0 : rs_chain_toll(&ch->chain);

    if (ROUSE_LIKELY(toll == 0) || cx->budget == UINT32_MAX) return;
    if (toll > cx->budget) toll = cx->budget;
    cx->budget -= toll;
    if (rs_tls.fiber == NULL) cx->toll += toll;
}

static rouse_poll send_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_channel_send *s = send_of(self);
    struct rs_channel *ch = rs_channel_of_sender(s->sender);

    if (!s->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        s->output = rs_channel_push(ch, s->element);
        if (s->output != -EAGAIN || !ch->is_bounded) {
            pay_toll(ch, cx);
            return ROUSE_READY;
        }
    }
    if (place_poll(ch, &s->waiter, cx, &s->output) == ROUSE_PENDING) return ROUSE_PENDING;
    if (s->output == 0) push_reserved(ch, s->element);
    return ROUSE_READY;
}

static void send_drop(struct rouse_future *self)
{
    place_drop(rs_channel_of_sender(send_of(self)->sender), &send_of(self)->waiter);
}

static int64_t send_result(const struct rouse_future *self)
{
    return ((const struct rouse_channel_send *)self)->output;
}

static int send_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return place_describe(rs_channel_of_sender(((const struct rouse_channel_send *)self)->sender),
                          buf, size);
}

static const struct rouse_future_vtable send_ended = {.name = "channel send",
                                                      .result = send_result};
static const struct rouse_future_vtable send_vtable = {
    .poll = send_poll,
    .drop = send_drop,
    .name = "channel send",
    .describe = send_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &send_ended};

void rouse_channel_send_init(struct rouse_channel_send *send, struct rouse_channel_sender *sender,
                             const void *element)
{
    send->base.vtable = &send_vtable;
    send->sender = sender;
    send->element = element;
    send->output = 0;
    rs_channel_waiter_init(&send->waiter);
}

int rouse_channel_try_send(struct rouse_channel_sender *sender, const void *element)
{
    return rs_channel_push(rs_channel_of_sender(sender), element);
}

// Apart, so that the usual way needs no frame for the future.
__attribute__((noinline)) static int send_by_future(struct rouse_channel_sender *sender,
                                                    const void *element)
{
    struct rouse_channel_send send;

    rouse_channel_send_init(&send, sender, element);
    int err = rouse_await(&send.base);

    return err < 0 ? err : send.output;
}

int rouse_channel_send(struct rouse_channel_sender *sender, const void *element)
{
    struct rs_channel *ch = rs_channel_of_sender(sender);

    if (ROUSE_LIKELY(rs_direct_may_try())) {
        int err = rs_channel_push(ch, element);

        if (ROUSE_LIKELY(err != -EAGAIN) || !ch->is_bounded) {
            rs_direct_tried();
            if (rs_tls.fiber != NULL) pay_toll(ch, rs_tls.fiber->cx);
            return err;
        }
    }
    return send_by_future(sender, element);
}

// ---- Reserve ----

static struct rouse_channel_reserve *reserve_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_channel_reserve, base);
}

static rouse_poll reserve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_channel_reserve *r = reserve_of(self);
    struct rs_channel *ch = rs_channel_of_sender(r->sender);

    if (!ch->is_bounded) {
        r->output = -EINVAL;
        return ROUSE_READY;
    }
    if (!r->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        r->output = rs_ring_reserve(&ch->ring);
        if (r->output != -EAGAIN) return ROUSE_READY;
    }
    return place_poll(ch, &r->waiter, cx, &r->output);
}

static void reserve_drop(struct rouse_future *self)
{
    place_drop(rs_channel_of_sender(reserve_of(self)->sender), &reserve_of(self)->waiter);
}

static void unreserve_untaken(struct rouse_future *self)
{
    struct rouse_channel_reserve *r = reserve_of(self);

    if (r->output == 0 && r->sender != NULL) unreserve(rs_channel_of_sender(r->sender));
}

static int64_t reserve_result(const struct rouse_future *self)
{
    return ((const struct rouse_channel_reserve *)self)->output;
}

static int reserve_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return place_describe(
        rs_channel_of_sender(((const struct rouse_channel_reserve *)self)->sender), buf, size);
}

static const struct rouse_future_vtable reserve_ended = {
    .drop = unreserve_untaken, .name = "channel reserve", .result = reserve_result};
static const struct rouse_future_vtable reserve_vtable = {
    .poll = reserve_poll,
    .drop = reserve_drop,
    .name = "channel reserve",
    .describe = reserve_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &reserve_ended};

void rouse_channel_reserve_init(struct rouse_channel_reserve *reserve,
                                struct rouse_channel_sender *sender)
{
    reserve->base.vtable = &reserve_vtable;
    reserve->sender = sender;
    reserve->output = 0;
    rs_channel_waiter_init(&reserve->waiter);
}

struct rouse_channel_permit rouse_channel_reserve_take(struct rouse_channel_reserve *reserve)
{
    struct rouse_channel_permit permit = {.sender = reserve->sender};

    rouse_assert(rouse_future_is_ended(&reserve->base) && reserve->output == 0 &&
                     reserve->sender != NULL,
                 "only a reserve that ended well has a place, once; look at its output");
    reserve->sender = NULL;
    return permit;
}

int rouse_channel_try_reserve(struct rouse_channel_sender *sender,
                              struct rouse_channel_permit *permit)
{
    struct rs_channel *ch = rs_channel_of_sender(sender);
    int err = ch->is_bounded ? rs_ring_reserve(&ch->ring) : -EINVAL;

    if (err == 0) permit->sender = sender;
    return err;
}

int rouse_channel_reserve(struct rouse_channel_sender *sender, struct rouse_channel_permit *permit)
{
    struct rouse_channel_reserve reserve;
    int err;

    if (rs_direct_may_try()) {
        err = rouse_channel_try_reserve(sender, permit);
        if (err != -EAGAIN) {
            rs_direct_tried();
            return err;
        }
    }
    rouse_channel_reserve_init(&reserve, sender);
    err = rouse_await(&reserve.base);
    if (err == 0) err = reserve.output;
    if (err == 0) *permit = rouse_channel_reserve_take(&reserve);
    return err;
}

void rouse_channel_permit_send(struct rouse_channel_permit *permit, const void *element)
{
    struct rs_channel *ch = rs_channel_of_sender(permit->sender);

    rouse_assert(ch != NULL, "a reserved place can be used once; reserve another");
    permit->sender = NULL;
    push_reserved(ch, element);
}

void rouse_channel_permit_drop(struct rouse_channel_permit *permit)
{
    struct rs_channel *ch = rs_channel_of_sender(permit->sender);

    permit->sender = NULL;
    if (ch != NULL) unreserve(ch);
}
