// SPDX-License-Identifier: MIT
//
// Sleeps polled by hand under drivers of the test's own, on the virtual clock: wakers that are
// replaced, moved deadlines, and drivers that go away.

#include <errno.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "hand_waker.h"

static struct rouse_driver *driver_new(void)
{
    struct rouse_driver *driver;

    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    return driver;
}

static rouse_poll poll_under(struct rouse_driver *driver, struct hand_waker *hand,
                             struct rouse_future *future)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rouse_future_poll(future, &cx);
}

static void moved_later_after_it_fired(void)
{
    struct rouse_driver *driver = driver_new();
    struct hand_waker hand = {0};
    struct rouse_sleep sleep;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_MS);
    claim(poll_under(driver, &hand, &sleep.base) == ROUSE_PENDING, "a sleep of 1 ms is pending");
    rouse_clock_advance(3 * ROUSE_NS_PER_MS);
    claim(rouse_driver_turn(driver, 0) == 1 && hand_waker_wakes(&hand) == 1, "it fires");
    rouse_sleep_reset(&sleep, rouse_deadline_after(20 * ROUSE_NS_PER_MS));
    uint64_t deadline = sleep.deadline_ns;
    claim(poll_under(driver, &hand, &sleep.base) == ROUSE_PENDING,
          "moved later after it has fired, but before it is polled, it goes on");
    claim(rouse_driver_turn(driver, ROUSE_NEVER) == 1, "it fires again");
    claim(rouse_now_ns() >= deadline, "not before the new deadline");
    claim(poll_under(driver, &hand, &sleep.base) == ROUSE_READY && sleep.output == 0, "and ends");
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
    rouse_driver_free(driver);
}

static void moved_earlier(void)
{
    struct rouse_driver *driver = driver_new();
    struct hand_waker hand = {0};
    struct rouse_sleep sleep;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_S * 3600);
    (void)poll_under(driver, &hand, &sleep.base);
    rouse_sleep_reset(&sleep, rouse_deadline_after(2 * ROUSE_NS_PER_MS));
    claim(poll_under(driver, &hand, &sleep.base) == ROUSE_PENDING, "moved earlier and polled");
    claim(rouse_driver_turn(driver, rouse_deadline_after(ROUSE_NS_PER_S)) == 1,
          "it fires at the earlier deadline");
    claim(poll_under(driver, &hand, &sleep.base) == ROUSE_READY, "and ends");
    rouse_driver_free(driver);
}

static void its_driver_goes(void)
{
    struct rouse_driver *first = driver_new();
    struct rouse_driver *second = driver_new();
    struct hand_waker hand = {0};
    struct rouse_sleep sleep;
    struct rouse_sleep dropped;

    rouse_sleep_init(&sleep, 5 * ROUSE_NS_PER_MS);
    rouse_sleep_init(&dropped, 5 * ROUSE_NS_PER_MS);
    (void)poll_under(first, &hand, &sleep.base);
    (void)poll_under(first, &hand, &dropped.base);
    rouse_driver_free(first);
    claim(hand_waker_wakes(&hand) == 2, "a driver that goes wakes its sleeps");
    rouse_future_drop(&dropped.base);
    claim(poll_under(second, &hand, &sleep.base) == ROUSE_PENDING, "they move to the next driver");
    claim(rouse_driver_turn(second, ROUSE_NEVER) == 1, "which fires them");
    claim(poll_under(NULL, &hand, &sleep.base) == ROUSE_READY && sleep.output == 0,
          "what is due ends even where there is no driver");
    rouse_sleep_init(&sleep, ROUSE_NS_PER_S);
    claim(poll_under(NULL, &hand, &sleep.base) == ROUSE_READY && sleep.output == -ECANCELED,
          "what is not fails with -ECANCELED");
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
    rouse_driver_free(second);
}

static void its_waker_is_replaced(void)
{
    struct rouse_driver *driver = driver_new();
    struct hand_waker first = {0};
    struct hand_waker second = {0};
    struct rouse_sleep sleep;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_MS);
    (void)poll_under(driver, &first, &sleep.base);
    (void)poll_under(driver, &first, &sleep.base);
    claim(hand_waker_shares(&first) == 1, "polled twice it holds one share of its waker");
    (void)poll_under(driver, &second, &sleep.base);
    claim(hand_waker_shares(&first) == 0 && hand_waker_shares(&second) == 1,
          "polled with another waker it gives the first one back");
    claim(rouse_driver_turn(driver, ROUSE_NEVER) == 1 && hand_waker_wakes(&first) == 0 &&
              hand_waker_wakes(&second) == 1,
          "and wakes the last one");
    claim(poll_under(driver, &first, &sleep.base) == ROUSE_READY, "whoever polls it ends it");
    claim(hand_waker_shares(&first) == 0 && hand_waker_shares(&second) == 0,
          "no waker is left behind");
    rouse_driver_free(driver);
}

static void it_is_due_before_it_fires(void)
{
    struct rouse_driver *driver = driver_new();
    struct hand_waker hand = {0};
    struct rouse_sleep sleep;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_S * 3600);
    (void)poll_under(driver, &hand, &sleep.base);
    rouse_sleep_reset(&sleep, 0);
    claim(poll_under(driver, &hand, &sleep.base) == ROUSE_READY && sleep.output == 0,
          "moved into the past it ends at the next poll");
    claim(hand_waker_shares(&hand) == 0 && rouse_driver_turn(driver, 0) == 0,
          "and is in no wheel any more");
    rouse_driver_free(driver);
}

static void it_moves_between_drivers(void)
{
    struct rouse_driver *first = driver_new();
    struct rouse_driver *second = driver_new();
    struct hand_waker hand = {0};
    struct rouse_sleep sleep;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_MS);
    (void)poll_under(first, &hand, &sleep.base);
    (void)poll_under(second, &hand, &sleep.base);
    rouse_clock_advance(2 * ROUSE_NS_PER_MS);
    claim(rouse_driver_turn(first, 0) == 0, "polled under another driver it leaves the first");
    claim(rouse_driver_turn(second, ROUSE_NEVER) == 1 && hand_waker_wakes(&hand) == 1,
          "and fires at the second");
    rouse_future_drop(&sleep.base);
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
    rouse_driver_free(second);
    rouse_driver_free(first);
}

static void what_it_says(void)
{
    struct rouse_sleep sleep;
    char text[64];
    double left = 0;

    rouse_sleep_until_init(&sleep, ROUSE_NEVER);
    rouse_future_describe(&sleep.base, text, sizeof text);
    claim(strcmp(text, "sleep for ever") == 0, "one without an end says so");
    rouse_sleep_init(&sleep, 3600 * ROUSE_NS_PER_S);
    rouse_future_describe(&sleep.base, text, sizeof text);
    claim(sscanf(text, "sleep, %lf s left", &left) == 1 && left > 0 && left <= 3600,
          "another one says how long it will be");
    rouse_sleep_until_init(&sleep, 0);
    rouse_future_describe(&sleep.base, text, sizeof text);
    claim(strcmp(text, "sleep, 0.000 s left") == 0, "and that it is due");
}

int main(void)
{
    rouse_clock_use_virtual(1000 * ROUSE_NS_PER_S);
    its_waker_is_replaced();
    it_is_due_before_it_fires();
    it_moves_between_drivers();
    what_it_says();
    moved_later_after_it_fired();
    moved_earlier();
    its_driver_goes();
    return claims_end();
}
