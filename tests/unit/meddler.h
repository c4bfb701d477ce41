// SPDX-License-Identifier: MIT
//
// A waker that does something when it is woken: for what happens between the wakes of one call. One
// thread only.

#ifndef TESTS_UNIT_MEDDLER_H
#define TESTS_UNIT_MEDDLER_H

#include <rouse/future.h>

struct meddler {
    void (*meddle)(void *arg);  // called by each wake
    void *arg;
    int shares;
};

static struct rouse_waker meddler_clone(void *data);

static inline void meddler_drop(void *data)
{
    ((struct meddler *)data)->shares--;
}

static inline void meddler_wake_by_ref(void *data)
{
    struct meddler *m = data;

    m->meddle(m->arg);
}

static inline void meddler_wake(void *data)
{
    meddler_drop(data);
    meddler_wake_by_ref(data);
}

static const struct rouse_waker_vtable meddler_vtable = {.clone = meddler_clone,
                                                         .wake = meddler_wake,
                                                         .wake_by_ref = meddler_wake_by_ref,
                                                         .drop = meddler_drop};

static inline struct rouse_waker meddler_clone(void *data)
{
    ((struct meddler *)data)->shares++;
    return (struct rouse_waker){.vtable = &meddler_vtable, .data = data};
}

static inline rouse_poll meddler_poll(struct meddler *m, struct rouse_future *future)
{
    struct rouse_waker waker = {.vtable = &meddler_vtable, .data = m};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, NULL);
    return rouse_future_poll(future, &cx);
}

#endif
