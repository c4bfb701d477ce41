// SPDX-License-Identifier: MIT
//
// New fibers that were placed with a worker which then does not come back: another one runs them.
// Without that the program waits for ever, and ends by an alarm.

#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"

enum { NEWCOMERS = 200, ROUNDS = 3 };

static _Atomic bool is_blocked;
static _Atomic bool may_end;
static _Atomic int began;
static _Atomic int began_on[2];

// Seq_cst, here and below: nothing depends on less.
static int block(void *arg)
{
    atomic_store(&is_blocked, true);
    while (!atomic_load(&may_end)) (void)usleep(1000);
    return arg != NULL;
}

static int newcomer(void *arg)
{
    atomic_fetch_add(&began_on[rouse_worker_index()], 1);
    atomic_fetch_add(&began, 1);
    return arg != NULL;
}

// The caller's worker has so much on its hands that some are placed with the other one.
static int spawn_many(void *arg)
{
    for (int i = 0; i < NEWCOMERS; i++) {
        if (rouse_spawn(NULL, newcomer, NULL) < 0) return -1;
    }
    while (atomic_load(&began) < NEWCOMERS) {
        if (rouse_sleep(ROUSE_NS_PER_MS) < 0) return -1;
    }
    atomic_store(&may_end, true);
    return arg != NULL;
}

static int round_of(void *arg)
{
    const struct rouse_task_attrs here = {.size = sizeof here, .worker = 1};
    const struct rouse_task_attrs there = {.size = sizeof there, .worker = 2};
    struct rouse_join_handle blocker;
    struct rouse_join_handle spawner;

    atomic_store(&is_blocked, false);
    atomic_store(&may_end, false);
    atomic_store(&began, 0);
    if (rouse_spawn_at(&blocker, block, NULL, &there) < 0) return -1;
    while (!atomic_load(&is_blocked)) {
        if (rouse_yield() < 0) return -1;
    }
    if (rouse_spawn_at(&spawner, spawn_many, NULL, &here) < 0) return -1;
    bool well = rouse_join(&spawner) == 0;

    return rouse_join(&blocker) == 0 && well && arg == NULL ? 0 : -1;
}

int main(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};
    const struct rouse_task_attrs here = {.size = sizeof here, .worker = 1};
    struct rouse_runtime *runtime;
    bool well = true;

    (void)alarm(120);
    if (rouse_runtime_new(&runtime, &options) < 0) return 1;
    for (int i = 0; i < ROUNDS; i++) {
        struct rouse_join_handle handle;

        if (rouse_runtime_spawn(runtime, &handle, round_of, NULL, &here) < 0) return 1;
        well = rouse_join(&handle) == 0 && well;
    }
    claim(well, "new fibers begin although the worker that they were placed with is blocked");
    claim(atomic_load(&began_on[1]) == 0, "on the worker that is not");
    rouse_runtime_free(runtime);
    return claims_end();
}
