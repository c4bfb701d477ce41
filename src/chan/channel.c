// SPDX-License-Identifier: MIT
//
// Channels: made, given up, closed and looked at; and how those who wait are served.

#include "chan/channel.h"

#include <errno.h>
#include <rouse/assert.h>

#include "base/alloc.h"

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
    size_t size = sizeof(struct rs_channel) + slots_size + options->element_size;
    struct rs_channel *ch = rs_alloc(allocator, size);

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

void rs_channel_nobody_waits_for_place(struct rs_channel *ch)
{
    if (ch->is_bounded) rs_ring_nobody_waits_for_place(&ch->ring);
}

void rs_channel_wake_receiver(struct rs_channel *ch)
{
    struct rouse_wait_queue *q = &ch->receiving;
    struct rouse_waker waker = {0};

    rs_waitq_lock(q);
    if (!rs_waitq_is_empty(q)) {
        rs_waitq_settle(q, q->first, RS_WAITER_RELEASED, &waker);
    } else {
        rs_tail_nobody_waits(rs_channel_tail(ch));
    }
    rs_waitq_unlock(q);
    rouse_waker_wake(&waker);
}

void rs_channel_wake_listener(struct rs_channel *ch)
{
    struct rouse_waiter *waiter = rs_channel_tail(ch)->listener;
    struct rouse_waker waker = waiter->waker;

    // Release, with the acquire in is_released(): we are done with it.
    atomic_store_explicit(rs_waiter_state_of(waiter), RS_WAITER_RELEASED, memory_order_release);
    rouse_waker_wake(&waker);
}

void rs_channel_serve_senders(struct rs_channel *ch)
{
    struct rouse_wait_queue *q = &ch->sending;
    struct rouse_waker waker;
    struct rs_batch batch;

    batch.count = 0;
    rs_waitq_lock(q);
    while (!rs_waitq_is_empty(q) && rs_ring_reserve_for_waiter(&ch->ring)) {
        rs_waitq_grant(q, q->first, &waker);
        rs_batch_take(&batch, &waker);
        if (!rs_batch_is_full(&batch)) continue;
        rs_waitq_unlock(q);
        (void)rs_batch_wake(&batch);
        rs_waitq_lock(q);
    }
    if (rs_waitq_is_empty(q)) rs_channel_nobody_waits_for_place(ch);
    rs_waitq_unlock(q);
    (void)rs_batch_wake(&batch);
}

ssize_t rs_channel_pop_slowly(struct rs_channel *ch, char *elements, size_t count_max, bool alone)
{
    bool waited;

    if (!ch->is_bounded) return rs_chain_pop(&ch->chain, elements, count_max, alone);
    ssize_t count = rs_ring_pop(&ch->ring, elements, count_max, &waited);

    if (waited) rs_channel_serve_senders(ch);
    return count;
}

ssize_t rs_channel_popped(struct rs_channel *ch, ssize_t count)
{
    rs_channel_serve_senders(ch);
    return count;
}

static void release_all(struct rs_channel *ch, struct rouse_wait_queue *q,
                        void (*nobody_waits)(struct rs_channel *ch))
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

static void nobody_waits_for_element(struct rs_channel *ch)
{
    rs_tail_nobody_waits(rs_channel_tail(ch));
}

void rs_channel_release_receivers(struct rs_channel *ch)
{
    if (rs_tail_unlisten(rs_channel_tail(ch))) rs_channel_wake_listener(ch);
    release_all(ch, &ch->receiving, nobody_waits_for_element);
}

// ---- The ends ----

static void close_channel(struct rs_channel *ch)
{
    if (!rs_tail_close(rs_channel_tail(ch))) return;
    release_all(ch, &ch->sending, rs_channel_nobody_waits_for_place);
    rs_channel_release_receivers(ch);
}

// What was sent and will not be received. By the last receiver, and when all have gone.
static void drop_elements(struct rs_channel *ch)
{
    char *element = ch->memory + ch->size - sizeof *ch - ch->element_size;

    while (rs_channel_pop(ch, element, 1) > 0) {
        if (ch->element_drop != NULL) ch->element_drop(element);
    }
}

static void end_gone(struct rs_channel *ch)
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
    atomic_fetch_add_explicit(&rs_channel_of_sender(sender)->senders, 1, memory_order_relaxed);
    return sender;
}

void rouse_channel_sender_unref(struct rouse_channel_sender *sender)
{
    struct rs_channel *ch = rs_channel_of_sender(sender);

    if (ch == NULL) return;
    // Acq_rel: who closes does so after everything the other senders did.
    if (atomic_fetch_sub_explicit(&ch->senders, 1, memory_order_acq_rel) != 1) return;
    close_channel(ch);
    end_gone(ch);
}

struct rouse_channel_receiver *rouse_channel_receiver_ref(struct rouse_channel_receiver *receiver)
{
    // Relaxed: the caller has a share.
    atomic_fetch_add_explicit(&rs_channel_of_receiver(receiver)->receivers, 1,
                              memory_order_relaxed);
    return receiver;
}

void rouse_channel_receiver_unref(struct rouse_channel_receiver *receiver)
{
    struct rs_channel *ch = rs_channel_of_receiver(receiver);

    if (ch == NULL) return;
    // Release, with the acquire in rs_channel_is_alone(): the last one takes out what is left after
    // everything the others did.
    if (atomic_fetch_sub_explicit(&ch->receivers, 1, memory_order_release) != 1) return;
    close_channel(ch);
    drop_elements(ch);
    end_gone(ch);
}

void rouse_channel_receiver_close(struct rouse_channel_receiver *receiver)
{
    close_channel(rs_channel_of_receiver(receiver));
}

// ---- Looked at ----

static size_t length_of(struct rs_channel *ch)
{
    return ch->is_bounded ? rs_ring_length(&ch->ring) : rs_chain_length(&ch->chain);
}

static bool is_closed(struct rs_channel *ch)
{
    return rs_tail_is_closed(rs_channel_tail(ch));
}

size_t rouse_channel_receiver_length(const struct rouse_channel_receiver *receiver)
{
    return length_of(rs_channel_of_receiver(receiver));
}

size_t rouse_channel_sender_length(const struct rouse_channel_sender *sender)
{
    return length_of(rs_channel_of_sender(sender));
}

size_t rouse_channel_sender_capacity(const struct rouse_channel_sender *sender)
{
    const struct rs_channel *ch = rs_channel_of_sender(sender);

    return ch->is_bounded ? ch->ring.capacity : ROUSE_CHANNEL_UNBOUNDED;
}

bool rouse_channel_sender_is_closed(const struct rouse_channel_sender *sender)
{
    return is_closed(rs_channel_of_sender(sender));
}

bool rouse_channel_receiver_is_closed(const struct rouse_channel_receiver *receiver)
{
    return is_closed(rs_channel_of_receiver(receiver));
}
