// SPDX-License-Identifier: MIT
//
// The word that the senders of a channel exchange, as far as that of a ring and that of a chain are
// alike. Its lowest bits are flags; the position is above them, where each kind has it.
//
//     | position ... | LISTENS | CLOSED | RECEIVER_WAITS |
//
// 1. A receiver that is to wait sets a flag by an exchange that finds the queue empty still.
//    Whoever sends does so by an exchange of the same word, and so sees the flag, or comes first.
// 2. LISTENS is that of a receiver that is the only one, and its waiter is `listener`. An exchange
//    that sends takes it away, so the queue is empty while it is set. Who has taken it away, a
//    sender or the receiver itself, has the waiter, and nobody else.
// 3. RECEIVER_WAITS is that of those who wait in the channel's queue, and changes under its lock.

#ifndef RS_CHAN_TAIL_H
#define RS_CHAN_TAIL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rmw.h"

enum {
    RS_TAIL_RECEIVER_WAITS = 1 << 0,
    RS_TAIL_CLOSED = 1 << 1,
    RS_TAIL_LISTENS = 1 << 2,
    RS_TAIL_FLAGS = 3,  // how many
};

struct rouse_waiter;

// All zero is a new one.
struct rs_tail {
    _Atomic uint64_t word;
    struct rouse_waiter *listener;  // written by the only receiver, while LISTENS is not set
};

// Relaxed: for a guess or a look.
static inline uint64_t rs_tail_look(const struct rs_tail *tail)
{
    return atomic_load_explicit(&tail->word, memory_order_relaxed);
}

// Of the word before an exchange that sent: who waits for the element.
static inline int rs_tail_waiting(uint64_t before)
{
    return (int)(before & (RS_TAIL_RECEIVER_WAITS | RS_TAIL_LISTENS));
}

// ---- Closed ----

// True for the call that closed it.
static inline bool rs_tail_close(struct rs_tail *tail)
{
    // Relaxed: a flag that stands for itself.
    uint64_t before = rs_fetch_or_64(&tail->word, RS_TAIL_CLOSED, memory_order_relaxed);

    return (before & RS_TAIL_CLOSED) == 0;
}

static inline bool rs_tail_is_closed(const struct rs_tail *tail)
{
    return (rs_tail_look(tail) & RS_TAIL_CLOSED) != 0;
}

// ---- Those in the queue; under its lock ----

// Somebody is to wait if the queue is empty by the word that this returns.
static inline uint64_t rs_tail_wait(struct rs_tail *tail)
{
    // Relaxed, both: where the flag is set already, by invariant 4 of channel.h, an exchange that
    // this load does not show comes after it, and its sender comes for the lock.
    uint64_t word = rs_tail_look(tail);

    if ((word & RS_TAIL_RECEIVER_WAITS) != 0) return word;
    return rs_fetch_or_64(&tail->word, RS_TAIL_RECEIVER_WAITS, memory_order_relaxed);
}

static inline void rs_tail_nobody_waits(struct rs_tail *tail)
{
    // Relaxed: changed under the lock.
    rs_fetch_and_64(&tail->word, ~(uint64_t)RS_TAIL_RECEIVER_WAITS, memory_order_relaxed);
}

// ---- The listener ----

// Sets LISTENS if the word is `*word` still, by which the queue is empty.
static inline bool rs_tail_listen(struct rs_tail *tail, uint64_t *word)
{
    // Release, with the acquire of whoever takes it away: the listener is there. Relaxed on
    // failure: a guess for the next.
    return rs_compare_exchange_weak_64(&tail->word, word, *word | RS_TAIL_LISTENS,
                                       memory_order_release, memory_order_relaxed);
}

// Whether the next sender will take it away. A wake alone need not bring what its sender has
// written, so this is more than a look.
static inline bool rs_tail_listens(struct rs_tail *tail)
{
    // Relaxed: a read-modify-write reads the latest; what it finds is the listener's own.
    return (rs_fetch_or_64(&tail->word, 0, memory_order_relaxed) & RS_TAIL_LISTENS) != 0;
}

// Takes it away without sending. False if it was not there.
static inline bool rs_tail_unlisten(struct rs_tail *tail)
{
    // Acquire, with the release in rs_tail_listen().
    uint64_t before =
        rs_fetch_and_64(&tail->word, ~(uint64_t)RS_TAIL_LISTENS, memory_order_acquire);

    return (before & RS_TAIL_LISTENS) != 0;
}

#endif
