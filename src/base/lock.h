// SPDX-License-Identifier: MIT
//
// A small lock for short critical sections between threads: one word, a futex behind it. Not for
// tasks, not held across a wait, and no user code is called under it.
//
//     FREE --lock--> HELD --another arrives--> CONTENDED
//      ^              |                            |
//      +---unlock-----+-----unlock, wake one-------+
//
// A woken waiter takes the lock as CONTENDED, since others may still sleep: at worst one needless
// wake. (Drepper, "Futexes Are Tricky", the second mutex.)

#ifndef RS_BASE_LOCK_H
#define RS_BASE_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RS_LOCK_FREE = 0, RS_LOCK_HELD = 1, RS_LOCK_CONTENDED = 2 };

// All zero is free.
struct rs_lock {
    _Atomic uint32_t word;
};

void rs_lock_wait(struct rs_lock *lock);
void rs_lock_wake(struct rs_lock *lock);

static inline bool rs_trylock(struct rs_lock *lock)
{
    uint32_t expected = RS_LOCK_FREE;

    // Acquire, with the release in rs_unlock(). Relaxed on failure: nothing was learnt.
    return atomic_compare_exchange_strong_explicit(&lock->word, &expected, RS_LOCK_HELD,
                                                   memory_order_acquire, memory_order_relaxed);
}

static inline void rs_lock(struct rs_lock *lock)
{
    if (!rs_trylock(lock)) rs_lock_wait(lock);
}

static inline void rs_unlock(struct rs_lock *lock)
{
    // Release, with the acquire of whoever takes the lock next.
    if (atomic_exchange_explicit(&lock->word, RS_LOCK_FREE, memory_order_release) ==
        RS_LOCK_CONTENDED) {
        rs_lock_wake(lock);
    }
}

#endif
