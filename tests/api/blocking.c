// SPDX-License-Identifier: MIT
//
// The blocking pool: results, jobs that run while tasks go on, jobs that are taken back or left
// behind, and who releases their arguments.

#include <rouse/blocking.h>
#include <rouse/cancel.h>
#include <rouse/error.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <stdlib.h>

#include "harness/api.h"

static _Atomic int began;
static _Atomic int finished;
static _Atomic int released;
static struct gate gate;

static void release(void *arg)
{
    count_add(&released, 1);
    free(arg);
}

static int64_t square(void *arg)
{
    int64_t *number = arg;

    CHECK_EQ(rouse_worker_index(), -1);
    count_add(&finished, 1);
    return *number * *number;
}

static int64_t wait_at_gate(void *arg)
{
    (void)arg;
    count_add(&began, 1);
    while (!gate_is_open(&gate)) {
        nap_ns(200 * ROUSE_NS_PER_US);
    }
    count_add(&finished, 1);
    return -ENOENT;
}

struct job_returns_its_result {
    struct body body;
    int64_t *number;
    struct rouse_blocking job;
};

static rouse_poll job_returns_its_result(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(job_returns_its_result, frame, cx);
    f->number = malloc(sizeof *f->number);
    *f->number = 12;
    rouse_blocking_init(&f->job, square, f->number, release);
    AWAIT(&f->job.base);
    CHECK_EQ(f->job.output, 0);
    CHECK_EQ(f->job.result, 144);
    rouse_future_drop(&f->job.base);
    CHECK_WITHIN(count_get(&released), 0, 1);  // by whoever is last
    BODY_END();
}

enum { JOBS = 40 };

// Squares a number on the pool.
struct client {
    struct body body;
    int64_t number;
    struct rouse_blocking job;
};

static rouse_poll client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(client, frame, cx);
    rouse_blocking_init(&f->job, square, &f->number, NULL);
    AWAIT(&f->job.base);
    CHECK_EQ(f->job.output, 0);
    BODY_RETURN(f->job.result);
    BODY_END();
}

struct many_jobs_each_run_once {
    struct body body;
    int next;
    struct rouse_join_handle handles[JOBS];
};

static rouse_poll many_jobs_each_run_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(many_jobs_each_run_once, frame, cx);
    for (int i = 0; i < JOBS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], client, .number = i), 0);
    }
    for (f->next = 0; f->next < JOBS; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), f->next * f->next);
    }
    CHECK_EQ(count_get(&finished), JOBS);
    BODY_END();
}

// Waits for a job that waits at the gate.
struct blocked {
    struct body body;
    struct rouse_blocking job;
};

static rouse_poll blocked(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(blocked, frame, cx);
    rouse_blocking_init(&f->job, wait_at_gate, malloc(1), release);
    AWAIT(&f->job.base);
    if (f->job.output < 0) BODY_RETURN(f->job.output);
    BODY_RETURN(f->job.result);
    BODY_END();
}

struct tasks_go_on_while_a_job_runs {
    struct body body;
    int naps;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll tasks_go_on_while_a_job_runs(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(tasks_go_on_while_a_job_runs, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, blocked, .body.end = NULL), 0);
    for (f->naps = 0; f->naps < 5 || count_get(&began) == 0; f->naps++) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    CHECK_EQ(count_get(&finished), 0);
    gate_open(&gate);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ENOENT);
    BODY_END();
}

struct dropped_future_leaves_a_running_job_behind {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll dropped_future_leaves_a_running_job_behind(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_future_leaves_a_running_job_behind, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, blocked, .body.end = NULL), 0);
    while (count_get(&began) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    CHECK_EQ(count_get(&finished), 0);
    CHECK_EQ(count_get(&released), 0);
    gate_open(&gate);
    while (count_get(&released) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    CHECK_EQ(count_get(&finished), 1);
    CHECK_EQ(count_get(&released), 1);
    BODY_END();
}

struct dropped_unpolled_future_releases_its_argument {
    struct body body;
    struct rouse_blocking job;
};

static rouse_poll dropped_unpolled_future_releases_its_argument(void *frame,
                                                                struct rouse_context *cx)
{
    BODY_BEGIN(dropped_unpolled_future_releases_its_argument, frame, cx);
    rouse_blocking_init(&f->job, wait_at_gate, malloc(1), release);
    rouse_future_drop(&f->job.base);
    CHECK_EQ(count_get(&released), 1);
    rouse_future_drop(&f->job.base);
    CHECK_EQ(count_get(&released), 1);
    CHECK_EQ(count_get(&began), 0);
    BODY_END();
}

// A runtime with a pool of one thread and a queue of one: the first job runs, the second waits,
// the third finds no room.
static void queued_job_is_taken_back_and_a_full_queue_refuses(void)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 2, .blocking_threads = 1, .blocking_queue = 1};
    struct body_target target = {0};
    struct rouse_join_handle first;
    struct rouse_join_handle second;
    struct rouse_join_handle third;

    CHECK_EQ(rouse_runtime_new(&target.runtime, &options), 0);
    CHECK_EQ(SPAWN_ON(&target, &first, blocked, .body.end = NULL), 0);
    while (count_get(&began) == 0) {
        nap_ns(MS);
    }
    CHECK_EQ(SPAWN_ON(&target, &second, blocked, .body.end = NULL), 0);
    nap_ns(5 * MS);
    CHECK_EQ(SPAWN_ON(&target, &third, blocked, .body.end = NULL), 0);
    CHECK_EQ(rouse_block_on(target.runtime, &third.base), 0);
    CHECK_EQ(joined(&third), -EAGAIN);
    CHECK_EQ(count_get(&released), 1);

    rouse_abort(&second);
    CHECK_EQ(rouse_block_on(target.runtime, &second.base), 0);
    CHECK_EQ(joined(&second), -ECANCELED);
    CHECK_EQ(count_get(&began), 1);
    CHECK_EQ(count_get(&released), 2);

    gate_open(&gate);
    CHECK_EQ(rouse_block_on(target.runtime, &first.base), 0);
    CHECK_EQ(joined(&first), -ENOENT);
    rouse_runtime_free(target.runtime);
    CHECK_EQ(count_get(&began), 1);
    CHECK_EQ(count_get(&released), 3);
}

#ifdef ROUSE_TEST_STYLE_FIBER
static int wait_shielded(void *arg)
{
    int64_t result = 0;

    CHECK_EQ(rouse_blocking(wait_at_gate, arg, &result), 0);
    CHECK_EQ(result, -ENOENT);
    CHECK(rouse_is_cancelled());
    CHECK_EQ(rouse_blocking(wait_at_gate, arg, NULL), -ECANCELED);
    return 6;
}

struct direct_form_is_shielded_once_the_job_has_begun {
    struct body body;
    struct rouse_join_handle handle;
    int64_t number;
    int64_t result;
};

static rouse_poll direct_form_is_shielded_once_the_job_has_begun(void *frame,
                                                                 struct rouse_context *cx)
{
    BODY_BEGIN(direct_form_is_shielded_once_the_job_has_begun, frame, cx);
    f->number = 9;
    CHECK_EQ(rouse_blocking(square, &f->number, &f->result), 0);
    CHECK_EQ(f->result, 81);
    CHECK_EQ(rouse_spawn(&f->handle, wait_shielded, NULL), 0);
    while (count_get(&began) == 0) {
        CHECK_EQ(rouse_sleep(MS), 0);
    }
    rouse_abort(&f->handle);
    CHECK_EQ(rouse_sleep(3 * MS), 0);
    gate_open(&gate);
    CHECK_EQ(rouse_join(&f->handle), 6);
    CHECK_EQ(count_get(&began), 1);
    BODY_END();
}
#endif

static void plain_thread_calls_it_itself(void)
{
    int64_t number = 5;
    int64_t result = 0;

    CHECK_EQ(rouse_blocking(square, &number, &result), 0);
    CHECK_EQ(result, 25);
}

const struct api_test API_TESTS[] = {
    {TEST(job_returns_its_result)},
    {TEST(many_jobs_each_run_once), .any_reactor = true},
    {TEST(tasks_go_on_while_a_job_runs)},
    {TEST(dropped_future_leaves_a_running_job_behind)},
    {TEST(dropped_unpolled_future_releases_its_argument), .any_reactor = true},
    {PLAIN(queued_job_is_taken_back_and_a_full_queue_refuses), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_form_is_shielded_once_the_job_has_begun)},
#endif
    {PLAIN(plain_thread_calls_it_itself), .any_reactor = true, .any_style = true},
    {0}};
