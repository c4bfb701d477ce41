// SPDX-License-Identifier: MIT
//
// Scopes: members that end, cancels, a wait, a leave and orphans, at once. Real tasks and records;
// the scheduler is a flag for each task, and a thread that polls it.

#include <errno.h>
#include <stdatomic.h>

#include "model.h"
#include "scope/record.h"
#include "task/poll.h"
#include "task/slab.h"

enum { TASKS = 3 };

struct member_future {
    struct rouse_future base;
    struct rs_scope_member member;
    int result;
};

static struct rouse_scheduler scheduler;
static struct rs_heap *heap;
static struct rs_scope_record *outer;
static struct rs_scope_record *record;
static struct rouse_task *tasks[TASKS];
static int made;
static int finish_with;  // what a task returns that is not cancelled
static struct model_waker waiter;

// The tasks of these scenarios are polled until they end, without being asked to.
static void schedule(struct rouse_scheduler *self, struct rouse_task *task)
{
    (void)self;
    (void)task;
}

static rouse_poll member_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)cx;
    ((struct member_future *)self)->result = finish_with;
    return ROUSE_READY;
}

static int64_t member_result(const struct rouse_future *self)
{
    return ((const struct member_future *)self)->result;
}

static const struct rouse_future_vtable member_ended = {.name = "member", .result = member_result};
static const struct rouse_future_vtable member_vtable = {
    .poll = member_poll, .name = "member", .ended = &member_ended};

static void member_init(struct rouse_future *storage, void *arg)
{
    struct member_future *future = (struct member_future *)storage;

    future->base.vtable = &member_vtable;
    rs_scope_record_join(arg, &future->member);
}

static struct rouse_task *spawn(struct rs_scope_record *into)
{
    struct rouse_task_attrs attrs = {.name = "task",
                                     .member_offset = offsetof(struct member_future, member)};
    struct rouse_future_spec spec = {
        .size = sizeof(struct member_future), .init = member_init, .arg = into};
    struct rouse_task *task;

    model_claim(rs_task_new(&task, heap, NULL, &scheduler, NULL, &spec, &attrs) == 0,
                "there is memory");
    rs_task_publish(task);
    return task;
}

static void open_with(int count, int result)
{
    scheduler.schedule = schedule;
    heap = rs_heap_new(&model_allocator);
    outer = rs_scope_record_new(NULL, NULL, &model_allocator);
    record = rs_scope_record_new(outer, NULL, &model_allocator);
    finish_with = result;
    waiter = (struct model_waker){.thread = 1};
    for (made = 0; made < count; made++) tasks[made] = spawn(record);
}

static void open_one(void)
{
    open_with(1, 0);
}

static void open_two(void)
{
    open_with(2, 0);
}

static void open_two_failing(void)
{
    open_with(2, -EIO);
}

static void run(int index)
{
    struct rouse_context cx = {.budget = 1};

    (void)rs_task_poll(tasks[index], &cx, 1);
}

static void run_first(void)
{
    run(0);
}

static void run_second(void)
{
    run(1);
}

static void cancel_record(struct rs_scope_record *which)
{
    struct rouse_cancel_info cause = {.reason = ROUSE_CANCEL_SCOPE, .error = -ECANCELED};

    rs_scope_record_cancel(which, &cause, -ECANCELED);
}

static void cancel(void)
{
    cancel_record(record);
}

static void cancel_outer(void)
{
    cancel_record(outer);
}

// As a wait does.
static void wait_and_leave(void)
{
    struct rouse_waker waker = model_waker_of(&waiter);

    while (rs_scope_record_live(record) > 0) {
        rouse_waker_slot_register(&record->waiter, &waker);
        if (rs_scope_record_live(record) == 0) break;
        do {
            model_park();
        } while (!model_waker_take(&waiter));
        model_relax();
    }
    rs_scope_record_leave(record);
}

static void ask_why(void)
{
    if (rs_scope_record_is_cancelled(record)) {
        model_claim(record->cause.reason == ROUSE_CANCEL_SCOPE && record->error == -ECANCELED,
                    "who sees the cancel sees why");
    }
}

static void leave(void)
{
    rs_scope_record_leave(record);
}

static struct rs_scope_record *late;

static void open_inside(void)
{
    late = rs_scope_record_new(record, NULL, &model_allocator);
}

static void cancelled_inside(void)
{
    model_claim(rs_scope_record_is_cancelled(late), "a cancel reaches what is opened meanwhile");
    rs_scope_record_leave(late);
    rs_scope_record_leave(record);
    run(0);
}

static void close_all(void)
{
    model_claim(rs_scope_record_live(outer) == 0, "nothing is left in the scope around it");
    rs_scope_record_leave(outer);
    rs_heap_close(heap);
}

static void leave_all(void)
{
    model_claim(rs_scope_record_live(record) == 0, "every task has ended");
    leave();
    close_all();
}

static void check_inside(void)
{
    cancelled_inside();
    close_all();
}

static void spawn_late(void)
{
    tasks[1] = spawn(record);
}

static void check_late(void)
{
    model_claim(rs_state_is_cancelled(&tasks[1]->state),
                "a task that is spawned while its scope is cancelled is asked to end");
    run(1);
    leave_all();
}

const struct model_scenario model_scope_scenarios[] = {
    {.name = "scope_wait",
     .about = "a wait ends when the last of two tasks has",
     .setup = open_two,
     .threads = {wait_and_leave, run_first, run_second},
     .check = close_all},
    {.name = "scope_cancel",
     .about = "a cancel while a task ends, and somebody waits",
     .setup = open_one,
     .threads = {wait_and_leave, run_first, cancel_outer},
     .check = close_all},
    {.name = "scope_fails",
     .about = "two tasks fail at once",
     .setup = open_two_failing,
     .threads = {wait_and_leave, run_first, run_second},
     .check = close_all},
    {.name = "scope_orphans",
     .about = "a scope is dropped while its tasks end",
     .setup = open_two,
     .threads = {leave, run_first, run_second},
     .check = close_all},
    {.name = "scope_orphan_cancelled",
     .about = "and is cancelled from outside meanwhile",
     .setup = open_one,
     .threads = {leave, run_first, cancel_outer},
     .check = close_all},
    {.name = "scope_opened_late",
     .about = "a scope opened while the one around it is cancelled is cancelled",
     .setup = open_one,
     .threads = {open_inside, cancel},
     .check = check_inside},
    {.name = "scope_cause",
     .about = "a cancel is seen with its cause",
     .setup = open_one,
     .threads = {ask_why, cancel, run_first},
     .check = leave_all},
    {.name = "scope_spawn_late",
     .about = "a task joins while its scope is cancelled",
     .setup = open_one,
     .threads = {spawn_late, cancel, run_first},
     .check = check_late},
    {.name = NULL},
};
