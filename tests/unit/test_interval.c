// SPDX-License-Identifier: MIT
//
// Intervals polled by hand, on the virtual clock, so that every tick is exact: what each rule does
// about missed ticks, ticks that are dropped or fail, and the far end of time.

#include <errno.h>
#include <rouse.h>
#include <string.h>

#include "base/clock.h"
#include "claim.h"
#include "probe.h"

enum { PERIOD = 100, TICKS = 5 };

static struct rouse_driver *driver;
static struct bell bell;
static uint64_t start;  // when the part of the test began that is running

static rouse_poll poll_budgeted(struct rouse_future *future, uint32_t budget)
{
    struct rouse_waker waker = bell_waker(&bell);
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    cx.budget = budget;
    return rouse_future_poll(future, &cx);
}

// The next tick, without waiting: when it was due, or 0 if it is not yet.
static uint64_t tick_now(struct rouse_interval *interval)
{
    struct rouse_interval_tick tick;

    rouse_interval_tick_init(&tick, interval);
    if (poll_budgeted(&tick.base, UINT32_MAX) == ROUSE_READY) {
        return tick.error == 0 && rouse_future_result(&tick.base) == 0 ? tick.output : UINT64_MAX;
    }
    rouse_future_drop(&tick.base);
    return 0;
}

// The first ticks of an interval of 100 that begins at 0 and is looked at first at 250, as the rule
// says; -1 is one that is not due yet, and 50 go by after it.
static bool missed_gives(rouse_missed_ticks rule, const int64_t *expected)
{
    struct rouse_interval interval;

    start = rouse_now_ns();
    rouse_interval_init(&interval, start, PERIOD, rule);
    rs_clock_jump_to(start + 250);
    for (int i = 0; i < TICKS; i++) {
        uint64_t tick = tick_now(&interval);
        int64_t at = tick == 0 ? -1 : (int64_t)(tick - start);

        if (at != expected[i]) {
            printf("# tick %d is at %lld\n", i, (long long)at);
            return false;
        }
        if (at < 0) rs_clock_jump_to(rouse_now_ns() + PERIOD / 2);
    }
    return true;
}

static void rules_about_missed_ticks(void)
{
    claim(missed_gives(ROUSE_MISSED_BURST, (int64_t[TICKS]){0, 100, 200, -1, 300}),
          "burst: the missed ticks one after another, then those that come");
    claim(missed_gives(ROUSE_MISSED_DELAY, (int64_t[TICKS]){0, -1, -1, 350, -1}),
          "delay: the next tick is one period after the late one was seen");
    claim(missed_gives(ROUSE_MISSED_SKIP, (int64_t[TICKS]){0, -1, 300, -1, -1}),
          "skip: the next tick is at the next multiple of the period");
}

static void skip_on_a_multiple(void)
{
    struct rouse_interval interval;

    start = rouse_now_ns();
    rouse_interval_init(&interval, start, PERIOD, ROUSE_MISSED_SKIP);
    rs_clock_jump_to(start + 3 * PERIOD);
    claim(tick_now(&interval) == start && interval.next_ns == start + 4 * PERIOD,
          "skip: seen exactly on a multiple, it goes on at the one after");
}

static void ticks_in_time(void)
{
    struct rouse_interval interval;
    struct rouse_interval_tick tick;
    bool exact = true;

    start = rouse_now_ns();
    rouse_interval_init(&interval, start + PERIOD, PERIOD, ROUSE_MISSED_SKIP);
    for (uint64_t i = 1; i <= 3; i++) {
        rouse_interval_tick_init(&tick, &interval);
        bell.rings = 0;
        exact = exact && poll_budgeted(&tick.base, UINT32_MAX) == ROUSE_PENDING &&
                rouse_driver_turn(driver, ROUSE_NEVER) == 1 && bell.rings == 1 &&
                poll_budgeted(&tick.base, UINT32_MAX) == ROUSE_READY &&
                tick.output == start + i * PERIOD && rouse_now_ns() == tick.output;
    }
    claim(exact, "each tick wakes its waiter when it is due");
    claim(bell.shares == 0, "and leaves no waker behind");
}

static void tick_that_is_given_up(void)
{
    struct rouse_interval interval;
    struct rouse_interval_tick tick;

    start = rouse_now_ns();
    rouse_interval_init(&interval, start + PERIOD, PERIOD, ROUSE_MISSED_BURST);
    rouse_interval_tick_init(&tick, &interval);
    rouse_future_drop(&tick.base);
    rouse_interval_tick_init(&tick, &interval);
    (void)poll_budgeted(&tick.base, UINT32_MAX);
    rouse_future_drop(&tick.base);
    claim(bell.shares == 0 && interval.next_ns == start + PERIOD,
          "a tick that is dropped before or after its first poll is not taken");
    rouse_interval_tick_init(&tick, &interval);
    claim(bell_poll(&bell, &tick.base) == ROUSE_READY && tick.error == -ECANCELED &&
              rouse_future_result(&tick.base) == -ECANCELED,
          "without a driver it fails with -ECANCELED");
    claim(interval.next_ns == start + PERIOD, "and is not taken");
    rs_clock_jump_to(start + PERIOD);
    claim(tick_now(&interval) == start + PERIOD, "so the next one to wait gets it");
}

static void tick_spends_budget(void)
{
    struct rouse_interval interval;
    struct rouse_interval_tick tick;

    start = rouse_now_ns();
    rouse_interval_init(&interval, start, PERIOD, ROUSE_MISSED_BURST);
    rouse_interval_tick_init(&tick, &interval);
    bell.rings = 0;
    claim(poll_budgeted(&tick.base, 0) == ROUSE_PENDING && bell.rings == 1,
          "with its budget spent even a due tick yields, and has the task polled again");
    claim(poll_budgeted(&tick.base, 1) == ROUSE_READY && tick.output == start, "it comes then");
}

static void far_end_of_time(void)
{
    struct rouse_interval interval;

    start = rouse_now_ns();
    for (int rule = ROUSE_MISSED_BURST; rule <= ROUSE_MISSED_SKIP; rule++) {
        rouse_interval_init(&interval, start, ROUSE_NEVER - 1, (rouse_missed_ticks)rule);
        claim(tick_now(&interval) == start && interval.next_ns == ROUSE_NEVER,
              "a period beyond all time makes the next tick never due");
        claim(tick_now(&interval) == 0, "it is pending, and can be dropped");
    }
    rouse_interval_init(&interval, 1, 2, ROUSE_MISSED_SKIP);
    claim(tick_now(&interval) == 1 && interval.next_ns > start && interval.next_ns <= start + 2,
          "a start in the far past is one division away");
}

static void described(void)
{
    struct rouse_interval interval;
    struct rouse_interval_tick tick;
    char text[64];

    rouse_interval_init(&interval, start, 250 * ROUSE_NS_PER_MS, ROUSE_MISSED_BURST);
    rouse_interval_tick_init(&tick, &interval);
    rouse_future_describe(&tick.base, text, sizeof text);
    claim(strcmp(text, "tick of an interval of 0.250 s") == 0, "a tick says what it waits for");
    claim(rouse_future_cancel_kind(&tick.base) == ROUSE_CANCEL_TOTAL,
          "and that nothing is lost if it is dropped");
    rouse_future_drop(&tick.base);
}

static int tick_never(void *arg)
{
    struct rouse_interval interval;

    rouse_interval_init(&interval, ROUSE_NEVER, PERIOD, ROUSE_MISSED_BURST);
    return rouse_interval_tick(&interval, arg);
}

// In a fiber: the direct form, with and without a place for the time, and aborted.
static int ticks_directly(void *arg)
{
    struct rouse_interval interval;
    struct rouse_join_handle waiting;
    uint64_t due = 0;

    start = rouse_now_ns();
    rouse_interval_init(&interval, start + PERIOD, PERIOD, ROUSE_MISSED_BURST);
    if (rouse_interval_tick(&interval, NULL) < 0) return -EIO;
    if (rouse_interval_tick(&interval, &due) < 0 || due != start + 2 * PERIOD) return -EIO;
    if (rouse_now_ns() != due) return -ETIME;
    due = 7;
    if (rouse_spawn(&waiting, tick_never, &due) < 0) return -ENOMEM;
    rouse_yield();
    rouse_abort(&waiting);
    if (rouse_join(&waiting) != -ECANCELED) return -EIO;
    *(uint64_t *)arg = due;
    return 0;
}

static void direct_form(void)
{
    uint64_t due = 0;

    claim(rouse_run(ticks_directly, &due) == 0, "a fiber waits for ticks, until it is aborted");
    claim(due == 7, "and then is told of no tick");
}

int main(void)
{
    rouse_clock_use_virtual(1000);
    if (rouse_driver_new(&driver, NULL) < 0) return 1;
    rules_about_missed_ticks();
    skip_on_a_multiple();
    ticks_in_time();
    tick_that_is_given_up();
    tick_spends_budget();
    far_end_of_time();
    described();
    rouse_driver_free(driver);
    direct_form();
    return claims_end();
}
