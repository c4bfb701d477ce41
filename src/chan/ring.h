// SPDX-License-Identifier: MIT
//
// The ring of a bounded channel: any number of senders and receivers, elements by copy. The form is
// Vyukov's bounded MPMC queue (each slot has a number that says whose turn it is), with the number
// of reserved places, and whether somebody waits, in the words that senders and receivers exchange.
//
//     tail: | position 32 | reserved 28 | CLOSED | RECEIVER_WAITS |    changed by senders
//     head: | position 32 |                          SENDER_WAITS |     changed by receivers
//
// 1. head's position <= tail's position <= head's + capacity - reserved, modulo 2^32.
// 2. A slot's number is its position when it is free for the sender of that position, one more when
//    it holds that element. Only who moved `tail` past a position writes to its slot, only who
//    moved `head` past it takes from it. Between the move and the number lie a few instructions,
//    for which somebody else may have to spin.
// 3. A waiter sets its bit by an exchange that finds the ring empty, or full, still. Whoever
//    changes that does so by an exchange of the same word, and so sees the bit, or comes first.
//
// Who may call at once: everything, by any thread.

#ifndef RS_CHAN_RING_H
#define RS_CHAN_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

enum { RS_RING_CAPACITY_MAX = (1 << 28) - 1 };

struct rs_ring {
    _Atomic uint64_t tail;
    char apart_1[RS_CACHE_LINE];
    _Atomic uint64_t head;
    char apart_2[RS_CACHE_LINE];
    char *slots;
    uint32_t mask;
    uint32_t capacity;
    size_t element_size;
    size_t slot_size;
};

// How many bytes of slots a ring needs; 0 if that is too many.
size_t rs_ring_slots_size(size_t element_size, size_t capacity);

void rs_ring_init(struct rs_ring *ring, char *slots, size_t element_size, size_t capacity);

// 0, -EAGAIN: full, or others wait; -EPIPE: closed. `*waited`: a receiver waits.
int rs_ring_push(struct rs_ring *ring, const void *element, bool *waited);

// The same in two steps: takes a place, whose position is not yet fixed.
int rs_ring_reserve(struct rs_ring *ring);
// `*ended`: it was the last place of a closed ring, whose receivers may wait for that.
void rs_ring_push_reserved(struct rs_ring *ring, const void *element, bool *waited, bool *ended);
// Gives the place back. Returns true if a sender may wait for it.
bool rs_ring_unreserve(struct rs_ring *ring, bool *ended);

// 0; -EAGAIN: empty; -EPIPE: and will be so. `*waited`: a sender waits.
int rs_ring_pop(struct rs_ring *ring, void *element, bool *waited);

// True for the call that closed it.
bool rs_ring_close(struct rs_ring *ring);

// Under the lock of the queue of those who wait: true if the ring is empty, and its senders know
// that somebody waits.
bool rs_ring_wait_for_element(struct rs_ring *ring);
void rs_ring_nobody_waits_for_element(struct rs_ring *ring);
// The same for a place. False also when it is closed.
bool rs_ring_wait_for_place(struct rs_ring *ring);
void rs_ring_nobody_waits_for_place(struct rs_ring *ring);
// Takes a place for somebody who waits: false if there is none.
bool rs_ring_reserve_for_waiter(struct rs_ring *ring);

size_t rs_ring_length(const struct rs_ring *ring);
bool rs_ring_is_closed(const struct rs_ring *ring);

#endif
