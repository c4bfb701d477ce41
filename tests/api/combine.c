// SPDX-License-Identifier: MIT
//
// Combinators inside tasks, over real timers and real tasks: yields, joins, selects, races and
// chains, and trees of them. By hand they are tested in tests/unit.

#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <rouse/task.h>
#include <rouse/then.h>

#include "harness/api.h"

static int64_t timers(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.timers;
}

// Writes its turn into a log that all of its kind share.
static char turns[64];
static _Atomic int turn_count;

struct taker {
    struct body body;
    char name;
    int turns;
    struct rouse_yield yield;
};

static rouse_poll taker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(taker, frame, cx);
    while (f->turns-- > 0) {
        turns[count_add(&turn_count, 1) - 1] = f->name;
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    BODY_END();
}

struct yield_lets_others_take_their_turns {
    struct body body;
    struct rouse_join_handle a;
    struct rouse_join_handle b;
    struct rouse_join both;
};

// With one worker, turns alternate.
static rouse_poll yield_lets_others_take_their_turns(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(yield_lets_others_take_their_turns, frame, cx);
    CHECK_EQ(SPAWN(&f->a, taker, .name = 'a', .turns = 20), 0);
    CHECK_EQ(SPAWN(&f->b, taker, .name = 'b', .turns = 20), 0);
    rouse_join_init(&f->both, &f->a.base, &f->b.base);
    AWAIT(&f->both.base);
    rouse_future_drop(&f->both.base);
    CHECK_EQ(count_get(&turn_count), 40);
    for (int i = 2; i < 38; i++) {
        CHECK(turns[i] != turns[i - 1]);
    }
    BODY_END();
}

struct join_ends_with_the_last {
    struct body body;
    uint64_t start_ns;
    struct rouse_sleep sleeps[8];
    struct rouse_future *arms[8];
    struct rouse_join_all all;
};

static rouse_poll join_ends_with_the_last(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(join_ends_with_the_last, frame, cx);
    f->start_ns = rouse_now_ns();
    for (int i = 0; i < 8; i++) {
        rouse_sleep_init(&f->sleeps[i], (uint64_t)((i * 5) % 8 + 1) * MS);
        f->arms[i] = &f->sleeps[i].base;
    }
    rouse_join_all_init(&f->all, f->arms, 8);
    AWAIT(&f->all.base);
    CHECK(rouse_now_ns() >= f->start_ns + 8 * MS);
    for (int i = 0; i < 8; i++) {
        CHECK(rouse_future_is_ended(f->arms[i]));
        CHECK_EQ(f->sleeps[i].output, 0);
    }
    rouse_future_drop(&f->all.base);
    BODY_END();
}

struct select_ends_with_the_first_and_drops_the_rest {
    struct body body;
    uint64_t start_ns;
    struct rouse_sleep slow;
    struct rouse_sleep fast;
    struct rouse_select select;
};

static rouse_poll select_ends_with_the_first_and_drops_the_rest(void *frame,
                                                                struct rouse_context *cx)
{
    BODY_BEGIN(select_ends_with_the_first_and_drops_the_rest, frame, cx);
    f->start_ns = rouse_now_ns();
    rouse_sleep_init(&f->slow, 3600 * ROUSE_NS_PER_S);
    rouse_sleep_init(&f->fast, 3 * MS);
    rouse_select_init(&f->select, &f->slow.base, &f->fast.base, ROUSE_SELECT_FAIR);
    AWAIT(&f->select.base);
    CHECK_EQ(f->select.output, 1);
    CHECK(rouse_now_ns() >= f->start_ns + 3 * MS);
    CHECK_EQ(timers(), 0);
    rouse_future_drop(&f->select.base);
    BODY_END();
}

struct borrowed_loser_goes_on_after_a_select {
    struct body body;
    uint64_t start_ns;
    struct rouse_sleep slow;
    struct rouse_sleep fast;
    struct rouse_borrow lent;
    struct rouse_select select;
};

static rouse_poll borrowed_loser_goes_on_after_a_select(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(borrowed_loser_goes_on_after_a_select, frame, cx);
    f->start_ns = rouse_now_ns();
    rouse_sleep_init(&f->slow, 8 * MS);
    rouse_sleep_init(&f->fast, 2 * MS);
    rouse_borrow_init(&f->lent, &f->slow.base);
    rouse_select_init(&f->select, &f->lent.base, &f->fast.base, ROUSE_SELECT_BIASED);
    AWAIT(&f->select.base);
    if (f->select.output == 1) AWAIT(&f->slow.base);
    rouse_future_drop(&f->select.base);
    CHECK(rouse_future_is_ended(&f->slow.base));
    CHECK(rouse_now_ns() >= f->start_ns + 8 * MS);
    BODY_END();
}

// Sleeps, then ends with a result.
struct runner {
    struct body body;
    uint64_t duration_ns;
    int64_t result;
    struct rouse_sleep sleep;
};

static rouse_poll runner(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(runner, frame, cx);
    rouse_sleep_init(&f->sleep, f->duration_ns);
    AWAIT(&f->sleep.base);
    BODY_RETURN(f->result);
    BODY_END();
}

struct race_is_won_by_the_first_task_that_succeeds {
    struct body body;
    struct rouse_join_handle runners[3];
    struct rouse_future *arms[3];
    struct rouse_race race;
};

static rouse_poll race_is_won_by_the_first_task_that_succeeds(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(race_is_won_by_the_first_task_that_succeeds, frame, cx);
    CHECK_EQ(SPAWN(&f->runners[0], runner, .duration_ns = 60 * ROUSE_NS_PER_S), 0);
    CHECK_EQ(SPAWN(&f->runners[1], runner, .duration_ns = MS, .result = -EIO), 0);
    CHECK_EQ(SPAWN(&f->runners[2], runner, .duration_ns = 4 * MS, .result = 6), 0);
    for (int i = 0; i < 3; i++) {
        rouse_abort_on_drop(&f->runners[i]);
        f->arms[i] = &f->runners[i].base;
    }
    rouse_race_init(&f->race, f->arms, 3);
    AWAIT(&f->race.base);
    CHECK_EQ(f->race.winner, 2);
    CHECK_EQ(f->race.output, 6);
    rouse_future_drop(&f->race.base);
    BODY_END();
}

struct try_join_ends_with_the_first_failure {
    struct body body;
    struct rouse_join_handle good;
    struct rouse_join_handle bad;
    struct rouse_try_join both;
};

static rouse_poll try_join_ends_with_the_first_failure(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(try_join_ends_with_the_first_failure, frame, cx);
    CHECK_EQ(SPAWN(&f->good, runner, .duration_ns = 60 * ROUSE_NS_PER_S), 0);
    CHECK_EQ(SPAWN(&f->bad, runner, .duration_ns = MS, .result = -EPIPE), 0);
    rouse_abort_on_drop(&f->good);
    rouse_try_join_init(&f->both, &f->good.base, &f->bad.base);
    AWAIT(&f->both.base);
    CHECK_EQ(f->both.output, -EPIPE);
    rouse_future_drop(&f->both.base);
    BODY_END();
}

// Sleeps twice as long as before.
static struct rouse_future *sleep_again(void *arg, struct rouse_future *first)
{
    struct rouse_sleep *second = arg;

    CHECK_EQ(rouse_future_result(first), 0);
    rouse_sleep_init(second, 4 * MS);
    return &second->base;
}

static int64_t elapsed_ms(void *arg, struct rouse_future *inner)
{
    CHECK_EQ(rouse_future_result(inner), 0);
    return (int64_t)((rouse_now_ns() - *(uint64_t *)arg) / MS);
}

struct chains_run_one_after_the_other {
    struct body body;
    uint64_t start_ns;
    struct rouse_sleep first;
    struct rouse_sleep second;
    struct rouse_then then;
    struct rouse_map map;
    struct rouse_timeout timeout;
};

static rouse_poll chains_run_one_after_the_other(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(chains_run_one_after_the_other, frame, cx);
    f->start_ns = rouse_now_ns();
    rouse_sleep_init(&f->first, 2 * MS);
    rouse_then_init(&f->then, &f->first.base, sleep_again, &f->second);
    rouse_map_init(&f->map, &f->then.base, elapsed_ms, &f->start_ns);
    rouse_timeout_init(&f->timeout, &f->map.base, rouse_deadline_after(60 * ROUSE_NS_PER_S));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, 0);
    CHECK_WITHIN(f->map.output, 6, 60000);
    rouse_future_drop(&f->timeout.base);
    BODY_END();
}

// The slowest arm of a tree is cut off by a timeout at its root.
struct timeout_drops_a_whole_tree {
    struct body body;
    _Atomic int dropped;
    struct trip_wire wires[4];
    struct rouse_join left;
    struct rouse_select right;
    struct rouse_join root;
    struct rouse_timeout timeout;
};

static rouse_poll timeout_drops_a_whole_tree(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(timeout_drops_a_whole_tree, frame, cx);
    for (int i = 0; i < 4; i++) {
        trip_wire_init(&f->wires[i], &f->dropped, NULL);
    }
    rouse_join_init(&f->left, &f->wires[0].base, &f->wires[1].base);
    rouse_select_init(&f->right, &f->wires[2].base, &f->wires[3].base, ROUSE_SELECT_FAIR);
    rouse_join_init(&f->root, &f->left.base, &f->right.base);
    rouse_timeout_init(&f->timeout, &f->root.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(count_get(&f->dropped), 4);
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(count_get(&f->dropped), 4);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(yield_lets_others_take_their_turns), .hosts = HOST_EXECUTOR, .exact = true},
    {TEST(join_ends_with_the_last)},
    {TEST(select_ends_with_the_first_and_drops_the_rest)},
    {TEST(borrowed_loser_goes_on_after_a_select)},
    {TEST(race_is_won_by_the_first_task_that_succeeds)},
    {TEST(try_join_ends_with_the_first_failure)},
    {TEST(chains_run_one_after_the_other)},
    {TEST(timeout_drops_a_whole_tree)},
    {0}};
