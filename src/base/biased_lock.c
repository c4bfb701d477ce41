// SPDX-License-Identifier: MIT
//
// The seldom half of the biased lock: turning the bias on, and taking it away.

#include "base/biased_lock.h"

#include "base/barrier.h"
#include "base/sanitizer.h"
#include "base/sys.h"

// ThreadSanitizer does not know what a membarrier orders. The model explorer does.
#ifndef RS_LOCK_BIAS
#define RS_LOCK_BIAS (!RS_TSAN)
#endif

// How often one who takes the bias away looks whether the owner has left, before it sleeps.
#ifndef RS_BIAS_SPIN_ROUNDS
#define RS_BIAS_SPIN_ROUNDS 64
#endif

void rs_biased_prepare(void)
{
    (void)rs_barrier_prepare();  // refused here, it will be refused there
}

// Under `lock`. Where the kernel refuses, it stays off, and this is asked once in a while.
static void bias_turn_on(struct rs_biased_lock *lock)
{
    lock->row = 0;
    if (RS_LOCK_BIAS && rs_barrier_prepare()) {
        // Relaxed: the owner is who reads it without `lock`, and that is us.
        atomic_store_explicit(&lock->bias, RS_BIAS_ON, memory_order_relaxed);
    }
}

// Under `lock`.
static void bias_revoke(struct rs_biased_lock *lock)
{
    // Relaxed: the barrier orders it, see the head of biased_lock.h.
    atomic_store_explicit(&lock->bias, RS_BIAS_OFF, memory_order_relaxed);
    rs_barrier_all();
    // Acquire, with the release in rs_biased_leave(): all that the owner did inside is seen.
    for (int round = 0; atomic_load_explicit(&lock->inside, memory_order_acquire) == 1; round++) {
        if (round < RS_BIAS_SPIN_ROUNDS) {
            rs_cpu_relax();
        } else {
            // Whatever it returns, we look again.
            (void)rs_sys.futex_wait((uint32_t *)&lock->inside, 1, NULL);
        }
    }
}

void rs_biased_lock_slow(struct rs_biased_lock *lock, bool owner)
{
    rs_lock(&lock->lock);
    if (owner) {
        if (++lock->row >= RS_BIAS_AFTER) bias_turn_on(lock);
        return;
    }
    lock->row = 0;
    // Relaxed: it is turned on under `lock`.
    if (atomic_load_explicit(&lock->bias, memory_order_relaxed) == RS_BIAS_ON) bias_revoke(lock);
}

void rs_biased_favour(struct rs_biased_lock *lock)
{
    rs_lock(&lock->lock);
    bias_turn_on(lock);
    rs_unlock(&lock->lock);
}

void rs_biased_disown(struct rs_biased_lock *lock)
{
    // Relaxed: the owner turns it on, and that is us; if it is gone meanwhile, all the better.
    if (atomic_load_explicit(&lock->bias, memory_order_relaxed) != RS_BIAS_ON) return;
    rs_lock(&lock->lock);
    lock->row = 0;
    // Relaxed: the next owner sees it by what makes it the next one.
    atomic_store_explicit(&lock->bias, RS_BIAS_OFF, memory_order_relaxed);
    rs_unlock(&lock->lock);
}

void rs_biased_wake(struct rs_biased_lock *lock)
{
    (void)rs_sys.futex_wake((uint32_t *)&lock->inside, 1);
}
