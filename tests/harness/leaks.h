// SPDX-License-Identifier: MIT
//
// The leak oracle: what lives in the process before a test must be all that lives after it.

#ifndef TESTS_HARNESS_LEAKS_H
#define TESTS_HARNESS_LEAKS_H

#include <rouse/stats.h>

struct leaks {
    struct rouse_stats stats;
    long descriptors;
    long threads;
    long bodies;
};

// Notes what lives now. Called again in a process, waits a moment for threads on their way out; the
// test has none of its own then.
void leaks_start(struct leaks *before);

// Fails the test, and says what is left, unless everything is as noted. Waits a moment for what is
// on its way out.
void leaks_check(const struct leaks *before);

#endif
