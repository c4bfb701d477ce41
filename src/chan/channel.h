// SPDX-License-Identifier: MIT
//
// A channel: one of the two kinds of queue behind one pair of ends, and who waits at either.
//
// 1. Both ends are the same object. Each has a count of shares; an end that is in use keeps it.
// 2. Senders wait only for a place in a ring. A place that becomes free while they do is reserved
//    for the first of them, so nobody who comes later gets it.
// 3. Receivers wait for an element. A sender that sees that somebody waits wakes one, who tries
//    again: he may find that another one was faster, and then goes back to the front of the queue.
//    One that is dropped in between wakes the next.
// 4. A queue's bit (a sender waits, a receiver waits) is set before a waiter is pushed, and cleared
//    under the queue's lock when none is left. That of the receivers outlives the last of them,
//    until the next sender finds nobody: one that waits for each element sets it once.
// 5. A receiver that is the only one does without the queue and its lock: it listens, by a bit of
//    the tail. A sender whose exchange takes the bit away is handed the waiter with it, and owes it
//    the wake. To have the waiter back, for another waker or for a drop, the receiver takes the bit
//    away itself; if a sender was faster, that one is a few instructions from its last touch of
//    the waiter, and is waited for.

#ifndef RS_CHAN_CHANNEL_H
#define RS_CHAN_CHANNEL_H

#include <rouse/channel.h>

#include "chan/chain.h"
#include "chan/ring.h"
#include "chan/tail.h"
#include "sync/wait_queue.h"

// What each operation reads comes first, beside what it reads of its queue.
struct rs_channel {
    bool is_bounded;
    _Atomic uint32_t receivers;
    union {
        struct rs_ring ring;
        struct rs_chain chain;
    };
    struct rouse_wait_queue sending;
    struct rouse_wait_queue receiving;
    _Atomic uint32_t senders;
    _Atomic uint32_t ends;  // that have not gone: 2, 1, 0
    size_t size;
    size_t element_size;
    void (*element_drop)(void *element);
    const struct rouse_allocator *allocator;
    char memory[];  // the slots, then room for one element that is dropped
};

static inline struct rs_channel *rs_channel_of_sender(const struct rouse_channel_sender *sender)
{
    return (struct rs_channel *)(uintptr_t)sender;
}

static inline struct rs_channel *rs_channel_of_receiver(
    const struct rouse_channel_receiver *receiver)
{
    return (struct rs_channel *)(uintptr_t)receiver;
}

static inline struct rs_tail *rs_channel_tail(struct rs_channel *ch)
{
    return ch->is_bounded ? &ch->ring.tail : &ch->chain.tail;
}

// By the tail's word: nothing is there to receive, but something may come.
static inline bool rs_channel_is_empty(const struct rs_channel *ch, uint64_t tail)
{
    // Relaxed: a head that is out of date is behind the tail.
    return ch->is_bounded
               ? rs_ring_is_empty(tail, atomic_load_explicit(&ch->ring.head, memory_order_relaxed))
               : rs_chain_is_empty(tail,
                                   atomic_load_explicit(&ch->chain.head, memory_order_relaxed));
}

// What a future's init leaves of its waiter: the rest is written when it is pushed.
static inline void rs_channel_waiter_init(struct rouse_waiter *waiter)
{
    waiter->want = 0;
    waiter->pushed = false;
}

// ---- The queues ----

void rs_channel_wake_receiver(struct rs_channel *ch);
// After LISTENS was taken away: wakes the receiver that listened.
void rs_channel_wake_listener(struct rs_channel *ch);
// Reserves places for those who wait for one, in their order.
void rs_channel_serve_senders(struct rs_channel *ch);
// Under the lock of the queue.
void rs_channel_nobody_waits_for_place(struct rs_channel *ch);
// All have been sent that will ever be.
void rs_channel_release_receivers(struct rs_channel *ch);

// After an element was sent: wakes one of those who wait for it.
static inline void rs_channel_sent(struct rs_channel *ch, int waiting)
{
    if ((waiting & RS_TAIL_LISTENS) != 0) {
        rs_channel_wake_listener(ch);
    } else if (waiting != 0) {
        rs_channel_wake_receiver(ch);
    }
}

// 0, -EAGAIN, -EPIPE, and without a bound -ENOMEM.
static inline int rs_channel_push(struct rs_channel *ch, const void *element)
{
    int err = ROUSE_LIKELY(ch->is_bounded) ? rs_ring_push(&ch->ring, element)
                                           : rs_chain_push(&ch->chain, element);

    if (ROUSE_LIKELY(err <= 0)) return err;
    rs_channel_sent(ch, err);
    return 0;
}

__attribute__((noinline)) ssize_t rs_channel_pop_slowly(struct rs_channel *ch, char *elements,
                                                        size_t count_max, bool alone);

// After a pop that found senders waiting: serves them, and returns `count`. As the last call of
// rs_channel_pop(), so that this has nothing to keep across it.
__attribute__((noinline)) ssize_t rs_channel_popped(struct rs_channel *ch, ssize_t count);

// There is one receiver.
static inline bool rs_channel_is_alone(const struct rs_channel *ch)
{
    // Acquire, with the release in rouse_channel_receiver_unref(): one that was not alone sees what
    // the others did.
    return atomic_load_explicit(&ch->receivers, memory_order_acquire) <= 1;
}

// How many were received, 1 to `count_max`; or -EAGAIN, -EPIPE.
static inline ssize_t rs_channel_pop(struct rs_channel *ch, char *elements, size_t count_max)
{
    bool alone = rs_channel_is_alone(ch);

    if (ROUSE_LIKELY(ch->is_bounded && alone)) {
        bool waited = false;
        ssize_t count = rs_ring_pop_alone(&ch->ring, elements, count_max, &waited);

        if (ROUSE_UNLIKELY(waited)) return rs_channel_popped(ch, count);
        if (ROUSE_LIKELY(count != 0)) return count;
    } else if (ROUSE_LIKELY(alone)) {
        size_t count = rs_chain_pop_alone(&ch->chain, elements, count_max);

        if (ROUSE_LIKELY(count > 0)) return (ssize_t)count;
    }
    return rs_channel_pop_slowly(ch, elements, count_max, alone);
}

#endif
