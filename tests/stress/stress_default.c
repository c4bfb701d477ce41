// SPDX-License-Identifier: MIT
//
// The default runtime, that of rouse_run(), ends while plain threads that name no runtime sleep and
// spawn on it. They go on, or are told -ECANCELED; what they spawned has run. A job of the blocking
// pool that is left behind by its task sleeps to its end.

#include <errno.h>

#include "stress.h"

enum { THREADS = 2 };

static _Atomic bool has_begun;
static _Atomic int64_t spawned;
static _Atomic int64_t ran;
static _Atomic int64_t wrong;

static int run_once(void *arg)
{
    (void)arg;
    (void)stress_add(&ran, 1);
    return 0;
}

static void *plain_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!atomic_load_explicit(&has_begun, memory_order_acquire)) continue;
    for (int i = 0; i < 20; i++) {
        int err = rouse_sleep(stress_below(&random, 100 * ROUSE_NS_PER_US));

        if (err != 0 && err != -ECANCELED) (void)stress_add(&wrong, 1);
        err = rouse_spawn(NULL, run_once, NULL);
        if (err == 0) (void)stress_add(&spawned, 1);
        if (err != 0 && err != -ECANCELED) (void)stress_add(&wrong, 1);
    }
    return NULL;
}

static int64_t sleep_in_pool(void *arg)
{
    if (rouse_sleep((uint64_t)(uintptr_t)arg) != 0) (void)stress_add(&wrong, 1);
    (void)stress_add(&ran, 1);
    return 0;
}

static int root(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);
    struct rouse_blocking job;

    atomic_store_explicit(&has_begun, true, memory_order_release);
    if (stress_below(&random, 3) == 0) {
        rouse_blocking_init(&job, sleep_in_pool,
                            (void *)(uintptr_t)stress_below(&random, ROUSE_NS_PER_MS), NULL);
        // Time enough for it to begin, mostly: only then is it left to run.
        int err = rouse_await_until(&job.base, rouse_deadline_after(200 * ROUSE_NS_PER_US));

        if (err != 0 && err != -ETIMEDOUT) (void)stress_add(&wrong, 1);
        rouse_future_drop(&job.base);
    }
    if (stress_below(&random, 2) == 0) (void)rouse_sleep(stress_below(&random, ROUSE_NS_PER_MS));
    return 0;
}

static void round_of(uint64_t *random)
{
    pthread_t threads[THREADS];

    atomic_store_explicit(&has_begun, false, memory_order_relaxed);
    for (int i = 0; i < THREADS; i++) {
        threads[i] = stress_thread(plain_main, (void *)(uintptr_t)claim_random(random));
    }
    if (rouse_run_with(root, (void *)(uintptr_t)claim_random(random),
                       &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                       .workers = 2}) != 0) {
        (void)stress_add(&wrong, 1);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    // That of the program, or one that the threads have made since.
    rouse_runtime_free(rouse_runtime_default());
}

int main(int argc, char **argv)
{
    struct rouse_stats before;
    char text[96];
    int rounds = 0;

    stress_begin(argc, argv);
    uint64_t random = stress_stream(3);
    uint64_t deadline = stress_deadline(1);
    round_of(&random);  // makes what stays
    rouse_stats_get(&before);
    for (; rouse_now_ns() < deadline; rounds++) round_of(&random);
    (void)snprintf(text, sizeof text, "%d programs: %lld fibers were spawned by threads, and ran",
                   rounds, (long long)stress_get(&spawned));
    claim(stress_get(&ran) >= stress_get(&spawned), text);
    claim(stress_get(&wrong) == 0, "a sleep and a spawn succeed or say -ECANCELED");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
