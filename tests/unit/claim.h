// SPDX-License-Identifier: MIT
//
// The claims of a unit test, printed as TAP. A program calls claim() for each and returns
// claims_end(). One thread only.

#ifndef TESTS_UNIT_CLAIM_H
#define TESTS_UNIT_CLAIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static int claims_made;
static int claims_failed;

static inline void claim(bool holds, const char *text)
{
    claims_made++;
    if (!holds) claims_failed++;
    printf("%sok %d - %s\n", holds ? "" : "not ", claims_made, text);
    fflush(stdout);
}

// The exit status.
static inline int claims_end(void)
{
    printf("1..%d\n", claims_made);
    return claims_failed == 0 ? 0 : 1;
}

// A seeded generator (Marsaglia's xorshift64); the state must not be 0.
static inline uint64_t claim_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
