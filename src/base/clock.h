// SPDX-License-Identifier: MIT
//
// What drivers and workers need of the clock beyond its public face.

#ifndef RS_BASE_CLOCK_H
#define RS_BASE_CLOCK_H

#include <rouse/clock.h>
#include <stdatomic.h>
#include <stdbool.h>

bool rs_clock_is_virtual(void);

// Moves the virtual clock to `time_ns`, unless it is there already.
void rs_clock_jump_to(uint64_t time_ns);

#endif
