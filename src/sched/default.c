// SPDX-License-Identifier: MIT
//
// The default runtime: that of rouse_run(), or one that is made when a plain thread first needs
// it. And the calls that need no runtime named.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/clock.h>
#include <rouse/runtime.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/tls.h"
#include "sched/runtime.h"

static struct rs_lock default_lock;
static struct rouse_runtime *default_runtime;  // under default_lock

static struct rs_blocking_pool *default_pool(void)
{
    struct rouse_runtime *runtime = rouse_runtime_default();

    return runtime != NULL ? rs_runtime_pool(runtime) : NULL;
}

// Call with the lock held.
static struct rouse_runtime *default_make(void)
{
    // The child of a fork makes its own.
    if (default_runtime != NULL && default_runtime->pid != getpid()) default_runtime = NULL;
    if (default_runtime == NULL) {
        int err = rouse_runtime_new(&default_runtime, NULL);

        if (err < 0) {
            rs_log(ROUSE_LOG_ERROR, "the default runtime cannot be made: %d", err);
            default_runtime = NULL;
        }
    }
    rs_blocking_pool_default = default_pool;
    return default_runtime;
}

struct rouse_runtime *rouse_runtime_default(void)
{
    rs_lock(&default_lock);
    struct rouse_runtime *runtime = default_make();
    rs_unlock(&default_lock);
    return runtime;
}

struct rouse_runtime *rs_default_pin(void)
{
    rs_lock(&default_lock);
    struct rouse_runtime *runtime = default_make();
    if (runtime != NULL) rs_sched_pin(&runtime->sched);
    rs_unlock(&default_lock);
    return runtime;
}

int rouse_spawn_at(struct rouse_join_handle *handle, rouse_fiber_function fn, void *arg,
                   const struct rouse_task_attrs *attrs)
{
    if (rs_tls.worker != NULL) {
        return rs_sched_spawn_fiber(rs_tls.worker->sched, handle, fn, arg, attrs);
    }
    struct rouse_runtime *runtime = rs_default_pin();

    if (runtime == NULL) return -ENOMEM;
    int err = rs_sched_spawn_fiber(&runtime->sched, handle, fn, arg, attrs);
    rs_sched_unpin(&runtime->sched);
    return err;
}

int rouse_spawn_future_at(struct rouse_join_handle *handle, const struct rouse_future_spec *spec,
                          const struct rouse_task_attrs *attrs)
{
    if (rs_tls.worker != NULL) return rs_sched_spawn(rs_tls.worker->sched, handle, spec, attrs);
    struct rouse_runtime *runtime = rs_default_pin();

    if (runtime == NULL) return -ENOMEM;
    int err = rs_sched_spawn(&runtime->sched, handle, spec, attrs);
    rs_sched_unpin(&runtime->sched);
    return err;
}

int64_t rouse_join(struct rouse_join_handle *handle)
{
    int err = rouse_await(&handle->base);

    if (err < 0) return err;
    rouse_future_drop(&handle->base);
    return handle->output;
}

int64_t rouse_abort_and_wait(struct rouse_join_handle *handle)
{
    rouse_abort(handle);
    return rouse_join(handle);
}

// Makes `runtime` the default one, unless there is one already.
static void default_set(struct rouse_runtime *runtime)
{
    rs_lock(&default_lock);
    if (default_runtime == NULL || default_runtime->pid != getpid()) default_runtime = runtime;
    rs_blocking_pool_default = default_pool;
    rs_unlock(&default_lock);
}

void rs_default_forget(struct rouse_runtime *runtime)
{
    rs_lock(&default_lock);
    if (default_runtime == runtime) default_runtime = NULL;
    rs_unlock(&default_lock);
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
    default_set(runtime);
    int result = run_root(runtime, fn, arg);

    rouse_runtime_free(runtime);
    return result;
}

int rouse_run(rouse_fiber_function fn, void *arg)
{
    return rouse_run_with(fn, arg, NULL);
}
