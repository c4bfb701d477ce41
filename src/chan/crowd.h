// SPDX-License-Identifier: MIT
//
// A crowd: receivers that wait for what all of them get, the next message of a broadcast or the
// next value of a watch. Each comes without a lock. Who sends has the lock, and releases all of
// those who wait for what is there now.
//
//     IDLE --join--> QUEUED --release--> RELEASED: it looks again
//                      |
//                      +--leave--> IDLE: it has given up
//
// 1. A waiter that joins is pushed to the stack of those who arrived. Who has the lock takes all of
//    them off, and to the end of the queue, in the order in which they came. So a waiter that has
//    to get out is found at once, however many there are.
// 2. A waiter gets out, and its state and waker change, under the lock only. Its poller reads both
//    without: the store of RELEASED is the last touch of a waiter.
// 3. No wake is lost. Who sends makes its message visible and then takes those who arrived, by a
//    read-modify-write of the stack; who joins pushes, by another, and then looks for its message.
//    If the push comes first, it is found; else the push reads what the sender has written, and
//    the look finds the message.
// 4. A waiter is released when what it wants, the position of its seat, is below what is there. Who
//    has a position above it came later, and who stands behind that one with one below has found
//    its message by itself (3).
// 5. A waker is cloned, woken and dropped outside the lock.
//
// Threads: one polls and drops the future of a seat; any may send. The channel is counted, and
// outlives all of them.

#ifndef RS_CHAN_CROWD_H
#define RS_CHAN_CROWD_H

#include <errno.h>
#include <rouse/future.h>
#include <rouse/wait_queue.h>
#include <stdatomic.h>

#include "base/lock.h"
#include "sync/wait_queue.h"

// All zero is an empty one.
struct rs_crowd {
    struct rs_lock lock;  // of those who write messages, too
    _Atomic(struct rouse_waiter *) arrived;
    struct rouse_waiter *first;  // the queue, under the lock
    struct rouse_waiter *last;
};

// A receiver's place in the sequence of messages.
struct rs_seat {
    struct rs_crowd *crowd;
    uint64_t position;
    bool occupied;  // by a future that has begun to wait, and not ended
};

// ---- Who sends ----

// Releases those whose position is below `limit`, unlocks, and wakes them.
void rs_crowd_release_and_unlock(struct rs_crowd *crowd, uint64_t limit);

// ---- Who waits ----

// Takes what the future waits for, and writes its output: -EAGAIN if it is not there.
typedef int rs_crowd_look(struct rouse_future *future);

// The rest of a poll when a look was in vain, of a waiter that is not queued: takes a place, and
// looks again.
rouse_poll rs_crowd_join(struct rs_seat *seat, struct rouse_waiter *waiter,
                         struct rouse_future *future, rs_crowd_look *look,
                         struct rouse_context *cx);

// The end of a future that may have joined.
void rs_crowd_leave(struct rs_seat *seat, struct rouse_waiter *waiter);

// True if a waiter that has joined has not been released. The waker of `cx` is the one that will be
// woken then.
bool rs_crowd_is_queued(struct rs_crowd *crowd, struct rouse_waiter *waiter,
                        struct rouse_context *cx);

// The poll of a future that waits in a crowd. It looks also while it is queued: the message is
// there before the release. Inline, so that `look` is.
static inline rouse_poll rs_crowd_poll(struct rs_seat *seat, struct rouse_waiter *waiter,
                                       struct rouse_future *future, rs_crowd_look *look,
                                       struct rouse_context *cx)
{
    if (!waiter->pushed && !rouse_context_spend(cx)) return ROUSE_PENDING;
    if (look(future) != -EAGAIN) {
        rs_crowd_leave(seat, waiter);
        return ROUSE_READY;
    }
    if (waiter->pushed && rs_crowd_is_queued(seat->crowd, waiter, cx)) return ROUSE_PENDING;
    return rs_crowd_join(seat, waiter, future, look, cx);
}

// Asserts that a receiver may be freed.
void rs_seat_assert_free(const struct rs_seat *seat);

#endif
