// SPDX-License-Identifier: MIT
//
// The state word of a task. Each transition is one read-modify-write, so transitions are totally
// ordered, and none can fail or retry. Each returns the duty of its caller.
//
//             wake, abort          begin_poll            end_poll
//     IDLE --------------> SCHEDULED -------> RUNNING -----------------> IDLE
//                              ^                 | wake, abort
//                              |    end_poll     v
//                              +--------- RUNNING|SCHEDULED
//
//     RUNNING -- complete --> COMPLETE, for good: a wake then sets a bit that nobody reads.
//
// CANCELLED and BARED may be set at any time, and stay. JOIN is set while there is a join handle.
// The rest of the word counts references: one for the task's own life, until it has completed, one
// for the handle, and one for each waker and abort handle. The life's own reference is why a wake
// does not touch the count.

#ifndef RS_TASK_STATE_H
#define RS_TASK_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    RS_TASK_SCHEDULED = 1 << 0,  // a queue entry exists, or the running worker owes one
    RS_TASK_RUNNING = 1 << 1,    // a worker is in poll and owns the future
    RS_TASK_COMPLETE = 1 << 2,   // the future has ended; the output may be read
    RS_TASK_CANCELLED = 1 << 3,  // an abort was asked for
    RS_TASK_JOIN = 1 << 4,       // a join handle is interested in the output
    RS_TASK_BARED = 1 << 5,      // shields do not hold any more
    RS_TASK_BUSY = RS_TASK_SCHEDULED | RS_TASK_RUNNING | RS_TASK_COMPLETE,
    RS_TASK_REFERENCE = 1 << 8,
};

typedef _Atomic uint64_t rs_task_state;

// A new task is scheduled, and has its life's reference.
static inline void rs_state_init(rs_task_state *state, bool joinable)
{
    // Relaxed: published by the queue.
    atomic_store_explicit(state,
                          RS_TASK_SCHEDULED + RS_TASK_REFERENCE +
                              (joinable ? RS_TASK_JOIN + RS_TASK_REFERENCE : 0),
                          memory_order_relaxed);
}

// True if the caller must schedule the task: it was idle, and of all wakes one gets to see that.
//
// Release, with the acquire in rs_state_begin_poll(): what was written before the wake is seen by
// the poll that follows, which is why a set bit is set again. Acquire, with the release in
// rs_state_end_poll(): the caller will write the task's link, which the last poll's worker read.
static inline bool rs_state_wake(rs_task_state *state)
{
    return (atomic_fetch_or_explicit(state, RS_TASK_SCHEDULED, memory_order_acq_rel) &
            RS_TASK_BUSY) == 0;
}

// A wake that also asks for an abort. True if the caller must schedule the task. Orders: as a wake.
static inline bool rs_state_abort(rs_task_state *state)
{
    return (atomic_fetch_or_explicit(state, RS_TASK_SCHEDULED | RS_TASK_CANCELLED,
                                     memory_order_acq_rel) &
            RS_TASK_BUSY) == 0;
}

// An abort that breaks shields. True if the caller must schedule the task. Orders: as a wake.
static inline bool rs_state_bare(rs_task_state *state)
{
    return (atomic_fetch_or_explicit(state, RS_TASK_SCHEDULED | RS_TASK_CANCELLED | RS_TASK_BARED,
                                     memory_order_acq_rel) &
            RS_TASK_BUSY) == 0;
}

// SCHEDULED -> RUNNING. True if the task has been cancelled.
//
// Acquire, with the release in rs_state_wake() and rs_state_end_poll(): the poll sees what the
// waker wrote, and what the last poll left, on whatever thread it ran.
static inline bool rs_state_begin_poll(rs_task_state *state)
{
    return (atomic_fetch_add_explicit(state, RS_TASK_RUNNING - RS_TASK_SCHEDULED,
                                      memory_order_acquire) &
            RS_TASK_CANCELLED) != 0;
}

// RUNNING -> IDLE, or, if a wake came meanwhile, SCHEDULED: then true, and the caller must schedule
// the task.
//
// Release, with the acquire in rs_state_wake() and rs_state_begin_poll(): whoever takes the task
// next has the future as we left it. It also carries on the release of a wake that came meanwhile,
// to the next rs_state_begin_poll().
static inline bool rs_state_end_poll(rs_task_state *state)
{
    return (atomic_fetch_sub_explicit(state, RS_TASK_RUNNING, memory_order_release) &
            RS_TASK_SCHEDULED) != 0;
}

// RUNNING -> COMPLETE. True if a join handle is there to take the output; else the caller must
// release it.
//
// Release, with the acquire in rs_state_is_complete() and rs_state_drop_join(): the output is
// there. A handle that is gone has left nothing that would have to be seen.
static inline bool rs_state_complete(rs_task_state *state)
{
    return (atomic_fetch_add_explicit(state, RS_TASK_COMPLETE - RS_TASK_RUNNING,
                                      memory_order_release) &
            RS_TASK_JOIN) != 0;
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

// The join handle goes, its reference not yet. True if the task had completed: then the caller must
// release the output. Acquire, with the release in rs_state_complete(): the output is there.
static inline bool rs_state_drop_join(rs_task_state *state)
{
    return (atomic_fetch_sub_explicit(state, RS_TASK_JOIN, memory_order_acquire) &
            RS_TASK_COMPLETE) != 0;
}

static inline bool rs_state_is_bared(const rs_task_state *state)
{
    // Relaxed: only a bit; the poll that looks has acquired the wake that came with it.
    return (atomic_load_explicit(state, memory_order_relaxed) & RS_TASK_BARED) != 0;
}

static inline void rs_state_ref(rs_task_state *state)
{
    // Relaxed: the caller has a reference already.
    atomic_fetch_add_explicit(state, RS_TASK_REFERENCE, memory_order_relaxed);
}

// A reference for somebody who found the task by itself and has none. False if it has completed: it
// may be free, or be about to.
static inline bool rs_state_try_ref(rs_task_state *state)
{
    // Relaxed, all: a count; what is in the task is published by its block's mark.
    uint64_t before = atomic_load_explicit(state, memory_order_relaxed);

    do {
        if ((before & RS_TASK_COMPLETE) != 0) return false;
    } while (!atomic_compare_exchange_weak_explicit(state, &before, before + RS_TASK_REFERENCE,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

// True if that was the last reference: the caller must free the task.
//
// Release, then acquire: the last one frees after everything the others did.
static inline bool rs_state_unref(rs_task_state *state)
{
    return atomic_fetch_sub_explicit(state, RS_TASK_REFERENCE, memory_order_acq_rel) <
           2 * RS_TASK_REFERENCE;
}

#endif
