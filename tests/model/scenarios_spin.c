// SPDX-License-Identifier: MIT
//
// Workers that look around before they sleep, against what comes for one of them, or for any.

#include "base/sys.h"
#include "scheduler.h"

static struct rs_sched *sched;
static _Atomic uint32_t ended;
static bool searches;

static rouse_poll waiting_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_PENDING;
}

static void nothing_drop(struct rouse_future *self)
{
    (void)self;
}

static const struct rouse_future_vtable waiting = {
    .poll = waiting_poll, .drop = nothing_drop, .name = "waiting"};

static rouse_poll ending_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    // Relaxed: the notify publishes it.
    atomic_store_explicit(&ended, 1, memory_order_relaxed);
    rs_sched_notify_all(sched);
    return ROUSE_READY;
}

static const struct rouse_future_vtable ending_ended = {.name = "ending"};
static const struct rouse_future_vtable ending = {
    .poll = ending_poll, .drop = nothing_drop, .name = "ending", .ended = &ending_ended};

// Each worker has a task that waits; having polled it, it may spin. None becomes the sentinel, so
// that no sleep ends by itself.
static void make(unsigned workers)
{
    sched = scheduler_make(workers);
    // Relaxed, both: the threads are not there yet.
    atomic_store_explicit(&ended, 0, memory_order_relaxed);
    atomic_store_explicit(&sched->sentinel, (int32_t)workers, memory_order_relaxed);
    for (unsigned i = 0; i < workers; i++) {
        sched->workers[i].spin =
            (struct rs_spin){.max_ns = RS_SPIN_MAX_NS, .score = RS_SPIN_SCORE_MAX};
        scheduler_spawn(sched, &waiting, i + 1, 0);
    }
}

static void make_one(void)
{
    make(1);
}

static void make_two(void)
{
    make(2);
}

static bool is_over(void *arg)
{
    (void)arg;
    // Relaxed: looked at again after each sleep.
    return atomic_load_explicit(&ended, memory_order_relaxed) == 1;
}

static void run(unsigned index)
{
    worker_enter(&sched->workers[index]);
    rs_worker_run(&sched->workers[index], is_over, NULL);
    worker_leave();
}

static void run_first(void)
{
    run(0);
}

static void run_second(void)
{
    run(1);
}

static void spawn_at_first(void)
{
    scheduler_spawn(sched, &ending, 1, 0);
}

static void spawn_anywhere(void)
{
    scheduler_spawn(sched, &ending, 0, 0);
}

// ---- A searcher that another one lets go on ----

// Only the first worker runs; the second one counts as searching until the first has looked for
// work in vain, and has not begun to look around.
static void make_beside_searcher(void)
{
    make(2);
    searches = rs_idle_search_begin(&sched->idle, 1);
    model_claim(searches, "nobody searches yet");
}

static bool is_over_after_search(void *arg)
{
    if (searches && rs_idle_search_end(&sched->idle)) rs_sched_submitted(sched);
    searches = false;
    return is_over(arg);
}

static void run_beside_searcher(void)
{
    worker_enter(&sched->workers[0]);
    rs_worker_run(&sched->workers[0], is_over_after_search, NULL);
    worker_leave();
}

static void unmake(void)
{
    model_claim(model_newest(&ended) == 1, "what has come was run");
    rs_sched_close(sched);
    for (unsigned i = 0; i < sched->worker_count; i++) {
        worker_run_what_is_there(&sched->workers[i]);
    }
    scheduler_unmake(sched);
}

const struct model_scenario model_spin_scenarios[] = {
    {.name = "spin_alone",
     .about = "what comes while the only worker looks around, or is about to sleep, is run",
     .setup = make_one,
     .threads = {run_first, spawn_at_first},
     .check = unmake},
    {.name = "spin_pinned",
     .about = "what comes for one of two workers that look around is run",
     .setup = make_two,
     .threads = {run_first, run_second, spawn_at_first},
     .check = unmake},
    {.name = "spin_shared",
     .about = "what comes for any of two workers that look around is run",
     .setup = make_two,
     .threads = {run_first, run_second, spawn_anywhere},
     .check = unmake},
    {.name = "spin_beside_searcher",
     .about = "what comes while a worker looks around, in the place of one that searched, is run",
     .setup = make_beside_searcher,
     .threads = {run_beside_searcher, spawn_anywhere},
     .check = unmake},
    {.name = NULL},
};
