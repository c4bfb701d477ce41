// SPDX-License-Identifier: MIT
//
// The idle set: each transition, then the whole protocol of idle.h in a scheduler of a few lines:
// workers with run queues, thieves among them, an injection queue, an inbox each, and submitters
// that stop and go. A lost wake-up leaves a task behind with every worker asleep, and is seen as
// a submitter's wait that does not end.

#include "sched/idle.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "claim.h"
#include "sched/inbox.h"
#include "sched/inject.h"
#include "sched/runq.h"

enum { WORKERS = 3, SUBMITTERS = 2, ROUNDS = 8000, TASKS_MAX = 12, PATIENCE_S = 20 };

static struct rs_idle set;

static bool enter_and_leave(void)
{
    rs_idle_init(&set);
    for (unsigned i = 0; i < RS_WORKERS_MAX; i++) {
        rs_idle_enter(&set, i, false);
    }
    if (rs_idle_sleepers(&set) != (UINT64_C(1) << RS_WORKERS_MAX) - 1) return false;
    for (unsigned i = 0; i < RS_WORKERS_MAX; i++) {
        if (!rs_idle_leave(&set, i)) return false;
    }
    return rs_idle_sleepers(&set) == 0 && rs_idle_searchers(&set) == 0;
}

static bool pick_wakes_one_while_none_searches(void)
{
    rs_idle_init(&set);
    if (rs_idle_pick(&set) != -1) return false;
    rs_idle_enter(&set, 5, false);
    rs_idle_enter(&set, 55, false);
    if (rs_idle_pick(&set) != 5 || rs_idle_searchers(&set) != 1) return false;
    if (rs_idle_pick(&set) != -1) return false;
    if (rs_idle_leave(&set, 5)) return false;
    if (!rs_idle_search_end(&set)) return false;
    if (rs_idle_pick(&set) != 55 || rs_idle_leave(&set, 55)) return false;
    rs_idle_enter(&set, 55, true);
    return rs_idle_searchers(&set) == 0 && rs_idle_sleepers(&set) == UINT64_C(1) << 55;
}

static bool take_wakes_the_one_named(void)
{
    rs_idle_init(&set);
    rs_idle_enter(&set, 0, false);
    rs_idle_enter(&set, 1, false);
    if (rs_idle_take(&set, 2) || !rs_idle_take(&set, 1) || rs_idle_take(&set, 1)) return false;
    if (rs_idle_searchers(&set) != 1 || rs_idle_sleepers(&set) != 1) return false;
    // A search does not keep it from waking the one that alone may run the task.
    return rs_idle_take(&set, 0) && rs_idle_searchers(&set) == 2;
}

static bool searches_are_limited_and_the_last_is_told(void)
{
    rs_idle_init(&set);
    if (!rs_idle_search_begin(&set, 2) || !rs_idle_search_begin(&set, 2)) return false;
    if (rs_idle_search_begin(&set, 2) || rs_idle_searchers(&set) != 2) return false;
    return !rs_idle_search_end(&set) && rs_idle_search_end(&set);
}

struct job {
    struct rs_task_link link;  // first, so a link is its job
    sem_t *done;
    struct job *child;  // pushed by the worker that runs this one
};

struct worker {
    struct rs_runq runq;
    struct rs_inbox inbox;
    sem_t wake;
    unsigned index;
    bool searching;
    uint64_t random;
};

static struct worker workers[WORKERS];
static struct rs_inject inject;
static _Atomic bool closing;
static _Atomic uint32_t sleeps;

static void wake_one(void)
{
    int index = rs_idle_pick(&set);

    if (index >= 0) sem_post(&workers[index].wake);
}

static void push_job(struct worker *w, struct job *job)
{
    if (!rs_runq_push(&w->runq, &job->link, true)) rs_inject_push(&inject, &job->link);
    wake_one();
}

static void run_jobs(struct worker *w, struct rs_task_link *task)
{
    while (task != NULL) {
        struct job *job = (struct job *)(void *)task;

        task = task->next;  // a job may be gone once it is done
        if (job->child != NULL) push_job(w, job->child);
        sem_post(job->done);
    }
}

// The next task or tasks, linked.
static struct rs_task_link *find_work(struct worker *w)
{
    struct rs_task_link *task = rs_inbox_take(&w->inbox);

    if (task != NULL) return task;
    task = rs_runq_pop(&w->runq);
    if (task == NULL) task = rs_inject_pop(&inject);
    if (task == NULL && !w->searching) w->searching = rs_idle_search_begin(&set, WORKERS / 2);
    for (unsigned i = 1; task == NULL && w->searching && i < WORKERS; i++) {
        task = rs_runq_steal(&workers[(w->index + i) % WORKERS].runq, &w->runq);
    }
    if (task != NULL) task->next = NULL;
    return task;
}

static bool sees_work(const struct worker *w)
{
    if (!rs_inbox_seems_empty(&w->inbox) || !rs_inject_seems_empty(&inject)) return true;
    for (unsigned i = 0; i < WORKERS; i++) {
        if (!rs_runq_seems_empty(&workers[i].runq)) return true;
    }
    return atomic_load_explicit(&closing, memory_order_seq_cst);
}

// Now and then lets time pass where a submitter may come between.
static void dawdle(struct worker *w)
{
    uint64_t draw = claim_random(&w->random);

    if (draw % 64 == 0) sched_yield();
    for (uint64_t rounds = draw % 4 == 0 ? draw >> 8 & 511 : 0; rounds > 0; rounds--) {
        rs_cpu_relax();
    }
}

static void park(struct worker *w)
{
    dawdle(w);
    rs_idle_enter(&set, w->index, w->searching);
    dawdle(w);
    if (!sees_work(w)) {
        dawdle(w);
        atomic_fetch_add_explicit(&sleeps, 1, memory_order_relaxed);
        while (sem_wait(&w->wake) != 0) {
            continue;
        }
        w->searching = !rs_idle_leave(&set, w->index);
        return;
    }
    w->searching = !rs_idle_leave(&set, w->index);
    // Whoever took us out has posted, or will.
    if (w->searching) {
        while (sem_wait(&w->wake) != 0) {
            continue;
        }
    } else {
        w->searching = rs_idle_search_begin(&set, WORKERS);
    }
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;

    while (!atomic_load_explicit(&closing, memory_order_relaxed)) {
        struct rs_task_link *task = find_work(w);

        if (task == NULL) {
            park(w);
            continue;
        }
        if (w->searching && rs_idle_search_end(&set)) wake_one();
        w->searching = false;
        run_jobs(w, task);
    }
    return NULL;
}

static bool wait_patiently(sem_t *semaphore)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(semaphore, &until) != 0) {
        if (errno != EINTR) return false;
    }
    return true;
}

static void submit_pinned(struct worker *w, struct job *job)
{
    rs_inbox_push(&w->inbox, &job->link);
    if (rs_idle_take(&set, w->index)) sem_post(&w->wake);
}

// Each round: some jobs with a child each, then a wait for all of them, so that the workers come
// to rest again and again.
static void *submitter_run(void *arg)
{
    uint64_t random = 77 + (uint64_t)(uintptr_t)arg;
    sem_t done;
    bool good = sem_init(&done, 0, 0) == 0;

    for (int round = 0; good && round < ROUNDS; round++) {
        struct job jobs[TASKS_MAX][2];
        uint64_t count = claim_random(&random) % TASKS_MAX + 1;

        for (uint64_t i = 0; i < count; i++) {
            jobs[i][0] = (struct job){.done = &done, .child = &jobs[i][1]};
            jobs[i][1] = (struct job){.done = &done};
            if (claim_random(&random) % 4 == 0) {
                submit_pinned(&workers[claim_random(&random) % WORKERS], &jobs[i][0]);
            } else {
                rs_inject_push(&inject, &jobs[i][0].link);
                wake_one();
            }
        }
        for (uint64_t i = 0; good && i < 2 * count; i++) {
            good = wait_patiently(&done);
        }
    }
    // A job may still be inside sem_post(); but only a run that failed ends with jobs left.
    return good ? arg : NULL;
}

static void workers_start(pthread_t threads[WORKERS])
{
    rs_idle_init(&set);
    rs_inject_init(&inject);
    for (unsigned i = 0; i < WORKERS; i++) {
        rs_runq_init(&workers[i].runq);
        rs_inbox_init(&workers[i].inbox);
        workers[i].index = i;
        workers[i].random = 300 + i;
        if (sem_init(&workers[i].wake, 0, 0) != 0) abort();
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, worker_run, &workers[i]) != 0) abort();
    }
}

static void workers_stop(pthread_t threads[WORKERS])
{
    atomic_store_explicit(&closing, true, memory_order_seq_cst);
    for (unsigned i = 0; i < WORKERS; i++) {
        sem_post(&workers[i].wake);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
}

static bool no_wake_is_lost(void)
{
    pthread_t worker_threads[WORKERS];
    pthread_t submitters[SUBMITTERS];
    bool good = true;

    workers_start(worker_threads);
    for (uintptr_t i = 0; i < SUBMITTERS; i++) {
        if (pthread_create(&submitters[i], NULL, submitter_run, (void *)(i + 1)) != 0) abort();
    }
    for (unsigned i = 0; i < SUBMITTERS; i++) {
        void *result;

        pthread_join(submitters[i], &result);
        good = good && result != NULL;
    }
    if (!good) return false;
    workers_stop(worker_threads);
    printf("# the workers slept %u times\n", atomic_load_explicit(&sleeps, memory_order_relaxed));
    return rs_inject_seems_empty(&inject);
}

int main(void)
{
    claim(enter_and_leave(), "workers enter and leave the set");
    claim(pick_wakes_one_while_none_searches(), "pick wakes one sleeper while none searches");
    claim(take_wakes_the_one_named(), "take wakes the worker named, whoever searches");
    claim(searches_are_limited_and_the_last_is_told(), "searches are limited; the last is told");
    claim(no_wake_is_lost(), "a scheduler on this protocol loses no wake-up");
    return claims_end();
}
