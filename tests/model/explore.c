// SPDX-License-Identifier: MIT
//
// The search: with growing bounds, first few preemptions, then no bound, then at random. Where two
// threads meet is learnt on the way: an atomic of which only one thread knows needs no choice. When
// an execution finds another one, the search of that bound begins anew.

#include "explore.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

// In this order. The last has no bound on preemptions, and prunes what commutes.
static const struct bounds stages[] = {{0, 0}, {1, 0}, {1, 1}, {2, 0}, {2, 1}, {-1, 1}, {3, 2}};

enum { STAGES = sizeof stages / sizeof stages[0], WARM_UP_RUNS = 64, PROGRESS_EVERY = 20000 };

static void progress(const struct result *result, bool last)
{
    if (!isatty(STDERR_FILENO)) return;
    if (last) {
        fprintf(stderr, "\r\033[K");
    } else if ((result->executions + result->pruned) % PROGRESS_EVERY == 0) {
        fprintf(stderr, "\r\033[K%s: %u executions, depth %u", run.scenario->name,
                result->executions, result->longest_path);
    }
}

static void write_address(uintptr_t addr, void *arg)
{
    fprintf(arg, " 0x%lx", (unsigned long)addr);
}

static void replay_write(const char *file)
{
    static char path[1 << 17];
    FILE *out = fopen(file, "w");

    if (out == NULL) return;
    path_print(path, sizeof path);
    fprintf(out, "scenario %s\nmode %d\nbounds %d %d\npath %s\ncontended", run.scenario->name,
            (int)run.mode, run.bounds.preemptions, run.bounds.stale, path);
    memory_contention_visit(write_address, out);
    fprintf(out, "\n");
    (void)fclose(out);
    printf("# to see it again: --replay %s\n", file);
}

// Runs the failing path once more, with a trace.
static void report(const struct plan *plan)
{
    printf("# %s: %s\n", run.scenario->name, run.message);
    path_begin(PATH_REPLAY, 0);
    run.tracing = true;
    (void)run_once();
    run.tracing = false;
    trace_print();
    printf("# %s: %s\n", run.scenario->name, run.message);
    if (plan->replay_file != NULL) replay_write(plan->replay_file);
}

static bool count_run(struct result *result, enum outcome outcome)
{
    if (outcome == RUN_PRUNED) {
        result->pruned++;
    } else {
        result->executions++;
    }
    if (path_length() > result->longest_path) result->longest_path = path_length();
    progress(result, false);
    return outcome == RUN_FAILED;
}

static bool is_spent(const struct result *result, const struct plan *plan)
{
    uint32_t most =
        run.scenario->executions_max != 0 ? run.scenario->executions_max : plan->executions_max;

    return result->executions + result->pruned >= most;
}

// All executions within the bounds. True if there was time for all.
static bool search(struct result *result, const struct plan *plan)
{
    run.mode = PATH_SEARCH;
    path_reset();
    for (;;) {
        path_begin(PATH_SEARCH, 0);
        run.contention = false;
        if (count_run(result, run_once())) {
            result->failed = true;
            return false;
        }
        if (run.contention) {
            memory_contention_learn();
            path_reset();
        } else if (!path_next()) {
            return true;
        }
        if (is_spent(result, plan)) return false;
    }
}

static void run_randomly(struct result *result, uint64_t seed, uint32_t runs)
{
    run.mode = PATH_RANDOM;
    run.bounds = (struct bounds){.preemptions = -1, .stale = 3};
    for (uint32_t i = 0; i < runs && !result->failed; i++) {
        path_reset();
        path_begin(PATH_RANDOM, seed + i);
        run.contention = false;
        result->failed = count_run(result, run_once());
        result->random++;
        if (run.contention && !result->failed) memory_contention_learn();
    }
}

struct result explore(const struct model_scenario *scenario, const struct plan *plan)
{
    struct result result = {.preemptions = -1};

    run.scenario = scenario;
    memory_contention_forget();
    run_randomly(&result, plan->seed, WARM_UP_RUNS);
    for (int i = 0; i < STAGES && !result.failed && !is_spent(&result, plan); i++) {
        run.bounds = stages[i];
        if (!search(&result, plan)) break;
        if (stages[i].preemptions < 0) {
            result.complete = true;
        } else {
            result.preemptions = stages[i].preemptions;
        }
    }
    if (!result.failed) run_randomly(&result, plan->seed + WARM_UP_RUNS, plan->random_runs);
    progress(&result, true);
    if (result.failed && !plan->quiet) report(plan);
    return result;
}

// ---- Replay ----

static const struct model_scenario *find(const char *name)
{
    for (int i = 0; model_scenario_files[i] != NULL; i++) {
        for (const struct model_scenario *s = model_scenario_files[i]; s->name != NULL; s++) {
            if (strcmp(s->name, name) == 0) return s;
        }
    }
    return NULL;
}

static bool replay_read(FILE *in)
{
    static char path[1 << 17];
    char name[100];
    int mode;
    unsigned long addr;

    if (fscanf(in, "scenario %99s mode %d bounds %d %d path %131071s contended", name, &mode,
               &run.bounds.preemptions, &run.bounds.stale, path) != 5) {
        return false;
    }
    memory_contention_forget();
    while (fscanf(in, "%lx", &addr) == 1) memory_contend(addr);
    run.scenario = find(name);
    run.mode = (enum path_mode)mode;
    return run.scenario != NULL && path_read(path);
}

bool replay(const char *file, bool *failed)
{
    FILE *in = fopen(file, "r");

    if (in == NULL) return false;
    bool read = replay_read(in);
    (void)fclose(in);
    if (!read) return false;
    path_begin(PATH_REPLAY, 0);
    run.tracing = true;
    *failed = run_once() == RUN_FAILED;
    run.tracing = false;
    trace_print();
    printf("# %s: %s\n", run.scenario->name, *failed ? run.message : "no failure");
    return true;
}
