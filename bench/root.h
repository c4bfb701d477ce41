// SPDX-License-Identifier: MIT
//
// Runs the root task of a row: with one worker on the calling thread, by an executor, so that the
// process has a single thread, as the peers' has; with more on a runtime.

#ifndef ROUSE_BENCH_ROOT_H
#define ROUSE_BENCH_ROOT_H

#include <rouse.h>
#include <stddef.h>

// Returns when every task has ended.
static inline int run_root_here(rouse_fiber_function root, void *arg)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    struct rouse_join_handle handle;
    int err = rouse_executor_new(&executor, &spawner, NULL);

    if (err < 0) return err;
    err = rouse_spawner_spawn(spawner, &handle, root, arg);
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);
    if (err == 0) err = (int)rouse_join(&handle);
    rouse_executor_free(executor);
    return err;
}

// Cancels what is left when the root has ended.
static inline int run_root_on(unsigned workers, rouse_fiber_function root, void *arg)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = workers};
    struct rouse_runtime *runtime;
    struct rouse_join_handle handle;
    int err = rouse_runtime_new(&runtime, &options);

    if (err < 0) return err;
    err = rouse_runtime_spawn(runtime, &handle, root, arg, NULL);
    if (err == 0) err = (int)rouse_join(&handle);
    rouse_runtime_free(runtime);
    return err;
}

// What `root` returned, or why it did not run.
static inline int run_root(unsigned workers, rouse_fiber_function root, void *arg)
{
    return workers == 1 ? run_root_here(root, arg) : run_root_on(workers, root, arg);
}

#endif
