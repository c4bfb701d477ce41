// SPDX-License-Identifier: MIT
//
// The executor: a scheduler whose only worker is the thread that runs it, and its spawners. The
// executor's record is counted by its owner and by the spawners' shared record, which outlives it.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/executor.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/sys.h"
#include "base/tls.h"
#include "sched/cpus.h"
#include "sched/sched.h"

struct rouse_executor {
    struct rs_sched sched;
    struct rouse_spawner *spawner;
    pid_t pid;  // of the process that made it
};

// Shared by all clones. `executor` is NULL once it is gone.
struct rouse_spawner {
    struct rs_lock lock;
    struct rouse_executor *executor;  // under lock; pinned before the lock is let go
    const struct rouse_allocator *allocator;
    _Atomic uint32_t clones;
    _Atomic uint32_t references;  // the clones together count as one, the executor as another
};

static size_t executor_size(void)
{
    return (sizeof(struct rouse_executor) + 4095) & ~(size_t)4095;
}

static void spawner_unref(struct rouse_spawner *spawner)
{
    // Acq_rel: the last one frees after everything the other did.
    if (atomic_fetch_sub_explicit(&spawner->references, 1, memory_order_acq_rel) == 1) {
        rs_free(spawner->allocator, spawner, sizeof *spawner);
    }
}

static struct rouse_spawner *spawner_new(struct rouse_executor *executor,
                                         const struct rouse_allocator *allocator)
{
    struct rouse_spawner *spawner = rs_alloc(allocator, sizeof *spawner);

    if (spawner == NULL) return NULL;
    spawner->executor = executor;
    spawner->allocator = allocator;
    // Relaxed: not shared yet.
    atomic_store_explicit(&spawner->clones, 1, memory_order_relaxed);
    atomic_store_explicit(&spawner->references, 2, memory_order_relaxed);
    return spawner;
}

int rouse_executor_new(struct rouse_executor **out, struct rouse_spawner **spawner,
                       const struct rouse_executor_options *options)
{
    static const struct rouse_executor_options defaults;
    const struct rouse_executor_options *o = options != NULL ? options : &defaults;
    struct rs_sched_options sched = {
        .kind = "executor",
        .workers = 1,
        .allocator = o->allocator != NULL ? o->allocator : rouse_allocator_default(),
        .reactor = o->reactor,
        .task_limit = o->task_limit,
        .blocking_threads = RS_BLOCKING_THREADS_MAX,
        .blocking_queue = RS_BLOCKING_QUEUE_MAX,
        .spin_max_ns = rs_cpus_spin_max_ns(o->no_spin),
    };
    struct rouse_executor *executor = rs_pages_alloc(sched.allocator, executor_size(), 4096);
    int err = -ENOMEM;

    if (executor == NULL) return -ENOMEM;
    executor->pid = getpid();
    executor->spawner = spawner_new(executor, sched.allocator);
    if (executor->spawner == NULL) goto no_spawner;
    err = rs_sched_init(&executor->sched, &sched);
    if (err < 0) goto no_sched;
    rs_worker_part(&executor->sched.workers[0]);  // a loop may wait before its first turn
    *out = executor;
    *spawner = executor->spawner;
    return 0;

no_sched:
    rs_free(sched.allocator, executor->spawner, sizeof *executor->spawner);
no_spawner:
    rs_pages_free(sched.allocator, executor, executor_size());
    return err;
}

// ---- Run ----

static bool executor_done(void *arg)
{
    struct rouse_executor *executor = arg;

    // Acquire, with the release in rouse_spawner_drop(): what was spawned before is counted. In
    // this order: a spawn needs a spawner, or a live task.
    return (atomic_load_explicit(&executor->spawner->clones, memory_order_acquire) == 0 ||
            rs_sched_is_closing(&executor->sched)) &&
           rs_sched_live(&executor->sched) == 0;
}

static void enter(struct rouse_executor *executor)
{
    rouse_assert(rs_tls.worker == NULL,
                 "this thread runs an executor or a runtime already; use a thread for each");
    rs_worker_enter(&executor->sched.workers[0]);
}

// Makes the thread's timers as exact as the kernel can, as those of a runtime's workers are.
// Returns how late they might be before, in nanoseconds, or a negative errno.
static int slack_begin(void)
{
    int before = rs_sys.prctl(PR_GET_TIMERSLACK, 0, 0);

    if (before > 0) (void)rs_sys.prctl(PR_SET_TIMERSLACK, 1, 0);
    return before;
}

static void slack_end(int before)
{
    if (before > 0) (void)rs_sys.prctl(PR_SET_TIMERSLACK, (unsigned long)before, 0);
}

void rouse_executor_run(struct rouse_executor *executor)
{
    struct rs_worker *worker = &executor->sched.workers[0];
    int slack = slack_begin();

    enter(executor);
    if (worker->parted) {
        worker->parted = false;
        rs_driver_cancel_sleep(worker->driver);
        worker->searching = !rs_idle_leave(&executor->sched.idle, 0);
    }
    rs_worker_run(worker, executor_done, executor);
    rs_worker_leave(worker);
    slack_end(slack);
}

bool rouse_executor_turn(struct rouse_executor *executor)
{
    enter(executor);
    rs_worker_turn(&executor->sched.workers[0]);
    rs_worker_leave(&executor->sched.workers[0]);
    return !executor_done(executor);
}

int rouse_executor_fd(struct rouse_executor *executor)
{
    return rs_driver_fd(executor->sched.workers[0].driver);
}

void rouse_executor_free(struct rouse_executor *executor)
{
    if (executor == NULL) return;
    struct rouse_spawner *spawner = executor->spawner;
    const struct rouse_allocator *allocator = executor->sched.allocator;

    rs_lock(&spawner->lock);
    spawner->executor = NULL;
    rs_unlock(&spawner->lock);
    if (executor->pid == getpid()) {
        rs_sched_close(&executor->sched);
        rouse_executor_run(executor);
        (void)rs_sched_end_jobs(&executor->sched, ROUSE_NEVER);
        rs_sched_deinit(&executor->sched);
    } else {
        rs_sched_discard(&executor->sched);
    }
    rs_pages_free(allocator, executor, executor_size());
    spawner_unref(spawner);
}

// ---- Spawners ----

struct rouse_spawner *rouse_spawner_clone(struct rouse_spawner *spawner)
{
    // Relaxed: the caller has one already.
    atomic_fetch_add_explicit(&spawner->clones, 1, memory_order_relaxed);
    return spawner;
}

void rouse_spawner_drop(struct rouse_spawner *spawner)
{
    if (spawner == NULL) return;
    // Notified under the lock, which keeps the executor: it may be about to go.
    rs_lock(&spawner->lock);
    // Release, with the acquire in executor_done().
    bool last = atomic_fetch_sub_explicit(&spawner->clones, 1, memory_order_release) == 1;
    if (last && spawner->executor != NULL) rs_sched_notify_all(&spawner->executor->sched);
    rs_unlock(&spawner->lock);
    if (last) spawner_unref(spawner);
}

static struct rs_sched *spawner_pin(struct rouse_spawner *spawner)
{
    rs_lock(&spawner->lock);
    struct rs_sched *sched = spawner->executor != NULL ? &spawner->executor->sched : NULL;
    if (sched != NULL) rs_sched_pin(sched);
    rs_unlock(&spawner->lock);
    return sched;
}

int rouse_spawner_spawn_at(struct rouse_spawner *spawner, struct rouse_join_handle *handle,
                           rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs)
{
    struct rs_sched *sched = spawner_pin(spawner);

    if (sched == NULL) return -ECANCELED;
    int err = rs_sched_spawn_fiber(sched, handle, fn, arg, attrs);
    rs_sched_unpin(sched);
    return err;
}

int rouse_spawner_spawn_future_at(struct rouse_spawner *spawner, struct rouse_join_handle *handle,
                                  const struct rouse_future_spec *spec,
                                  const struct rouse_task_attrs *attrs)
{
    struct rs_sched *sched = spawner_pin(spawner);

    if (sched == NULL) return -ECANCELED;
    int err = rs_sched_spawn(sched, handle, spec, attrs, 0);
    rs_sched_unpin(sched);
    return err;
}
