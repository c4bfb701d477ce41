// SPDX-License-Identifier: MIT
//
// Drawing at chaos points, each with a likelihood of its own.

#include "base/chaos.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "base/random.h"

_Atomic bool rs_chaos_on;

void rs_chaos_init(void)
{
    const char *text = getenv("ROUSE_CHAOS");

    // Relaxed, here and below: a switch that is thrown once.
    if (text == NULL || atomic_load_explicit(&rs_chaos_on, memory_order_relaxed)) return;
    atomic_store_explicit(&rs_chaos_on, true, memory_order_relaxed);
}

// Short or long: some windows are a few instructions wide, others as wide as a wake-up.
static void delay(void)
{
    uint32_t kind = rs_random_below(64);

    if (kind == 0) {
        const struct timespec moment = {.tv_nsec = 20000};

        (void)nanosleep(&moment, NULL);
    } else if (kind < 32) {
        (void)sched_yield();
    } else {
        for (uint32_t i = 0; i < kind * 8; i++) rs_cpu_relax();
    }
}

bool rs_chaos_draw(enum rs_chaos point)
{
    static const uint32_t one_in[] = {
        [RS_CHAOS_DELAY] = 16, [RS_CHAOS_REQUEUE] = 4,  [RS_CHAOS_SHARE] = 16, [RS_CHAOS_STEAL] = 8,
        [RS_CHAOS_TURN] = 8,   [RS_CHAOS_SPURIOUS] = 8, [RS_CHAOS_AWAKE] = 8,  [RS_CHAOS_GIVE] = 4,
    };

    if (rs_random_below(one_in[point]) != 0) return false;
    if (point == RS_CHAOS_DELAY) delay();
    return true;
}
