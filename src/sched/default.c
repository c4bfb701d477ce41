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

struct rouse_runtime *rouse_runtime_default(void)
{
    rs_lock(&default_lock);
    // The child of a fork makes its own.
    if (default_runtime != NULL && default_runtime->pid != getpid()) default_runtime = NULL;
    if (default_runtime == NULL) {
        int err = rouse_runtime_new(&default_runtime, NULL);

        if (err < 0) {
            rs_log(ROUSE_LOG_ERROR, "the default runtime cannot be made: %d", err);
            default_runtime = NULL;
        }
    }
    struct rouse_runtime *runtime = default_runtime;
    rs_blocking_pool_default = default_pool;
    rs_unlock(&default_lock);
    return runtime;
}

struct rs_sched *rs_sched_current(void)
{
    if (rs_tls.worker != NULL) return rs_tls.worker->sched;
    struct rouse_runtime *runtime = rouse_runtime_default();

    return runtime != NULL ? &runtime->sched : NULL;
}

int rouse_spawn_at(struct rouse_join_handle *handle, rouse_fiber_function fn, void *arg,
                   const struct rouse_task_attrs *attrs)
{
    struct rs_sched *sched = rs_sched_current();

    return sched != NULL ? rs_sched_spawn_fiber(sched, handle, fn, arg, attrs) : -ENOMEM;
}

int rouse_spawn_future_at(struct rouse_join_handle *handle, const struct rouse_future_spec *spec,
                          const struct rouse_task_attrs *attrs)
{
    struct rs_sched *sched = rs_sched_current();

    return sched != NULL ? rs_sched_spawn(sched, handle, spec, attrs) : -ENOMEM;
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

// Makes `runtime` the default one; false if there is one already.
static bool default_set(struct rouse_runtime *runtime)
{
    rs_lock(&default_lock);
    bool set = default_runtime == NULL || default_runtime->pid != getpid();
    if (set) default_runtime = runtime;
    rs_blocking_pool_default = default_pool;
    rs_unlock(&default_lock);
    return set;
}

static void default_clear(struct rouse_runtime *runtime)
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
    bool is_default = default_set(runtime);
    int result = run_root(runtime, fn, arg);

    rouse_runtime_free(runtime);
    if (is_default) default_clear(runtime);
    return result;
}

int rouse_run(rouse_fiber_function fn, void *arg)
{
    return rouse_run_with(fn, arg, NULL);
}
