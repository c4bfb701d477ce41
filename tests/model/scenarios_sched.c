// SPDX-License-Identifier: MIT
//
// A scheduler of one or two workers, from its close to its end: spawns of other threads against the
// close, the last tasks of two workers, tasks that spawn when they are asked to end, shields that
// are broken, and the stop.

#include <errno.h>

#include "base/sys.h"
#include "scheduler.h"
#include "task/task.h"

static struct rs_sched *sched;
static int plain;
static int dropped;
static bool was_admitted;

static void make(unsigned workers)
{
    sched = scheduler_make(workers);
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
    scheduler_unmake(sched);
}

static void run_first(void)
{
    worker_run_what_is_there(&sched->workers[0]);
}

static void run_second(void)
{
    worker_run_what_is_there(&sched->workers[1]);
}

static bool is_stopped(void *arg)
{
    return rs_sched_is_stopped(arg);
}

static void run_until_stopped(void)
{
    worker_enter(&sched->workers[0]);
    rs_worker_run(&sched->workers[0], is_stopped, sched);
    worker_leave();
}

// As a shutdown does.
static void wait_for_end(void)
{
    while (!rs_sched_is_ended(sched)) {
        (void)rs_sys.futex_wait((uint32_t *)&sched->phase, RS_PHASE_CLOSING, NULL);
    }
}

// ---- Tasks ----

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

// ---- The last tasks of two workers ----

static void make_last_two(void)
{
    make(2);
    scheduler_spawn(sched, &empty, 1, 0);
    scheduler_spawn(sched, &empty, 2, 0);
    rs_sched_close(sched);
}

// ---- A task that spawns when it is asked to end ----

static void claim_not_ended(void)
{
    model_claim(model_newest(&sched->phase) < RS_PHASE_ENDED,
                "a scheduler does not end while a task is left, or being made");
}

static void late_drop(struct rouse_future *self)
{
    (void)self;
    claim_not_ended();
}

static const struct rouse_future_vtable late = {
    .poll = pending_poll, .drop = late_drop, .name = "late"};

static void spawning_drop(struct rouse_future *self)
{
    (void)self;
    scheduler_spawn(sched, &late, 1, 0);
}

static const struct rouse_future_vtable spawning = {
    .poll = pending_poll, .drop = spawning_drop, .name = "spawning"};

// The second worker has asked its tasks to end already, so that it counts only once.
static void make_spawning(void)
{
    make(2);
    scheduler_spawn(sched, &spawning, 1, 0);
    rs_sched_close(sched);
    run_second();
    worker_enter(&sched->workers[1]);
    scheduler_spawn(sched, &empty, 2, 0);
    worker_leave();
}

// ---- A spawn of another thread against the close ----

static void writing_init(struct rouse_future *place, void *arg)
{
    (void)arg;
    claim_not_ended();
    *place = (struct rouse_future){.vtable = &counted};
    plain = 1;
}

static void spawn_if_open(void)
{
    int err = rs_sched_spawn(
        sched, NULL,
        &(struct rouse_future_spec){.size = sizeof(struct rouse_future), .init = writing_init},
        NULL, 0);

    was_admitted = err == 0;
    model_claim(err == 0 || err == -ECANCELED, "a spawn is admitted, or comes too late");
}

// Reads what a spawn writes that has been admitted.
static void close_and_read(void)
{
    rs_sched_close(sched);
    model_claim(plain <= 1, "a close has waited for those that it did not refuse");
}

static void close_only(void)
{
    rs_sched_close(sched);
}

static void end_admitted(void)
{
    worker_run_what_is_there(&sched->workers[0]);
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
    worker_enter(&sched->workers[0]);
    scheduler_spawn(sched, &reading, 0, 0);
    worker_leave();
    worker_run_what_is_there(&sched->workers[0]);
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
    scheduler_spawn(sched, &shielded, 0, RS_TASK_FIBER);  // another thread's
    worker_enter(&sched->workers[0]);
    scheduler_spawn(sched, &shielded, 0, RS_TASK_FIBER);  // the worker's own
    worker_leave();
    worker_run_what_is_there(&sched->workers[0]);
    rs_sched_close(sched);
}

// The worker's alone: nothing but the notify wakes it.
static void make_shielded_own(void)
{
    make(1);
    worker_enter(&sched->workers[0]);
    scheduler_spawn(sched, &shielded, 0, RS_TASK_FIBER);
    worker_leave();
    worker_run_what_is_there(&sched->workers[0]);
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
    {.name = "sched_spawn_against_end",
     .about = "the scheduler ends after the spawns that are admitted, while a close waits for them",
     .setup = make_one,
     .threads = {spawn_if_open, close_only, run_first},
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
    {.name = "sched_bare_own",
     .about = "a worker that sleeps is told that shields are broken",
     .setup = make_shielded_own,
     .threads = {run_until_stopped, bare_and_stop},
     .check = unmake},
    {.name = NULL},
};
