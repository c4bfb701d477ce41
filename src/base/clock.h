// SPDX-License-Identifier: MIT
//
// What drivers and workers need of the clock beyond its public face.

#ifndef RS_BASE_CLOCK_H
#define RS_BASE_CLOCK_H

#include <rouse/clock.h>
#include <stdatomic.h>
#include <stdbool.h>

bool rs_clock_is_virtual(void);

// True if rouse_now_ns() >= `time_ns`, for a fifth of its price where the time is far away. That
// is told by the kernel's last tick, which is taken to be less than RS_CLOCK_TICK_LATE_MAX_NS old:
// on a machine that stands still for longer, a time that has just come may be reported to be yet to
// come.
bool rs_clock_has_reached(uint64_t time_ns);

// Ticks come each 1 to 10 ms.
#define RS_CLOCK_TICK_LATE_MAX_NS (250 * ROUSE_NS_PER_MS)

// Moves the virtual clock to `time_ns`, unless it is there already.
void rs_clock_jump_to(uint64_t time_ns);

#endif
