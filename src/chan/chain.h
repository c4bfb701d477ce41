// SPDX-License-Identifier: MIT
//
// The queue of an unbounded channel: chunks of elements, in two parts. Senders append to the back
// under its lock; receivers take from the front, and when that is empty, fetch the whole back at
// once. So a message costs its sender a lock, and its receiver next to nothing.
//
//     front: chunk -> chunk            back: chunk -> chunk <- senders
//       ^ receivers                          |
//       +---- all of it, when the front is empty
//
// 1. The back, `waited`, `closed` and `spare` change under `lock`. The front changes under
//    `front_lock`, or without it by a receiver that is the only one. Of the two locks, the front's
//    is taken first.
// 2. A chunk in the front is filled no further.

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

struct rs_chunk;

struct rs_chain {
    struct rs_lock lock;
    bool closed;
    bool waited;  // a receiver waits
    struct rs_chunk *first;
    struct rs_chunk *last;
    struct rs_chunk *spare;  // an empty one, to be filled next
    size_t count;            // in the back
    char apart[RS_CACHE_LINE];
    struct rs_lock front_lock;
    struct rs_chunk *front;
    struct rs_chunk *empty;      // the last one that was emptied, for the senders
    uint32_t taken;              // from the first chunk of the front
    _Atomic size_t front_count;  // others take it as a hint
    size_t element_size;
    size_t count_max;
    uint32_t chunk_capacity;
    const struct rouse_allocator *allocator;
};

void rs_chain_init(struct rs_chain *chain, size_t element_size, size_t count_max,
                   const struct rouse_allocator *allocator);
void rs_chain_deinit(struct rs_chain *chain);

// 0; -EPIPE: closed; -EAGAIN: as many as allowed; -ENOMEM. `*waited`: a receiver waits.
int rs_chain_push(struct rs_chain *chain, const void *element, bool *waited);

// Takes up to `count_max`. How many; -EAGAIN: empty; -EPIPE: and closed. `alone`: there is only one
// receiver, who calls.
ssize_t rs_chain_pop(struct rs_chain *chain, char *elements, size_t count_max, bool alone);

// True for the call that closed it.
bool rs_chain_close(struct rs_chain *chain);

// Under the lock of the queue of those who wait: true if the chain is empty, and its senders know
// that somebody waits.
bool rs_chain_wait_for_element(struct rs_chain *chain);
void rs_chain_nobody_waits_for_element(struct rs_chain *chain);

size_t rs_chain_length(struct rs_chain *chain);
bool rs_chain_is_closed(struct rs_chain *chain);

#endif
