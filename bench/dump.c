// SPDX-License-Identifier: MIT
//
// What a dump costs, by the number of tasks: they sleep, and the root, a fiber, dumps them. Time
// per operation is that of the dump, for each task; no worker polls meanwhile.

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "parts.h"

#define LONG_NS (3600 * ROUSE_NS_PER_S)

struct sleeper {
    struct rouse_async async;
    struct rouse_sleep sleep;
};

// How many tasks are about to sleep. There is one run in a process.
static _Atomic uint64_t arrived;

static void arrive(void)
{
    // Relaxed: a mere count.
    atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
}

static rouse_poll sleeper_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct sleeper *s = ROUSE_CONTAINER_OF(self, struct sleeper, async.base);

    ROUSE_ASYNC_BEGIN(&s->async, cx);
    arrive();
    rouse_sleep_init(&s->sleep, LONG_NS);
    ROUSE_AWAIT(&s->sleep.base);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable sleeper_vtable = {
    .poll = sleeper_poll, .drop = rouse_async_drop, .name = "sleeper"};

static void sleeper_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_async_init(&ROUSE_CONTAINER_OF(storage, struct sleeper, async.base)->async,
                     &sleeper_vtable);
}

static int sleeper_run(void *arg)
{
    (void)arg;
    arrive();
    return rouse_sleep(LONG_NS);
}

static int dump(struct bench *bench)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct sleeper), .init = sleeper_init};
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    check(fd >= 0);
    for (uint64_t i = 0; i < bench->n; i++) {
        must(bench->style == BENCH_FIBER ? rouse_spawn(NULL, sleeper_run, NULL)
                                         : rouse_spawn_future(NULL, &spec),
             "spawn");
    }
    // Relaxed: as in arrive().
    while (atomic_load_explicit(&arrived, memory_order_relaxed) < bench->n) {
        must(rouse_yield(), "yield");
    }
    bench_start(bench);
    must(rouse_dump(fd), "dump");
    bench_stop(bench);
    (void)close(fd);
    return 0;
}

static const struct row rows[] = {{"dump", dump}, {NULL, NULL}};

static int run(struct bench *bench)
{
    return run_row_that_is_cancelled(bench, rows);
}

static const struct bench_case cases[] = {{"dump", 1000000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Dumps of tasks that wait.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
