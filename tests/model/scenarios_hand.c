// SPDX-License-Identifier: MIT
//
// A worker's hand: the owner fills it from its run queue, of capacity four, and takes from it,
// while a thief steals from the queue and the sentinel robs the hand. Every task is run once, by
// somebody who sees what its spawner wrote.

#include "model.h"
#include "sched/hand.h"

enum { TASKS = 4 };

struct task {
    struct rs_task_link link;
    int written;  // plain: before it is pushed
    int runs;     // plain: by whoever has it
};

static struct rs_runq queue;
static struct rs_runq other;
static struct rs_hand hand;
static struct task tasks[TASKS];

static void reset(void)
{
    rs_runq_init(&queue);
    rs_runq_init(&other);
    hand = (struct rs_hand){.count = 0};
    rs_hand_init(&hand);
    rs_biased_favour(&hand.lock);
    for (int i = 0; i < TASKS; i++) {
        tasks[i] = (struct task){.written = 1};
        model_claim(rs_runq_push(&queue, &tasks[i].link, false), "there is room");
    }
    model_name(&queue, sizeof queue, "queue");
    model_name(&hand, sizeof hand, "hand");
    model_name(tasks, sizeof tasks, "tasks");
}

static bool run(struct rs_task_link *link)
{
    struct task *task = (struct task *)(void *)link;

    if (task == NULL) return false;
    model_claim(task->written == 1, "who has a task sees what was written before it was pushed");
    task->runs++;
    return true;
}

// As a worker does. Whoever pushes a task is done when it is not here any more.
static void owner_runs(void)
{
    while (run(rs_hand_take(&hand)) || run(rs_hand_fill(&hand, &queue, 2))) {
    }
}

static void owner_runs_two(void)
{
    (void)(run(rs_hand_take(&hand)) || run(rs_hand_fill(&hand, &queue, 2)));
    (void)(run(rs_hand_take(&hand)) || run(rs_hand_fill(&hand, &queue, 2)));
}

// As a worker does whose tasks wake each other: what was to be run next goes to the queue.
static void owner_exchanges(void)
{
    struct rs_task_link *link = rs_runq_pop(&queue);

    while (link != NULL) {
        link = rs_hand_exchange_slot(&hand, link);
        (void)run(link);
        link = rs_runq_pop(&queue);
    }
    if (rs_hand_has_slot(&hand)) (void)run(rs_hand_exchange_slot(&hand, NULL));
}

static void rob(void)
{
    struct rs_task_link *robbed[RS_HAND_ALL];
    uint32_t count = rs_hand_rob(&hand, robbed);

    for (uint32_t i = 0; i < count; i++) (void)run(robbed[i]);
}

static void steal(void)
{
    (void)run(rs_runq_steal(&queue, &other));
    while (run(rs_runq_pop(&other))) {
    }
}

// What is left where it is run later: in the hand, and in the queue.
static void check(void)
{
    rob();
    while (run(rs_runq_pop(&queue))) {
    }
    for (int i = 0; i < TASKS; i++) model_claim(tasks[i].runs == 1, "each task is run once");
}

static void check_all_ran(void)
{
    for (int i = 0; i < TASKS; i++) model_claim(tasks[i].runs == 1, "each task is run once");
}

const struct model_scenario model_hand_scenarios[] = {
    {.name = "hand_robbed",
     .about = "the sentinel empties the hand of an owner that comes back",
     .setup = reset,
     .threads = {owner_runs, rob},
     .check = check_all_ran},
    {.name = "hand_left",
     .about = "what an owner leaves in its hand the sentinel may take",
     .setup = reset,
     .threads = {owner_runs_two, rob},
     .check = check},
    {.name = "hand_and_thief",
     .about = "a thief takes from the queue what the hand is filled from",
     .setup = reset,
     .threads = {owner_runs, rob, steal},
     .check = check_all_ran},
    {.name = "hand_slot",
     .about = "what is in the slot is run by its owner, or by the sentinel",
     .setup = reset,
     .threads = {owner_exchanges, rob},
     .check = check_all_ran},
    {.name = NULL},
};
