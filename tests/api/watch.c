// SPDX-License-Identifier: MIT
//
// Watches between tasks: a crowd that follows a value, receivers that are aborted, a sender that
// waits for them to go, waits that time out or lose.

#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/watch.h>

#include "harness/api.h"

enum { FOLLOWERS = 20, VALUES = 100 };

static void watch_new(struct rouse_watch_sender **tx)
{
    int initial = 0;

    CHECK_EQ(rouse_watch_new(tx, sizeof initial, &initial), 0);
}

static struct rouse_watch_receiver *subscribe(struct rouse_watch_sender *tx)
{
    struct rouse_watch_receiver *rx;

    CHECK_EQ(rouse_watch_subscribe(tx, &rx), 0);
    return rx;
}

static int value_of(struct rouse_watch_receiver *rx)
{
    int value = 0;

    rouse_watch_read(rx, &value);
    return value;
}

// Follows the value to the end, and returns the last one; owns its receiver.
struct follower {
    struct body body;
    struct rouse_watch_receiver *rx;
    int last;
    struct rouse_watch_changed changed;
};

static rouse_poll follower(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(follower, frame, cx);
    for (;;) {
        rouse_watch_changed_init(&f->changed, f->rx);
        AWAIT(&f->changed.base);
        if (f->changed.output < 0) break;
        CHECK(value_of(f->rx) > f->last);
        f->last = value_of(f->rx);
    }
    CHECK_EQ(f->changed.output, -EPIPE);
    BODY_RETURN(f->last);
    BODY_END();
}

static void follower_end(void *frame)
{
    rouse_watch_receiver_free(((struct follower *)frame)->rx);
}

struct crowd_sees_the_last_value {
    struct body body;
    int round;
    struct rouse_watch_sender *tx;
    struct rouse_yield yield;
    struct rouse_join_handle handles[FOLLOWERS];
    struct rouse_future *arms[FOLLOWERS];
    struct rouse_join_all all;
};

static rouse_poll crowd_sees_the_last_value(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(crowd_sees_the_last_value, frame, cx);
    watch_new(&f->tx);
    for (int i = 0; i < FOLLOWERS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], follower, .body.end = follower_end, .rx = subscribe(f->tx)),
                 0);
        f->arms[i] = &f->handles[i].base;
    }
    for (f->round = 1; f->round <= VALUES; f->round++) {
        CHECK_EQ(rouse_watch_send(f->tx, &f->round), FOLLOWERS);
        if (f->round % 3 != 0) continue;
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    rouse_watch_sender_unref(f->tx);
    rouse_join_all_init(&f->all, f->arms, FOLLOWERS);
    AWAIT(&f->all.base);
    for (int i = 0; i < FOLLOWERS; i++) CHECK_EQ(joined(&f->handles[i]), VALUES);
    BODY_END();
}

struct sender_hears_that_receivers_were_aborted {
    struct body body;
    struct rouse_watch_sender *tx;
    struct rouse_join_handle handle;
    struct rouse_yield yield;
    struct rouse_watch_closed closed;
};

static rouse_poll sender_hears_that_receivers_were_aborted(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sender_hears_that_receivers_were_aborted, frame, cx);
    watch_new(&f->tx);
    CHECK_EQ(SPAWN(&f->handle, follower, .body.end = follower_end, .rx = subscribe(f->tx)), 0);
    rouse_yield_init(&f->yield);
    AWAIT(&f->yield.base);
    rouse_abort(&f->handle);
    rouse_watch_closed_init(&f->closed, f->tx);
    AWAIT(&f->closed.base);
    CHECK_EQ(rouse_watch_receiver_count(f->tx), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    rouse_watch_sender_unref(f->tx);
    BODY_END();
}

struct wait_that_timed_out_has_seen_nothing {
    struct body body;
    int value;
    struct rouse_watch_sender *tx;
    struct rouse_watch_receiver *rx;
    struct rouse_watch_changed changed;
    struct rouse_timeout timeout;
};

static rouse_poll wait_that_timed_out_has_seen_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(wait_that_timed_out_has_seen_nothing, frame, cx);
    watch_new(&f->tx);
    f->rx = subscribe(f->tx);
    rouse_watch_changed_init(&f->changed, f->rx);
    rouse_timeout_init(&f->timeout, &f->changed.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    f->value = 13;
    CHECK_EQ(rouse_watch_send(f->tx, &f->value), 1);
    CHECK_EQ(rouse_watch_try_changed(f->rx), 0);
    CHECK_EQ(value_of(f->rx), 13);
    rouse_watch_receiver_free(f->rx);
    rouse_watch_sender_unref(f->tx);
    BODY_END();
}

// Works until it is told to stop: the common use of a watch.
struct stop_wins_a_select {
    struct body body;
    int stop;
    struct rouse_watch_sender *tx;
    struct rouse_watch_receiver *rx;
    struct rouse_watch_changed changed;
    struct rouse_sleep work;
    struct rouse_select select;
};

static rouse_poll stop_wins_a_select(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(stop_wins_a_select, frame, cx);
    watch_new(&f->tx);
    f->rx = subscribe(f->tx);
    for (;;) {
        rouse_watch_changed_init(&f->changed, f->rx);
        rouse_sleep_init(&f->work, MS);
        rouse_select_init(&f->select, &f->changed.base, &f->work.base, ROUSE_SELECT_BIASED);
        AWAIT(&f->select.base);
        if (f->select.output == 0) break;
        f->stop++;
        if (f->stop == 3) CHECK_EQ(rouse_watch_send(f->tx, &f->stop), 1);
    }
    CHECK_EQ(f->stop, 3);
    CHECK_EQ(value_of(f->rx), 3);
    rouse_watch_receiver_free(f->rx);
    rouse_watch_sender_unref(f->tx);
    BODY_END();
}

const struct api_test API_TESTS[] = {{TEST(crowd_sees_the_last_value)},
                                     {TEST(sender_hears_that_receivers_were_aborted)},
                                     {TEST(wait_that_timed_out_has_seen_nothing)},
                                     {TEST(stop_wins_a_select)},
                                     {0}};
