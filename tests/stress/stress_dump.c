// SPDX-License-Identifier: MIT
//
// Dumps while everything moves: workers poll, one of them for longer than a dump waits for, threads
// from outside spawn and drop handles, executors and runtimes come and go. A dump reads tasks that
// stand still, and never one that is being made.

#include <fcntl.h>
#include <rouse/dump.h>

#include "stress.h"

static struct rouse_runtime *runtime;
static uint64_t end_of_round;
static _Atomic int64_t dumps;

static bool is_over(void)
{
    return rouse_now_ns() >= end_of_round;
}

// Under ThreadSanitizer, on a busy machine, tasks are spawned faster than they end; and it ends a
// program with more than 8128 fibers.
static bool is_crowded(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.tasks > 2000;
}

static int sleep_a_little(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);
    struct rouse_join_handle handle;

    if (stress_below(&random, 4) == 0 &&
        rouse_spawn(&handle, sleep_a_little, (void *)(uintptr_t)claim_random(&random)) == 0) {
        (void)rouse_join(&handle);
    }
    return rouse_sleep(stress_below(&random, ROUSE_NS_PER_MS));
}

// Spawns within a poll that is longer than a dump waits.
static int hold_on(void *arg)
{
    (void)arg;
    while (!is_over()) {
        uint64_t until = rouse_deadline_after(150 * ROUSE_NS_PER_MS);

        for (uintptr_t i = 0; rouse_now_ns() < until; i++) {
            if (i % 64 == 0 && is_crowded()) break;
            if (i % 64 == 0) (void)rouse_yield();
            if (rouse_spawn(NULL, sleep_a_little, (void *)i) < 0) break;
            stress_busy(20 * ROUSE_NS_PER_US);
        }
        if (rouse_sleep(5 * ROUSE_NS_PER_MS) < 0) break;
    }
    return 0;
}

static void *spawn_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!is_over()) {
        struct rouse_join_handle handle;

        for (int i = 0; i < 50 && !is_crowded(); i++) {
            if (rouse_runtime_spawn(runtime, &handle, sleep_a_little,
                                    (void *)(uintptr_t)claim_random(&random), NULL) < 0) {
                continue;
            }
            if (stress_below(&random, 3) == 0) rouse_abort(&handle);
            rouse_detach(&handle);
        }
        stress_nap(ROUSE_NS_PER_MS);
    }
    return NULL;
}

static void *come_and_go_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);

    while (!is_over()) {
        struct rouse_executor *executor;
        struct rouse_spawner *spawner;
        struct rouse_runtime *other = stress_runtime(1);

        stress_must(rouse_runtime_spawn(other, NULL, sleep_a_little, NULL, NULL), "spawn");
        stress_must(rouse_executor_new(&executor, &spawner, NULL), "executor");
        for (int i = 0; i < 10; i++) {
            stress_must(rouse_spawner_spawn(spawner, NULL, sleep_a_little,
                                            (void *)(uintptr_t)claim_random(&random)),
                        "spawn");
        }
        rouse_spawner_drop(spawner);
        rouse_executor_run(executor);
        rouse_executor_free(executor);
        rouse_runtime_free(other);
    }
    return NULL;
}

static int dump_from_inside(void *arg)
{
    while (!is_over()) {
        if (rouse_dump(*(int *)arg) < 0) return -1;
        (void)stress_add(&dumps, 1);
        if (rouse_sleep(2 * ROUSE_NS_PER_MS) < 0) break;
    }
    return 0;
}

static bool dump_from_outside(int fd)
{
    while (!is_over()) {
        if (rouse_dump(fd) < 0) return false;
        (void)stress_add(&dumps, 1);
    }
    return true;
}

static void round_of(unsigned workers, double share)
{
    struct rouse_stats before;
    struct rouse_join_handle handle;
    int fd = open("/dev/null", O_WRONLY);

    rouse_stats_get(&before);
    end_of_round = stress_deadline(share);
    runtime = stress_runtime(workers);
    pthread_t spawns = stress_thread(spawn_main, (void *)(uintptr_t)(workers + 10));
    pthread_t comes_and_goes = stress_thread(come_and_go_main, (void *)(uintptr_t)(workers + 20));
    stress_must(rouse_runtime_spawn(runtime, NULL, hold_on, NULL, NULL), "spawn");
    stress_must(rouse_runtime_spawn(runtime, &handle, dump_from_inside, &fd, NULL), "spawn");
    bool outside = dump_from_outside(fd);
    stress_must(rouse_block_on(runtime, &handle.base), "block_on");
    (void)pthread_join(spawns, NULL);
    (void)pthread_join(comes_and_goes, NULL);
    rouse_runtime_free(runtime);
    (void)close(fd);
    printf("# %u workers: %lld dumps so far\n", workers, (long long)stress_get(&dumps));
    claim(outside && handle.output == 0, "dumps are written, from inside and outside");
    rouse_future_drop(&handle.base);
    claim(stress_is_clean(&before), "nothing is left");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    round_of(1, 0.3);
    round_of(2, 0.4);
    round_of(4, 0.3);
    return claims_end();
}
