// SPDX-License-Identifier: MIT
//
// Waiting for time to pass: sleeps, intervals, timeouts. That nothing ends early is checked to the
// nanosecond; that nothing ends very late only loosely, since the machine may be busy.

#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <rouse/task.h>

#include "harness/api.h"

// Very late, on a busy machine under a sanitizer.
#define LATE_NS (5 * ROUSE_NS_PER_S)

struct sleep_ends_never_early {
    struct body body;
    int round;
    uint64_t deadline_ns;
    struct rouse_sleep sleep;
};

static rouse_poll sleep_ends_never_early(void *frame, struct rouse_context *cx)
{
    static const uint64_t durations_ns[] = {1,       1000,    50000,      999999,
                                            1000000, 1000001, 3 * MS + 7, 10 * MS};

    BODY_BEGIN(sleep_ends_never_early, frame, cx);
    for (f->round = 0; f->round < 8; f->round++) {
        f->deadline_ns = rouse_deadline_after(durations_ns[f->round]);
        rouse_sleep_init(&f->sleep, durations_ns[f->round]);
        CHECK(f->sleep.deadline_ns >= f->deadline_ns);
        AWAIT(&f->sleep.base);
        CHECK_EQ(f->sleep.output, 0);
        CHECK_WITHIN(rouse_now_ns(), f->deadline_ns, f->deadline_ns + LATE_NS);
    }
    BODY_END();
}

struct past_deadline_is_ready_at_the_first_poll {
    struct body body;
    struct rouse_sleep sleep;
};

static rouse_poll past_deadline_is_ready_at_the_first_poll(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(past_deadline_is_ready_at_the_first_poll, frame, cx);
    rouse_sleep_until_init(&f->sleep, rouse_now_ns());
    CHECK(poll_by_hand(&f->sleep.base) == ROUSE_READY);
    rouse_sleep_until_init(&f->sleep, 0);
    CHECK(poll_by_hand(&f->sleep.base) == ROUSE_READY);
    rouse_sleep_init(&f->sleep, 0);
    CHECK(poll_by_hand(&f->sleep.base) == ROUSE_READY);
    CHECK_EQ(rouse_future_result(&f->sleep.base), 0);
    BODY_END();
}

enum { SLEEPERS = 300 };

static _Atomic int awake;

// Sleeps for its own time, which is different for each.
struct sleeper {
    struct body body;
    uint64_t deadline_ns;
    struct rouse_sleep sleep;
};

static rouse_poll sleeper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sleeper, frame, cx);
    rouse_sleep_until_init(&f->sleep, f->deadline_ns);
    AWAIT(&f->sleep.base);
    CHECK_WITHIN(rouse_now_ns(), f->deadline_ns, f->deadline_ns + LATE_NS);
    count_add(&awake, 1);
    BODY_END();
}

static struct rouse_join_handle sleepers[SLEEPERS];

struct many_sleeps_each_end_after_their_own_deadline {
    struct body body;
    int next;
    uint64_t start_ns;
};

static rouse_poll many_sleeps_each_end_after_their_own_deadline(void *frame,
                                                                struct rouse_context *cx)
{
    BODY_BEGIN(many_sleeps_each_end_after_their_own_deadline, frame, cx);
    f->start_ns = rouse_now_ns();
    for (int i = 0; i < SLEEPERS; i++) {
        uint64_t jumble = (uint64_t)i * 7919 % SLEEPERS;

        CHECK_EQ(SPAWN(&sleepers[i], sleeper, .deadline_ns = f->start_ns + jumble * 67001), 0);
    }
    for (f->next = 0; f->next < SLEEPERS; f->next++) {
        AWAIT(&sleepers[f->next].base);
        CHECK_EQ(joined(&sleepers[f->next]), 0);
    }
    CHECK_EQ(count_get(&awake), SLEEPERS);
    BODY_END();
}

struct dropped_sleep_leaves_no_timer {
    struct body body;
    struct rouse_sleep sleeps[50];
    struct rouse_sleep nap;
    struct rouse_poll_fn poll_all;
};

// Polls every sleep once, in the task, so that each is filed with the driver.
static rouse_poll poll_sleeps(void *arg, struct rouse_context *cx)
{
    struct dropped_sleep_leaves_no_timer *f = arg;

    for (int i = 0; i < 50; i++) {
        CHECK(rouse_future_poll(&f->sleeps[i].base, cx) == ROUSE_PENDING);
    }
    return ROUSE_READY;
}

static int64_t timers(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.timers;
}

static rouse_poll dropped_sleep_leaves_no_timer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_sleep_leaves_no_timer, frame, cx);
    for (int i = 0; i < 50; i++) {
        rouse_sleep_init(&f->sleeps[i], (uint64_t)(i + 1) * 100 * MS);
    }
    rouse_poll_fn_init(&f->poll_all, poll_sleeps, f);
    AWAIT(&f->poll_all.base);
    CHECK_EQ(timers(), 50);
    // From another place than where they were polled, perhaps.
    rouse_sleep_init(&f->nap, MS);
    AWAIT(&f->nap.base);
    for (int i = 0; i < 50; i++) {
        rouse_future_drop(&f->sleeps[i].base);
    }
    CHECK_EQ(timers(), 0);
    BODY_END();
}

struct reset_moves_the_deadline {
    struct body body;
    uint64_t deadline_ns;
    struct rouse_sleep sleep;
    struct rouse_poll_fn poll_once;
};

static rouse_poll poll_pending(void *arg, struct rouse_context *cx)
{
    CHECK(rouse_future_poll(arg, cx) == ROUSE_PENDING);
    return ROUSE_READY;
}

static rouse_poll reset_moves_the_deadline(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reset_moves_the_deadline, frame, cx);
    // Later, after it was filed: long enough for that to be before.
    rouse_sleep_init(&f->sleep, 100 * MS);
    rouse_poll_fn_init(&f->poll_once, poll_pending, &f->sleep.base);
    AWAIT(&f->poll_once.base);
    f->deadline_ns = f->sleep.deadline_ns + 10 * MS;
    rouse_sleep_reset(&f->sleep, f->deadline_ns);
    AWAIT(&f->sleep.base);
    CHECK_WITHIN(rouse_now_ns(), f->deadline_ns, f->deadline_ns + LATE_NS);
    // Earlier, after it was filed.
    rouse_sleep_init(&f->sleep, 3600 * ROUSE_NS_PER_S);
    rouse_poll_fn_init(&f->poll_once, poll_pending, &f->sleep.base);
    AWAIT(&f->poll_once.base);
    f->deadline_ns = rouse_deadline_after(5 * MS);
    rouse_sleep_reset(&f->sleep, f->deadline_ns);
    AWAIT(&f->sleep.base);
    CHECK_WITHIN(rouse_now_ns(), f->deadline_ns, f->deadline_ns + LATE_NS);
    BODY_END();
}

// ---- Intervals ----

struct interval_ticks_on_its_multiples {
    struct body body;
    int tick;
    uint64_t start_ns;
    struct rouse_interval interval;
    struct rouse_interval_tick next;
};

static rouse_poll interval_ticks_on_its_multiples(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(interval_ticks_on_its_multiples, frame, cx);
    f->start_ns = rouse_deadline_after(2 * MS);
    rouse_interval_init(&f->interval, f->start_ns, 2 * MS, ROUSE_MISSED_BURST);
    for (f->tick = 0; f->tick < 5; f->tick++) {
        rouse_interval_tick_init(&f->next, &f->interval);
        AWAIT(&f->next.base);
        CHECK_EQ(f->next.output, f->start_ns + (uint64_t)f->tick * 2 * MS);
        CHECK(rouse_now_ns() >= f->next.output);
    }
    BODY_END();
}

// What an interval that began 35 periods and a half ago does: the ticks it delivers.
struct missed {
    struct body body;
    rouse_missed_ticks policy;
    int tick;
    uint64_t now_ns;
    uint64_t start_ns;
    struct rouse_interval interval;
    struct rouse_interval_tick next;
};

// The first tick is the one that was due first, whatever the policy.
static void check_missed_tick(const struct missed *f)
{
    uint64_t due_ns = f->next.output;

    CHECK(rouse_now_ns() >= due_ns);
    if (f->policy == ROUSE_MISSED_BURST || f->tick == 0) {
        CHECK_EQ(due_ns, f->start_ns + (uint64_t)f->tick * MS);
    } else if (f->policy == ROUSE_MISSED_DELAY) {
        CHECK(due_ns >= f->now_ns + (uint64_t)f->tick * MS);
    } else {
        CHECK_EQ((due_ns - f->start_ns) % MS, 0);
        CHECK(due_ns > f->now_ns);
    }
}

static rouse_poll missed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(missed, frame, cx);
    f->now_ns = rouse_now_ns();
    f->start_ns = f->now_ns - 35 * MS - MS / 2;
    rouse_interval_init(&f->interval, f->start_ns, MS, f->policy);
    for (f->tick = 0; f->tick < 4; f->tick++) {
        rouse_interval_tick_init(&f->next, &f->interval);
        AWAIT(&f->next.base);
        check_missed_tick(f);
    }
    BODY_END();
}

struct missed_ticks_burst_delay_or_are_skipped {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll missed_ticks_burst_delay_or_are_skipped(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(missed_ticks_burst_delay_or_are_skipped, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, missed, .policy = ROUSE_MISSED_BURST), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    CHECK_EQ(SPAWN(&f->handle, missed, .policy = ROUSE_MISSED_DELAY), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    CHECK_EQ(SPAWN(&f->handle, missed, .policy = ROUSE_MISSED_SKIP), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    BODY_END();
}

struct dropped_tick_is_not_consumed {
    struct body body;
    uint64_t start_ns;
    struct rouse_interval interval;
    struct rouse_interval_tick next;
    struct rouse_poll_fn poll_once;
};

static rouse_poll dropped_tick_is_not_consumed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_tick_is_not_consumed, frame, cx);
    f->start_ns = rouse_deadline_after(5 * MS);
    rouse_interval_init(&f->interval, f->start_ns, MS, ROUSE_MISSED_BURST);
    rouse_interval_tick_init(&f->next, &f->interval);
    rouse_future_drop(&f->next.base);
    rouse_interval_tick_init(&f->next, &f->interval);
    rouse_poll_fn_init(&f->poll_once, poll_pending, &f->next.base);
    AWAIT(&f->poll_once.base);
    rouse_future_drop(&f->next.base);
    rouse_interval_tick_init(&f->next, &f->interval);
    AWAIT(&f->next.base);
    CHECK_EQ(f->next.output, f->start_ns);
    BODY_END();
}

// ---- Timeouts ----

static _Atomic int dropped;

struct timeout_drops_what_is_too_slow {
    struct body body;
    uint64_t deadline_ns;
    struct trip_wire wire;
    struct rouse_timeout timeout;
};

static rouse_poll timeout_drops_what_is_too_slow(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(timeout_drops_what_is_too_slow, frame, cx);
    f->deadline_ns = rouse_deadline_after(4 * MS);
    trip_wire_init(&f->wire, &dropped, NULL);
    rouse_timeout_init(&f->timeout, &f->wire.base, f->deadline_ns);
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(rouse_future_result(&f->timeout.base), -ETIMEDOUT);
    CHECK_EQ(count_get(&dropped), 1);
    CHECK_WITHIN(rouse_now_ns(), f->deadline_ns, f->deadline_ns + LATE_NS);
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(count_get(&dropped), 1);
    CHECK_EQ(timers(), 0);
    BODY_END();
}

struct timeout_lets_through_what_is_in_time {
    struct body body;
    struct rouse_sleep sleep;
    struct rouse_timeout timeout;
};

static rouse_poll timeout_lets_through_what_is_in_time(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(timeout_lets_through_what_is_in_time, frame, cx);
    rouse_sleep_init(&f->sleep, 2 * MS);
    rouse_timeout_init(&f->timeout, &f->sleep.base, rouse_deadline_after(60 * ROUSE_NS_PER_S));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, 0);
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(timers(), 0);
    BODY_END();
}

struct timeout_asks_its_inner_first {
    struct body body;
    struct rouse_ready ready;
    struct rouse_timeout timeout;
};

static rouse_poll timeout_asks_its_inner_first(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(timeout_asks_its_inner_first, frame, cx);
    rouse_ready_init(&f->ready);
    rouse_timeout_init(&f->timeout, &f->ready.base, 0);
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, 0);
    rouse_future_drop(&f->timeout.base);
    BODY_END();
}

struct dropped_timeout_drops_its_inner {
    struct body body;
    struct trip_wire wire;
    struct rouse_timeout timeout;
    struct rouse_poll_fn poll_once;
};

static rouse_poll dropped_timeout_drops_its_inner(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_timeout_drops_its_inner, frame, cx);
    trip_wire_init(&f->wire, &dropped, NULL);
    rouse_timeout_init(&f->timeout, &f->wire.base, rouse_deadline_after(ROUSE_NS_PER_S));
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(count_get(&dropped), 1);
    trip_wire_init(&f->wire, &dropped, NULL);
    rouse_timeout_init(&f->timeout, &f->wire.base, rouse_deadline_after(ROUSE_NS_PER_S));
    rouse_poll_fn_init(&f->poll_once, poll_pending, &f->timeout.base);
    AWAIT(&f->poll_once.base);
    CHECK_EQ(timers(), 1);
    rouse_future_drop(&f->timeout.base);
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(count_get(&dropped), 2);
    CHECK_EQ(timers(), 0);
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct direct_forms_wait_as_long {
    struct body body;
    uint64_t start_ns;
    uint64_t due_ns;
    struct rouse_interval interval;
    struct rouse_pending pending;
    struct rouse_ready ready;
};

static rouse_poll direct_forms_wait_as_long(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_wait_as_long, frame, cx);
    f->start_ns = rouse_now_ns();
    CHECK_EQ(rouse_sleep(3 * MS), 0);
    CHECK(rouse_now_ns() >= f->start_ns + 3 * MS);
    CHECK_EQ(rouse_sleep_until(f->start_ns + 6 * MS), 0);
    CHECK(rouse_now_ns() >= f->start_ns + 6 * MS);
    rouse_interval_init(&f->interval, f->start_ns + 8 * MS, MS, ROUSE_MISSED_BURST);
    CHECK_EQ(rouse_interval_tick(&f->interval, &f->due_ns), 0);
    CHECK_EQ(f->due_ns, f->start_ns + 8 * MS);
    CHECK(rouse_now_ns() >= f->due_ns);
    CHECK_EQ(rouse_interval_tick(&f->interval, NULL), 0);
    rouse_pending_init(&f->pending);
    CHECK_EQ(rouse_await_until(&f->pending.base, rouse_deadline_after(2 * MS)), -ETIMEDOUT);
    CHECK(rouse_future_is_ended(&f->pending.base));
    rouse_ready_init(&f->ready);
    CHECK_EQ(rouse_await_until(&f->ready.base, 0), 0);
    BODY_END();
}
#endif

static void sleep_without_a_driver_is_cancelled(void)
{
    struct rouse_sleep sleep;

    rouse_sleep_init(&sleep, ROUSE_NS_PER_S);
    CHECK(poll_by_hand(&sleep.base) == ROUSE_READY);
    CHECK_EQ(sleep.output, -ECANCELED);
    CHECK_EQ(rouse_future_result(&sleep.base), -ECANCELED);
}

const struct api_test API_TESTS[] = {
    {TEST(sleep_ends_never_early)},
    {TEST(past_deadline_is_ready_at_the_first_poll), .any_reactor = true},
    {TEST(many_sleeps_each_end_after_their_own_deadline)},
    {TEST(dropped_sleep_leaves_no_timer)},
    {TEST(reset_moves_the_deadline)},
    {TEST(interval_ticks_on_its_multiples)},
    {TEST(missed_ticks_burst_delay_or_are_skipped), .any_reactor = true},
    {TEST(dropped_tick_is_not_consumed), .any_reactor = true},
    {TEST(timeout_drops_what_is_too_slow)},
    {TEST(timeout_lets_through_what_is_in_time)},
    {TEST(timeout_asks_its_inner_first), .any_reactor = true},
    {TEST(dropped_timeout_drops_its_inner), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_wait_as_long)},
#endif
    {PLAIN(sleep_without_a_driver_is_cancelled), .any_reactor = true, .any_style = true},
    {0}};
