// SPDX-License-Identifier: MIT
//
// Who holds a lock, or was given it: a word beside the lock, for dumps. It is an address to compare
// with those of tasks that are alive, and nothing is decided by it.

#ifndef RS_SYNC_HOLDER_H
#define RS_SYNC_HOLDER_H

#include <rouse/future.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/tls.h"

static inline void rs_holder_set(const void **holder, const struct rouse_task *task)
{
    // Relaxed: for a dump, which makes workers stand still before it reads, or takes it as a hint.
    atomic_store_explicit((const void *_Atomic *)holder, task, memory_order_relaxed);
}

// The task that runs on this thread; NULL on a thread of the program's.
static inline void rs_holder_set_to_current(const void **holder)
{
    const struct rouse_context *cx = rs_tls.context;

    rs_holder_set(holder, cx != NULL ? cx->task : NULL);
}

static inline const struct rouse_task *rs_holder_get(const void *const *holder)
{
    // Relaxed: as above.
    return atomic_load_explicit((const void *_Atomic *)(uintptr_t)holder, memory_order_relaxed);
}

#endif
