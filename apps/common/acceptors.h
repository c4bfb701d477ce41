// SPDX-License-Identifier: MIT
//
// Listening on every worker: each has a listener of its own for each address, so that the kernel
// spreads connections over the workers and each stays where it was accepted.
#ifndef APP_ACCEPTORS_H
#define APP_ACCEPTORS_H

#include <rouse/scope.h>
#include <rouse/tcp.h>

enum { APP_LISTEN_MAX = 8 };

// Where to listen.
struct app_addresses {
    struct rouse_addr list[APP_LISTEN_MAX];
    unsigned count;
};

struct app_acceptors {
    unsigned workers;
    const char *before;  // of the line that says where we listen: what is around the address
    const char *after;
    struct rouse_addr *first;  // filled in: the first address, with the port that it has; or NULL
    // Takes a connection, in a fiber of the worker that it is to stay with.
    void (*start)(void *arg, unsigned worker, struct rouse_tcp *tcp);
    void *arg;
};

// For a take function: adds an address.
const char *app_listen_take(struct app_addresses *addresses, const char *value);

// Listens, and accepts in fibers of the scope until they are cancelled. Returns 0, or a negative
// errno after it has said what is wrong.
int app_acceptors_start(struct rouse_scope *accepting, const struct app_acceptors *acceptors,
                        const struct app_addresses *addresses);

#endif
