// SPDX-License-Identifier: MIT
//
// Who uses a descriptor, so that its number is given back when nobody does any more.
//
// Most uses are one system call of one thread again and again, so that one has it cheap: of each
// direction, the first worker to come is the owner. It stores that it is inside, looks whether the
// descriptor has been ended, and stores that it is outside. Whoever else comes is counted, and so
// is who stays for longer than a call.
//
// 1. Who ends a descriptor sets a flag, seq_cst, and then looks for owners. A worker becomes one,
//    seq_cst, and then looks for the flag: so it is found, or finds the flag.
// 2. Who gives the number back runs a membarrier after the flag was set, if there is an owner
//    elsewhere. An owner that looked at the flag before is now seen inside, and waited for; one
//    that looks later finds the flag. (Dice, Huang and Yang, "Asymmetric Dekker Synchronization".)
// 3. There is one owner for good. `inside` is written by the owner only.
// 4. Of those who are counted the last one gives the number back, once the flag is set.

#ifndef RS_IO_USE_H
#define RS_IO_USE_H

#include <rouse/compiler.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/tls.h"

// Flags in `count`. RS_USE_GONE: the descriptor has been closed, or is being closed by who set it.
enum { RS_USE_CLOSED = 1 << 30, RS_USE_RELEASED = 1 << 29, RS_USE_GONE = 1 << 28 };

// All zero is unused.
struct rs_use {
    _Atomic uint32_t count;  // of those who are counted; and the flags
};

// All zero: there is none yet.
struct rs_owner {
    _Atomic uint8_t number;  // of a worker: see base/number.h
    _Atomic uint8_t inside;  // how often
};

// ---- Who is counted, and the end ----

// Counted. False: it has been ended, and rs_use_uncount() is due all the same.
bool rs_use_count(struct rs_use *use);

// True if the caller was the last, and is to close the descriptor: after rs_owners_wait().
bool rs_use_uncount(struct rs_use *use);

// Sets RS_USE_CLOSED or RS_USE_RELEASED. -EBADF if it has been ended before; -EBUSY for a release
// while somebody is counted. Then nothing has changed.
int rs_use_end(struct rs_use *use, uint32_t flag);

static inline bool rs_use_is_ended(const struct rs_use *use, memory_order order)
{
    return (atomic_load_explicit(&use->count, order) & (RS_USE_CLOSED | RS_USE_RELEASED)) != 0;
}

// A hint.
static inline bool rs_use_is_counted(const struct rs_use *use)
{
    // Relaxed: a moment's view.
    return atomic_load_explicit(&use->count, memory_order_relaxed) != 0;
}

// ---- The owner ----

static inline bool rs_owner_is_us(const struct rs_owner *owner)
{
    // Relaxed: if it is our number, it was our store.
    return rs_tls.number != 0 &&
           atomic_load_explicit(&owner->number, memory_order_relaxed) == rs_tls.number;
}

// A hint.
static inline bool rs_owner_is_inside(const struct rs_owner *owner)
{
    // Relaxed: a moment's view.
    return atomic_load_explicit(&owner->inside, memory_order_relaxed) != 0;
}

static inline void rs_owner_step(struct rs_owner *owner, int by)
{
    // Relaxed: our own. Release, with the acquire in rs_owners_wait(): we are done with the number.
    int inside = atomic_load_explicit(&owner->inside, memory_order_relaxed);

    atomic_store_explicit(&owner->inside, (uint8_t)(inside + by), memory_order_release);
}

// By the owner. False: the use has been ended, and the owner is outside.
static inline bool rs_owner_enter(struct rs_owner *owner, const struct rs_use *use)
{
    rs_owner_step(owner, 1);
    rs_compiler_barrier();
    // Relaxed: ordered by the membarrier in rs_owners_wait().
    if (ROUSE_LIKELY(!rs_use_is_ended(use, memory_order_relaxed))) return true;
    rs_owner_step(owner, -1);
    return false;
}

static inline void rs_owner_leave(struct rs_owner *owner)
{
    rs_owner_step(owner, -1);
}

// Makes the calling thread the owner, which is then inside as by rs_owner_enter(). False: it has no
// number, there is an owner, or the use has been ended.
bool rs_owner_claim(struct rs_owner *owner, const struct rs_use *use);

// After the end of the use: waits until the owners of both directions are outside, with one
// membarrier for both. The caller is not inside.
void rs_owners_wait(const struct rs_owner *one, const struct rs_owner *other);

#endif
