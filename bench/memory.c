// SPDX-License-Identifier: MIT
//
// What a task costs that waits; README.md says what each row does. The root is a fiber. Time per
// operation is that of making the tasks and letting each run until it waits.

#include <stdatomic.h>
#include <stdbool.h>

#include "parts.h"

// How many tasks are about to wait. There is one run in a process.
static _Atomic uint64_t arrived;

static void arrive(void)
{
    // Relaxed: a mere count. The root looks at no other memory of the tasks.
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
}

// ---- Waits for ever ----

// As a user would write it: the future counts at its first poll and is never woken.
struct idle {
    struct rouse_future base;
};

static rouse_poll idle_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    arrive();
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable idle_vtable = {.poll = idle_poll, .name = "idle"};

static void idle_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &idle_vtable;
}

static int idle_run(void *arg)
{
    struct rouse_pending pending;

    (void)arg;
    arrive();
    rouse_pending_init(&pending);
    return rouse_await(&pending.base);  // -ECANCELED, when the runtime ends
}

static void spawn_idle(const struct bench *bench)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct idle), .init = idle_init};

    must(bench->style == BENCH_FIBER ? rouse_spawn(NULL, idle_run, NULL)
                                     : rouse_spawn_future(NULL, &spec),
         "spawn");
}

// ---- Waits for its own oneshot ----

struct answered {
    struct rouse_async async;
    struct rouse_oneshot_receiver *rx;  // owned
    struct rouse_oneshot_receive receive;
};

static rouse_poll answered_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct answered *a = ROUSE_CONTAINER_OF(self, struct answered, async.base);

    ROUSE_ASYNC_BEGIN(&a->async, cx);
    arrive();
    rouse_oneshot_receive_init(&a->receive, a->rx);
    ROUSE_AWAIT(&a->receive.base);
    rouse_oneshot_receiver_free(a->rx);
    ROUSE_ASYNC_END();
}

static void answered_drop(struct rouse_future *self)
{
    struct answered *a = ROUSE_CONTAINER_OF(self, struct answered, async.base);

    rouse_async_cancel(&a->async);
    rouse_oneshot_receiver_free(a->rx);
}

static const struct rouse_future_vtable answered_vtable = {
    .poll = answered_poll, .drop = answered_drop, .name = "answered"};

static void answered_init(struct rouse_future *storage, void *arg)
{
    struct answered *a = ROUSE_CONTAINER_OF(storage, struct answered, async.base);

    rouse_async_init(&a->async, &answered_vtable);
    a->rx = arg;
}

static int answered_run(void *arg)
{
    struct rouse_oneshot_receiver *rx = arg;

    arrive();
    int err = rouse_oneshot_receive(rx, NULL);

    rouse_oneshot_receiver_free(rx);
    return err;
}

static void spawn_answered(const struct bench *bench, struct rouse_oneshot_sender **tx)
{
    struct rouse_oneshot_receiver *rx;

    must(rouse_oneshot_new(tx, &rx, 0, NULL), "oneshot");
    const struct rouse_future_spec spec = {
        .size = sizeof(struct answered), .init = answered_init, .arg = rx};

    must(bench->style == BENCH_FIBER ? rouse_spawn(NULL, answered_run, rx)
                                     : rouse_spawn_future(NULL, &spec),
         "spawn");
}

// ---- The rows ----

static void await_arrivals(const struct bench *bench)
{
    // Relaxed: as in arrive().
    while (atomic_load_explicit(&arrived, memory_order_relaxed) < bench->n) {
        must(rouse_yield(), "yield");
    }
}

// The tasks wait until the runtime ends, which cancels them.
static int memory(struct bench *bench)
{
    uint64_t before = bench_resident_bytes();

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) spawn_idle(bench);
    await_arrivals(bench);
    bench_stop(bench);
    bench_memory(bench, before);
    return 0;
}

static int memory_chan(struct bench *bench)
{
    struct rouse_oneshot_sender **senders = malloc(bench->n * sizeof senders[0]);

    if (senders == NULL) return -ENOMEM;
    // Touched now: who keeps the senders, and where, is not part of a task.
    for (uint64_t i = 0; i < bench->n; i++) senders[i] = NULL;
    uint64_t before = bench_resident_bytes();

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) spawn_answered(bench, &senders[i]);
    await_arrivals(bench);
    bench_stop(bench);
    bench_memory(bench, before);
    for (uint64_t i = 0; i < bench->n; i++) rouse_oneshot_sender_free(senders[i]);
    free(senders);
    return 0;
}

static const struct row rows[] = {{"memory", memory}, {"memory_chan", memory_chan}, {NULL, NULL}};

static int run(struct bench *bench)
{
    return run_row_that_is_cancelled(bench, rows);
}

static const struct bench_case cases[] = {{"memory", 1000000, run}, {"memory_chan", 1000000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Memory of tasks that wait.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
