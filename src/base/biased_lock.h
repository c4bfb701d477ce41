// SPDX-License-Identifier: MIT
//
// A lock that favours one thread, its owner: what others seldom lock costs the owner two stores and
// no read-modify-write. As rs_lock otherwise, which stands behind it.
//
// The owner says that it is inside and then looks at `bias`; who takes the bias away clears `bias`
// and then looks whether the owner is inside. The owner's side has no fence: a membarrier on the
// other side makes each owner either see that the bias is gone or be seen inside. (Dice, Huang and
// Yang, "Asymmetric Dekker Synchronization".)
//
// 1. `bias` is ON only from when the owner has set it, holding `lock`, until whoever holds `lock`
//    clears it. So the owner has seen what every holder of `lock` did before, and while it is ON
//    nobody holds `lock` for longer than it takes to clear it.
// 2. Inside is the owner while `inside` is 1 and it has then found `bias` ON, or whoever holds
//    `lock` with `bias` OFF and `inside` 0; the owner, too, may come by that way.
// 3. `inside` is written by the owner only.
//
// A bias that others keep taking away costs more than it saves: it comes back only after the owner
// has locked RS_BIAS_AFTER times in a row. There is one owner at a time, and one hands over to the
// next by rs_biased_disown() and whatever makes the threads take turns.

#ifndef RS_BASE_BIASED_LOCK_H
#define RS_BASE_BIASED_LOCK_H

#include <rouse/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/lock.h"

enum { RS_BIAS_OFF = 0, RS_BIAS_ON = 1 };

// To take the bias away costs some 1.5 us on a machine where the owner is running, and each lock
// and unlock saves it 9 ns: at this length of a row, both come to about the same.
#ifndef RS_BIAS_AFTER
#define RS_BIAS_AFTER 256
#endif

// All zero is free.
struct rs_biased_lock {
    struct rs_lock lock;
    _Atomic uint32_t bias;    // RS_BIAS_ON and so on
    _Atomic uint32_t inside;  // 1: the owner is inside, or about to find that it cannot be
    uint32_t row;             // under `lock`: the owner's locks since another thread's
};

// Once before a lock gets an owner: the first registration for membarriers takes tens of
// milliseconds in a process that has several threads, and nothing in one that has a single one.
void rs_biased_prepare(void);

void rs_biased_lock_slow(struct rs_biased_lock *lock, bool owner);

// Turns the bias on. The owner, outside the lock. (A lock does this by itself.)
void rs_biased_favour(struct rs_biased_lock *lock);

// The calling thread, which is outside the lock, is its owner no longer.
void rs_biased_disown(struct rs_biased_lock *lock);

void rs_biased_wake(struct rs_biased_lock *lock);

static inline void rs_biased_leave(struct rs_biased_lock *lock)
{
    // Release, with the acquire in bias_revoke(): what we did inside is seen.
    atomic_store_explicit(&lock->inside, 0, memory_order_release);
    rs_compiler_barrier();
    // Relaxed: ordered by the membarrier. One who has found us inside sleeps until we wake it.
    if (ROUSE_UNLIKELY(atomic_load_explicit(&lock->bias, memory_order_relaxed) != RS_BIAS_ON)) {
        rs_biased_wake(lock);
    }
}

static inline bool rs_biased_enter(struct rs_biased_lock *lock)
{
    // Relaxed: it is looked at again below. By invariant 1 there is nothing to acquire.
    if (atomic_load_explicit(&lock->bias, memory_order_relaxed) != RS_BIAS_ON) return false;
    // Relaxed, both: ordered by the membarrier of who takes the bias away.
    atomic_store_explicit(&lock->inside, 1, memory_order_relaxed);
    rs_compiler_barrier();
    if (ROUSE_LIKELY(atomic_load_explicit(&lock->bias, memory_order_relaxed) == RS_BIAS_ON)) {
        return true;
    }
    rs_biased_leave(lock);
    return false;
}

// `owner`: whether the calling thread is the owner.
static inline void rs_biased_lock(struct rs_biased_lock *lock, bool owner)
{
    if (!owner || !rs_biased_enter(lock)) rs_biased_lock_slow(lock, owner);
}

static inline void rs_biased_unlock(struct rs_biased_lock *lock, bool owner)
{
    // Relaxed: our own store.
    if (owner && atomic_load_explicit(&lock->inside, memory_order_relaxed) == 1) {
        rs_biased_leave(lock);
    } else {
        rs_unlock(&lock->lock);
    }
}

#endif
