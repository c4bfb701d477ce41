// SPDX-License-Identifier: MIT
//
// The inside of a runtime: a scheduler with threads.

#ifndef RS_SCHED_RUNTIME_H
#define RS_SCHED_RUNTIME_H

#include <rouse/runtime.h>

#include "sched/sched.h"

struct rouse_runtime {
    struct rs_sched sched;
    pid_t pid;  // of the process that made it: its threads are there only
    _Atomic uint32_t next_driver;
};

// The driver of some worker, for a plain thread's waits; each call may give another.
struct rouse_driver *rs_runtime_any_driver(struct rouse_runtime *runtime);

struct rs_blocking_pool *rs_runtime_pool(struct rouse_runtime *runtime);

// The default runtime, its scheduler pinned: another thread may be about to free it. NULL if it
// cannot be made.
struct rouse_runtime *rs_default_pin(void);
// The same, but NULL if there is none yet.
struct rouse_runtime *rs_default_pin_if_any(void);

// Spawns where the caller runs, or on the default runtime.
int rs_spawn(struct rouse_join_handle *handle, const struct rouse_future_spec *spec,
             const struct rouse_task_attrs *attrs, uint8_t flags);

// As rouse_await() of the handle, on a plain thread. Whoever runs the task wakes us: no driver is
// needed, so it makes no default runtime for that, and no allocation if the task has ended.
int rs_await_handle(struct rouse_join_handle *handle);

// It is the default runtime no longer, if it was: it is about to be freed.
void rs_default_forget(struct rouse_runtime *runtime);

#endif
