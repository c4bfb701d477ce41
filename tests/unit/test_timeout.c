// SPDX-License-Identifier: MIT
//
// Timeouts polled by hand, on the virtual clock: which of the two ends it, what a spent budget
// does, and what is dropped and released. Probes (probe.h) are what they time.

#include <errno.h>
#include <rouse/driver.h>
#include <rouse/sleep.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "claim.h"
#include "probe.h"

static struct rouse_driver *driver;
static struct bell bell;

// Polls with a budget, and leaves what is left of it in `*budget`.
static rouse_poll poll_budgeted(struct rouse_future *future, uint32_t *budget)
{
    struct rouse_waker waker = bell_waker(&bell);
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    cx.budget = *budget;
    rouse_poll poll = rouse_future_poll(future, &cx);
    *budget = cx.budget;
    return poll;
}

static rouse_poll poll(struct rouse_future *future)
{
    uint32_t unlimited = UINT32_MAX;

    return poll_budgeted(future, &unlimited);
}

static void inner_comes_first(void)
{
    struct rouse_timeout timeout;
    struct probe inner;

    probe_init(&inner, "work", 0, 7);
    rouse_timeout_init(&timeout, &inner.base, 0);
    claim(poll(&timeout.base) == ROUSE_READY && timeout.output == 0,
          "work that is done counts, although the deadline is long past");
    claim(rouse_future_result(&timeout.base) == 7, "its result is that of the work");
    claim(inner.releases == 0, "whose output is still there");
    rouse_future_drop(&timeout.base);
    claim(inner.releases == 1 && inner.drops == 0, "and is released with the timeout");
}

static void deadline_in_the_past(void)
{
    struct rouse_timeout timeout;
    struct probe inner;

    probe_init(&inner, "work", PROBE_NEVER, 0);
    rouse_timeout_init(&timeout, &inner.base, rouse_now_ns() - 1);
    claim(poll(&timeout.base) == ROUSE_READY && timeout.output == -ETIMEDOUT,
          "a past deadline ends it at the first poll");
    claim(inner.polls == 1 && inner.drops == 1, "the work was polled once, then dropped");
    claim(rouse_future_result(&timeout.base) == -ETIMEDOUT, "its result says so");
    rouse_future_drop(&timeout.base);
    claim(inner.drops == 1 && bell.shares == 0, "once");
}

static void deadline_comes(void)
{
    struct rouse_timeout timeout;
    struct probe inner;

    probe_init(&inner, "work", PROBE_NEVER, 0);
    rouse_timeout_init(&timeout, &inner.base, rouse_deadline_after(ROUSE_NS_PER_S));
    bell.rings = 0;
    claim(poll(&timeout.base) == ROUSE_PENDING, "before the deadline it is pending");
    claim(rouse_driver_turn(driver, rouse_now_ns() + ROUSE_NS_PER_S - 1) == 0 && bell.rings == 0 &&
              poll(&timeout.base) == ROUSE_PENDING,
          "a nanosecond before it, too");
    claim(rouse_driver_turn(driver, ROUSE_NEVER) == 1 && bell.rings == 1, "the deadline wakes it");
    claim(poll(&timeout.base) == ROUSE_READY && timeout.output == -ETIMEDOUT, "and ends it");
    claim(inner.drops == 1 && bell.shares == 0, "nothing is left behind");
}

// A leaf that spends budget and then ends, as reads do when there is a byte.
struct leaf {
    struct rouse_future base;
    bool never;  // spends, and is pending all the same
    int polls;
    int drops;
};

static rouse_poll leaf_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct leaf *leaf = ROUSE_CONTAINER_OF(self, struct leaf, base);

    leaf->polls++;
    if (!rouse_context_spend(cx) || leaf->never) return ROUSE_PENDING;
    return ROUSE_READY;
}

static void leaf_drop(struct rouse_future *self)
{
    ROUSE_CONTAINER_OF(self, struct leaf, base)->drops++;
}

static const struct rouse_future_vtable leaf_ended = {.name = "leaf"};
static const struct rouse_future_vtable leaf_vtable = {
    .poll = leaf_poll, .drop = leaf_drop, .name = "leaf", .ended = &leaf_ended};

static void last_poll_is_not_budgeted(void)
{
    struct leaf leaf = {.base.vtable = &leaf_vtable};
    struct rouse_timeout timeout;
    uint32_t budget = 0;

    rouse_timeout_init(&timeout, &leaf.base, rouse_now_ns());
    claim(poll_budgeted(&timeout.base, &budget) == ROUSE_READY && timeout.output == 0,
          "work that lacked only budget is not late");
    claim(leaf.polls == 2 && leaf.drops == 0, "it was polled once more");
    claim(budget == 0, "and the task's budget is as spent as it was");

    leaf = (struct leaf){.base.vtable = &leaf_vtable, .never = true};
    rouse_timeout_init(&timeout, &leaf.base, rouse_now_ns());
    claim(poll_budgeted(&timeout.base, &budget) == ROUSE_READY && timeout.output == -ETIMEDOUT &&
              leaf.polls == 2 && leaf.drops == 1,
          "work that is not done then is late");

    leaf = (struct leaf){.base.vtable = &leaf_vtable, .never = true};
    rouse_timeout_init(&timeout, &leaf.base, rouse_now_ns());
    budget = 2;
    claim(poll_budgeted(&timeout.base, &budget) == ROUSE_READY && timeout.output == -ETIMEDOUT &&
              leaf.polls == 1,
          "with budget left there is no other poll");
}

static void without_a_driver(void)
{
    struct rouse_timeout timeout;
    struct probe inner;

    probe_init(&inner, "work", PROBE_NEVER, 0);
    rouse_timeout_init(&timeout, &inner.base, ROUSE_NEVER);
    claim(bell_poll(&bell, &timeout.base) == ROUSE_READY && timeout.output == -ECANCELED,
          "where there is no driver it fails with -ECANCELED");
    claim(inner.drops == 1 && bell.shares == 0, "and has dropped the work");
}

static void dropped(void)
{
    struct rouse_timeout timeout;
    struct probe inner;

    probe_init(&inner, "work", PROBE_NEVER, 0);
    rouse_timeout_init(&timeout, &inner.base, ROUSE_NEVER);
    rouse_future_drop(&timeout.base);
    claim(inner.polls == 0 && inner.drops == 1, "dropped before its first poll it drops the work");

    probe_init(&inner, "work", PROBE_NEVER, 0);
    rouse_timeout_init(&timeout, &inner.base, ROUSE_NEVER);
    claim(poll(&timeout.base) == ROUSE_PENDING && bell.shares == 2,
          "one that never comes waits for the work, and in the wheel");
    rouse_future_drop(&timeout.base);
    claim(inner.drops == 1 && bell.shares == 0, "dropped then it leaves both");
    claim(rouse_driver_turn(driver, 0) == 0, "and nothing fires");
}

static void described(void)
{
    static const char whole[] = "timeout(probe work)";
    struct rouse_timeout timeout;
    struct probe inner;
    char text[64];
    bool right = true;

    probe_init(&inner, "work", PROBE_NEVER, 0);
    rouse_timeout_init(&timeout, &inner.base, ROUSE_NEVER);
    for (size_t size = 1; size <= sizeof text; size++) {
        size_t kept = size - 1 < sizeof whole - 1 ? size - 1 : sizeof whole - 1;

        memset(text, '#', sizeof text);
        right = right && rouse_future_describe(&timeout.base, text, size) == sizeof whole - 1 &&
                strncmp(text, whole, kept) == 0 && text[kept] == '\0' &&
                (size == sizeof text || text[size] == '#');
    }
    claim(right, "it says what it waits for, cut to any size");
    claim(rouse_future_describe(&timeout.base, NULL, 0) == sizeof whole - 1,
          "and how long that is, without a buffer");
    claim(rouse_future_cancel_kind(&timeout.base) == rouse_future_cancel_kind(&inner.base),
          "its kind of cancellation is that of the work");
    rouse_future_drop(&timeout.base);
}

int main(void)
{
    rouse_clock_use_virtual(1000 * ROUSE_NS_PER_S);
    if (rouse_driver_new(&driver, NULL) < 0) return 1;
    inner_comes_first();
    deadline_in_the_past();
    deadline_comes();
    last_poll_is_not_budgeted();
    without_a_driver();
    dropped();
    described();
    rouse_driver_free(driver);
    return claims_end();
}
