// SPDX-License-Identifier: MIT
//
// The barrier of all threads, by membarrier(2).

#include "base/barrier.h"

#include <linux/membarrier.h>
#include <rouse/clock.h>
#include <time.h>

#include "base/sys.h"

bool rs_barrier_prepare(void)
{
    return rs_sys.membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void rs_barrier_all(void)
{
    struct timespec time = {.tv_nsec = (long)ROUSE_NS_PER_MS};

    if (rs_sys.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
    // Not registered yet, or a filter has come since.
    if (rs_barrier_prepare() && rs_sys.membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
    (void)nanosleep(&time, NULL);
}
