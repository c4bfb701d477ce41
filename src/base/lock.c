// SPDX-License-Identifier: MIT
//
// The slow half of the lock: spin a little, then sleep.

#include "base/lock.h"

#include "base/barrier.h"
#include "base/sys.h"

// A critical section is some tens of nanoseconds; a sleep and a wake cost microseconds.
#ifndef RS_LOCK_SPIN_ROUNDS
#define RS_LOCK_SPIN_ROUNDS 64
#endif

_Alignas(RS_CACHE_LINE) _Atomic uint32_t rs_lock_sleepers[RS_LOCK_SLEEPERS_COUNT];

static bool spin(struct rs_lock *lock)
{
    for (int round = 0; round < RS_LOCK_SPIN_ROUNDS; round++) {
        rs_cpu_relax();
        // Relaxed: only a hint; rs_trylock() does the acquire.
        if (atomic_load_explicit(&lock->word, memory_order_relaxed) == RS_LOCK_FREE &&
            rs_trylock(lock)) {
            return true;
        }
    }
    return false;
}

void rs_lock_wait(struct rs_lock *lock)
{
    _Atomic uint32_t *sleepers = rs_lock_sleepers_on(lock);

    if (spin(lock)) return;
    // Relaxed: ordered by the membarrier, before every look at the word from here on.
    atomic_fetch_add_explicit(sleepers, 1, memory_order_relaxed);
    rs_barrier_all();
    while (!rs_trylock(lock)) {
        // EAGAIN (it is free), EINTR and spurious returns all mean: look again.
        (void)rs_sys.futex_wait((uint32_t *)&lock->word, RS_LOCK_HELD, NULL);
    }
    // Relaxed: whoever still sees us wakes in vain.
    atomic_fetch_sub_explicit(sleepers, 1, memory_order_relaxed);
}

void rs_lock_wake(struct rs_lock *lock)
{
    (void)rs_sys.futex_wake((uint32_t *)&lock->word, 1);
}

void rs_lock_forget_sleepers(void)
{
    // Relaxed: there is one thread.
    for (int i = 0; i < RS_LOCK_SLEEPERS_COUNT; i++) {
        atomic_store_explicit(&rs_lock_sleepers[i], 0, memory_order_relaxed);
    }
}
