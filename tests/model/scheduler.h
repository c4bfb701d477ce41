// SPDX-License-Identifier: MIT
//
// A real scheduler for scenarios: made by the setup, its workers run by model threads.

#ifndef MODEL_SCHEDULER_H
#define MODEL_SCHEDULER_H

#include "base/tls.h"
#include "sched/sched.h"
#include "wait.h"

enum { SCHEDULER_WORKERS_MAX = 2 };

static inline struct rs_sched *scheduler_make(unsigned workers)
{
    struct rouse_driver *drivers[SCHEDULER_WORKERS_MAX];
    struct rs_sched *sched = model_alloc(sizeof *sched);

    // The workers' drivers get the records of these, which are known to stay.
    for (unsigned i = 0; i < workers; i++) drivers[i] = driver_make("epoll");
    for (unsigned i = 0; i < workers; i++) rouse_driver_free(drivers[i]);
    *sched = (struct rs_sched){.kind = "model"};
    int err = rs_sched_init(sched, &(struct rs_sched_options){.kind = "model",
                                                              .workers = workers,
                                                              .allocator = &model_allocator,
                                                              .reactor = "epoll",
                                                              .blocking_threads = 1,
                                                              .blocking_queue = 1});

    model_claim(err == 0, "a scheduler can be made");
    model_name(&sched->phase, sizeof sched->phase, "sched->phase");
    model_name(&sched->pause, sizeof sched->pause, "sched->pause");
    model_name(&sched->pins, sizeof sched->pins, "sched->pins");
    return sched;
}

static inline void scheduler_unmake(struct rs_sched *sched)
{
    model_claim(rs_sched_is_ended(sched), "the scheduler ends with its last task");
    rs_sched_deinit(sched);
    model_free(sched);
}

// The calling thread is the worker's, without a shard of the counters: to enter and to leave that
// takes a lock, which would order more than a scheduler does.
static inline void worker_enter(struct rs_worker *worker)
{
    rs_tls.worker = worker;
    rs_tls.heap = worker->heap;
}

static inline void worker_leave(void)
{
    rs_tls.heap = NULL;
    rs_tls.worker = NULL;
}

static inline bool worker_done_at_once(void *arg)
{
    (void)arg;
    return true;
}

// Until nothing is left to run.
static inline void worker_run_what_is_there(struct rs_worker *worker)
{
    worker_enter(worker);
    rs_worker_run(worker, worker_done_at_once, NULL);
    worker_leave();
}

// A future of a vtable alone, as a task.
static inline void scheduler_future_init(struct rouse_future *place, void *arg)
{
    *place = (struct rouse_future){.vtable = *(const struct rouse_future_vtable **)arg};
}

// `worker`: its index + 1, to pin the task there; 0: any.
static inline void scheduler_spawn(struct rs_sched *sched, const struct rouse_future_vtable *vtable,
                                   unsigned worker, uint8_t flags)
{
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_future), .init = scheduler_future_init, .arg = (void *)&vtable};

    model_claim(rs_sched_spawn(sched, NULL, &spec, &(struct rouse_task_attrs){.worker = worker},
                               flags) == 0,
                "there is memory for a task");
}

#endif
