// SPDX-License-Identifier: MIT
//
// The blocking pool: when it starts threads and lets them go, that each job ends exactly once
// whatever races (leaving threads, threads that cannot be started, jobs taken back, shutdown), and
// the futures over it, polled by hand.

#include "blocking/pool.h"

#include <errno.h>
#include <rouse/blocking.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/sanitizer.h"
#include "base/sys.h"
#include "child.h"
#include "claim.h"
#include "hand_waker.h"

#define LONG_NS (20 * ROUSE_NS_PER_S)

enum { JOBS = 64, ROUNDS = 1500, SUBMITTERS = 3, JOBS_EACH = 3000 };

static struct rs_blocking_pool pool;
static uint64_t spin_max_ns;  // of the threads of all pools below

static void pool_open(unsigned threads_max, size_t queue_max, uint64_t keep_alive_ns)
{
    rs_blocking_pool_init(&pool, rouse_allocator_default(), threads_max, queue_max);
    pool.keep_alive_ns = keep_alive_ns;
    pool.spin = (struct rs_spin){.max_ns = spin_max_ns, .score = RS_SPIN_SCORE_MAX};
}

static bool pool_close(void)
{
    rs_blocking_pool_close(&pool);
    bool over = rs_blocking_pool_wait(&pool, rouse_deadline_after(LONG_NS));
    rs_blocking_pool_deinit(&pool);
    return over;
}

static int64_t threads(void)
{
    return rs_counter_sum(RS_COUNTER_THREADS);
}

static int64_t live_jobs(void)
{
    return rs_counter_sum(RS_COUNTER_BLOCKING_JOBS);
}

// A job that counts how it ended. While `gate` is closed it does not end.
struct job {
    struct rs_blocking_job base;
    atomic_bool *gate;
    _Atomic int runs;
    _Atomic int failures;
    _Atomic int err;
};

static void job_run(struct rs_blocking_job *base, int err)
{
    struct job *job = ROUSE_CONTAINER_OF(base, struct job, base);

    if (err < 0) {
        // Relaxed, then release with the acquire in job_ends(): it sees the error.
        atomic_store_explicit(&job->err, err, memory_order_relaxed);
        atomic_fetch_add_explicit(&job->failures, 1, memory_order_release);
        return;
    }
    // Acquire, with the release in gate_open().
    while (job->gate != NULL && !atomic_load_explicit(job->gate, memory_order_acquire)) {
        hand_pause();
    }
    atomic_fetch_add_explicit(&job->runs, 1, memory_order_release);
}

static void job_init(struct job *job, atomic_bool *gate)
{
    memset(job, 0, sizeof *job);
    job->base.run = job_run;
    job->gate = gate;
}

static int job_submit(struct job *job, atomic_bool *gate)
{
    job_init(job, gate);
    return rs_blocking_pool_submit(&pool, &job->base);
}

static void gate_open(atomic_bool *gate)
{
    // Release, with the acquire in job_run().
    atomic_store_explicit(gate, true, memory_order_release);
}

// How often it was run or failed.
static int job_ends(struct job *job)
{
    return atomic_load_explicit(&job->runs, memory_order_acquire) +
           atomic_load_explicit(&job->failures, memory_order_acquire);
}

static bool job_wait(struct job *job)
{
    uint64_t deadline = rouse_deadline_after(LONG_NS);

    while (job_ends(job) == 0) {
        if (rouse_now_ns() > deadline) return false;
        hand_pause();
    }
    return true;
}

static bool threads_become(int64_t wanted)
{
    uint64_t deadline = rouse_deadline_after(LONG_NS);

    while (threads() != wanted) {
        if (rouse_now_ns() > deadline) return false;
        hand_pause();
    }
    return true;
}

// Until no thread is on its way to the queue.
static void wait_until_all_came(void)
{
    unsigned coming;

    do {
        hand_pause();
        rs_lock(&pool.lock);
        coming = pool.coming;
        rs_unlock(&pool.lock);
    } while (coming > 0);
}

// What a pool thread is like.
struct self {
    struct rs_blocking_job base;
    char name[16];
    sigset_t blocked;
    struct job done;
};

static void self_run(struct rs_blocking_job *base, int err)
{
    struct self *self = ROUSE_CONTAINER_OF(base, struct self, base);

    (void)prctl(PR_GET_NAME, self->name, 0, 0, 0);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &self->blocked);
    job_run(&self->done.base, err);
}

static void threads_start_when_needed(void)
{
    struct self self = {.base.run = self_run};
    struct job jobs[JOBS];
    sigset_t mine;
    bool all = true;

    pool_open(4, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    claim(threads() == 0, "a pool without jobs has no thread");
    claim(rs_blocking_pool_submit(&pool, &self.base) == 0 && job_wait(&self.done), "a job is run");
    claim(strcmp(self.name, "rouse-blocking") == 0, "on a thread named rouse-blocking");
    claim(sigismember(&self.blocked, SIGINT) == 1 && sigismember(&self.blocked, SIGCHLD) == 1 &&
              sigismember(&self.blocked, SIGSEGV) == 0,
          "that blocks signals, but no faults");
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mine);
    claim(sigismember(&mine, SIGINT) == 0, "the submitter's mask is as it was");
    for (int i = 0; i < JOBS; i++) {
        all = all && job_submit(&jobs[i], NULL) == 0 && job_wait(&jobs[i]);
        while (pool.jobs > 0) {
            hand_pause();
        }
    }
    claim(all && threads() <= 2, "jobs one after the other need no more threads");
    claim(pool_close() && threads() == 0 && live_jobs() == 0, "closed, no thread is left");
}

static void threads_up_to_the_limit(void)
{
    atomic_bool gate = false;
    struct job jobs[5];
    struct job extra;
    bool all = true;

    pool_open(3, 2, RS_BLOCKING_KEEP_ALIVE_NS);
    for (int i = 0; i < 3; i++) {
        all = all && job_submit(&jobs[i], &gate) == 0;
    }
    claim(all && threads_become(3), "each job that blocks gets a thread of its own");
    wait_until_all_came();
    for (int i = 3; i < 5; i++) {
        all = all && job_submit(&jobs[i], &gate) == 0;
    }
    claim(all && threads() == 3, "up to the limit; then jobs wait");
    claim(live_jobs() == 5 && rs_blocking_pool_jobs(&pool) == 5, "all are counted");
    claim(job_submit(&extra, &gate) == -EAGAIN && job_ends(&extra) == 0,
          "when the queue is full the next is refused");
    gate_open(&gate);
    for (int i = 0; i < 5; i++) {
        all = all && job_wait(&jobs[i]) && job_ends(&jobs[i]) == 1;
    }
    claim(all, "in the end all are run once");
    claim(pool_close() && live_jobs() == 0, "and none is counted any more");
}

static void idle_threads_leave(void)
{
    struct job job;
    int late = 0;

    pool_open(2, JOBS, ROUSE_NS_PER_MS);
    claim(job_submit(&job, NULL) == 0 && job_wait(&job) && threads_become(0),
          "a thread without work leaves");
    claim(job_submit(&job, NULL) == 0 && job_wait(&job), "the next job starts another");
    claim(pool_close(), "the pool ends");

    pool_open(1, JOBS, 30 * ROUSE_NS_PER_US);
    // Where others compute, each yield takes as long as they are let: then there are fewer rounds.
    uint64_t end = rouse_deadline_after(5 * ROUSE_NS_PER_S);

    for (int round = 0; round < ROUNDS && rouse_now_ns() < end; round++) {
        late += job_submit(&job, NULL) < 0 || !job_wait(&job);
        for (int i = 0; i < round % 11; i++) {
            (void)sched_yield();
        }
    }
    claim(late == 0, "a job that comes as the last thread leaves is not stranded");
    claim(pool_close() && threads() == 0, "nor is a thread");
}

// Thread creation that fails by a seeded choice.
static _Atomic uint64_t creation_seed;

static int creation(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                    void *arg)
{
    // Relaxed: only the value matters.
    uint64_t seed =
        atomic_fetch_add_explicit(&creation_seed, 0x9e3779b97f4a7c15, memory_order_relaxed);

    if ((seed >> 40) % 3 != 0) return -EAGAIN;
    return rs_sys_real.thread_create(out, attributes, fn, arg);
}

static int no_creation(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                       void *arg)
{
    (void)out;
    (void)attributes;
    (void)fn;
    (void)arg;
    return -EAGAIN;
}

static void threads_that_cannot_start(void)
{
    atomic_bool gate = false;
    struct job first;
    struct job second;

    pool_open(4, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    rs_sys.thread_create = no_creation;
    claim(job_submit(&first, NULL) == -EAGAIN && job_ends(&first) == 0 && live_jobs() == 0,
          "without a thread to run it a job is refused");
    rs_sys.thread_create = rs_sys_real.thread_create;
    claim(job_submit(&first, &gate) == 0 && threads_become(1), "the next is not");
    rs_sys.thread_create = no_creation;
    claim(job_submit(&second, NULL) == 0 && job_ends(&second) == 0,
          "with another thread alive it stays queued");
    gate_open(&gate);
    claim(job_wait(&second) && second.runs == 1, "and is run by that one");
    claim(pool_close() && live_jobs() == 0, "the pool ends");
    rs_sys.thread_create = rs_sys_real.thread_create;
}

// The three races below are made to happen: a replaced system call does the other thread's part.

static struct job inner;  // submitted from within the call
static atomic_bool busy_gate;

// The thread that works ends its job, takes the one for which this call was to start a thread, and
// goes idle; then another job comes, and counts on the thread that will not start.
static int fail_after_others_went_idle(pthread_t *out, const pthread_attr_t *attributes,
                                       void *(*fn)(void *), void *arg)
{
    bool idle = false;

    gate_open(&busy_gate);
    while (!idle) {
        hand_pause();
        rs_lock(&pool.lock);
        idle = !rs_list_is_empty(&pool.idle);
        rs_unlock(&pool.lock);
    }
    if (job_submit(&inner, NULL) < 0) exit(1);
    return no_creation(out, attributes, fn, arg);
}

static void others_make_up_for_a_failed_start(void)
{
    struct job busy;
    struct job job;
    int err;

    pool_open(2, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    (void)job_submit(&busy, &busy_gate);
    wait_until_all_came();
    rs_sys.thread_create = fail_after_others_went_idle;
    err = job_submit(&job, NULL);
    rs_sys.thread_create = rs_sys_real.thread_create;
    claim(err == 0 && job_ends(&job) == 1, "a job whose thread cannot start is run by another");
    claim(job_wait(&inner) && inner.runs == 1,
          "and one that counted on that thread by an idle one");
    claim(pool_close(), "the pool ends");
}

// While one start is under way and will fail, a second job needs a thread, and gets none either.
static int fail_twice(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                      void *arg)
{
    rs_sys.thread_create = no_creation;
    if (job_submit(&inner, NULL) < 0) exit(1);
    return no_creation(out, attributes, fn, arg);
}

static void no_thread_at_all(void)
{
    struct job job;

    pool_open(2, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    rs_sys.thread_create = fail_twice;
    claim(job_submit(&job, NULL) == -EAGAIN && job_ends(&job) == 0,
          "when the last start fails its job is refused");
    claim(inner.failures == 1 && inner.err == -EAGAIN && live_jobs() == 0,
          "and those that counted on it fail");
    rs_sys.thread_create = rs_sys_real.thread_create;
    claim(job_submit(&job, NULL) == 0 && job_wait(&job) && pool_close(), "later ones are run");
}

// The time of an idle thread runs out just as it is chosen for a job. Locks sleep without a limit.
static int time_out_when_chosen(uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    static atomic_bool done;

    // Relaxed: one thread of the pool comes here.
    if (timeout == NULL || atomic_exchange_explicit(&done, true, memory_order_relaxed)) {
        return rs_sys_real.futex_wait(word, expected, timeout);
    }
    if (rs_blocking_pool_submit(&pool, &inner.base) < 0) exit(1);
    return -ETIMEDOUT;
}

static void chosen_as_the_time_runs_out(void)
{
    struct job job;

    pool_open(1, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    job_init(&inner, NULL);
    rs_sys.futex_wait = time_out_when_chosen;
    claim(job_submit(&job, NULL) == 0 && job_wait(&inner) && inner.runs == 1,
          "a thread that is chosen as its time runs out does not leave");
    claim(pool_close(), "before the job is done");
    rs_sys.futex_wait = rs_sys_real.futex_wait;
}

// Several threads submit, and take every fourth job back if they can.
struct submitter {
    pthread_t thread;
    struct job *jobs;
    int refused;
    int taken;
    int wrong;
    uint64_t random;
};

static void *submit_many(void *arg)
{
    struct submitter *s = arg;

    for (int i = 0; i < JOBS_EACH; i++) {
        struct job *job = &s->jobs[i];
        int err = job_submit(job, NULL);

        if (err < 0) {
            s->refused++;
            s->wrong += job_ends(job) != 0 || (err != -EAGAIN && err != -ECANCELED);
            job->err = err;
            continue;
        }
        if (claim_random(&s->random) % 4 == 0 && rs_blocking_job_take_back(&job->base)) {
            s->taken++;
            s->wrong += job_ends(job) != 0;
            job->err = 1;
        }
        if (claim_random(&s->random) % 64 == 0) hand_pause();
    }
    return NULL;
}

// Returns how many jobs did not end exactly once.
static int submit_from_threads(struct submitter *submitters, bool close_meanwhile)
{
    static struct job jobs[SUBMITTERS][JOBS_EACH];
    int wrong = 0;

    memset(jobs, 0, sizeof jobs);
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){.jobs = jobs[i], .random = (uint64_t)i + 1};
        (void)pthread_create(&submitters[i].thread, NULL, submit_many, &submitters[i]);
    }
    if (close_meanwhile) {
        hand_pause();
        rs_blocking_pool_close(&pool);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        (void)pthread_join(submitters[i].thread, NULL);
        wrong += submitters[i].wrong;
    }
    for (uint64_t end = rouse_deadline_after(LONG_NS);
         rs_blocking_pool_jobs(&pool) > 0 && rouse_now_ns() < end;) {
        hand_pause();
    }
    wrong += !pool_close();
    for (int i = 0; i < SUBMITTERS * JOBS_EACH; i++) {
        struct job *job = &jobs[i / JOBS_EACH][i % JOBS_EACH];
        bool by_itself = job_ends(job) == 0;  // refused or taken back

        wrong += job_ends(job) > 1 || by_itself != (job->err != 0 && job->failures == 0);
    }
    return wrong;
}

static void every_job_ends_once(void)
{
    struct submitter submitters[SUBMITTERS];

    pool_open(3, 100, 20 * ROUSE_NS_PER_US);
    claim(submit_from_threads(submitters, false) == 0 && live_jobs() == 0 && threads() == 0,
          "of many jobs each is run, refused or taken back, once");

    rs_sys.thread_create = creation;
    pool_open(3, 100, 20 * ROUSE_NS_PER_US);
    claim(submit_from_threads(submitters, false) == 0 && live_jobs() == 0 && threads() == 0,
          "also when two of three threads cannot be started");
    rs_sys.thread_create = rs_sys_real.thread_create;

    int wrong = 0;
    for (int round = 0; round < 10; round++) {
        pool_open(3, 100, ROUSE_NS_PER_S);
        wrong += submit_from_threads(submitters, true);
    }
    claim(wrong == 0 && live_jobs() == 0 && threads() == 0,
          "also when the pool is closed meanwhile");
}

static _Atomic int drained;

static void count_drained(void *data)
{
    (void)data;
    // Release, with the acquire of the test: it compares afterwards.
    atomic_fetch_add_explicit(&drained, 1, memory_order_release);
}

static void closing(void)
{
    atomic_bool gate = false;
    struct job running;
    struct job queued;
    struct job late;

    pool_open(1, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    drained = 0;
    pool.drained = count_drained;
    (void)job_submit(&running, &gate);
    wait_until_all_came();
    (void)job_submit(&queued, &gate);
    rs_blocking_pool_close(&pool);
    claim(job_ends(&queued) == 1 && queued.err == -ECANCELED, "closing fails what is queued");
    claim(job_submit(&late, NULL) == -ECANCELED, "and what comes later");
    claim(!rs_blocking_pool_wait(&pool, 0) &&
              !rs_blocking_pool_wait(&pool, rouse_deadline_after(ROUSE_NS_PER_MS)),
          "a running job is not over by a deadline");
    claim(drained == 0, "so the pool is not drained");
    gate_open(&gate);
    claim(rs_blocking_pool_wait(&pool, ROUSE_NEVER) && running.runs == 1 && threads() == 0,
          "it is waited for, and its thread");
    claim(atomic_load_explicit(&drained, memory_order_acquire) == 1, "then it is");
    claim(!rs_blocking_job_take_back(&running.base) && !rs_blocking_job_take_back(&queued.base),
          "a job that ended cannot be taken back");
    rs_blocking_pool_deinit(&pool);
    claim(!rs_blocking_job_take_back(&running.base), "not even when its pool is gone");
    struct rs_blocking_pool zero = {.jobs = 0};
    rs_blocking_pool_deinit(&zero);
}

// In the child: 0 if all is well. The pool of the parent has two threads that work, and a job that
// waits.
static int in_the_child(void)
{
    struct job job;

    rs_blocking_pool_deinit(&pool);
    if (threads() != 0 || live_jobs() != 0) return 1;
    pool_open(2, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    if (job_submit(&job, NULL) < 0 || !job_wait(&job) || threads() != 1) return 2;
    return pool_close() && threads() == 0 && live_jobs() == 0 ? 0 : 3;
}

static void forks_start_anew(void)
{
    atomic_bool gate = false;
    struct job jobs[3];
    int status = -1;
    pid_t child;

    if (!child_can_make_threads()) {
        claim(true, "the child of a fork starts anew # SKIP it can make no threads here");
        return;
    }
    pool_open(2, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    for (int i = 0; i < 3; i++) {
        (void)job_submit(&jobs[i], &gate);
    }
    wait_until_all_came();
    child = fork();
    if (child == 0) {
        (void)alarm(20);
        child_exit(in_the_child());
    }
    (void)waitpid(child, &status, 0);
    claim(WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "the child of a fork gives the pool up, and makes its own");
    gate_open(&gate);
    claim(job_wait(&jobs[2]) && pool_close(), "the parent's goes on");
}

// The futures. An argument counts what happens to it.
struct argument {
    atomic_bool gate;
    _Atomic int begun;
    _Atomic int freed;
    pthread_t thread;
};

static int64_t call(void *arg)
{
    struct argument *a = arg;

    a->thread = pthread_self();
    // Release and acquire: with the test's thread.
    atomic_fetch_add_explicit(&a->begun, 1, memory_order_release);
    while (!atomic_load_explicit(&a->gate, memory_order_acquire)) {
        hand_pause();
    }
    return 4711;
}

static void argument_free(void *arg)
{
    atomic_fetch_add_explicit(&((struct argument *)arg)->freed, 1, memory_order_release);
}

static bool becomes(_Atomic int *value, int wanted)
{
    uint64_t deadline = rouse_deadline_after(LONG_NS);

    while (atomic_load_explicit(value, memory_order_acquire) != wanted) {
        if (rouse_now_ns() > deadline) return false;
        hand_pause();
    }
    return true;
}

static void plain_threads_call_it_themselves(void)
{
    struct argument a = {.gate = true};
    int64_t out = 0;

    claim(rouse_blocking(call, &a, &out) == 0 && out == 4711 &&
              pthread_equal(a.thread, pthread_self()),
          "on a plain thread rouse_blocking calls the function");
    claim(rouse_blocking(call, &a, NULL) == 0, "the result need not be taken");
}

static void futures_end_with_the_job(void)
{
    struct argument a = {.gate = false};
    struct hand_waker first = {0};
    struct hand_waker second = {0};
    struct rouse_blocking b;

    rouse_blocking_init(&b, call, &a, argument_free);
    claim(rs_blocking_pool_jobs(&pool) == 0, "nothing is submitted before the first poll");
    claim(hand_waker_poll(&first, &b.base) == ROUSE_PENDING && becomes(&a.begun, 1),
          "the first poll submits");
    claim(hand_waker_poll(&first, &b.base) == ROUSE_PENDING && hand_waker_shares(&first) == 1,
          "a second poll by the same task keeps the waker");
    claim(hand_waker_poll(&second, &b.base) == ROUSE_PENDING && hand_waker_shares(&first) == 0,
          "one by another replaces it");
    gate_open(&a.gate);
    claim(hand_waker_wait(&second, 1) && hand_waker_wakes(&first) == 0,
          "the end wakes the last one that polled");
    claim(hand_waker_poll(&second, &b.base) == ROUSE_READY && b.output == 0 && b.result == 4711 &&
              rouse_future_result(&b.base) == 4711,
          "and the result is there");
    claim(becomes(&a.freed, 1) && !pthread_equal(a.thread, pthread_self()),
          "the argument is freed, and the job ran elsewhere");
    rouse_future_drop(&b.base);
    claim(a.freed == 1 && hand_waker_shares(&second) == 0, "once; no waker is left behind");
}

static void futures_can_be_dropped(void)
{
    struct argument running = {.gate = false};
    struct argument queued = {.gate = false};
    struct argument unpolled = {.gate = false};
    struct hand_waker hand = {0};
    struct rouse_blocking b;
    struct rouse_blocking c;

    rouse_blocking_init(&b, call, &unpolled, argument_free);
    rouse_future_drop(&b.base);
    claim(unpolled.begun == 0 && unpolled.freed == 1, "dropped before the first poll: freed");
    rouse_blocking_init(&b, call, &unpolled, NULL);
    rouse_future_drop(&b.base);
    claim(unpolled.freed == 1, "an argument that needs no freeing is left alone");

    rouse_blocking_init(&b, call, &running, argument_free);
    (void)hand_waker_poll(&hand, &b.base);
    (void)becomes(&running.begun, 1);
    rouse_blocking_init(&c, call, &queued, argument_free);
    (void)hand_waker_poll(&hand, &c.base);
    claim(hand_waker_shares(&hand) == 2 && rs_blocking_pool_jobs(&pool) == 2,
          "one runs, one waits");
    rouse_future_drop(&c.base);
    claim(queued.freed == 1 && rs_blocking_pool_jobs(&pool) == 1,
          "dropped while queued: taken back and freed");
    rouse_future_drop(&b.base);
    claim(running.freed == 0 && hand_waker_shares(&hand) == 0,
          "dropped while it runs: left behind, without a waker");
    gate_open(&running.gate);
    claim(becomes(&running.freed, 1), "and freed when it has ended");
    claim(queued.begun == 0 && hand_waker_wakes(&hand) == 0,
          "the other never ran, nobody was woken");
}

// A future that cannot be submitted ends with `err`, and frees its argument.
static bool is_refused(int err)
{
    struct argument a = {.gate = true};
    struct hand_waker hand = {0};
    struct rouse_blocking b;

    rouse_blocking_init(&b, call, &a, argument_free);
    if (hand_waker_poll(&hand, &b.base) != ROUSE_READY) return false;
    rouse_future_drop(&b.base);
    return b.output == err && b.base.vtable->poll == NULL && a.freed == 1 && a.begun == 0 &&
           hand_waker_shares(&hand) == 0;
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static int acquired;

static struct rs_blocking_pool *default_acquire(void)
{
    acquired++;
    return &pool;
}

static void default_release(struct rs_blocking_pool *released)
{
    if (released == &pool) acquired--;
}

static const struct rs_blocking_pool_source default_pool = {.acquire = default_acquire,
                                                            .release = default_release};

static void futures_that_are_refused(void)
{
    struct argument a = {.gate = false};
    struct hand_waker hand = {0};
    struct rouse_blocking b;

    rs_sys.malloc = no_memory;
    claim(is_refused(-ENOMEM), "without memory it ends with -ENOMEM");
    rs_sys.malloc = rs_sys_real.malloc;
    rs_tls.pool = NULL;
    claim(is_refused(-EAGAIN), "without a pool it ends with -EAGAIN");
    rs_blocking_pool_set_default(&default_pool);
    rouse_blocking_init(&b, call, &a, argument_free);
    bool pending = hand_waker_poll(&hand, &b.base) == ROUSE_PENDING;
    gate_open(&a.gate);
    claim(pending && hand_waker_wait(&hand, 1) && hand_waker_poll(&hand, &b.base) == ROUSE_READY,
          "the default pool stands in");
    rs_blocking_pool_set_default(NULL);
    claim(acquired == 0, "and is let go");
    rs_tls.pool = &pool;
    claim(becomes(&a.freed, 1), "and frees the argument");
}

static void futures_see_the_pool_close(void)
{
    struct argument running = {.gate = false};
    struct argument queued = {.gate = false};
    struct hand_waker hand = {0};
    struct rouse_blocking b;
    struct rouse_blocking c;

    rouse_blocking_init(&b, call, &running, argument_free);
    (void)hand_waker_poll(&hand, &b.base);
    (void)becomes(&running.begun, 1);
    rouse_blocking_init(&c, call, &queued, argument_free);
    (void)hand_waker_poll(&hand, &c.base);
    rs_blocking_pool_close(&pool);
    claim(hand_waker_wakes(&hand) == 1 && hand_waker_poll(&hand, &c.base) == ROUSE_READY &&
              c.output == -ECANCELED && rouse_future_result(&c.base) == -ECANCELED &&
              queued.freed == 1,
          "a queued one ends with -ECANCELED when the pool is closed");
    claim(is_refused(-ECANCELED), "so does a new one");
    gate_open(&running.gate);
    claim(pool_close() && hand_waker_wakes(&hand) == 2, "a running one ends by itself");
    rs_tls.pool = NULL;
    rouse_future_drop(&b.base);
    claim(running.freed == 1 && hand_waker_shares(&hand) == 0,
          "and its future may be dropped after the pool is gone");
}

// As if each time there had been something to find.
static void spinner_takes_what_comes(void)
{
    struct job job;
    bool all_end = true;

    pool_open(JOBS, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    for (int i = 0; i < ROUNDS && all_end; i++) {
        rs_lock(&pool.lock);
        pool.spin.score = RS_SPIN_SCORE_MAX;
        rs_unlock(&pool.lock);
        all_end = job_submit(&job, NULL) == 0 && job_wait(&job);
        // At times, only after it has given up.
        if (i % 16 == 0) wait_until_all_came();
    }
    claim(all_end && threads() <= 2, "a thread that looks around takes the next job");
    wait_until_all_came();
    claim(rs_blocking_pool_counts(&pool).idle == (size_t)threads(), "without any it goes to sleep");
    claim(pool_close(), "the pool ends");
}

// Whether threads look around before they sleep or not.
static void either_way(void)
{
    threads_start_when_needed();
    threads_up_to_the_limit();
    idle_threads_leave();
    threads_that_cannot_start();
    no_thread_at_all();
    closing();
    every_job_ends_once();
    pool_open(1, JOBS, RS_BLOCKING_KEEP_ALIVE_NS);
    rs_tls.pool = &pool;
    futures_end_with_the_job();
    futures_can_be_dropped();
    futures_that_are_refused();
    futures_see_the_pool_close();
}

int main(void)
{
    int64_t allocations = rs_counter_sum(RS_COUNTER_ALLOCATIONS);

    either_way();
    others_make_up_for_a_failed_start();
    chosen_as_the_time_runs_out();
    forks_start_anew();
    plain_threads_call_it_themselves();
    spin_max_ns = RS_SPIN_MAX_NS;
    spinner_takes_what_comes();
    either_way();
    claim(threads() == 0 && live_jobs() == 0 &&
              rs_counter_sum(RS_COUNTER_ALLOCATIONS) == allocations,
          "everything has been given back");
    return claims_end();
}
