// SPDX-License-Identifier: MIT
//
// The choice of a back end. Any thread; what was chosen last is remembered only to log each choice
// once.

#include "io/backend.h"

#include <errno.h>
#include <rouse/error.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

// Best first.
static const struct rs_backend_ops *const backends[] = {&rs_backend_epoll, &rs_backend_poll};

enum { BACKEND_COUNT = sizeof backends / sizeof backends[0] };

// The last choice that was logged.
static _Atomic(const struct rs_backend_ops *) logged;

static const struct rs_backend_ops *find(const char *name)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (strcmp(backends[i]->name, name) == 0) return backends[i];
    }
    return NULL;
}

// True if the kernel does not have it, or a sandbox keeps it from us. Being out of memory or
// descriptors is no reason to go on with a lesser one.
static bool is_refused(int err)
{
    return err == -ENOSYS || err == -EPERM;
}

// `refused` is what the first choice said: 0 if it was taken.
static void log_choice(const struct rs_backend_ops *ops, const char *why, int refused)
{
    // Relaxed: the pointed-to tables never change; at worst a line comes twice.
    if (atomic_exchange_explicit(&logged, ops, memory_order_relaxed) == ops) return;
    if (refused == 0) {
        rs_log(ROUSE_LOG_INFO, "reactor: %s (%s)", ops->name, why);
    } else {
        rs_log(ROUSE_LOG_INFO, "reactor: %s (%s was refused: %s)", ops->name, why,
               rouse_strerror(refused));
    }
}

// Opens `first`, or else the best other one.
static int open_from(struct rs_backend **out, const struct rs_backend_ops *first, const char *why,
                     const struct rouse_allocator *allocator)
{
    int refused = first->open(out, allocator);

    if (!is_refused(refused)) {
        if (refused == 0) log_choice(first, why, 0);
        return refused;
    }
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (backends[i] == first) continue;

        int err = backends[i]->open(out, allocator);

        if (err == 0) log_choice(backends[i], first->name, refused);
        if (!is_refused(err)) return err;
    }
    return refused;
}

int rs_backend_open(struct rs_backend **out, const char *name,
                    const struct rouse_allocator *allocator)
{
    const char *why = "asked for by name";
    const struct rs_backend_ops *ops;

    if (name == NULL) {
        name = getenv("ROUSE_REACTOR");
        why = "from ROUSE_REACTOR";
    }
    if (name == NULL || name[0] == '\0') return open_from(out, backends[0], "the best", allocator);
    ops = find(name);
    if (ops == NULL) {
        rs_log(ROUSE_LOG_WARN, "reactor: there is none called \"%s\"", name);
        return -EINVAL;
    }
    return open_from(out, ops, why, allocator);
}
