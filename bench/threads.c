// SPDX-License-Identifier: MIT
//
// The rows in which a thread that is no worker takes part; README.md says what each of them does.

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "parts.h"

// ---- A foreign thread wakes a task of a runtime that is parked ----

enum { PARKED_NS = 300000, ANSWER_NS = 20000 };

static struct {
    struct bench *bench;
    struct rouse_notify told;
    // When the task went on, or 0: the waker's to reset, the task's to set.
    _Atomic uint64_t woken_ns;
    uint64_t *latencies;
} wake;

static void sleep_ns(long ns)
{
    const struct timespec time = {.tv_nsec = ns};

    (void)nanosleep(&time, NULL);
}

static void *wake_often(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < wake.bench->n; i++) {
        uint64_t woken;

        sleep_ns(PARKED_NS);
        uint64_t told = bench_now_ns();

        rouse_notify_one(&wake.told);
        // Relaxed: the time itself is all that is passed.
        while ((woken = atomic_load_explicit(&wake.woken_ns, memory_order_relaxed)) == 0) {
            sleep_ns(ANSWER_NS);
        }
        // Relaxed: the notification that follows publishes it.
        atomic_store_explicit(&wake.woken_ns, 0, memory_order_relaxed);
        wake.latencies[i] = woken - told;
    }
    return NULL;
}

static void woken(void)
{
    // Relaxed: as in wake_often().
    atomic_store_explicit(&wake.woken_ns, bench_now_ns(), memory_order_relaxed);
}

static int be_woken(void *arg)
{
    const struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) {
        must(rouse_notify_wait(&wake.told), "wait");
        woken();
    }
    return 0;
}

static rouse_poll be_woken_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_notify_wait_init(&f->notified, &wake.told);
        ROUSE_AWAIT(&f->notified.base);
        woken();
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable be_woken_vtable = {.poll = be_woken_poll,
                                                           .name = "be_woken"};

static void run_part(struct bench *bench, struct part part)
{
    part.count = bench->n;
    bench_start(bench);
    start(bench, &part);
    join(&part);
    bench_stop(bench);
}

static int wake_row(struct bench *bench)
{
    pthread_t thread;

    wake.bench = bench;
    wake.latencies = malloc(bench->n * sizeof wake.latencies[0]);
    if (wake.latencies == NULL) return -ENOMEM;
    int err = -pthread_create(&thread, NULL, wake_often, NULL);

    if (err == 0) {
        run_part(bench, (struct part){.fiber = be_woken, .frame = &be_woken_vtable});
        (void)pthread_join(thread, NULL);
        bench_latencies(bench, wake.latencies);
    }
    free(wake.latencies);
    return err;
}

// ---- There and back through the pool for blocking calls ----

static int64_t nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int block_often(void *arg)
{
    const struct part *p = arg;

    for (uint64_t i = 0; i < p->count; i++) must(rouse_blocking(nothing, NULL, NULL), "blocking");
    return 0;
}

static rouse_poll block_often_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = frame_of(self);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    for (; f->i < f->part->count; f->i++) {
        rouse_blocking_init(&f->blocking, nothing, NULL, NULL);
        ROUSE_AWAIT(&f->blocking.base);
        must(f->blocking.output, "blocking");
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable block_often_vtable = {.poll = block_often_poll,
                                                              .name = "block_often"};

static int blocking(struct bench *bench)
{
    run_part(bench, (struct part){.fiber = block_often, .frame = &block_often_vtable});
    return 0;
}

static const struct row rows[] = {{"wake", wake_row}, {"blocking", blocking}, {NULL, NULL}};

static int run(struct bench *bench)
{
    return run_row(bench, rows);
}

static const struct bench_case cases[] = {{"wake", 3000, run}, {"blocking", 20000, run}};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "Rows with a thread that is no worker.",
                                              .default_style = BENCH_FUTURE,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
