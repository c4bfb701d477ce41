// SPDX-License-Identifier: MIT
//
// Channels between tasks: the rows that bench/README.md defines.

#include <stdatomic.h>

#include "parts.h"

enum { PRODUCERS = 4, CAPACITY = 1024, PAIRS = 1000, RECEIVERS = 100, BURST = 64 };

// ---- Producers and a consumer ----

static int produce(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) must(rouse_channel_send(p->tx, &i), "send");
    rouse_channel_sender_unref(p->tx);
    return 0;
}

static rouse_poll produce_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        rouse_channel_send_init(&f->send, p->tx, &f->i);
        ROUSE_AWAIT(&f->send.base);
        must(f->send.output, "send");
    }
    rouse_channel_sender_unref(p->tx);
    ROUSE_ASYNC_END();
}

static int consume(void *arg)
{
    struct part *p = arg;
    uint64_t value;
    int err;

    while ((err = rouse_channel_receive(p->rx, &value)) == 0) p->sum += value;
    rouse_channel_receiver_unref(p->rx);
    return err == -EPIPE ? 0 : err;
}

static rouse_poll consume_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (;;) {
        rouse_channel_receive_init(&f->receive, p->rx, &f->value);
        ROUSE_AWAIT(&f->receive.base);
        if (f->receive.output < 0) break;
        p->sum += f->value;
    }
    rouse_channel_receiver_unref(p->rx);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable produce_vtable = {.poll = produce_poll, .name = "producer"};
static const struct rouse_future_vtable consume_vtable = {.poll = consume_poll, .name = "consumer"};

static int mpsc(struct bench *bench, size_t capacity)
{
    uint64_t count = bench->n / PRODUCERS;
    struct part *producers =
        parts_new(PRODUCERS,
                  &(struct part){.fiber = produce, .frame = &produce_vtable, .count = count});
    struct part consumer = {.fiber = consume, .frame = &consume_vtable};
    struct rouse_channel_sender *tx;

    bench->n = count * PRODUCERS;
    bench_start(bench);
    must(rouse_channel_new(&tx, &consumer.rx, sizeof(uint64_t), capacity), "channel");
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i].tx = rouse_channel_sender_ref(tx);
        start(bench, &producers[i]);
    }
    rouse_channel_sender_unref(tx);
    start(bench, &consumer);
    join(&consumer);
    for (int i = 0; i < PRODUCERS; i++) join(&producers[i]);
    bench_stop(bench);
    check(consumer.sum == PRODUCERS * (count * (count - 1) / 2));
    free(producers);
    return 0;
}

static int mpsc_b(struct bench *bench)
{
    return mpsc(bench, CAPACITY);
}

static int mpsc_u(struct bench *bench)
{
    return mpsc(bench, ROUSE_CHANNEL_UNBOUNDED);
}

// ---- Pairs ----

static int ping(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        uint64_t value;

        must(rouse_channel_send(p->tx, &i), "send");
        must(rouse_channel_receive(p->rx, &value), "receive");
        check(value == i);
    }
    rouse_channel_sender_unref(p->tx);
    rouse_channel_receiver_unref(p->rx);
    return 0;
}

static rouse_poll ping_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        rouse_channel_send_init(&f->send, p->tx, &f->i);
        ROUSE_AWAIT(&f->send.base);
        rouse_channel_receive_init(&f->receive, p->rx, &f->value);
        ROUSE_AWAIT(&f->receive.base);
        check(f->value == f->i);
    }
    rouse_channel_sender_unref(p->tx);
    rouse_channel_receiver_unref(p->rx);
    ROUSE_ASYNC_END();
}

static int pong(void *arg)
{
    struct part *p = arg;
    uint64_t value;

    while (rouse_channel_receive(p->rx, &value) == 0) {
        must(rouse_channel_send(p->tx, &value), "send");
    }
    rouse_channel_sender_unref(p->tx);
    rouse_channel_receiver_unref(p->rx);
    return 0;
}

static rouse_poll pong_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (;;) {
        rouse_channel_receive_init(&f->receive, p->rx, &f->value);
        ROUSE_AWAIT(&f->receive.base);
        if (f->receive.output < 0) break;
        rouse_channel_send_init(&f->send, p->tx, &f->value);
        ROUSE_AWAIT(&f->send.base);
    }
    rouse_channel_sender_unref(p->tx);
    rouse_channel_receiver_unref(p->rx);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable ping_vtable = {.poll = ping_poll, .name = "ping"};
static const struct rouse_future_vtable pong_vtable = {.poll = pong_poll, .name = "pong"};

static int pingpong_chan(struct bench *bench)
{
    uint64_t rounds = bench->n / PAIRS;
    struct part *parts = parts_new(2 * PAIRS, &(struct part){.count = rounds});

    bench->n = rounds * PAIRS;
    for (size_t i = 0; i < 2 * PAIRS; i += 2) {
        parts[i].fiber = ping;
        parts[i].frame = &ping_vtable;
        parts[i + 1].fiber = pong;
        parts[i + 1].frame = &pong_vtable;
    }
    bench_start(bench);
    for (size_t i = 0; i < 2 * PAIRS; i += 2) {
        must(rouse_channel_new(&parts[i].tx, &parts[i + 1].rx, sizeof(uint64_t), 1), "channel");
        must(rouse_channel_new(&parts[i + 1].tx, &parts[i].rx, sizeof(uint64_t), 1), "channel");
        start(bench, &parts[i]);
        start(bench, &parts[i + 1]);
    }
    for (size_t i = 0; i < 2 * PAIRS; i++) join(&parts[i]);
    bench_stop(bench);
    free(parts);
    return 0;
}

// ---- One value ----

static int oneshots(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        struct rouse_oneshot_sender *tx;
        struct rouse_oneshot_receiver *rx;
        uint64_t value;

        must(rouse_oneshot_new(&tx, &rx, sizeof value, NULL), "oneshot");
        must(rouse_oneshot_send(tx, &i), "send");
        must(rouse_oneshot_receive(rx, &value), "receive");
        rouse_oneshot_receiver_free(rx);
        p->sum += value;
    }
    return 0;
}

static rouse_poll oneshots_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        struct rouse_oneshot_sender *tx;

        must(rouse_oneshot_new(&tx, &f->oneshot, sizeof f->value, NULL), "oneshot");
        must(rouse_oneshot_send(tx, &f->i), "send");
        rouse_oneshot_receive_init(&f->answer, f->oneshot);
        ROUSE_AWAIT(&f->answer.base);
        rouse_oneshot_receive_take(&f->answer, &f->value);
        rouse_oneshot_receiver_free(f->oneshot);
        p->sum += f->value;
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable oneshots_vtable = {.poll = oneshots_poll,
                                                           .name = "oneshots"};

static int oneshot(struct bench *bench)
{
    struct part part = {.fiber = oneshots, .frame = &oneshots_vtable, .count = bench->n};

    bench_start(bench);
    start(bench, &part);
    join(&part);
    bench_stop(bench);
    check(part.sum == bench->n * (bench->n - 1) / 2);
    return 0;
}

// ---- To all ----

// How many receivers have not yet got what was sent; the last one tells the sender.
static _Atomic uint32_t missing;
static struct rouse_notify all_have_it;

static void have_it(void)
{
    // Acq_rel: the sender goes on after what all of them did.
    if (atomic_fetch_sub_explicit(&missing, 1, memory_order_acq_rel) == 1) {
        rouse_notify_one(&all_have_it);
    }
}

static void expect_all(void)
{
    // Relaxed: published by what is sent next.
    atomic_store_explicit(&missing, RECEIVERS, memory_order_relaxed);
}

static int hear(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        uint64_t value;

        must(rouse_broadcast_receive(p->news, &value, NULL), "receive");
        check(value == i);
        if ((i + 1) % BURST == 0) have_it();
    }
    rouse_broadcast_receiver_free(p->news);
    return 0;
}

static rouse_poll hear_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        rouse_broadcast_receive_init(&f->news, p->news, &f->value);
        ROUSE_AWAIT(&f->news.base);
        check(f->news.output == 0 && f->value == f->i);
        if ((f->i + 1) % BURST == 0) have_it();
    }
    rouse_broadcast_receiver_free(p->news);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable hear_vtable = {.poll = hear_poll, .name = "hearer"};

static int broadcast(struct bench *bench)
{
    uint64_t bursts = bench->n / RECEIVERS / BURST;
    struct part *parts =
        parts_new(RECEIVERS,
                  &(struct part){.fiber = hear, .frame = &hear_vtable, .count = bursts * BURST});
    struct rouse_broadcast_sender *tx;

    bench->n = bursts * BURST * RECEIVERS;
    rouse_notify_init(&all_have_it);
    bench_start(bench);
    must(rouse_broadcast_new(&tx, CAPACITY, sizeof(uint64_t)), "broadcast");
    for (int i = 0; i < RECEIVERS; i++) {
        must(rouse_broadcast_subscribe(tx, &parts[i].news), "subscribe");
        start(bench, &parts[i]);
    }
    for (uint64_t i = 0; i < bursts * BURST; i++) {
        if (i % BURST == 0) expect_all();
        must(rouse_broadcast_send(tx, &i), "send");
        if ((i + 1) % BURST == 0) must(rouse_notify_wait(&all_have_it), "wait");
    }
    for (int i = 0; i < RECEIVERS; i++) join(&parts[i]);
    rouse_broadcast_sender_unref(tx);
    bench_stop(bench);
    free(parts);
    return 0;
}

static int look(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 1; i <= p->count; i++) {
        uint64_t value;

        must(rouse_watch_changed(p->watched), "changed");
        rouse_watch_read(p->watched, &value);
        check(value == i);
        have_it();
    }
    rouse_watch_receiver_free(p->watched);
    return 0;
}

static rouse_poll look_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        rouse_watch_changed_init(&f->changed, p->watched);
        ROUSE_AWAIT(&f->changed.base);
        rouse_watch_read(p->watched, &f->value);
        check(f->value == f->i + 1);
        have_it();
    }
    rouse_watch_receiver_free(p->watched);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable look_vtable = {.poll = look_poll, .name = "watcher"};

static int watch(struct bench *bench)
{
    uint64_t values = bench->n / RECEIVERS;
    struct part *parts =
        parts_new(RECEIVERS, &(struct part){.fiber = look, .frame = &look_vtable, .count = values});
    struct rouse_watch_sender *tx;

    bench->n = values * RECEIVERS;
    rouse_notify_init(&all_have_it);
    bench_start(bench);
    must(rouse_watch_new(&tx, sizeof(uint64_t), &(uint64_t){0}), "watch");
    for (int i = 0; i < RECEIVERS; i++) {
        must(rouse_watch_subscribe(tx, &parts[i].watched), "subscribe");
        start(bench, &parts[i]);
    }
    for (uint64_t i = 1; i <= values; i++) {
        expect_all();
        must(rouse_watch_send(tx, &i), "send");
        must(rouse_notify_wait(&all_have_it), "wait");
    }
    for (int i = 0; i < RECEIVERS; i++) join(&parts[i]);
    rouse_watch_sender_unref(tx);
    bench_stop(bench);
    free(parts);
    return 0;
}

// ---- The program ----

static const struct row rows[] = {
    {"mpsc_b", mpsc_b},   {"mpsc_u", mpsc_u},       {"pingpong_chan", pingpong_chan},
    {"oneshot", oneshot}, {"broadcast", broadcast}, {"watch", watch},
    {NULL, NULL},
};

static int run(struct bench *bench)
{
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {
    {"mpsc_b", 4000000, run},  {"mpsc_u", 4000000, run},    {"pingpong_chan", 200000, run},
    {"oneshot", 1000000, run}, {"broadcast", 1000000, run}, {"watch", 1000000, run},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Channels between tasks.",
                                              .default_style = BENCH_FIBER,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
