// SPDX-License-Identifier: MIT
//
// Channels: the two kinds of queue behind one pair of ends, and who waits at either.
//
// 1. Both ends are the same object. Each has a count of shares; an end that is in use keeps it.
// 2. Senders wait only for a place in a ring. A place that becomes free while they do is reserved
//    for the first of them, so nobody who comes later gets it.
// 3. Receivers wait for an element. A sender that sees that somebody waits wakes one, who tries
//    again: he may find that another one was faster, and then goes back to the front of the queue.
//    One that is dropped in between wakes the next.
// 4. A queue's bit (a sender waits, a receiver waits) is set before a waiter is pushed, and cleared
//    when none is left, under the queue's lock.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/channel.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/tls.h"
#include "chan/chain.h"
#include "chan/ring.h"
#include "sync/wait_queue.h"

struct channel {
    bool is_bounded;
    union {
        struct rs_ring ring;
        struct rs_chain chain;
    };
    char apart[RS_CACHE_LINE];
    struct rouse_wait_queue sending;
    struct rouse_wait_queue receiving;
    _Atomic uint32_t senders;
    _Atomic uint32_t receivers;
    _Atomic uint32_t ends;  // that have not gone: 2, 1, 0
    size_t size;
    size_t element_size;
    void (*element_drop)(void *element);
    const struct rouse_allocator *allocator;
    char memory[];  // the slots, then room for one element that is dropped
};

static struct channel *of_sender(const struct rouse_channel_sender *sender)
{
    return (struct channel *)(uintptr_t)sender;
}

static struct channel *of_receiver(const struct rouse_channel_receiver *receiver)
{
    return (struct channel *)(uintptr_t)receiver;
}

// ---- Made ----

int rouse_channel_new_with(struct rouse_channel_sender **sender,
                           struct rouse_channel_receiver **receiver,
                           const struct rouse_channel_options *options)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    bool is_bounded = options->capacity != ROUSE_CHANNEL_UNBOUNDED;
    size_t slots_size = 0;

    rouse_assert(options->size == sizeof *options,
                 "options begin with their size; set it to sizeof(struct rouse_channel_options)");
    if (is_bounded) {
        if (options->capacity == 0) return -EINVAL;
        slots_size = rs_ring_slots_size(options->element_size, options->capacity);
        if (slots_size == 0) return -EINVAL;
    }
    size_t size = sizeof(struct channel) + slots_size + options->element_size;
    struct channel *ch = rs_alloc(allocator, size);

    if (ch == NULL) return -ENOMEM;
    ch->is_bounded = is_bounded;
    ch->size = size;
    ch->element_size = options->element_size;
    ch->element_drop = options->element_drop;
    ch->allocator = allocator;
    if (is_bounded) {
        rs_ring_init(&ch->ring, ch->memory, options->element_size, options->capacity);
    } else {
        rs_chain_init(&ch->chain, options->element_size,
                      options->element_limit != 0 ? options->element_limit : SIZE_MAX, allocator);
    }
    // Relaxed, all: not shared yet.
    atomic_store_explicit(&ch->senders, 1, memory_order_relaxed);
    atomic_store_explicit(&ch->receivers, 1, memory_order_relaxed);
    atomic_store_explicit(&ch->ends, 2, memory_order_relaxed);
    *sender = (struct rouse_channel_sender *)ch;
    *receiver = (struct rouse_channel_receiver *)ch;
    return 0;
}

int rouse_channel_new(struct rouse_channel_sender **sender,
                      struct rouse_channel_receiver **receiver, size_t element_size,
                      size_t capacity)
{
    return rouse_channel_new_with(
        sender, receiver,
        &(struct rouse_channel_options){.size = sizeof(struct rouse_channel_options),
                                        .element_size = element_size,
                                        .capacity = capacity});
}

// ---- The queues ----

static bool wait_for_element(struct channel *ch)
{
    return ch->is_bounded ? rs_ring_wait_for_element(&ch->ring)
                          : rs_chain_wait_for_element(&ch->chain);
}

static void nobody_waits_for_element(struct channel *ch)
{
    if (ch->is_bounded) {
        rs_ring_nobody_waits_for_element(&ch->ring);
    } else {
        rs_chain_nobody_waits_for_element(&ch->chain);
    }
}

static void nobody_waits_for_place(struct channel *ch)
{
    if (ch->is_bounded) rs_ring_nobody_waits_for_place(&ch->ring);
}

static void wake_receiver(struct channel *ch)
{
    struct rouse_wait_queue *q = &ch->receiving;
    struct rouse_waker waker = {0};

    rs_waitq_lock(q);
    if (!rs_waitq_is_empty(q)) rs_waitq_settle(q, q->first, RS_WAITER_RELEASED, &waker);
    if (rs_waitq_is_empty(q)) nobody_waits_for_element(ch);
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
}

// Reserves places for those who wait for one, in their order.
static void serve_senders(struct channel *ch)
{
    struct rouse_wait_queue *q = &ch->sending;
    struct rouse_waker waker;
    struct rs_batch batch;

    batch.count = 0;
    rs_waitq_lock(q);
    while (!rs_waitq_is_empty(q) && rs_ring_reserve_for_waiter(&ch->ring)) {
        rs_waitq_settle(q, q->first, RS_WAITER_GRANTED, &waker);
        rs_batch_take(&batch, &waker);
        if (!rs_batch_is_full(&batch)) continue;
        rs_waitq_unlock(q);
        (void)rs_batch_wake(&batch);
        rs_waitq_lock(q);
    }
    if (rs_waitq_is_empty(q)) nobody_waits_for_place(ch);
    rs_waitq_unlock(q);
    (void)rs_batch_wake(&batch);
}

static void release_all(struct channel *ch, struct rouse_wait_queue *q,
                        void (*nobody_waits)(struct channel *ch))
{
    struct rs_batch batch;

    batch.count = 0;
    rs_waitq_lock(q);
    while (rs_waitq_release_below(q, UINT64_MAX, &batch)) {
        rs_waitq_unlock(q);
        (void)rs_batch_wake(&batch);
        rs_waitq_lock(q);
    }
    nobody_waits(ch);
    rs_waitq_unlock(q);
    (void)rs_batch_wake(&batch);
}

static void unreserve(struct channel *ch)
{
    bool ended;

    if (rs_ring_unreserve(&ch->ring, &ended)) serve_senders(ch);
    if (ended) release_all(ch, &ch->receiving, nobody_waits_for_element);
}

static void push_reserved(struct channel *ch, const void *element)
{
    bool waited;
    bool ended;

    rs_ring_push_reserved(&ch->ring, element, &waited, &ended);
    if (waited) wake_receiver(ch);
    if (ended) release_all(ch, &ch->receiving, nobody_waits_for_element);
}

static int push(struct channel *ch, const void *element)
{
    bool waited;
    int err = ch->is_bounded ? rs_ring_push(&ch->ring, element, &waited)
                             : rs_chain_push(&ch->chain, element, &waited);

    if (err == 0 && waited) wake_receiver(ch);
    return err;
}

static int pop(struct channel *ch, void *element)
{
    bool waited;

    if (!ch->is_bounded) {
        // Acquire, with the release in rouse_channel_receiver_unref(): one that was not alone sees
        // what the others did.
        bool alone = atomic_load_explicit(&ch->receivers, memory_order_acquire) <= 1;

        return rs_chain_pop(&ch->chain, element, alone);
    }
    int err = rs_ring_pop(&ch->ring, element, &waited);

    if (err == 0 && waited) serve_senders(ch);
    return err;
}

// ---- The ends ----

static void close_channel(struct channel *ch)
{
    bool first = ch->is_bounded ? rs_ring_close(&ch->ring) : rs_chain_close(&ch->chain);

    if (!first) return;
    release_all(ch, &ch->sending, nobody_waits_for_place);
    release_all(ch, &ch->receiving, nobody_waits_for_element);
}

// What was sent and will not be received. By the last receiver, and when all have gone.
static void drop_elements(struct channel *ch)
{
    char *element = ch->memory + ch->size - sizeof *ch - ch->element_size;

    while (pop(ch, element) == 0) {
        if (ch->element_drop != NULL) ch->element_drop(element);
    }
}

static void end_gone(struct channel *ch)
{
    // Acq_rel: the last one frees after everything the other end did.
    if (atomic_fetch_sub_explicit(&ch->ends, 1, memory_order_acq_rel) != 1) return;
    drop_elements(ch);
    if (!ch->is_bounded) rs_chain_deinit(&ch->chain);
    rs_free(ch->allocator, ch, ch->size);
}

struct rouse_channel_sender *rouse_channel_sender_ref(struct rouse_channel_sender *sender)
{
    // Relaxed: the caller has a share.
    atomic_fetch_add_explicit(&of_sender(sender)->senders, 1, memory_order_relaxed);
    return sender;
}

void rouse_channel_sender_unref(struct rouse_channel_sender *sender)
{
    struct channel *ch = of_sender(sender);

    if (ch == NULL) return;
    // Acq_rel: who closes does so after everything the other senders did.
    if (atomic_fetch_sub_explicit(&ch->senders, 1, memory_order_acq_rel) != 1) return;
    close_channel(ch);
    end_gone(ch);
}

struct rouse_channel_receiver *rouse_channel_receiver_ref(struct rouse_channel_receiver *receiver)
{
    // Relaxed: the caller has a share.
    atomic_fetch_add_explicit(&of_receiver(receiver)->receivers, 1, memory_order_relaxed);
    return receiver;
}

void rouse_channel_receiver_unref(struct rouse_channel_receiver *receiver)
{
    struct channel *ch = of_receiver(receiver);

    if (ch == NULL) return;
    // Acq_rel: the last one takes out what is left after everything the others did; and release,
    // with the acquire in pop().
    if (atomic_fetch_sub_explicit(&ch->receivers, 1, memory_order_acq_rel) != 1) return;
    close_channel(ch);
    drop_elements(ch);
    end_gone(ch);
}

void rouse_channel_receiver_close(struct rouse_channel_receiver *receiver)
{
    close_channel(of_receiver(receiver));
}

// ---- Waiting for a place ----

// Takes a place in the queue, unless there is one in the ring, or will be none.
static bool queue_for_place(struct channel *ch, struct rouse_waiter *waiter,
                            struct rouse_waker *waker)
{
    struct rouse_wait_queue *q = &ch->sending;

    rs_waitq_lock(q);
    bool wait = rs_ring_wait_for_place(&ch->ring) ||
                (!rs_waitq_is_empty(q) && !rs_ring_is_closed(&ch->ring));

    if (wait) {
        rs_waitq_push(q, waiter, waker);
    } else if (rs_waitq_is_empty(q)) {
        nobody_waits_for_place(ch);
    }
    rs_waitq_unlock(q);
    return wait;
}

// Ends with a reserved place, or with `*err`.
static rouse_poll place_poll(struct channel *ch, struct rouse_waiter *waiter,
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

static void place_drop(struct channel *ch, struct rouse_waiter *waiter)
{
    struct rouse_wait_queue *q = &ch->sending;
    struct rouse_waker waker = {0};

    if (!waiter->pushed) return;
    rs_waitq_lock(q);
    bool granted = waiter->state == RS_WAITER_GRANTED;

    if (waiter->state == RS_WAITER_QUEUED) {
        rs_waitq_settle(q, waiter, RS_WAITER_IDLE, &waker);
        if (rs_waitq_is_empty(q)) nobody_waits_for_place(ch);
    }
    rs_waitq_unlock(q);
    rouse_waker_drop(&waker);
    if (granted) unreserve(ch);
}

static int place_describe(const struct channel *ch, char *buf, size_t size)
{
    return snprintf(buf, size, "a place in channel %p of %u", (const void *)ch,
                    (unsigned)ch->ring.capacity);
}

// ---- Send ----

static struct rouse_channel_send *send_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_channel_send, base);
}

static rouse_poll send_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_channel_send *s = send_of(self);
    struct channel *ch = of_sender(s->sender);

    if (!s->waiter.pushed) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        s->output = push(ch, s->element);
        if (s->output != -EAGAIN || !ch->is_bounded) return ROUSE_READY;
    }
    if (place_poll(ch, &s->waiter, cx, &s->output) == ROUSE_PENDING) return ROUSE_PENDING;
    if (s->output == 0) push_reserved(ch, s->element);
    return ROUSE_READY;
}

static void send_drop(struct rouse_future *self)
{
    place_drop(of_sender(send_of(self)->sender), &send_of(self)->waiter);
}

static int64_t send_result(const struct rouse_future *self)
{
    return ((const struct rouse_channel_send *)self)->output;
}

static int send_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return place_describe(of_sender(((const struct rouse_channel_send *)self)->sender), buf, size);
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
    rs_waiter_init(&send->waiter, 0);
}

int rouse_channel_try_send(struct rouse_channel_sender *sender, const void *element)
{
    return push(of_sender(sender), element);
}

static bool on_plain_thread(void)
{
    return rs_tls.fiber == NULL && rs_tls.poll_depth == 0;
}

int rouse_channel_send(struct rouse_channel_sender *sender, const void *element)
{
    struct rouse_channel_send send;

    if (on_plain_thread()) {
        struct channel *ch = of_sender(sender);
        int err = push(ch, element);

        if (err != -EAGAIN || !ch->is_bounded) return err;  // no need to prepare to sleep
    }
    rouse_channel_send_init(&send, sender, element);
    int err = rouse_await(&send.base);

    return err < 0 ? err : send.output;
}

// ---- Reserve ----

static struct rouse_channel_reserve *reserve_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_channel_reserve, base);
}

static rouse_poll reserve_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_channel_reserve *r = reserve_of(self);
    struct channel *ch = of_sender(r->sender);

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
    place_drop(of_sender(reserve_of(self)->sender), &reserve_of(self)->waiter);
}

static void unreserve_untaken(struct rouse_future *self)
{
    struct rouse_channel_reserve *r = reserve_of(self);

    if (r->output == 0 && r->sender != NULL) unreserve(of_sender(r->sender));
}

static int64_t reserve_result(const struct rouse_future *self)
{
    return ((const struct rouse_channel_reserve *)self)->output;
}

static int reserve_describe(const struct rouse_future *self, char *buf, size_t size)
{
    return place_describe(of_sender(((const struct rouse_channel_reserve *)self)->sender), buf,
                          size);
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
    rs_waiter_init(&reserve->waiter, 0);
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
    struct channel *ch = of_sender(sender);
    int err = ch->is_bounded ? rs_ring_reserve(&ch->ring) : -EINVAL;

    if (err == 0) permit->sender = sender;
    return err;
}

int rouse_channel_reserve(struct rouse_channel_sender *sender, struct rouse_channel_permit *permit)
{
    struct rouse_channel_reserve reserve;

    if (on_plain_thread()) {
        int err = rouse_channel_try_reserve(sender, permit);

        if (err != -EAGAIN) return err;  // no need to prepare to sleep
    }
    rouse_channel_reserve_init(&reserve, sender);
    int err = rouse_await(&reserve.base);

    if (err == 0) err = reserve.output;
    if (err == 0) *permit = rouse_channel_reserve_take(&reserve);
    return err;
}

void rouse_channel_permit_send(struct rouse_channel_permit *permit, const void *element)
{
    struct channel *ch = of_sender(permit->sender);

    rouse_assert(ch != NULL, "a reserved place can be used once; reserve another");
    permit->sender = NULL;
    push_reserved(ch, element);
}

void rouse_channel_permit_drop(struct rouse_channel_permit *permit)
{
    struct channel *ch = of_sender(permit->sender);

    permit->sender = NULL;
    if (ch != NULL) unreserve(ch);
}

// ---- Receive ----

static struct rouse_channel_receive *receive_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_channel_receive, base);
}

// How many were received, or a negative errno.
static ssize_t pop_many(struct channel *ch, char *elements, size_t count_max)
{
    int err = pop(ch, elements);

    if (count_max == 1 || err < 0) return err < 0 ? err : 1;
    size_t count = 1;

    while (count < count_max && err == 0) {
        err = pop(ch, elements + count * ch->element_size);
        if (err == 0) count++;
    }
    return (ssize_t)count;
}

// Takes a place in the queue, its old one if it has been there before, unless there is an element,
// or will be none.
static bool queue_for_element(struct channel *ch, struct rouse_waiter *waiter,
                              struct rouse_waker *waker)
{
    struct rouse_wait_queue *q = &ch->receiving;

    rs_waitq_lock(q);
    bool wait = wait_for_element(ch);

    if (wait && waiter->pushed) {
        rs_waitq_push_front(q, waiter, waker);
    } else if (wait) {
        rs_waitq_push(q, waiter, waker);
    } else if (rs_waitq_is_empty(q)) {
        nobody_waits_for_element(ch);
    }
    rs_waitq_unlock(q);
    return wait;
}

static rouse_poll receive_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_channel_receive *r = receive_of(self);
    struct channel *ch = of_receiver(r->receiver);
    struct rouse_waker waker;

    if (r->waiter.pushed) {
        if (rs_waitq_look(&ch->receiving, &r->waiter, cx) == RS_WAITER_QUEUED) {
            return ROUSE_PENDING;
        }
    } else if (!rouse_context_spend(cx)) {
        return ROUSE_PENDING;
    }
    r->output = pop_many(ch, r->elements, r->count_max);
    if (r->output != -EAGAIN) return ROUSE_READY;
    waker = rouse_waker_clone(rouse_context_waker(cx));
    while (!queue_for_element(ch, &r->waiter, &waker)) {
        r->output = pop_many(ch, r->elements, r->count_max);
        if (r->output == -EAGAIN) continue;
        rouse_waker_drop(&waker);
        return ROUSE_READY;
    }
    return ROUSE_PENDING;
}

static void receive_drop(struct rouse_future *self)
{
    struct rouse_channel_receive *r = receive_of(self);
    struct channel *ch = of_receiver(r->receiver);

    if (!r->waiter.pushed) return;
    // Woken for an element that it will not take: the next one is to look.
    if (rs_waitq_leave(&ch->receiving, &r->waiter) == RS_WAITER_RELEASED) wake_receiver(ch);
}

static int64_t receive_result(const struct rouse_future *self)
{
    return ((const struct rouse_channel_receive *)self)->output;
}

static int receive_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_channel_receive *r = (const struct rouse_channel_receive *)self;

    return snprintf(buf, size, "an element of channel %p", (const void *)of_receiver(r->receiver));
}

static const struct rouse_future_vtable receive_ended = {.name = "channel receive",
                                                         .result = receive_result};
static const struct rouse_future_vtable receive_vtable = {
    .poll = receive_poll,
    .drop = receive_drop,
    .name = "channel receive",
    .describe = receive_describe,
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
    rs_waiter_init(&receive->waiter, 0);
}

void rouse_channel_receive_init(struct rouse_channel_receive *receive,
                                struct rouse_channel_receiver *receiver, void *element)
{
    rouse_channel_receive_many_init(receive, receiver, element, 1);
}

int rouse_channel_try_receive(struct rouse_channel_receiver *receiver, void *element)
{
    return pop(of_receiver(receiver), element);
}

ssize_t rouse_channel_receive_many(struct rouse_channel_receiver *receiver, void *elements,
                                   size_t count_max)
{
    struct rouse_channel_receive receive;

    if (on_plain_thread()) {
        ssize_t count = pop_many(of_receiver(receiver), elements, count_max);

        if (count != -EAGAIN) return count;  // no need to prepare to sleep
    }
    rouse_channel_receive_many_init(&receive, receiver, elements, count_max);
    int err = rouse_await(&receive.base);

    return err < 0 ? err : receive.output;
}

int rouse_channel_receive(struct rouse_channel_receiver *receiver, void *element)
{
    ssize_t count = rouse_channel_receive_many(receiver, element, 1);

    return count < 0 ? (int)count : 0;
}

// ---- Looked at ----

static size_t length_of(struct channel *ch)
{
    return ch->is_bounded ? rs_ring_length(&ch->ring) : rs_chain_length(&ch->chain);
}

static bool is_closed(struct channel *ch)
{
    return ch->is_bounded ? rs_ring_is_closed(&ch->ring) : rs_chain_is_closed(&ch->chain);
}

size_t rouse_channel_receiver_length(const struct rouse_channel_receiver *receiver)
{
    return length_of(of_receiver(receiver));
}

size_t rouse_channel_sender_length(const struct rouse_channel_sender *sender)
{
    return length_of(of_sender(sender));
}

size_t rouse_channel_sender_capacity(const struct rouse_channel_sender *sender)
{
    const struct channel *ch = of_sender(sender);

    return ch->is_bounded ? ch->ring.capacity : ROUSE_CHANNEL_UNBOUNDED;
}

bool rouse_channel_sender_is_closed(const struct rouse_channel_sender *sender)
{
    return is_closed(of_sender(sender));
}

bool rouse_channel_receiver_is_closed(const struct rouse_channel_receiver *receiver)
{
    return is_closed(of_receiver(receiver));
}
