// SPDX-License-Identifier: MIT
//
// Many tasks that sleep at once: what they cost, and how late they go on; README.md says what the
// row does. The root is a fiber.

#include <stdatomic.h>

#include "due.h"
#include "parts.h"

// There is one run in a process.
static _Atomic uint64_t left;
static struct rouse_notify all_ended;

// ---- A task ----

// Puts how late a task is where it is told to.
static void woken(uint64_t due_ns, uint64_t *late_ns)
{
    uint64_t now = bench_now_ns();

    check(now >= due_ns);
    *late_ns = now - due_ns;
    // Acquire and release, with each other: the last one, and the root that it notifies, see what
    // all have written.
    if (atomic_fetch_sub_explicit(&left, 1, memory_order_acq_rel) == 1) {
        rouse_notify_one(&all_ended);
    }
}

struct sleeper {
    struct rouse_future base;
    struct rouse_sleep sleep;
    uint64_t *late_ns;
};

static rouse_poll sleeper_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct sleeper *sleeper = ROUSE_CONTAINER_OF(self, struct sleeper, base);

    if (rouse_future_poll(&sleeper->sleep.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    must(sleeper->sleep.output, "sleep");
    woken(sleeper->sleep.deadline_ns, sleeper->late_ns);
    return ROUSE_READY;
}

static void sleeper_drop(struct rouse_future *self)
{
    rouse_future_drop(&ROUSE_CONTAINER_OF(self, struct sleeper, base)->sleep.base);
}

static const struct rouse_future_vtable sleeper_vtable = {
    .poll = sleeper_poll, .drop = sleeper_drop, .name = "sleeper"};

// `arg` points to the time when the task is due, and where it puts how late it is.
static void sleeper_init(struct rouse_future *storage, void *arg)
{
    struct sleeper *sleeper = ROUSE_CONTAINER_OF(storage, struct sleeper, base);
    uint64_t *time_ns = arg;

    sleeper->base.vtable = &sleeper_vtable;
    sleeper->late_ns = time_ns;
    rouse_sleep_until_init(&sleeper->sleep, *time_ns);
}

static int sleeper_run(void *arg)
{
    uint64_t *time_ns = arg;
    uint64_t due_ns = *time_ns;

    must(rouse_sleep_until(due_ns), "sleep");
    woken(due_ns, time_ns);
    return 0;
}

// ---- The row ----

static void spawn_sleeper(const struct bench *bench, uint64_t *time_ns)
{
    const struct rouse_future_spec spec = {
        .size = sizeof(struct sleeper), .init = sleeper_init, .arg = time_ns};

    must(bench->style == BENCH_FIBER ? rouse_spawn(NULL, sleeper_run, time_ns)
                                     : rouse_spawn_future(NULL, &spec),
         "spawn");
}

static int sleep1m(struct bench *bench)
{
    uint64_t random = DUE_SEED;
    uint64_t *times_ns = malloc(bench->n * sizeof times_ns[0]);

    if (times_ns == NULL) return -ENOMEM;
    rouse_notify_init(&all_ended);
    // Relaxed: the spawns that follow publish it.
    atomic_store_explicit(&left, bench->n, memory_order_relaxed);
    bench_start(bench);
    uint64_t start_ns = bench_now_ns();

    for (uint64_t i = 0; i < bench->n; i++) {
        times_ns[i] = start_ns + due_soon_ms(&random, bench->n) * ROUSE_NS_PER_MS;
        spawn_sleeper(bench, &times_ns[i]);
    }
    must(rouse_notify_wait(&all_ended), "wait");
    bench_stop(bench);
    bench_latencies(bench, times_ns);
    free(times_ns);
    return 0;
}

static const struct row rows[] = {{"sleep1m", sleep1m}, {NULL, NULL}};

static int run(struct bench *bench)
{
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {{"sleep1m", 1000000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Many tasks that sleep at once.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
