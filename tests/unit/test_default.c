// SPDX-License-Identifier: MIT
//
// What needs no default runtime makes none: a plain thread that joins a task of its own executor,
// before and after the task's end. Seen by what a runtime would have: threads and descriptors.

#include <pthread.h>
#include <rouse.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"
#include "heap.h"

static int answer(void *arg)
{
    (void)arg;
    return rouse_sleep(5 * ROUSE_NS_PER_MS) == 0 ? 42 : -1;
}

struct loop {
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    struct rouse_join_handle task;
};

static void loop_open(struct loop *loop)
{
    if (rouse_executor_new(&loop->executor, &loop->spawner, NULL) < 0) exit(1);
    if (rouse_spawner_spawn(loop->spawner, &loop->task, answer, NULL) < 0) exit(1);
    rouse_spawner_drop(loop->spawner);
}

static void *loop_run(void *arg)
{
    rouse_executor_run(((struct loop *)arg)->executor);
    return NULL;
}

static bool is_alone(const struct rouse_stats *before)
{
    struct rouse_stats now;

    rouse_stats_get(&now);
    return now.threads == before->threads && now.fds == before->fds;
}

static void ended_task(void)
{
    struct rouse_stats before;
    struct loop loop;

    loop_open(&loop);
    loop_run(&loop);
    rouse_stats_get(&before);
    long allocations = heap_counted();
    int64_t result = rouse_join(&loop.task);

    allocations = heap_counted() - allocations;
    claim(result == 42, "a plain thread joins a task that has ended");
    claim(allocations == 0, "without an allocation");
    claim(is_alone(&before), "and without a runtime");
    rouse_executor_free(loop.executor);
}

static void running_task(void)
{
    struct rouse_stats before;
    struct loop loop;
    pthread_t thread;

    loop_open(&loop);
    rouse_stats_get(&before);
    if (pthread_create(&thread, NULL, loop_run, &loop) != 0) exit(1);
    claim(rouse_join(&loop.task) == 42, "and one that another thread runs");
    claim(is_alone(&before), "without a runtime either");
    (void)pthread_join(thread, NULL);
    rouse_executor_free(loop.executor);
}

int main(void)
{
    (void)alarm(60);
    ended_task();
    running_task();
    return claims_end();
}
