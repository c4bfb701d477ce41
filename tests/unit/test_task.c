// SPDX-License-Identifier: MIT
//
// What keeps the record of an ended task: its handles and wakers, and nothing else.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>

#include "claim.h"

static int64_t records(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.task_records;
}

// Waits for its own end for a while, through the handle at `arg`.
static int join_itself(void *arg)
{
    struct rouse_join_handle *own = arg;

    return rouse_await_until(&own->base, rouse_deadline_after(ROUSE_NS_PER_MS)) == -ETIMEDOUT
               ? 7
               : -EIO;
}

static int spawn_self_joiner(void *arg)
{
    struct rouse_join_handle own;
    struct rouse_abort_handle watch;

    (void)arg;
    if (rouse_spawn(&own, join_itself, &own) < 0) return -ENOMEM;
    watch = rouse_abort_handle(&own);
    while (!rouse_abort_handle_is_ended(&watch)) (void)rouse_sleep(ROUSE_NS_PER_MS);
    rouse_abort_handle_drop(&watch);
    return 0;
}

struct pair {
    struct rouse_join_handle handles[2];
};

static int join_first(void *arg)
{
    return join_itself(&((struct pair *)arg)->handles[0]);
}

static int join_second(void *arg)
{
    return join_itself(&((struct pair *)arg)->handles[1]);
}

// Each of two tasks waits for the other for a while.
static int spawn_pair(void *arg)
{
    struct pair pair;
    struct rouse_abort_handle watches[2];

    (void)arg;
    if (rouse_spawn(&pair.handles[0], join_second, &pair) < 0) return -ENOMEM;
    if (rouse_spawn(&pair.handles[1], join_first, &pair) < 0) return -ENOMEM;
    for (int i = 0; i < 2; i++) watches[i] = rouse_abort_handle(&pair.handles[i]);
    for (int i = 0; i < 2; i++) {
        while (!rouse_abort_handle_is_ended(&watches[i])) (void)rouse_sleep(ROUSE_NS_PER_MS);
        rouse_abort_handle_drop(&watches[i]);
    }
    return 0;
}

int main(void)
{
    int64_t before = records();
    const struct rouse_runtime_options one_worker = {.size = sizeof one_worker, .workers = 1};

    claim(rouse_run_with(spawn_self_joiner, NULL, &one_worker) == 0,
          "a task gave up joining itself");
    claim(records() == before, "its record is gone: a dropped handle keeps no waker");
    claim(rouse_run_with(spawn_pair, NULL, &one_worker) == 0,
          "two tasks gave up joining each other");
    claim(records() == before, "their records are gone");
    return claims_end();
}
