// SPDX-License-Identifier: MIT
//
// Sleep: a timer in the wheel of the driver it was polled under last.
//
//     NEW --first poll--> FILED --the wheel--> FIRED --poll, its deadline moved later--> FILED
//      ^                    |
//      +--its driver goes---+        FILED at one driver, polled under another: it moves
//
// 1. `entry`, `waker`, and the step out of FILED change under the lock of `driver` only.
//    So does its `filed_ns`: the wheel may file the entry anew, for a deadline moved later.
// 2. Whoever takes the entry out of the wheel stores the new state last, with release, and does
//    not touch the sleep again: its owner may free it as soon as it sees the state.

#include <errno.h>
#include <rouse/await.h>
#include <rouse/sleep.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/counters.h"
#include "io/driver.h"
#include "time/sleep.h"

static _Atomic uint32_t *state_of(struct rouse_sleep *sleep)
{
    return (_Atomic uint32_t *)&sleep->state;
}

static uint32_t state_load(struct rouse_sleep *sleep)
{
    // Acquire, with the release in leave_wheel(): the entry is in no list, and all is ours.
    return atomic_load_explicit(state_of(sleep), memory_order_acquire);
}

static _Atomic uint64_t *deadline_of(struct rouse_sleep *sleep)
{
    return (_Atomic uint64_t *)&sleep->deadline_ns;
}

// The entry has left the wheel; `waker` gets what was stored. Under the lock.
static void leave_wheel(struct rouse_sleep *sleep, uint32_t state, struct rouse_waker *waker)
{
    *waker = sleep->waker;
    sleep->waker = (struct rouse_waker){0};
    rs_counter_add(RS_COUNTER_TIMERS, -1);
    // Release, with the acquire in state_load(): invariant 2.
    atomic_store_explicit(state_of(sleep), state, memory_order_release);
}

void rs_timer_expired(struct rouse_driver *driver, struct rouse_timer_entry *entry,
                      struct rs_batch *batch)
{
    struct rouse_sleep *sleep = ROUSE_CONTAINER_OF(entry, struct rouse_sleep, entry);
    struct rouse_waker waker;
    // Relaxed: a move to a later deadline is one store; missed, it is found at the next poll.
    uint64_t deadline = atomic_load_explicit(deadline_of(sleep), memory_order_relaxed);

    // Whether it is due now does not matter: then it comes back at once. And our clock would be the
    // wrong one to ask: another thread may have shown the wheel a later time.
    if (deadline > entry->filed_ns) {
        rs_wheel_insert(&driver->wheel, entry, deadline);
        return;
    }
    leave_wheel(sleep, RS_SLEEP_FIRED, &waker);
    rs_batch_take(batch, &waker);
}

void rs_timer_orphaned(struct rouse_timer_entry *entry, struct rs_batch *batch)
{
    struct rouse_sleep *sleep = ROUSE_CONTAINER_OF(entry, struct rouse_sleep, entry);
    struct rouse_waker waker;

    leave_wheel(sleep, RS_SLEEP_NEW, &waker);
    rs_batch_take(batch, &waker);
}

// Files the sleep in the wheel of `driver`. False if the driver has been freed.
static bool file(struct rouse_sleep *sleep, struct rouse_driver *driver,
                 const struct rouse_waker *waker, uint64_t deadline_ns)
{
    struct rouse_waker clone = rouse_waker_clone(waker);

    rs_driver_lock(driver);
    bool live = driver->live;
    if (live) {
        sleep->waker = clone;
        sleep->driver = driver;
        // Relaxed: published by the lock.
        atomic_store_explicit(state_of(sleep), RS_SLEEP_FILED, memory_order_relaxed);
        rs_counter_add(RS_COUNTER_TIMERS, 1);
        // Under the lock, which keeps a driver that we do not turn from being freed meanwhile.
        if (rs_driver_timer_insert(driver, &sleep->entry, deadline_ns)) rouse_driver_notify(driver);
    }
    rs_driver_unlock(driver);
    if (!live) rouse_waker_drop(&clone);
    return live;
}

// Takes a filed sleep out of the wheel; afterwards the entry is in no list.
static void unfile(struct rouse_sleep *sleep)
{
    struct rouse_driver *driver = sleep->driver;
    struct rouse_waker waker = {0};

    rs_driver_lock(driver);
    // Relaxed: under the lock that guards it. The record may be in use by another driver by now,
    // but then ours has let go of the sleep.
    if (atomic_load_explicit(state_of(sleep), memory_order_relaxed) == RS_SLEEP_FILED) {
        rs_wheel_remove(&driver->wheel, &sleep->entry);
        leave_wheel(sleep, RS_SLEEP_NEW, &waker);
    }
    rs_driver_unlock(driver);
    rouse_waker_drop(&waker);
}

// Puts this poll's waker in place of the stored one. False if the sleep is filed no longer, or for
// later than `deadline_ns`.
static bool waker_replace(struct rouse_sleep *sleep, const struct rouse_waker *waker,
                          uint64_t deadline_ns)
{
    struct rouse_waker spare = {0};

    for (;;) {
        rs_driver_lock(sleep->driver);
        // Relaxed: under the lock that guards it.
        uint32_t state = atomic_load_explicit(state_of(sleep), memory_order_relaxed);
        bool filed = state == RS_SLEEP_FILED && sleep->entry.filed_ns <= deadline_ns;
        bool same = filed && rouse_waker_will_wake(&sleep->waker, waker);
        bool replaced = filed && !same && spare.vtable != NULL;

        if (replaced) {
            struct rouse_waker old = sleep->waker;

            sleep->waker = spare;
            spare = old;
        }
        rs_driver_unlock(sleep->driver);
        if (!filed || same || replaced) {
            rouse_waker_drop(&spare);
            return filed;
        }
        spare = rouse_waker_clone(waker);  // not under the lock
    }
}

// The sleep is not filed: who polls it has taken it out, or found it out of the wheel.
static rouse_poll sleep_end(struct rouse_sleep *sleep, int output)
{
    sleep->output = output;
    return ROUSE_READY;
}

// Timers spend no budget: a timeout must be able to fire in a task that is never out of work.
static rouse_poll sleep_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_sleep *sleep = ROUSE_CONTAINER_OF(self, struct rouse_sleep, base);
    // Relaxed: written by whoever may poll.
    uint64_t deadline = atomic_load_explicit(deadline_of(sleep), memory_order_relaxed);

    for (;;) {
        uint32_t state = state_load(sleep);

        if (state == RS_SLEEP_FILED) {
            // Moved to an earlier deadline, or polled under another driver: file it anew.
            if (sleep->driver == cx->driver && waker_replace(sleep, &cx->waker, deadline)) {
                return ROUSE_PENDING;
            }
            unfile(sleep);
            continue;
        }
        // It may have fired for a deadline that has been moved later since.
        bool fired = state == RS_SLEEP_FIRED && sleep->entry.filed_ns >= deadline;

        if (fired || rs_clock_has_reached(deadline)) return sleep_end(sleep, 0);
        if (cx->driver == NULL || !file(sleep, cx->driver, &cx->waker, deadline)) {
            return sleep_end(sleep, -ECANCELED);
        }
        return ROUSE_PENDING;
    }
}

static void sleep_drop(struct rouse_future *self)
{
    struct rouse_sleep *sleep = ROUSE_CONTAINER_OF(self, struct rouse_sleep, base);

    if (state_load(sleep) == RS_SLEEP_FILED) unfile(sleep);
}

static int sleep_describe(const struct rouse_future *self, char *buf, size_t size)
{
    uint64_t deadline = ((const struct rouse_sleep *)self)->deadline_ns;
    uint64_t now = rouse_now_ns();

    if (deadline == ROUSE_NEVER) return snprintf(buf, size, "sleep for ever");
    return snprintf(buf, size, "sleep, %.3f s left",
                    deadline > now ? (double)(deadline - now) / 1e9 : 0.0);
}

static int64_t sleep_result(const struct rouse_future *self)
{
    return ((const struct rouse_sleep *)self)->output;
}

static const struct rouse_future_vtable sleep_ended = {.name = "sleep", .result = sleep_result};
static const struct rouse_future_vtable sleep_vtable = {
    .poll = sleep_poll,
    .drop = sleep_drop,
    .name = "sleep",
    .describe = sleep_describe,
    .ended = &sleep_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_sleep_until_init(struct rouse_sleep *sleep, uint64_t deadline_ns)
{
    sleep->base.vtable = &sleep_vtable;
    sleep->entry.slot = 0;
    sleep->waker = (struct rouse_waker){0};
    sleep->driver = NULL;
    sleep->deadline_ns = deadline_ns;
    sleep->state = RS_SLEEP_NEW;
    sleep->output = 0;
}

void rouse_sleep_init(struct rouse_sleep *sleep, uint64_t duration_ns)
{
    rouse_sleep_until_init(sleep, rouse_deadline_after(duration_ns));
}

void rouse_sleep_reset(struct rouse_sleep *sleep, uint64_t deadline_ns)
{
    // Relaxed: the wheel looks when the filed deadline comes, and then goes by what it finds.
    atomic_store_explicit(deadline_of(sleep), deadline_ns, memory_order_relaxed);
}

int rouse_sleep_until(uint64_t deadline_ns)
{
    struct rouse_sleep sleep;

    rouse_sleep_until_init(&sleep, deadline_ns);
    int err = rouse_await(&sleep.base);
    return err < 0 ? err : sleep.output;
}

int rouse_sleep(uint64_t duration_ns)
{
    return rouse_sleep_until(rouse_deadline_after(duration_ns));
}
