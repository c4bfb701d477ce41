// SPDX-License-Identifier: MIT
//
// The one link through which a task stands in a queue: a run queue, the injection queue or an
// inbox. A task embeds it once, so it is in at most one queue at a time, and no push allocates.

#ifndef RS_BASE_LINK_H
#define RS_BASE_LINK_H

#include <stdint.h>

#include "base/cpu.h"

// While queued, `next` belongs to the queue; otherwise its value means nothing.
struct rs_task_link {
    struct rs_task_link *next;
};

// The record of a task that is to be run soon, and the begin of its future. Follows nothing, so any
// value will do.
static inline void rs_task_link_prefetch(const struct rs_task_link *link)
{
    __builtin_prefetch(link, 1);
    __builtin_prefetch((const void *)((uintptr_t)link + RS_CACHE_LINE), 1);
}

#endif
