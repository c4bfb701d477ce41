// SPDX-License-Identifier: MIT
//
// Drivers and timers: sleep against notify, timers filed, fired, dropped and moved by different
// threads, and a driver that goes away. The driver is real, its back end is the model's.

#include <errno.h>
#include <rouse/driver.h>
#include <rouse/sleep.h>
#include <stdatomic.h>

#include "io/driver.h"
#include "kernel.h"
#include "model.h"

enum { TICK = 1000 };

static struct rouse_driver *driver;
static struct rouse_driver *second;
static struct rouse_sleep *sleep_future;  // in a block of its own
static struct model_waker waiter;
static _Atomic int work;
static int turns;

static void begin(void)
{
    driver = NULL;
    second = NULL;
    model_claim(rouse_driver_new(&driver, NULL) == 0, "there is a driver");
    model_keep(driver);
    // Relaxed: before the threads.
    atomic_store_explicit(&work, 0, memory_order_relaxed);
    waiter = (struct model_waker){.thread = 2};
    turns = 0;
    model_name(driver, sizeof *driver, "driver");
    model_name(&work, sizeof work, "work");
}

static rouse_poll poll_sleep(struct rouse_driver *with)
{
    struct rouse_waker borrowed = model_waker_of(&waiter);
    struct rouse_context cx;

    rouse_context_init(&cx, &borrowed, with);
    return rouse_future_poll(&sleep_future->base, &cx);
}

// A timer that stands in the driver's wheel.
static void begin_filed(void)
{
    begin();
    sleep_future = model_alloc(sizeof *sleep_future);
    model_name(sleep_future, sizeof *sleep_future, "sleep");
    rouse_sleep_init(sleep_future, TICK);
    model_claim(poll_sleep(driver) == ROUSE_PENDING, "it is not due");
}

static void begin_two_drivers(void)
{
    begin_filed();
    model_claim(rouse_driver_new(&second, NULL) == 0, "there is another driver");
    model_keep(second);
    model_clock_advance(TICK);
    model_name(second, sizeof *second, "second");
}

static void begin_due(void)
{
    begin_filed();
    model_clock_advance(TICK);
}

// ---- Sleep and notify ----

static int seen(void)
{
    // Relaxed: whatever orders it is the driver's.
    return atomic_load_explicit(&work, memory_order_relaxed);
}

// As an owner: looks for work between the announcement and the sleep.
static void turn_until_work(void)
{
    while (seen() == 0) {
        rs_driver_prepare_sleep(driver);
        if (seen() != 0) {
            rs_driver_cancel_sleep(driver);
            break;
        }
        (void)rs_driver_sleep(driver, ROUSE_NEVER, NULL, NULL);
        turns++;
    }
}

static void give_work(void)
{
    // Relaxed: as in seen().
    atomic_store_explicit(&work, 1, memory_order_relaxed);
    rouse_driver_notify(driver);
}

static void notify_for_nothing(void)
{
    rouse_driver_notify(driver);
}

static void poll_for_owner(void)
{
    (void)rs_driver_poll(driver);
}

static void free_driver(void)
{
    rouse_driver_free(driver);
}

// ---- Timers ----

// Turns the driver until the timer has fired and its thread has seen that.
static void turn_until_fired(void)
{
    while (seen() == 0) (void)rouse_driver_turn(driver, ROUSE_NEVER);
}

static void file_and_wait(void)
{
    sleep_future = model_alloc(sizeof *sleep_future);
    rouse_sleep_init(sleep_future, TICK);
    while (poll_sleep(driver) == ROUSE_PENDING) {
        do {
            model_park();
        } while (!model_waker_take(&waiter));
    }
    model_claim(sleep_future->output == 0, "the timer fires");
    model_free(sleep_future);
    give_work();
}

static void fire(void)
{
    (void)rs_driver_poll(driver);
}

static void drop(void)
{
    rouse_future_drop(&sleep_future->base);
    model_free(sleep_future);
}

static void wait_for_it(void)
{
    while (poll_sleep(driver) == ROUSE_PENDING) {
        do {
            model_park();
        } while (!model_waker_take(&waiter));
    }
    model_claim(sleep_future->output == 0 || sleep_future->output == -ECANCELED,
                "the timer fires, or its driver has gone");
    model_free(sleep_future);
}

static void move_elsewhere(void)
{
    bool pending = poll_sleep(second) == ROUSE_PENDING;

    if (pending) rouse_future_drop(&sleep_future->base);
    model_free(sleep_future);
}

// Later, while it fires: it must not have fired early.
static void move_later(void)
{
    rouse_sleep_reset(sleep_future, rouse_now_ns() + TICK);
    bool pending = poll_sleep(driver) == ROUSE_PENDING;

    model_claim(pending, "a timer that was moved before it was seen to fire is not due");
    rouse_future_drop(&sleep_future->base);
    model_free(sleep_future);
}

static void check(void)
{
    rouse_driver_free(driver);
    rouse_driver_free(second);
    // Relaxed: the threads have ended.
    model_claim(atomic_load_explicit(&waiter.shares, memory_order_relaxed) == 0,
                "every share of the waker is given up");
}

static void check_freed(void)
{
    driver = NULL;
    check();
}

const struct model_scenario model_driver_scenarios[] = {
    {.name = "driver_notify",
     .about = "an owner on its way to sleep and a notify do not miss each other",
     .setup = begin,
     .threads = {turn_until_work, give_work},
     .check = check},
    {.name = "driver_notify_twice",
     .about = "nor do they when another notify comes between",
     .setup = begin,
     .threads = {turn_until_work, give_work, notify_for_nothing},
     .check = check},
    {.name = "driver_poll_for_owner",
     .about = "nor when somebody polls on the owner's behalf",
     .setup = begin,
     .threads = {turn_until_work, give_work, poll_for_owner},
     .check = check},
    {.name = "driver_timer_filed",
     .about = "a timer that another thread files ends the owner's sleep in time",
     .setup = begin,
     .threads = {turn_until_fired, file_and_wait},
     .check = check},
    {.name = "timer_drop",
     .about = "a timer is dropped, and its memory freed, while it fires",
     .setup = begin_due,
     .threads = {fire, drop},
     .check = check},
    {.name = "timer_poll",
     .about = "a timer is polled while it fires",
     .setup = begin_due,
     .threads = {fire, wait_for_it},
     .check = check},
    {.name = "timer_fired_twice",
     .about = "two threads fire what is due",
     .setup = begin_due,
     .threads = {fire, drop, fire},
     .check = check},
    {.name = "timer_elsewhere",
     .about = "a timer moves to another driver while it fires",
     .setup = begin_two_drivers,
     .threads = {fire, move_elsewhere},
     .check = check},
    {.name = "timer_later",
     .about = "a timer is moved to later while it fires",
     .setup = begin_due,
     .threads = {fire, move_later},
     .check = check},
    {.name = "timer_orphaned",
     .about = "a driver goes away while its timer is polled",
     .setup = begin_filed,
     .threads = {free_driver, wait_for_it},
     .check = check_freed},
    {.name = "timer_orphaned_drop",
     .about = "or dropped",
     .setup = begin_filed,
     .threads = {free_driver, drop},
     .check = check_freed},
    {.name = NULL},
};
