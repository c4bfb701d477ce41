// SPDX-License-Identifier: MIT
//
// How a back end is woken: an eventfd that is watched for edges and never read. Each write is an
// edge of its own, and an edge taken by a wait is gone.
//
// The word between notify(), the one who sleeps, and those who poll:
//
// - notify() sets NOTIFIED, then writes the eventfd.
// - a sleep sets SLEEPING and clears NOTIFIED in one exchange. If NOTIFIED was set, it does not
//   sleep. On its way out it clears both.
// - one who polls and took the notifier's edge looks whether SLEEPING is set, and then writes the
//   eventfd once more.
//
// No notification is lost: if notify()'s set comes first, the sleeper's exchange sees it. Else the
// sleeper's exchange comes first, so SLEEPING was set before the eventfd was written, and whoever
// takes that edge is the sleeper, or sees SLEEPING and passes the edge on. At worst a sleep ends
// for no reason.
//
// Relaxed, all accesses: they are about this one word, whose changes stand in one order, and the
// kernel orders the write before the wait that takes its edge. What a notification publishes, our
// callers publish.

#ifndef RS_IO_NOTIFIER_H
#define RS_IO_NOTIFIER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "base/counters.h"
#include "base/sys.h"

enum { RS_NOTIFIER_SLEEPING = 1 << 0, RS_NOTIFIER_NOTIFIED = 1 << 1 };

struct rs_notifier {
    int fd;
    _Atomic uint32_t state;
};

static inline int rs_notifier_open(struct rs_notifier *notifier)
{
    notifier->fd = rs_sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (notifier->fd < 0) return notifier->fd;
    rs_counter_add(RS_COUNTER_FDS, 1);
    return 0;
}

static inline void rs_notifier_close(struct rs_notifier *notifier)
{
    (void)rs_sys.close(notifier->fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
}

// An edge without a notification: for what a sleeper has to look at, and then may sleep on.
static inline void rs_notifier_kick(struct rs_notifier *notifier)
{
    const uint64_t one = 1;

    // It fails only with -EAGAIN, after 2^64 - 2 writes.
    (void)rs_sys.write(notifier->fd, &one, sizeof one);
}

static inline void rs_notifier_notify(struct rs_notifier *notifier)
{
    atomic_fetch_or_explicit(&notifier->state, RS_NOTIFIER_NOTIFIED, memory_order_relaxed);
    rs_notifier_kick(notifier);
}

// Returns true if a notification came before, so that there is no sleep.
static inline bool rs_notifier_sleep_begin(struct rs_notifier *notifier)
{
    return (atomic_exchange_explicit(&notifier->state, RS_NOTIFIER_SLEEPING, memory_order_relaxed) &
            RS_NOTIFIER_NOTIFIED) != 0;
}

// True if a notification has come since the sleep began.
static inline bool rs_notifier_is_notified(struct rs_notifier *notifier)
{
    return (atomic_load_explicit(&notifier->state, memory_order_relaxed) & RS_NOTIFIER_NOTIFIED) !=
           0;
}

static inline void rs_notifier_sleep_end(struct rs_notifier *notifier)
{
    atomic_store_explicit(&notifier->state, 0, memory_order_relaxed);
}

// A poll took the notifier's edge: it belongs to the one who sleeps, if somebody does.
static inline void rs_notifier_pass_on(struct rs_notifier *notifier)
{
    // If the notification was meant for a sleep, its bit is seen, or the sleep is over.
    if ((atomic_load_explicit(&notifier->state, memory_order_relaxed) & RS_NOTIFIER_SLEEPING) !=
        0) {
        rs_notifier_kick(notifier);
    }
}

#endif
