// SPDX-License-Identifier: MIT
//
// How a server ends: in order at the first SIGINT or SIGTERM, at once at the second.
#ifndef APP_ENDING_H
#define APP_ENDING_H

#include <rouse/scope.h>
#include <stdatomic.h>
#include <stdint.h>

// Waits, in the root fiber, for one of the two; from then on another one ends the program, whatever
// its threads are doing. Returns its number, or a negative errno.
int app_ending_wait(void);

struct app_serving {
    struct rouse_scope *connections;  // opened, and left when all of them have ended
    int (*serve)(void *arg);          // until a signal: its number; or a negative errno
    void *arg;                        // of it
    const char *failure;              // why connections are cancelled if it fails
    uint64_t grace_ns;                // for connections to end by themselves after that
    const _Atomic uint32_t *cut_off;  // how many did not
};

// Serves, in the root fiber, and ends in order. Returns the program's exit status.
int app_ending_serve(const struct app_serving *serving);

#endif
