// SPDX-License-Identifier: MIT
//
// A pause between tries, twice as long each time. It is polled before each try, and dropped with
// the future that it is part of.

#ifndef RS_TIME_BACKOFF_H
#define RS_TIME_BACKOFF_H

#include <rouse/backoff.h>

// Begins a pause: `min_ns` for the first one, up to `max_ns`.
void rs_backoff_begin(struct rouse_backoff *backoff, uint64_t min_ns, uint64_t max_ns);

// Ready when no pause is on, or it is over. `*err` is then 0, or what the sleep ended with.
rouse_poll rs_backoff_poll(struct rouse_backoff *backoff, struct rouse_context *cx, int *err);

void rs_backoff_drop(struct rouse_backoff *backoff);

#endif
