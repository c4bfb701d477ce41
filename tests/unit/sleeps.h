// SPDX-License-Identifier: MIT
//
// Many sleeps that are filed with one driver, on a clock that the test sets: put set_clock() behind
// the table of system calls.

#ifndef TESTS_UNIT_SLEEPS_H
#define TESTS_UNIT_SLEEPS_H

#include <rouse.h>
#include <stdlib.h>

#include "hand_waker.h"

static uint64_t now_ns = 1000 * ROUSE_NS_PER_S;

static inline int set_clock(clockid_t clock, struct timespec *out)
{
    (void)clock;
    *out = (struct timespec){.tv_sec = (time_t)(now_ns / ROUSE_NS_PER_S),
                             .tv_nsec = (long)(now_ns % ROUSE_NS_PER_S)};
    return 0;
}

// All wake `hand`.
static inline void file_sleeps(struct rouse_driver *driver, struct hand_waker *hand,
                               struct rouse_sleep *sleeps, int count, uint64_t deadline_ns)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    for (int i = 0; i < count; i++) {
        rouse_sleep_until_init(&sleeps[i], deadline_ns);
        if (rouse_future_poll(&sleeps[i].base, &cx) != ROUSE_PENDING) exit(1);
    }
}

#endif
