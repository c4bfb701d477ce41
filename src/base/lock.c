// SPDX-License-Identifier: MIT
//
// The slow half of the lock: spin a little, then sleep.

#include "base/lock.h"

#include "base/cpu.h"
#include "base/sys.h"

// A critical section is some tens of nanoseconds; a sleep and a wake cost microseconds.
#ifndef RS_LOCK_SPIN_ROUNDS
#define RS_LOCK_SPIN_ROUNDS 64
#endif

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
    if (spin(lock)) return;
    // Acquire, with the release in rs_unlock().
    while (atomic_exchange_explicit(&lock->word, RS_LOCK_CONTENDED, memory_order_acquire) !=
           RS_LOCK_FREE) {
        // EAGAIN (it changed), EINTR and spurious returns all mean: look again.
        (void)rs_sys.futex_wait((uint32_t *)&lock->word, RS_LOCK_CONTENDED, NULL);
    }
}

void rs_lock_wake(struct rs_lock *lock)
{
    (void)rs_sys.futex_wake((uint32_t *)&lock->word, 1);
}
