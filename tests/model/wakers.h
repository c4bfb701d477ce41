// SPDX-License-Identifier: MIT
//
// Two wakers for each thread of a scenario, the second one for a later poll.

#ifndef MODEL_WAKERS_H
#define MODEL_WAKERS_H

#include <rouse/clock.h>

#include "wait.h"

enum { WAITERS = 4 };

static struct model_waker wakers[WAITERS];
static struct model_waker others[WAITERS];

static inline struct model_waker *my_waker(void)
{
    return &wakers[model_self() - 1];
}

// Also puts the scenario on a virtual clock.
static inline void wakers_make(void)
{
    rouse_clock_use_virtual(ROUSE_NS_PER_S);
    for (unsigned i = 0; i < WAITERS; i++) {
        wakers[i] = (struct model_waker){.thread = i + 1};
        others[i] = (struct model_waker){.thread = i + 1};
    }
}

static inline void wakers_check(void)
{
    for (int i = 0; i < WAITERS; i++) {
        claim_dropped(&wakers[i]);
        claim_dropped(&others[i]);
    }
}

#endif
