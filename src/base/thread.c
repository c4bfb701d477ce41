// SPDX-License-Identifier: MIT
//
// Threads of our own. Any thread may start one.

#include "base/thread.h"

#include <stdint.h>
#include <sys/prctl.h>

#include "base/sys.h"

void rs_thread_async_signals(sigset_t *set)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};

    (void)sigfillset(set);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        (void)sigdelset(set, faults[i]);
    }
}

int rs_thread_start(pthread_t *out, void *(*fn)(void *arg), void *arg)
{
    sigset_t blocked;
    sigset_t before;
    int err;

    // The new thread inherits the mask, so no signal finds it with another one.
    rs_thread_async_signals(&blocked);
    (void)pthread_sigmask(SIG_BLOCK, &blocked, &before);
    err = rs_sys.thread_create(out, NULL, fn, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

void rs_thread_set_name(const char *name)
{
    // A thread without its name works as well.
    (void)rs_sys.prctl(PR_SET_NAME, (unsigned long)(uintptr_t)name, 0);
}
