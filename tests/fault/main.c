// SPDX-License-Identifier: MIT
//
// Sweeps the scenarios of a program. First each is run untouched, which tells what calls it makes.
// Then, for each of these and each errno of the table, the n-th call fails, for n = 1, 2, 3 ...
// until the fault no longer meets any call; once and persistently. Then come whole runs under
// storms, and the jails.
//
//     fault_core [--case NAME] [--only SCENARIO]
//
// Without ROUSE_TEST_FULL=1, a build with a sanitizer leaves most of the high n out.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sanitizer.h"
#include "cases.h"
#include "harness/reactors.h"

// How far n goes at most; steps beyond STEP_FROM grow.
enum { N_MAX = 4000 };

struct sweep {
    const struct scenario *scenario;
    const char *reactor;
    unsigned cases;
    unsigned failed;
    unsigned touched;
    unsigned skipped;
    unsigned called[CALL_COUNT];  // in the untouched run
};

static bool is_full(void)
{
    const char *text = getenv("ROUSE_TEST_FULL");

    return text != NULL && strcmp(text, "1") == 0;
}

static struct case_end sweep_case(struct sweep *sweep, const struct seam_plan *plan,
                                  const struct jail *jail)
{
    struct fault_case c = {
        .scenario = sweep->scenario, .reactor = sweep->reactor, .plan = *plan, .jail = jail};
    struct case_end end = case_run(&c);

    if (end.verdict == CASE_SKIPPED) {
        sweep->skipped++;
        return end;
    }
    sweep->cases++;
    sweep->failed += end.verdict == CASE_FAILED;
    sweep->touched += end.is_touched;
    return end;
}

// Where the next case lies. Sanitizers make each case ten times as long.
static uint32_t step_from(uint32_t n)
{
    bool is_slow = RS_ASAN || RS_TSAN;

    if (is_full()) return n + 1;
    if (is_slow) return n < 2 ? n + 1 : n * 3;
    return n < 24 ? n + 1 : n + n / 4;
}

static void sweep_fault(struct sweep *sweep, const struct fault *fault, enum fault_mode mode)
{
    struct seam_plan plan = {.fault = fault, .mode = mode, .n = 1};
    struct case_end end = {.is_touched = true};

    if (fault_outcome(fault, mode) == FAULT_NEVER) return;
    for (; end.is_touched && plan.n < N_MAX; plan.n = step_from(plan.n)) {
        end = sweep_case(sweep, &plan, NULL);
    }
}

static void sweep_faults(struct sweep *sweep)
{
    for (size_t i = 0; i < fault_count; i++) {
        const struct fault *fault = &faults[i];

        if (strcmp(sweep->reactor, "io_uring") == 0 && fault_owes_edge(fault)) continue;
        if (fault->kind == FAULT_ERROR && sweep->called[fault->call] == 0) continue;
        if (fault->kind == FAULT_ERROR || fault->kind == FAULT_JUMP) {
            sweep_fault(sweep, fault, MODE_ONCE);
            sweep_fault(sweep, fault, MODE_PERSISTENT);
            sweep_fault(sweep, fault, MODE_BURST);
        } else {
            (void)sweep_case(sweep, &(struct seam_plan){.fault = fault, .n = 1}, NULL);
        }
    }
}

// Up to the first step at which nothing is missing.
static void sweep_jails(struct sweep *sweep)
{
    for (const struct jail *jail = jails; jail->name != NULL; jail++) {
        unsigned n = 1;
        struct case_end end;

        do {
            end = sweep_case(sweep, &(struct seam_plan){.fault = &fault_none, .n = n}, jail);
            n++;
        } while (end.verdict != CASE_SKIPPED && !end.is_whole && n <= jail->steps);
    }
}

static void scenario_prepare(const struct scenario *scenario)
{
    if (scenario->prepare == NULL || scenario->prepare()) return;
    printf("Bail out! %s cannot be prepared: %s\n", scenario->name, strerror(errno));
    exit(1);
}

static void scenario_clean_up(const struct scenario *scenario)
{
    if (scenario->clean_up != NULL) scenario->clean_up();
}

// Returns how many cases failed.
static unsigned sweep_scenario(const struct scenario *scenario, const char *reactor)
{
    struct sweep sweep = {.scenario = scenario, .reactor = reactor};
    struct case_end end =
        sweep_case(&sweep, &(struct seam_plan){.fault = &fault_none, .n = 1}, NULL);

    memcpy(sweep.called, end.calls, sizeof sweep.called);
    if (end.verdict == CASE_PASSED) {
        sweep_faults(&sweep);
        sweep_jails(&sweep);
    }
    printf("# %s on %s: %u cases, %u of them met their fault, %u failed, %u not possible here\n",
           scenario->name, reactor, sweep.cases, sweep.touched, sweep.failed, sweep.skipped);
    (void)fflush(stdout);
    return sweep.failed;
}

static int replay(const char *name)
{
    struct fault_case c;

    if (!case_parse(&c, name)) {
        printf("there is no case %s\n", name);
        return 2;
    }
    scenario_prepare(c.scenario);
    struct case_end end = case_run(&c);

    scenario_clean_up(c.scenario);
    printf("%s%s\n", end.verdict == CASE_PASSED ? "passed" : "did not pass",
           end.is_touched ? "" : ", untouched");
    return end.verdict == CASE_PASSED ? 0 : 1;
}

static int sweep_all(const char *only)
{
    const struct reactors reactors = reactors_to_test();
    int number = 0;
    int failed = 0;

    for (const struct scenario *s = fault_scenarios; s->name != NULL; s++) {
        if (only != NULL && strcmp(only, s->name) != 0) continue;
        scenario_prepare(s);
        for (int i = 0; i < (s->reactor == NULL ? reactors.count : 1); i++) {
            const char *reactor = s->reactor == NULL ? reactors.names[i] : s->reactor;
            bool passed = sweep_scenario(s, reactor) == 0;

            number++;
            failed += !passed;
            printf("%sok %d - %s on %s survives every fault\n", passed ? "" : "not ", number,
                   s->name, reactor);
            (void)fflush(stdout);
        }
        scenario_clean_up(s);
    }
    printf("1..%d\n", number);
    return failed > 0;
}

int main(int argc, char **argv)
{
    const char *only = NULL;

    cases_begin();
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--case") == 0) return replay(argv[i + 1]);
        if (strcmp(argv[i], "--only") == 0) only = argv[i + 1];
    }
    return sweep_all(only);
}
