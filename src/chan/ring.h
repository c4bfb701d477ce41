// SPDX-License-Identifier: MIT
//
// The ring of a bounded channel: any number of senders and receivers, elements by copy. The form is
// Vyukov's bounded MPMC queue (each slot has a number that says whose turn it is), with the number
// of reserved places, and whether somebody waits, in the words that senders and receivers exchange.
//
//     tail: | position 32 | reserved 28 | LISTENS | CLOSED | RECEIVER_WAITS |  changed by senders
//     head: | position 32 |                                    SENDER_WAITS |  changed by receivers
//
// 1. head's position <= tail's position <= head's + capacity - reserved, modulo 2^32.
// 2. A slot's number is its position when it is free for the sender of that position, one more when
//    it holds that element. Only who moved `tail` past a position writes to its slot, only who
//    moved `head` past it takes from it, or the only receiver, who then moves it. Between the move
//    and the number lie a few instructions, for which somebody else may have to spin.
// 3. A waiter sets its bit by an exchange that finds the ring empty, or full, still. Whoever
//    changes that does so by an exchange of the same word, and so sees the bit, or comes first.
// 4. `seen` is a head of some time ago at which no sender waited. So the room that it shows is
//    there, and was not kept for anybody: one who began to wait since then has found the ring full,
//    as it stays until he has got his place. (But for a place that is given back: in the moment
//    before it is reserved anew, one who comes may take it.) It lies beside `tail`, so that senders
//    touch the line of receivers once in a while only.
//
// The words count and the slots publish: an element is seen through the number of its slot, and so
// is that its place is free. So the accesses to the words are relaxed, but for three cases. Release
// when one moves, with acquire when the length is asked for, so that it is of one moment. Acquire
// when the tail moves, for the receiver that may listen: see tail.h. And a place that was reserved
// is given back in `tail`, while who waits for one says so in `head`: each side reads the other's
// word after it has changed its own, all seq_cst, and one sees the other.
//
// Who may call at once: everything, by any thread.

#ifndef RS_CHAN_RING_H
#define RS_CHAN_RING_H

#include <errno.h>
#include <rouse/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cpu.h"
#include "base/rmw.h"
#include "chan/element.h"
#include "chan/tail.h"

enum { RS_RING_CAPACITY_MAX = (1 << 28) - 1 };

#define RS_RING_RESERVED (UINT64_C(1) << 4)
#define RS_RING_POSITION (UINT64_C(1) << 32)
enum { RS_RING_SENDER_WAITS = 1 << 0 };
_Static_assert(RS_RING_RESERVED >= 1 << RS_TAIL_FLAGS, "the flags are below what is counted");

struct rs_slot {
    _Atomic uint32_t number;
    uint32_t unused;
    char element[];
};

struct rs_ring {
    char *slots;
    uint32_t mask;
    uint32_t capacity;
    size_t element_size;
    size_t slot_size;
    char apart_1[RS_CACHE_LINE];
    struct rs_tail tail;
    _Atomic uint64_t seen;
    char apart_2[RS_CACHE_LINE];
    _Atomic uint64_t head;
    _Atomic uint32_t next;  // head's position, or one before it
};

static inline uint32_t rs_ring_position_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static inline uint32_t rs_ring_reserved_of(uint64_t tail)
{
    return (uint32_t)tail >> 4;
}

static inline struct rs_slot *rs_ring_slot_at(const struct rs_ring *ring, uint32_t position)
{
    return (struct rs_slot *)(void *)(ring->slots + (position & ring->mask) * ring->slot_size);
}

// The slot still holds the element before.
void rs_ring_await_slot(struct rs_slot *slot, uint32_t position);

// Fills the slot of a position that is ours.
static inline void rs_ring_put(struct rs_ring *ring, uint32_t position, const void *element)
{
    struct rs_slot *slot = rs_ring_slot_at(ring, position);

    // Acquire, with the release in rs_ring_take(): the element before has been copied.
    if (ROUSE_UNLIKELY(atomic_load_explicit(&slot->number, memory_order_acquire) != position)) {
        rs_ring_await_slot(slot, position);
    }
    rs_element_copy(slot->element, element, ring->element_size);
    // Release, with the acquire in rs_ring_pop(): who sees the number sees the element.
    atomic_store_explicit(&slot->number, position + 1, memory_order_release);
}

// Empties the slot of a position that is ours.
static inline void rs_ring_take(struct rs_ring *ring, struct rs_slot *slot, uint32_t position,
                                void *element)
{
    rs_element_copy(element, slot->element, ring->element_size);
    // Release, with the acquire in rs_ring_put(): we have copied it.
    atomic_store_explicit(&slot->number, position + ring->mask + 1, memory_order_release);
}

static inline bool rs_ring_is_full(const struct rs_ring *ring, uint64_t tail, uint64_t head)
{
    // As 64 bits: a head that is newer than the tail looks like a full ring.
    uint64_t used = (uint64_t)(rs_ring_position_of(tail) - rs_ring_position_of(head)) +
                    rs_ring_reserved_of(tail);

    return used >= ring->capacity;
}

// Looks at the head. True if there is a place that `tail` may take.
static inline bool rs_ring_look(struct rs_ring *ring, uint64_t tail, bool waiter, uint64_t *head)
{
    // Relaxed, both: an old head only shows less room.
    *head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if ((*head & RS_RING_SENDER_WAITS) != 0) return waiter && !rs_ring_is_full(ring, tail, *head);
    atomic_store_explicit(&ring->seen, *head, memory_order_relaxed);
    return !rs_ring_is_full(ring, tail, *head);
}

// Adds `step` to the tail, if that is `*tail` still. An element takes LISTENS away, a place that is
// only reserved does not.
static inline bool rs_ring_advance(struct rs_ring *ring, uint64_t *tail, uint64_t step)
{
    uint64_t heard = step != RS_RING_RESERVED ? RS_TAIL_LISTENS : 0;

    // Release, with the acquire in rs_ring_length(). Acquire, with the release in rs_tail_listen():
    // the listener is there.
    return rs_compare_exchange_weak_64(&ring->tail.word, tail, (*tail & ~heard) + step,
                                       memory_order_acq_rel, memory_order_relaxed);
}

// Adds `step` to the tail, if there is a place and nobody who waits for one, or `waiter` is he.
// 0, with the tail as it was before; -EAGAIN; -EPIPE.
static inline int rs_ring_claim(struct rs_ring *ring, uint64_t step, bool waiter, uint64_t *before)
{
    // Relaxed, these and on failure: the exchange succeeds only if the tail is the latest, and then
    // there is at least the room that the head has shown.
    uint64_t tail = rs_tail_look(&ring->tail);
    uint64_t head = atomic_load_explicit(&ring->seen, memory_order_relaxed);

    for (;;) {
        if ((tail & RS_TAIL_CLOSED) != 0) return -EPIPE;
        if (ROUSE_UNLIKELY(rs_ring_is_full(ring, tail, head)) &&
            !rs_ring_look(ring, tail, waiter, &head)) {
            uint64_t again = rs_tail_look(&ring->tail);

            if (again == tail) return -EAGAIN;
            tail = again;
        } else if (rs_ring_advance(ring, &tail, step)) {
            *before = tail;
            return 0;
        }
    }
}

// 0, or rs_tail_waiting(); -EAGAIN: full, or others wait; -EPIPE: closed.
static inline int rs_ring_push(struct rs_ring *ring, const void *element)
{
    uint64_t before;
    int err = rs_ring_claim(ring, RS_RING_POSITION, false, &before);

    if (err < 0) return err;
    rs_ring_put(ring, rs_ring_position_of(before), element);
    return rs_tail_waiting(before);
}

// Nothing can come any more, after what is there.
static inline bool rs_ring_is_ended(uint64_t tail)
{
    return (tail & RS_TAIL_CLOSED) != 0 && rs_ring_reserved_of(tail) == 0;
}

// Takes what is there, up to `count_max`, for a receiver that is the only one: what it takes is its
// own before it says so, and it says so once. Returns how many; -EAGAIN: empty; 0: ask
// rs_ring_pop().
static inline ssize_t rs_ring_pop_alone(struct rs_ring *ring, char *elements, size_t count_max,
                                        bool *waited)
{
    // Relaxed, as the store below: ours, or of a receiver that has gone. If it lags behind, the
    // slot holds no element of that position, the tail is beyond it, and rs_ring_pop() sets it
    // right.
    uint32_t position = atomic_load_explicit(&ring->next, memory_order_relaxed);
    size_t count = 0;

    do {
        struct rs_slot *slot = rs_ring_slot_at(ring, position);

        // Acquire, with the release in rs_ring_put().
        if (atomic_load_explicit(&slot->number, memory_order_acquire) != position + 1) break;
        rs_ring_take(ring, slot, position, elements);
        elements += ring->element_size;
        position++;
    } while (++count < count_max);
    if (ROUSE_UNLIKELY(count == 0)) {
        // Relaxed: as in pop_one().
        uint64_t tail = rs_tail_look(&ring->tail);
        bool empty = rs_ring_position_of(tail) == position && (tail & RS_TAIL_CLOSED) == 0;

        return empty ? -EAGAIN : 0;
    }
    atomic_store_explicit(&ring->next, position, memory_order_relaxed);
    // Release, with the acquire in rs_ring_length() and rs_ring_wait_for_place().
    uint64_t before = rs_fetch_add_64(&ring->head, count * RS_RING_POSITION, memory_order_release);

    *waited = (before & RS_RING_SENDER_WAITS) != 0;
    return (ssize_t)count;
}

// Takes up to `count_max`. How many; -EAGAIN: empty; -EPIPE: and will be so. `*waited`: a sender
// waits.
ssize_t rs_ring_pop(struct rs_ring *ring, char *elements, size_t count_max, bool *waited);

// How many bytes of slots a ring needs; 0 if that is too many.
size_t rs_ring_slots_size(size_t element_size, size_t capacity);

void rs_ring_init(struct rs_ring *ring, char *slots, size_t element_size, size_t capacity);

// The same in two steps: takes a place, whose position is not yet fixed.
int rs_ring_reserve(struct rs_ring *ring);
// Returns rs_tail_waiting(). `*ended`: it was the last place of a closed ring, whose receivers may
// wait for that.
int rs_ring_push_reserved(struct rs_ring *ring, const void *element, bool *ended);
// Gives the place back. Returns true if a sender may wait for it.
bool rs_ring_unreserve(struct rs_ring *ring, bool *ended);

// Under the lock of the queue of those who wait: true if the ring is full and not closed, and its
// receivers know that somebody waits for a place.
bool rs_ring_wait_for_place(struct rs_ring *ring);
void rs_ring_nobody_waits_for_place(struct rs_ring *ring);
// Takes a place for somebody who waits: false if there is none.
bool rs_ring_reserve_for_waiter(struct rs_ring *ring);

size_t rs_ring_length(const struct rs_ring *ring);

// By the tail's word and the head's: nothing is there to receive, but something may come.
static inline bool rs_ring_is_empty(uint64_t tail, uint64_t head)
{
    return rs_ring_position_of(tail) == rs_ring_position_of(head) && !rs_ring_is_ended(tail);
}

#endif
