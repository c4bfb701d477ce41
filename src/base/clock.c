// SPDX-License-Identifier: MIT
//
// The clock seam. Real: CLOCK_MONOTONIC. Virtual: a number that only we move.

#include "base/clock.h"

#include <rouse/assert.h>
#include <time.h>

#include "base/sys.h"

// ROUSE_NEVER while the clock is real, else the virtual time. Written before threads start and
// then only forward.
static _Atomic uint64_t virtual_now = ROUSE_NEVER;

uint64_t rouse_now_ns(void)
{
    // Acquire, with the release in rouse_clock_advance(): who sees the new time sees what was done
    // before it.
    uint64_t now = atomic_load_explicit(&virtual_now, memory_order_acquire);
    struct timespec ts = {0};

    if (ROUSE_UNLIKELY(now != ROUSE_NEVER)) return now;
    (void)rs_sys.clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * ROUSE_NS_PER_S + (uint64_t)ts.tv_nsec;
}

bool rs_clock_is_virtual(void)
{
    // Relaxed: set before threads start, never unset.
    return atomic_load_explicit(&virtual_now, memory_order_relaxed) != ROUSE_NEVER;
}

bool rs_clock_has_reached(uint64_t time_ns)
{
    struct timespec tick;

    // No reading of the processor's counter, which is what a look at the clock costs. It is never
    // ahead of the clock.
    if (!rs_clock_is_virtual() && rs_sys.clock_gettime(CLOCK_MONOTONIC_COARSE, &tick) == 0) {
        uint64_t tick_ns = (uint64_t)tick.tv_sec * ROUSE_NS_PER_S + (uint64_t)tick.tv_nsec;

        if (time_ns > tick_ns + RS_CLOCK_TICK_LATE_MAX_NS) return false;
    }
    return rouse_now_ns() >= time_ns;
}

uint64_t rouse_deadline_after(uint64_t duration_ns)
{
    uint64_t now = rouse_now_ns();

    return duration_ns > ROUSE_NEVER - now ? ROUSE_NEVER : now + duration_ns;
}

void rouse_clock_use_virtual(uint64_t start_ns)
{
    rouse_assert(start_ns != ROUSE_NEVER, "the virtual clock cannot start at its end");
    // Relaxed: before threads start.
    atomic_store_explicit(&virtual_now, start_ns, memory_order_relaxed);
}

void rouse_clock_advance(uint64_t duration_ns)
{
    rouse_assert(rs_clock_is_virtual(),
                 "only a virtual clock can be moved; call rouse_clock_use_virtual() first");
    // Release: see rouse_now_ns().
    atomic_fetch_add_explicit(&virtual_now, duration_ns, memory_order_release);
}

void rs_clock_jump_to(uint64_t time_ns)
{
    // Relaxed: the compare-exchange below decides.
    uint64_t now = atomic_load_explicit(&virtual_now, memory_order_relaxed);

    while (now < time_ns) {
        // Release: see rouse_now_ns(). Relaxed on failure: `now` is only compared.
        if (atomic_compare_exchange_weak_explicit(&virtual_now, &now, time_ns, memory_order_release,
                                                  memory_order_relaxed)) {
            return;
        }
    }
}
