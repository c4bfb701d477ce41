// SPDX-License-Identifier: MIT
//
// A scheduler of one or two workers, from its close to its end: spawns of other threads against the
// close, the last tasks of two workers, tasks that spawn when they are asked to end, shields that
// are broken, and the stop.

#include "sched/sched.h"

#include <errno.h>

#include "base/sys.h"
#include "base/tls.h"
#include "task/task.h"
#include "wait.h"

enum { WORKERS_MAX = 2 };

static struct rs_sched *sched;
static int plain;
static int dropped;
static bool was_admitted;

static void make(unsigned workers)
{
    struct rouse_driver *drivers[WORKERS_MAX];

    // The workers' drivers get the records of these, which are known to stay.
    for (unsigned i = 0; i < workers; i++) drivers[i] = driver_make("epoll");
    for (unsigned i = 0; i < workers; i++) rouse_driver_free(drivers[i]);
    sched = model_alloc(sizeof *sched);
    *sched = (struct rs_sched){.kind = "model"};
    int err = rs_sched_init(sched, &(struct rs_sched_options){.kind = "model",
                                                              .workers = workers,
                                                              .allocator = &model_allocator,
                                                              .reactor = "epoll",
                                                              .blocking_threads = 1,
                                                              .blocking_queue = 1});

    model_claim(err == 0, "a scheduler can be made");
    model_name(&sched->phase, sizeof sched->phase, "sched->phase");
    model_name(&sched->pins, sizeof sched->pins, "sched->pins");
    plain = 0;
    dropped = 0;
    was_admitted = false;
}

static void make_one(void)
{
    make(1);
}

static void unmake(void)
{
    model_claim(rs_sched_is_ended(sched), "the scheduler ends with its last task");
    rs_sched_deinit(sched);
    model_free(sched);
}

// The calling thread is the worker's, without a shard of the counters: to enter and to leave that
// takes a lock, which would order more than a scheduler does.
static void enter(unsigned index)
{
    rs_tls.worker = &sched->workers[index];
    rs_tls.heap = sched->workers[index].heap;
}

static void leave(void)
{
    rs_tls.heap = NULL;
    rs_tls.worker = NULL;
}

static bool at_once(void *arg)
{
    (void)arg;
    return true;
}

// Until nothing is left to run.
static void run_what_is_there(unsigned index)
{
    enter(index);
    rs_worker_run(&sched->workers[index], at_once, NULL);
    leave();
}

static void run_first(void)
{
    run_what_is_there(0);
}

static void run_second(void)
{
    run_what_is_there(1);
}

static bool is_stopped(void *arg)
{
    return rs_sched_is_stopped(arg);
}

static void run_until_stopped(void)
{
    enter(0);
    rs_worker_run(&sched->workers[0], is_stopped, sched);
    leave();
}

// As a shutdown does.
static void wait_for_end(void)
{
    while (!rs_sched_is_ended(sched)) {
        (void)rs_sys.futex_wait((uint32_t *)&sched->phase, RS_PHASE_CLOSING, NULL);
    }
}

// ---- Tasks ----

// `worker`: its index + 1, to pin the task there; 0: any.
static int spawn(const struct rouse_future_vtable *vtable, unsigned worker,
                 void (*init)(struct rouse_future *place, void *arg), uint8_t flags)
{
    union {
        const void *in;
        void *out;
    } arg = {.in = vtable};

    return rs_sched_spawn(sched, NULL,
                          &(struct rouse_future_spec){
                              .size = sizeof(struct rouse_future), .init = init, .arg = arg.out},
                          &(struct rouse_task_attrs){.worker = worker}, flags);
}

static void future_init(struct rouse_future *place, void *arg)
{
    *place = (struct rouse_future){.vtable = arg};
}

static rouse_poll pending_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_PENDING;
}

static void count_drop(struct rouse_future *self)
{
    (void)self;
    dropped++;
}

static const struct rouse_future_vtable counted = {
    .poll = pending_poll, .drop = count_drop, .name = "counted"};

static void empty_drop(struct rouse_future *self)
{
    (void)self;
}

static const struct rouse_future_vtable empty = {
    .poll = pending_poll, .drop = empty_drop, .name = "empty"};

static void spawn_here(const struct rouse_future_vtable *vtable, unsigned worker)
{
    model_claim(spawn(vtable, worker, future_init, 0) == 0, "there is memory for a task");
}

// ---- The last tasks of two workers ----

static void make_last_two(void)
{
    make(2);
    spawn_here(&empty, 1);
    spawn_here(&empty, 2);
    rs_sched_close(sched);
}

// ---- A task that spawns when it is asked to end ----

static void late_drop(struct rouse_future *self)
{
    (void)self;
    // Relaxed, and an addition of nothing, which sees the newest value.
    model_claim(atomic_fetch_add_explicit(&sched->phase, 0, memory_order_relaxed) ==
                    RS_PHASE_CLOSING,
                "a scheduler does not end while a task is left");
}

static const struct rouse_future_vtable late = {
    .poll = pending_poll, .drop = late_drop, .name = "late"};

static void spawning_drop(struct rouse_future *self)
{
    (void)self;
    spawn_here(&late, 1);
}

static const struct rouse_future_vtable spawning = {
    .poll = pending_poll, .drop = spawning_drop, .name = "spawning"};

// The second worker has asked its tasks to end already, so that it counts only once.
static void make_spawning(void)
{
    make(2);
    spawn_here(&spawning, 1);
    rs_sched_close(sched);
    run_second();
    enter(1);
    spawn_here(&empty, 2);
    leave();
}

// ---- A spawn of another thread against the close ----

static void writing_init(struct rouse_future *place, void *arg)
{
    future_init(place, arg);
    plain = 1;
}

static void spawn_if_open(void)
{
    int err = spawn(&counted, 0, writing_init, 0);

    was_admitted = err == 0;
    model_claim(err == 0 || err == -ECANCELED, "a spawn is admitted, or comes too late");
}

// Reads what a spawn writes that has been admitted.
static void close_and_read(void)
{
    rs_sched_close(sched);
    model_claim(plain <= 1, "a close has waited for those that it did not refuse");
}

static void end_admitted(void)
{
    run_what_is_there(0);
    model_claim(dropped == (was_admitted ? 1 : 0), "a task that was admitted is asked to end");
    unmake();
}

// ---- From the close to the stop ----

static void reading_drop(struct rouse_future *self)
{
    (void)self;
    model_claim(plain == 1, "a task that is asked to end sees what came before the close");
    dropped++;
}

static const struct rouse_future_vtable reading = {
    .poll = pending_poll, .drop = reading_drop, .name = "reading"};

// One that waits, in the worker's own memory: so the worker asks it.
static void make_waiting(void)
{
    make(1);
    enter(0);
    spawn_here(&reading, 0);
    rs_worker_run(&sched->workers[0], at_once, NULL);
    leave();
}

static void close_and_stop(void)
{
    plain = 1;
    rs_sched_close(sched);
    wait_for_end();
    model_claim(dropped == 1, "the end sees what the tasks did");
    rs_sched_stop(sched);
}

// ---- Shields ----

// A fiber behind a shield, as far as the scheduler knows.
static rouse_poll shielded_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    return rs_state_is_bared(&cx->task->state) ? ROUSE_READY : ROUSE_PENDING;
}

static const struct rouse_future_vtable shielded_ended = {.name = "shielded"};
static const struct rouse_future_vtable shielded = {
    .poll = shielded_poll, .drop = empty_drop, .name = "shielded", .ended = &shielded_ended};

static void make_shielded(void)
{
    make(1);
    model_claim(spawn(&shielded, 0, future_init, RS_TASK_FIBER) == 0, "a foreign task");
    enter(0);
    model_claim(spawn(&shielded, 0, future_init, RS_TASK_FIBER) == 0, "a worker's task");
    rs_worker_run(&sched->workers[0], at_once, NULL);
    leave();
    rs_sched_close(sched);
}

static void bare_and_stop(void)
{
    rs_sched_bare(sched);
    wait_for_end();
    rs_sched_stop(sched);
}

const struct model_scenario model_sched_scenarios[] = {
    {.name = "sched_last_tasks",
     .about = "of two workers whose last tasks end at once, the later one ends the scheduler",
     .setup = make_last_two,
     .threads = {run_first, run_second},
     .check = unmake},
    {.name = "sched_spawn_while_ending",
     .about = "a scheduler does not end while a task is left that another one has spawned",
     .setup = make_spawning,
     .threads = {run_first, run_second},
     .check = unmake},
    {.name = "sched_spawn_against_close",
     .about = "a spawn of another thread is refused, or a close waits for it and asks it to end",
     .setup = make_one,
     .threads = {spawn_if_open, close_and_read},
     .check = end_admitted},
    {.name = "sched_close_to_stop",
     .about = "a close reaches tasks and publishes, so does the end, and a worker sees the stop",
     .setup = make_waiting,
     .threads = {run_until_stopped, close_and_stop},
     .check = unmake},
    {.name = "sched_bare",
     .about = "shields break, in all tasks, whoever has spawned them",
     .setup = make_shielded,
     .threads = {run_until_stopped, bare_and_stop},
     .check = unmake},
    {.name = NULL},
};
