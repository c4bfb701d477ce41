// SPDX-License-Identifier: MIT
//
// The queue of an unbounded channel: see chain.h.

#include "chan/chain.h"

#include <errno.h>

#include "base/alloc.h"
#include "chan/element.h"

// What a chunk should have, and the least number of elements in it.
enum { CHUNK_BYTES = 2048, CHUNK_CAPACITY_MIN = 8 };

struct rs_chunk {
    struct rs_chunk *next;
    uint32_t count;
    uint32_t unused;
    char elements[];
};

void rs_chain_init(struct rs_chain *chain, size_t element_size, size_t count_max,
                   const struct rouse_allocator *allocator)
{
    size_t capacity = element_size > 0 ? CHUNK_BYTES / element_size : CHUNK_BYTES;

    *chain = (struct rs_chain){.element_size = element_size,
                               .count_max = count_max,
                               .allocator = allocator};
    chain->chunk_capacity =
        (uint32_t)(capacity > CHUNK_CAPACITY_MIN ? capacity : CHUNK_CAPACITY_MIN);
}

static size_t chunk_size(const struct rs_chain *chain)
{
    return sizeof(struct rs_chunk) + chain->chunk_capacity * chain->element_size;
}

static void chunk_free(struct rs_chain *chain, struct rs_chunk *chunk)
{
    rs_free(chain->allocator, chunk, chunk_size(chain));
}

void rs_chain_deinit(struct rs_chain *chain)
{
    chunk_free(chain, chain->spare);
    chunk_free(chain, chain->empty);
    chunk_free(chain, chain->front);
    chunk_free(chain, chain->first);
}

// ---- Senders ----

// Under the lock.
static int append(struct rs_chain *chain, const void *element, bool *waited)
{
    struct rs_chunk *last = chain->last;
    // Relaxed: a limit, not an order.
    size_t before = atomic_load_explicit(&chain->front_count, memory_order_relaxed);

    if (chain->closed) return -EPIPE;
    if (chain->count + before >= chain->count_max) return -EAGAIN;
    if (last == NULL || last->count == chain->chunk_capacity) {
        if (chain->spare == NULL) return -ENOMEM;
        last = chain->spare;
        chain->spare = NULL;
        *(chain->last != NULL ? &chain->last->next : &chain->first) = last;
        chain->last = last;
    }
    rs_element_copy(last->elements + last->count * chain->element_size, element,
                    chain->element_size);
    last->count++;
    chain->count++;
    *waited = chain->waited;
    return 0;
}

int rs_chain_push(struct rs_chain *chain, const void *element, bool *waited)
{
    struct rs_chunk *chunk = NULL;
    int err;

    rs_lock(&chain->lock);
    while ((err = append(chain, element, waited)) == -ENOMEM) {
        rs_unlock(&chain->lock);
        if (chunk == NULL) chunk = rs_alloc(chain->allocator, chunk_size(chain));
        if (chunk == NULL) return -ENOMEM;
        rs_lock(&chain->lock);
        if (chain->spare == NULL) {
            chain->spare = chunk;
            chunk = NULL;
        }
    }
    rs_unlock(&chain->lock);
    if (chunk != NULL) chunk_free(chain, chunk);
    return err;
}

// ---- Receivers ----

// Keeps an empty chunk for the senders, who get it with the next fetch.
static void recycle(struct rs_chain *chain, struct rs_chunk *chunk)
{
    if (chain->empty != NULL) {
        chunk_free(chain, chunk);
        return;
    }
    chunk->next = NULL;
    chunk->count = 0;
    chain->empty = chunk;
}

// The front is empty: fetches the back. 0, -EAGAIN or -EPIPE.
static int fetch(struct rs_chain *chain)
{
    rs_lock(&chain->lock);
    size_t count = chain->count;
    int err = count > 0 ? 0 : chain->closed ? -EPIPE : -EAGAIN;

    chain->front = chain->first;
    chain->first = NULL;
    chain->last = NULL;
    chain->count = 0;
    if (chain->spare == NULL) {
        chain->spare = chain->empty;
        chain->empty = NULL;
    }
    // Relaxed: a hint.
    atomic_store_explicit(&chain->front_count, count, memory_order_relaxed);
    rs_unlock(&chain->lock);
    chain->taken = 0;
    return err;
}

static int front_pop(struct rs_chain *chain, void *element)
{
    struct rs_chunk *chunk = chain->front;

    if (chunk == NULL) {
        int err = fetch(chain);

        if (err < 0) return err;
        chunk = chain->front;
    }
    rs_element_copy(element, chunk->elements + chain->taken * chain->element_size,
                    chain->element_size);
    chain->taken++;
    // Relaxed: a hint, which only receivers change.
    atomic_store_explicit(&chain->front_count,
                          atomic_load_explicit(&chain->front_count, memory_order_relaxed) - 1,
                          memory_order_relaxed);
    if (chain->taken == chunk->count) {
        chain->front = chunk->next;
        chain->taken = 0;
        recycle(chain, chunk);
    }
    return 0;
}

ssize_t rs_chain_pop(struct rs_chain *chain, char *elements, size_t count_max, bool alone)
{
    size_t count = 0;
    int err;

    if (!alone) rs_lock(&chain->front_lock);
    do {
        err = front_pop(chain, elements + count * chain->element_size);
    } while (err == 0 && ++count < count_max);
    if (!alone) rs_unlock(&chain->front_lock);
    return count > 0 ? (ssize_t)count : err;
}

// ---- Closed, and waited for ----

bool rs_chain_close(struct rs_chain *chain)
{
    rs_lock(&chain->lock);
    bool was = chain->closed;

    chain->closed = true;
    rs_unlock(&chain->lock);
    return !was;
}

bool rs_chain_is_closed(struct rs_chain *chain)
{
    rs_lock(&chain->lock);
    bool closed = chain->closed;

    rs_unlock(&chain->lock);
    return closed;
}

bool rs_chain_wait_for_element(struct rs_chain *chain)
{
    rs_lock(&chain->lock);
    // Relaxed: what is in the front, a receiver that does not wait will take.
    bool empty = chain->count == 0 &&
                 atomic_load_explicit(&chain->front_count, memory_order_relaxed) == 0;
    bool wait = empty && !chain->closed;

    if (wait) chain->waited = true;
    rs_unlock(&chain->lock);
    return wait;
}

void rs_chain_nobody_waits_for_element(struct rs_chain *chain)
{
    rs_lock(&chain->lock);
    chain->waited = false;
    rs_unlock(&chain->lock);
}

size_t rs_chain_length(struct rs_chain *chain)
{
    rs_lock(&chain->lock);
    // Relaxed: out of date at once.
    size_t length = chain->count + atomic_load_explicit(&chain->front_count, memory_order_relaxed);

    rs_unlock(&chain->lock);
    return length;
}
