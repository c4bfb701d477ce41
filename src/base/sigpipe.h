// SPDX-License-Identifier: MIT
//
// Keeps SIGPIPE from a call that raises it and has no flag against it: a write to a pipe, a
// sendfile. A library may not change what the program does about signals, so the signal is blocked
// around the call and, if the call raised it, taken back before the mask is restored. One that was
// pending before stays pending.

#ifndef RS_BASE_SIGPIPE_H
#define RS_BASE_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct rs_sigpipe_guard {
    sigset_t mask;  // of the thread, before
    bool was_blocked;
    bool was_pending;
};

// Around the call, on one thread.
void rs_sigpipe_hold(struct rs_sigpipe_guard *guard);

// `raised`: the call has failed in the way that raises the signal, with -EPIPE.
void rs_sigpipe_release(const struct rs_sigpipe_guard *guard, bool raised);

#endif
