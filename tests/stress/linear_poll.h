// SPDX-License-Identifier: MIT
//
// Polls in recorded histories: by hand, with a waker that notes that it was woken, and gives the
// processor away now and then, so that other threads go on amid an operation.

#ifndef TESTS_STRESS_LINEAR_POLL_H
#define TESTS_STRESS_LINEAR_POLL_H

#include "linear.h"

// A future that is polled, one of each thread.
struct linear_wait {
    bool is_active;         // begun, and not ended
    _Atomic int64_t rings;  // since its last poll
};

static struct rouse_waker linear_waker(struct linear_wait *wait);

static inline struct rouse_waker linear_waker_clone(void *data)
{
    (void)sched_yield();
    return linear_waker(data);
}

static inline void linear_waker_wake(void *data)
{
    (void)stress_add(&((struct linear_wait *)data)->rings, 1);
    (void)sched_yield();
}

static inline void linear_waker_drop(void *data)
{
    (void)data;
    (void)sched_yield();
}

static const struct rouse_waker_vtable linear_waker_vtable = {
    .clone = linear_waker_clone,
    .wake = linear_waker_wake,
    .wake_by_ref = linear_waker_wake,
    .drop = linear_waker_drop};

static inline struct rouse_waker linear_waker(struct linear_wait *wait)
{
    return (struct rouse_waker){.vtable = &linear_waker_vtable, .data = wait};
}

// True if it has ended.
static inline bool linear_poll(struct linear_wait *wait, struct rouse_future *future)
{
    struct rouse_waker waker = linear_waker(wait);
    struct rouse_context cx;

    (void)stress_add(&wait->rings, -stress_get(&wait->rings));
    rouse_context_init(&cx, &waker, NULL);
    wait->is_active = rouse_future_poll(future, &cx) == ROUSE_PENDING;
    return !wait->is_active;
}

static inline void linear_give_up(struct linear_wait *wait, struct rouse_future *future)
{
    if (wait->is_active) rouse_future_drop(future);
    wait->is_active = false;
}

// What waits, and has not been woken since its last poll.
static inline bool linear_sleeps(struct linear_wait *wait)
{
    return wait->is_active && stress_get(&wait->rings) == 0;
}

#endif
