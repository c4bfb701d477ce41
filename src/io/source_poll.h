// SPDX-License-Identifier: MIT
//
// One poll of an operation, inline into the poll of its future: so few calls deep is its system
// call then. Why that matters stands in base/sys_message.h.

#ifndef RS_IO_SOURCE_POLL_H
#define RS_IO_SOURCE_POLL_H

#include "base/chaos.h"
#include "io/source.h"

// The place of a wait: its state, and while that is QUEUED or GRANTED, its direction and its
// source's address.
enum {
    RS_WAIT_NONE = 0,
    RS_WAIT_QUEUED = 1,
    RS_WAIT_GRANTED = 2,
    RS_WAIT_STATE = 3,
    RS_WAIT_DIRECTION = 4,
    RS_WAIT_BITS = RS_WAIT_STATE | RS_WAIT_DIRECTION,
};
_Static_assert(_Alignof(struct rs_source) > RS_WAIT_BITS, "an address leaves these bits free");

static inline _Atomic uintptr_t *rs_wait_place(struct rouse_io_wait *wait)
{
    return (_Atomic uintptr_t *)&wait->place;
}

static inline uintptr_t rs_wait_load(struct rouse_io_wait *wait)
{
    // Acquire, with the release in queue_remove(): a wait that is queued no longer is ours again.
    return atomic_load_explicit(rs_wait_place(wait), memory_order_acquire);
}

static inline uint32_t rs_wait_state(struct rouse_io_wait *wait)
{
    return rs_wait_load(wait) & RS_WAIT_STATE;
}

static inline void rs_wait_clear(struct rouse_io_wait *wait)
{
    // Relaxed: it is ours.
    atomic_store_explicit(rs_wait_place(wait), RS_WAIT_NONE, memory_order_relaxed);
}

// The direction could not be tried, or was not ready at `tick`. 0: `wait` is queued; 1: try again;
// or an error.
int rs_source_wait(struct rs_source *source, enum rs_direction_name direction,
                   struct rouse_io_wait *wait, struct rouse_context *cx, uint64_t tick);

// If the direction may still be ready, the next waiter gets a turn; if not, a back end that forgets
// what it has reported must be told to watch again, for those who are left.
void rs_source_turn_pass(struct rs_source *source, enum rs_direction_name direction,
                         bool has_tried);

// The turn of a wait that was granted is over.
static inline void rs_source_turn_end(struct rs_source *source, enum rs_direction_name direction,
                                      bool has_tried)
{
    // Whoever was queued when we were granted is seen, through the lock; whoever came later found
    // the queue empty and tried, or stands behind one who did.
    if (ROUSE_UNLIKELY(rs_source_is_waited_on(source, direction))) {
        rs_source_turn_pass(source, direction, has_tried);
    }
}

static inline bool rs_source_may_try(struct rs_source *source, enum rs_direction_name direction,
                                     struct rouse_io_wait *wait)
{
    if (!rs_source_may_be_ready(source, direction)) return false;
    // Granted; or queued, and polled all the same. Then the event may have been granted to a wait
    // of our own task that it has set aside, the loser of a select that was lent to it: nobody
    // polls that one while the task waits for us.
    if (rs_wait_state(wait) != RS_WAIT_NONE) return true;
    // A hint. Who queues up behind is granted in turn.
    return !rs_source_is_waited_on(source, direction);
}

// Tries the operation. True if it is over.
__attribute__((always_inline)) static inline bool rs_source_try(
    struct rs_source *source, enum rs_direction_name direction, uint64_t tick,
    rs_source_function fn, void *arg, size_t want, ssize_t *result)
{
    int entered = rs_source_enter(source, direction);

    *result = entered;
    if (ROUSE_UNLIKELY(entered < 0)) return true;
    do {
        *result = fn(source->fd, arg);
    } while (*result == -EINTR);
    rs_source_leave(source, direction, entered);

    rs_source_tried(source, direction, tick, *result, want);
    return *result != -EAGAIN;
}

// Ends the poll of an operation that is over.
static inline rouse_poll rs_source_end_poll(
    struct rs_source *source, enum rs_direction_name direction, struct rouse_io_wait *wait)
{
    uint32_t state = rs_wait_state(wait);

    if (state == RS_WAIT_GRANTED) {
        rs_wait_clear(wait);
        rs_source_turn_end(source, direction, true);
    } else if (state != RS_WAIT_NONE) {
        rs_source_unwait(wait);
    }
    return ROUSE_READY;
}

// As rs_source_poll(). `fn` is a function of the caller's file, so that it is inlined as well.
__attribute__((always_inline)) static inline rouse_poll rs_source_poll_inline(
    struct rs_source *source, enum rs_direction_name direction, struct rouse_io_wait *wait,
    struct rouse_context *cx, rs_source_function fn, void *arg, size_t want, ssize_t *result)
{
    int turn;

    if (ROUSE_UNLIKELY(!rouse_context_spend(cx))) return ROUSE_PENDING;
    do {
        uint64_t tick = rs_source_tick(source, direction);

        if (rs_source_may_try(source, direction, wait) &&
            rs_source_try(source, direction, tick, fn, arg, want, result)) {
            return rs_source_end_poll(source, direction, wait);
        }
        rs_chaos_delay();
        turn = rs_source_wait(source, direction, wait, cx, tick);
    } while (ROUSE_UNLIKELY(turn > 0));
    if (turn == 0) return ROUSE_PENDING;
    *result = turn;
    return rs_source_end_poll(source, direction, wait);
}

#endif
