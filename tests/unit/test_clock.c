// SPDX-License-Identifier: MIT
//
// Whether a time has come, by a clock of the test's own behind the table of system calls: what the
// cheap look may say, and when the clock itself is asked.

#include "base/clock.h"

#include <errno.h>

#include "base/sys.h"
#include "claim.h"

static uint64_t now_ns;   // the clock
static uint64_t tick_ns;  // as of the last tick
static bool has_ticks;
static int readings;  // of the clock

static int set_clock(clockid_t clock, struct timespec *out)
{
    bool coarse = clock == CLOCK_MONOTONIC_COARSE;
    uint64_t time_ns = coarse ? tick_ns : now_ns;

    if (coarse && !has_ticks) return -EINVAL;
    readings += !coarse;
    *out = (struct timespec){.tv_sec = (time_t)(time_ns / ROUSE_NS_PER_S),
                             .tv_nsec = (long)(time_ns % ROUSE_NS_PER_S)};
    return 0;
}

static bool reached(uint64_t time_ns)
{
    readings = 0;
    return rs_clock_has_reached(time_ns);
}

static void by_ticks(void)
{
    const uint64_t far_ns = tick_ns + RS_CLOCK_TICK_LATE_MAX_NS;

    has_ticks = true;
    claim(!reached(far_ns + 1) && readings == 0, "a time far from now needs no look at the clock");
    claim(!reached(ROUSE_NEVER) && readings == 0, "nor does one that never comes");
    claim(!reached(far_ns) && readings == 1, "one that is nearer does");
    claim(!reached(now_ns + 1) && readings == 1, "a nanosecond too early is too early");
    claim(reached(now_ns) && readings == 1, "what is due has come");
    claim(reached(tick_ns) && reached(0), "what is past has come");
}

static void without_ticks(void)
{
    has_ticks = false;
    claim(!reached(now_ns + 1) && readings == 1, "without ticks, the clock is asked");
    claim(reached(now_ns), "and what is due has come");
    claim(!reached(ROUSE_NEVER), "but not what never comes");
}

static void on_the_virtual_clock(void)
{
    has_ticks = true;
    rouse_clock_use_virtual(now_ns);
    rouse_clock_advance(ROUSE_NS_PER_S);
    claim(reached(now_ns + ROUSE_NS_PER_S),
          "the virtual clock leaps, and what it reaches has come");
    claim(!reached(now_ns + ROUSE_NS_PER_S + 1), "but nothing else");
}

int main(void)
{
    rs_sys.clock_gettime = set_clock;
    now_ns = 5000 * ROUSE_NS_PER_S;
    tick_ns = now_ns - 3 * ROUSE_NS_PER_MS;
    by_ticks();
    without_ticks();
    on_the_virtual_clock();
    return claims_end();
}
