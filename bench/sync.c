// SPDX-License-Identifier: MIT
//
// Locks and channels: the rows that bench/README.md defines, as fibers or as async frames. The root
// is a fiber that spawns the tasks and joins them.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum {
    PRODUCERS = 4,
    CAPACITY = 1024,
    PAIRS = 1000,
    TASKS = 64,
    PERMITS = 8,
    READS_PER_WRITE = 10,
};

// One task of a row. What it shares with the others is in the row.
struct part;

struct frame {
    struct rouse_async async;
    struct part *part;
    uint64_t i;
    uint64_t value;
    int64_t output;
    union {
        struct rouse_channel_send send;
        struct rouse_channel_receive receive;
        struct rouse_mutex_lock lock;
        struct rouse_semaphore_acquire acquire;
        struct rouse_notify_wait notified;
        struct rouse_yield yield;
    };
};

struct part {
    rouse_fiber_function fiber;
    const struct rouse_future_vtable *frame;
    uint64_t count;
    uint64_t sum;
    uint64_t index;
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_join_handle handle;
};

static struct rouse_mutex mutex;
static struct rouse_rwlock rwlock;
static struct rouse_semaphore semaphore;
static struct rouse_notify notify[2];
static uint64_t counter;

static void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    rouse_panic("%s: %s", what, rouse_strerror((int)result));
}

static void check(bool holds)
{
    if (!holds) rouse_panic("a benchmark has lost something");
}

// ---- Tasks ----

static void frame_init(struct rouse_future *storage, void *arg)
{
    struct frame *frame = ROUSE_CONTAINER_OF(storage, struct frame, async.base);
    struct part *part = arg;

    rouse_async_init(&frame->async, part->frame);
    frame->part = part;
    frame->i = 0;
    frame->output = 0;
}

static struct frame *frame_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct frame, async.base);
}

static void start(const struct bench *bench, struct part *part)
{
    struct rouse_future_spec spec = {.size = sizeof(struct frame), .init = frame_init, .arg = part};

    must(bench->style == BENCH_FIBER ? rouse_spawn(&part->handle, part->fiber, part)
                                     : rouse_spawn_future(&part->handle, &spec),
         "spawn");
}

static void join(struct part *part)
{
    must(rouse_join(&part->handle), "join");
}

static struct part *parts_new(size_t count, const struct part *like)
{
    struct part *parts = calloc(count, sizeof *parts);

    if (parts == NULL) must(-ENOMEM, "parts");
    for (size_t i = 0; i < count; i++) {
        parts[i] = *like;
        parts[i].index = i;
    }
    return parts;
}

// Starts them all, waits for all, and frees them.
static void run_parts(struct bench *bench, struct part *parts, size_t count)
{
    bench_start(bench);
    for (size_t i = 0; i < count; i++) start(bench, &parts[i]);
    for (size_t i = 0; i < count; i++) join(&parts[i]);
    bench_stop(bench);
    free(parts);
}

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

// ---- Locks ----

static int lock_often(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_mutex_lock(&mutex), "lock");
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    return 0;
}

static rouse_poll lock_often_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        ROUSE_AWAIT(&f->lock.base);
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    ROUSE_ASYNC_END();
}

static int lock_and_yield(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_mutex_lock(&mutex), "lock");
        must(rouse_yield(), "yield");
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    return 0;
}

static rouse_poll lock_and_yield_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_mutex_lock_init(&f->lock, &mutex);
        ROUSE_AWAIT(&f->lock.base);
        rouse_yield_init(&f->yield);
        ROUSE_AWAIT(&f->yield.base);
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    ROUSE_ASYNC_END();
}

static bool is_write(const struct part *p, uint64_t i)
{
    return (p->index + i) % READS_PER_WRITE == 0;
}

static int read_mostly(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        if (is_write(p, i)) {
            must(rouse_rwlock_write_lock(&rwlock), "lock");
            counter++;
            rouse_rwlock_write_unlock(&rwlock);
        } else {
            must(rouse_rwlock_read_lock(&rwlock), "lock");
            check(counter >= p->sum);
            p->sum = counter;
            rouse_rwlock_read_unlock(&rwlock);
        }
    }
    return 0;
}

static rouse_poll read_mostly_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        if (is_write(p, f->i)) {
            rouse_rwlock_write_init(&f->acquire, &rwlock);
        } else {
            rouse_rwlock_read_init(&f->acquire, &rwlock);
        }
        ROUSE_AWAIT(&f->acquire.base);
        if (is_write(p, f->i)) {
            counter++;
            rouse_rwlock_write_unlock(&rwlock);
        } else {
            check(counter >= p->sum);
            p->sum = counter;
            rouse_rwlock_read_unlock(&rwlock);
        }
    }
    ROUSE_ASYNC_END();
}

static int hold_permit(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_semaphore_acquire(&semaphore, 1), "acquire");
        must(rouse_yield(), "yield");
        rouse_semaphore_release(&semaphore, 1);
    }
    return 0;
}

static rouse_poll hold_permit_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_semaphore_acquire_init(&f->acquire, &semaphore, 1);
        ROUSE_AWAIT(&f->acquire.base);
        rouse_yield_init(&f->yield);
        ROUSE_AWAIT(&f->yield.base);
        rouse_semaphore_release(&semaphore, 1);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable lock_often_vtable = {.poll = lock_often_poll,
                                                             .name = "locker"};
static const struct rouse_future_vtable lock_and_yield_vtable = {.poll = lock_and_yield_poll,
                                                                 .name = "holder"};
static const struct rouse_future_vtable read_mostly_vtable = {.poll = read_mostly_poll,
                                                              .name = "reader"};
static const struct rouse_future_vtable hold_permit_vtable = {.poll = hold_permit_poll,
                                                              .name = "permit holder"};

static int in_tasks(struct bench *bench, rouse_fiber_function fiber,
                    const struct rouse_future_vtable *frame)
{
    uint64_t count = bench->n / TASKS;

    bench->n = count * TASKS;
    counter = 0;
    run_parts(bench,
              parts_new(TASKS, &(struct part){.fiber = fiber, .frame = frame, .count = count}),
              TASKS);
    return 0;
}

static int mutex_free(struct bench *bench)
{
    rouse_mutex_init(&mutex);
    int err = in_tasks(bench, lock_often, &lock_often_vtable);

    check(counter == bench->n);
    return err;
}

static int mutex_held(struct bench *bench)
{
    rouse_mutex_init(&mutex);
    int err = in_tasks(bench, lock_and_yield, &lock_and_yield_vtable);

    check(counter == bench->n);
    return err;
}

static int rwlock_mixed(struct bench *bench)
{
    rouse_rwlock_init(&rwlock);
    return in_tasks(bench, read_mostly, &read_mostly_vtable);
}

static int semaphore_held(struct bench *bench)
{
    rouse_semaphore_init(&semaphore, PERMITS);
    return in_tasks(bench, hold_permit, &hold_permit_vtable);
}

// ---- Notify ----

static int toss(void *arg)
{
    struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_notify_wait(&notify[p->index]), "wait");
        rouse_notify_one(&notify[1 - p->index]);
    }
    return 0;
}

static rouse_poll toss_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);
    struct part *p = f->part;

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < p->count; f->i++) {
        rouse_notify_wait_init(&f->notified, &notify[p->index]);
        ROUSE_AWAIT(&f->notified.base);
        rouse_notify_one(&notify[1 - p->index]);
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable toss_vtable = {.poll = toss_poll, .name = "tosser"};

static int notify_tossed(struct bench *bench)
{
    for (int i = 0; i < 2; i++) rouse_notify_init(&notify[i]);
    rouse_notify_one(&notify[0]);
    run_parts(bench,
              parts_new(2, &(struct part){.fiber = toss, .frame = &toss_vtable, .count = bench->n}),
              2);
    return 0;
}

// ---- The program ----

static const struct row {
    const char *name;
    int (*run)(struct bench *bench);
} rows[] = {
    {"mpsc_b", mpsc_b},
    {"mpsc_u", mpsc_u},
    {"pingpong_chan", pingpong_chan},
    {"mutex", mutex_free},
    {"mutex_held", mutex_held},
    {"rwlock", rwlock_mixed},
    {"semaphore", semaphore_held},
    {"notify", notify_tossed},
};

static int root(void *arg)
{
    struct bench *bench = arg;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, bench->name) == 0) return rows[i].run(bench);
    }
    return -ENOTSUP;
}

static int run(struct bench *bench)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = bench->workers};
    struct rouse_join_handle handle;
    struct rouse_runtime *runtime;
    int err = rouse_runtime_new(&runtime, &options);

    if (err < 0) return err;
    err = rouse_runtime_spawn(runtime, &handle, root, bench, NULL);
    if (err == 0) err = (int)rouse_join(&handle);
    rouse_runtime_free(runtime);
    return err;
}

static const struct bench_case cases[] = {
    {"mpsc_b", 4000000, run},   {"mpsc_u", 4000000, run},    {"pingpong_chan", 200000, run},
    {"mutex", 640000, run},     {"mutex_held", 640000, run}, {"rwlock", 640000, run},
    {"semaphore", 640000, run}, {"notify", 1000000, run},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Locks and channels between tasks.",
                                              .default_style = BENCH_FIBER,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
