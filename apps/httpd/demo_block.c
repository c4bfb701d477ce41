// SPDX-License-Identifier: MIT
//
// What a task must not do: it computes for 200 ms without a wait. All that is tied to its worker
// waits as long, and the stall detector names it.
#include <rouse/clock.h>

#include "demo_show.h"

#define BLOCKED_NS (200 * ROUSE_NS_PER_MS)

int httpd_demo_block(void *unused)
{
    uint64_t end_ns = rouse_now_ns() + BLOCKED_NS;

    (void)unused;
    while (rouse_now_ns() < end_ns) {
    }
    return 0;
}
