// SPDX-License-Identifier: MIT
//
// A place in the queue of those who wait for a descriptor. Part of I/O futures; the words are
// private.

#ifndef ROUSE_IO_WAIT_H
#define ROUSE_IO_WAIT_H

#include <rouse/waker.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_io_wait {
    struct rouse_io_wait *next;  // all under the lock of the driver that watches the direction
    struct rouse_io_wait *prev;
    struct rouse_waker waker;
    uintptr_t place;  // the descriptor waited on, and in the lowest bits direction and state
};

ROUSE_EXTERN_C_END

#endif
