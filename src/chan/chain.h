// SPDX-License-Identifier: MIT
//
// The queue of an unbounded channel: a list of chunks of elements. Senders take places in the last
// chunk, each by one compare-exchange of the tail; receivers take from the first.
//
//     tail: | position 60 | INSTALLING | LISTENS | CLOSED | RECEIVER_WAITS |
//
//     receivers -> front -> chunk -> chunk <- last <- senders
//                  (of which some is taken)
//
// 1. A place is a position modulo the capacity of a chunk. Who takes the first place of a chunk
//    installs that chunk: he moves the tail with INSTALLING, links it, and clears the bit. While it
//    is set no place can be taken; so `last` belongs to the tail with which it was read, if the
//    compare-exchange finds that one still.
// 2. A place has a mark: its element is there. Only who took the place writes to it. Between the
//    two lie a few instructions, for which somebody else may have to spin; likewise for 1.
// 3. The front and `head` change under `front_lock`, or without it by a receiver that is the only
//    one. A chunk that is taken empty stays the front until the next is linked: that was the last
//    touch of it by a sender.

#ifndef RS_CHAN_CHAIN_H
#define RS_CHAN_CHAIN_H

#include <rouse/allocator.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cpu.h"
#include "base/lock.h"
#include "chan/element.h"
#include "chan/tail.h"

enum { RS_CHAIN_INSTALLING = 1 << RS_TAIL_FLAGS, RS_CHAIN_POSITION = RS_CHAIN_INSTALLING << 1 };

struct rs_chunk {
    _Atomic(struct rs_chunk *) next;
    char places[];  // the elements, then the marks
};

struct rs_chain {
    size_t element_size;
    uint64_t count_max;
    uint64_t mask;    // the capacity of a chunk, a power of two, less one
    size_t marks_at;  // in a chunk's places
    const struct rouse_allocator *allocator;
    char apart_1[RS_CACHE_LINE];
    struct rs_tail tail;
    _Atomic(struct rs_chunk *) last;
    _Atomic(struct rs_chunk *) first;  // the link to the very first chunk
    _Atomic(struct rs_chunk *) spare;  // an empty one, to be installed next
    _Atomic uint32_t toll;             // see rs_chain_toll()
    char apart_2[RS_CACHE_LINE];
    _Atomic uint64_t head;  // the next position to be taken
    struct rs_chunk *front;
    uint64_t front_end;  // the first position behind it
    struct rs_lock front_lock;
};

void rs_chain_init(struct rs_chain *chain, size_t element_size, size_t count_max,
                   const struct rouse_allocator *allocator);
void rs_chain_deinit(struct rs_chain *chain);

// How many operations more than one a send counts as, for its task's budget, by how far receivers
// were behind at the last look, one for each chunk. Otherwise a chain whose senders are given as
// many turns each as its receiver would grow for as long as they send.
static inline uint32_t rs_chain_toll(const struct rs_chain *chain)
{
    // Relaxed: a policy.
    return atomic_load_explicit(&chain->toll, memory_order_relaxed);
}

// 0, or rs_tail_waiting(); -EPIPE: closed; -EAGAIN: as many as allowed; -ENOMEM.
int rs_chain_push(struct rs_chain *chain, const void *element);

static inline char *rs_chain_element_at(const struct rs_chain *chain, struct rs_chunk *chunk,
                                        uint64_t position)
{
    return chunk->places + (position & chain->mask) * chain->element_size;
}

static inline _Atomic char *rs_chain_mark_at(const struct rs_chain *chain, struct rs_chunk *chunk,
                                             uint64_t position)
{
    return (_Atomic char *)&chunk->places[chain->marks_at + (position & chain->mask)];
}

// Takes what is there, up to `count_max` and to the end of a chunk, for a receiver that is the only
// one. Returns how many; 0: ask rs_chain_pop().
static inline size_t rs_chain_pop_alone(struct rs_chain *chain, char *elements, size_t count_max)
{
    // Relaxed: ours, or of a receiver that has gone.
    uint64_t head = atomic_load_explicit(&chain->head, memory_order_relaxed);
    size_t count = 0;

    // Acquire, with the release in fill().
    while (head != chain->front_end && count < count_max &&
           atomic_load_explicit(rs_chain_mark_at(chain, chain->front, head),
                                memory_order_acquire) != 0) {
        rs_element_copy(elements, rs_chain_element_at(chain, chain->front, head),
                        chain->element_size);
        elements += chain->element_size;
        head++;
        count++;
    }
    // Release, with the acquire in rs_chain_length(): the tail is not behind it.
    if (count > 0) atomic_store_explicit(&chain->head, head, memory_order_release);
    return count;
}

// Takes up to `count_max`. How many; -EAGAIN: empty; -EPIPE: and closed. `alone`: there is only one
// receiver, who calls.
ssize_t rs_chain_pop(struct rs_chain *chain, char *elements, size_t count_max, bool alone);

size_t rs_chain_length(const struct rs_chain *chain);

static inline uint64_t rs_chain_position_of(uint64_t tail)
{
    return tail / RS_CHAIN_POSITION;
}

// By the tail's word and the head: nothing is there to receive, but something may come.
static inline bool rs_chain_is_empty(uint64_t tail, uint64_t head)
{
    return rs_chain_position_of(tail) == head && (tail & RS_TAIL_CLOSED) == 0;
}

#endif
