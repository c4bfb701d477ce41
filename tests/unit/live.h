// SPDX-License-Identifier: MIT
//
// What tests of objects on the heap share: what is live, memory that has run out, and threads whose
// result counts.

#ifndef TESTS_UNIT_LIVE_H
#define TESTS_UNIT_LIVE_H

#include <pthread.h>
#include <rouse/stats.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/sys.h"

static inline int64_t live_allocations(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.allocations;
}

static inline void *live_no_memory(size_t size)
{
    (void)size;
    return NULL;
}

// The result of make(arg) while there is no memory.
static inline int live_without_memory(int (*make)(void *arg), void *arg)
{
    void *(*const before)(size_t) = rs_sys.malloc;

    rs_sys.malloc = live_no_memory;
    int err = make(arg);

    rs_sys.malloc = before;
    return err;
}

static inline pthread_t live_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, arg) != 0) abort();
    return thread;
}

static inline int live_result(pthread_t thread)
{
    void *result;

    (void)pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

#endif
