// SPDX-License-Identifier: MIT
//
// Sends, receives and reserves that end early: as losers of selects, by timeouts and by aborts.
// Nothing is lost, nothing comes twice, and what was granted goes to the next who waits.

#include <errno.h>
#include <rouse/channel.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "harness/api.h"
#include "producer.h"

// ---- Select ----

struct select_between_channels_loses_nothing {
    struct body body;
    int round;
    bool open[2];
    struct rouse_channel_sender *tx[2];
    struct rouse_channel_receiver *rx[2];
    struct rouse_channel_receive receives[2];
    struct rouse_select select;
    struct item items[2];
    struct ledger ledger;
};

// What the winner of a select has brought.
static void note_winner(struct select_between_channels_loses_nothing *f, size_t winner)
{
    if (f->receives[winner].output == 1) {
        CHECK_EQ(f->items[winner].producer, winner);
        ledger_add(&f->ledger, &f->items[winner]);
    } else {
        CHECK_EQ(f->receives[winner].output, -EPIPE);
        f->open[winner] = false;
    }
}

static rouse_poll select_between_channels_loses_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(select_between_channels_loses_nothing, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        f->ledger = (struct ledger){.count = 0};
        for (int i = 0; i < 2; i++) {
            channel_new(&f->tx[i], &f->rx[i], capacities[f->round]);
            f->open[i] = true;
            SPAWN_PRODUCER(NULL, f->tx[i], .item.producer = i, .count = 500, .pause = 2 + i);
            rouse_channel_sender_unref(f->tx[i]);
        }
        while (f->open[0] && f->open[1]) {
            for (int i = 0; i < 2; i++) {
                rouse_channel_receive_init(&f->receives[i], f->rx[i], &f->items[i]);
            }
            rouse_select_init(&f->select, &f->receives[0].base, &f->receives[1].base,
                              ROUSE_SELECT_FAIR);
            AWAIT(&f->select.base);
            note_winner(f, f->select.output);
        }
        while (f->open[0] || f->open[1]) {
            rouse_channel_receive_init(&f->receives[f->open[1]], f->rx[f->open[1]],
                                       &f->items[f->open[1]]);
            AWAIT(&f->receives[f->open[1]].base);
            note_winner(f, f->open[1]);
        }
        CHECK_EQ(f->ledger.count, 1000);
        for (int i = 0; i < 2; i++) rouse_channel_receiver_unref(f->rx[i]);
    }
    BODY_END();
}

// Both channels always have something.
struct select_is_fair_or_biased_as_asked {
    struct body body;
    int i;
    int wins[2];
    struct rouse_channel_sender *tx[2];
    struct rouse_channel_receiver *rx[2];
    struct rouse_channel_receive receives[2];
    struct rouse_select select;
    struct item items[2];
};

static rouse_poll select_is_fair_or_biased_as_asked(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(select_is_fair_or_biased_as_asked, frame, cx);
    for (int i = 0; i < 2; i++) {
        channel_new(&f->tx[i], &f->rx[i], 1024);
        for (int k = 0; k < 1024; k++) CHECK_EQ(rouse_channel_try_send(f->tx[i], &f->items[i]), 0);
    }
    for (; f->i < 800; f->i++) {
        for (int i = 0; i < 2; i++) {
            rouse_channel_receive_init(&f->receives[i], f->rx[i], &f->items[i]);
        }
        rouse_select_init(&f->select, &f->receives[0].base, &f->receives[1].base,
                          f->i < 400 ? ROUSE_SELECT_FAIR : ROUSE_SELECT_BIASED);
        AWAIT(&f->select.base);
        CHECK_EQ(f->receives[f->select.output].output, 1);
        if (f->i >= 400) CHECK_EQ(f->select.output, 0);
        f->wins[f->select.output]++;
    }
    // Of 400 coins: outside of this once in 10^22.
    CHECK_WITHIN(f->wins[1], 100, 300);
    CHECK_EQ(rouse_channel_receiver_length(f->rx[0]), 1024 - f->wins[0]);
    CHECK_EQ(rouse_channel_receiver_length(f->rx[1]), 1024 - f->wins[1]);
    for (int i = 0; i < 2; i++) channel_unref(f->tx[i], f->rx[i]);
    BODY_END();
}

// ---- Timeouts ----

struct receive_that_times_out_loses_nothing {
    struct body body;
    int round;
    int64_t timeouts;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct rouse_timeout timeout;
    struct item item;
    struct ledger ledger;
};

static rouse_poll receive_that_times_out_loses_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(receive_that_times_out_loses_nothing, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        f->ledger = (struct ledger){.count = 0};
        for (int i = 0; i < PRODUCERS; i++) {
            SPAWN_PRODUCER(NULL, f->tx, .item.producer = i, .count = 300, .pause = 1);
        }
        rouse_channel_sender_unref(f->tx);
        for (;;) {
            f->item.producer = -1;
            rouse_channel_receive_init(&f->receive, f->rx, &f->item);
            rouse_timeout_init(&f->timeout, &f->receive.base,
                               rouse_deadline_after(
                                   (uint64_t)(f->timeouts + f->ledger.count) % 50 * 100));
            AWAIT(&f->timeout.base);
            if (f->timeout.output == -ETIMEDOUT) {
                CHECK_EQ(f->item.producer, -1);
                f->timeouts++;
                continue;
            }
            if (f->receive.output < 0) break;
            ledger_add(&f->ledger, &f->item);
        }
        CHECK_EQ(f->receive.output, -EPIPE);
        CHECK_EQ(f->ledger.count, PRODUCERS * 300);
        rouse_channel_receiver_unref(f->rx);
    }
    BODY_END();
}

// ---- Aborts ----

// Receives one.
struct taker {
    struct body body;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct item item;
};

static rouse_poll taker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(taker, frame, cx);
    rouse_channel_receive_init(&f->receive, f->rx, &f->item);
    AWAIT(&f->receive.base);
    CHECK_EQ(f->receive.output, 1);
    BODY_END();
}

static void taker_end(void *frame)
{
    rouse_channel_receiver_unref(((struct taker *)frame)->rx);
}

struct abort_of_a_receiver_hands_on {
    struct body body;
    int round;
    int i;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_join_handle handles[2];
    struct rouse_yield yield;
    struct item item;
};

// One element for two who wait, of whom one is aborted: the other one gets it, or the first one had
// it. Then there is one more, so that a lost wake is a wait without an end.
static rouse_poll abort_of_a_receiver_hands_on(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_of_a_receiver_hands_on, frame, cx);
    for (; f->round < 200; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round % CAPACITIES]);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(SPAWN(&f->handles[i], taker, .body.end = taker_end,
                           .rx = rouse_channel_receiver_ref(f->rx)),
                     0);
        }
        for (f->i = 0; f->i < f->round % 7; f->i++) {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
        CHECK_EQ(rouse_channel_try_send(f->tx, &f->item), 0);
        rouse_abort(&f->handles[0]);
        AWAIT(&f->handles[0].base);
        if (joined(&f->handles[0]) == 0) {
            CHECK_EQ(rouse_channel_try_send(f->tx, &f->item), 0);
        }
        AWAIT(&f->handles[1].base);
        CHECK_EQ(joined(&f->handles[1]), 0);
        CHECK_EQ(rouse_channel_try_receive(f->rx, &f->item), -EAGAIN);
        channel_unref(f->tx, f->rx);
    }
    BODY_END();
}

struct abort_of_a_sender_sends_nothing {
    struct body body;
    int round;
    int i;
    int64_t results[3];
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct rouse_join_handle handles[3];
    struct rouse_yield yield;
    struct item item;
    struct ledger ledger;
};

// Three wait for one place, and the second one is aborted while places become free.
static rouse_poll abort_of_a_sender_sends_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(abort_of_a_sender_sends_nothing, frame, cx);
    for (; f->round < 200; f->round++) {
        channel_new(&f->tx, &f->rx, 1);
        f->ledger = (struct ledger){.count = 0};
        f->item = (struct item){.producer = PRODUCERS - 1};
        CHECK_EQ(rouse_channel_try_send(f->tx, &f->item), 0);
        for (int i = 0; i < 3; i++) {
            SPAWN_PRODUCER(&f->handles[i], f->tx, .item.producer = i, .count = 1);
        }
        rouse_channel_sender_unref(f->tx);
        for (f->i = 0; f->i < f->round % 7; f->i++) {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
        CHECK_EQ(rouse_channel_try_receive(f->rx, &f->item), 0);
        ledger_add(&f->ledger, &f->item);
        rouse_abort(&f->handles[f->round % 3]);
        for (;;) {
            rouse_channel_receive_init(&f->receive, f->rx, &f->item);
            AWAIT(&f->receive.base);
            if (f->receive.output < 0) break;
            ledger_add(&f->ledger, &f->item);
        }
        for (f->i = 0; f->i < 3; f->i++) {
            AWAIT(&f->handles[f->i].base);
            f->results[f->i] = joined(&f->handles[f->i]);
        }
        for (int i = 0; i < 3; i++) {
            if (i != f->round % 3) CHECK_EQ(f->results[i], 0);
            // What was sent came, and what was aborted did not.
            CHECK_EQ(f->ledger.next[i], f->results[i] == 0);
        }
        rouse_channel_receiver_unref(f->rx);
    }
    BODY_END();
}

// ---- Reserved places ----

// Reserves a place for each item, and gives every third one back before it uses another.
struct planner {
    struct body body;
    struct rouse_channel_sender *tx;
    struct item item;
    int reserved;
    struct rouse_channel_reserve reserve;
    struct rouse_channel_permit permit;
};

static rouse_poll planner(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(planner, frame, cx);
    while (f->item.number < 200) {
        rouse_channel_reserve_init(&f->reserve, f->tx);
        AWAIT(&f->reserve.base);
        if (f->reserve.output < 0) BODY_RETURN(f->reserve.output);
        if (f->reserved++ % 4 == 3) {
            rouse_future_drop(&f->reserve.base);  // with its place
            continue;
        }
        f->permit = rouse_channel_reserve_take(&f->reserve);
        rouse_future_drop(&f->reserve.base);
        if (f->reserved % 3 != 0) {
            rouse_channel_permit_send(&f->permit, &f->item);
            f->item.number++;
        }
        rouse_channel_permit_drop(&f->permit);
    }
    BODY_END();
}

static void planner_end(void *frame)
{
    rouse_channel_sender_unref(((struct planner *)frame)->tx);
}

struct reserved_places_are_used_or_go_to_the_next {
    struct body body;
    int round;
    int i;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct rouse_join_handle handles[PRODUCERS];
    struct item item;
    struct ledger ledger;
};

static rouse_poll reserved_places_are_used_or_go_to_the_next(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reserved_places_are_used_or_go_to_the_next, frame, cx);
    for (; f->round < 3; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        f->ledger = (struct ledger){.count = 0};
        for (int i = 0; i < PRODUCERS; i++) {
            CHECK_EQ(SPAWN(&f->handles[i], planner, .body.end = planner_end,
                           .tx = rouse_channel_sender_ref(f->tx), .item.producer = i),
                     0);
        }
        rouse_channel_sender_unref(f->tx);
        for (;;) {
            rouse_channel_receive_init(&f->receive, f->rx, &f->item);
            AWAIT(&f->receive.base);
            if (f->receive.output < 0) break;
            ledger_add(&f->ledger, &f->item);
        }
        CHECK_EQ(f->ledger.count, PRODUCERS * 200);
        for (f->i = 0; f->i < PRODUCERS; f->i++) {
            AWAIT(&f->handles[f->i].base);
            CHECK_EQ(joined(&f->handles[f->i]), 0);
        }
        rouse_channel_receiver_unref(f->rx);
    }
    BODY_END();
}

// The place is kept while the channel closes, and what is sent there is the last that comes.
struct reserved_place_outlives_the_close {
    struct body body;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_reserve reserve;
    struct rouse_channel_permit permit;
    struct rouse_channel_receive receive;
    struct rouse_timeout timeout;
    struct item item;
};

static rouse_poll reserved_place_outlives_the_close(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reserved_place_outlives_the_close, frame, cx);
    channel_new(&f->tx, &f->rx, 1);
    rouse_channel_reserve_init(&f->reserve, f->tx);
    AWAIT(&f->reserve.base);
    f->permit = rouse_channel_reserve_take(&f->reserve);
    rouse_future_drop(&f->reserve.base);
    rouse_channel_receiver_close(f->rx);
    rouse_channel_reserve_init(&f->reserve, f->tx);
    AWAIT(&f->reserve.base);
    CHECK_EQ(f->reserve.output, -EPIPE);
    rouse_channel_receive_init(&f->receive, f->rx, &f->item);
    rouse_timeout_init(&f->timeout, &f->receive.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    rouse_channel_permit_send(&f->permit, &(const struct item){.number = 9});
    rouse_channel_receive_init(&f->receive, f->rx, &f->item);
    AWAIT(&f->receive.base);
    CHECK_EQ(f->receive.output, 1);
    CHECK_EQ(f->item.number, 9);
    rouse_channel_receive_init(&f->receive, f->rx, &f->item);
    AWAIT(&f->receive.base);
    CHECK_EQ(f->receive.output, -EPIPE);
    channel_unref(f->tx, f->rx);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(select_between_channels_loses_nothing)},
    {TEST(select_is_fair_or_biased_as_asked)},
    {TEST(receive_that_times_out_loses_nothing)},
    {TEST(abort_of_a_receiver_hands_on)},
    {TEST(abort_of_a_sender_sends_nothing)},
    {TEST(reserved_places_are_used_or_go_to_the_next)},
    {TEST(reserved_place_outlives_the_close)},
    {0}};
