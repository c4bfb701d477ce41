// SPDX-License-Identifier: MIT
//
// The pauses of a future that tries again. Whoever polls the future; nothing here is shared.

#include "time/backoff.h"

void rs_backoff_begin(struct rouse_backoff *backoff, uint64_t min_ns, uint64_t max_ns)
{
    backoff->pause_ns = backoff->pause_ns == 0 ? min_ns : backoff->pause_ns * 2;
    if (backoff->pause_ns > max_ns) backoff->pause_ns = max_ns;
    backoff->is_pausing = true;
    rouse_sleep_init(&backoff->sleep, backoff->pause_ns);
}

rouse_poll rs_backoff_poll(struct rouse_backoff *backoff, struct rouse_context *cx, int *err)
{
    *err = 0;
    if (!backoff->is_pausing) return ROUSE_READY;
    if (rouse_future_poll(&backoff->sleep.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    backoff->is_pausing = false;
    *err = backoff->sleep.output;
    return ROUSE_READY;
}

void rs_backoff_drop(struct rouse_backoff *backoff)
{
    if (backoff->is_pausing) rouse_future_drop(&backoff->sleep.base);
}
