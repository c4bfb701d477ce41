// SPDX-License-Identifier: MIT
//
// An executor of one's own: a scheduler is one function and a queue, and a loop over
// rouse_task_run(). This one is single-threaded, and other threads may wake its tasks.

#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/task.h>

#include "harness/api.h"
#include "harness/leaks.h"

struct queue {
    struct rouse_scheduler base;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct rouse_task *first;  // all under the lock
    struct rouse_task *last;
    int scheduled;
};

static void queue_schedule(struct rouse_scheduler *self, struct rouse_task *task)
{
    struct queue *q = ROUSE_CONTAINER_OF(self, struct queue, base);

    pthread_mutex_lock(&q->lock);
    *rouse_task_link(task) = NULL;
    if (q->first == NULL) {
        q->first = task;
    } else {
        *rouse_task_link(q->last) = task;
    }
    q->last = task;
    q->scheduled++;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

static struct queue queue = {.base.schedule = queue_schedule,
                             .lock = PTHREAD_MUTEX_INITIALIZER,
                             .filled = PTHREAD_COND_INITIALIZER};

static struct rouse_task *queue_pop(bool wait)
{
    pthread_mutex_lock(&queue.lock);
    while (queue.first == NULL && wait) {
        pthread_cond_wait(&queue.filled, &queue.lock);
    }
    struct rouse_task *task = queue.first;

    if (task != NULL) queue.first = *rouse_task_link(task);
    pthread_mutex_unlock(&queue.lock);
    return task;
}

static _Atomic int released;

// Yields some times, or waits at the gate.
struct job {
    struct rouse_future base;
    struct gate_wait wait;
    struct gate *gate;
    int yields;
};

static rouse_poll job_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct job *job = ROUSE_CONTAINER_OF(self, struct job, base);

    CHECK(rouse_context_task(cx) != NULL);
    if (job->gate != NULL) return rouse_future_poll(&job->wait.base, cx);
    if (job->yields-- == 0) return ROUSE_READY;
    rouse_waker_wake_by_ref(rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static void job_drop(struct rouse_future *self)
{
    struct job *job = ROUSE_CONTAINER_OF(self, struct job, base);

    if (job->gate != NULL) rouse_future_drop(&job->wait.base);
    count_add(&released, 1);
}

static int64_t job_result(const struct rouse_future *self)
{
    (void)self;
    return 21;
}

static const struct rouse_future_vtable job_ended = {
    .drop = job_drop, .name = "job", .result = job_result};
static const struct rouse_future_vtable job_vtable = {
    .poll = job_poll, .drop = job_drop, .name = "job", .ended = &job_ended};

static void job_init(struct rouse_future *storage, void *arg)
{
    struct job *job = ROUSE_CONTAINER_OF(storage, struct job, base);

    *job = *(struct job *)arg;
    job->base.vtable = &job_vtable;
    if (job->gate != NULL) gate_wait_init(&job->wait, job->gate);
}

static int spawn_job(struct rouse_join_handle *handle, struct job job)
{
    const struct rouse_future_spec spec = {.size = sizeof job, .init = job_init, .arg = &job};
    const struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = "job", .site = ROUSE_SITE};

    return rouse_task_spawn(&queue.base, handle, &spec, &attrs);
}

static void run_five_jobs(void)
{
    struct rouse_join_handle handles[5];
    struct rouse_task *task;
    int runs = 0;

    for (int i = 0; i < 5; i++) {
        CHECK_EQ(spawn_job(&handles[i], (struct job){.yields = i}), 0);
    }
    CHECK_EQ(queue.scheduled, 5);
    while ((task = queue_pop(false)) != NULL) {
        CHECK_EQ(rouse_task_name(task)[0], 'j');
        if (rouse_task_run(task, NULL) == ROUSE_TASK_ENDED) runs++;
    }
    CHECK_EQ(runs, 5);
    CHECK_EQ(queue.scheduled, 5 + 0 + 1 + 2 + 3 + 4);
    CHECK_EQ(count_get(&released), 0);
    for (int i = 0; i < 5; i++) {
        CHECK(poll_by_hand(&handles[i].base) == ROUSE_READY);
        CHECK_EQ(joined(&handles[i]), 21);
    }
    CHECK_EQ(count_get(&released), 5);
}

static void *open_gate_soon(void *gate)
{
    nap_ns(2 * MS);
    gate_open(gate);
    return NULL;
}

static void wake_one_and_abort_one(void)
{
    struct gate gates[2] = {0};
    struct rouse_join_handle waker;
    struct rouse_join_handle victim;
    struct rouse_task *task;

    CHECK_EQ(spawn_job(&waker, (struct job){.gate = &gates[0]}), 0);
    CHECK_EQ(spawn_job(&victim, (struct job){.gate = &gates[1]}), 0);
    CHECK(rouse_task_run(queue_pop(false), NULL) == ROUSE_TASK_WAITING);
    CHECK(rouse_task_run(queue_pop(false), NULL) == ROUSE_TASK_WAITING);
    CHECK(queue_pop(false) == NULL);

    pthread_t thread = thread_start(open_gate_soon, &gates[0]);

    task = queue_pop(true);
    CHECK(rouse_task_run(task, NULL) == ROUSE_TASK_ENDED);
    thread_join(thread);
    CHECK(poll_by_hand(&waker.base) == ROUSE_READY);
    CHECK_EQ(joined(&waker), 21);

    rouse_abort(&victim);
    rouse_abort(&victim);
    task = queue_pop(false);
    CHECK(queue_pop(false) == NULL);
    CHECK(rouse_task_run(task, NULL) == ROUSE_TASK_ENDED);
    CHECK_EQ(count_get(&released), 2);
    CHECK(poll_by_hand(&victim.base) == ROUSE_READY);
    CHECK_EQ(joined(&victim), -ECANCELED);
    CHECK_EQ(count_get(&released), 2);
}

static void run_detached_jobs(void)
{
    struct rouse_join_handle handle;

    CHECK_EQ(spawn_job(NULL, (struct job){.yields = 0}), 0);
    CHECK_EQ(spawn_job(&handle, (struct job){.yields = 0}), 0);
    rouse_detach(&handle);
    CHECK(rouse_task_run(queue_pop(false), NULL) == ROUSE_TASK_ENDED);
    CHECK_EQ(count_get(&released), 1);
    CHECK(rouse_task_run(queue_pop(false), NULL) == ROUSE_TASK_ENDED);
    CHECK_EQ(count_get(&released), 2);
}

// The memory of such tasks comes from a heap of the process, which keeps what it has: so the second
// time counts.
static void run_twice(void (*fn)(void))
{
    struct leaks before;

    fn();
    leaks_start(&before);
    count_add(&released, -count_get(&released));
    queue.scheduled = 0;
    fn();
    leaks_check(&before);
}

static void tasks_run_on_a_foreign_scheduler(void)
{
    run_twice(run_five_jobs);
}

static void wakes_and_aborts_schedule_once(void)
{
    run_twice(wake_one_and_abort_one);
}

static void detached_task_frees_itself(void)
{
    run_twice(run_detached_jobs);
}

static void oversized_future_is_refused(void)
{
    const struct rouse_future_spec spec = {.size = (128 << 10) + 1, .init = job_init};

    CHECK_EQ(rouse_task_spawn(&queue.base, NULL, &spec, NULL), -E2BIG);
    CHECK_EQ(queue.scheduled, 0);
}

const struct api_test API_TESTS[] = {
    {PLAIN(tasks_run_on_a_foreign_scheduler), .any_reactor = true, .any_style = true,
     .lasting = true},
    {PLAIN(wakes_and_aborts_schedule_once), .any_reactor = true, .any_style = true,
     .lasting = true},
    {PLAIN(detached_task_frees_itself), .any_reactor = true, .any_style = true, .lasting = true},
    {PLAIN(oversized_future_is_refused), .any_reactor = true, .any_style = true, .lasting = true},
    {0}};
