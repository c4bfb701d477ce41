// SPDX-License-Identifier: MIT
//
// One case: a scenario, in a process of its own, with one fault or one restriction. The process
// judges itself; its parent sees to it that it ends.

#ifndef TESTS_FAULT_CASES_H
#define TESTS_FAULT_CASES_H

#include "fault.h"
#include "jail.h"
#include "seam.h"

struct fault_case {
    const struct scenario *scenario;
    const char *reactor;
    struct seam_plan plan;
    const struct jail *jail;  // NULL: none; else `plan.n` is its step
};

enum case_verdict { CASE_PASSED, CASE_FAILED, CASE_SKIPPED };

// What a process leaves behind.
struct case_end {
    enum case_verdict verdict;
    bool is_touched;             // by the fault; a jail cannot tell
    bool is_whole;               // all was done and nothing failed
    uint32_t calls[CALL_COUNT];  // how often each was used
};

// Prepares what all cases share.
void cases_begin(void);

// Runs a case to its end. If it fails, says how, and how to run it again.
struct case_end case_run(const struct fault_case *c);

// The name of a case, as --case takes it.
void case_format(const struct fault_case *c, char *buf, size_t size);

// False if there is no such case.
bool case_parse(struct fault_case *c, const char *text);

// How much slower than usual this build runs.
unsigned case_slowness(void);

#endif
