// SPDX-License-Identifier: MIT
//
// The virtual clock: it moves only when nothing else can happen, and then to the next deadline, so
// hours pass at once and, with one worker, everything happens in one order.

#include <rouse/blocking.h>
#include <rouse/clock.h>
#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <string.h>
#include <time.h>

#include "harness/api.h"

#define HOUR (3600 * ROUSE_NS_PER_S)

static int64_t real_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

struct an_hour_passes_at_once {
    struct body body;
    int64_t real_start_s;
    uint64_t start_ns;
    struct rouse_sleep sleep;
};

static rouse_poll an_hour_passes_at_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(an_hour_passes_at_once, frame, cx);
    f->real_start_s = real_seconds();
    f->start_ns = rouse_now_ns();
    CHECK_EQ(f->start_ns, VIRTUAL_START_NS);
    rouse_sleep_init(&f->sleep, HOUR);
    AWAIT(&f->sleep.base);
    CHECK_EQ(rouse_now_ns(), f->start_ns + HOUR);
    rouse_sleep_init(&f->sleep, 1);
    AWAIT(&f->sleep.base);
    CHECK_EQ(rouse_now_ns(), f->start_ns + HOUR + 1);
    CHECK_WITHIN(real_seconds() - f->real_start_s, 0, 60);
    BODY_END();
}

// ---- Order ----

enum { SLEEPERS = 50, LOG_MAX = 4 * SLEEPERS };

struct entry {
    int name;
    uint64_t time_ns;
};

static struct entry entries[LOG_MAX];
static _Atomic int entry_count;

static void note(int name)
{
    entries[count_add(&entry_count, 1) - 1] =
        (struct entry){name, rouse_now_ns() - VIRTUAL_START_NS};
}

// Sleeps twice, for times that depend on its name; some are equal to others'.
struct sleeper {
    struct body body;
    int name;
    struct rouse_sleep sleep;
};

static rouse_poll sleeper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sleeper, frame, cx);
    rouse_sleep_init(&f->sleep, (uint64_t)(f->name * 37 % 20) * ROUSE_NS_PER_S + 5);
    AWAIT(&f->sleep.base);
    note(f->name);
    rouse_sleep_init(&f->sleep, (uint64_t)(f->name % 7) * MS);
    AWAIT(&f->sleep.base);
    note(-f->name);
    BODY_END();
}

struct sleeps_end_in_the_order_of_their_deadlines {
    struct body body;
    int next;
    struct rouse_join_handle handles[SLEEPERS];
};

static rouse_poll sleeps_end_in_the_order_of_their_deadlines(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sleeps_end_in_the_order_of_their_deadlines, frame, cx);
    for (int i = 0; i < SLEEPERS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], sleeper, .name = i + 1), 0);
    }
    for (f->next = 0; f->next < SLEEPERS; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), 0);
    }
    CHECK_EQ(count_get(&entry_count), 2 * SLEEPERS);
    for (int i = 0; i < 2 * SLEEPERS; i++) {
        int name = entries[i].name;
        uint64_t first_ns = (uint64_t)((name > 0 ? name : -name) * 37 % 20) * ROUSE_NS_PER_S + 5;
        uint64_t second_ns = name < 0 ? (uint64_t)(-name % 7) * MS : 0;

        // Time stands still between jumps: each wakes exactly at its deadline.
        CHECK_EQ(entries[i].time_ns, first_ns + second_ns);
        CHECK(i == 0 || entries[i].time_ns >= entries[i - 1].time_ns);
    }
    BODY_END();
}

// The same program twice, in one process, on two executors: the log is the same, entry by entry.
static void order_is_the_same_every_time(void)
{
    static struct entry first[LOG_MAX];

    for (int run = 0; run < 2; run++) {
        struct host host;
        struct rouse_join_handle handles[SLEEPERS];
        uint64_t start_ns = rouse_now_ns();

        host_open(&host, HOST_EXECUTOR, &(struct host_options){0});
        for (int i = 0; i < SLEEPERS; i++) {
            CHECK_EQ(SPAWN_ON(&host.target, &handles[i], sleeper, .name = i + 1), 0);
            rouse_detach(&handles[i]);
        }
        rouse_spawner_drop(host.target.spawner);
        host.target.spawner = NULL;
        rouse_executor_run(host.executor);
        host_close(&host);
        CHECK_EQ(count_get(&entry_count), 2 * SLEEPERS);
        for (int i = 0; i < 2 * SLEEPERS; i++) {
            entries[i].time_ns -= start_ns - VIRTUAL_START_NS;
        }
        count_add(&entry_count, -2 * SLEEPERS);
        if (run == 0) memcpy(first, entries, sizeof first);
    }
    CHECK_EQ(memcmp(first, entries, 2 * SLEEPERS * sizeof *first), 0);
}

struct intervals_and_timeouts_keep_exact_time {
    struct body body;
    int tick;
    uint64_t start_ns;
    struct rouse_interval interval;
    struct rouse_interval_tick next;
    struct rouse_sleep sleep;
    struct rouse_timeout timeout;
};

static rouse_poll intervals_and_timeouts_keep_exact_time(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(intervals_and_timeouts_keep_exact_time, frame, cx);
    f->start_ns = rouse_now_ns();
    rouse_interval_init(&f->interval, f->start_ns + HOUR, HOUR, ROUSE_MISSED_BURST);
    for (f->tick = 1; f->tick <= 24; f->tick++) {
        rouse_interval_tick_init(&f->next, &f->interval);
        AWAIT(&f->next.base);
        CHECK_EQ(f->next.output, f->start_ns + (uint64_t)f->tick * HOUR);
        CHECK_EQ(rouse_now_ns(), f->next.output);
    }
    rouse_sleep_init(&f->sleep, 2 * HOUR);
    rouse_timeout_init(&f->timeout, &f->sleep.base, rouse_deadline_after(HOUR));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(rouse_now_ns(), f->start_ns + 25 * HOUR);
    rouse_future_drop(&f->timeout.base);
    BODY_END();
}

static int64_t take_real_time(void *arg)
{
    nap_ns(10 * MS);
    *(uint64_t *)arg = rouse_now_ns();
    return 0;
}

struct clock_stands_while_a_blocking_call_runs {
    struct body body;
    uint64_t start_ns;
    uint64_t seen_ns;
    struct rouse_blocking job;
    struct rouse_sleep sleep;
    struct rouse_join both;
};

static rouse_poll clock_stands_while_a_blocking_call_runs(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(clock_stands_while_a_blocking_call_runs, frame, cx);
    f->start_ns = rouse_now_ns();
    rouse_blocking_init(&f->job, take_real_time, &f->seen_ns, NULL);
    rouse_sleep_init(&f->sleep, HOUR);
    rouse_join_init(&f->both, &f->job.base, &f->sleep.base);
    AWAIT(&f->both.base);
    CHECK_EQ(f->job.output, 0);
    CHECK_EQ(f->seen_ns, f->start_ns);
    CHECK_EQ(rouse_now_ns(), f->start_ns + HOUR);
    rouse_future_drop(&f->both.base);
    BODY_END();
}

static void advance_moves_it_by_hand(void)
{
    uint64_t start_ns = rouse_now_ns();

    CHECK_EQ(start_ns, VIRTUAL_START_NS);
    rouse_clock_advance(HOUR);
    CHECK_EQ(rouse_now_ns(), start_ns + HOUR);
    CHECK_EQ(rouse_deadline_after(5), start_ns + HOUR + 5);
    CHECK_EQ(rouse_deadline_after(ROUSE_NEVER), (int64_t)ROUSE_NEVER);
}

const struct api_test API_TESTS[] = {
    {TEST(an_hour_passes_at_once), .virtual_clock = true},
    {TEST(sleeps_end_in_the_order_of_their_deadlines), .virtual_clock = true,
     .hosts = HOST_EXECUTOR},
    {PLAIN(order_is_the_same_every_time), .virtual_clock = true, .exact = true},
    {TEST(intervals_and_timeouts_keep_exact_time), .virtual_clock = true},
    {TEST(clock_stands_while_a_blocking_call_runs), .virtual_clock = true},
    {PLAIN(advance_moves_it_by_hand), .virtual_clock = true, .any_reactor = true,
     .any_style = true},
    {0}};
