// SPDX-License-Identifier: MIT
//
// The waker of a scenario's thread.

#include <rouse/waker.h>
#include <stdatomic.h>

#include "model.h"

static struct rouse_waker waker_clone(void *data)
{
    struct model_waker *waker = data;

    // Relaxed: only counted.
    atomic_fetch_add_explicit(&waker->shares, 1, memory_order_relaxed);
    return model_waker_of(waker);
}

static void waker_wake_by_ref(void *data)
{
    struct model_waker *waker = data;

    if (waker->publishes) {
        // Release, with the acquire in model_waker_taken_from(). A read-modify-write, so that of
        // two wakes both publish.
        (void)atomic_exchange_explicit(&waker->woken, model_self() + 1, memory_order_release);
    } else {
        // Relaxed: whoever wakes must publish by atomics of its own.
        atomic_store_explicit(&waker->woken, model_self() + 1, memory_order_relaxed);
    }
    model_unpark(waker->thread);
}

static void waker_drop(void *data)
{
    struct model_waker *waker = data;

    // Relaxed: only counted.
    int32_t shares = atomic_fetch_sub_explicit(&waker->shares, 1, memory_order_relaxed);

    model_claim(shares > 0, "a waker is dropped once");
}

static void waker_wake(void *data)
{
    waker_wake_by_ref(data);
    waker_drop(data);
}

static const struct rouse_waker_vtable model_waker_vtable = {
    .clone = waker_clone,
    .wake = waker_wake,
    .wake_by_ref = waker_wake_by_ref,
    .drop = waker_drop,
};

struct rouse_waker model_waker_of(struct model_waker *waker)
{
    return (struct rouse_waker){.vtable = &model_waker_vtable, .data = waker};
}

bool model_waker_take(struct model_waker *waker)
{
    return model_waker_taken_from(waker) >= 0;
}

int model_waker_taken_from(struct model_waker *waker)
{
    // Acquire, with the release of a wake that publishes.
    return (int)atomic_exchange_explicit(&waker->woken, 0, memory_order_acquire) - 1;
}
