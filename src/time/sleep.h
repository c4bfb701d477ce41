// SPDX-License-Identifier: MIT
//
// The inside of a sleep, for those that embed one.

#ifndef RS_TIME_SLEEP_H
#define RS_TIME_SLEEP_H

#include <rouse/sleep.h>
#include <stdatomic.h>

// NEW: in no wheel. FILED: in the wheel of `driver`. FIRED: taken out of it, at its deadline.
enum { RS_SLEEP_NEW = 0, RS_SLEEP_FILED = 1, RS_SLEEP_FIRED = 2 };

// True while it is in a wheel. Whoever may poll it.
static inline bool rs_sleep_is_filed(const struct rouse_sleep *sleep)
{
    // Acquire, with the release of whoever takes it out: the entry is in no list, and all is ours.
    return atomic_load_explicit((const _Atomic uint32_t *)&sleep->state, memory_order_acquire) ==
           RS_SLEEP_FILED;
}

#endif
