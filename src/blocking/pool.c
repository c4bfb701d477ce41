// SPDX-License-Identifier: MIT
//
// The blocking pool. Submitters are any threads; the threads of the pool run pool_thread(). What
// always holds stands in the header.
//
// A thread of the pool:
//
//     starting ---> looking <---------- woken <------------+
//     (coming)      at the queue        (coming)           | submit, close
//                    ^ |   |                               |
//                    | |   | none ---> idle, asleep -------+
//        a job, or   | |   |   ^         |
//    the time is over| |   |   |         | keep-alive over, or closed: a last look
//                    | |   |   |         v
//     spinning ------+ |   +---+       left ---> joined by the next one
//     (coming)         | a job
//         ^            v
//         +--------- running
//
// A submitter compares the length of the queue with the number of threads that are coming, and
// only if there are too few wakes an idle thread or starts one. A thread that wakes by itself at
// the same time finds itself still among the idle, or finds that it has been chosen; both under the
// lock, so a leaving thread is never counted on.

#include "blocking/pool.h"

#include <errno.h>
#include <rouse/assert.h>

#include "base/choice.h"
#include "base/counters.h"
#include "base/sys.h"
#include "base/thread.h"

// A thread of the pool, on its own stack. It has no shard of the counters: jobs count little, and
// after a fork the stacks of threads that are gone are given to new ones.
struct pool_thread {
    struct rs_list link;     // among the idle; in no list: it has been chosen
    _Atomic uint32_t woken;  // it sleeps on this
};

static _Atomic(const struct rs_blocking_pool_source *) default_source;

void rs_blocking_pool_set_default(const struct rs_blocking_pool_source *source)
{
    // Relaxed: what it points to is constant.
    atomic_store_explicit(&default_source, source, memory_order_relaxed);
}

const struct rs_blocking_pool_source *rs_blocking_pool_get_default(void)
{
    // Relaxed: as above.
    return atomic_load_explicit(&default_source, memory_order_relaxed);
}

void rs_blocking_pool_init(struct rs_blocking_pool *pool, const struct rouse_allocator *allocator,
                           unsigned threads_max, size_t queue_max)
{
    rouse_assert(threads_max > 0, "a blocking pool needs at least one thread");
    *pool = (struct rs_blocking_pool){.allocator = allocator,
                                      .keep_alive_ns = RS_BLOCKING_KEEP_ALIVE_NS,
                                      .queue_max = queue_max,
                                      .threads_max = threads_max};
    rs_list_init(&pool->queue);
    rs_list_init(&pool->idle);
}

static struct timespec timespec_of(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / ROUSE_NS_PER_S),
                             .tv_nsec = (long)(ns % ROUSE_NS_PER_S)};
}

// Sleeps while `*word` is `expected`; may return for no reason.
static int word_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
    struct timespec timeout = timespec_of(timeout_ns);

    return rs_sys.futex_wait((uint32_t *)word, expected,
                             timeout_ns == ROUSE_NEVER ? NULL : &timeout);
}

static void word_wake(_Atomic uint32_t *word)
{
    (void)rs_sys.futex_wake((uint32_t *)word, 1);
}

// One more job. Relaxed: the count orders nothing; see job_gone().
static void job_counted(struct rs_blocking_pool *pool)
{
    atomic_fetch_add_explicit(&pool->jobs, 1, memory_order_relaxed);
    rs_counter_add(RS_COUNTER_BLOCKING_JOBS, 1);
}

// One job less. Returns true if it was the last.
static bool job_gone(struct rs_blocking_pool *pool)
{
    rs_counter_add(RS_COUNTER_BLOCKING_JOBS, -1);
    // Release, with the acquire in rs_blocking_pool_jobs(): who sees no jobs sees what the last one
    // woke. Acquire, with the other threads' releases: the one that drained it sees all of it.
    return atomic_fetch_sub_explicit(&pool->jobs, 1, memory_order_acq_rel) == 1;
}

size_t rs_blocking_pool_jobs(const struct rs_blocking_pool *pool)
{
    // Acquire, with the release in job_gone().
    return atomic_load_explicit(&pool->jobs, memory_order_acquire);
}

struct rs_blocking_counts rs_blocking_pool_counts(struct rs_blocking_pool *pool)
{
    struct rs_blocking_counts counts;

    rs_lock(&pool->lock);
    size_t jobs = rs_blocking_pool_jobs(pool);
    size_t busy = pool->coming - pool->is_spinning +
                  (jobs > pool->queued ? jobs - pool->queued : 0);
    counts.threads = pool->threads;
    counts.idle = counts.threads > busy ? counts.threads - busy : 0;
    counts.queued = pool->queued;
    rs_unlock(&pool->lock);
    return counts;
}

// Call with the lock held. The oldest job, out of the queue; NULL if there is none.
static struct rs_blocking_job *queue_pop(struct rs_blocking_pool *pool)
{
    struct rs_list *link = rs_list_pop_front(&pool->queue);

    if (link == NULL) return NULL;
    pool->queued--;
    return ROUSE_CONTAINER_OF(link, struct rs_blocking_job, link);
}

// Runs or fails a job that was popped, without the lock. Whoever is taking it back right now may
// still look at the pool, so the job says first that it has left it.
static void job_end(struct rs_blocking_pool *pool, struct rs_blocking_job *job, int err)
{
    rs_lock(&job->lock);
    job->pool = NULL;
    rs_unlock(&job->lock);
    job->run(job, err);
    if (job_gone(pool) && pool->drained != NULL) pool->drained(pool->drained_data);
}

// Call with the lock held.
static void threads_add(struct rs_blocking_pool *pool, int amount)
{
    pool->threads += (unsigned)amount;
    rs_counter_add(RS_COUNTER_THREADS, amount);
}

// Call with the lock held; it is released for the time of each job. Returns whether there was any.
static bool run_queued(struct rs_blocking_pool *pool)
{
    struct rs_blocking_job *job;
    bool any = false;

    while (!pool->closed && (job = queue_pop(pool)) != NULL) {
        any = true;
        rs_unlock(&pool->lock);
        job_end(pool, job, 0);
        rs_lock(&pool->lock);
    }
    return any;
}

// Call with the lock held. Ends the spin of the thread that spins, if one does.
static void call_spinner(struct rs_blocking_pool *pool)
{
    // Relaxed: the spinner looks at the queue under the lock.
    if (pool->is_spinning) atomic_store_explicit(&pool->called, true, memory_order_relaxed);
}

// Call with the lock held; it is released for the time of the spin. The thread counts as coming
// meanwhile, so whoever submits a job wakes nobody for it; and so it has to look at the queue when
// this returns. Only one spins. Returns whether it did.
static bool spin(struct rs_blocking_pool *pool)
{
    if (pool->is_spinning || !rs_spin_is_worth_it(&pool->spin)) return false;
    struct rs_spinning spinning = rs_spin_begin(&pool->spin);

    pool->is_spinning = true;
    pool->coming++;
    // Relaxed, both: as in call_spinner().
    atomic_store_explicit(&pool->called, false, memory_order_relaxed);
    rs_unlock(&pool->lock);
    while (!atomic_load_explicit(&pool->called, memory_order_relaxed) &&
           rs_spin_goes_on(&spinning)) {
    }
    rs_lock(&pool->lock);
    pool->coming--;
    pool->is_spinning = false;
    return true;
}

// Call with the lock held; it is released for the time of the sleep. Returns false if the time was
// over. The thread may have been chosen all the same: the caller looks at the queue. `has_spun`: in
// vain, just before.
static bool idle_wait(struct rs_blocking_pool *pool, struct pool_thread *thread, bool has_spun)
{
    int err;

    // Relaxed: the lock orders it before the store of whoever finds us in the list.
    atomic_store_explicit(&thread->woken, 0, memory_order_relaxed);
    rs_list_push_front(&pool->idle, &thread->link);
    rs_unlock(&pool->lock);
    uint64_t begin_ns = rouse_now_ns();
    err = word_wait(&thread->woken, 0, pool->keep_alive_ns);
    uint64_t slept_ns = rouse_now_ns() - begin_ns;
    rs_lock(&pool->lock);
    if (has_spun) {
        rs_spin_was_in_vain(&pool->spin, err != -ETIMEDOUT);
    } else {
        rs_spin_slept(&pool->spin, slept_ns, err != -ETIMEDOUT);
    }
    if (rs_list_is_empty(&thread->link)) {
        pool->coming--;
    } else {
        rs_list_remove(&thread->link);
    }
    return err != -ETIMEDOUT;
}

// Call with the lock held, which is released. The last thread wakes whoever waits for the end.
static void thread_leave(struct rs_blocking_pool *pool)
{
    bool join = pool->has_left;
    pthread_t before = pool->left;
    bool last;

    threads_add(pool, -1);
    last = pool->threads == 0;
    pool->has_left = true;
    pool->left = pthread_self();
    // Relaxed: under the lock, through which rs_blocking_pool_wait() sees whom to join.
    if (last) atomic_fetch_add_explicit(&pool->exits, 1, memory_order_relaxed);
    rs_unlock(&pool->lock);
    // The pool stays until we are joined, which nobody does before we return.
    if (last) word_wake(&pool->exits);
    if (join) (void)pthread_join(before, NULL);
}

static void *pool_thread(void *arg)
{
    struct rs_blocking_pool *pool = arg;
    struct pool_thread thread = {.woken = 0};
    bool stays = true;

    rs_thread_set_name("rouse-blocking");
    rs_list_init(&thread.link);

    rs_lock(&pool->lock);
    pool->coming--;
    while (stays) {
        bool has_spun = run_queued(pool) && spin(pool);

        if (has_spun && pool->queued > 0) {
            rs_spin_paid(&pool->spin);
            continue;
        }
        // A job may have come while the time ran out.
        stays = !pool->closed && (idle_wait(pool, &thread, has_spun) || pool->queued > 0);
    }
    thread_leave(pool);
    return NULL;
}

// Fails the queued jobs that nobody will run: for as long as the pool is closed or has no thread.
static void fail_queued(struct rs_blocking_pool *pool, int err)
{
    for (;;) {
        struct rs_blocking_job *job = NULL;

        rs_lock(&pool->lock);
        if (pool->closed || pool->threads == 0) job = queue_pop(pool);
        rs_unlock(&pool->lock);
        if (job == NULL) return;
        job_end(pool, job, err);
    }
}

// Call with the lock held. Chooses an idle thread; NULL if there is none. The caller wakes it, with
// or without the lock: should it be gone by then, only its address is used.
static struct pool_thread *choose(struct rs_blocking_pool *pool)
{
    struct rs_list *link = rs_list_pop_front(&pool->idle);
    struct pool_thread *thread;

    if (link == NULL) return NULL;
    thread = ROUSE_CONTAINER_OF(link, struct pool_thread, link);
    pool->coming++;
    // Relaxed: what matters is the list, under the lock; the word only ends the sleep.
    atomic_store_explicit(&thread->woken, 1, memory_order_relaxed);
    return thread;
}

// Call with the lock held, after a thread could not be started. Those that are idle come instead,
// where the one that did not start had been counted on.
static void make_up_for(struct rs_blocking_pool *pool)
{
    threads_add(pool, -1);
    pool->coming--;
    while (pool->queued > pool->coming) {
        struct pool_thread *thread = choose(pool);

        if (thread == NULL) break;
        word_wake(&thread->woken);
    }
    // Relaxed: as in thread_leave().
    if (pool->threads == 0) atomic_fetch_add_explicit(&pool->exits, 1, memory_order_relaxed);
}

// Starts a thread that is counted already. If there is none then, no queued job has anybody to run
// it: they all fail, `job` by what this returns.
static int start_thread(struct rs_blocking_pool *pool, struct rs_blocking_job *job)
{
    pthread_t thread;
    bool refused = false;
    bool last;

    if (rs_thread_start(&thread, pool_thread, pool) == 0) return 0;
    rs_lock(&pool->lock);
    make_up_for(pool);
    last = pool->threads == 0;
    if (last && !rs_list_is_empty(&job->link)) {
        refused = true;
        rs_list_remove(&job->link);
        pool->queued--;
        job->pool = NULL;
        (void)job_gone(pool);
    }
    rs_unlock(&pool->lock);
    if (last) {
        fail_queued(pool, -EAGAIN);
        word_wake(&pool->exits);
    }
    return refused ? -EAGAIN : 0;
}

int rs_blocking_pool_submit(struct rs_blocking_pool *pool, struct rs_blocking_job *job)
{
    struct pool_thread *chosen = NULL;
    bool start = false;
    int err = 0;

    rs_list_init(&job->link);
    rs_lock(&pool->lock);
    if (pool->closed) {
        err = -ECANCELED;
    } else if (pool->queued >= pool->queue_max + pool->coming) {
        err = -EAGAIN;
    } else {
        job->pool = pool;
        job_counted(pool);
        rs_list_push_back(&pool->queue, &job->link);
        pool->queued++;
        call_spinner(pool);
        if (pool->queued > pool->coming) chosen = choose(pool);
        start = pool->queued > pool->coming && pool->threads < pool->threads_max;
        threads_add(pool, start);
        pool->coming += start;
    }
    rs_unlock(&pool->lock);
    rs_chaos_delay();
    if (chosen != NULL) word_wake(&chosen->woken);
    return start ? start_thread(pool, job) : err;
}

// Holding the job's lock keeps the pool alive: a thread or the closer that has popped the job waits
// for the lock before it ends it, and while the job is queued the pool is not done.
bool rs_blocking_job_take_back(struct rs_blocking_job *job)
{
    bool taken = false;

    rs_lock(&job->lock);
    if (job->pool != NULL) {
        struct rs_blocking_pool *pool = job->pool;

        rs_lock(&pool->lock);
        if (!rs_list_is_empty(&job->link)) {
            taken = true;
            rs_list_remove(&job->link);
            pool->queued--;
            job->pool = NULL;
            (void)job_gone(pool);
        }
        rs_unlock(&pool->lock);
    }
    rs_unlock(&job->lock);
    return taken;
}

void rs_blocking_pool_close(struct rs_blocking_pool *pool)
{
    struct pool_thread *thread;

    rs_lock(&pool->lock);
    pool->closed = true;
    call_spinner(pool);
    while ((thread = choose(pool)) != NULL) {
        word_wake(&thread->woken);
    }
    rs_unlock(&pool->lock);
    fail_queued(pool, -ECANCELED);
}

// The time by which threads sleep. It goes on under a virtual clock, and so do running jobs.
static uint64_t real_now_ns(void)
{
    struct timespec now = {0};

    (void)rs_sys.clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * ROUSE_NS_PER_S + (uint64_t)now.tv_nsec;
}

// `deadline_ns`, on the clock in force, as a time of real_now_ns().
static uint64_t real_deadline(uint64_t deadline_ns)
{
    uint64_t now_ns = rouse_now_ns();
    uint64_t real_ns = real_now_ns();

    if (deadline_ns <= now_ns) return real_ns;
    return deadline_ns - now_ns > ROUSE_NEVER - real_ns
               ? ROUSE_NEVER
               : real_ns + (deadline_ns - now_ns);
}

static bool has_threads(struct rs_blocking_pool *pool)
{
    rs_lock(&pool->lock);
    bool has = pool->threads > 0;
    rs_unlock(&pool->lock);
    return has;
}

bool rs_blocking_pool_wait(struct rs_blocking_pool *pool, uint64_t deadline_ns)
{
    uint64_t end_ns = real_deadline(deadline_ns);

    rouse_assert(pool->closed, "close the pool before waiting for its end");
    for (;;) {
        // Relaxed: the lock orders. Read before the threads are counted under it: if the last one
        // leaves after that, the word has changed and the sleep below does not begin.
        uint32_t exits = atomic_load_explicit(&pool->exits, memory_order_relaxed);

        if (!has_threads(pool)) break;

        uint64_t now_ns = real_now_ns();

        if (now_ns >= end_ns) return false;
        (void)word_wait(&pool->exits, exits, end_ns == ROUSE_NEVER ? end_ns : end_ns - now_ns);
    }
    // The last one to leave joins the others, and nobody leaves any more.
    if (pool->has_left) (void)pthread_join(pool->left, NULL);
    pool->has_left = false;
    return true;
}

void rs_blocking_pool_deinit(struct rs_blocking_pool *pool)
{
    // Nothing is left of either, but in a child: they are not there.
    rs_counter_add(RS_COUNTER_THREADS, -(int64_t)pool->threads);
    rs_counter_add(RS_COUNTER_BLOCKING_JOBS, -(int64_t)rs_blocking_pool_jobs(pool));
    *pool = (struct rs_blocking_pool){.closed = true};
}
