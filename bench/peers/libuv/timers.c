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

static const struct bench_case cases[] = {
    {"timer_ic", 1000000, run_timer_ic},
    {"timer_bulk", 1000000, run_timer_bulk},
    {"wake", 3000, run_wake},
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
