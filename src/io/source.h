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

#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum rs_direction_name { RS_READ = 0, RS_WRITE = 1 };

// 1. `index`, the queue and `foreign` change only under the lock of `home`, and so does `home`
//    itself, but for its first setting, from NULL, which is a compare-exchange under the new
//    home's lock. A direction without a home has no waiters. One that is not watched at its home
//    by the end of the wait that settled it there has none: a driver that goes away finds what it
//    watches, and nothing else.
// 2. `tick` grows only, under that lock; anyone may read it.
// 3. A waiter is QUEUED while it is in the queue. An event takes the first one out: GRANTED. It
//    then owes the direction a try, or, when it ends without one, the grant of the next. An event
//    grants whether or not an earlier grant is still out, so that a waiter that nobody polls holds
//    up nobody: two that are granted at once may overtake each other. And a waiter that is polled
//    after an event tries, granted or not: the grant may have gone to one that its own task has
//    set aside.
struct rs_direction {
    _Atomic(struct rouse_driver *) home;
    _Atomic uint64_t tick;
    _Atomic uint64_t drained;  // 1 + the tick at which it was seen not ready; 0: never
    _Atomic uint32_t hangup;   // the end of the stream or an error was announced
    _Atomic uint32_t queued;   // length of the queue
    struct rouse_io_wait *first;
    struct rouse_io_wait *last;
    uint32_t index;    // of the watch in the home's table
    uint32_t foreign;  // waits in a row under another driver
};

struct rs_source {
    int fd;
    _Atomic uint32_t users;  // operations in progress, and three flags
    struct rs_direction directions[2];
};

// Takes `fd`, which is non-blocking.
void rs_source_init(struct rs_source *source, int fd);

// Ends every wait with -EBADF, and closes the descriptor as soon as no operation uses it: now, or
// at the end of the last one. A second call does nothing. Any thread. The source's memory must
// stay until every operation has left.
void rs_source_close(struct rs_source *source);

// As rs_source_close(), but hands the descriptor back, open. -EBUSY while operations use it: then
// nothing has changed; -EBADF once closed.
int rs_source_release(struct rs_source *source);

// Brackets every use of the descriptor. -EBADF once closed.
int rs_source_enter(struct rs_source *source);
void rs_source_leave(struct rs_source *source);

uint64_t rs_source_tick(const struct rs_source *source, enum rs_direction_name direction);

// False if an operation has shown the direction not ready and no event has come since.
bool rs_source_may_be_ready(const struct rs_source *source, enum rs_direction_name direction);

// Says that an operation begun after `tick` was read has shown the direction not ready.
void rs_source_drained(struct rs_source *source, enum rs_direction_name direction, uint64_t tick);

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
