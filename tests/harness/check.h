// SPDX-License-Identifier: MIT
//
// What a test claims while it runs, on any thread: the first claim that does not hold ends the
// test's process, with the place and the values on standard error.

#ifndef TESTS_HARNESS_CHECK_H
#define TESTS_HARNESS_CHECK_H

#include <rouse/compiler.h>

// The exit status of a test that failed by a check.
enum { CHECK_EXIT = 1 };

ROUSE_NORETURN void check_failed(const char *site, const char *format, ...) ROUSE_PRINTF(2, 3);

// Holds if `condition` does. Expands to: if (!condition) check_failed(site, "condition is false");
#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) check_failed(ROUSE_SITE, "%s is false", #condition); \
    } while (0)

// Holds if two integers are equal; shows both if not.
#define CHECK_EQ(is, wanted) check_equal(ROUSE_SITE, #is, (int64_t)(is), (int64_t)(wanted))

// Holds if an integer is within bounds; shows it if not.
#define CHECK_WITHIN(is, low, high) \
    check_within(ROUSE_SITE, #is, (int64_t)(is), (int64_t)(low), (int64_t)(high))

void check_equal(const char *site, const char *text, int64_t is, int64_t wanted);
void check_within(const char *site, const char *text, int64_t is, int64_t low, int64_t high);

#endif
