// SPDX-License-Identifier: MIT
//
// The rate limiter on a virtual clock: exact times, order, cancel in every state.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "hand_waker.h"
#include "heap.h"
#include "panics.h"

#define MS ROUSE_NS_PER_MS

static struct rouse_rate_limiter limiter;
static struct rouse_driver *driver;

// An acquire that is polled by hand.
struct turn {
    struct rouse_rate_limiter_acquire acquire;
    struct hand_waker hand;
};

static void begin(struct turn *t, uint64_t tokens)
{
    *t = (struct turn){0};
    rouse_rate_limiter_acquire_init(&t->acquire, &limiter, tokens);
}

static bool ends(struct turn *t)
{
    return hand_waker_poll_under(&t->hand, &t->acquire.base, driver) == ROUSE_READY;
}

static bool gets_it(struct turn *t)
{
    return ends(t) && rouse_future_result(&t->acquire.base) == 0;
}

static bool waits(struct turn *t, uint64_t tokens)
{
    begin(t, tokens);
    return !ends(t);
}

static bool is_woken(struct turn *t)
{
    return hand_waker_take(&t->hand);
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->acquire.base);
}

static void pass(uint64_t duration_ns)
{
    rouse_clock_advance(duration_ns);
    (void)rouse_driver_turn(driver, 0);
}

// True if it ends `duration_ns` from now, not earlier.
static bool ends_in(struct turn *t, uint64_t duration_ns)
{
    pass(duration_ns - 1);
    if (is_woken(t)) return false;
    pass(1);
    return is_woken(t) && gets_it(t);
}

// How many single tokens are there.
static int drained(void)
{
    int count = 0;

    while (rouse_rate_limiter_try_acquire(&limiter, 1) == 0) count++;
    return count;
}

// ---- Tokens ----

static void a_bucket(void)
{
    rouse_rate_limiter_init(&limiter, 10 * MS, 3);
    claim(rouse_rate_limiter_try_acquire(&limiter, 4) == -EINVAL,
          "more than the bucket holds is refused");
    claim(drained() == 3, "the bucket is full to begin with");
    pass(10 * MS - 1);
    claim(drained() == 0, "a token takes a period");
    pass(1);
    claim(drained() == 1, "and not longer");
    pass(25 * MS);
    claim(drained() == 2, "tokens add up");
    pass(5 * MS);
    claim(drained() == 1, "and parts of them");
    pass(3600 * ROUSE_NS_PER_S);
    claim(drained() == 3, "to no more than the bucket holds");
}

static void acquires(void)
{
    struct turn t[3];

    rouse_rate_limiter_init(&limiter, 10 * MS, 2);
    begin(&t[0], 2);
    claim(gets_it(&t[0]), "what is there is taken at once");
    claim(waits(&t[0], 1) && waits(&t[1], 2) && waits(&t[2], 1), "after that one waits");
    claim(rouse_rate_limiter_try_acquire(&limiter, 1) == -EAGAIN, "a try does not");
    claim(ends_in(&t[0], 10 * MS), "one token is there after a period");
    claim(is_woken(&t[1]) && !ends(&t[1]) && ends_in(&t[1], 20 * MS), "two after two more");
    claim(is_woken(&t[2]) && !ends(&t[2]) && ends_in(&t[2], 10 * MS), "in the order of arrival");
    begin(&t[0], 3);
    claim(ends(&t[0]) && t[0].acquire.output == -EINVAL &&
              rouse_future_result(&t[0].acquire.base) == -EINVAL,
          "more than the bucket holds is refused");
    begin(&t[0], 0);
    claim(gets_it(&t[0]), "none is there always");
}

static void a_long_period(void)
{
    struct turn t;
    const uint64_t age_ns = UINT64_MAX >> 2;

    rouse_rate_limiter_init(&limiter, age_ns, 2);
    claim(drained() == 2 && waits(&t, 1), "a bucket may hold 63 bits of nanoseconds");
    drop(&t);
}

// ---- Cancel ----

static void cancel(void)
{
    struct turn t[3];

    rouse_rate_limiter_init(&limiter, 10 * MS, 1);
    begin(&t[0], 1);
    drop(&t[0]);
    claim(drained() == 1, "dropped before its first poll, an acquire has taken nothing");
    (void)(waits(&t[0], 1) && waits(&t[1], 1) && waits(&t[2], 1));
    drop(&t[1]);
    claim(hand_waker_shares(&t[1].hand) == 0, "dropped in the queue, it is forgotten");
    pass(5 * MS);
    drop(&t[0]);
    claim(is_woken(&t[2]) && !ends(&t[2]), "asleep, it hands its turn on");
    claim(ends_in(&t[2], 5 * MS), "and has taken no token");
    (void)(waits(&t[0], 1) && waits(&t[1], 1));
    pass(10 * MS);
    drop(&t[0]);
    claim(is_woken(&t[1]) && gets_it(&t[1]), "nor if it is dropped when its sleep has ended");
    (void)(waits(&t[0], 1) && waits(&t[1], 1));
    drop(&t[0]);
    drop(&t[1]);
    pass(10 * MS);
    claim(drained() == 1, "and the turn is lost by no drop");
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;

    rouse_rate_limiter_init(&limiter, 10 * MS, 1);
    (void)(drained() == 1 && waits(&t, 1));
    claim(hand_waker_poll_under(&other, &t.acquire.base, driver) == ROUSE_PENDING &&
              hand_waker_shares(&t.hand) == 0,
          "a poll gives the earlier waker back");
    pass(10 * MS);
    claim(hand_waker_take(&other) && !is_woken(&t) && hand_waker_shares(&other) == 0,
          "and the last one is woken");
    drop(&t);
}

static void without_a_driver(void)
{
    struct turn t;

    rouse_rate_limiter_init(&limiter, 10 * MS, 1);
    begin(&t, 1);
    claim(hand_waker_poll(&t.hand, &t.acquire.base) == ROUSE_READY && t.acquire.output == 0,
          "what is there needs no driver");
    begin(&t, 1);
    claim(hand_waker_poll(&t.hand, &t.acquire.base) == ROUSE_READY &&
              t.acquire.output == -ECANCELED,
          "a sleep does");
    pass(10 * MS);
    claim(drained() == 1, "and takes nothing if there is none");
}

static void what_it_says(void)
{
    struct turn t[2];
    char text[80];

    rouse_rate_limiter_init(&limiter, 10 * MS, 5);
    (void)(drained() == 5 && waits(&t[0], 2) && waits(&t[1], 3));
    claim(rouse_future_describe(&t[0].acquire.base, text, sizeof text) > 0 &&
              strstr(text, "2 tokens of rate limiter ") == text && strstr(text, "behind") == NULL,
          "an acquire says for what it waits");
    claim(rouse_future_describe(&t[1].acquire.base, text, sizeof text) > 0 &&
              strstr(text, "3 tokens") == text && strstr(text, ", behind others") != NULL,
          "and if it is behind others");
    claim(rouse_future_cancel_kind(&t[0].acquire.base) == ROUSE_CANCEL_TOTAL,
          "its cancel is total");
    drop(&t[1]);
    drop(&t[0]);
}

// ---- In tasks ----

enum { TASKS = 8 };

static int take_one(void *arg)
{
    uint64_t *when_ns = arg;
    int err = rouse_rate_limiter_acquire(&limiter, 1);

    *when_ns = rouse_now_ns();
    return err;
}

static int tasks(void *arg)
{
    struct rouse_join_handle handles[TASKS];
    uint64_t when_ns[TASKS];
    uint64_t start_ns = rouse_now_ns();
    bool on_time = true;

    (void)arg;
    rouse_rate_limiter_init(&limiter, 10 * MS, 2);
    for (int i = 0; i < TASKS; i++) {
        if (rouse_spawn(&handles[i], take_one, &when_ns[i]) < 0) exit(1);
    }
    for (uint64_t i = 0; i < TASKS; i++) {
        uint64_t due_ns = start_ns + (i < 2 ? 0 : (i - 1) * 10 * MS);

        if (rouse_join(&handles[i]) != 0 || when_ns[i] != due_ns) on_time = false;
    }
    claim(on_time, "tasks get their tokens exactly on time, in order");
    claim(rouse_rate_limiter_acquire(&limiter, 3) == -EINVAL, "or hear that they cannot");
    return 0;
}

// ---- Misuse ----

static void no_period(void *arg)
{
    (void)arg;
    rouse_rate_limiter_init(&limiter, 0, 1);
}

static void too_much(void *arg)
{
    (void)arg;
    rouse_rate_limiter_init(&limiter, UINT64_MAX / 2, 2);
}

int main(void)
{
    struct rouse_runtime_options one = {.size = sizeof one, .workers = 1};

    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(no_period, NULL, "fits into 63 bits"), "no period is refused");
    claim(panics(too_much, NULL, "fits into 63 bits"), "so is a bucket that is too large");
    rouse_clock_use_virtual(ROUSE_NS_PER_S);
    heap_watch();
    if (rouse_driver_new(&driver, NULL) < 0) return 1;
    a_bucket();
    long before = heap_counted();

    acquires();
    a_long_period();
    cancel();
    another_waker();
    without_a_driver();
    what_it_says();
    claim(heap_counted() == before, "all that allocates nothing");
    rouse_driver_free(driver);
    return rouse_run_with(tasks, NULL, &one) == 0 ? claims_end() : 1;
}
