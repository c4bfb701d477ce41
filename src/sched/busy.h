// SPDX-License-Identifier: MIT
//
// How long a worker has been awake: its own thread says when it wakes and when it goes to sleep,
// and anyone may ask meanwhile. No reading is below an earlier one: what collects them takes that
// for a count that has begun anew.

#ifndef RS_SCHED_BUSY_H
#define RS_SCHED_BUSY_H

#include <stdatomic.h>
#include <stdint.h>

// 1. Only the worker's thread writes `total_ns` and `since_ns`, and only readers write `read_ns`.
// 2. Whoever sees a `total_ns` with a time in it that `since_ns` still counts, sees next that
//    `since_ns` has changed. No two times awake begin at once, but for those that took no time.
struct rs_busy {
    _Atomic uint64_t total_ns;  // of the times that are over
    _Atomic uint64_t since_ns;  // when this one began; 0: asleep
    _Atomic uint64_t read_ns;   // the largest reading
};

static inline void rs_busy_begin(struct rs_busy *busy, uint64_t now_ns)
{
    // Relaxed: a reader that is late sees a worker that sleeps.
    atomic_store_explicit(&busy->since_ns, now_ns, memory_order_relaxed);
}

static inline void rs_busy_end(struct rs_busy *busy, uint64_t now_ns)
{
    // Relaxed, both loads: ours.
    uint64_t since = atomic_load_explicit(&busy->since_ns, memory_order_relaxed);
    uint64_t total = atomic_load_explicit(&busy->total_ns, memory_order_relaxed);

    // Relaxed: published by what follows.
    atomic_store_explicit(&busy->since_ns, 0, memory_order_relaxed);
    // Release, with the acquire in rs_busy_get(): invariant 2.
    if (since != 0) {
        atomic_store_explicit(&busy->total_ns, total + (now_ns - since), memory_order_release);
    }
}

// The larger of a reading and those before it. A reader's clock may be ahead of the one that the
// worker has read on its way to sleep.
static inline uint64_t rs_busy_not_below(struct rs_busy *busy, uint64_t reading_ns)
{
    // Relaxed, all: a maximum, which publishes nothing.
    uint64_t largest = atomic_load_explicit(&busy->read_ns, memory_order_relaxed);

    while (largest < reading_ns) {
        if (atomic_compare_exchange_weak_explicit(&busy->read_ns, &largest, reading_ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return reading_ns;
        }
    }
    return largest;
}

// As of `now_ns`. Any thread. It looks again if the worker has just gone to sleep or woken.
static inline uint64_t rs_busy_get(struct rs_busy *busy, uint64_t now_ns)
{
    uint64_t since;
    uint64_t total;

    do {
        // Relaxed: with an older total the reading is only late, and rs_busy_not_below() mends it.
        since = atomic_load_explicit(&busy->since_ns, memory_order_relaxed);
        // Acquire, with the release in rs_busy_end().
        total = atomic_load_explicit(&busy->total_ns, memory_order_acquire);
        // Relaxed: see invariant 2.
    } while (atomic_load_explicit(&busy->since_ns, memory_order_relaxed) != since);
    return rs_busy_not_below(busy, since != 0 && now_ns > since ? total + (now_ns - since) : total);
}

#endif
