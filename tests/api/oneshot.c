// SPDX-License-Identifier: MIT
//
// Oneshots between tasks: answers to requests, over workers that steal; ends that go, by themselves
// or because their task was aborted; waits that time out.

#include <rouse/error.h>
#include <rouse/oneshot.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <rouse/task.h>

#include "harness/api.h"

static _Atomic int values_dropped;

static void count_drop(void *element)
{
    (void)element;
    count_add(&values_dropped, 1);
}

static void pair_new(struct rouse_oneshot_sender **tx, struct rouse_oneshot_receiver **rx)
{
    CHECK_EQ(rouse_oneshot_new(tx, rx, sizeof(int64_t), count_drop), 0);
}

// Answers a request after some turns; owns the sender.
struct responder {
    struct body body;
    struct rouse_oneshot_sender *tx;
    int64_t answer;
    int turns;
    struct rouse_yield yield;
};

static rouse_poll responder(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(responder, frame, cx);
    while (f->turns-- > 0) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    if (f->answer < 0) {
        rouse_oneshot_sender_free(f->tx);
    } else {
        f->body.result = rouse_oneshot_send(f->tx, &f->answer);
    }
    BODY_END();
}

struct answers_come_back {
    struct body body;
    int64_t round;
    int64_t answer;
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive receive;
};

static rouse_poll answers_come_back(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(answers_come_back, frame, cx);
    for (; f->round < 300; f->round++) {
        pair_new(&f->tx, &f->rx);
        CHECK_EQ(SPAWN(NULL, responder, .tx = f->tx, .answer = f->round,
                       .turns = (int)(f->round % 4)),
                 0);
        rouse_oneshot_receive_init(&f->receive, f->rx);
        AWAIT(&f->receive.base);
        CHECK_EQ(f->receive.output, 0);
        rouse_oneshot_receive_take(&f->receive, &f->answer);
        CHECK_EQ(f->answer, f->round);
        rouse_oneshot_receiver_free(f->rx);
    }
    CHECK_EQ(count_get(&values_dropped), 0);
    BODY_END();
}

struct sender_that_goes_ends_the_wait {
    struct body body;
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive receive;
};

static rouse_poll sender_that_goes_ends_the_wait(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sender_that_goes_ends_the_wait, frame, cx);
    pair_new(&f->tx, &f->rx);
    CHECK_EQ(SPAWN(NULL, responder, .tx = f->tx, .answer = -1, .turns = 3), 0);
    rouse_oneshot_receive_init(&f->receive, f->rx);
    AWAIT(&f->receive.base);
    CHECK_EQ(f->receive.output, -EPIPE);
    rouse_oneshot_receiver_free(f->rx);
    BODY_END();
}

// Waits for a value that does not come, and owns the receiver.
struct requester {
    struct body body;
    struct rouse_oneshot_receiver *rx;
    struct gate *begun;
    struct rouse_oneshot_receive receive;
};

static rouse_poll requester(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(requester, frame, cx);
    gate_open(f->begun);
    rouse_oneshot_receive_init(&f->receive, f->rx);
    AWAIT(&f->receive.base);
    BODY_END();
}

static void requester_end(void *frame)
{
    rouse_oneshot_receiver_free(((struct requester *)frame)->rx);
}

struct aborted_receiver_tells_its_sender {
    struct body body;
    int64_t value;
    struct gate begun;
    struct gate_wait wait;
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_join_handle handle;
    struct rouse_oneshot_closed closed;
};

static rouse_poll aborted_receiver_tells_its_sender(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_receiver_tells_its_sender, frame, cx);
    pair_new(&f->tx, &f->rx);
    CHECK_EQ(SPAWN(&f->handle, requester, .body.end = requester_end, .rx = f->rx,
                   .begun = &f->begun),
             0);
    gate_wait_init(&f->wait, &f->begun);
    AWAIT(&f->wait.base);
    CHECK(!rouse_oneshot_sender_is_closed(f->tx));
    rouse_abort(&f->handle);
    rouse_oneshot_closed_init(&f->closed, f->tx);
    AWAIT(&f->closed.base);
    CHECK_EQ(rouse_oneshot_send(f->tx, &f->value), -EPIPE);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(count_get(&values_dropped), 0);
    BODY_END();
}

struct receive_that_timed_out_has_taken_nothing {
    struct body body;
    int64_t value;
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive receive;
    struct rouse_timeout timeout;
};

static rouse_poll receive_that_timed_out_has_taken_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(receive_that_timed_out_has_taken_nothing, frame, cx);
    pair_new(&f->tx, &f->rx);
    rouse_oneshot_receive_init(&f->receive, f->rx);
    rouse_timeout_init(&f->timeout, &f->receive.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    f->value = 11;
    CHECK_EQ(rouse_oneshot_send(f->tx, &f->value), 0);
    f->value = 0;
    CHECK_EQ(rouse_oneshot_try_receive(f->rx, &f->value), 0);
    CHECK_EQ(f->value, 11);
    rouse_oneshot_receiver_free(f->rx);
    BODY_END();
}

// Of two answers the first one is taken; the other one is dropped with its receiver.
struct slower_answer_is_dropped {
    struct body body;
    int64_t answer;
    struct rouse_oneshot_sender *tx[2];
    struct rouse_oneshot_receiver *rx[2];
    struct rouse_oneshot_receive receives[2];
    struct rouse_join_handle slow;
    struct rouse_select select;
};

static rouse_poll slower_answer_is_dropped(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(slower_answer_is_dropped, frame, cx);
    for (int i = 0; i < 2; i++) {
        pair_new(&f->tx[i], &f->rx[i]);
        rouse_oneshot_receive_init(&f->receives[i], f->rx[i]);
    }
    CHECK_EQ(SPAWN(NULL, responder, .tx = f->tx[1], .answer = 22), 0);
    rouse_select_init(&f->select, &f->receives[0].base, &f->receives[1].base, ROUSE_SELECT_FAIR);
    AWAIT(&f->select.base);
    CHECK_EQ(f->select.output, 1);
    rouse_oneshot_receive_take(&f->receives[1], &f->answer);
    CHECK_EQ(f->answer, 22);
    CHECK_EQ(SPAWN(&f->slow, responder, .tx = f->tx[0], .answer = 33), 0);
    AWAIT(&f->slow.base);
    CHECK_EQ(joined(&f->slow), 0);
    rouse_oneshot_receiver_free(f->rx[0]);
    rouse_oneshot_receiver_free(f->rx[1]);
    CHECK_EQ(count_get(&values_dropped), 1);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(answers_come_back)},
    {TEST(sender_that_goes_ends_the_wait)},
    {TEST(aborted_receiver_tells_its_sender)},
    {TEST(receive_that_timed_out_has_taken_nothing)},
    {TEST(slower_answer_is_dropped)},
    {0}};
