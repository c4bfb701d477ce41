// SPDX-License-Identifier: MIT
//
// The idle protocol: submitters, and workers that search, look once more and sleep. It fails by a
// task that is left while every worker sleeps. The loop below is that of a worker, with a park in
// place of its driver.

#include "sched/idle.h"

#include <stdatomic.h>

#include "model.h"
#include "sched/inbox.h"
#include "sched/inject.h"
#include "sched/runq.h"

enum { WORKERS = 3, TASKS = 3 };

struct worker {
    struct rs_runq runq;
    struct rs_inbox inbox;
    bool searching;
};

static struct rs_idle idle;
static struct rs_inject inject;
static struct worker workers[WORKERS];
static struct rs_task_link tasks[TASKS];
static unsigned threads[WORKERS];  // that the workers run on
static unsigned worker_count;
static int expected;
static _Atomic int ran;
static _Atomic int stopped;
static int seeds;       // so many tasks worker 0 puts into its own run queue, and then is busy
static bool one_waits;  // the first task that a thief runs waits for the last one
static _Atomic int stolen;

static void begin(unsigned count_workers, int count)
{
    worker_count = count_workers;
    rs_idle_init(&idle);
    rs_inject_init(&inject);
    for (unsigned i = 0; i < WORKERS; i++) {
        rs_runq_init(&workers[i].runq);
        rs_inbox_init(&workers[i].inbox);
        workers[i].searching = false;
        threads[i] = 1 + i;
    }
    expected = count;
    seeds = 0;
    one_waits = false;
    // Relaxed: before the threads.
    atomic_store_explicit(&ran, 0, memory_order_relaxed);
    atomic_store_explicit(&stopped, 0, memory_order_relaxed);
    atomic_store_explicit(&stolen, 0, memory_order_relaxed);
    model_name(&idle, sizeof idle, "idle");
    model_name(&inject, sizeof inject, "inject");
    model_name(workers, sizeof workers, "workers");
}

static void begin_one(void)
{
    begin(2, 1);
}

static void begin_two(void)
{
    begin(2, 2);
}

static void begin_seeded(void)
{
    begin(2, 2);
    seeds = 2;
}

static void begin_chain(void)
{
    begin(3, 3);
    seeds = 3;
    one_waits = true;
}

static void wake(int index)
{
    if (index >= 0) model_unpark(threads[index]);
}

static void submitted(void)
{
    wake(rs_idle_pick(&idle));
}

static void search_end(struct worker *w)
{
    if (!w->searching) return;
    w->searching = false;
    if (rs_idle_search_end(&idle)) submitted();
}

static void ran_one(void)
{
    // Relaxed: a count.
    if (atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed) + 1 < expected) return;
    // Seq_cst, with the load in is_stopped(): whoever is unparked afterwards sees it.
    atomic_store_explicit(&stopped, 1, memory_order_seq_cst);
    for (unsigned i = 0; i < worker_count; i++) model_unpark(threads[i]);
}

static bool is_stopped(void)
{
    return atomic_load_explicit(&stopped, memory_order_seq_cst) != 0;
}

// A poll that does not end before all other tasks have run.
static void be_busy(void)
{
    while (!is_stopped()) model_park();
}

static void run(void)
{
    // Relaxed: a count.
    bool waits = one_waits && atomic_fetch_add_explicit(&stolen, 1, memory_order_relaxed) == 0;

    ran_one();
    if (waits) be_busy();
}

static struct rs_task_link *find(unsigned self)
{
    struct worker *w = &workers[self];
    struct rs_task_link *link = rs_runq_pop(&w->runq);

    if (link == NULL) link = rs_inbox_take(&w->inbox);
    if (link == NULL) link = rs_inject_pop(&inject);
    if (link != NULL) return link;
    if (!w->searching) w->searching = rs_idle_search_begin(&idle, 2);
    for (unsigned i = 1; i < worker_count && w->searching; i++) {
        link = rs_runq_steal(&workers[(self + i) % worker_count].runq, &w->runq);
        if (link != NULL) return link;
    }
    return NULL;
}

static bool second_look(unsigned self)
{
    for (unsigned i = 0; i < worker_count; i++) {
        if (!rs_runq_seems_empty(&workers[i].runq)) return true;
    }
    return !rs_inbox_seems_empty(&workers[self].inbox) || !rs_inject_seems_empty(&inject);
}

static void work(unsigned self)
{
    struct worker *w = &workers[self];

    while (!is_stopped()) {
        struct rs_task_link *link = find(self);

        if (link != NULL) {
            search_end(w);
            run();
            continue;
        }
        rs_idle_enter(&idle, self, w->searching);
        w->searching = false;
        if (!second_look(self)) model_park();
        w->searching = !rs_idle_leave(&idle, self);
    }
}

static void work_first(void)
{
    for (int i = 0; i < seeds; i++) {
        model_claim(rs_runq_push(&workers[0].runq, &tasks[i], true), "there is room");
        submitted();
    }
    if (seeds > 0) be_busy();
    work(0);
}

static void work_second(void)
{
    work(1);
}

static void work_third(void)
{
    work(2);
}

static void submit(int index)
{
    rs_inject_push(&inject, &tasks[index]);
    submitted();
}

static void submit_first(void)
{
    submit(0);
}

static void submit_both(void)
{
    submit(0);
    submit(1);
}

static void submit_second(void)
{
    submit(1);
}

// A task that only the second worker may run.
static void send(int index)
{
    if (rs_inbox_push(&workers[1].inbox, &tasks[index]) && rs_idle_take(&idle, 1)) wake(1);
}

static void send_second(void)
{
    send(1);
}

static void send_first(void)
{
    send(0);
}

static void check(void)
{
    // Relaxed: the threads have ended.
    model_claim(atomic_load_explicit(&ran, memory_order_relaxed) == expected,
                "every task runs once");
}

const struct model_scenario model_idle_scenarios[] = {
    {.name = "idle_one",
     .about = "a worker on its way to sleep and a submitter do not miss each other",
     .setup = begin_one,
     .threads = {work_first, work_second, submit_first},
     .check = check},
    {.name = "idle_two",
     .about = "two tasks, one after the other",
     .setup = begin_two,
     .threads = {work_first, work_second, submit_both},
     .check = check},
    {.name = "idle_two_submitters",
     .about = "two tasks at once: the last who searches looks for the other one",
     .setup = begin_two,
     .threads = {work_first, work_second, submit_first, submit_second},
     .check = check},
    {.name = "idle_steal",
     .about = "the tasks of a worker that is busy are seen by the other one's last look",
     .setup = begin_seeded,
     .threads = {work_first, work_second},
     .check = check},
    {.name = "idle_chain",
     .about = "and so are those that a thief has moved, which is busy now",
     .setup = begin_chain,
     .threads = {work_first, work_second, work_third},
     .check = check},
    {.name = "idle_pinned",
     .about = "a task for one worker, and one for any",
     .setup = begin_two,
     .threads = {work_first, work_second, submit_first, send_second},
     .check = check},
    {.name = "idle_pinned_alone",
     .about = "a task for one worker only",
     .setup = begin_one,
     .threads = {work_first, work_second, send_first},
     .check = check},
    {.name = NULL},
};
