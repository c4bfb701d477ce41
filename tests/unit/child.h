// SPDX-License-Identifier: MIT
//
// The child of a fork in a test: what it can do, and how it ends. What it ran counts as covered.

#ifndef TESTS_UNIT_CHILD_H
#define TESTS_UNIT_CHILD_H

#include <rouse/compiler.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sanitizer.h"

#ifdef ROUSE_COVERAGE
extern void __gcov_dump(void);
#endif

// qemu-user aborts by itself when the child of a process with threads makes one.
static inline bool child_is_emulated(void)
{
    return getenv("ROUSE_TEST_EMULATED") != NULL;
}

// ThreadSanitizer does not support it either.
static inline bool child_can_make_threads(void)
{
    return !RS_TSAN && !child_is_emulated();
}

// Writes what a coverage build has counted, which only exit() would do by itself.
static inline void child_dump_coverage(void)
{
#ifdef ROUSE_COVERAGE
    __gcov_dump();
#endif
}

ROUSE_NORETURN static inline void child_exit(int status)
{
    child_dump_coverage();
    _exit(status);
}

// Handles SIGABRT: the abort goes on when it returns.
static inline void child_aborts(int number)
{
    (void)number;
    child_dump_coverage();
}

// For a child that is to abort.
static inline void child_expects_abort(void)
{
    (void)signal(SIGABRT, child_aborts);
}

#endif
