// SPDX-License-Identifier: MIT
//
// A pool of workers: fibers that take jobs from one channel, each as it gets to it, and send
// results to another. A job that fails is a result like others. The pool closes in order: who hands
// out the jobs gives up his end, so the workers run out of jobs; they give up theirs, so the
// results end.

#include <errno.h>
#include <rouse.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 4, JOBS = 100, PLACES = 8 };

struct result {
    unsigned job, steps;
    int err;
};

// With shares of its own in both ends.
struct worker {
    struct rouse_channel_receiver *jobs;
    struct rouse_channel_sender *results;
};

// How many steps it takes to get to 1: halve it, or if it is odd, triple it and add one.
static struct result job_run(unsigned job)
{
    struct result result = {.job = job, .err = job == 0 ? -EDOM : 0};

    for (unsigned n = job; n > 1; result.steps++) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return result;
}

static void worker_end(struct worker *self)
{
    rouse_channel_receiver_unref(self->jobs);
    rouse_channel_sender_unref(self->results);
}

static int work(void *arg)
{
    struct worker *self = arg;
    unsigned job;
    int err;

    while ((err = rouse_channel_receive(self->jobs, &job)) == 0) {
        struct result result = job_run(job);

        if ((err = rouse_channel_send(self->results, &result)) < 0) break;
    }
    worker_end(self);
    return err == -EPIPE ? 0 : err;  // no more jobs, or nobody wants the results
}

static int hand_out(void *arg)
{
    struct rouse_channel_sender *jobs = arg;  // taken
    int err = 0;

    for (unsigned job = 0; job < JOBS && err == 0; job++) err = rouse_channel_send(jobs, &job);
    rouse_channel_sender_unref(jobs);
    return err == -EPIPE ? 0 : err;
}

// Ends when the last worker has gone.
static int collect(struct rouse_channel_receiver *results)
{
    unsigned done = 0, failed = 0, steps = 0;
    struct result result;
    int err;

    while ((err = rouse_channel_receive(results, &result)) == 0) {
        if (result.err < 0) printf("job %u: %s\n", result.job, rouse_strerror(result.err));
        result.err < 0 ? failed++ : done++;
        steps += result.steps;
    }
    if (err != -EPIPE) return err;
    printf("%u jobs done in %u steps, %u failed\n", done, steps, failed);
    return 0;
}

// Each of the ends is given up here as soon as those who go on using it have shares of their own.
static int run(void *unused)
{
    struct rouse_channel_receiver *job_rx = NULL, *result_rx = NULL;
    struct rouse_channel_sender *job_tx = NULL, *result_tx = NULL;
    struct worker workers[WORKERS];
    struct rouse_scope scope;
    int err = rouse_channel_new(&job_tx, &job_rx, sizeof(unsigned), PLACES);

    (void)unused;
    if (err == 0) err = rouse_channel_new(&result_tx, &result_rx, sizeof(struct result), PLACES);
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < WORKERS && err == 0; i++) {
        workers[i] = (struct worker){rouse_channel_receiver_ref(job_rx),
                                     rouse_channel_sender_ref(result_tx)};
        err = rouse_scope_spawn(&scope, NULL, work, &workers[i]);
        if (err < 0) worker_end(&workers[i]);
    }
    if (err == 0) err = rouse_scope_spawn(&scope, NULL, hand_out, job_tx);
    if (err < 0) rouse_channel_sender_unref(job_tx);
    rouse_channel_receiver_unref(job_rx);
    rouse_channel_sender_unref(result_tx);
    if (err == 0) err = collect(result_rx);
    rouse_channel_receiver_unref(result_rx);
    int ended = rouse_scope_wait(&scope, NULL);

    return err < 0 ? err : ended;
}

int main(int argc, char **argv)
{
    bool wants_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    if (argc > 1) {
        fputs("Usage: worker_pool [--help]\nHands jobs to workers.\n",
              wants_help ? stdout : stderr);
        return wants_help ? 0 : 2;
    }
    int err = rouse_run(run, NULL);

    if (err < 0) fprintf(stderr, "worker_pool: %s\n", rouse_strerror(err));
    return err < 0;
}
