// SPDX-License-Identifier: MIT
//
// Holding SIGPIPE back. The signal is the thread's own, so only the calling thread is looked at.

#include "base/sigpipe.h"

#include <pthread.h>
#include <time.h>

static void sigpipe_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

void rs_sigpipe_hold(struct rs_sigpipe_guard *guard)
{
    sigset_t set;

    sigpipe_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, &guard->mask);
    guard->was_blocked = sigismember(&guard->mask, SIGPIPE) == 1;
    // Where it was not blocked none can be pending: it would have been delivered.
    guard->was_pending = guard->was_blocked && sigpending(&set) == 0 &&
                         sigismember(&set, SIGPIPE) == 1;
}

void rs_sigpipe_release(const struct rs_sigpipe_guard *guard, bool raised)
{
    const struct timespec at_once = {0};
    sigset_t set;

    sigpipe_set(&set);
    if (raised && !guard->was_pending) (void)sigtimedwait(&set, NULL, &at_once);
    if (!guard->was_blocked) pthread_sigmask(SIG_SETMASK, &guard->mask, NULL);
}
