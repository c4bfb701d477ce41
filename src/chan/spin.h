// SPDX-License-Identifier: MIT
//
// Somebody is between two steps, some nanoseconds apart, unless he was preempted there.

#ifndef RS_CHAN_SPIN_H
#define RS_CHAN_SPIN_H

#include <sched.h>

#include "base/cpu.h"

static inline void rs_spin(int *rounds)
{
    enum { ROUNDS_MAX = 128 };

    rs_cpu_relax();
    if (++*rounds < ROUNDS_MAX) return;
    *rounds = 0;
    (void)sched_yield();
}

#endif
