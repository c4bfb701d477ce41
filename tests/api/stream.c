// SPDX-License-Identifier: MIT
//
// Streams between tasks: items that others send through adapters, several sources at once, chunks
// by time, connections; waits for an item that time out, lose, or whose task is aborted.

#include <rouse/channel.h>
#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/sleep.h>
#include <rouse/stream.h>
#include <rouse/task.h>

#include "harness/api.h"

enum { ITEMS = 200 };

static void feed_new(struct rouse_channel_sender **tx, struct rouse_channel_receiver **rx)
{
    CHECK_EQ(rouse_channel_new(tx, rx, sizeof(int64_t), 4), 0);
}

// Sends the numbers up to `last`, with a pause now and then; owns its sender.
struct feeder {
    struct body body;
    struct rouse_channel_sender *tx;
    int64_t next;
    int64_t last;
    uint64_t pause_ns;  // between two of them; 0: none
    struct rouse_channel_send send;
    struct rouse_sleep pause;
};

static rouse_poll feeder(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(feeder, frame, cx);
    for (f->next = 1; f->next <= f->last; f->next++) {
        rouse_channel_send_init(&f->send, f->tx, &f->next);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, 0);
        if (f->pause_ns == 0) continue;
        rouse_sleep_init(&f->pause, f->pause_ns);
        AWAIT(&f->pause.base);
    }
    BODY_END();
}

static void feeder_end(void *frame)
{
    rouse_channel_sender_unref(((struct feeder *)frame)->tx);
}

static void feed(struct rouse_channel_sender *tx, int64_t last, uint64_t pause_ns)
{
    CHECK_EQ(SPAWN(NULL, feeder, .body.end = feeder_end, .tx = tx, .last = last,
                   .pause_ns = pause_ns),
             0);
}

static bool is_even(void *arg, const void *item)
{
    (void)arg;
    return *(const int64_t *)item % 2 == 0;
}

static void halve(void *arg, const void *in, void *out)
{
    (void)arg;
    *(int64_t *)out = *(const int64_t *)in / 2;
}

struct items_come_through_adapters {
    struct body body;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_stream fed;
    struct rouse_filter_stream even;
    struct rouse_map_stream halves;
    struct rouse_take_stream some;
    struct rouse_stream_next next;
    int64_t inner;
    int64_t item;
    int64_t expected;
};

static rouse_poll items_come_through_adapters(void *frame, struct rouse_context *cx)
{
    struct rouse_channel_sender *tx;

    BODY_BEGIN(items_come_through_adapters, frame, cx);
    feed_new(&tx, &f->rx);
    feed(tx, ITEMS, 0);
    rouse_channel_stream_init(&f->fed, f->rx);
    rouse_filter_stream_init(&f->even, &f->fed.base, is_even, NULL);
    rouse_map_stream_init(&f->halves, &f->even.base, &f->inner, halve, NULL);
    rouse_take_stream_init(&f->some, &f->halves.base, ITEMS / 4);
    for (f->expected = 1;; f->expected++) {
        rouse_stream_next_init(&f->next, &f->some.base, &f->item);
        AWAIT(&f->next.base);
        if (f->next.output != 1) break;
        CHECK_EQ(f->item, f->expected);
    }
    CHECK_EQ(f->next.output, 0);
    CHECK_EQ(f->expected, ITEMS / 4 + 1);
    // What is left is there for who goes on.
    for (f->expected = ITEMS / 2 + 1; f->expected <= ITEMS; f->expected++) {
        rouse_stream_next_init(&f->next, &f->fed.base, &f->item);
        AWAIT(&f->next.base);
        CHECK_EQ(f->next.output, 1);
        CHECK_EQ(f->item, f->expected);
    }
    rouse_stream_next_init(&f->next, &f->fed.base, &f->item);
    AWAIT(&f->next.base);
    CHECK_EQ(f->next.output, 0);
    rouse_channel_receiver_unref(f->rx);
    BODY_END();
}

struct merged_streams_lose_nothing {
    struct body body;
    struct rouse_channel_receiver *rx[2];
    struct rouse_channel_stream fed[2];
    struct rouse_merge_stream both;
    struct rouse_stream_next next;
    int64_t item;
    int64_t sum;
};

static rouse_poll merged_streams_lose_nothing(void *frame, struct rouse_context *cx)
{
    struct rouse_channel_sender *tx;

    BODY_BEGIN(merged_streams_lose_nothing, frame, cx);
    for (int i = 0; i < 2; i++) {
        feed_new(&tx, &f->rx[i]);
        feed(tx, ITEMS, 0);
        rouse_channel_stream_init(&f->fed[i], f->rx[i]);
    }
    rouse_merge_stream_init(&f->both, &f->fed[0].base, &f->fed[1].base);
    do {
        f->item = 0;
        rouse_stream_next_init(&f->next, &f->both.base, &f->item);
        AWAIT(&f->next.base);
        f->sum += f->item;
    } while (f->next.output == 1);
    CHECK_EQ(f->next.output, 0);
    CHECK_EQ(f->sum, ITEMS * (ITEMS + 1));
    for (int i = 0; i < 2; i++) rouse_channel_receiver_unref(f->rx[i]);
    BODY_END();
}

struct chunks_come_in_time {
    struct body body;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_stream fed;
    struct rouse_chunk_stream chunks;
    struct rouse_stream_next next;
    int64_t items[ITEMS];
    size_t count;
    int64_t received;
};

static rouse_poll chunks_come_in_time(void *frame, struct rouse_context *cx)
{
    struct rouse_channel_sender *tx;

    BODY_BEGIN(chunks_come_in_time, frame, cx);
    feed_new(&tx, &f->rx);
    feed(tx, 6, 3 * MS);
    rouse_channel_stream_init(&f->fed, f->rx);
    // Far more room than items: only the time ends a chunk, or the stream.
    rouse_chunk_stream_init(&f->chunks, &f->fed.base, f->items, sizeof f->items[0], ITEMS, MS);
    while (f->received < 6) {
        rouse_stream_next_init(&f->next, &f->chunks.base, &f->count);
        AWAIT(&f->next.base);
        CHECK_EQ(f->next.output, 1);
        CHECK(f->count >= 1);
        for (size_t i = 0; i < f->count; i++) CHECK_EQ(f->items[i], ++f->received);
    }
    rouse_stream_next_init(&f->next, &f->chunks.base, &f->count);
    AWAIT(&f->next.base);
    CHECK_EQ(f->next.output, 0);
    rouse_channel_receiver_unref(f->rx);
    BODY_END();
}

struct next_that_is_given_up_has_taken_nothing {
    struct body body;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_stream fed;
    struct rouse_stream_next next;
    struct rouse_timeout timeout;
    struct rouse_ready ready;
    struct rouse_select select;
    int64_t item;
};

static rouse_poll next_that_is_given_up_has_taken_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(next_that_is_given_up_has_taken_nothing, frame, cx);
    feed_new(&f->tx, &f->rx);
    rouse_channel_stream_init(&f->fed, f->rx);
    rouse_stream_next_init(&f->next, &f->fed.base, &f->item);
    rouse_timeout_init(&f->timeout, &f->next.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(rouse_channel_try_send(f->tx, &(int64_t){5}), 0);
    rouse_ready_init(&f->ready);
    rouse_stream_next_init(&f->next, &f->fed.base, &f->item);
    rouse_select_init(&f->select, &f->ready.base, &f->next.base, ROUSE_SELECT_BIASED);
    AWAIT(&f->select.base);
    CHECK_EQ(f->select.output, 0);
    rouse_stream_next_init(&f->next, &f->fed.base, &f->item);
    AWAIT(&f->next.base);
    CHECK_EQ(f->next.output, 1);
    CHECK_EQ(f->item, 5);
    rouse_channel_sender_unref(f->tx);
    rouse_channel_receiver_unref(f->rx);
    BODY_END();
}

// Waits for an item that does not come.
struct consumer {
    struct body body;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_stream fed;
    struct rouse_stream_next next;
    int64_t item;
};

static rouse_poll consumer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(consumer, frame, cx);
    rouse_channel_stream_init(&f->fed, f->rx);
    rouse_stream_next_init(&f->next, &f->fed.base, &f->item);
    AWAIT(&f->next.base);
    BODY_END();
}

struct aborted_consumer_leaves_the_items {
    struct body body;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_join_handle handle;
    struct rouse_yield yield;
    int64_t item;
};

static rouse_poll aborted_consumer_leaves_the_items(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_consumer_leaves_the_items, frame, cx);
    feed_new(&f->tx, &f->rx);
    CHECK_EQ(SPAWN(&f->handle, consumer, .rx = f->rx), 0);
    rouse_yield_init(&f->yield);
    AWAIT(&f->yield.base);
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(rouse_channel_try_send(f->tx, &(int64_t){7}), 0);
    CHECK_EQ(rouse_channel_try_receive(f->rx, &f->item), 0);
    CHECK_EQ(f->item, 7);
    rouse_channel_sender_unref(f->tx);
    rouse_channel_receiver_unref(f->rx);
    BODY_END();
}

struct connections_are_items {
    struct body body;
    struct rouse_addr address;
    struct rouse_tcp_listener *listener;
    struct rouse_accept_stream accepted;
    struct rouse_take_stream two;
    struct rouse_tcp_connect connect;
    struct rouse_tcp *client;
    struct rouse_stream_next next;
    struct rouse_tcp *server;
    int count;
};

static rouse_poll connections_are_items(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(connections_are_items, frame, cx);
    f->address = rouse_addr_loopback(0);
    CHECK_EQ(rouse_tcp_listen(&f->listener, &f->address, NULL), 0);
    CHECK_EQ(rouse_tcp_listener_address(f->listener, &f->address), 0);
    rouse_accept_stream_init(&f->accepted, f->listener);
    rouse_take_stream_init(&f->two, &f->accepted.base, 2);
    for (;;) {
        rouse_tcp_connect_init(&f->connect, &f->address);
        AWAIT(&f->connect.base);
        CHECK_EQ(f->connect.output, 0);
        f->client = rouse_tcp_connect_take(&f->connect);
        rouse_stream_next_init(&f->next, &f->two.base, &f->server);
        AWAIT(&f->next.base);
        rouse_tcp_unref(f->client);
        if (f->next.output != 1) break;
        rouse_tcp_unref(f->server);
        f->count++;
    }
    CHECK_EQ(f->next.output, 0);
    CHECK_EQ(f->count, 2);
    rouse_tcp_listener_unref(f->listener);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(items_come_through_adapters)},
    {TEST(merged_streams_lose_nothing)},
    {TEST(chunks_come_in_time)},
    {TEST(next_that_is_given_up_has_taken_nothing)},
    {TEST(aborted_consumer_leaves_the_items)},
    {TEST(connections_are_items)},
    {0}};
