// SPDX-License-Identifier: MIT
//
// The seldom half of a use: those who are counted, and the end.

#include "io/use.h"

#include <errno.h>
#include <time.h>

#include "base/barrier.h"

// A system call that does not block is over soon, unless its thread is not running.
#ifndef RS_USE_SPIN_ROUNDS
#define RS_USE_SPIN_ROUNDS 64
#endif
enum { NAP_NS = 50 * 1000 };

bool rs_use_count(struct rs_use *use)
{
    // Relaxed: the count keeps the descriptor's number ours until rs_use_uncount(), and the flag
    // stands for nothing but itself.
    uint32_t before = atomic_fetch_add_explicit(&use->count, 1, memory_order_relaxed);

    return (before & (RS_USE_CLOSED | RS_USE_RELEASED)) == 0;
}

bool rs_use_uncount(struct rs_use *use)
{
    uint32_t idle = RS_USE_CLOSED;

    // Acq_rel: the last user closes, after everything the others did.
    if (atomic_fetch_sub_explicit(&use->count, 1, memory_order_acq_rel) != (RS_USE_CLOSED | 1)) {
        return false;
    }
    // Who comes after the close is counted for a moment too, and may be the last once more: the
    // flag lets one of them close. On failure somebody has come meanwhile, or closed. Relaxed: who
    // was counted in between has found the flag, and used nothing.
    return atomic_compare_exchange_strong_explicit(&use->count, &idle, RS_USE_CLOSED | RS_USE_GONE,
                                                   memory_order_relaxed, memory_order_relaxed);
}

int rs_use_end(struct rs_use *use, uint32_t flag)
{
    // Relaxed: the compare-exchange decides.
    uint32_t count = atomic_load_explicit(&use->count, memory_order_relaxed);

    do {
        if ((count & (RS_USE_CLOSED | RS_USE_RELEASED)) != 0) return -EBADF;
        if (flag == RS_USE_RELEASED && count != 0) return -EBUSY;
        // Seq_cst, with rs_owner_claim(); and with rs_direction_lock() and is_closed() of a source:
        // a wait that has settled a home is found by who ends the source, and one that has not sees
        // the flag.
    } while (!atomic_compare_exchange_weak_explicit(&use->count, &count, count | flag,
                                                    memory_order_seq_cst, memory_order_relaxed));
    return 0;
}

bool rs_owner_claim(struct rs_owner *owner, const struct rs_use *use)
{
    uint8_t nobody = 0;

    // Relaxed: there is one owner for good.
    if (rs_tls.number == 0 || atomic_load_explicit(&owner->number, memory_order_relaxed) != 0) {
        return false;
    }
    // Seq_cst, with rs_use_end() and rs_owners_wait(): see invariant 1. Relaxed on failure: it is
    // somebody else's.
    if (!atomic_compare_exchange_strong_explicit(&owner->number, &nobody, rs_tls.number,
                                                 memory_order_seq_cst, memory_order_relaxed)) {
        return false;
    }
    rs_owner_step(owner, 1);
    if (!rs_use_is_ended(use, memory_order_seq_cst)) return true;
    rs_owner_step(owner, -1);
    return false;
}

// Another worker, if any: our own is outside.
static bool is_elsewhere(const struct rs_owner *owner)
{
    // Seq_cst, with rs_owner_claim().
    uint8_t number = atomic_load_explicit(&owner->number, memory_order_seq_cst);

    return number != 0 && number != rs_tls.number;
}

static void wait_until_outside(const struct rs_owner *owner)
{
    // Acquire, with the release in rs_owner_step(): the owner is done with the number.
    for (int round = 0; atomic_load_explicit(&owner->inside, memory_order_acquire) != 0; round++) {
        if (round < RS_USE_SPIN_ROUNDS) {
            rs_cpu_relax();
        } else {
            (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
        }
    }
}

void rs_owners_wait(const struct rs_owner *one, const struct rs_owner *other)
{
    if (!is_elsewhere(one) && !is_elsewhere(other)) return;
    rs_barrier_all();
    wait_until_outside(one);
    wait_until_outside(other);
}
