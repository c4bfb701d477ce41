// SPDX-License-Identifier: MIT
//
// An operation that the kernel completes by itself, on a ring that a driver keeps beside its
// readiness back end. The ring is opened at the first operation, and only where the choice of the
// reactor was left to us, or is io_uring: see docs/files.md.
//
//              submitted                    reaped
//     free --------------> in flight ---------------------> done() called: free
//                             |   ^                            ^
//                      cancel |   | the ring has no room       |
//                             v   |                            |
//                          to be cancelled --> being cancelled-+
//
// 1. The ring is touched by its driver's owner only, the thread that turns it. Whoever else wants
//    an operation does without; a cancel from elsewhere is left with the driver.
// 2. From a submit that succeeded until done() is called, the record belongs to the ring, and so
//    does the memory that the kernel was told of. A cancel changes when that is, not whether.
// 3. What the kernel did not take at once is taken back out of the queue: between two calls
//    nothing lies there. So a ring that is refused half-way leaves nothing behind.

#ifndef RS_IO_OP_H
#define RS_IO_OP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "io/file_memory.h"
#include "io/ring.h"

struct rouse_driver;
struct rs_backend;

struct rs_op {
    uint8_t code;  // IORING_OP_*; this and what follows is read by the submit
    int fd;
    uint64_t offset;
    const void *address;
    uint32_t length;
    uint32_t flags;
    bool may_fix;     // the memory of a read or write may be registered: the submit looks, and if
    uint16_t buffer;  // it is, changes the operation and says here where
    // Called once, by the driver's owner, under no lock: a result of the operation, or a negative
    // errno; -ECANCELED also if the ring came to its end. The record may go during the call.
    void (*done)(struct rs_op *op, int32_t result);

    struct rs_list cancel;                // among those to be cancelled; under home's lock
    _Atomic(struct rouse_driver *) home;  // while in flight; set and cleared under its lock
};

enum rs_ops_state { RS_OPS_CLOSED, RS_OPS_OPEN, RS_OPS_REFUSED };

// The ring of one driver. Its owner's, but for `cancels`, which is under the driver's lock. It is
// also opened under that lock: who replaces the back end looks whether there is one to be watched.
struct rs_ops {
    bool allowed;
    enum rs_ops_state state;
    uint32_t in_flight;  // operations and cancels whose completion is still to come
    struct rs_list cancels;
    struct rs_io_ring ring;
    struct rs_file_memory memory;  // that the ring has
};

// The key of the ring's descriptor in the back end. No watch has it: its index is too high.
#define RS_OPS_KEY (UINT64_MAX - 2)

// Begins `op`, whose words are set. It may be done before this returns.
//
// Errors: -EAGAIN: there is no ring for this thread, or no room; done() will not be called.
int rs_driver_submit(struct rouse_driver *driver, struct rs_op *op);

// Makes an operation's end come sooner, if it is still in flight. Any thread that keeps the record.
void rs_driver_cancel(struct rs_op *op);

// For the driver. `allowed`: the choice was left to us.
void rs_ops_init(struct rs_ops *ops, bool allowed);

// Has `backend` watch the ring, if there is one, so that a driver's sleep ends when an operation
// has. Under the driver's lock.
int rs_ops_watch(const struct rs_ops *ops, struct rs_backend *backend);

// The owner's: calls done() of what has ended, and hands on what is to be cancelled. Returns how
// many have ended.
int rs_ops_reap(struct rouse_driver *driver);

static inline bool rs_ops_are_in_flight(const struct rs_ops *ops)
{
    return ops->in_flight > 0;
}

// Cancels everything, waits for its end, and closes the ring. Nobody turns the driver.
void rs_ops_close(struct rouse_driver *driver);

// In the child of a fork: closes the ring, whose operations are the parent's.
void rs_ops_discard(struct rs_ops *ops);

#endif
