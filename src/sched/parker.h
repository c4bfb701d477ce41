// SPDX-License-Identifier: MIT
//
// Parks a plain thread until its waker is woken. The record is counted, since a waker may outlive
// the wait by any time; it is made for each wait.

#ifndef RS_SCHED_PARKER_H
#define RS_SCHED_PARKER_H

#include <rouse/waker.h>

struct rs_parker;

// One share, for the thread; NULL without memory.
struct rs_parker *rs_parker_new(void);
void rs_parker_unref(struct rs_parker *parker);

// The waker of the parked thread, borrowed.
struct rouse_waker rs_parker_waker(struct rs_parker *parker);

// Returns when the waker has been woken since the last call; at once if it was meanwhile.
void rs_parker_wait(struct rs_parker *parker);

#endif
