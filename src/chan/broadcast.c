// SPDX-License-Identifier: MIT
//
// The broadcast channel: a ring of slots. Senders write under the lock of the crowd that waits, one
// after the other; receivers read without a lock, as slot.h says, and wait as crowd.h says.
//
// 1. Message n stands in slot n modulo the capacity.
// 2. `tail` is the number of messages; outside the lock, of those whose writing has begun.
// 3. A receiver's position is the message that it receives next. A send releases those who wait
//    for its message or an earlier one.
// 4. The block goes with the last end. Its receivers have copies of what in it never changes, so
//    that they share no cache line with senders but the slot they read.
//
//                 | may run at once with
//     send        | everything
//     receive     | everything but a receive of the same receiver

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/broadcast.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "chan/crowd.h"
#include "chan/slot.h"
#include "fiber/direct.h"

struct rouse_broadcast_sender {
    struct rs_crowd crowd;
    const struct rouse_allocator *allocator;
    size_t size;      // of a message
    size_t capacity;  // a power of two
    _Atomic uint64_t tail;
    _Atomic uint32_t ends;       // senders and receivers: who uses the block
    _Atomic uint32_t receivers;  // grows under the lock
    uint32_t senders;            // under the lock
    _Atomic bool closed;         // set under the lock
    rs_slot_word slots[];
};

struct rouse_broadcast_receiver {
    struct rs_seat seat;
    struct rouse_broadcast_sender *channel;
    rs_slot_word *slots;
    size_t size;
    size_t capacity;
};

// The slot of message `n`.
static rs_slot_word *slot_of(rs_slot_word *slots, size_t size, size_t capacity, uint64_t n)
{
    return slots + (n & (capacity - 1)) * rs_slot_words(size);
}

static size_t block_size(size_t capacity, size_t size)
{
    return sizeof(struct rouse_broadcast_sender) + capacity * rs_slot_words(size) * RS_SLOT_WORD;
}

static bool is_too_large(size_t capacity, size_t size)
{
    return capacity > SIZE_MAX / 4 || size > SIZE_MAX / 4 ||
           rs_slot_words(size) > SIZE_MAX / 4 / RS_SLOT_WORD / capacity;
}

int rouse_broadcast_new(struct rouse_broadcast_sender **tx, size_t capacity, size_t element_size)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    size_t rounded = 1;

    if (capacity == 0) return -EINVAL;
    if (is_too_large(capacity, element_size)) return -ENOMEM;
    while (rounded < capacity) rounded *= 2;
    struct rouse_broadcast_sender *b = rs_alloc(allocator, block_size(rounded, element_size));

    if (b == NULL) return -ENOMEM;
    b->allocator = allocator;
    b->size = element_size;
    b->capacity = rounded;
    b->senders = 1;
    // Relaxed: not shared yet.
    atomic_store_explicit(&b->ends, 1, memory_order_relaxed);
    *tx = b;
    return 0;
}

static void end_unref(struct rouse_broadcast_sender *b)
{
    // Acq_rel: the last one frees after everything the others did.
    if (atomic_fetch_sub_explicit(&b->ends, 1, memory_order_acq_rel) == 1) {
        rs_free(b->allocator, b, block_size(b->capacity, b->size));
    }
}

// ---- Senders ----

// Under the lock.
static void message_write(struct rouse_broadcast_sender *b, uint64_t n, const void *value)
{
    // Relaxed: read under the lock, but for a length that is out of date at once.
    atomic_store_explicit(&b->tail, n + 1, memory_order_relaxed);
    rs_slot_write(slot_of(b->slots, b->size, b->capacity, n), n, value, b->size);
}

int rouse_broadcast_send(struct rouse_broadcast_sender *tx, const void *value)
{
    rs_lock(&tx->crowd.lock);
    // Relaxed, both: who subscribes is ordered by the lock, and who goes may go a little later.
    uint32_t receivers = atomic_load_explicit(&tx->receivers, memory_order_relaxed);
    uint64_t n = atomic_load_explicit(&tx->tail, memory_order_relaxed);

    if (receivers == 0) {
        rs_unlock(&tx->crowd.lock);
        return -EPIPE;
    }
    message_write(tx, n, value);
    rs_crowd_release_and_unlock(&tx->crowd, n + 1);
    return (int)receivers;
}

int rouse_broadcast_subscribe(struct rouse_broadcast_sender *tx,
                              struct rouse_broadcast_receiver **rx)
{
    struct rouse_broadcast_receiver *r = rs_alloc(tx->allocator, sizeof *r);

    if (r == NULL) return -ENOMEM;
    r->seat.crowd = &tx->crowd;
    r->channel = tx;
    r->slots = tx->slots;
    r->size = tx->size;
    r->capacity = tx->capacity;
    // Relaxed: the caller has an end.
    atomic_fetch_add_explicit(&tx->ends, 1, memory_order_relaxed);
    rs_lock(&tx->crowd.lock);
    // Relaxed, both: ordered by the lock.
    r->seat.position = atomic_load_explicit(&tx->tail, memory_order_relaxed);
    atomic_fetch_add_explicit(&tx->receivers, 1, memory_order_relaxed);
    rs_unlock(&tx->crowd.lock);
    *rx = r;
    return 0;
}

size_t rouse_broadcast_receiver_count(const struct rouse_broadcast_sender *tx)
{
    // Relaxed: out of date at once.
    return atomic_load_explicit(&tx->receivers, memory_order_relaxed);
}

size_t rouse_broadcast_capacity(const struct rouse_broadcast_sender *tx)
{
    return tx->capacity;
}

struct rouse_broadcast_sender *rouse_broadcast_sender_ref(struct rouse_broadcast_sender *tx)
{
    // Relaxed: the caller has an end.
    atomic_fetch_add_explicit(&tx->ends, 1, memory_order_relaxed);
    rs_lock(&tx->crowd.lock);
    tx->senders++;
    rs_unlock(&tx->crowd.lock);
    return tx;
}

void rouse_broadcast_sender_unref(struct rouse_broadcast_sender *tx)
{
    if (tx == NULL) return;
    rs_lock(&tx->crowd.lock);
    if (--tx->senders > 0) {
        rs_unlock(&tx->crowd.lock);
    } else {
        // Release, with the acquire in rouse_broadcast_receiver_is_closed(): every message is
        // there.
        atomic_store_explicit(&tx->closed, true, memory_order_release);
        rs_crowd_release_and_unlock(&tx->crowd, UINT64_MAX);
    }
    end_unref(tx);
}

// ---- Receivers ----

// The next message has been overwritten: goes on with the oldest that is left. Under the lock, so
// that it is there, and not being written.
static int skip_missed(struct rouse_broadcast_receiver *rx, uint64_t *missed)
{
    rs_lock(&rx->channel->crowd.lock);
    // Relaxed: it grows under the lock.
    uint64_t tail = atomic_load_explicit(&rx->channel->tail, memory_order_relaxed);
    uint64_t oldest = tail - rx->capacity;

    rs_unlock(&rx->channel->crowd.lock);
    if (missed != NULL) *missed = oldest - rx->seat.position;
    rx->seat.position = oldest;
    return -EOVERFLOW;
}

// Takes the next message: 0, -EAGAIN or -EOVERFLOW.
static int message_take(struct rouse_broadcast_receiver *rx, void *out, uint64_t *missed)
{
    rs_slot_word *slot = slot_of(rx->slots, rx->size, rx->capacity, rx->seat.position);
    uint64_t written = rs_slot_written(rx->seat.position);
    uint64_t mark = rs_slot_mark(slot);

    if (mark < written) return -EAGAIN;
    if (mark == written) mark = rs_slot_read(slot, out, rx->size);
    if (mark != written) return skip_missed(rx, missed);
    rx->seat.position++;
    return 0;
}

bool rouse_broadcast_receiver_is_closed(const struct rouse_broadcast_receiver *rx)
{
    // Acquire, with the release in rouse_broadcast_sender_unref(): who looks for a message after
    // this sees all of them.
    return atomic_load_explicit(&rx->channel->closed, memory_order_acquire);
}

int rouse_broadcast_try_receive(struct rouse_broadcast_receiver *rx, void *out, uint64_t *missed)
{
    int err = message_take(rx, out, missed);

    if (err != -EAGAIN || !rouse_broadcast_receiver_is_closed(rx)) return err;
    err = message_take(rx, out, missed);
    return err == -EAGAIN ? -EPIPE : err;
}

uint64_t rouse_broadcast_receiver_len(const struct rouse_broadcast_receiver *rx)
{
    // Relaxed: out of date at once. It cannot be older than what was received.
    return atomic_load_explicit(&rx->channel->tail, memory_order_relaxed) - rx->seat.position;
}

void rouse_broadcast_receiver_free(struct rouse_broadcast_receiver *rx)
{
    if (rx == NULL) return;
    rs_seat_assert_free(&rx->seat);
    struct rouse_broadcast_sender *channel = rx->channel;

    // Relaxed: only counted.
    atomic_fetch_sub_explicit(&channel->receivers, 1, memory_order_relaxed);
    rs_free(channel->allocator, rx, sizeof *rx);
    end_unref(channel);
}

// ---- Receive ----

static struct rouse_broadcast_receive *receive_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_broadcast_receive, base);
}

static int receive_look(struct rouse_future *self)
{
    struct rouse_broadcast_receive *r = receive_of(self);

    r->output = rouse_broadcast_try_receive(r->rx, r->out, &r->missed);
    return r->output;
}

static rouse_poll receive_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_broadcast_receive *r = receive_of(self);

    return rs_crowd_poll(&r->rx->seat, &r->waiter, self, receive_look, cx);
}

static void receive_drop(struct rouse_future *self)
{
    struct rouse_broadcast_receive *r = receive_of(self);

    rs_crowd_leave(&r->rx->seat, &r->waiter);
}

static int64_t receive_result(const struct rouse_future *self)
{
    return ((const struct rouse_broadcast_receive *)self)->output;
}

static int receive_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_broadcast_receive *r = (const struct rouse_broadcast_receive *)self;

    return snprintf(buf, size, "message %llu of broadcast %p",
                    (unsigned long long)r->rx->seat.position, (void *)r->rx->channel);
}

static const struct rouse_future_vtable receive_ended = {.name = "broadcast receive",
                                                         .result = receive_result};
static const struct rouse_future_vtable receive_vtable = {
    .poll = receive_poll,
    .drop = receive_drop,
    .name = "broadcast receive",
    .describe = receive_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &receive_ended};

void rouse_broadcast_receive_init(struct rouse_broadcast_receive *receive,
                                  struct rouse_broadcast_receiver *rx, void *out)
{
    receive->base.vtable = &receive_vtable;
    receive->rx = rx;
    receive->out = out;
    receive->missed = 0;
    receive->output = 0;
    rs_waiter_init(&receive->waiter, 0);
}

int rouse_broadcast_receive(struct rouse_broadcast_receiver *rx, void *out, uint64_t *missed)
{
    struct rouse_broadcast_receive receive;

    if (ROUSE_LIKELY(rs_direct_may_try())) {
        int err = rouse_broadcast_try_receive(rx, out, missed);

        if (err != -EAGAIN) {
            rs_direct_tried();
            return err;
        }
    }
    rouse_broadcast_receive_init(&receive, rx, out);
    int err = rouse_await(&receive.base);

    if (err < 0) return err;
    if (receive.output == -EOVERFLOW && missed != NULL) *missed = receive.missed;
    return receive.output;
}
