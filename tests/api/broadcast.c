// SPDX-License-Identifier: MIT
//
// Broadcasts between tasks: a crowd that gets every message, one that is too slow for it, receivers
// that are aborted, waits that time out.

#include <rouse/broadcast.h>
#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "harness/api.h"

enum { LISTENERS = 20, MESSAGES = 100 };

static void channel_new(struct rouse_broadcast_sender **tx, size_t capacity)
{
    CHECK_EQ(rouse_broadcast_new(tx, capacity, sizeof(int)), 0);
}

// Listens to the end, and returns the sum of what it has received; owns its receiver.
struct listener {
    struct body body;
    struct rouse_broadcast_receiver *rx;
    int value;
    int64_t sum;
    struct rouse_broadcast_receive receive;
};

static rouse_poll listener(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(listener, frame, cx);
    for (;;) {
        rouse_broadcast_receive_init(&f->receive, f->rx, &f->value);
        AWAIT(&f->receive.base);
        if (f->receive.output == -EPIPE) break;
        if (f->receive.output == 0) f->sum += f->value;
    }
    BODY_RETURN(f->sum);
    BODY_END();
}

static void listener_end(void *frame)
{
    rouse_broadcast_receiver_free(((struct listener *)frame)->rx);
}

static struct rouse_broadcast_receiver *subscribe(struct rouse_broadcast_sender *tx)
{
    struct rouse_broadcast_receiver *rx;

    CHECK_EQ(rouse_broadcast_subscribe(tx, &rx), 0);
    return rx;
}

struct crowd_gets_every_message {
    struct body body;
    int round;
    struct rouse_broadcast_sender *tx;
    struct rouse_yield yield;
    struct rouse_join_handle handles[LISTENERS];
    struct rouse_future *arms[LISTENERS];
    struct rouse_join_all all;
};

static rouse_poll crowd_gets_every_message(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(crowd_gets_every_message, frame, cx);
    channel_new(&f->tx, MESSAGES);
    for (int i = 0; i < LISTENERS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], listener, .body.end = listener_end, .rx = subscribe(f->tx)),
                 0);
        f->arms[i] = &f->handles[i].base;
    }
    for (f->round = 1; f->round <= MESSAGES; f->round++) {
        CHECK_EQ(rouse_broadcast_send(f->tx, &f->round), LISTENERS);
        if (f->round % 3 != 0) continue;
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    rouse_broadcast_sender_unref(f->tx);
    rouse_join_all_init(&f->all, f->arms, LISTENERS);
    AWAIT(&f->all.base);
    for (int i = 0; i < LISTENERS; i++) {
        CHECK_EQ(joined(&f->handles[i]), MESSAGES * (MESSAGES + 1) / 2);
    }
    BODY_END();
}

struct slow_receiver_holds_nobody_up {
    struct body body;
    int value;
    struct rouse_broadcast_sender *tx;
    struct rouse_broadcast_receiver *slow;
    struct rouse_broadcast_receive receive;
};

static rouse_poll slow_receiver_holds_nobody_up(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(slow_receiver_holds_nobody_up, frame, cx);
    channel_new(&f->tx, 4);
    f->slow = subscribe(f->tx);
    for (int i = 0; i < MESSAGES; i++) CHECK_EQ(rouse_broadcast_send(f->tx, &i), 1);
    rouse_broadcast_receive_init(&f->receive, f->slow, &f->value);
    AWAIT(&f->receive.base);
    CHECK_EQ(f->receive.output, -EOVERFLOW);
    CHECK_EQ(f->receive.missed, MESSAGES - 4);
    rouse_broadcast_receive_init(&f->receive, f->slow, &f->value);
    AWAIT(&f->receive.base);
    CHECK_EQ(f->receive.output, 0);
    CHECK_EQ(f->value, MESSAGES - 4);
    rouse_broadcast_receiver_free(f->slow);
    rouse_broadcast_sender_unref(f->tx);
    BODY_END();
}

struct aborted_receiver_is_gone {
    struct body body;
    int value;
    struct rouse_broadcast_sender *tx;
    struct rouse_join_handle handle;
    struct rouse_yield yield;
};

static rouse_poll aborted_receiver_is_gone(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_receiver_is_gone, frame, cx);
    channel_new(&f->tx, 4);
    CHECK_EQ(SPAWN(&f->handle, listener, .body.end = listener_end, .rx = subscribe(f->tx)), 0);
    CHECK_EQ(rouse_broadcast_send(f->tx, &f->value), 1);
    rouse_yield_init(&f->yield);
    AWAIT(&f->yield.base);
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(rouse_broadcast_send(f->tx, &f->value), -EPIPE);
    rouse_broadcast_sender_unref(f->tx);
    BODY_END();
}

struct receive_that_timed_out_has_taken_nothing {
    struct body body;
    int value;
    struct rouse_broadcast_sender *tx;
    struct rouse_broadcast_receiver *rx;
    struct rouse_broadcast_receive receive;
    struct rouse_timeout timeout;
};

static rouse_poll receive_that_timed_out_has_taken_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(receive_that_timed_out_has_taken_nothing, frame, cx);
    channel_new(&f->tx, 1);
    f->rx = subscribe(f->tx);
    rouse_broadcast_receive_init(&f->receive, f->rx, &f->value);
    rouse_timeout_init(&f->timeout, &f->receive.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    f->value = 12;
    CHECK_EQ(rouse_broadcast_send(f->tx, &f->value), 1);
    f->value = 0;
    CHECK_EQ(rouse_broadcast_try_receive(f->rx, &f->value, NULL), 0);
    CHECK_EQ(f->value, 12);
    rouse_broadcast_receiver_free(f->rx);
    rouse_broadcast_sender_unref(f->tx);
    BODY_END();
}

// One task listens to two channels at once.
struct select_over_two_channels {
    struct body body;
    int round;
    int values[2];
    struct rouse_broadcast_sender *tx[2];
    struct rouse_broadcast_receiver *rx[2];
    struct rouse_broadcast_receive receives[2];
    struct rouse_select select;
};

static rouse_poll select_over_two_channels(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(select_over_two_channels, frame, cx);
    for (int i = 0; i < 2; i++) {
        channel_new(&f->tx[i], MESSAGES);
        f->rx[i] = subscribe(f->tx[i]);
        for (int n = 0; n < MESSAGES / 2; n++) CHECK_EQ(rouse_broadcast_send(f->tx[i], &n), 1);
    }
    for (; f->round < MESSAGES; f->round++) {
        for (int i = 0; i < 2; i++) {
            rouse_broadcast_receive_init(&f->receives[i], f->rx[i], &f->values[i]);
        }
        rouse_select_init(&f->select, &f->receives[0].base, &f->receives[1].base,
                          ROUSE_SELECT_FAIR);
        AWAIT(&f->select.base);
        CHECK_EQ(f->receives[f->select.output].output, 0);
        rouse_future_drop(&f->select.base);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(rouse_broadcast_receiver_len(f->rx[i]), 0);
        CHECK_EQ(f->values[i], MESSAGES / 2 - 1);
        rouse_broadcast_receiver_free(f->rx[i]);
        rouse_broadcast_sender_unref(f->tx[i]);
    }
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(crowd_gets_every_message)}, {TEST(slow_receiver_holds_nobody_up)},
    {TEST(aborted_receiver_is_gone)}, {TEST(receive_that_timed_out_has_taken_nothing)},
    {TEST(select_over_two_channels)}, {0}};
