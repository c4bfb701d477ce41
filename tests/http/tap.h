// SPDX-License-Identifier: MIT
//
// What the tests of the HTTP server print: one line of TAP per claim, the plan at the end. Each
// test is one translation unit and one thread.
#ifndef HTTP_TAP_H
#define HTTP_TAP_H

#include <stdbool.h>
#include <stdio.h>

static unsigned tap_count;
static unsigned tap_failures;

// One claim, and whether it held.
static inline void tap_claim(bool held, const char *claim)
{
    tap_count++;
    if (!held) tap_failures++;
    printf("%s %u - %s\n", held ? "ok" : "not ok", tap_count, claim);
}

// The same for a claim about one row of a table.
static inline void tap_claim_of(bool held, const char *claim, const char *row)
{
    char text[256];

    snprintf(text, sizeof text, "%s: %s", claim, row);
    tap_claim(held, text);
}

// Prints the plan; the result is for main to return.
static inline int tap_end(void)
{
    printf("1..%u\n", tap_count);
    return tap_failures > 0;
}

#endif
