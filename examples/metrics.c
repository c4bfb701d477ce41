// SPDX-License-Identifier: MIT
//
// What a runtime counts and measures of itself: runs some tasks of each kind, and prints the
// metrics, in Prometheus' text format. With ROUSE_TRACE=FILE in the environment it leaves a trace
// of the same.

#include <getopt.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 5 };

// Keeps its worker busy, and lets others run in between.
static int compute(void *arg)
{
    unsigned *sum = arg;

    for (unsigned step = 0; step < STEPS; step++) {
        for (volatile unsigned n = 0; n < 10000; n++) *sum += n;
        int err = rouse_yield();

        if (err < 0) return err;
    }
    return 0;
}

static int wait(void *unused)
{
    (void)unused;
    return rouse_sleep(5 * ROUSE_NS_PER_MS);
}

static int64_t block(void *unused)
{
    (void)unused;
    return usleep(1000);
}

static int call(void *unused)
{
    (void)unused;
    return rouse_blocking(block, NULL, NULL);
}

static int run_tasks(struct rouse_scope *scope, unsigned tasks, unsigned *sums)
{
    static const struct rouse_task_attrs computing = {.name = "compute", .site = ROUSE_SITE};
    static const struct rouse_task_attrs waiting = {.name = "wait", .site = ROUSE_SITE};
    static const struct rouse_task_attrs calling = {.name = "call", .site = ROUSE_SITE};
    int err = 0;

    for (unsigned i = 0; i < tasks && err == 0; i++) {
        err = rouse_scope_spawn_at(scope, NULL, compute, &sums[i], &computing);
        if (err == 0) err = rouse_scope_spawn_at(scope, NULL, wait, NULL, &waiting);
        if (err == 0 && i % 16 == 0) {
            err = rouse_scope_spawn_at(scope, NULL, call, NULL, &calling);
        }
    }
    return err;
}

static int run(void *arg)
{
    const unsigned *tasks = arg;
    unsigned *sums = calloc(*tasks, sizeof *sums);
    struct rouse_scope scope;

    if (sums == NULL) return -1;
    rouse_scope_open(&scope, ROUSE_NEVER);
    int err = run_tasks(&scope, *tasks, sums);
    int ended = rouse_scope_wait(&scope, NULL);

    free(sums);
    if (err == 0) err = ended;
    return err < 0 ? err : rouse_metrics_write(STDOUT_FILENO);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"tasks", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct rouse_runtime_options runtime = {.size = sizeof runtime, .histograms = true};
    unsigned tasks = 100;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 't') tasks = (unsigned)strtoul(optarg, NULL, 10);
        if (option == 't') continue;
        fputs("Usage: metrics [--tasks N]\nRuns N tasks of each kind and prints metrics.\n",
              option == 'h' ? stdout : stderr);
        return option == 'h' ? 0 : 2;
    }
    int err = rouse_run_with(run, &tasks, &runtime);

    if (err < 0) fprintf(stderr, "metrics: %s\n", rouse_strerror(err));
    return err < 0 ? 1 : 0;
}
