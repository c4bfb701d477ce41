// SPDX-License-Identifier: MIT
//
// The dump: a worker that is made to stand still between two polls, what its tasks left before, and
// a poll that outlasts the dump's patience.

#include <rouse/clock.h>
#include <rouse/dump.h>

#include "scheduler.h"
#include "task/task.h"

enum { TEXT_MAX = 1 << 16, WORKER_THREAD = 1 };

static struct rs_sched *sched;
static int plain;    // written by the task that a dump may find in its poll
static int earlier;  // by the one before
static int polls;
static int ends[2];

static void make(void)
{
    sched = scheduler_make(1);
    plain = 0;
    earlier = 0;
    polls = 0;
}

static void unmake(void)
{
    rs_sched_close(sched);
    // It asks the tasks to end when it has nothing to run, and then runs them.
    for (int i = 0; i < 2; i++) worker_run_what_is_there(&sched->workers[0]);
    scheduler_unmake(sched);
}

static void run_tasks(void)
{
    worker_run_what_is_there(&sched->workers[0]);
}

// ---- Between two polls ----

static rouse_poll twice_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    plain++;
    if (++polls == 1) rouse_waker_wake_by_ref(rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable twice = {.poll = twice_poll, .name = "twice"};

// As the worker's own, so that nothing but its loop orders the polls.
static void spawn_own(const struct rouse_future_vtable *vtable)
{
    worker_enter(&sched->workers[0]);
    scheduler_spawn(sched, vtable, 0, 0);
    worker_leave();
}

static void make_twice(void)
{
    make();
    spawn_own(&twice);
}

static void pause_and_read(void)
{
    rs_sched_pause(sched, ROUSE_NEVER);
    model_claim(plain >= 0, "nobody polls while the worker stands still");
    rs_sched_resume(sched);
}

static void unmake_twice(void)
{
    model_claim(polls == 2, "a worker that stood still goes on");
    unmake();
}

// ---- A poll that outlasts the pause ----

// Called in the dump, when that has given up waiting or the worker stands still.
static int unparking_describe(const struct rouse_future *self, char *buf, size_t size)
{
    (void)self;
    if (size > 0) buf[0] = '\0';
    model_unpark(WORKER_THREAD);
    return 0;
}

static rouse_poll pending_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable unparking = {
    .poll = pending_poll, .describe = unparking_describe, .name = "unparking"};

static rouse_poll earlier_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    earlier++;
    return ROUSE_PENDING;
}

static int earlier_describe(const struct rouse_future *self, char *buf, size_t size)
{
    (void)self;
    if (size > 0) buf[0] = '\0';
    model_claim(earlier <= 1, "it is polled once");
    return 0;
}

static const struct rouse_future_vtable polled_earlier = {
    .poll = earlier_poll, .describe = earlier_describe, .name = "earlier"};

static rouse_poll lasting_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    model_park();
    plain++;
    return model_choose(2) == 0 ? ROUSE_READY : ROUSE_PENDING;
}

static void lasting_drop(struct rouse_future *self)
{
    (void)self;
    plain++;
}

static int lasting_describe(const struct rouse_future *self, char *buf, size_t size)
{
    (void)self;
    if (size > 0) buf[0] = '\0';
    model_claim(plain <= 1, "a task is not read after its end");
    return 0;
}

static const struct rouse_future_vtable lasting_ended = {.drop = lasting_drop, .name = "lasting"};
static const struct rouse_future_vtable lasting = {
    .poll = lasting_poll,
    .drop = lasting_drop,
    .describe = lasting_describe,
    .name = "lasting",
    .ended = &lasting_ended};

static void make_lasting(const struct rouse_future_vtable *before)
{
    make();
    spawn_own(&unparking);
    run_tasks();
    if (before != NULL) spawn_own(before);
    spawn_own(&lasting);
    model_stream(ends, TEXT_MAX);
}

static void make_lasting_alone(void)
{
    make_lasting(NULL);
}

static void make_lasting_after_another(void)
{
    make_lasting(&polled_earlier);
}

static void dump(void)
{
    model_claim(rouse_dump(ends[0]) == 0, "a dump can be written");
    // Should it have taken the task that unparks for the one that is polled: it tells the two apart
    // by a hint.
    model_unpark(WORKER_THREAD);
}

const struct model_scenario model_dump_scenarios[] = {
    {.name = "dump_pause",
     .about = "nobody polls while a dump reads, and what was polled before is seen",
     .setup = make_twice,
     .threads = {run_tasks, pause_and_read},
     .check = unmake_twice},
    {.name = "dump_long_poll",
     .about = "a task that a worker goes on polling is not read, or when it is done with it",
     .setup = make_lasting_alone,
     .threads = {run_tasks, dump},
     .check = unmake},
    {.name = "dump_long_poll_of_another",
     .about = "a task that was polled before the one that a worker goes on polling is read",
     .setup = make_lasting_after_another,
     .threads = {run_tasks, dump},
     .check = unmake},
    {.name = NULL},
};
