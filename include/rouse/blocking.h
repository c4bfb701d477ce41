// SPDX-License-Identifier: MIT
//
// Calls that block (getaddrinfo, fsync, a foreign library) run on a pool of threads, so that they
// block no worker. Each runtime has a pool; threads start when needed and leave after 10 idle
// seconds.

#ifndef ROUSE_BLOCKING_H
#define ROUSE_BLOCKING_H

#include <rouse/future.h>
#include <stdbool.h>

ROUSE_EXTERN_C_BEGIN

// Runs on a pool thread. May block; may use plain-thread forms of rouse's calls.
typedef int64_t (*rouse_blocking_function)(void *arg);

/// Runs `fn(arg)` on the pool and waits for it. A job that has started cannot be cancelled, so the
/// wait is shielded: `arg` may live on the caller's stack. On a plain thread it calls `fn` itself.
///
/// Errors:  `*out` (may be NULL) is what `fn` returned, and the result 0; or, before `fn` began:
///          -EAGAIN when the queue is full or no thread can be made, -ECANCELED when the caller was
///          cancelled or the runtime shuts down, -ENOMEM.
/// Owns:    `arg` is borrowed until this returns.
/// Threads: a fiber or a plain thread.
/// Cancel:  total while the job is queued; once started it is waited for, and wins.
ROUSE_API ROUSE_NODISCARD int rouse_blocking(rouse_blocking_function fn, void *arg, int64_t *out);

// Ends when a job has run on the pool.
struct rouse_blocking {
    struct rouse_future base;
    rouse_blocking_function fn;
    void *arg;
    void (*free_arg)(void *arg);
    void *job;       // one share, once submitted; private
    bool is_lookup;  // for the pool of look-ups; private
    int64_t result;  // what `fn` returned, when output is 0
    int output;      // 0, or as rouse_blocking()
};

/// A job that may be left behind: `arg` is heap memory that `free_arg` releases, called exactly
/// once by whoever is last, the future or the job. It is submitted at the first poll.
///
/// Errors:  as rouse_blocking().
/// Owns:    takes `arg`, from init on. `free_arg` may be NULL for an `arg` that needs none.
/// Threads: any, one at a time.
/// Cancel:  terminal: a queued job is taken back, one that runs is left to end by itself, and which
///          of the two it was is not told.
ROUSE_API void rouse_blocking_init(struct rouse_blocking *blocking, rouse_blocking_function fn,
                                   void *arg, void (*free_arg)(void *arg));

ROUSE_EXTERN_C_END

#endif
