// SPDX-License-Identifier: MIT
//
// The injection queue and the inbox: every task that is pushed comes out once, in the order of its
// pusher, and whoever takes it sees what its pusher wrote.

#include <stdatomic.h>

#include "model.h"
#include "sched/inbox.h"
#include "sched/inject.h"

enum { TASKS = 4 };

struct task {
    struct rs_task_link link;
    int written;
    int runs;
};

static struct rs_inject inject;
static struct rs_inbox inbox;
static struct task tasks[TASKS];
static int last_of[2];  // of each pusher: the task that came out last

static void begin(void)
{
    rs_inject_init(&inject);
    rs_inbox_init(&inbox);
    for (int i = 0; i < TASKS; i++) tasks[i] = (struct task){.written = 0};
    last_of[0] = last_of[1] = -1;
    model_name(&inject, sizeof inject, "inject");
    model_name(&inbox, sizeof inbox, "inbox");
    model_name(tasks, sizeof tasks, "tasks");
}

static void run(struct rs_task_link *link)
{
    struct task *task = (struct task *)(void *)link;

    model_claim(task->written == 1, "who has a task sees what was written before it was pushed");
    task->runs++;
}

// Of one taker.
static void run_in_order(struct rs_task_link *link)
{
    int index = (int)((struct task *)(void *)link - tasks);

    model_claim(index > last_of[index / 2], "what one thread pushed comes out in its order");
    last_of[index / 2] = index;
    run(link);
}

static void inject_one(int index)
{
    tasks[index].written = 1;
    rs_inject_push(&inject, &tasks[index].link);
}

static void inject_first(void)
{
    inject_one(0);
    inject_one(1);
}

static void inject_batch(void)
{
    tasks[2].written = 1;
    tasks[3].written = 1;
    tasks[2].link.next = &tasks[3].link;
    rs_inject_push_batch(&inject, &tasks[2].link, &tasks[3].link, 2);
}

static void pop_two(void)
{
    for (int i = 0; i < 2; i++) {
        struct rs_task_link *link = rs_inject_pop(&inject);

        if (link != NULL) run(link);
    }
}

static void pop_batch(void)
{
    struct rs_task_link *out[2];
    uint32_t count = rs_inject_pop_batch(&inject, out, 2);

    for (uint32_t i = 0; i < count; i++) run(out[i]);
}

static void pop_in_order(void)
{
    for (int i = 0; i < 3; i++) {
        struct rs_task_link *link = rs_inject_pop(&inject);

        if (link != NULL) run_in_order(link);
    }
}

static void check_inject(void)
{
    struct rs_task_link *link;

    while ((link = rs_inject_pop(&inject)) != NULL) run(link);
    for (int i = 0; i < TASKS; i++) {
        model_claim(tasks[i].runs == tasks[i].written, "every task that was pushed runs once");
    }
    model_claim(rs_inject_length(&inject) == 0 && rs_inject_seems_empty(&inject),
                "nothing is left");
}

static void send_one(int index)
{
    tasks[index].written = 1;
    (void)rs_inbox_push(&inbox, &tasks[index].link);
}

static void send_first(void)
{
    send_one(0);
    send_one(1);
}

static void send_second(void)
{
    send_one(2);
    send_one(3);
}

static void take(void)
{
    struct rs_task_link *link = rs_inbox_take(&inbox);

    while (link != NULL) {
        struct rs_task_link *next = link->next;

        run_in_order(link);
        link = next;
    }
}

static void take_twice(void)
{
    take();
    take();
}

static void check_inbox(void)
{
    take();
    model_claim(rs_inbox_seems_empty(&inbox), "nothing is left");
    for (int i = 0; i < TASKS; i++) {
        model_claim(tasks[i].runs == tasks[i].written, "every task that was pushed runs once");
    }
}

const struct model_scenario model_queue_scenarios[] = {
    {.name = "inject_push_pop",
     .about = "pushes and pops by several threads",
     .setup = begin,
     .threads = {inject_first, inject_batch, pop_two},
     .check = check_inject},
    {.name = "inject_batches",
     .about = "batches go in and come out whole",
     .setup = begin,
     .threads = {inject_batch, pop_batch, pop_two},
     .check = check_inject},
    {.name = "inject_order",
     .about = "first in, first out",
     .setup = begin,
     .threads = {inject_first, inject_batch, pop_in_order},
     .check = check_inject},
    {.name = "inbox_push_take",
     .about = "pushes of two threads while the owner takes",
     .setup = begin,
     .threads = {take_twice, send_first, send_second},
     .check = check_inbox},
    {.name = NULL},
};
