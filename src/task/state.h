// SPDX-License-Identifier: MIT
//
// The state word of a task. Whoever has the task, a poll or a queue, need not fear that others take
// it: they only add to the word. So the transitions of the one that has it look first, and write
// only what is not so yet; a task that wakes itself, or is spawned and ends with nobody looking,
// costs hardly any read-modify-write. Each transition returns the duty of its caller.
//
//                  +----- end_poll, to be polled again: stays RUNNING ----+
//                  v                                                      |
//     new -----> QUEUED ------------------ begin_poll ----------------> POLLED
//                  ^                                                      |
//                  | wake: RUNNING; abort: SCHEDULED                      | end_poll
//                  +------------------------ IDLE <-----------------------+
//
//     POLLED -- complete --> COMPLETE, for good: a wake then sets a bit that nobody reads.
//
// 1. IDLE has neither SCHEDULED nor RUNNING; QUEUED has one of them, or both; POLLED has RUNNING.
//    Of all wakes, the one that finds neither bit has to queue the task.
// 2. SCHEDULED stands for wakes that no poll has followed yet: begin_poll takes it away. The wake
//    that queues the task need not leave it, as what it is about comes with the queue; it sets
//    RUNNING, as for a new task, and then begin_poll has nothing to write.
// 3. CANCELLED and BARED may be set at any time, and stay. JOIN is set while there is a join
//    handle, and JOINER while its waker lies in the task: it is the handle's before JOINER is set
//    and after it is taken back, and the completing worker's if that one finds the bit.
// 4. The rest of the word counts references: one for the task's own life, until it has completed,
//    one for the handle, one for each waker and abort handle, and those that the task has in hand.
//    The life's own reference is why a wake does not touch the count.
// 5. In hand are references that a poll has taken, several at once, and given to no waker yet, or
//    got back from one. Only the poll has them, and hands them on to the next poll. They go when
//    the task completes.

#ifndef RS_TASK_STATE_H
#define RS_TASK_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/rmw.h"

enum {
    RS_TASK_SCHEDULED = 1 << 0,  // woken, and not polled since
    RS_TASK_RUNNING = 1 << 1,    // in a poll, or in a queue and to be polled
    RS_TASK_COMPLETE = 1 << 2,   // the future has ended; the output may be read
    RS_TASK_CANCELLED = 1 << 3,  // an abort was asked for
    RS_TASK_JOIN = 1 << 4,       // a join handle is interested in the output
    RS_TASK_BARED = 1 << 5,      // shields do not hold any more
    RS_TASK_JOINER = 1 << 6,     // the join handle's waker is there to be woken
    RS_TASK_BUSY = RS_TASK_SCHEDULED | RS_TASK_RUNNING | RS_TASK_COMPLETE,
    RS_TASK_REFERENCE = 1 << 8,
};

typedef _Atomic uint64_t rs_task_state;

// A new task is to be queued, and has its life's reference.
static inline void rs_state_init(rs_task_state *state, bool joinable)
{
    // Relaxed: published by the queue.
    atomic_store_explicit(state,
                          RS_TASK_RUNNING + RS_TASK_REFERENCE +
                              (joinable ? RS_TASK_JOIN + RS_TASK_REFERENCE : 0),
                          memory_order_relaxed);
}

// The state after a wake. A task that is idle is to be queued; else the mark stays for
// rs_state_begin_poll(), or rs_state_end_poll(), to find.
static inline uint64_t rs_state_woken(uint64_t before)
{
    return before | ((before & RS_TASK_BUSY) == 0 ? RS_TASK_RUNNING : RS_TASK_SCHEDULED);
}

// True if the caller must schedule the task: it was idle, and of all wakes one gets to see that.
//
// Release, with the acquire in rs_state_begin_poll(): what was written before the wake is seen by
// the poll that follows, which is why a set bit is set again. Acquire, with the release in
// rs_state_end_poll(): the caller will write the task's link, which the last poll's worker read,
// and its queue hands on what that poll left.
static inline bool rs_state_wake(rs_task_state *state)
{
    // Relaxed: what follows decides.
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed);

    // Orders: as above; release is not needed here, since what was written comes with the queue.
    if ((before & RS_TASK_BUSY) == 0 &&
        rs_compare_exchange_strong_64(state, &before, rs_state_woken(before), memory_order_acquire,
                                      memory_order_relaxed)) {
        return true;
    }
    return (rs_fetch_or_64(state, RS_TASK_SCHEDULED, memory_order_acq_rel) & RS_TASK_BUSY) == 0;
}

// A wake that gives up the waker's reference too. True if the caller must schedule the task, as
// above. `*last`: that was the last reference; the caller must free the task.
static inline bool rs_state_wake_and_unref(rs_task_state *state, bool *last)
{
    // Relaxed: the exchange decides, and if it fails we look again.
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed);

    // Orders: as a wake; also where the task has completed, and this is but an unref.
    while (!rs_compare_exchange_weak_64(state, &before, rs_state_woken(before) - RS_TASK_REFERENCE,
                                        memory_order_acq_rel, memory_order_relaxed)) {
    }
    *last = before < 2 * RS_TASK_REFERENCE;
    return (before & RS_TASK_BUSY) == 0;
}

// A wake that also asks for an abort. True if the caller must schedule the task. Orders: as a wake.
static inline bool rs_state_abort(rs_task_state *state)
{
    return (rs_fetch_or_64(state, RS_TASK_SCHEDULED | RS_TASK_CANCELLED, memory_order_acq_rel) &
            RS_TASK_BUSY) == 0;
}

// An abort that breaks shields. True if the caller must schedule the task. Orders: as a wake.
static inline bool rs_state_bare(rs_task_state *state)
{
    return (rs_fetch_or_64(state, RS_TASK_SCHEDULED | RS_TASK_CANCELLED | RS_TASK_BARED,
                           memory_order_acq_rel) &
            RS_TASK_BUSY) == 0;
}

// QUEUED -> POLLED. True if the task has been cancelled.
static inline bool rs_state_begin_poll(rs_task_state *state)
{
    // Relaxed: what the last poll left, or its spawn, or the wake that has queued it, came with the
    // queue. Where there was no other wake there is nothing else to be seen.
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed);

    if ((before & RS_TASK_SCHEDULED) != 0) {
        uint64_t change = (before & RS_TASK_RUNNING) != 0 ? 0 : RS_TASK_RUNNING;

        // Acquire, with the release in rs_state_wake() and rs_state_end_poll(): the poll sees what
        // the waker wrote, and what the last poll left, on whatever thread it ran.
        before = rs_fetch_add_64(state, change - RS_TASK_SCHEDULED, memory_order_acquire);
    }
    return (before & RS_TASK_CANCELLED) != 0;
}

// POLLED -> IDLE; or QUEUED, if it is to be polled `again`, or a wake came meanwhile: then true,
// and the caller must schedule the task.
static inline bool rs_state_end_poll(rs_task_state *state, bool again)
{
    // Relaxed: a wake that we see stays for rs_state_begin_poll() to acquire; one that we do not
    // see is found by what follows.
    if (again || (atomic_load_explicit(state, memory_order_relaxed) & RS_TASK_SCHEDULED) != 0) {
        return true;
    }
    // Release, with the acquire in rs_state_wake() and rs_state_begin_poll(): whoever takes the
    // task next has the future as we left it. It also carries on the release of a wake that came
    // meanwhile, to the next rs_state_begin_poll().
    return (rs_fetch_sub_64(state, RS_TASK_RUNNING, memory_order_release) & RS_TASK_SCHEDULED) != 0;
}

// Whether a join handle is there: if not, none will ever be.
static inline bool rs_state_is_joined(const rs_task_state *state)
{
    // Relaxed: a handle that is gone has left nothing that would have to be seen.
    return (atomic_load_explicit(state, memory_order_relaxed) & RS_TASK_JOIN) != 0;
}

enum {
    RS_COMPLETED_JOINED = 1 << 0,  // a join handle is there to take the output; else release it
    RS_COMPLETED_JOINER = 1 << 1,  // wake the handle's waker, which is the caller's now
};

// POLLED -> COMPLETE, and `in_hand` references go. Returns the caller's duties.
//
// Release, with the acquire in rs_state_is_complete() and rs_state_drop_join(): the output is
// there. Acquire, with the release in rs_state_set_joiner(): so is the handle's waker.
static inline unsigned rs_state_complete(rs_task_state *state, uint64_t in_hand)
{
    uint64_t gone = RS_TASK_RUNNING + in_hand * RS_TASK_REFERENCE;
    uint64_t before = rs_fetch_add_64(state, RS_TASK_COMPLETE - gone, memory_order_acq_rel);

    return ((before & RS_TASK_JOIN) != 0 ? RS_COMPLETED_JOINED : 0u) |
           ((before & RS_TASK_JOINER) != 0 ? RS_COMPLETED_JOINER : 0u);
}

// The same where nobody joins, and the reference of the task's life goes with it. True if that was
// the last: the caller must free the task. Orders: as rs_state_unref().
static inline bool rs_state_complete_unjoined(rs_task_state *state, uint64_t in_hand)
{
    uint64_t references = (1 + in_hand) * RS_TASK_REFERENCE;
    uint64_t gone = RS_TASK_RUNNING + references;

    return rs_fetch_add_64(state, RS_TASK_COMPLETE - gone, memory_order_acq_rel) <
           references + RS_TASK_REFERENCE;
}

// Acquire, with the release in rs_state_complete(): the output is there.
static inline bool rs_state_is_complete(const rs_task_state *state)
{
    return (atomic_load_explicit(state, memory_order_acquire) & RS_TASK_COMPLETE) != 0;
}

// Acquire, with the release in rs_state_abort(): who sees the request sees what led to it.
static inline bool rs_state_is_cancelled(const rs_task_state *state)
{
    return (atomic_load_explicit(state, memory_order_acquire) & RS_TASK_CANCELLED) != 0;
}

// The handle has stored its waker. False if the task has completed before: then it stays the
// handle's.
//
// Release, with the acquire in rs_state_complete(): the waker is there. Acquire, with the release
// there: the output is.
static inline bool rs_state_set_joiner(rs_task_state *state)
{
    return (rs_fetch_or_64(state, RS_TASK_JOINER, memory_order_acq_rel) & RS_TASK_COMPLETE) == 0;
}

// The handle wants its waker back, to put another one there. False if the task has completed
// before: it has woken the waker, or is about to. Acquire, with the release in rs_state_complete():
// the output is there.
static inline bool rs_state_take_joiner(rs_task_state *state)
{
    return (rs_fetch_and_64(state, ~(uint64_t)RS_TASK_JOINER, memory_order_acquire) &
            RS_TASK_COMPLETE) == 0;
}

// Whether the handle has stored a waker. For the handle, which alone changes that.
static inline bool rs_state_has_joiner(const rs_task_state *state)
{
    // Relaxed: ours.
    return (atomic_load_explicit(state, memory_order_relaxed) & RS_TASK_JOINER) != 0;
}

enum {
    RS_UNJOINED_COMPLETE = 1 << 0,  // the task had completed: release the output
    RS_UNJOINED_JOINER = 1 << 1,  // it had not, and the waker that was stored is the handle's again
};

// The join handle goes, its reference not yet. Returns the caller's duties. Acquire, with the
// release in rs_state_complete(): the output is there.
static inline unsigned rs_state_drop_join(rs_task_state *state)
{
    uint64_t before = atomic_load_explicit(state, memory_order_acquire);

    if ((before & RS_TASK_COMPLETE) == 0) {
        before = rs_fetch_and_64(state, ~(uint64_t)(RS_TASK_JOIN | RS_TASK_JOINER),
                                 memory_order_acquire);
    }
    if ((before & RS_TASK_COMPLETE) != 0) return RS_UNJOINED_COMPLETE;
    return (before & RS_TASK_JOINER) != 0 ? RS_UNJOINED_JOINER : 0;
}

static inline bool rs_state_is_bared(const rs_task_state *state)
{
    // Relaxed: only a bit; the poll that looks has acquired the wake that came with it.
    return (atomic_load_explicit(state, memory_order_relaxed) & RS_TASK_BARED) != 0;
}

static inline void rs_state_ref_many(rs_task_state *state, uint64_t count)
{
    // Relaxed: the caller has a reference already.
    rs_fetch_add_64(state, count * RS_TASK_REFERENCE, memory_order_relaxed);
}

static inline void rs_state_ref(rs_task_state *state)
{
    rs_state_ref_many(state, 1);
}

// Not the last ones: the caller has another, and what it did with these comes with that.
static inline void rs_state_unref_many(rs_task_state *state, uint64_t count)
{
    // Relaxed: as above.
    rs_fetch_sub_64(state, count * RS_TASK_REFERENCE, memory_order_relaxed);
}

// A reference for somebody who found the task by itself and has none. False if it has completed: it
// may be free, or be about to.
static inline bool rs_state_try_ref(rs_task_state *state)
{
    // Relaxed, all: a count; what is in the task is published by its block's mark.
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed);

    do {
        if ((before & RS_TASK_COMPLETE) != 0) return false;
    } while (!rs_compare_exchange_weak_64(state, &before, before + RS_TASK_REFERENCE,
                                          memory_order_relaxed, memory_order_relaxed));
    return true;
}

// True if that was the last reference: the caller must free the task.
static inline bool rs_state_unref(rs_task_state *state)
{
    // Acquire, with the releases below: the last one frees after everything the others did. Once a
    // task has completed, only who has a reference can make another; with one left, nobody can.
    uint64_t before = atomic_load_explicit(state, memory_order_acquire);

    if ((before & RS_TASK_COMPLETE) != 0 && before < 2 * RS_TASK_REFERENCE) return true;
    // Release, then acquire: as above.
    return rs_fetch_sub_64(state, RS_TASK_REFERENCE, memory_order_acq_rel) < 2 * RS_TASK_REFERENCE;
}

#endif
