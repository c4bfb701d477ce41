// SPDX-License-Identifier: MIT
//
// The rows over tasks and timers; README.md says what each of them does. The root is a fiber,
// except where it waits for each operation: there it is of the style that is measured.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "bench.h"
#include "due.h"
#include "root.h"

// What a run needs; there is one run in a process.
static struct {
    struct bench *bench;
    // The root waits until `left` is 0. On a line of its own: every task writes it.
    _Alignas(64) _Atomic uint64_t left;
    struct rouse_waker_slot waiter;
} state;

static bool is_fiber(void)
{
    return state.bench->style == BENCH_FIBER;
}

// A benchmark that cannot go on has no result.
static void must(int64_t result)
{
    if (result < 0) rouse_panic("bench: %s", rouse_strerror((int)result));
}

// ---- Waiting for many ----

static void arrive(void)
{
    // Acquire and release, with each other and with the load in poll_left(): who sees 0 sees what
    // was done before each arrival.
    if (atomic_fetch_sub_explicit(&state.left, 1, memory_order_acq_rel) == 1) {
        rouse_waker_slot_wake(&state.waiter);
    }
}

static rouse_poll poll_left(void *arg, struct rouse_context *cx)
{
    (void)arg;
    // First the waker, then the look: the last to arrive counts down first and then wakes.
    rouse_waker_slot_register(&state.waiter, rouse_context_waker(cx));
    // Acquire, with the release in arrive().
    return atomic_load_explicit(&state.left, memory_order_acquire) == 0
               ? ROUSE_READY
               : ROUSE_PENDING;
}

static void expect(uint64_t count)
{
    // Relaxed: the spawns that follow publish it.
    atomic_store_explicit(&state.left, count, memory_order_relaxed);
}

static int await_arrivals(void)
{
    struct rouse_poll_fn all;

    rouse_poll_fn_init(&all, poll_left, NULL);
    return rouse_await(&all.base);
}

// ---- Spawning ----

// A task of either style that does one thing when it is polled: it calls a fiber's function.
struct call {
    struct rouse_future base;
    rouse_fiber_function fn;
    void *arg;
    int output;
};

static rouse_poll call_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct call *call = ROUSE_CONTAINER_OF(self, struct call, base);

    (void)cx;
    call->output = call->fn(call->arg);
    return ROUSE_READY;
}

static int64_t call_result(const struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct call, base)->output;
}

static const struct rouse_future_vtable call_ended_vtable = {.name = "call", .result = call_result};
static const struct rouse_future_vtable call_vtable = {
    .poll = call_poll, .name = "call", .ended = &call_ended_vtable};

static void call_init(struct rouse_future *storage, void *arg)
{
    struct call *call = ROUSE_CONTAINER_OF(storage, struct call, base);

    *call = *(const struct call *)arg;
    call->base.vtable = &call_vtable;
}

// In future style, `fn` must not wait.
static void spawn(struct rouse_join_handle *handle, rouse_fiber_function fn, void *arg)
{
    struct call call = {.fn = fn, .arg = arg};
    const struct rouse_future_spec spec = {.size = sizeof call, .init = call_init, .arg = &call};

    must(is_fiber() ? rouse_spawn(handle, fn, arg) : rouse_spawn_future(handle, &spec));
}

static int arrive_in_task(void *arg)
{
    (void)arg;
    arrive();
    return 0;
}

static int spawn_many_root(void *arg)
{
    struct bench *bench = arg;

    bench_start(bench);
    expect(bench->n);
    for (uint64_t i = 0; i < bench->n; i++) spawn(NULL, arrive_in_task, NULL);
    int err = await_arrivals();

    bench_stop(bench);
    return err;
}

static int chain_link(void *arg)
{
    uint64_t *links = arg;

    // A plain counter: each link is spawned by the one before.
    if (--*links == 0) {
        arrive();
    } else {
        spawn(NULL, chain_link, links);
    }
    return 0;
}

static int chained_root(void *arg)
{
    struct bench *bench = arg;
    uint64_t links = bench->n;

    bench_start(bench);
    expect(1);
    spawn(NULL, chain_link, &links);
    int err = await_arrivals();

    bench_stop(bench);
    return err;
}

// ---- Spawning and joining ----

static int give_back(void *arg)
{
    return *(const int *)arg;
}

// The root in future style; in fiber style it is a loop over rouse_join().
struct joiner {
    struct rouse_async async;
    struct rouse_join_handle handle;
    uint64_t left;
    int number;
};

static rouse_poll joiner_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct joiner *j = ROUSE_CONTAINER_OF(self, struct joiner, async.base);

    ROUSE_ASYNC_BEGIN(&j->async, cx);
    bench_start(state.bench);
    for (j->left = state.bench->n; j->left > 0; j->left--) {
        j->number = (int)(j->left % 1000);
        spawn(&j->handle, give_back, &j->number);
        ROUSE_AWAIT(&j->handle.base);
        if (j->handle.output != j->number) must(-EIO);
        rouse_future_drop(&j->handle.base);
    }
    bench_stop(state.bench);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable joiner_vtable = {
    .poll = joiner_poll, .drop = rouse_async_drop, .name = "joiner"};

static void joiner_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_async_init(ROUSE_CONTAINER_OF(storage, struct rouse_async, base), &joiner_vtable);
}

static int spawn_join_root(void *arg)
{
    struct bench *bench = arg;
    struct rouse_join_handle handle;

    if (!is_fiber()) {
        const struct rouse_future_spec spec = {.size = sizeof(struct joiner), .init = joiner_init};

        must(rouse_spawn_future(&handle, &spec));
        return (int)rouse_join(&handle);
    }
    bench_start(bench);
    for (uint64_t left = bench->n; left > 0; left--) {
        int number = (int)(left % 1000);

        spawn(&handle, give_back, &number);
        if (rouse_join(&handle) != number) must(-EIO);
    }
    bench_stop(bench);
    return 0;
}

// ---- Yielding ----

struct yielder {
    struct rouse_async async;
    struct rouse_yield yield;
    uint64_t left;
};

static rouse_poll yielder_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct yielder *y = ROUSE_CONTAINER_OF(self, struct yielder, async.base);

    ROUSE_ASYNC_BEGIN(&y->async, cx);
    while (y->left-- > 0) {
        rouse_yield_init(&y->yield);
        ROUSE_AWAIT(&y->yield.base);
    }
    arrive();
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable yielder_vtable = {
    .poll = yielder_poll, .drop = rouse_async_drop, .name = "yielder"};

static void yielder_init(struct rouse_future *storage, void *arg)
{
    struct yielder *y = ROUSE_CONTAINER_OF(storage, struct yielder, async.base);

    rouse_async_init(&y->async, &yielder_vtable);
    y->left = *(const uint64_t *)arg;
}

static int yielder_run(void *arg)
{
    for (uint64_t left = *(const uint64_t *)arg; left > 0; left--) must(rouse_yield());
    arrive();
    return 0;
}

static int yields(struct bench *bench, uint64_t tasks)
{
    uint64_t count = bench->n / tasks;
    const struct rouse_future_spec spec = {
        .size = sizeof(struct yielder), .init = yielder_init, .arg = &count};

    bench->n = count * tasks;
    bench_start(bench);
    expect(tasks);
    for (uint64_t i = 0; i < tasks; i++) {
        must(is_fiber() ? rouse_spawn(NULL, yielder_run, &count) : rouse_spawn_future(NULL, &spec));
    }
    int err = await_arrivals();

    bench_stop(bench);
    return err;
}

static int yield200_root(void *arg)
{
    return yields(arg, 200);
}

static int yield1000_root(void *arg)
{
    return yields(arg, 1000);
}

// ---- Timers ----

static void insert(struct rouse_sleep *sleep, uint64_t *random, struct rouse_context *cx)
{
    rouse_sleep_init(sleep, due_far_ms(random) * ROUSE_NS_PER_MS);
    if (rouse_future_poll(&sleep->base, cx) == ROUSE_READY) must(-EIO);
}

static rouse_poll timer_ic_poll(void *arg, struct rouse_context *cx)
{
    struct bench *bench = arg;
    uint64_t random = DUE_SEED;

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        struct rouse_sleep sleep;

        insert(&sleep, &random, cx);
        rouse_future_drop(&sleep.base);
    }
    bench_stop(bench);
    return ROUSE_READY;
}

enum { BULK_WORKERS_MAX = 64 };

// The timers of one worker.
struct bulk {
    struct rouse_sleep *sleeps;
    uint64_t n;
};

static rouse_poll bulk_poll(void *arg, struct rouse_context *cx)
{
    const struct bulk *bulk = arg;
    uint64_t random = DUE_SEED;

    for (uint64_t i = 0; i < bulk->n; i++) insert(&bulk->sleeps[i], &random, cx);
    for (uint64_t i = 0; i < bulk->n; i++) rouse_future_drop(&bulk->sleeps[i].base);
    return ROUSE_READY;
}

static int await_one_poll(rouse_poll_function fn, void *arg)
{
    struct rouse_poll_fn poll_fn;

    rouse_poll_fn_init(&poll_fn, fn, arg);
    return rouse_await(&poll_fn.base);
}

static int timer_ic_root(void *arg)
{
    return await_one_poll(timer_ic_poll, arg);
}

static int bulk_run(void *arg)
{
    return await_one_poll(bulk_poll, arg);
}

// A task for each worker.
static int timer_bulk_root(void *arg)
{
    struct bench *bench = arg;
    struct rouse_join_handle handles[BULK_WORKERS_MAX];
    struct bulk bulks[BULK_WORKERS_MAX];
    uint64_t each = bench->n / bench->workers;
    struct rouse_sleep *sleeps = bench_pages(bench->n * sizeof sleeps[0]);

    bench->n = each * bench->workers;
    bench_start(bench);
    for (unsigned i = 0; i < bench->workers; i++) {
        const struct rouse_task_attrs attrs = {
            .size = sizeof attrs, .site = ROUSE_SITE, .worker = i + 1};

        bulks[i] = (struct bulk){sleeps + i * each, each};
        must(rouse_spawn_at(&handles[i], bulk_run, &bulks[i], &attrs));
    }
    for (unsigned i = 0; i < bench->workers; i++) must(rouse_join(&handles[i]));
    bench_stop(bench);
    bench_pages_free(sleeps);
    return 0;
}

// ---- The table ----

static int run(struct bench *bench, rouse_fiber_function root)
{
    state.bench = bench;
    int err = run_root(bench->workers, root, bench);

    rouse_waker_slot_deinit(&state.waiter);
    return err;
}

static int spawn_many(struct bench *bench)
{
    return run(bench, spawn_many_root);
}

static int spawn_join(struct bench *bench)
{
    return run(bench, spawn_join_root);
}

static int yield200(struct bench *bench)
{
    return run(bench, yield200_root);
}

static int yield1000(struct bench *bench)
{
    return run(bench, yield1000_root);
}

static int chained(struct bench *bench)
{
    return run(bench, chained_root);
}

// A timer is registered by a poll, so there is no form of these for fibers.
static int timer_ic(struct bench *bench)
{
    return bench->style == BENCH_FIBER ? -ENOTSUP : run(bench, timer_ic_root);
}

static int timer_bulk(struct bench *bench)
{
    if (bench->style == BENCH_FIBER || bench->workers > BULK_WORKERS_MAX) return -ENOTSUP;
    return run(bench, timer_bulk_root);
}

static const struct bench_case cases[] = {
    {"spawn_many", 1000000, spawn_many}, {"spawn_join", 1000000, spawn_join},
    {"yield200", 200000, yield200},      {"yield1000", 1000000, yield1000},
    {"chained", 1000000, chained},       {"timer_ic", 1000000, timer_ic},
    {"timer_bulk", 1000000, timer_bulk},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Rows over tasks and timers.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
