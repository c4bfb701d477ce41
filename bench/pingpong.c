// SPDX-License-Identifier: MIT
//
// Pairs of tasks that talk through oneshots; README.md says what the row does. The root is a fiber.

#include "parts.h"

enum { PAIRS = 1000 };

// What the two tasks of a pair share. It ends with the first, who waits for the other's answer.
struct pair {
    struct rouse_oneshot_receiver *ping_rx;
    struct rouse_oneshot_sender *pong_tx;
};

// A frame of either task.
struct talk {
    struct rouse_async async;
    struct pair *pair;  // the responder's
    struct pair own;    // the other's
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive receive;
};

static struct talk *talk_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct talk, async.base);
}

// ---- The responder: awaits the first oneshot, sends to the second ----

static rouse_poll respond_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct talk *f = talk_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    f->rx = f->pair->ping_rx;
    rouse_oneshot_receive_init(&f->receive, f->rx);
    ROUSE_AWAIT(&f->receive.base);
    must(f->receive.output, "receive");
    rouse_oneshot_receiver_free(f->rx);
    must(rouse_oneshot_send(f->pair->pong_tx, NULL), "oneshot");
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable respond_vtable = {
    .poll = respond_poll, .drop = rouse_async_drop, .name = "respond"};

static void respond_init(struct rouse_future *storage, void *arg)
{
    rouse_async_init(&talk_of(storage)->async, &respond_vtable);
    talk_of(storage)->pair = arg;
}

static int respond(void *arg)
{
    struct pair *pair = arg;

    must(rouse_oneshot_receive(pair->ping_rx, NULL), "oneshot");
    rouse_oneshot_receiver_free(pair->ping_rx);
    must(rouse_oneshot_send(pair->pong_tx, NULL), "oneshot");
    return 0;
}

// ---- The one who begins ----

static void make_oneshots(struct pair *pair, struct rouse_oneshot_sender **ping,
                          struct rouse_oneshot_receiver **pong)
{
    must(rouse_oneshot_new(ping, &pair->ping_rx, 0, NULL), "oneshot");
    must(rouse_oneshot_new(&pair->pong_tx, pong, 0, NULL), "oneshot");
}

static rouse_poll ping_poll(struct rouse_future *self, struct rouse_context *cx)
{
    const struct rouse_future_spec responder = {
        .size = sizeof(struct talk), .init = respond_init, .arg = &talk_of(self)->own};
    struct talk *f = talk_of(self);
    struct rouse_oneshot_sender *ping;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    make_oneshots(&f->own, &ping, &f->rx);
    must(rouse_spawn_future(NULL, &responder), "spawn");
    must(rouse_oneshot_send(ping, NULL), "oneshot");
    rouse_oneshot_receive_init(&f->receive, f->rx);
    ROUSE_AWAIT(&f->receive.base);
    must(f->receive.output, "receive");
    rouse_oneshot_receiver_free(f->rx);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable ping_vtable = {
    .poll = ping_poll, .drop = rouse_async_drop, .name = "ping"};

static void ping_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_async_init(&talk_of(storage)->async, &ping_vtable);
}

static int ping(void *arg)
{
    struct pair pair;
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;

    (void)arg;
    make_oneshots(&pair, &tx, &rx);
    must(rouse_spawn(NULL, respond, &pair), "spawn");
    must(rouse_oneshot_send(tx, NULL), "oneshot");
    must(rouse_oneshot_receive(rx, NULL), "oneshot");
    rouse_oneshot_receiver_free(rx);
    return 0;
}

// ---- The row ----

static void spawn_ping(const struct bench *bench, struct rouse_join_handle *handle)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct talk), .init = ping_init};

    must(bench->style == BENCH_FIBER ? rouse_spawn(handle, ping, NULL)
                                     : rouse_spawn_future(handle, &spec),
         "spawn");
}

static int pingpong(struct bench *bench)
{
    static struct rouse_join_handle handles[PAIRS];
    uint64_t rounds = bench->n / PAIRS;

    bench->n = rounds * PAIRS;
    bench_start(bench);
    for (; rounds > 0; rounds--) {
        for (size_t i = 0; i < PAIRS; i++) spawn_ping(bench, &handles[i]);
        for (size_t i = 0; i < PAIRS; i++) must(rouse_join(&handles[i]), "join");
    }
    bench_stop(bench);
    return 0;
}

static const struct row rows[] = {{"pingpong", pingpong}, {NULL, NULL}};

static int run(struct bench *bench)
{
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {{"pingpong", 100000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Pairs of tasks and oneshots.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
