// SPDX-License-Identifier: MIT
//
// A waker made by hand: counts its shares and its wakes, so that a test can poll a future without
// an executor, and see what the future did with the waker.

#ifndef TESTS_UNIT_HAND_WAKER_H
#define TESTS_UNIT_HAND_WAKER_H

#include <rouse/clock.h>
#include <rouse/future.h>
#include <stdatomic.h>
#include <time.h>

// All zero is one nobody has a share of, never woken.
struct hand_waker {
    _Atomic int shares;
    _Atomic int wakes;
};

static struct rouse_waker hand_waker_clone(void *data);

// Orders: release on what a wake or drop publishes, with the acquire in hand_waker_wakes() and
// hand_waker_shares(); a clone publishes nothing.

static inline void hand_waker_drop(void *data)
{
    atomic_fetch_sub_explicit(&((struct hand_waker *)data)->shares, 1, memory_order_release);
}

static inline void hand_waker_wake_by_ref(void *data)
{
    atomic_fetch_add_explicit(&((struct hand_waker *)data)->wakes, 1, memory_order_release);
}

// The share goes first: whoever sees the wake may look at the shares.
static inline void hand_waker_wake(void *data)
{
    hand_waker_drop(data);
    hand_waker_wake_by_ref(data);
}

static const struct rouse_waker_vtable hand_waker_vtable = {
    .clone = hand_waker_clone,
    .wake = hand_waker_wake,
    .wake_by_ref = hand_waker_wake_by_ref,
    .drop = hand_waker_drop};

static inline struct rouse_waker hand_waker_clone(void *data)
{
    atomic_fetch_add_explicit(&((struct hand_waker *)data)->shares, 1, memory_order_relaxed);
    return (struct rouse_waker){.vtable = &hand_waker_vtable, .data = data};
}

static inline int hand_waker_wakes(struct hand_waker *hand)
{
    return atomic_load_explicit(&hand->wakes, memory_order_acquire);
}

static inline int hand_waker_shares(struct hand_waker *hand)
{
    return atomic_load_explicit(&hand->shares, memory_order_acquire);
}

// True if it has been woken since the last call.
static inline bool hand_waker_take(struct hand_waker *hand)
{
    // Acquire, as in hand_waker_wakes().
    return atomic_exchange_explicit(&hand->wakes, 0, memory_order_acquire) > 0;
}

// Polls `future` once, with `hand` as the waker of the context, and under `driver`.
static inline rouse_poll hand_waker_poll_under(struct hand_waker *hand, struct rouse_future *future,
                                               struct rouse_driver *driver)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rouse_future_poll(future, &cx);
}

// The same where there is no driver.
static inline rouse_poll hand_waker_poll(struct hand_waker *hand, struct rouse_future *future)
{
    return hand_waker_poll_under(hand, future, NULL);
}

static inline void hand_pause(void)
{
    const struct timespec pause = {.tv_nsec = 50000};

    (void)nanosleep(&pause, NULL);
}

// Waits until it has been woken `wakes` times; false if that takes 20 seconds.
static inline bool hand_waker_wait(struct hand_waker *hand, int wakes)
{
    uint64_t deadline = rouse_deadline_after(20 * ROUSE_NS_PER_S);

    while (hand_waker_wakes(hand) < wakes) {
        if (rouse_now_ns() > deadline) return false;
        hand_pause();
    }
    return true;
}

#endif
