// SPDX-License-Identifier: MIT
//
// A driver waits on behalf of futures: a timer wheel, and a table of descriptors over the kernel's
// readiness interface. (The field also calls it a reactor.) Every worker and executor turns one;
// this is the public face, for a loop of one's own.

#ifndef ROUSE_DRIVER_H
#define ROUSE_DRIVER_H

#include <rouse/allocator.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_driver;

struct rouse_driver_options {
    size_t size;                              // sizeof(struct rouse_driver_options)
    const struct rouse_allocator *allocator;  // NULL: the default
    // "epoll", "io_uring", "poll", or "auto": the best for sockets; NULL: ROUSE_REACTOR, or "auto"
    const char *reactor;
};

/// Makes a driver. `options` may be NULL.
///
/// Errors:  -ENOMEM, -EMFILE, -EINVAL for an unknown reactor.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_driver_new(struct rouse_driver **out,
                                               const struct rouse_driver_options *options);

/// Wakes what is due and what is ready. If there was nothing, sleeps until there is, at the latest
/// until `deadline_ns` on rouse_now_ns()'s clock; 0 never sleeps, ROUSE_NEVER has no limit.
/// Returns the number of wakes; 0 when the deadline came, or the driver was notified.
///
/// Threads: one at a time, the driver's own.
ROUSE_API int rouse_driver_turn(struct rouse_driver *driver, uint64_t deadline_ns);

/// Makes the turn in progress return, or else the next one not sleep.
///
/// Threads: any.
ROUSE_API void rouse_driver_notify(struct rouse_driver *driver);

/// Frees the driver. What still waits on it is woken and moves to the driver it is polled under
/// next, or fails with -ECANCELED where there is none.
///
/// Threads: any, when nobody turns it.
ROUSE_API void rouse_driver_free(struct rouse_driver *driver);

/// The name of the reactor in use: "epoll", "io_uring" or "poll". It may change once, when the
/// kernel refuses what it allowed before.
///
/// Threads: any.
ROUSE_API const char *rouse_driver_reactor(const struct rouse_driver *driver);

ROUSE_EXTERN_C_END

#endif
