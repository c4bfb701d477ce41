// SPDX-License-Identifier: MIT
//
// The run queue, of capacity four: its owner against thieves. Every task is run once, and whoever
// runs it sees what its spawner wrote.

#include <stdatomic.h>

#include "base/lock.h"
#include "model.h"
#include "sched/runq.h"

enum { TASKS = 8 };

struct task {
    struct rs_task_link link;
    int written;  // plain: before it is pushed
    int runs;     // plain: by whoever has it
};

static struct rs_runq queue;
static struct rs_runq other;
static struct rs_runq third;
static struct task tasks[TASKS];
static int pushed;
static struct task *outside[TASKS];  // taken out by the owner when the queue was full
static int outside_count;

static void reset(void)
{
    rs_runq_init(&queue);
    rs_runq_init(&other);
    rs_runq_init(&third);
    for (int i = 0; i < TASKS; i++) tasks[i] = (struct task){.written = 0};
    pushed = 0;
    outside_count = 0;
    model_name(&queue, sizeof queue, "queue");
    model_name(&other, sizeof other, "other");
    model_name(tasks, sizeof tasks, "tasks");
}

static void run(struct rs_task_link *link)
{
    struct task *task = (struct task *)(void *)link;

    model_claim(task->written == 1, "who has a task sees what was written before it was pushed");
    task->runs++;
}

static struct task *make(void)
{
    struct task *task = &tasks[pushed++];

    task->written = 1;
    return task;
}

static void push(void)
{
    struct task *task = make();

    if (rs_runq_push(&queue, &task->link, false)) return;
    struct rs_task_link *half[RS_RUNQ_CAPACITY];
    uint32_t count = rs_runq_take_half(&queue, half, RS_RUNQ_CAPACITY);

    for (uint32_t i = 0; i < count; i++) outside[outside_count++] = (struct task *)(void *)half[i];
    model_claim(rs_runq_push(&queue, &task->link, false), "there is room after half was taken out");
}

static bool pop(struct rs_runq *q)
{
    struct rs_task_link *link = rs_runq_pop(q);

    if (link == NULL) return false;
    run(link);
    return true;
}

static void push_pop_push(void)
{
    push();
    push();
    (void)pop(&queue);
    push();
    (void)pop(&queue);
}

// As many as make the indices come round.
static void push_many(void)
{
    for (int i = 0; i < 3; i++) push();
    (void)pop(&queue);
    for (int i = 0; i < 3; i++) push();
}

static void push_over(void)
{
    for (int i = 0; i < RS_RUNQ_CAPACITY + 1; i++) push();
}

static void fill_two(void)
{
    reset();
    push();
    push();
}

static void fill_four(void)
{
    reset();
    for (int i = 0; i < 4; i++) push();
}

static void fill_both(void)
{
    fill_four();
    for (int i = 0; i < 4; i++) {
        model_claim(rs_runq_push(&other, &make()->link, true), "there is room in the other queue");
    }
}

static void pop_all(void)
{
    while (pop(&queue)) continue;
}

static void steal_into(struct rs_runq *from, struct rs_runq *to)
{
    struct rs_task_link *link = rs_runq_steal(from, to);

    if (link != NULL) run(link);
}

static void steal(void)
{
    steal_into(&queue, &other);
    while (pop(&other)) continue;
}

static void steal_twice(void)
{
    steal_into(&queue, &other);
    steal_into(&queue, &other);
}

// From the thief: what it has moved is passed on.
static void steal_from_thief(void)
{
    steal_into(&other, &third);
    steal_into(&queue, &third);
}

static void steal_and_push_on(void)
{
    steal_into(&queue, &other);
    (void)pop(&other);
    steal_into(&queue, &other);
}

static void drain(struct rs_runq *q)
{
    while (pop(q)) continue;
}

static void check(void)
{
    drain(&queue);
    drain(&other);
    drain(&third);
    for (int i = 0; i < outside_count; i++) run(&outside[i]->link);
    for (int i = 0; i < pushed; i++) {
        model_claim(tasks[i].runs == 1, "every task that was pushed runs once");
    }
    model_claim(rs_runq_length(&queue) == 0 && rs_runq_seems_empty(&queue), "nothing is left");
}

// ---- In order ----

static int order[TASKS];
static int order_count;

static void pop_in_order(void)
{
    struct rs_task_link *link;

    while ((link = rs_runq_pop(&queue)) != NULL) {
        run(link);
        order[order_count++] = (int)((struct task *)(void *)link - tasks);
    }
}

static void reset_order(void)
{
    fill_four();
    order_count = 0;
}

static void check_order(void)
{
    for (int i = 1; i < order_count; i++) {
        model_claim(order[i] > order[i - 1], "what the owner pops is in order");
    }
    check();
}

// ---- Length, from anywhere ----

static void look(void)
{
    model_claim(rs_runq_length(&queue) <= RS_RUNQ_CAPACITY, "a length is never above the capacity");
}

const struct model_scenario model_runq_scenarios[] = {
    {.name = "runq_one_thief",
     .about = "a thief and the owner never take one task both",
     .setup = reset,
     .threads = {push_pop_push, steal},
     .check = check},
    {.name = "runq_pop_steal",
     .about = "the last tasks, popped and stolen at once",
     .setup = fill_two,
     .threads = {pop_all, steal},
     .check = check},
    {.name = "runq_two_thieves",
     .about = "two thieves and the owner",
     .setup = fill_four,
     .threads = {pop_all, steal, steal_from_thief},
     .check = check},
    {.name = "runq_round",
     .about = "a slot is written anew only when its thief has read it",
     .setup = fill_two,
     .threads = {push_many, steal_twice},
     .check = check},
    {.name = "runq_overflow",
     .about = "a full queue is halved while a thief is at it",
     .setup = reset,
     .threads = {push_over, steal_twice},
     .check = check},
    {.name = "runq_chain",
     .about = "what a thief moved is whole for a thief of the thief",
     .setup = fill_four,
     .threads = {steal_and_push_on, steal_from_thief},
     .check = check},
    {.name = "runq_full_thief",
     .about = "a thief takes no more than it has room for",
     .setup = fill_both,
     .threads = {pop_all, steal_twice},
     .check = check},
    {.name = "runq_order",
     .about = "the owner takes the oldest first, whoever else takes some",
     .setup = reset_order,
     .threads = {pop_in_order, steal},
     .check = check_order},
    {.name = "runq_length",
     .about = "a length read from outside is one that may be",
     .setup = reset,
     .threads = {push_pop_push, steal, look},
     .check = check},
    {.name = NULL},
};
