// SPDX-License-Identifier: MIT
//
// Waiting for a signal of the process: Ctrl-C, termination, hangup.

#ifndef ROUSE_SIGNAL_H
#define ROUSE_SIGNAL_H

#include <rouse/future.h>

ROUSE_EXTERN_C_BEGIN

// Ends when the signal has come, since the future was made.
struct rouse_signal {
    struct rouse_future base;
    struct rouse_signal *next;  // the words below are private
    struct rouse_signal *prev;
    struct rouse_waker waker;
    uint64_t seen;  // how many had come when the future was made
    int number;
    uint32_t state;
    int output;  // the signal's number, or a negative errno
};

/// Completes at the first signal `number` that arrives after this call; every waiting future gets
/// it. From the first such call on, the process catches the signal: its default action no longer
/// happens (a second Ctrl-C does nothing unless somebody waits for it).
///
/// Errors:  -EINVAL for signals that cannot be caught, that mean a fault, or that are out of
///          range; -ENOMEM, -EMFILE, -EAGAIN when the first one cannot set up its thread.
/// Threads: any, one at a time.
/// Cancel:  terminal: others still get the signal, but one that has come goes with it, and a future
///          made later waits for the next. To keep it, lend it with a rouse_borrow.
ROUSE_API void rouse_signal_init(struct rouse_signal *signal, int number);

/// Waits for a signal; returns its number.
///
/// Errors:  as rouse_signal_init(), -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal, as rouse_signal_init().
ROUSE_API ROUSE_NODISCARD int rouse_signal_wait(int number);

ROUSE_EXTERN_C_END

#endif
