// SPDX-License-Identifier: MIT
//
// The queue of an unbounded channel: see chain.h.

#include "chan/chain.h"

#include <errno.h>
#include <rouse/compiler.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rmw.h"
#include "chan/spin.h"

// What a chunk should have, and the least number of elements in it; both powers of two.
#ifndef RS_CHAIN_CHUNK_BYTES
#define RS_CHAIN_CHUNK_BYTES 2048
#endif
#ifndef RS_CHAIN_CHUNK_CAPACITY_MIN
#define RS_CHAIN_CHUNK_CAPACITY_MIN 8
#endif

// One operation for each so many elements, which are few enough to stay in the caches; and as many
// at most, so that a turn of a sender remains worth the switch to it.
enum { TOLL_EACH = 256, TOLL_MAX = 15 };

// ---- Chunks ----

static size_t chunk_size(const struct rs_chain *chain)
{
    return sizeof(struct rs_chunk) + chain->marks_at + chain->mask + 1;
}

// Of a chunk that is ours alone: no element is in it, whatever its places hold.
static void chunk_clear(const struct rs_chain *chain, struct rs_chunk *chunk)
{
    // Relaxed: as said.
    atomic_store_explicit(&chunk->next, NULL, memory_order_relaxed);
    memset(chunk->places + chain->marks_at, 0, chain->mask + 1);
}

// An empty chunk that is the caller's; NULL: no memory.
static struct rs_chunk *chunk_get(struct rs_chain *chain)
{
    // Acquire, with the release in chunk_put(): it has been cleared.
    struct rs_chunk *chunk = atomic_exchange_explicit(&chain->spare, NULL, memory_order_acquire);

    if (chunk != NULL) return chunk;
    chunk = rs_alloc_uncleared(chain->allocator, chunk_size(chain));
    if (chunk != NULL) chunk_clear(chain, chunk);
    return chunk;
}

// Keeps one for the next who needs it.
static void chunk_put(struct rs_chain *chain, struct rs_chunk *chunk)
{
    struct rs_chunk *none = NULL;

    // Release, with the acquire in chunk_get(). Relaxed on failure: we only give up.
    if (!atomic_compare_exchange_strong_explicit(&chain->spare, &none, chunk, memory_order_release,
                                                 memory_order_relaxed)) {
        rs_free(chain->allocator, chunk, chunk_size(chain));
    }
}

// ---- Made ----

void rs_chain_init(struct rs_chain *chain, size_t element_size, size_t count_max,
                   const struct rouse_allocator *allocator)
{
    size_t capacity = RS_CHAIN_CHUNK_BYTES;

    while (capacity * element_size > RS_CHAIN_CHUNK_BYTES &&
           capacity > RS_CHAIN_CHUNK_CAPACITY_MIN) {
        capacity /= 2;
    }
    *chain = (struct rs_chain){.element_size = element_size,
                               .count_max = count_max,
                               .mask = capacity - 1,
                               .marks_at = capacity * element_size,
                               .allocator = allocator};
}

void rs_chain_deinit(struct rs_chain *chain)
{
    // Relaxed, all: nobody else is left.
    struct rs_chunk *chunk = chain->front;
    struct rs_chunk *next;

    if (chunk == NULL) chunk = atomic_load_explicit(&chain->first, memory_order_relaxed);
    for (; chunk != NULL; chunk = next) {
        next = atomic_load_explicit(&chunk->next, memory_order_relaxed);
        rs_free(chain->allocator, chunk, chunk_size(chain));
    }
    chunk = atomic_load_explicit(&chain->spare, memory_order_relaxed);
    rs_free(chain->allocator, chunk, chunk_size(chain));
}

// ---- Senders ----

static bool is_at_limit(const struct rs_chain *chain, uint64_t position)
{
    if (chain->count_max >= INT64_MAX) return false;
    // Relaxed: a limit, not an order. It may be newer than the position.
    uint64_t head = atomic_load_explicit(&chain->head, memory_order_relaxed);

    return (int64_t)(position - head) >= (int64_t)chain->count_max;
}

// With the first place of a chunk, which is at `position`.
static void set_toll(struct rs_chain *chain, uint64_t position)
{
    // Relaxed, both: a policy. The head may be newer than the position.
    uint64_t head = atomic_load_explicit(&chain->head, memory_order_relaxed);
    uint64_t behind = position > head ? (position - head) / TOLL_EACH : 0;

    atomic_store_explicit(&chain->toll, behind < TOLL_MAX ? (uint32_t)behind : TOLL_MAX,
                          memory_order_relaxed);
}

// Links the chunk of a place that is ours, the first in it, and lets the others go on.
static void install(struct rs_chain *chain, struct rs_chunk *last, struct rs_chunk *chunk)
{
    // Release, with the acquire in front_of(): it is empty, and nothing touches `last` after it.
    atomic_store_explicit(last != NULL ? &last->next : &chain->first, chunk, memory_order_release);
    // Relaxed: published by the next.
    atomic_store_explicit(&chain->last, chunk, memory_order_relaxed);
    // Release, with the acquire in claim().
    rs_fetch_and_64(&chain->tail.word, ~(uint64_t)RS_CHAIN_INSTALLING, memory_order_release);
}

// The tail after an element was sent.
static uint64_t sent(uint64_t tail)
{
    return (tail & ~(uint64_t)RS_TAIL_LISTENS) + RS_CHAIN_POSITION;
}

// Takes a place. 0, with the tail before, and its chunk; -EPIPE, -EAGAIN, -ENOMEM. `*fresh` is a
// chunk for the first place of one; what is left of it is the caller's.
static int claim(struct rs_chain *chain, uint64_t *before, struct rs_chunk **chunk,
                 struct rs_chunk **fresh)
{
    // Acquire, here and below, with the release in install(): the last chunk is seen. With the
    // release below: what a later tail's chunk is, is written after we have read ours. And with the
    // release in rs_tail_listen(), where the exchange takes LISTENS away.
    uint64_t tail = atomic_load_explicit(&chain->tail.word, memory_order_acquire);
    int rounds = 0;

    for (;;) {
        bool first = (rs_chain_position_of(tail) & chain->mask) == 0;

        if ((tail & RS_TAIL_CLOSED) != 0) return -EPIPE;
        if (is_at_limit(chain, rs_chain_position_of(tail))) return -EAGAIN;
        if (ROUSE_UNLIKELY((tail & RS_CHAIN_INSTALLING) != 0)) {
            rs_spin(&rounds);
            tail = atomic_load_explicit(&chain->tail.word, memory_order_acquire);
            continue;
        }
        if (ROUSE_UNLIKELY(first) && *fresh == NULL) {
            *fresh = chunk_get(chain);
            if (*fresh == NULL) return -ENOMEM;
        }
        // Relaxed: see above.
        *chunk = atomic_load_explicit(&chain->last, memory_order_relaxed);
        if (rs_compare_exchange_weak_64(&chain->tail.word, &tail,
                                        sent(tail) + (first ? RS_CHAIN_INSTALLING : 0),
                                        memory_order_acq_rel, memory_order_acquire)) {
            *before = tail;
            if (ROUSE_LIKELY(!first)) return 0;
            install(chain, *chunk, *fresh);
            set_toll(chain, rs_chain_position_of(tail));
            *chunk = *fresh;
            *fresh = NULL;
            return 0;
        }
    }
}

// The usual case: a place that is not the first of its chunk, and nobody in the way. True, with the
// tail before, and its chunk; or ask claim().
static bool claim_next(struct rs_chain *chain, uint64_t *before, struct rs_chunk **chunk)
{
    // Acquire, and the release below: as in claim().
    uint64_t tail = atomic_load_explicit(&chain->tail.word, memory_order_acquire);

    if ((tail & (RS_TAIL_CLOSED | RS_CHAIN_INSTALLING)) != 0 ||
        (rs_chain_position_of(tail) & chain->mask) == 0 || chain->count_max < INT64_MAX) {
        return false;
    }
    *before = tail;
    // Relaxed, and on failure: see claim(), which looks anew.
    *chunk = atomic_load_explicit(&chain->last, memory_order_relaxed);
    return rs_compare_exchange_strong_64(&chain->tail.word, &tail, sent(tail), memory_order_acq_rel,
                                         memory_order_relaxed);
}

// Puts an element into a place that is ours. Returns who waits for it.
static inline int fill(struct rs_chain *chain, struct rs_chunk *chunk, uint64_t tail,
                       const void *element)
{
    rs_element_copy(rs_chain_element_at(chain, chunk, rs_chain_position_of(tail)), element,
                    chain->element_size);
    // Release, with the acquire in pop_one() and rs_chain_pop_alone(): who sees the mark sees the
    // element.
    atomic_store_explicit(rs_chain_mark_at(chain, chunk, rs_chain_position_of(tail)), 1,
                          memory_order_release);
    return rs_tail_waiting(tail);
}

__attribute__((noinline)) static int push_slowly(struct rs_chain *chain, const void *element)
{
    struct rs_chunk *fresh = NULL;
    struct rs_chunk *chunk;
    uint64_t tail;
    int err = claim(chain, &tail, &chunk, &fresh);

    if (fresh != NULL) chunk_put(chain, fresh);
    return err < 0 ? err : fill(chain, chunk, tail, element);
}

int rs_chain_push(struct rs_chain *chain, const void *element)
{
    struct rs_chunk *chunk;
    uint64_t tail;

    if (ROUSE_UNLIKELY(!claim_next(chain, &tail, &chunk))) return push_slowly(chain, element);
    return fill(chain, chunk, tail, element);
}

// ---- Receivers ----

// The chunk of the next position; NULL if it is not there yet.
static struct rs_chunk *front_of(struct rs_chain *chain, uint64_t head)
{
    struct rs_chunk *front = chain->front;

    if (ROUSE_LIKELY(head != chain->front_end)) return front;
    // Acquire, with the release in install().
    struct rs_chunk *next =
        atomic_load_explicit(front != NULL ? &front->next : &chain->first, memory_order_acquire);

    if (next == NULL) return NULL;
    chain->front = next;
    chain->front_end = head + chain->mask + 1;
    if (front != NULL) {
        chunk_clear(chain, front);
        chunk_put(chain, front);
    }
    return next;
}

static int pop_one(struct rs_chain *chain, void *element)
{
    // Relaxed: ours.
    uint64_t head = atomic_load_explicit(&chain->head, memory_order_relaxed);
    int rounds = 0;

    for (;;) {
        struct rs_chunk *chunk = front_of(chain, head);

        // Acquire, with the release in fill().
        if (chunk != NULL &&
            atomic_load_explicit(rs_chain_mark_at(chain, chunk, head), memory_order_acquire) != 0) {
            rs_element_copy(element, rs_chain_element_at(chain, chunk, head), chain->element_size);
            // Release, with the acquire in rs_chain_length(): the tail is not behind it.
            atomic_store_explicit(&chain->head, head + 1, memory_order_release);
            return 0;
        }
        // Relaxed: it counts, the marks publish.
        uint64_t tail = rs_tail_look(&chain->tail);

        if (rs_chain_position_of(tail) == head) {
            return (tail & RS_TAIL_CLOSED) != 0 ? -EPIPE : -EAGAIN;
        }
        rs_spin(&rounds);  // the sender is about to fill it
    }
}

ssize_t rs_chain_pop(struct rs_chain *chain, char *elements, size_t count_max, bool alone)
{
    size_t count = 0;
    int err;

    if (!alone) rs_lock(&chain->front_lock);
    do {
        err = pop_one(chain, elements + count * chain->element_size);
    } while (err == 0 && ++count < count_max);
    if (!alone) rs_unlock(&chain->front_lock);
    return count > 0 ? (ssize_t)count : err;
}

// ---- Looked at ----

size_t rs_chain_length(const struct rs_chain *chain)
{
    uint64_t head;
    uint64_t tail;
    uint64_t again;

    // The two are of one moment if no receiver went on in between.
    do {
        // Acquire, with the release in pop_one(): the tail is not behind it.
        head = atomic_load_explicit(&chain->head, memory_order_acquire);
        // Relaxed, both: they are only counted and compared.
        tail = rs_tail_look(&chain->tail);
        again = atomic_load_explicit(&chain->head, memory_order_relaxed);
    } while (again != head);
    return (size_t)(rs_chain_position_of(tail) - head);
}
