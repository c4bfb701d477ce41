// SPDX-License-Identifier: MIT
//
// The waker slot: one registrant, any number of wakers. The state word says who owns the waker.
//
//                  register                        register is done
//      EMPTY_HANDED ----------> REGISTERING ------------------------> EMPTY_HANDED
//           |                        | take
//           | take                   v
//           v                   REGISTERING|TAKING --- registrant wakes what it stored
//        TAKING --- taker reads the waker ---> EMPTY_HANDED
//
// 1. With no bit set nobody owns the waker, and whoever sets the first bit does.
// 2. TAKING set by the one who found no bit: it owns the waker until it clears the bit.
// 3. TAKING added to REGISTERING: the registrant still owns it, and owes the wake.
// 4. A registrant that finds TAKING wakes its own waker instead: the wake under way may have come
//    too early to see it.
//
// (The protocol is that of AtomicWaker in Rust's futures library.)

#include <rouse/assert.h>
#include <rouse/waker.h>
#include <stdatomic.h>

#include "base/choice.h"
#include "base/rmw.h"

enum { REGISTERING = 1 << 0, TAKING = 1 << 1 };

static _Atomic uint32_t *state_of(struct rouse_waker_slot *slot)
{
    return (_Atomic uint32_t *)&slot->state;
}

// A wake came while we registered: it left the waker to us (3).
static void register_lost(struct rouse_waker_slot *slot)
{
    struct rouse_waker waker = slot->waker;

    slot->waker = (struct rouse_waker){0};
    // Acquire, with the release of the taker's fetch_or: the poll after our wake sees what it
    // wrote. Release, for the next owner of the waker: it is empty.
    atomic_exchange_explicit(state_of(slot), 0, memory_order_acq_rel);
    rouse_waker_wake(&waker);
}

void rouse_waker_slot_register(struct rouse_waker_slot *slot, const struct rouse_waker *waker)
{
    uint32_t expected = 0;

    // Acquire, with the release that cleared the word: the waker in the slot is ours to read (1).
    // Acquire on failure too, with the taker's release: we wake below, and the poll that follows
    // must see what the taker wrote.
    if (!rs_compare_exchange_strong_32(state_of(slot), &expected, REGISTERING, memory_order_acquire,
                                       memory_order_acquire)) {
        rouse_assert(expected == TAKING,
                     "two threads registered in one waker slot; use a slot for each");
        rouse_waker_wake_by_ref(waker);
        return;
    }

    struct rouse_waker old = {0};

    if (!rouse_waker_will_wake(&slot->waker, waker)) {
        old = slot->waker;
        slot->waker = rouse_waker_clone(waker);
    }
    rs_chaos_delay();
    expected = REGISTERING;
    // Release, with the acquire of whoever owns the waker next: it sees what we stored.
    // Relaxed on failure: register_lost() acquires.
    if (!rs_compare_exchange_strong_32(state_of(slot), &expected, 0, memory_order_release,
                                       memory_order_relaxed)) {
        register_lost(slot);
    }
    rouse_waker_drop(&old);
}

struct rouse_waker rouse_waker_slot_take(struct rouse_waker_slot *slot)
{
    struct rouse_waker taken = {0};

    // Release, with the acquires in register: a wake that finds the slot busy still publishes what
    // was written before it. Acquire, with the release that cleared the word (1).
    if (rs_fetch_or_32(state_of(slot), TAKING, memory_order_acq_rel) != 0) return taken;
    rs_chaos_delay();
    taken = slot->waker;
    slot->waker = (struct rouse_waker){0};
    // Release, with the acquire of the next owner: we are done with the waker.
    rs_fetch_and_32(state_of(slot), ~(uint32_t)TAKING, memory_order_release);
    return taken;
}

void rouse_waker_slot_wake(struct rouse_waker_slot *slot)
{
    struct rouse_waker waker = rouse_waker_slot_take(slot);

    rouse_waker_wake(&waker);
}

void rouse_waker_slot_deinit(struct rouse_waker_slot *slot)
{
    struct rouse_waker waker = rouse_waker_slot_take(slot);

    rouse_waker_drop(&waker);
}
