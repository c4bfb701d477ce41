// SPDX-License-Identifier: MIT
//
// Waking another thread: the kernel's futex and nothing around it.

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "floor/floor.h"

enum { PARKED_NS = 300000, ANSWER_NS = 20000 };

// A word counts wakes; who waits on it knows how many it has seen.
static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    // Acquire, with the release in futex_wake().
    while (atomic_load_explicit(word, memory_order_acquire) == seen) {
        (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    }
}

static void futex_wake(_Atomic uint32_t *word)
{
    // Release, with the acquire in futex_wait().
    (void)atomic_fetch_add_explicit(word, 1, memory_order_release);
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static struct bench *measured;
static _Atomic uint32_t there;
static _Atomic uint32_t back;

static void start_thread(pthread_t *thread, void *(*run)(void *arg))
{
    if (pthread_create(thread, NULL, run, NULL) != 0) abort();
}

// ---- A thread that is woken now and then ----

// When the woken thread went on, or 0: the waker's to reset, the other's to set.
static _Atomic uint64_t woken_ns;
static uint64_t *latencies;

static void sleep_ns(long ns)
{
    const struct timespec time = {.tv_nsec = ns};

    (void)nanosleep(&time, NULL);
}

static void *wake_often(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < measured->n; i++) {
        uint64_t woken;

        sleep_ns(PARKED_NS);
        uint64_t told = bench_now_ns();

        futex_wake(&there);
        // Relaxed: the time itself is all that is passed.
        while ((woken = atomic_load_explicit(&woken_ns, memory_order_relaxed)) == 0) {
            sleep_ns(ANSWER_NS);
        }
        // Relaxed: the next wake publishes it.
        atomic_store_explicit(&woken_ns, 0, memory_order_relaxed);
        latencies[i] = woken - told;
    }
    return NULL;
}

int floor_wake(struct bench *bench)
{
    pthread_t thread;

    measured = bench;
    latencies = malloc(bench->n * sizeof latencies[0]);
    if (latencies == NULL) abort();
    start_thread(&thread, wake_often);
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        futex_wait(&there, (uint32_t)i);
        // Relaxed: as in wake_often().
        atomic_store_explicit(&woken_ns, bench_now_ns(), memory_order_relaxed);
    }
    bench_stop(bench);
    (void)pthread_join(thread, NULL);
    bench_latencies(bench, latencies);
    free(latencies);
    return 0;
}

// ---- Two threads that wake each other ----

static void *answer_often(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < measured->n; i++) {
        futex_wait(&there, (uint32_t)i);
        futex_wake(&back);
    }
    return NULL;
}

int floor_blocking(struct bench *bench)
{
    pthread_t thread;

    measured = bench;
    start_thread(&thread, answer_often);
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        futex_wake(&there);
        futex_wait(&back, (uint32_t)i);
    }
    bench_stop(bench);
    (void)pthread_join(thread, NULL);
    return 0;
}
