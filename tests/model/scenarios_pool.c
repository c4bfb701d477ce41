// SPDX-License-Identifier: MIT
//
// The blocking pool: jobs that come while a thread leaves, while all are busy, while one is taken
// back, while the pool closes, and where no thread can be started.

#include "blocking/pool.h"

#include <errno.h>
#include <rouse/blocking.h>

#include "base/sys.h"
#include "base/tls.h"
#include "wait.h"

enum { JOBS = 3, PENDING = 1, TAKEN = 2 };

// What a thread waits for. `outcome` is written by run() or by whoever took the job back.
struct job {
    struct rs_blocking_job job;
    _Atomic uint32_t ended;
    int outcome;
    unsigned waiter;
};

static struct rs_blocking_pool *pool;
static struct job jobs[JOBS];

static void job_run(struct rs_blocking_job *base, int err)
{
    struct job *job = ROUSE_CONTAINER_OF(base, struct job, job);
    unsigned waiter = job->waiter;

    model_claim(job->outcome == PENDING, "a job ends once");
    job->outcome = err;
    // Release, with the acquire in wait_for_job(): the job may be gone by now.
    atomic_store_explicit(&job->ended, 1, memory_order_release);
    model_unpark(waiter);
}

static void wait_for_job(struct job *job)
{
    // Acquire, with the release in job_run(). An addition of nothing, since a park orders nothing:
    // a load might see the old value for ever. Acq_rel, since clang makes a load of a lesser one.
    while (atomic_fetch_add_explicit(&job->ended, 0, memory_order_acq_rel) == 0) model_park();
}

static void make_for(unsigned threads_max, size_t queue_max)
{
    pool = model_alloc(sizeof *pool);
    rs_blocking_pool_init(pool, &model_allocator, threads_max, queue_max);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.job.run = job_run, .outcome = PENDING, .waiter = i + 1};
    }
    model_name(&pool->lock, sizeof pool->lock, "pool->lock");
    model_name(&pool->exits, sizeof pool->exits, "pool->exits");
    model_name(&pool->jobs, sizeof pool->jobs, "pool->jobs");
}

static void make(void)
{
    make_for(2, 8);
}

static void make_single(void)
{
    make_for(1, 8);
}

static void make_two_spinning(void)
{
    make();
    pool->spin = (struct rs_spin){.max_ns = RS_SPIN_MAX_NS, .score = RS_SPIN_SCORE_MAX};
}

// No time runs out: a job that is left in the queue stays there.
static void make_spinning(void)
{
    make_two_spinning();
    pool->threads_max = 1;
    pool->keep_alive_ns = ROUSE_NEVER;
}

// Nothing touches the pool once the wait has returned.
static void end_pool(void)
{
    rs_blocking_pool_close(pool);
    model_claim(rs_blocking_pool_wait(pool, ROUSE_NEVER), "a wait without a deadline succeeds");
    model_claim(rs_blocking_pool_jobs(pool) == 0, "no job is left");
    rs_blocking_pool_deinit(pool);
    model_free(pool);
}

static void submit_and_wait(struct job *job)
{
    job->waiter = model_self();
    model_claim(rs_blocking_pool_submit(pool, &job->job) == 0, "there is room");
    wait_for_job(job);
    model_claim(job->outcome == 0, "the job is run");
}

static void submit_first(void)
{
    submit_and_wait(&jobs[0]);
}

static void submit_second(void)
{
    submit_and_wait(&jobs[1]);
}

// The thread of the first job may be about to leave when the second one comes.
static void submit_two_in_turn(void)
{
    submit_and_wait(&jobs[0]);
    submit_and_wait(&jobs[1]);
}

static void submit_third(void)
{
    submit_and_wait(&jobs[2]);
}

// ---- Taken back ----

static void submit_and_take_back(void)
{
    struct job *job = &jobs[0];

    job->waiter = model_self();
    model_claim(rs_blocking_pool_submit(pool, &job->job) == 0, "there is room");
    if (rs_blocking_job_take_back(&job->job)) {
        model_claim(job->outcome == PENDING, "a job that is taken back is not run");
        job->outcome = TAKEN;
        return;
    }
    wait_for_job(job);
    model_claim(job->outcome == 0, "a job that was not taken back is run");
}

static void take_back_second(void)
{
    struct job *job = &jobs[1];

    job->waiter = model_self();
    if (rs_blocking_pool_submit(pool, &job->job) < 0) return;
    if (rs_blocking_job_take_back(&job->job)) {
        job->outcome = TAKEN;
        return;
    }
    wait_for_job(job);
}

// ---- Closed ----

static void submit_unless_closed(struct job *job)
{
    job->waiter = model_self();
    int err = rs_blocking_pool_submit(pool, &job->job);

    if (err < 0) {
        model_claim(err == -ECANCELED, "a closed pool takes no jobs");
        model_claim(job->outcome == PENDING, "a job that was refused is not run");
        return;
    }
    wait_for_job(job);
    model_claim(job->outcome == 0 || job->outcome == -ECANCELED, "a queued job is run or fails");
}

static void submit_first_unless_closed(void)
{
    submit_unless_closed(&jobs[0]);
}

static void submit_second_unless_closed(void)
{
    submit_unless_closed(&jobs[1]);
}

static void close_pool(void)
{
    rs_blocking_pool_close(pool);
    model_claim(rs_blocking_pool_wait(pool, ROUSE_NEVER), "a wait without a deadline succeeds");
}

static void deinit_pool(void)
{
    rs_blocking_pool_deinit(pool);
    model_free(pool);
}

// Frees at once what the threads of the pool used.
static void submit_close_and_free(void)
{
    submit_and_wait(&jobs[0]);
    end_pool();
}

static void submit_two_close_and_free(void)
{
    submit_two_in_turn();
    end_pool();
}

static int plain;

static void run_and_write(struct rs_blocking_job *base, int err)
{
    (void)base;
    (void)err;
    plain = 1;
}

static void make_writing(void)
{
    make_single();
    plain = 0;
    jobs[0].job.run = run_and_write;
}

// Who sees no jobs sees what they did.
static void submit_and_look(void)
{
    model_claim(rs_blocking_pool_submit(pool, &jobs[0].job) == 0, "there is room");
    if (rs_blocking_pool_jobs(pool) == 0) model_claim(plain == 1, "the job is done");
}

static _Atomic int own[2];
static _Atomic int drained_by_last;

static void run_and_write_own(struct rs_blocking_job *base, int err)
{
    (void)err;
    // Relaxed: so that only the pool orders.
    atomic_store_explicit(&own[base == &jobs[1].job], 1, memory_order_relaxed);
}

// Called once or twice: the second job may come when the first one has ended.
static void look_at_both(void *data)
{
    (void)data;
    // Relaxed, all: as above.
    if (atomic_load_explicit(&own[0], memory_order_relaxed) == 1 &&
        atomic_load_explicit(&own[1], memory_order_relaxed) == 1) {
        atomic_store_explicit(&drained_by_last, 1, memory_order_relaxed);
    }
}

static void make_drained(void)
{
    make();
    // Relaxed: the threads are not there yet.
    for (int i = 0; i < 2; i++) atomic_store_explicit(&own[i], 0, memory_order_relaxed);
    atomic_store_explicit(&drained_by_last, 0, memory_order_relaxed);
    jobs[0].job.run = run_and_write_own;
    jobs[1].job.run = run_and_write_own;
    pool->drained = look_at_both;
}

static void end_drained(void)
{
    end_pool();
    // Relaxed: all threads have ended.
    model_claim(atomic_load_explicit(&drained_by_last, memory_order_relaxed) == 1,
                "the one that ends the last job sees what the others did");
}

static void submit_both(void)
{
    for (int i = 0; i < 2; i++) {
        model_claim(rs_blocking_pool_submit(pool, &jobs[i].job) == 0, "there is room");
    }
}

// ---- No thread ----

static _Atomic int threads_granted;
static int (*create)(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                     void *arg);

static int create_granted(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg)
{
    // Relaxed: only the number counts.
    if (atomic_fetch_sub_explicit(&threads_granted, 1, memory_order_relaxed) <= 0) return -EAGAIN;
    return create(out, attributes, fn, arg);
}

static void make_granting(int threads)
{
    make();
    // Relaxed: the threads are not there yet.
    atomic_store_explicit(&threads_granted, threads, memory_order_relaxed);
    create = rs_sys.thread_create;
    rs_sys.thread_create = create_granted;
}

static void make_refused(void)
{
    make_granting(0);
}

static void make_one_granted(void)
{
    make_granting(1);
}

// Refused, or failed by another one that was refused, or, should there be a thread, run.
static void submit_refused(struct job *job)
{
    job->waiter = model_self();
    int err = rs_blocking_pool_submit(pool, &job->job);

    if (err < 0) {
        model_claim(err == -EAGAIN, "a job that nobody can run is refused");
        model_claim(job->outcome == PENDING, "a job that was refused is not run");
        return;
    }
    wait_for_job(job);
    model_claim(job->outcome == 0 || job->outcome == -EAGAIN, "a queued job is run or fails");
}

static void submit_first_refused(void)
{
    submit_refused(&jobs[0]);
}

static void submit_second_refused(void)
{
    submit_refused(&jobs[1]);
}

// ---- As futures ----

static struct rouse_blocking call;
static struct model_waker call_waker;
static int args_freed;

static int64_t answer(void *arg)
{
    (void)arg;
    return 42;
}

static void free_arg(void *arg)
{
    (void)arg;
    args_freed++;
}

static void make_call(void)
{
    make_single();
    args_freed = 0;
    call_waker = (struct model_waker){.thread = 1};
}

static void call_and_wait(void)
{
    rs_tls.pool = pool;
    rouse_blocking_init(&call, answer, NULL, free_arg);
    wait_for(&call.base, &call_waker, NULL);
    model_claim(call.output == 0 && call.result == 42, "the call's result arrives");
    rs_tls.pool = NULL;
}

static void call_and_drop(void)
{
    rs_tls.pool = pool;
    rouse_blocking_init(&call, answer, NULL, free_arg);
    (void)poll_with(&call.base, &call_waker, NULL);
    rouse_future_drop(&call.base);
    rs_tls.pool = NULL;
}

static void end_call(void)
{
    end_pool();
    model_claim(args_freed == 1, "the argument is freed once");
    claim_dropped(&call_waker);
}

const struct model_scenario model_pool_scenarios[] = {
    {.name = "pool_submit_against_leave",
     .about = "a job that comes while the last thread leaves is run",
     .setup = make_single,
     .threads = {submit_two_in_turn},
     .check = end_pool},
    {.name = "pool_submit_from_two",
     .about = "two jobs at once are run",
     .setup = make,
     .threads = {submit_first, submit_second},
     .check = end_pool},
    {.name = "pool_submit_at_cap",
     .about = "a job that comes while the only thread is busy, or about to leave, is run",
     .setup = make_single,
     .threads = {submit_first, submit_second},
     .check = end_pool},
    {.name = "pool_submit_against_spin",
     .about = "a job that comes while a thread looks around, or is about to sleep, is run",
     .setup = make_spinning,
     .threads = {submit_two_close_and_free}},
    {.name = "pool_submit_from_two_against_spin",
     .about = "two jobs of which one finds a thread that looks around are run",
     .setup = make_two_spinning,
     .threads = {submit_two_in_turn, submit_third},
     .check = end_pool},
    {.name = "pool_close_against_spin",
     .about = "a pool whose thread looks around may be closed and freed",
     .setup = make_spinning,
     .threads = {submit_close_and_free}},
    {.name = "pool_take_back",
     .about = "a job is run, or taken back, not both",
     .setup = make_single,
     .threads = {submit_and_take_back},
     .check = end_pool},
    {.name = "pool_take_back_against_close",
     .about = "a job is taken back while the pool closes",
     .setup = make_single,
     .threads = {take_back_second, close_pool},
     .check = deinit_pool},
    {.name = "pool_close_against_submit",
     .about = "a job that comes while the pool closes is run, fails, or is refused",
     .setup = make_single,
     .threads = {submit_first_unless_closed, close_pool},
     .check = deinit_pool},
    {.name = "pool_close_with_queue",
     .about = "jobs that are queued when the pool closes end",
     .setup = make_single,
     .threads = {submit_first_unless_closed, submit_second_unless_closed, close_pool},
     .check = deinit_pool},
    {.name = "pool_close_and_free",
     .about = "a pool may be freed when its end has been waited for",
     .setup = make_single,
     .threads = {submit_close_and_free}},
    {.name = "pool_jobs_publish",
     .about = "who sees no jobs sees what they did",
     .setup = make_writing,
     .threads = {submit_and_look},
     .check = end_pool},
    {.name = "pool_drained",
     .about = "the last job to end sees what the others did",
     .setup = make_drained,
     .threads = {submit_both},
     .check = end_drained},
    {.name = "pool_thread_refused",
     .about = "without a thread every job is refused or fails",
     .setup = make_refused,
     .threads = {submit_first_refused, submit_second_refused},
     .check = end_pool},
    {.name = "pool_second_thread_refused",
     .about = "the one thread there is runs the job for which another was refused",
     .setup = make_one_granted,
     .threads = {submit_first_refused, submit_second_refused},
     .check = end_pool},
    {.name = "pool_future",
     .about = "a call's result reaches its future",
     .setup = make_call,
     .threads = {call_and_wait},
     .check = end_call},
    {.name = "pool_future_dropped",
     .about = "what a dropped call leaves behind is freed once",
     .setup = make_call,
     .threads = {call_and_drop},
     .check = end_call},
    {.name = NULL},
};
