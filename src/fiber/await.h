// SPDX-License-Identifier: MIT
//
// Waiting in a fiber, for the layers that offer direct forms.

#ifndef RS_FIBER_AWAIT_H
#define RS_FIBER_AWAIT_H

#include <rouse/future.h>

// Waits until `future` has ended, whatever cancels the task. In a fiber; outside polls.
void rs_await_shielded(struct rouse_future *future);

#endif
