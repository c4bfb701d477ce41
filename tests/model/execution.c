// SPDX-License-Identifier: MIT
//
// One execution of a scenario, from a clean slate: set up, threads, check.

#include <rouse/assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

struct run run;

static jmp_buf out_of_here;

void run_end(enum outcome outcome)
{
    run.live = false;
    _longjmp(out_of_here, (int)outcome + 1);
}

void model_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(run.message, sizeof run.message, format, args);
    va_end(args);
    run_end(RUN_FAILED);
}

static void fail_with_panic(void *data, const char *message)
{
    (void)data;
    model_fail("panic: %s", message);
}

unsigned run_choose_rare(unsigned count)
{
    if (run.stale_left <= 0 || count <= 1) return 0;
    unsigned chosen;

    // At random, the rare stays rare.
    if (run.mode == PATH_RANDOM) {
        chosen = path_choose(4) != 0 ? 0 : path_choose(count);
    } else {
        chosen = path_choose(count);
    }
    if (chosen != 0) run.stale_left--;
    return chosen;
}

unsigned model_choose(unsigned count)
{
    return path_choose(count);
}

static void body(void *arg)
{
    void (*fn)(void) = *(void (**)(void))arg;

    fn();
}

// Thread 0: it sets up, starts the others, waits for them, and checks.
static void conduct(void *arg)
{
    static void (*fns[MODEL_THREADS_MAX])(void);
    const struct model_scenario *scenario = arg;

    memcpy(fns, scenario->threads, sizeof fns);
    if (scenario->setup != NULL) scenario->setup();
    for (int i = 0; i < MODEL_THREADS_MAX - 1 && fns[i] != NULL; i++) {
        (void)thread_start(body, &fns[i]);
    }
    threads_join();
    if (scenario->check != NULL) scenario->check();
    shadow_check_leaks();
    run_end(RUN_COMPLETE);
}

enum outcome run_once(void)
{
    int code;

    run.preemptions_left = run.bounds.preemptions;
    run.stale_left = run.bounds.stale;
    run.steps = 0;
    trace_reset();
    shadow_reset();
    memory_reset();
    seam_reset();
    threads_reset();
    rouse_panic_set_hook(fail_with_panic, NULL);
    code = _setjmp(out_of_here);
    if (code != 0) return (enum outcome)(code - 1);
    run.live = true;
    (void)thread_start(conduct, (void *)(uintptr_t)run.scenario);
    return RUN_FAILED;  // not reached: thread_start() of the first thread does not return
}
