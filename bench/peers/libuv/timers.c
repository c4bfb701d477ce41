// SPDX-License-Identifier: MIT
//
// The rows of the comparison in libuv. It has no tasks, no locks that wait and no channels: here
// are its timers, which lie in place, and in threads.c what other threads do. One thread runs the
// loop.

#include <errno.h>
#include <stdlib.h>
#include <uv.h>

#include "bench.h"
#include "due.h"
#include "threads.h"

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
}

static int insert(uv_loop_t *loop, uv_timer_t *timer, uint64_t *random)
{
    int err = uv_timer_init(loop, timer);

    return err < 0 ? err : uv_timer_start(timer, on_timer, due_far_ms(random), 0);
}

// A handle stays on its loop until it is closed, which takes a turn of the loop: so one handle is
// used again and again, as a program with timeouts would do it.
static int run_timer_ic(struct bench *bench)
{
    uint64_t random = DUE_SEED;
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t timer;
    int err = uv_timer_init(loop, &timer);

    if (bench->workers > 1) return -ENOTSUP;
    bench_start(bench);
    for (uint64_t i = 0; err == 0 && i < bench->n; i++) {
        err = uv_timer_start(&timer, on_timer, due_far_ms(&random), 0);
        if (err == 0) err = uv_timer_stop(&timer);
    }
    bench_stop(bench);
    return err;
}

static int run_timer_bulk(struct bench *bench)
{
    uint64_t random = DUE_SEED;
    uv_loop_t *loop = uv_default_loop();
    int err = 0;

    if (bench->workers > 1) return -ENOTSUP;
    uv_timer_t *timers = calloc(bench->n, sizeof timers[0]);

    if (timers == NULL) return -ENOMEM;
    bench_start(bench);
    for (uint64_t i = 0; err == 0 && i < bench->n; i++) err = insert(loop, &timers[i], &random);
    for (uint64_t i = 0; err == 0 && i < bench->n; i++) err = uv_timer_stop(&timers[i]);
    bench_stop(bench);
    return err;  // the loop still knows the timers: they end with the process
}

// ---- Timers that run out ----

struct sleeper {
    uv_timer_t timer;
    uint64_t due_ns;
};

static uint64_t *late_ns;  // in the order in which they run out
static uint64_t woken;

static void on_due(uv_timer_t *timer)
{
    const struct sleeper *sleeper = (const struct sleeper *)timer;
    uint64_t now = bench_now_ns();

    if (now < sleeper->due_ns) abort();
    late_ns[woken++] = now - sleeper->due_ns;
}

// The loop's time is whole milliseconds and stands still while the timers are started: they are
// due so long after it.
static int start_all(uv_loop_t *loop, struct sleeper *sleepers, uint64_t n)
{
    uint64_t random = DUE_SEED;
    int err = 0;

    uv_update_time(loop);
    for (uint64_t i = 0; err == 0 && i < n; i++) {
        uint64_t due_ms = due_soon_ms(&random, n);

        sleepers[i].due_ns = (uv_now(loop) + due_ms) * 1000000;
        err = uv_timer_init(loop, &sleepers[i].timer);
        if (err == 0) err = uv_timer_start(&sleepers[i].timer, on_due, due_ms, 0);
    }
    return err;
}

static int run_sleep1m(struct bench *bench)
{
    uv_loop_t *loop = uv_default_loop();

    if (bench->workers > 1) return -ENOTSUP;
    struct sleeper *sleepers = calloc(bench->n, sizeof sleepers[0]);

    late_ns = calloc(bench->n, sizeof late_ns[0]);
    if (sleepers == NULL || late_ns == NULL) return -ENOMEM;
    bench_start(bench);
    int err = start_all(loop, sleepers, bench->n);

    if (err == 0) err = uv_run(loop, UV_RUN_DEFAULT);
    bench_stop(bench);
    bench_latencies(bench, late_ns);
    return err;  // the loop still knows the timers: they end with the process
}

static const struct bench_case cases[] = {
    {"timer_ic", 1000000, run_timer_ic}, {"timer_bulk", 1000000, run_timer_bulk},
    {"sleep1m", 1000000, run_sleep1m},   {"wake", 3000, run_wake},
    {"blocking", 20000, run_blocking},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "libuv",
                                              .about = "One row of the comparison, in libuv.",
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
