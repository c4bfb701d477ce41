// SPDX-License-Identifier: MIT
//
// How a server ends: in order at the first SIGINT or SIGTERM, at once at the second.
#ifndef APP_ENDING_H
#define APP_ENDING_H

#include <rouse/scope.h>
#include <rouse/signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// The two, from the moment on that a server can be reached: so nobody who has read that it listens
// can end it out of order.
struct app_ending {
    struct rouse_signal interrupt;
    struct rouse_signal terminate;
    bool has_waited;
};

// Waits, in the root fiber, for one of the two; from then on another one ends the program, whatever
// its threads are doing. Returns its number, or a negative errno.
int app_ending_wait(struct app_ending *ending);

struct app_serving {
    struct rouse_scope *connections;  // opened, and left when all of them have ended
    // Until app_ending_wait() has returned: what that did; or a negative errno.
    int (*serve)(void *arg, struct app_ending *ending);
    void *arg;                        // of it
    const char *failure;              // why connections are cancelled if it fails
    uint64_t grace_ns;                // for connections to end by themselves after that
    const _Atomic uint32_t *cut_off;  // how many did not
};

// Serves, in the root fiber, and ends in order. Returns the program's exit status.
int app_ending_serve(const struct app_serving *serving);

#endif
