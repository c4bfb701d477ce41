// SPDX-License-Identifier: MIT
//
// How the threads of scenarios poll futures, make drivers and turn them.

#ifndef MODEL_WAIT_H
#define MODEL_WAIT_H

#include <rouse/driver.h>
#include <rouse/future.h>
#include <stdatomic.h>

#include "io/driver.h"
#include "model.h"

static inline struct rouse_driver *driver_make(const char *reactor)
{
    struct rouse_driver *driver = NULL;
    int err = rouse_driver_new(&driver,
                               &(struct rouse_driver_options){.size = sizeof(struct rouse_driver),
                                                              .allocator = &model_allocator,
                                                              .reactor = reactor});

    model_claim(err == 0, "a driver can be made");
    model_keep(driver);  // its record
    return driver;
}

// The waker unparks the thread that its maker has set.
static inline rouse_poll poll_with(struct rouse_future *future, struct model_waker *waker,
                                   struct rouse_driver *driver)
{
    struct rouse_waker shared = model_waker_of(waker);
    struct rouse_context cx;

    rouse_context_init(&cx, &shared, driver);
    return rouse_future_poll(future, &cx);
}

// Parks between polls.
static inline void wait_for(struct rouse_future *future, struct model_waker *waker,
                            struct rouse_driver *driver)
{
    while (poll_with(future, waker, driver) == ROUSE_PENDING) model_park();
}

// Parks until the waker, which publishes, has been woken. For futures that count on that.
static inline void wait_woken(struct rouse_future *future, struct model_waker *waker)
{
    while (poll_with(future, waker, NULL) == ROUSE_PENDING) {
        while (!model_waker_take(waker)) model_park();
    }
}

static inline void claim_dropped(struct model_waker *waker)
{
    // Relaxed: all threads have ended.
    model_claim(atomic_load_explicit(&waker->shares, memory_order_relaxed) == 0,
                "every share of a waker is given back");
}

// A thread that turns a driver until it is told that it may end.
struct turner {
    struct rouse_driver *driver;
    _Atomic uint32_t done;
};

static inline void turn_until_done(struct turner *turner)
{
    // Acquire, with the release in turner_end().
    while (atomic_load_explicit(&turner->done, memory_order_acquire) == 0) {
        (void)rouse_driver_turn(turner->driver, ROUSE_NEVER);
    }
}

static inline void turner_end(struct turner *turner)
{
    // Release, with the acquire in turn_until_done().
    atomic_store_explicit(&turner->done, 1, memory_order_release);
    rouse_driver_notify(turner->driver);
}

#endif
