// SPDX-License-Identifier: MIT
//
// Sleeps: fired by the thread that turns their driver, while their owner drops, moves or resets
// them on another one. The clock is virtual and moves only when a turn makes it jump.

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/sleep.h>

#include "base/clock.h"
#include "time/sleep.h"
#include "wait.h"

#define START_NS UINT64_C(1000)

static struct rouse_driver *home;
static struct rouse_driver *other;
static struct rouse_sleep *asleep;  // freed as soon as it has ended
static struct model_waker wakers[2];
static struct turner turner;

static void make_drivers(void)
{
    rouse_clock_use_virtual(START_NS);
    home = driver_make("epoll");
    other = driver_make("epoll");
    turner = (struct turner){.driver = home};
    asleep = model_alloc(sizeof *asleep);
    wakers[0].thread = 2;
    wakers[1].thread = 2;
    model_name(asleep, sizeof *asleep, "sleep");
    model_name(&home->lock, sizeof home->lock, "home->lock");
    model_name(&other->lock, sizeof other->lock, "other->lock");
}

static void file_sleep(uint64_t deadline_ns)
{
    rouse_sleep_until_init(asleep, deadline_ns);
    model_claim(poll_with(&asleep->base, &wakers[0], home) == ROUSE_PENDING, "it is not yet due");
}

// Filed, and due by now.
static void make_due(void)
{
    make_drivers();
    file_sleep(START_NS + 10);
    rouse_clock_advance(20);
}

// Filed, and not due before a jump of the clock.
static void make_filed(void)
{
    make_drivers();
    file_sleep(START_NS + 10);
}

static void unmake(void)
{
    rouse_driver_free(home);
    rouse_driver_free(other);
    claim_dropped(&wakers[0]);
    claim_dropped(&wakers[1]);
}

static void fire(void)
{
    (void)rs_driver_poll(home);
}

static void turn(void)
{
    turn_until_done(&turner);
}

static void drop_and_free(void)
{
    rouse_future_drop(&asleep->base);
    model_free(asleep);
}

static void claim_on_time(uint64_t deadline_ns)
{
    model_claim(asleep->output == 0, "the sleep ends by its deadline");
    model_claim(rouse_now_ns() >= deadline_ns, "a sleep never ends early");
}

static void wait_and_free(void)
{
    uint64_t deadline_ns = asleep->deadline_ns;

    wait_for(&asleep->base, &wakers[0], home);
    claim_on_time(deadline_ns);
    model_free(asleep);
}

// Without a waker: it looks only when it is told, by another way, that the sleep has fired.
static void wait_for_wake(void)
{
    while (!model_waker_take(&wakers[0])) model_park();
    model_claim(poll_with(&asleep->base, &wakers[0], home) == ROUSE_READY,
                "a woken sleep is ready");
    model_free(asleep);
}

// As a region does: what is not filed is not dropped.
static void drop_if_filed(void)
{
    if (rs_sleep_is_filed(asleep)) rouse_future_drop(&asleep->base);
    model_free(asleep);
}

// ---- A lock that favours the loop ----

static void own(void)
{
    rs_driver_keep(home);
    rs_biased_favour(&home->lock);
}

static void own_and_fire(void)
{
    own();
    fire();
    rs_driver_unkeep(home);
}

static void own_and_drop(void)
{
    own();
    drop_and_free();
    rs_driver_unkeep(home);
}

// ---- Another waker ----

static void wait_with_second_waker(void)
{
    while (poll_with(&asleep->base, &wakers[1], home) == ROUSE_PENDING) {
        while (!model_waker_take(&wakers[1])) model_park();
    }
    model_free(asleep);
    turner_end(&turner);
}

// ---- Another driver ----

// Polled where it is not filed. It moves there, or has fired, and is then due.
static void wait_elsewhere(void)
{
    while (poll_with(&asleep->base, &wakers[1], other) == ROUSE_PENDING) {
        (void)rouse_driver_turn(other, ROUSE_NEVER);
    }
    claim_on_time(START_NS + 10);
    model_free(asleep);
}

static void move_and_drop(void)
{
    (void)poll_with(&asleep->base, &wakers[1], other);
    drop_and_free();
}

// ---- Another deadline ----

static void reset_later(void)
{
    rouse_sleep_reset(asleep, START_NS + 30);
    wait_for(&asleep->base, &wakers[0], home);
    claim_on_time(START_NS + 30);
    model_free(asleep);
    turner_end(&turner);
}

static void make_filed_late(void)
{
    make_drivers();
    file_sleep(START_NS + 100);
}

static void reset_earlier(void)
{
    rouse_sleep_reset(asleep, START_NS + 10);
    wait_for(&asleep->base, &wakers[0], home);
    claim_on_time(START_NS + 10);
    model_free(asleep);
    turner_end(&turner);
}

// Reset and dropped without a poll: what was filed still has to go.
static void reset_and_drop(void)
{
    rouse_sleep_reset(asleep, START_NS + 30);
    drop_and_free();
}

// ---- Two who read the clock ----

enum { CROWD = RS_BATCH_SIZE + 1 };

static struct rouse_sleep crowd[CROWD];
static struct model_waker crowd_wakers[CROWD];

// One is due, and the others are for who reads the clock later: more than fit a batch.
static void make_crowd(void)
{
    make_drivers();
    for (int i = 0; i < CROWD; i++) {
        crowd_wakers[i].thread = 2;
        rouse_sleep_until_init(&crowd[i], START_NS + (i == 0 ? 10 : 20));
        model_claim(poll_with(&crowd[i].base, &crowd_wakers[i], home) == ROUSE_PENDING,
                    "it is not yet due");
    }
    rouse_clock_advance(10);
}

static void fire_later(void)
{
    rouse_clock_advance(20);
    fire();
}

static void unmake_crowd(void)
{
    for (int i = 0; i < CROWD; i++) {
        model_claim(poll_with(&crowd[i].base, &crowd_wakers[i], home) == ROUSE_READY,
                    "all that was due has fired");
        claim_dropped(&crowd_wakers[i]);
    }
    model_free(asleep);
    unmake();
}

const struct model_scenario model_timer_scenarios[] = {
    {.name = "timer_fire_against_drop",
     .about = "a sleep that is dropped while it fires is not touched again",
     .setup = make_due,
     .threads = {fire, drop_and_free},
     .check = unmake},
    {.name = "timer_fire_against_look",
     .about = "a sleep that is seen to be filed no longer is not touched again",
     .setup = make_due,
     .threads = {fire, drop_if_filed},
     .check = unmake},
    {.name = "timer_fire_against_poll",
     .about = "a sleep that is polled while it fires may be freed once it is ready",
     .setup = make_due,
     .threads = {fire, wait_and_free},
     .check = unmake},
    {.name = "timer_fire_wakes",
     .about = "who is woken by a sleep finds it ready",
     .setup = make_due,
     .threads = {fire, wait_for_wake},
     .check = unmake},
    {.name = "timer_fire_against_waker",
     .about = "of two wakers the last one is woken",
     .setup = make_filed,
     .threads = {turn, wait_with_second_waker},
     .check = unmake},
    {.name = "timer_fire_against_move",
     .about = "a sleep is polled under another driver while it fires",
     .setup = make_filed,
     .threads = {fire, wait_elsewhere},
     .check = unmake},
    {.name = "timer_fire_against_move_due",
     .about = "the same, when it is due",
     .setup = make_due,
     .threads = {fire, wait_elsewhere},
     .check = unmake},
    {.name = "timer_move_and_drop",
     .about = "a sleep is moved and dropped while it fires",
     .setup = make_due,
     .threads = {fire, move_and_drop},
     .check = unmake},
    {.name = "timer_reset_later",
     .about = "a sleep moved to later while it fires ends then, not earlier, and does end",
     .setup = make_filed,
     .threads = {turn, reset_later},
     .check = unmake},
    {.name = "timer_reset_earlier",
     .about = "a sleep moved to earlier while its driver sleeps ends",
     .setup = make_filed_late,
     .threads = {turn, reset_earlier},
     .check = unmake},
    {.name = "timer_owner_fires",
     .about = "a sleep is dropped elsewhere while the owner of its driver fires it",
     .setup = make_due,
     .threads = {own_and_fire, drop_and_free},
     .check = unmake},
    {.name = "timer_owner_drops",
     .about = "a sleep is fired elsewhere while the owner of its driver drops it",
     .setup = make_due,
     .threads = {own_and_drop, fire},
     .check = unmake},
    {.name = "timer_two_clocks",
     .about = "one who has read the clock before another fires after him",
     .setup = make_crowd,
     .threads = {fire, fire_later},
     .check = unmake_crowd},
    {.name = "timer_reset_and_drop",
     .about = "a sleep moved to later and dropped while it fires is not touched again",
     .setup = make_due,
     .threads = {fire, reset_and_drop},
     .check = unmake},
    {.name = NULL},
};
