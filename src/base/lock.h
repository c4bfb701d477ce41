// SPDX-License-Identifier: MIT
//
// A small lock for short critical sections between threads: one word, a futex behind it. Not for
// tasks, not held across a wait, and no user code is called under it.
//
// Who finds it held spins a little; then it counts itself among the sleepers, puts a membarrier
// into all other threads, and sleeps on the word while that is HELD. An unlock is a plain store and
// a look at the count, without a read-modify-write, and without a fence between them: the barrier
// of the sleeper stands in for it. For each unlock it is before the barrier or after it that the
// count is looked at. Before: then the word was free before the barrier, and the sleeper does not
// take that holder's HELD for one to sleep on. After: then the sleeper is counted, and woken.
// (Dice, Huang and Yang, "Asymmetric Dekker Synchronization".)
//
// One unlock wakes one sleeper, which is counted until it has the lock: its own unlock, or that of
// whoever was faster, wakes the next.
//
// The counts are not part of the lock, since whoever has it next may free it: after the store an
// unlock does not touch it. Locks may share a count: then a wake may find nobody.

#ifndef RS_BASE_LOCK_H
#define RS_BASE_LOCK_H

#include <rouse/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/rmw.h"

enum { RS_LOCK_FREE = 0, RS_LOCK_HELD = 1 };

enum { RS_LOCK_SLEEPERS_COUNT = 64 };

// All zero is free.
struct rs_lock {
    _Atomic uint32_t word;
};

// How many threads sleep, or are about to, on the locks whose addresses lead to an element.
extern _Atomic uint32_t rs_lock_sleepers[RS_LOCK_SLEEPERS_COUNT];

void rs_lock_wait(struct rs_lock *lock);
void rs_lock_wake(struct rs_lock *lock);

// In the child of a fork, where the other threads are not: nobody sleeps.
void rs_lock_forget_sleepers(void);

static inline _Atomic uint32_t *rs_lock_sleepers_on(const struct rs_lock *lock)
{
    return &rs_lock_sleepers[(uintptr_t)lock / RS_CACHE_LINE % RS_LOCK_SLEEPERS_COUNT];
}

static inline bool rs_trylock(struct rs_lock *lock)
{
    uint32_t expected = RS_LOCK_FREE;

    // Acquire, with the release in rs_unlock(). Relaxed on failure: nothing was learnt.
    return rs_compare_exchange_strong_32(&lock->word, &expected, RS_LOCK_HELD, memory_order_acquire,
                                         memory_order_relaxed);
}

static inline void rs_lock(struct rs_lock *lock)
{
    if (ROUSE_UNLIKELY(!rs_trylock(lock))) rs_lock_wait(lock);
}

static inline void rs_unlock(struct rs_lock *lock)
{
    const _Atomic uint32_t *sleepers = rs_lock_sleepers_on(lock);

    // Release, with the acquire of whoever takes the lock next.
    atomic_store_explicit(&lock->word, RS_LOCK_FREE, memory_order_release);
    rs_compiler_barrier();
    // Relaxed: ordered by the membarrier in rs_lock_wait().
    if (ROUSE_UNLIKELY(atomic_load_explicit(sleepers, memory_order_relaxed) != 0)) {
        rs_lock_wake(lock);
    }
}

#endif
