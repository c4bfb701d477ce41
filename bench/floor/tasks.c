// SPDX-License-Identifier: MIT
//
// Tasks: a record from a free list, filled in, queued, called through a pointer, and its state
// changed atomically at the begin and the end of the call.

#include <errno.h>

#include "bench.h"
#include "floor/floor.h"
#include "floor/loop.h"

enum { CHILDREN = 1000 };

static _Atomic uint64_t left;

static enum loop_poll count_down(struct task *self)
{
    (void)self;
    // Acquire and release: who sees 0 sees what was done before each of the others.
    (void)atomic_fetch_sub_explicit(&left, 1, memory_order_acq_rel);
    return LOOP_ENDED;
}

static void spawn_and_run(uint64_t count)
{
    // Relaxed: the spawns that follow publish it.
    atomic_store_explicit(&left, count, memory_order_relaxed);
    for (uint64_t i = 0; i < count; i++) (void)loop_spawn(count_down, NULL);
    loop_run();
    // Acquire, with the release in count_down().
    if (atomic_load_explicit(&left, memory_order_acquire) != 0) abort();
}

int floor_spawn_many(struct bench *bench)
{
    bench_start(bench);
    spawn_and_run(bench->n);
    bench_stop(bench);
    return 0;
}

int floor_scope(struct bench *bench)
{
    bench->n -= bench->n % CHILDREN;
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i += CHILDREN) spawn_and_run(CHILDREN);
    bench_stop(bench);
    return 0;
}

static enum loop_poll add(struct task *self)
{
    *(uint64_t *)self->arg += 1;
    return LOOP_ENDED;
}

int floor_spawn_join(struct bench *bench)
{
    uint64_t sum = 0;

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        (void)loop_spawn(add, &sum);
        loop_run();
    }
    bench_stop(bench);
    return sum == bench->n ? 0 : -EIO;
}

static enum loop_poll spawn_next(struct task *self)
{
    uint64_t *links = self->arg;

    if (--*links > 0) (void)loop_spawn(spawn_next, links);
    return LOOP_ENDED;
}

int floor_chained(struct bench *bench)
{
    uint64_t links = bench->n;

    bench_start(bench);
    (void)loop_spawn(spawn_next, &links);
    loop_run();
    bench_stop(bench);
    return 0;
}

static enum loop_poll yield_often(struct task *self)
{
    return self->step++ < *(const uint64_t *)self->arg ? LOOP_AGAIN : LOOP_ENDED;
}

static int yields(struct bench *bench, uint64_t tasks)
{
    uint64_t count = bench->n / tasks;

    bench->n = count * tasks;
    bench_start(bench);
    for (uint64_t i = 0; i < tasks; i++) (void)loop_spawn(yield_often, &count);
    loop_run();
    bench_stop(bench);
    return 0;
}

int floor_yield200(struct bench *bench)
{
    return yields(bench, 200);
}

int floor_yield1000(struct bench *bench)
{
    return yields(bench, 1000);
}
