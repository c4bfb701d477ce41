// SPDX-License-Identifier: MIT
//
// Taking every lock of the process around a fork.

#include "base/global_lock.h"

#include <pthread.h>

struct rs_lock rs_global_locks[RS_GLOBAL_LOCK_COUNT];

static void fork_prepare(void)
{
    for (int i = 0; i < RS_GLOBAL_LOCK_COUNT; i++) rs_lock(&rs_global_locks[i]);
}

static void fork_parent(void)
{
    for (int i = RS_GLOBAL_LOCK_COUNT; i-- > 0;) rs_unlock(&rs_global_locks[i]);
}

static void fork_child(void)
{
    rs_lock_forget_sleepers();
    fork_parent();
}

// When the library is loaded: no call into it may have come before. A lock that signals have of
// their own is taken before these, since its handlers are registered later.
__attribute__((constructor)) static void fork_handle(void)
{
    // Without memory so early a program has worse to fear than a fork beside busy threads.
    (void)pthread_atfork(fork_prepare, fork_parent, fork_child);
}
