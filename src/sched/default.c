// SPDX-License-Identifier: MIT
//
// The default runtime: that of rouse_run(), or one that is made when a plain thread first needs
// it. And the calls that need no runtime named.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/error.h>
#include <rouse/runtime.h>
#include <unistd.h>

#include "base/global_lock.h"
#include "base/log.h"
#include "base/tls.h"
#include "sched/runtime.h"
#include "task/task.h"

static struct rouse_runtime *default_runtime;  // under RS_GLOBAL_DEFAULT_RUNTIME

// What a plain thread's blocking jobs use, pinned while they are submitted.
static struct rs_blocking_pool *pool_acquire(void)
{
    struct rouse_runtime *runtime = rs_default_pin();

    return runtime != NULL ? rs_runtime_pool(runtime) : NULL;
}

static void pool_release(struct rs_blocking_pool *pool)
{
    rs_sched_unpin(ROUSE_CONTAINER_OF(pool, struct rs_sched, pool));
}

static const struct rs_blocking_pool_source default_pool = {.acquire = pool_acquire,
                                                            .release = pool_release};

// The default runtime, pinned if asked for; NULL if there is none. The child of a fork has none
// yet.
static struct rouse_runtime *default_get(bool pinned)
{
    rs_lock(rs_global_lock(RS_GLOBAL_DEFAULT_RUNTIME));
    if (default_runtime != NULL && default_runtime->pid != getpid()) default_runtime = NULL;
    struct rouse_runtime *runtime = default_runtime;
    if (runtime != NULL && pinned) rs_sched_pin(&runtime->sched);
    rs_unlock(rs_global_lock(RS_GLOBAL_DEFAULT_RUNTIME));
    return runtime;
}

// Makes `runtime` the default one; false if there is one already.
static bool default_set(struct rouse_runtime *runtime)
{
    rs_lock(rs_global_lock(RS_GLOBAL_DEFAULT_RUNTIME));
    bool set = default_runtime == NULL || default_runtime->pid != getpid();
    if (set) default_runtime = runtime;
    rs_unlock(rs_global_lock(RS_GLOBAL_DEFAULT_RUNTIME));
    rs_blocking_pool_set_default(&default_pool);
    return set;
}

// Without the lock, since a runtime logs when it starts. Another thread may be faster.
static bool default_make(void)
{
    struct rouse_runtime *runtime;
    int err = rouse_runtime_new(&runtime, NULL);

    if (err < 0) {
        rs_log(ROUSE_LOG_ERROR, "the default runtime cannot be made: %s", rouse_strerror(err));
        return false;
    }
    if (!default_set(runtime)) rouse_runtime_free(runtime);
    return true;
}

static struct rouse_runtime *default_get_or_make(bool pinned)
{
    struct rouse_runtime *runtime;

    do {
        runtime = default_get(pinned);
    } while (runtime == NULL && default_make());
    return runtime;
}

struct rouse_runtime *rouse_runtime_default(void)
{
    return default_get_or_make(false);
}

struct rouse_runtime *rs_default_pin(void)
{
    return default_get_or_make(true);
}

struct rouse_runtime *rs_default_pin_if_any(void)
{
    return default_get(true);
}

int rs_spawn(struct rouse_join_handle *handle, const struct rouse_future_spec *spec,
             const struct rouse_task_attrs *attrs, uint8_t flags)
{
    if (rs_tls.worker != NULL) {
        return rs_sched_spawn(rs_tls.worker->sched, handle, spec, attrs, flags);
    }
    struct rouse_runtime *runtime = rs_default_pin();

    if (runtime == NULL) return -ENOMEM;
    int err = rs_sched_spawn(&runtime->sched, handle, spec, attrs, flags);
    rs_sched_unpin(&runtime->sched);
    return err;
}

int rouse_spawn_at(struct rouse_join_handle *handle, rouse_fiber_function fn, void *arg,
                   const struct rouse_task_attrs *attrs)
{
    struct rs_fiber_start start;
    struct rouse_future_spec spec;
    int err = rs_fiber_spec(&spec, &start, fn, arg, attrs);

    return err < 0 ? err : rs_spawn(handle, &spec, attrs, RS_TASK_FIBER);
}

int rouse_spawn_future_at(struct rouse_join_handle *handle, const struct rouse_future_spec *spec,
                          const struct rouse_task_attrs *attrs)
{
    return rs_spawn(handle, spec, attrs, 0);
}

int64_t rouse_join(struct rouse_join_handle *handle)
{
    rouse_assert(rs_tls.poll_depth == 0,
                 "a poll or waker callback cannot wait; poll the handle instead");
    rouse_assert(rs_tls.fiber != NULL || rs_tls.worker == NULL,
                 "a worker's own code cannot wait; join from a task, or from another thread");
    if (rs_tls.fiber != NULL) return rs_fiber_join(rs_tls.fiber, handle);

    int err = rs_await_handle(handle);

    if (err < 0) return err;
    rouse_future_drop(&handle->base);
    return handle->output;
}

int64_t rouse_abort_and_wait(struct rouse_join_handle *handle)
{
    rouse_abort(handle);
    return rouse_join(handle);
}

void rs_default_forget(struct rouse_runtime *runtime)
{
    rs_lock(rs_global_lock(RS_GLOBAL_DEFAULT_RUNTIME));
    if (default_runtime == runtime) default_runtime = NULL;
    rs_unlock(rs_global_lock(RS_GLOBAL_DEFAULT_RUNTIME));
}

static int run_root(struct rouse_runtime *runtime, rouse_fiber_function fn, void *arg)
{
    struct rouse_join_handle root;
    int err =
        rouse_runtime_spawn(runtime, &root, fn, arg,
                            &(struct rouse_task_attrs){.name = "root", .site = "rouse_run()"});

    if (err == 0) err = rouse_block_on(runtime, &root.base);
    return err < 0 ? err : (int)root.output;
}

int rouse_run_with(rouse_fiber_function fn, void *arg, const struct rouse_runtime_options *options)
{
    static const struct rouse_runtime_options defaults;
    struct rouse_runtime_options o = options != NULL ? *options : defaults;
    struct rouse_runtime *runtime;

    rouse_assert(rs_tls.worker == NULL,
                 "rouse_run() starts a program; in a task, use rouse_spawn()");
    o.handle_faults = true;
    o.dump_on_sigquit = true;
    int err = rouse_runtime_new(&runtime, &o);

    if (err < 0) return err;
    (void)default_set(runtime);
    int result = run_root(runtime, fn, arg);

    rouse_runtime_free(runtime);
    return result;
}

int rouse_run(rouse_fiber_function fn, void *arg)
{
    return rouse_run_with(fn, arg, NULL);
}
