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

// Best first, but for io_uring, which is taken only if it is asked for: for readiness it is no
// better than epoll (docs/io_uring.md).
static const struct rs_backend_ops *const backends[] = {&rs_backend_epoll, &rs_backend_poll,
                                                        &rs_backend_io_uring};

enum { BACKEND_COUNT = sizeof backends / sizeof backends[0], CHOICE_COUNT = 2 };

// The last choice that was logged: which, and what the kernel had said of another.
static _Atomic uint64_t logged;

static const struct rs_backend_ops *find(const char *name)
{
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        if (strcmp(backends[i]->name, name) == 0) return backends[i];
    }
    return NULL;
}

// True if the kernel does not have it, or a sandbox keeps it from us. Being out of memory or
// descriptors is no reason to go on with a lesser one. But a ring needs more of both than the
// others, and what they give is the same: there any error is a reason.
static bool is_refused(const struct rs_backend_ops *ops, int err)
{
    if (ops == &rs_backend_io_uring) return err < 0;
    return err == -ENOSYS || err == -EPERM || err == -EACCES;
}

static bool is_news(const struct rs_backend_ops *ops, int refused, bool later)
{
    uint64_t choice = (uint64_t)(unsigned char)ops->name[0] << 40 | (uint64_t)later << 32 |
                      (uint32_t)refused;

    // Relaxed: it publishes nothing; at worst a line comes twice.
    return atomic_exchange_explicit(&logged, choice, memory_order_relaxed) != choice;
}

// `refused` is what the first choice said: 0 if it was taken.
static void log_choice(const struct rs_backend_ops *ops, const char *why, int refused)
{
    if (!is_news(ops, refused, false)) return;
    if (refused == 0) {
        rs_log(ROUSE_LOG_INFO, "reactor: %s (%s)", ops->name, why);
    } else {
        rs_log(ROUSE_LOG_INFO, "reactor: %s (%s was refused: %s)", ops->name, why,
               rouse_strerror(refused));
    }
}

// The best one but `refused`, whatever that was.
static int open_other(struct rs_backend **out, const struct rs_backend_ops *refused,
                      const struct rouse_allocator *allocator)
{
    int err = -ENOSYS;

    for (size_t i = 0; i < CHOICE_COUNT && is_refused(backends[i], err); i++) {
        if (backends[i] != refused) err = backends[i]->open(out, allocator);
    }
    return err;
}

// Opens `first`, or else the best other one.
static int open_from(struct rs_backend **out, const struct rs_backend_ops *first, const char *why,
                     const struct rouse_allocator *allocator)
{
    int refused = first->open(out, allocator);

    if (!is_refused(first, refused)) {
        if (refused == 0) log_choice(first, why, 0);
        return refused;
    }
    int err = open_other(out, first, allocator);

    if (err == 0) log_choice((*out)->ops, first->name, refused);
    return err;
}

int rs_backend_open_instead(struct rs_backend **out, const struct rs_backend_ops *failed, int err,
                            const struct rouse_allocator *allocator)
{
    int result = open_other(out, failed, allocator);

    if (result == 0 && is_news((*out)->ops, err, true)) {
        rs_log(ROUSE_LOG_WARN, "reactor: %s from now on (%s was refused while in use: %s)",
               (*out)->ops->name, failed->name, rouse_strerror(err));
    }
    return result;
}

static bool is_auto(const char *name)
{
    return name == NULL || name[0] == '\0' || strcmp(name, "auto") == 0;
}

bool rs_backend_may_pair(const char *name)
{
    if (name == NULL) name = getenv("ROUSE_REACTOR");
    return is_auto(name) || strcmp(name, rs_backend_io_uring.name) == 0;
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
    if (is_auto(name)) return open_from(out, backends[0], "the best", allocator);
    ops = find(name);
    if (ops == NULL) {
        rs_log(ROUSE_LOG_WARN, "reactor: there is none called \"%s\"", name);
        return -EINVAL;
    }
    return open_from(out, ops, why, allocator);
}
