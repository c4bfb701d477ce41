// SPDX-License-Identifier: MIT
//
// Restrictions that the kernel itself enforces: filters of system calls, and limits.

#ifndef TESTS_FAULT_JAIL_H
#define TESTS_FAULT_JAIL_H

#include <stdbool.h>

enum { JAIL_CALLS_MAX = 8, JAIL_ERRORS_MAX = 4 };

struct jail {
    const char *name;
    int calls[JAIL_CALLS_MAX];    // a filter: numbers of system calls, +1, up to a 0
    int refusal;                  // and the errno that they give
    unsigned limit;               // a limit: RLIMIT_..., +1
    unsigned steps;               // how many steps are worth a try; 0: one
    int errors[JAIL_ERRORS_MAX];  // that the API may return in it; none: nobody notices
};

// Up to one without a name.
extern const struct jail jails[];

const struct jail *jail_find(const char *name);

// True if `err`, a negative errno, may come of it.
bool jail_explains(const struct jail *jail, int err);

// Restricts the calling process, at step `n`, from 1: the higher, the less. False if this machine
// or build cannot have it.
bool jail_enter(const struct jail *jail, unsigned n);

// Lifts limits again; filters stay.
void jail_leave(void);

#endif
