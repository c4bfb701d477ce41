// SPDX-License-Identifier: MIT
//
// A source is a descriptor that tasks wait on: two directions, each with a queue of waiters, and
// counted readiness events (ticks). It is registered with a driver at its first wait, per
// direction, and moves when it is polled elsewhere for long.
//
// A tick is read before the system call and compared after it, at full width: an event that came
// meanwhile is never taken for an older one.

#ifndef RS_IO_SOURCE_H
#define RS_IO_SOURCE_H

#include <errno.h>
#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sys_message.h"
#include "io/use.h"

enum rs_direction_name { RS_READ = 0, RS_WRITE = 1 };

enum {
    RS_TICK_DRAINED = 1,  // it was seen not ready, at this tick
    // A short transfer says nothing: the end of the stream or an error was announced, or transfers
    // may stop before it is not ready. For good.
    RS_TICK_SHORT = 2,
    RS_TICK_ONE = 4,
};

// 1. `index`, the queue and `foreign` change only under the lock of `home`, and so does `home`
//    itself, but for its first setting, from NULL, which is a compare-exchange under the new
//    home's lock. A direction without a home has no waiters. One that is not watched at its home
//    by the end of the wait that settled it there has none: a driver that goes away finds what it
//    watches, and nothing else.
// 2. The tick grows only, under that lock; anyone may read it, and say of one that it is not ready.
// 3. A waiter is QUEUED while it is in the queue. An event takes the first one out: GRANTED. It
//    then owes the direction a try, or, when it ends without one, the grant of the next. An event
//    grants whether or not an earlier grant is still out, so that a waiter that nobody polls holds
//    up nobody: two that are granted at once may overtake each other. And a waiter that is polled
//    after an event tries, granted or not: the grant may have gone to one that its own task has
//    set aside.
struct rs_direction {
    _Atomic(struct rouse_driver *) home;
    _Atomic uint64_t ticks;                 // four times the tick, and RS_TICK_DRAINED and so on
    _Atomic(struct rouse_io_wait *) first;  // the queue; anyone may look whether it is empty
    uint32_t index;                         // of the watch in the home's table
    uint8_t foreign;                        // waits in a row under another driver
    struct rs_owner owner;                  // of the use by operations in this direction
    _Atomic uint8_t receive;                // enum rs_source_receive; of reading only
};

// Whether a ring receives ahead of who reads: see rs_receive_ops. It changes under the lock of
// `home`, but for ORPHANED -> MAY, a compare-exchange by who finds the orphans empty.
//
//             a wait is watched                    nothing more will come, and all is read
//     MAY -----------------------> RECEIVING ----------------------------------------> MAY
//      |                               |  its driver goes away
//      v  somebody wants the kernel    v                          all is read
//     NEVER                         ORPHANED --------------------------------------> MAY
//
// From RECEIVING on nobody receives from the descriptor itself. Who had begun to before is a reader
// beside another, of which either may be the first.
enum rs_source_receive {
    RS_RECEIVE_NEVER,  // it is no stream socket, or somebody has asked for the kernel's own
    RS_RECEIVE_MAY,
    RS_RECEIVE_RECEIVING,
    RS_RECEIVE_ORPHANED,
};

struct rs_source {
    int fd;
    struct rs_use use;  // of the descriptor: who is counted
    struct rs_direction directions[2];
};
_Static_assert(sizeof(struct rs_source) <= 72, "each idle connection has one");

struct rs_inflow_read;

// Takes `fd`, which is non-blocking.
void rs_source_init(struct rs_source *source, int fd);

// Says that transfers in a direction may be short while more would go: at the borders of messages,
// say. Before the source is shared.
void rs_source_stops_short(struct rs_source *source, enum rs_direction_name direction);

// Ends every wait with -EBADF, and closes the descriptor as soon as no operation uses it: now, once
// a worker has left the system call that it is in, or at the end of the last hold. A second call
// does nothing. Any thread. The source's memory must stay until every operation has left.
void rs_source_close(struct rs_source *source);

// As rs_source_close(), but hands the descriptor back, open. -EBUSY while others hold it: then
// nothing has changed; -EBADF once closed. A system call in progress is waited for.
int rs_source_release(struct rs_source *source);

// Brackets a use of the descriptor that may be longer than a system call, or end on another
// thread. -EBADF once closed.
int rs_source_hold(struct rs_source *source);
void rs_source_unhold(struct rs_source *source);

// Brackets every other use: an operation in a direction, one system call that does not block, with
// no close and no code of the user's within. -EBADF once closed, or how it was entered.
enum { RS_SOURCE_AS_OWNER = 0, RS_SOURCE_AS_HOLDER = 1 };

static inline int rs_source_enter(struct rs_source *source, enum rs_direction_name direction)
{
    struct rs_owner *owner = &source->directions[direction].owner;

    if (ROUSE_LIKELY(rs_owner_is_us(owner))) {
        return rs_owner_enter(owner, &source->use) ? RS_SOURCE_AS_OWNER : -EBADF;
    }
    if (rs_owner_claim(owner, &source->use)) return RS_SOURCE_AS_OWNER;
    return rs_source_hold(source) == 0 ? RS_SOURCE_AS_HOLDER : -EBADF;
}

// `entered` is what rs_source_enter() returned.
static inline void rs_source_leave(struct rs_source *source, enum rs_direction_name direction,
                                   int entered)
{
    if (ROUSE_LIKELY(entered == RS_SOURCE_AS_OWNER)) {
        rs_owner_leave(&source->directions[direction].owner);
    } else {
        rs_source_unhold(source);
    }
}

// A hint: somebody is inside a use of the descriptor, or holds it.
bool rs_source_is_used(const struct rs_source *source);

static inline uint64_t rs_source_tick(const struct rs_source *source,
                                      enum rs_direction_name direction)
{
    // Acquire, with the release in direction_tick(): the system call after it sees what the event
    // was about.
    return atomic_load_explicit(&source->directions[direction].ticks, memory_order_acquire) /
           RS_TICK_ONE;
}

// Who is the first to wait, as a hint.
static inline const struct rouse_io_wait *rs_source_first(const struct rs_source *source,
                                                          enum rs_direction_name direction)
{
    // Relaxed: a hint.
    return atomic_load_explicit(&source->directions[direction].first, memory_order_relaxed);
}

// True if somebody waits, as a hint.
static inline bool rs_source_is_waited_on(const struct rs_source *source,
                                          enum rs_direction_name direction)
{
    return rs_source_first(source, direction) != NULL;
}

// False if an operation has shown the direction not ready and no event has come since.
static inline bool rs_source_may_be_ready(const struct rs_source *source,
                                          enum rs_direction_name direction)
{
    // Relaxed: a stale value costs a needless system call, or a look under the lock.
    return (atomic_load_explicit(&source->directions[direction].ticks, memory_order_relaxed) &
            RS_TICK_DRAINED) == 0;
}

// Says that an operation begun after `tick` was read has shown the direction not ready.
void rs_source_drained(struct rs_source *source, enum rs_direction_name direction, uint64_t tick);

// Says that a transfer was short.
void rs_source_drained_by_short(struct rs_source *source, enum rs_direction_name direction,
                                uint64_t tick);

// Says what an operation begun after `tick` was read has shown by its result: -EAGAIN, or less than
// the `want` bytes of a full transfer.
static inline void rs_source_tried(struct rs_source *source, enum rs_direction_name direction,
                                   uint64_t tick, ssize_t result, size_t want)
{
    if (result == -EAGAIN) rs_source_drained(source, direction, tick);
    if (result > 0 && (size_t)result < want) rs_source_drained_by_short(source, direction, tick);
}

// Says that it is a stream socket, from which nobody receives but by what follows. Before it is
// shared.
void rs_source_may_receive(struct rs_source *source);

// From now on the kernel itself is to be asked: as soon as rs_source_receives() is false.
void rs_source_receive_never(struct rs_source *source);

// True if the kernel must not be asked, but rs_source_received().
static inline bool rs_source_receives(const struct rs_source *source)
{
    // Acquire, with the release in receive_set(): who sees the end of it asks the kernel after
    // whoever has read the last of it.
    return atomic_load_explicit(&source->directions[RS_READ].receive, memory_order_acquire) >=
           RS_RECEIVE_RECEIVING;
}

// What has been received: as read() of rs_receive_ops.
ssize_t rs_source_received(struct rs_source *source, struct rs_inflow_read *read);

// Of rs_source_recv(), where something may have been received ahead.
ssize_t rs_source_recv_ahead(struct rs_source *source, void *buf, size_t size);

// recv(), whichever way it goes. Without bytes -EAGAIN.
static inline ssize_t rs_source_recv(struct rs_source *source, void *buf, size_t size)
{
    if (ROUSE_LIKELY(!rs_source_receives(source))) return rs_sys_recv(source->fd, buf, size, 0);
    return rs_source_recv_ahead(source, buf, size);
}

// An operation: what the system call returned, -EAGAIN if it would block.
typedef ssize_t (*rs_source_function)(int fd, void *arg);

// One poll of an operation: tries `fn(fd, arg)` when the direction may be ready and nobody waits
// before us, and else queues `wait`. `want` is how many bytes a full transfer would have: a short
// one shows the direction not ready (0: says nothing). READY: `*result` is fn's, or -EBADF, or the
// error of registering; `wait` is in no queue.
rouse_poll rs_source_poll(struct rs_source *source, enum rs_direction_name direction,
                          struct rouse_io_wait *wait, struct rouse_context *cx,
                          rs_source_function fn, void *arg, size_t want, ssize_t *result);

// Ends a wait early, if it is in a queue: the next waiter gets the event that was meant for it.
// Must be called before a pending operation's future goes. Any thread that may poll it.
void rs_source_unwait(struct rouse_io_wait *wait);

#endif
