// SPDX-License-Identifier: MIT
//
// Portable readiness: waits until one of many descriptors is readable or writable. The layer below
// the driver, public for loops that want nothing more.

#ifndef ROUSE_POLLER_H
#define ROUSE_POLLER_H

#include <rouse/allocator.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_poller;

enum {
    ROUSE_READABLE = 1 << 0,  // a read would not block: data, end of stream, or an error
    ROUSE_WRITABLE = 1 << 1,  // a write would not block, or would fail at once
    ROUSE_HANGUP = 1 << 2,    // the peer will send no more; reported, not asked for
    ROUSE_ERROR = 1 << 3,     // the descriptor has an error; reported, not asked for
};

struct rouse_poller_event {
    uint64_t key;
    uint32_t ready;  // ROUSE_READABLE and so on
};

/// Makes a poller over `reactor`: "epoll", "io_uring", "poll", "auto"; NULL is ROUSE_REACTOR or the
/// best. One that the kernel refuses, now or later, is replaced by another.
///
/// Errors:  -ENOMEM, -EMFILE, -EINVAL for an unknown reactor.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_poller_new(struct rouse_poller **out, const char *reactor);

/// Watches `fd` for `interest` (ROUSE_READABLE | ROUSE_WRITABLE, or 0 for none yet), level
/// triggered: an event comes at every wait while the condition holds. The event carries `key`.
///
/// Errors:  -EEXIST if it is watched already; -EBADF; -EPERM for descriptors that are always
///          ready; -ENOMEM.
/// Owns:    `fd` stays the caller's: remove it before closing it.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_poller_add(struct rouse_poller *poller, int fd, uint64_t key,
                                               uint32_t interest);

/// Changes key and interest of a watched descriptor.
///
/// Errors:  -ENOENT if it is not watched.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_poller_modify(struct rouse_poller *poller, int fd, uint64_t key,
                                                  uint32_t interest);

/// Stops watching `fd`.
///
/// Errors:  -ENOENT if it is not watched.
/// Threads: any.
ROUSE_API int rouse_poller_remove(struct rouse_poller *poller, int fd);

/// Waits for events, at the latest until `deadline_ns` on rouse_now_ns()'s clock (0: do not sleep;
/// ROUSE_NEVER: no limit). Returns how many of `events[0..max)` it filled; 0 when the deadline
/// came, or the poller was notified.
///
/// Errors:  -EINVAL for max < 1. Signals do not end the wait.
/// Threads: one at a time. It blocks its thread: not for tasks.
/// Cancel:  rouse_poller_notify().
ROUSE_API ROUSE_NODISCARD int rouse_poller_wait(
    struct rouse_poller *poller, struct rouse_poller_event *events, int max, uint64_t deadline_ns);

/// Makes the wait in progress return, or else the next one not sleep.
///
/// Threads: any.
ROUSE_API void rouse_poller_notify(struct rouse_poller *poller);

/// Frees the poller. The descriptors stay open.
///
/// Threads: any, when nobody waits.
ROUSE_API void rouse_poller_free(struct rouse_poller *poller);

ROUSE_EXTERN_C_END

#endif
