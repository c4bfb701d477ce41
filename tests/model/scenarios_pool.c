// SPDX-License-Identifier: MIT
//
// Threads that block: the pool for blocking calls, and the parker of a plain thread. Every job is
// run or failed once, or taken back; no thread sleeps on while a job is queued.

#include <errno.h>
#include <stdatomic.h>

#include "base/sys.h"
#include "blocking/pool.h"
#include "model.h"
#include "sched/parker.h"

enum { JOBS = 2 };

struct job {
    struct rs_blocking_job base;
    int written;  // plain: before it is submitted
    int ends;     // plain: by whoever ends it
    int err;
};

static struct rs_blocking_pool pool;
static struct job jobs[JOBS];
static int refused[JOBS];

static void run(struct rs_blocking_job *base, int err)
{
    struct job *job = (struct job *)(void *)base;

    model_claim(job->written == 1, "who runs a job sees what was written before");
    job->ends++;
    job->err = err;
}

static void begin_with(unsigned threads)
{
    rs_blocking_pool_init(&pool, &model_allocator, threads, 10);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.base.run = run};
        refused[i] = 0;
    }
    model_name(&pool, sizeof pool, "pool");
    model_name(jobs, sizeof jobs, "jobs");
}

static void begin_one(void)
{
    begin_with(1);
}

static void begin_two(void)
{
    begin_with(2);
}

static int no_thread(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                     void *arg)
{
    (void)out;
    (void)attributes;
    (void)fn;
    (void)arg;
    return -EAGAIN;
}

static int (*real_create)(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg);

// Some can be started, and some cannot.
static int perhaps_a_thread(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                            void *arg)
{
    return model_choose(2) == 0 ? real_create(out, attributes, fn, arg)
                                : no_thread(out, attributes, fn, arg);
}

static void begin_refused(void)
{
    begin_with(2);
    real_create = rs_sys.thread_create;
    rs_sys.thread_create = perhaps_a_thread;
}

static void submit(int index)
{
    jobs[index].written = 1;
    refused[index] = rs_blocking_pool_submit(&pool, &jobs[index].base);
}

static void submit_first(void)
{
    submit(0);
}

static void submit_second(void)
{
    submit(1);
}

static void submit_both(void)
{
    submit(0);
    submit(1);
}

static void submit_and_take_back(void)
{
    submit(1);
    if (rs_blocking_job_take_back(&jobs[1].base)) {
        jobs[1].ends++;
        jobs[1].err = -ECANCELED;
    }
}

static void close_pool(void)
{
    rs_blocking_pool_close(&pool);
    model_claim(rs_blocking_pool_wait(&pool, ROUSE_NEVER), "the pool comes to its end");
}

static void check(void)
{
    close_pool();
    for (int i = 0; i < JOBS; i++) {
        int ends = jobs[i].written == 1 && refused[i] == 0;

        model_claim(jobs[i].ends == ends, "a job that was accepted ends once, another one never");
    }
    model_claim(rs_blocking_pool_jobs(&pool) == 0, "no job is left");
}

static void check_run(void)
{
    check();
    model_claim(refused[0] == 0 && refused[1] == 0, "the pool takes jobs while it is open");
    model_claim(jobs[0].err == 0 && jobs[1].err == 0, "they run");
}

// ---- The parker ----

static struct rs_parker *parker;
static struct rouse_waker shares[2];
static _Atomic int condition;

static void begin_parker(void)
{
    parker = rs_parker_new();
    model_claim(parker != NULL, "there is memory");
    struct rouse_waker borrowed = rs_parker_waker(parker);

    for (int i = 0; i < 2; i++) shares[i] = rouse_waker_clone(&borrowed);
    // Relaxed, here and below: whatever orders it is the parker's.
    atomic_store_explicit(&condition, 0, memory_order_relaxed);
}

static void park(void)
{
    rs_parker_wait(parker);
    model_claim(atomic_load_explicit(&condition, memory_order_relaxed) >= 1,
                "a wake publishes what came before it");
    while (atomic_load_explicit(&condition, memory_order_relaxed) < 2) rs_parker_wait(parker);
    rs_parker_unref(parker);
}

static void raise_and_wake(int index)
{
    (void)atomic_fetch_add_explicit(&condition, 1, memory_order_relaxed);
    rouse_waker_wake(&shares[index]);
}

static void wake_first(void)
{
    raise_and_wake(0);
}

static void wake_second(void)
{
    raise_and_wake(1);
}

const struct model_scenario model_pool_scenarios[] = {
    {.name = "pool_two_jobs",
     .about = "two jobs for one thread",
     .setup = begin_one,
     .threads = {submit_first, submit_second},
     .check = check_run},
    {.name = "pool_leaving",
     .about = "a job that comes while the last thread leaves",
     .setup = begin_one,
     .threads = {submit_both},
     .check = check_run},
    {.name = "pool_two_threads",
     .about = "two jobs, two threads",
     .setup = begin_two,
     .threads = {submit_first, submit_second},
     .check = check_run},
    {.name = "pool_close",
     .about = "a close while jobs are submitted",
     .setup = begin_one,
     .threads = {submit_first, submit_second, close_pool},
     .check = check},
    {.name = "pool_take_back",
     .about = "a job is taken back while it starts",
     .setup = begin_one,
     .threads = {submit_first, submit_and_take_back},
     .check = check},
    {.name = "pool_refused",
     .about = "threads that cannot be started strand no job",
     .setup = begin_refused,
     .threads = {submit_first, submit_second},
     .check = check},
    {.name = "parker_wake",
     .about = "a parked thread is woken, whenever the wakes come, and sees what they are about",
     .setup = begin_parker,
     .threads = {park, wake_first, wake_second}},
    {.name = NULL},
};
