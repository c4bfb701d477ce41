// SPDX-License-Identifier: MIT
//
// The list of everything a program can run: its tests times their configurations.

#ifndef TESTS_HARNESS_CASES_H
#define TESTS_HARNESS_CASES_H

#include "harness/harness.h"

struct cases {
    struct test_case *list;
    size_t count;
    size_t capacity;
};

// Adds the cases of a table whose names contain `filter`.
void cases_add(struct cases *cases, const struct api_test *tests, enum body_style style,
               const char *filter);

void cases_free(struct cases *cases);

#endif
