// SPDX-License-Identifier: MIT
//
// Channels between tasks, and between tasks and plain threads, over workers that steal: what was
// sent arrives once and in its producer's order, senders wait for a slow receiver, and each end
// learns that the other one has gone. Waits that end early are in channel_cancel.c.

#include <errno.h>
#include <rouse/channel.h>
#include <rouse/sleep.h>

#include "harness/api.h"
#include "producer.h"

enum { ITEMS = 400 };  // of each producer

// ---- Order ----

struct one_consumer_gets_each_in_order {
    struct body body;
    int round;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct item item;
    struct ledger ledger;
};

static rouse_poll one_consumer_gets_each_in_order(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(one_consumer_gets_each_in_order, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        f->ledger = (struct ledger){.count = 0};
        for (int i = 0; i < PRODUCERS; i++) {
            SPAWN_PRODUCER(NULL, f->tx, .item.producer = i, .count = ITEMS, .pause = i * 7);
        }
        rouse_channel_sender_unref(f->tx);
        for (;;) {
            rouse_channel_receive_init(&f->receive, f->rx, &f->item);
            AWAIT(&f->receive.base);
            if (f->receive.output < 0) break;
            CHECK_EQ(f->receive.output, 1);
            ledger_add(&f->ledger, &f->item);
        }
        CHECK_EQ(f->receive.output, -EPIPE);
        CHECK_EQ(f->ledger.count, PRODUCERS * ITEMS);
        rouse_channel_receiver_unref(f->rx);
    }
    BODY_END();
}

struct many_are_received_at_once_in_order {
    struct body body;
    int round;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct item items[16];
    struct ledger ledger;
};

static rouse_poll many_are_received_at_once_in_order(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(many_are_received_at_once_in_order, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        f->ledger = (struct ledger){.count = 0};
        for (int i = 0; i < PRODUCERS; i++) {
            SPAWN_PRODUCER(NULL, f->tx, .item.producer = i, .count = ITEMS, .pause = 5);
        }
        rouse_channel_sender_unref(f->tx);
        for (;;) {
            rouse_channel_receive_many_init(&f->receive, f->rx, f->items, 16);
            AWAIT(&f->receive.base);
            if (f->receive.output < 0) break;
            CHECK_WITHIN(f->receive.output, 1, 16);
            for (int i = 0; i < f->receive.output; i++) ledger_add(&f->ledger, &f->items[i]);
        }
        CHECK_EQ(f->receive.output, -EPIPE);
        CHECK_EQ(f->ledger.count, PRODUCERS * ITEMS);
        rouse_channel_receiver_unref(f->rx);
    }
    BODY_END();
}

// ---- Several consumers ----

static _Atomic int came[PRODUCERS][ITEMS];

static void came_start(void)
{
    // Relaxed: the tasks that count have not begun.
    for (int i = 0; i < PRODUCERS * ITEMS; i++) {
        atomic_store_explicit(&came[i / ITEMS][i % ITEMS], 0, memory_order_relaxed);
    }
}

static void came_each_once(void)
{
    for (int i = 0; i < PRODUCERS * ITEMS; i++) CHECK_EQ(count_get(&came[i / ITEMS][i % ITEMS]), 1);
}

// Receives until the end, and has its share of that end. Its result is how many.
struct consumer {
    struct body body;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct item item;
    struct ledger ledger;
};

static rouse_poll consumer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(consumer, frame, cx);
    for (;;) {
        rouse_channel_receive_init(&f->receive, f->rx, &f->item);
        AWAIT(&f->receive.base);
        if (f->receive.output < 0) break;
        ledger_add_some(&f->ledger, &f->item);
        count_add(&came[f->item.producer][f->item.number], 1);
    }
    CHECK_EQ(f->receive.output, -EPIPE);
    BODY_RETURN(f->ledger.count);
    BODY_END();
}

static void consumer_end(void *frame)
{
    rouse_channel_receiver_unref(((struct consumer *)frame)->rx);
}

struct several_consumers_share_all_of_it {
    struct body body;
    int round;
    int i;
    int64_t count;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_join_handle consumers[3];
};

static rouse_poll several_consumers_share_all_of_it(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(several_consumers_share_all_of_it, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        came_start();
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(SPAWN(&f->consumers[i], consumer, .body.end = consumer_end,
                           .rx = rouse_channel_receiver_ref(f->rx)),
                     0);
        }
        for (int i = 0; i < PRODUCERS; i++) {
            SPAWN_PRODUCER(NULL, f->tx, .item.producer = i, .count = ITEMS, .pause = 3 + i);
        }
        channel_unref(f->tx, f->rx);
        f->count = 0;
        for (f->i = 0; f->i < 3; f->i++) {
            AWAIT(&f->consumers[f->i].base);
            f->count += joined(&f->consumers[f->i]);
        }
        CHECK_EQ(f->count, PRODUCERS * ITEMS);
        came_each_once();
    }
    BODY_END();
}

// ---- Back-pressure ----

static _Atomic int sends_done;

// Sends three, and says how many have been sent.
struct three_sender {
    struct body body;
    struct rouse_channel_sender *tx;
    struct item item;
    struct rouse_channel_send send;
};

static rouse_poll three_sender(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(three_sender, frame, cx);
    for (; f->item.number < 3; f->item.number++) {
        rouse_channel_send_init(&f->send, f->tx, &f->item);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, 0);
        count_add(&sends_done, 1);
    }
    BODY_END();
}

static void three_sender_end(void *frame)
{
    rouse_channel_sender_unref(((struct three_sender *)frame)->tx);
}

struct sender_waits_until_there_is_a_place {
    struct body body;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
    struct item item;
    struct ledger ledger;
};

static rouse_poll sender_waits_until_there_is_a_place(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sender_waits_until_there_is_a_place, frame, cx);
    channel_new(&f->tx, &f->rx, 1);
    CHECK_EQ(SPAWN(&f->handle, three_sender, .body.end = three_sender_end, .tx = f->tx), 0);
    for (; f->ledger.count < 3;) {
        rouse_sleep_init(&f->sleep, 2 * MS);
        AWAIT(&f->sleep.base);
        // Never more than one ahead, however long it is given.
        CHECK(count_get(&sends_done) <= f->ledger.count + 1);
        CHECK(rouse_channel_receiver_length(f->rx) <= 1);
        rouse_channel_receive_init(&f->receive, f->rx, &f->item);
        AWAIT(&f->receive.base);
        CHECK_EQ(f->receive.output, 1);
        ledger_add(&f->ledger, &f->item);
    }
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 0);
    CHECK_EQ(count_get(&sends_done), 3);
    rouse_channel_receiver_unref(f->rx);
    BODY_END();
}

// ---- The end ----

struct close_drains {
    struct body body;
    int round;
    int received;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_send send;
    struct rouse_channel_receive receive;
    struct item item;
};

static rouse_poll close_drains(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(close_drains, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        f->item.number = 5;
        CHECK_EQ(rouse_channel_try_send(f->tx, &f->item), 0);
        rouse_channel_receiver_close(f->rx);
        CHECK(rouse_channel_sender_is_closed(f->tx));
        CHECK(rouse_channel_receiver_is_closed(f->rx));
        CHECK_EQ(rouse_channel_try_send(f->tx, &f->item), -EPIPE);
        rouse_channel_send_init(&f->send, f->tx, &f->item);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, -EPIPE);
        f->item.number = 0;
        for (f->received = 0; f->received < 2; f->received++) {
            rouse_channel_receive_init(&f->receive, f->rx, &f->item);
            AWAIT(&f->receive.base);
            CHECK_EQ(f->receive.output, f->received == 0 ? 1 : -EPIPE);
            CHECK_EQ(f->item.number, 5);
        }
        channel_unref(f->tx, f->rx);
    }
    BODY_END();
}

// Senders wait, and the last receiver closes the channel or goes.
struct senders_learn_that_nobody_receives {
    struct body body;
    int round;
    int i;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_join_handle handles[PRODUCERS];
    struct rouse_yield yield;
};

static rouse_poll senders_learn_that_nobody_receives(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(senders_learn_that_nobody_receives, frame, cx);
    for (; f->round < 40; f->round++) {
        channel_new(&f->tx, &f->rx, 2);
        for (int i = 0; i < PRODUCERS; i++) {
            SPAWN_PRODUCER(&f->handles[i], f->tx, .item.producer = i, .count = ITEMS);
        }
        for (f->i = 0; f->i < f->round % 5; f->i++) {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
        if (f->round % 2 == 0) rouse_channel_receiver_close(f->rx);
        rouse_channel_receiver_unref(f->rx);
        for (f->i = 0; f->i < PRODUCERS; f->i++) {
            AWAIT(&f->handles[f->i].base);
            CHECK_EQ(joined(&f->handles[f->i]), -EPIPE);
        }
        rouse_channel_sender_unref(f->tx);
    }
    BODY_END();
}

// ---- Plain threads ----

static void *send_on_thread(void *arg)
{
    struct rouse_channel_sender *tx = arg;
    static _Atomic int threads;
    struct item item = {.producer = count_add(&threads, 1) % PRODUCERS};

    for (; item.number < ITEMS; item.number++) CHECK_EQ(rouse_channel_send(tx, &item), 0);
    rouse_channel_sender_unref(tx);
    return NULL;
}

struct threads_send_to_a_task {
    struct body body;
    int round;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    struct item item;
    struct ledger ledger;
    pthread_t threads[PRODUCERS];
};

static rouse_poll threads_send_to_a_task(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(threads_send_to_a_task, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        f->ledger = (struct ledger){.count = 0};
        for (int i = 0; i < PRODUCERS; i++) {
            f->threads[i] = thread_start(send_on_thread, rouse_channel_sender_ref(f->tx));
        }
        rouse_channel_sender_unref(f->tx);
        for (;;) {
            rouse_channel_receive_init(&f->receive, f->rx, &f->item);
            AWAIT(&f->receive.base);
            if (f->receive.output < 0) break;
            ledger_add(&f->ledger, &f->item);
        }
        CHECK_EQ(f->receive.output, -EPIPE);
        CHECK_EQ(f->ledger.count, PRODUCERS * ITEMS);
        for (int i = 0; i < PRODUCERS; i++) thread_join(f->threads[i]);
        rouse_channel_receiver_unref(f->rx);
    }
    BODY_END();
}

struct thread_consumer {
    struct rouse_channel_receiver *rx;
    struct ledger ledger;
    bool many;
};

static void *receive_on_thread(void *arg)
{
    struct thread_consumer *c = arg;
    struct item items[8];
    ssize_t count = 0;

    while (count >= 0) {
        if (c->many) {
            count = rouse_channel_receive_many(c->rx, items, 8);
        } else {
            int err = rouse_channel_receive(c->rx, items);

            count = err < 0 ? err : 1;
        }
        for (ssize_t i = 0; i < count; i++) {
            ledger_add_some(&c->ledger, &items[i]);
            count_add(&came[items[i].producer][items[i].number], 1);
        }
    }
    CHECK_EQ(count, -EPIPE);
    rouse_channel_receiver_unref(c->rx);
    return NULL;
}

struct tasks_send_to_threads {
    struct body body;
    int round;
    int i;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct thread_consumer consumers[2];
    pthread_t threads[2];
    struct rouse_join_handle handles[PRODUCERS];
};

static rouse_poll tasks_send_to_threads(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(tasks_send_to_threads, frame, cx);
    for (; f->round < CAPACITIES; f->round++) {
        channel_new(&f->tx, &f->rx, capacities[f->round]);
        came_start();
        for (int i = 0; i < 2; i++) {
            f->consumers[i] =
                (struct thread_consumer){.rx = rouse_channel_receiver_ref(f->rx), .many = i == 0};
            f->threads[i] = thread_start(receive_on_thread, &f->consumers[i]);
        }
        rouse_channel_receiver_unref(f->rx);
        for (int i = 0; i < PRODUCERS; i++) {
            SPAWN_PRODUCER(&f->handles[i], f->tx, .item.producer = i, .count = ITEMS, .pause = i);
        }
        rouse_channel_sender_unref(f->tx);
        for (f->i = 0; f->i < PRODUCERS; f->i++) {
            AWAIT(&f->handles[f->i].base);
            CHECK_EQ(joined(&f->handles[f->i]), 0);
        }
        for (int i = 0; i < 2; i++) thread_join(f->threads[i]);
        came_each_once();
    }
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(one_consumer_gets_each_in_order)},
    {TEST(many_are_received_at_once_in_order)},
    {TEST(several_consumers_share_all_of_it)},
    {TEST(sender_waits_until_there_is_a_place)},
    {TEST(close_drains)},
    {TEST(senders_learn_that_nobody_receives)},
    // A plain thread that waits makes the default runtime.
    {TEST(threads_send_to_a_task), .lasting = true},
    {TEST(tasks_send_to_threads), .lasting = true},
    {0}};
