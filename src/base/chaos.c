// SPDX-License-Identifier: MIT
//
// Drawing at chaos points, each with a likelihood of its own.

#include "base/chaos.h"

#include <sched.h>
#include <stdlib.h>

#include "base/random.h"

_Atomic bool rs_chaos_on;

void rs_chaos_init(void)
{
    const char *text = getenv("ROUSE_CHAOS");

    // Relaxed, here and below: a switch that is thrown once.
    if (text == NULL || atomic_load_explicit(&rs_chaos_on, memory_order_relaxed)) return;
    rs_random_seed(strtoull(text, NULL, 0));
    atomic_store_explicit(&rs_chaos_on, true, memory_order_relaxed);
}

bool rs_chaos_draw(enum rs_chaos point)
{
    static const uint32_t one_in[] = {
        [RS_CHAOS_YIELD] = 16, [RS_CHAOS_REQUEUE] = 4,   [RS_CHAOS_STEAL] = 8,
        [RS_CHAOS_TURN] = 8,   [RS_CHAOS_SPURIOUS] = 32,
    };

    if (rs_random_below(one_in[point]) != 0) return false;
    if (point == RS_CHAOS_YIELD) (void)sched_yield();
    return true;
}
