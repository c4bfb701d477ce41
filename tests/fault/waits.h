// SPDX-License-Identifier: MIT
//
// What scenarios share: a runtime, waits that end, and a count of the steps that were done.

#ifndef TESTS_FAULT_WAITS_H
#define TESTS_FAULT_WAITS_H

#include <stdatomic.h>

#include "fault.h"

// Steps that were done as they should be. One process runs one scenario, so it starts at 0.
static _Atomic int steps_done;

static inline void step_done(void)
{
    // Relaxed: read when the threads that add to it have been joined.
    atomic_fetch_add_explicit(&steps_done, 1, memory_order_relaxed);
}

static inline bool steps_are(int expected)
{
    return atomic_load_explicit(&steps_done, memory_order_relaxed) == expected;
}

// Two workers, or NULL, noted.
static inline struct rouse_runtime *runtime_make(unsigned workers)
{
    struct rouse_runtime *runtime = NULL;
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = workers};

    return fault_note(rouse_runtime_new(&runtime, &options)) < 0 ? NULL : runtime;
}

// Waits for a future in a fiber, but not for ever. 0, or a noted error: then it has been dropped.
static inline int64_t wait_for(struct rouse_future *future)
{
    return fault_note(rouse_await_until(future, fault_deadline()));
}

// Joins in a fiber, but not for ever. The task's result, or a noted error of the wait: then the
// task has been asked to end.
static inline int64_t wait_joined(struct rouse_join_handle *handle)
{
    rouse_abort_on_drop(handle);
    int64_t err = wait_for(&handle->base);

    if (err < 0) return err;
    int64_t result = handle->output;

    rouse_future_drop(&handle->base);
    return result;
}

// Runs `fn` as a root fiber on a runtime of its own, and frees that.
static inline void with_runtime(unsigned workers, rouse_fiber_function fn, void *arg)
{
    struct rouse_runtime *runtime = runtime_make(workers);
    struct rouse_join_handle root;

    if (runtime == NULL) return;
    if (fault_note(rouse_runtime_spawn(runtime, &root, fn, arg, NULL)) == 0) {
        // Without memory for the wait the root is detached; the runtime's end waits for it.
        if (fault_note(rouse_block_on(runtime, &root.base)) == 0) rouse_future_drop(&root.base);
    }
    rouse_runtime_free(runtime);
}

#endif
