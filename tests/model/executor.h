// SPDX-License-Identifier: MIT
//
// A small executor for scenarios: real tasks in a real inbox, polled by one model thread.

#ifndef MODEL_EXECUTOR_H
#define MODEL_EXECUTOR_H

#include "model.h"
#include "sched/inbox.h"
#include "task/poll.h"
#include "task/slab.h"

struct executor {
    struct rouse_scheduler base;
    struct rs_inbox inbox;
    struct rs_heap *heap;
    unsigned thread;  // that runs it
    int live;         // tasks that have not ended; the running thread's
};

static inline void executor_schedule(struct rouse_scheduler *base, struct rouse_task *task)
{
    struct executor *executor = ROUSE_CONTAINER_OF(base, struct executor, base);
    unsigned thread = executor->thread;

    (void)rs_inbox_push(&executor->inbox, &task->link);
    model_unpark(thread);
}

static inline void executor_init(struct executor *executor, unsigned thread)
{
    executor->base.schedule = executor_schedule;
    rs_inbox_init(&executor->inbox);
    executor->heap = rs_heap_new(&model_allocator);
    executor->thread = thread;
    executor->live = 0;
}

// In the scenario's setup.
static inline struct rouse_task *executor_spawn(struct executor *executor,
                                                struct rouse_join_handle *handle, size_t size,
                                                rouse_init_function init)
{
    struct rouse_future_spec spec = {.size = size, .init = init};
    struct rouse_task *task;

    model_claim(rs_task_new(&task, executor->heap, NULL, &executor->base, handle, &spec, NULL) == 0,
                "there is memory for a task");
    rs_task_publish(task);
    executor->live++;
    executor_schedule(&executor->base, task);
    return task;
}

static inline void executor_poll(struct executor *executor, struct rs_task_link *link)
{
    struct rouse_task *task = rs_task_of_link(link);
    struct rouse_context cx = {.budget = 1};

    switch (rs_task_poll(task, &cx, 1)) {
    case ROUSE_TASK_SCHEDULED:
        executor_schedule(&executor->base, task);
        model_relax();  // who polls in vain lets others go on
        break;
    case ROUSE_TASK_ENDED:
        executor->live--;
        break;
    case ROUSE_TASK_WAITING:
        break;
    }
}

// Polls until every task has ended.
static inline void executor_run(struct executor *executor)
{
    while (executor->live > 0) {
        struct rs_task_link *link = rs_inbox_take(&executor->inbox);

        if (link == NULL && rs_inbox_seems_empty(&executor->inbox)) model_park();
        while (link != NULL) {
            struct rs_task_link *next = link->next;

            executor_poll(executor, link);
            link = next;
        }
    }
}

// In the scenario's check, at the latest.
static inline void executor_close(struct executor *executor)
{
    model_claim(rs_inbox_seems_empty(&executor->inbox), "no task is queued after its end");
    rs_heap_close(executor->heap);
}

#endif
