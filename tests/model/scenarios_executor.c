// SPDX-License-Identifier: MIT
//
// Executors and their spawners: the end of a run against the last spawner, and the end of an
// executor against its spawners on other threads. And the sentinel, which takes a task out of the
// slot of a busy worker.

#include <errno.h>
#include <rouse/executor.h>
#include <rouse/ready.h>

#include "base/tls.h"
#include "sched/sched.h"
#include "task/task.h"
#include "wait.h"

static struct rouse_executor *executor;
static struct rouse_spawner *spawner;
static int plain;
static _Atomic uint32_t polls;

static void make(void)
{
    // The executor's driver gets this one's record, which is known to stay.
    rouse_driver_free(driver_make("epoll"));
    int err = rouse_executor_new(
        &executor, &spawner,
        &(struct rouse_executor_options){.size = sizeof(struct rouse_executor_options),
                                         .allocator = &model_allocator});

    model_claim(err == 0, "an executor can be made");
    plain = 0;
    // Relaxed: the threads are not there yet.
    atomic_store_explicit(&polls, 0, memory_order_relaxed);
}

static void unmake(void)
{
    rouse_executor_free(executor);
}

static void run_and_read(void)
{
    rouse_executor_run(executor);
    model_claim(plain == 1, "the end of a run sees what came before the last spawner went");
}

static void write_and_drop(void)
{
    plain = 1;
    rouse_spawner_drop(spawner);
}

static void run_executor(void)
{
    rouse_executor_run(executor);
}

static void drop(void)
{
    rouse_spawner_drop(spawner);
}

static void make_two_spawners(void)
{
    make();
    (void)rouse_spawner_clone(spawner);
}

static rouse_poll count_poll(void *arg, struct rouse_context *cx)
{
    (void)arg;
    (void)cx;
    // Relaxed: only counted.
    atomic_fetch_add_explicit(&polls, 1, memory_order_relaxed);
    return ROUSE_READY;
}

static void future_init(struct rouse_future *place, void *arg)
{
    (void)arg;
    rouse_poll_fn_init((struct rouse_poll_fn *)place, count_poll, NULL);
}

static int spawn(void)
{
    return rouse_spawner_spawn_future_at(
        spawner, NULL,
        &(struct rouse_future_spec){.size = sizeof(struct rouse_poll_fn), .init = future_init},
        NULL);
}

static void spawn_and_drop(void)
{
    model_claim(spawn() == 0, "an executor that runs takes tasks");
    rouse_spawner_drop(spawner);
}

static void unmake_polled(void)
{
    // Relaxed: all threads have ended.
    model_claim(atomic_load_explicit(&polls, memory_order_relaxed) == 1, "the task is polled once");
    rouse_executor_free(executor);
}

static void free_executor(void)
{
    rouse_executor_free(executor);
}

static void spawn_if_there_and_drop(void)
{
    int err = spawn();

    model_claim(err == 0 || err == -ECANCELED, "a spawn finds the executor, or that it has gone");
    rouse_spawner_drop(spawner);
}

// ---- The sentinel ----

static struct rs_sched *sched;
static struct rs_worker *workers;
static struct rouse_task *task;

// As much of a scheduler as the sentinel uses: worker 0 is the sentinel, worker 1 is busy.
static void make_sched(void)
{
    sched = model_alloc(sizeof *sched);
    workers = model_alloc(2 * sizeof *workers);
    task = model_alloc(sizeof *task);
    *sched = (struct rs_sched){.workers = workers, .worker_count = 2};
    rs_inject_init(&sched->inject);
    rs_idle_init(&sched->idle);
    for (unsigned i = 0; i < 2; i++) {
        workers[i] = (struct rs_worker){.sched = sched, .index = i};
        rs_runq_init(&workers[i].runq);
        rs_inbox_init(&workers[i].inbox);
        workers[i].driver = driver_make("epoll");
    }
    *task = (struct rouse_task){.worker = 7};
    workers[0].is_sentinel = true;
    // Relaxed, all: the threads are not there yet.
    atomic_store_explicit(&sched->sentinel, 0, memory_order_relaxed);
    atomic_store_explicit(&workers[1].current, task, memory_order_relaxed);
    atomic_store_explicit(&workers[0].share_from, 1, memory_order_relaxed);
}

static void unmake_sched(void)
{
    struct rs_task_link *link = rs_runq_pop(&workers[0].runq);

    // Relaxed: all threads have ended.
    if (link == NULL) link = atomic_load_explicit(&workers[1].hand.slot, memory_order_relaxed);
    model_claim(link == &task->link, "the task is in one queue");
    for (int i = 0; i < 2; i++) rouse_driver_free(workers[i].driver);
    model_free(task);
    model_free(workers);
    model_free(sched);
}

static void schedule_task(void)
{
    struct rouse_context cx = {.task = NULL};

    rs_tls.worker = &workers[1];
    rs_tls.context = &cx;  // a task's poll, in which it wakes another
    task->worker = 9;
    rs_worker_schedule(&workers[1], task);
    rs_tls.context = NULL;
    rs_tls.worker = NULL;
}

static void look_for_busy(void)
{
    rs_tls.worker = &workers[0];
    rs_sentinel_look(&workers[0]);
    struct rs_task_link *link = rs_runq_pop(&workers[0].runq);

    if (link != NULL) {
        model_claim(rs_task_of_link(link)->worker == 9, "the task is as its worker left it");
        (void)rs_runq_push(&workers[0].runq, link, true);
    }
    rs_tls.worker = NULL;
}

// ---- The sentinel, at the inbox ----

enum { NEW_ONE = 0, PINNED_ONE = 1, NEW_TWO = 2, DELIVERED = 3 };

static struct rouse_task *delivered;
static int at_owner[DELIVERED];

static void make_sched_and_deliveries(void)
{
    make_sched();
    delivered = model_alloc(DELIVERED * sizeof *delivered);
    for (int i = 0; i < DELIVERED; i++) {
        delivered[i] = (struct rouse_task){.worker = 1};
        at_owner[i] = 0;
    }
    delivered[PINNED_ONE].flags = RS_TASK_PINNED;
}

static void deliver_all(void)
{
    for (int i = 0; i < DELIVERED; i++) rs_sched_deliver(sched, &workers[1], &delivered[i]);
}

static void look_for_arrivals(void)
{
    rs_tls.worker = &workers[0];
    rs_sentinel_look(&workers[0]);
    rs_tls.worker = NULL;
}

// The owner is back for a moment.
static void empty_inbox(void)
{
    struct rs_task_link *link = rs_inbox_take(&workers[1].inbox);

    for (; link != NULL; link = link->next) at_owner[rs_task_of_link(link) - delivered]++;
}

static void unmake_deliveries(void)
{
    struct rs_task_link *link;
    int at_sentinel[DELIVERED] = {0};

    look_for_arrivals();
    while ((link = rs_runq_pop(&workers[0].runq)) != NULL) {
        at_sentinel[rs_task_of_link(link) - delivered]++;
    }
    model_claim(at_owner[NEW_ONE] + at_sentinel[NEW_ONE] == 1 &&
                    at_owner[NEW_TWO] + at_sentinel[NEW_TWO] == 1,
                "a new task is taken once, at the next look at the latest");
    empty_inbox();
    model_claim(at_owner[PINNED_ONE] == 1 && at_sentinel[PINNED_ONE] == 0,
                "a pinned one comes to its owner, once");
    for (int i = 0; i < 2; i++) rouse_driver_free(workers[i].driver);
    model_free(delivered);
    model_free(task);
    model_free(workers);
    model_free(sched);
}

const struct model_scenario model_executor_scenarios[] = {
    {.name = "executor_last_spawner",
     .about = "a run ends when the last spawner goes, and sees what came before",
     .setup = make,
     .threads = {run_and_read, write_and_drop},
     .check = unmake},
    {.name = "executor_two_spawners",
     .about = "of two spawners the last one ends the run",
     .setup = make_two_spawners,
     .threads = {run_executor, drop, drop},
     .check = unmake},
    {.name = "executor_spawn",
     .about = "a task that is spawned before the last spawner goes is run",
     .setup = make,
     .threads = {run_executor, spawn_and_drop},
     .check = unmake_polled},
    {.name = "executor_free_against_drop",
     .about = "the last of the executor and its spawners frees what they share",
     .setup = make,
     .threads = {free_executor, drop}},
    {.name = "executor_free_against_spawn",
     .about = "a spawn finds the executor, and keeps it, or finds that it has gone",
     .setup = make,
     .threads = {free_executor, spawn_if_there_and_drop}},
    {.name = "sentinel_takes_slot",
     .about = "the sentinel takes a task from a busy worker as that left it",
     .setup = make_sched,
     .threads = {look_for_busy, schedule_task},
     .check = unmake_sched},
    {.name = "sentinel_takes_arrivals",
     .about = "the sentinel takes new tasks out of an inbox, and its owner misses none",
     .setup = make_sched_and_deliveries,
     .threads = {look_for_arrivals, deliver_all, empty_inbox},
     .check = unmake_deliveries},
    {.name = NULL},
};
