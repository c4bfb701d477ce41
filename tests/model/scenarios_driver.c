// SPDX-License-Identifier: MIT
//
// Drivers: the sleep against the notify, the poll of another thread and the timer that another
// thread files; and drivers that go away while others wait in them.

#include <errno.h>
#include <rouse/sleep.h>

#include "base/sys.h"
#include "wait.h"

#define TIME_NS(ms) (ROUSE_NS_PER_S + (ms)*ROUSE_NS_PER_MS)

static struct rouse_driver *driver;
static _Atomic uint32_t work;
static int plain;
static struct turner turner;
static struct rouse_sleep sleeps[2];
static struct model_waker wakers[2];

static void name_driver(const struct rouse_driver *d)
{
    model_name(&d->state, sizeof d->state, "driver->state");
    model_name(&d->sleep_until, sizeof d->sleep_until, "driver->sleep_until");
    model_name(&d->next_alarm, sizeof d->next_alarm, "driver->next_alarm");
    model_name(&d->lock, sizeof d->lock, "driver->lock");
}

static void set_threads(unsigned first, unsigned second)
{
    wakers[0].thread = first;
    wakers[1].thread = second;
}

static void make_on(const char *reactor)
{
    driver = driver_make(reactor);
    name_driver(driver);
    turner = (struct turner){.driver = driver};
    // Relaxed: the threads are not there yet.
    atomic_store_explicit(&work, 0, memory_order_relaxed);
    plain = 0;
    set_threads(2, 3);
}

static void make(void)
{
    make_on("epoll");
}

static void make_on_poll(void)
{
    make_on("poll");
}

static void unmake(void)
{
    rouse_driver_free(driver);
    for (int i = 0; i < 2; i++) claim_dropped(&wakers[i]);
}

// ---- Sleep and notify ----

static bool sees_work(void)
{
    // Acquire, with the release in give_work().
    return atomic_load_explicit(&work, memory_order_acquire) != 0;
}

static void sleep_until_work(void)
{
    for (;;) {
        rs_driver_prepare_sleep(driver);
        if (sees_work()) break;
        (void)rs_driver_sleep(driver, ROUSE_NEVER, NULL, NULL);
    }
    rs_driver_cancel_sleep(driver);
}

static void give_work(void)
{
    // Release, with the acquire in sees_work().
    atomic_store_explicit(&work, 1, memory_order_release);
    rouse_driver_notify(driver);
}

static void poll_on_behalf(void)
{
    (void)rs_driver_poll(driver);
}

static void write_and_notify(void)
{
    plain = 1;
    rouse_driver_notify(driver);
}

// Who finds itself notified sees what came before the notify.
static void cancel_and_read(void)
{
    rs_driver_prepare_sleep(driver);
    // Relaxed: so that only the cancel orders.
    uint32_t state = atomic_load_explicit(&driver->state, memory_order_relaxed);

    rs_driver_cancel_sleep(driver);
    if (state == RS_DRIVER_NOTIFIED) model_claim(plain == 1, "a notify publishes");
}

static void sleep_and_read(void)
{
    // Relaxed: so that only the sleep orders.
    while (atomic_load_explicit(&work, memory_order_relaxed) == 0) {
        rs_driver_prepare_sleep(driver);
        (void)rs_driver_sleep(driver, ROUSE_NEVER, NULL, NULL);
    }
}

static void write_relaxed_and_notify(void)
{
    // Relaxed: what the notify publishes.
    atomic_store_explicit(&work, 1, memory_order_relaxed);
    rouse_driver_notify(driver);
}

// ---- Timers ----

static void make_sleep(int index, uint64_t deadline_ns)
{
    rouse_sleep_until_init(&sleeps[index], deadline_ns);
}

static void turn(void)
{
    turn_until_done(&turner);
}

static void wait_for_sleep(int index)
{
    wait_for(&sleeps[index].base, &wakers[index], driver);
    model_claim(rouse_now_ns() >= sleeps[index].deadline_ns, "a sleep never ends early");
    model_claim(rouse_now_ns() == sleeps[index].deadline_ns, "a sleep does not end late");
}

static void make_short_sleep(void)
{
    make();
    make_sleep(0, TIME_NS(10));
}

static void wait_and_end(void)
{
    wait_for_sleep(0);
    turner_end(&turner);
}

// A longer sleep is filed already: the thread that turns looks by itself, but too late.
static void make_short_and_long_sleep(void)
{
    make_short_sleep();
    make_sleep(1, TIME_NS(100));
    (void)poll_with(&sleeps[1].base, &wakers[1], driver);
}

static void unmake_with_long_sleep(void)
{
    rouse_future_drop(&sleeps[1].base);
    unmake();
}

static void turn_for_a_second(void)
{
    // Acquire, with the release in turner_end().
    while (atomic_load_explicit(&turner.done, memory_order_acquire) == 0) {
        (void)rouse_driver_turn(driver, TIME_NS(1000));
    }
}

// Two threads that file: the earlier deadline counts, whoever comes first.
static void make_two_sleeps(void)
{
    make_short_sleep();
    make_sleep(1, TIME_NS(20));
}

static void wait_for_second(void)
{
    wait_for_sleep(1);
    turner_end(&turner);
}

static void wait_for_first(void)
{
    wait_for_sleep(0);
}

// ---- The end of a driver ----

static struct rouse_driver *successor;

static void make_filed(void)
{
    make_short_sleep();
    (void)poll_with(&sleeps[0].base, &wakers[0], driver);
    rs_driver_hold(driver);
    successor = NULL;
}

static void free_driver(void)
{
    rouse_driver_free(driver);
}

static void free_and_make(void)
{
    rouse_driver_free(driver);
    successor = driver_make("epoll");
}

static void wait_for_cancel(void)
{
    wait_for(&sleeps[0].base, &wakers[0], driver);
    model_claim(sleeps[0].output == -ECANCELED, "the wait at a driver that has gone is cancelled");
    rs_driver_unhold(driver);
}

static void drop_filed(void)
{
    rouse_future_drop(&sleeps[0].base);
    rs_driver_unhold(driver);
}

static void unhold_driver(void)
{
    rs_driver_unhold(driver);
}

static void make_held(void)
{
    make();
    rs_driver_hold(driver);
    successor = NULL;
}

static void make_successor(void)
{
    successor = driver_make("epoll");
}

static void drop_filed_unheld(void)
{
    rouse_future_drop(&sleeps[0].base);
}

static void make_filed_unheld(void)
{
    make_short_sleep();
    (void)poll_with(&sleeps[0].base, &wakers[0], driver);
    successor = NULL;
}

static void free_successor(void)
{
    rouse_driver_free(successor);
    claim_dropped(&wakers[0]);
}

static void claim_waker_dropped(void)
{
    claim_dropped(&wakers[0]);
}

const struct model_scenario model_driver_scenarios[] = {
    {.name = "driver_notify",
     .about = "a notify before, during or after the sleep is not lost",
     .setup = make,
     .threads = {sleep_until_work, give_work},
     .check = unmake},
    {.name = "driver_notify_publishes",
     .about = "what came before a notify is seen by the look that follows the sleep",
     .setup = make,
     .threads = {sleep_and_read, write_relaxed_and_notify},
     .check = unmake},
    {.name = "driver_notify_cancel",
     .about = "who cancels a sleep sees what came before a notify",
     .setup = make,
     .threads = {cancel_and_read, write_and_notify},
     .check = unmake},
    {.name = "driver_notify_twice",
     .about = "two notifies from two threads end one sleep",
     .setup = make,
     .threads = {sleep_until_work, give_work, give_work},
     .check = unmake},
    {.name = "driver_poll_takes_edge",
     .about = "a poll on behalf of the owner does not swallow a notify",
     .setup = make,
     .threads = {sleep_until_work, give_work, poll_on_behalf},
     .check = unmake},
    {.name = "driver_notify_on_poll",
     .about = "the same without epoll",
     .setup = make_on_poll,
     .threads = {sleep_until_work, give_work},
     .check = unmake},
    {.name = "driver_poll_takes_edge_on_poll",
     .about = "the same without epoll",
     .setup = make_on_poll,
     .threads = {sleep_until_work, give_work, poll_on_behalf},
     .check = unmake},
    {.name = "driver_timer_for_sleeper",
     .about = "a timer that another thread files wakes a driver that sleeps for ever",
     .setup = make_short_sleep,
     .threads = {turn, wait_and_end},
     .check = unmake},
    {.name = "driver_timer_before_timer",
     .about = "a timer that another thread files shortens the sleep for a later one",
     .setup = make_short_and_long_sleep,
     .threads = {turn, wait_and_end},
     .check = unmake_with_long_sleep},
    {.name = "driver_timer_before_deadline",
     .about = "a timer that another thread files shortens a turn with a deadline",
     .setup = make_short_sleep,
     .threads = {turn_for_a_second, wait_and_end},
     .check = unmake},
    {.name = "driver_timers_from_two",
     .about = "of two timers that two threads file, both are on time",
     .setup = make_two_sleeps,
     .threads = {turn, wait_for_first, wait_for_second},
     .check = unmake},
    {.name = "driver_free_against_poll",
     .about = "a driver that goes away cancels a timer that is polled meanwhile",
     .setup = make_filed,
     .threads = {free_driver, wait_for_cancel},
     .check = claim_waker_dropped},
    {.name = "driver_free_against_drop",
     .about = "a driver that goes away leaves alone a timer that is dropped meanwhile",
     .setup = make_filed,
     .threads = {free_driver, drop_filed},
     .check = claim_waker_dropped},
    {.name = "driver_reuse_against_poll",
     .about = "who polls with a driver that has gone is not filed at the one in its place",
     .setup = make_filed,
     .threads = {free_and_make, wait_for_cancel},
     .check = free_successor},
    {.name = "driver_reuse_by_third",
     .about = "a record is reused after all that its holders did",
     .setup = make_held,
     .threads = {free_driver, unhold_driver, make_successor},
     .check = free_successor},
    {.name = "driver_reuse_against_drop",
     .about = "a timer is dropped while its driver's record gets another driver",
     .setup = make_filed_unheld,
     .threads = {free_and_make, drop_filed_unheld},
     .check = free_successor},
    {.name = NULL},
};
