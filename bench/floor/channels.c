// SPDX-License-Identifier: MIT
//
// Channels: a slot that is written and read, and one atomic read-modify-write to say so; where the
// other side waits, also its wake-up and its next poll.

#include <errno.h>

#include "bench.h"
#include "floor/cell.h"
#include "floor/floor.h"
#include "floor/loop.h"

enum { PAIRS = 1000, CAPACITY = 1024, RECEIVERS = 100, BURST = 64 };

// ---- Oneshots ----

int floor_oneshot(struct bench *bench)
{
    uint64_t sum = 0;

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        struct cell *cell = cell_new();
        uint64_t value;

        cell_send(cell, i);
        if (!cell_receive(cell, NULL, &value)) return -EIO;
        sum += value;
        cell_free(cell);
    }
    bench_stop(bench);
    return sum == bench->n * (bench->n - 1) / 2 ? 0 : -EIO;
}

// What the two tasks of a pair share.
struct pair {
    struct cell *ping;
    struct cell *pong;
};

static struct pair pairs[PAIRS];

static enum loop_poll respond(struct task *self)
{
    struct pair *pair = self->arg;
    uint64_t value;

    if (!cell_receive(pair->ping, self, &value)) return LOOP_WAITS;
    cell_free(pair->ping);
    cell_send(pair->pong, value);
    return LOOP_ENDED;
}

static enum loop_poll ping(struct task *self)
{
    struct pair *pair = self->arg;
    uint64_t value;

    if (self->step++ == 0) {
        pair->ping = cell_new();
        pair->pong = cell_new();
        (void)loop_spawn(respond, pair);
        cell_send(pair->ping, 1);
    }
    if (!cell_receive(pair->pong, self, &value)) return LOOP_WAITS;
    cell_free(pair->pong);
    return LOOP_ENDED;
}

int floor_pingpong(struct bench *bench)
{
    bench->n -= bench->n % PAIRS;
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i += PAIRS) {
        for (size_t k = 0; k < PAIRS; k++) (void)loop_spawn(ping, &pairs[k]);
        loop_run();
    }
    bench_stop(bench);
    return 0;
}

// ---- Pairs that talk for long ----

static enum loop_poll serve(struct task *self)
{
    struct pair *pair = self->arg;
    uint64_t value;

    if (self->step == 0) cell_send(pair->ping, self->step++);
    while (cell_receive(pair->pong, self, &value)) {
        if (self->step == self->count) return LOOP_ENDED;
        cell_send(pair->ping, self->step++);
    }
    return LOOP_WAITS;
}

static enum loop_poll answer(struct task *self)
{
    struct pair *pair = self->arg;
    uint64_t value;

    while (cell_receive(pair->ping, self, &value)) {
        cell_send(pair->pong, value);
        if (++self->step == self->count) return LOOP_ENDED;
    }
    return LOOP_WAITS;
}

static int talk(struct bench *bench, size_t count)
{
    uint64_t rounds = bench->n / count;

    bench->n = rounds * count;
    if (rounds == 0) return 0;
    bench_start(bench);
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct pair){.ping = cell_new(), .pong = cell_new()};
        loop_spawn(answer, &pairs[i])->count = rounds;
        loop_spawn(serve, &pairs[i])->count = rounds;
    }
    loop_run();
    bench_stop(bench);
    return 0;
}

int floor_pingpong_chan(struct bench *bench)
{
    return talk(bench, PAIRS);
}

int floor_notify(struct bench *bench)
{
    return talk(bench, 1);
}

// ---- Many producers, one consumer: a ring that is filled and emptied ----

static struct {
    _Alignas(64) _Atomic uint64_t tail;
    _Alignas(64) uint64_t head;
    _Atomic uint64_t slots[CAPACITY];
} ring;

static uint64_t ring_take_all(uint64_t tail)
{
    uint64_t sum = 0;

    for (; ring.head != tail; ring.head++) {
        // Acquire, with the release of the producer.
        sum += atomic_load_explicit(&ring.slots[ring.head % CAPACITY], memory_order_acquire);
    }
    return sum;
}

// Where there is a bound, the place is taken by an exchange that knows what it replaces; where
// there is none, by an addition.
static uint64_t ring_claim(bool bounded)
{
    // Relaxed here and below: the slot's own store publishes the value.
    if (!bounded) return atomic_fetch_add_explicit(&ring.tail, 1, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring.tail, memory_order_relaxed);

    // Relaxed: see above.
    if (!atomic_compare_exchange_strong_explicit(&ring.tail, &tail, tail + 1, memory_order_relaxed,
                                                 memory_order_relaxed)) {
        abort();  // nobody else is there
    }
    return tail;
}

static int mpsc(struct bench *bench, bool bounded)
{
    uint64_t sum = 0;

    bench_start(bench);
    for (uint64_t sent = 0; sent < bench->n;) {
        for (size_t i = 0; i < CAPACITY && sent < bench->n; i++, sent++) {
            uint64_t place = ring_claim(bounded);

            // Release, with the acquire in ring_take_all().
            atomic_store_explicit(&ring.slots[place % CAPACITY], sent, memory_order_release);
        }
        sum += ring_take_all(sent);
    }
    bench_stop(bench);
    return sum == bench->n * (bench->n - 1) / 2 ? 0 : -EIO;
}

int floor_mpsc_b(struct bench *bench)
{
    return mpsc(bench, true);
}

int floor_mpsc_u(struct bench *bench)
{
    return mpsc(bench, false);
}

// ---- To all: each receiver is woken and reads what was written ----

static struct {
    struct task *receivers[RECEIVERS];
    uint64_t sent[BURST];
    _Atomic uint64_t missing;
    bool over;
} news;

static enum loop_poll hear(struct task *self)
{
    if (news.over) return LOOP_ENDED;
    if (self->step++ == 0) return LOOP_WAITS;
    for (uint64_t i = 0; i < self->count; i++) *(uint64_t *)self->arg += news.sent[i];
    // Acquire and release: the sender goes on after what all of them did.
    (void)atomic_fetch_sub_explicit(&news.missing, 1, memory_order_acq_rel);
    return LOOP_WAITS;
}

static void tell_all(uint64_t burst)
{
    for (uint64_t i = 0; i < burst; i++) news.sent[i] = i;
    // Relaxed: the wakes that follow publish it.
    atomic_store_explicit(&news.missing, RECEIVERS, memory_order_relaxed);
    for (size_t i = 0; i < RECEIVERS; i++) loop_wake(news.receivers[i]);
    loop_run();
    // Acquire, with the release in hear().
    if (atomic_load_explicit(&news.missing, memory_order_acquire) != 0) abort();
}

static int to_all(struct bench *bench, uint64_t burst)
{
    uint64_t sum = 0;
    uint64_t rounds = bench->n / (RECEIVERS * burst);

    bench->n = rounds * RECEIVERS * burst;
    for (size_t i = 0; i < RECEIVERS; i++) {
        news.receivers[i] = loop_spawn(hear, &sum);
        news.receivers[i]->count = burst;
    }
    loop_run();
    bench_start(bench);
    for (uint64_t i = 0; i < rounds; i++) tell_all(burst);
    bench_stop(bench);
    news.over = true;
    for (size_t i = 0; i < RECEIVERS; i++) loop_wake(news.receivers[i]);
    loop_run();
    return sum == bench->n * (burst - 1) / 2 ? 0 : -EIO;
}

int floor_broadcast(struct bench *bench)
{
    return to_all(bench, BURST);
}

int floor_watch(struct bench *bench)
{
    return to_all(bench, 1);
}
