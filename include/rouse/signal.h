// SPDX-License-Identifier: MIT
//
// Waiting for a signal of the process: Ctrl-C, termination, hangup, the end of a child, a signal of
// one's own.
//
// A wait ends when its signal has come at least once since it was made; how often is not told, for
// the kernel itself merges what comes quickly. So look at what the signal is about (the children
// that have ended, the file that has changed) after each wait, and make the next wait before that
// look: then nothing is missed. Signals of real time, SIGRTMIN to SIGRTMAX, are waited for in the
// same way; what they carry is not told.
//
// rouse itself raises no SIGPIPE, and its threads block every signal. Children begin with all
// signals at their default action (rouse/process.h).

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
/// happens (a second Ctrl-C does nothing unless somebody waits for it), until
/// rouse_signal_release(). A handler that was there before is called too.
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

/// Gives a signal back to whoever handled it before the first wait: to a handler, to the default
/// action, or to nobody if it was ignored. This is not done by itself at the end of the last wait:
/// a signal that comes between two waits would end the program. A later wait catches it again. A
/// handler that was installed after ours stays in place.
///
/// Errors:  0, also if it was not caught. -EBUSY while somebody waits for it, or a runtime dumps
///          its tasks on it; -EINVAL as rouse_signal_init().
/// Threads: any.
ROUSE_API int rouse_signal_release(int number);

ROUSE_EXTERN_C_END

#endif
