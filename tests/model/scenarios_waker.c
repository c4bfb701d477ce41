// SPDX-License-Identifier: MIT
//
// The waker slot: a registrant against wakers. The condition that a wake is about is relaxed, so
// only the slot can order it: either the wake finds the waker, or the registrant sees the
// condition.

#include <stdatomic.h>

#include "model.h"

static struct rouse_waker_slot slot;
static struct model_waker first;
static struct model_waker second;
static _Atomic int condition;

static void reset(void)
{
    slot = (struct rouse_waker_slot){0};
    first = (struct model_waker){.thread = 1};
    second = (struct model_waker){.thread = 1};
    atomic_store_explicit(&condition, 0, memory_order_relaxed);
    model_name(&slot, sizeof slot, "slot");
    model_name(&condition, sizeof condition, "condition");
}

static int seen(void)
{
    // Relaxed: whatever orders it is the slot's.
    return atomic_load_explicit(&condition, memory_order_relaxed);
}

static void add_and_wake(void)
{
    // Relaxed: as above.
    (void)atomic_fetch_add_explicit(&condition, 1, memory_order_relaxed);
    rouse_waker_slot_wake(&slot);
}

static void await(struct model_waker *waker, int wanted)
{
    struct rouse_waker borrowed = model_waker_of(waker);

    for (;;) {
        rouse_waker_slot_register(&slot, &borrowed);
        if (seen() >= wanted) return;
        do {
            model_park();
        } while (!model_waker_take(waker));
        // Who finds a wake under way wakes itself, until that has gone through.
        model_relax();
    }
}

static void await_one(void)
{
    await(&first, 1);
}

static void await_two(void)
{
    await(&first, 2);
}

// The waker changes at every poll.
static void await_one_then_two(void)
{
    await(&first, 1);
    await(&second, 2);
}

static void register_twice(void)
{
    struct rouse_waker a = model_waker_of(&first);
    struct rouse_waker b = model_waker_of(&second);

    rouse_waker_slot_register(&slot, &a);
    rouse_waker_slot_register(&slot, &b);
    if (seen() >= 1) return;
    // The first waker may have been woken in vain; the second has to be.
    while (!model_waker_take(&second)) model_park();
}

// The slot may wake the waker on the spot. Then it knows what the wake was about.
static void register_and_look(void)
{
    struct rouse_waker a = model_waker_of(&first);

    rouse_waker_slot_register(&slot, &a);
    if (model_waker_taken_from(&first) == (int)model_self()) {
        model_claim(seen() >= 1, "a registrant that wakes itself sees what the wake was about");
    }
}

static void add_and_wake_twice(void)
{
    add_and_wake();
    add_and_wake();
}

static void take_it(void)
{
    struct rouse_waker waker = rouse_waker_slot_take(&slot);

    rouse_waker_drop(&waker);
}

static void register_once(void)
{
    struct rouse_waker a = model_waker_of(&first);

    rouse_waker_slot_register(&slot, &a);
}

static void check(void)
{
    rouse_waker_slot_deinit(&slot);
    // Relaxed: all threads have ended.
    model_claim(atomic_load_explicit(&first.shares, memory_order_relaxed) == 0 &&
                    atomic_load_explicit(&second.shares, memory_order_relaxed) == 0,
                "every share of a waker is given up once");
}

const struct model_scenario model_waker_scenarios[] = {
    {.name = "waker_one",
     .about = "a wake finds the waker, or the registrant sees the condition",
     .setup = reset,
     .threads = {await_one, add_and_wake},
     .check = check},
    {.name = "waker_two_wakers",
     .about = "of two wakes at once none is lost",
     .setup = reset,
     .threads = {await_two, add_and_wake, add_and_wake},
     .check = check},
    {.name = "waker_twice",
     .about = "nor of two in a row",
     .setup = reset,
     .threads = {await_two, add_and_wake_twice},
     .check = check},
    {.name = "waker_changes",
     .about = "the waker of the last poll is the one that counts",
     .setup = reset,
     .threads = {await_one_then_two, add_and_wake, add_and_wake},
     .check = check},
    {.name = "waker_replaced",
     .about = "a waker that is replaced while a wake comes",
     .setup = reset,
     .threads = {register_twice, add_and_wake},
     .check = check},
    {.name = "waker_on_the_spot",
     .about = "a wake that the registrant does itself publishes as any other",
     .setup = reset,
     .threads = {register_and_look, add_and_wake},
     .check = check},
    {.name = "waker_taken",
     .about = "a waker is taken by one thread only",
     .setup = reset,
     .threads = {register_once, take_it, take_it},
     .check = check},
    {.name = NULL},
};
