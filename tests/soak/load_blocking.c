// SPDX-License-Identifier: MIT
//
// Blocking jobs: each sleeps a little on the pool and returns what its argument says. Some are
// given up while they are queued or running; what a job was given is released exactly once.

#include <errno.h>

#include "soak.h"

static _Atomic int64_t made;
static _Atomic int64_t freed;

struct job {
    uint64_t nap_ns;
    int64_t answer;
};

static int64_t job_run(void *arg)
{
    const struct job *job = arg;

    stress_nap(job->nap_ns);
    return job->answer;
}

static void job_free(void *arg)
{
    free(arg);
    (void)stress_add(&freed, 1);
}

struct jobs {
    struct body body;
    struct soak_actor *actor;
    struct rouse_blocking blocking;
    struct rouse_timeout timeout;
    struct rouse_sleep pause;
    int64_t answer;
    bool hasty;
};

static void job_begin(struct jobs *f)
{
    struct job *job = malloc(sizeof *job);

    if (job == NULL) stress_must(-ENOMEM, "job");
    f->answer = (int64_t)(claim_random(&f->actor->random) >> 1);
    f->hasty = soak_below(f->actor, 4) == 0;
    *job = (struct job){.nap_ns = soak_below(f->actor, 2 * ROUSE_NS_PER_MS), .answer = f->answer};
    (void)stress_add(&made, 1);
    soak_operation_begin(f->actor);
    rouse_blocking_init(&f->blocking, job_run, job, job_free);
    rouse_timeout_init(&f->timeout, &f->blocking.base,
                       f->hasty ? rouse_deadline_after(soak_below(f->actor, ROUSE_NS_PER_MS))
                                : soak_bound());
}

static void job_end(struct jobs *f)
{
    soak_operation_end(f->actor);
    if (f->timeout.output == -ETIMEDOUT) {
        if (!f->hasty) soak_wrong("a job did not end", -ETIMEDOUT);
        return;
    }
    if (f->blocking.output != 0) soak_wrong("a job", f->blocking.output);
    if (f->blocking.result != f->answer) soak_wrong("a job's answer", f->blocking.result);
    rouse_future_drop(&f->blocking.base);
}

static rouse_poll jobs(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(jobs, frame, cx);
    while (!soak_is_over()) {
        job_begin(f);
        AWAIT(&f->timeout.base);
        job_end(f);
        rouse_sleep_init(&f->pause, soak_below(f->actor, 4 * ROUSE_NS_PER_MS));
        AWAIT(&f->pause.base);
    }
    BODY_END();
}

static int spawn(const struct body_target *target, struct rouse_join_handle *handle,
                 struct soak_actor *actor)
{
    return SPAWN_ON(target, handle, jobs, .actor = actor);
}

static void arguments_wait(struct rouse_runtime *runtime)
{
    uint64_t deadline = soak_bound();

    (void)runtime;
    while (stress_get(&freed) < stress_get(&made) && rouse_now_ns() < deadline) {
        stress_nap(ROUSE_NS_PER_MS);
    }
    if (stress_get(&freed) != stress_get(&made)) {
        soak_wrong("arguments of jobs not released once", stress_get(&made) - stress_get(&freed));
    }
}

const struct soak_load SOAK_LOAD(blocking) = {
    .name = "blocking", .actors = 2, .close = arguments_wait, .spawn = spawn};
