// SPDX-License-Identifier: MIT
//
// The rows in which a thread that does not run the loop takes part: one that wakes it, and those of
// the pool for work that blocks.

#include "threads.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "bench.h"

enum { PARKED_NS = 300000, ANSWER_NS = 20000 };

static struct bench *measured;
static uint64_t done;

// ---- Woken by a foreign thread ----

static uv_async_t told;
// When the loop was woken, or 0: the waker's to reset, the loop's to set.
static _Atomic uint64_t woken_ns;
static uint64_t *latencies;

static void sleep_ns(long ns)
{
    const struct timespec time = {.tv_nsec = ns};

    (void)nanosleep(&time, NULL);
}

static void wake_often(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < measured->n; i++) {
        uint64_t woken;

        sleep_ns(PARKED_NS);
        uint64_t start = bench_now_ns();

        (void)uv_async_send(&told);
        // Relaxed: the time itself is all that is passed.
        while ((woken = atomic_load_explicit(&woken_ns, memory_order_relaxed)) == 0) {
            sleep_ns(ANSWER_NS);
        }
        // Relaxed: the next wake publishes it.
        atomic_store_explicit(&woken_ns, 0, memory_order_relaxed);
        latencies[i] = woken - start;
    }
}

static void on_told(uv_async_t *async)
{
    // Relaxed: as in wake_often().
    atomic_store_explicit(&woken_ns, bench_now_ns(), memory_order_relaxed);
    if (++done == measured->n) uv_close((uv_handle_t *)async, NULL);
}

int run_wake(struct bench *bench)
{
    uv_thread_t thread;
    int err = uv_async_init(uv_default_loop(), &told, on_told);

    if (bench->workers > 1) return -ENOTSUP;
    measured = bench;
    latencies = malloc(bench->n * sizeof latencies[0]);
    if (err < 0 || latencies == NULL) return -ENOMEM;
    err = uv_thread_create(&thread, wake_often, NULL);
    if (err < 0) return err;
    bench_start(bench);
    err = uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    bench_stop(bench);
    (void)uv_thread_join(&thread);
    bench_latencies(bench, latencies);
    free(latencies);
    return err;
}

// ---- Work for the pool ----

static void nothing(uv_work_t *work)
{
    (void)work;
}

static void queue_again(uv_work_t *work, int status)
{
    if (status == 0 && ++done < measured->n) {
        (void)uv_queue_work(uv_default_loop(), work, nothing, queue_again);
    }
}

int run_blocking(struct bench *bench)
{
    uv_work_t work;

    if (bench->workers > 1) return -ENOTSUP;
    measured = bench;
    bench_start(bench);
    int err = uv_queue_work(uv_default_loop(), &work, nothing, queue_again);

    if (err == 0) err = uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    bench_stop(bench);
    return done == bench->n ? err : -EIO;
}
