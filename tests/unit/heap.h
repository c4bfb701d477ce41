// SPDX-License-Identifier: MIT
//
// Counts heap allocations of this program: all of them where the C library lets us stand in front
// of malloc, and those that rouse asks the system for everywhere. One test file includes it.

#ifndef TESTS_UNIT_HEAP_H
#define TESTS_UNIT_HEAP_H

#include <stdatomic.h>
#include <stdlib.h>

#include "base/sanitizer.h"
#include "base/sys.h"

static _Atomic long heap_allocations;

static inline void heap_count(void)
{
    // Relaxed: a count orders nothing.
    atomic_fetch_add_explicit(&heap_allocations, 1, memory_order_relaxed);
}

static inline long heap_counted(void)
{
    // Relaxed: read on the thread that counted.
    return atomic_load_explicit(&heap_allocations, memory_order_relaxed);
}

static void *heap_rouse_malloc(size_t size)
{
    heap_count();
    return rs_sys_real.malloc(size);
}

static int heap_rouse_mmap(void **out, size_t size, int protection, int flags)
{
    heap_count();
    return rs_sys_real.mmap(out, size, protection, flags);
}

// From here on rouse's own requests are counted.
static inline void heap_watch(void)
{
    rs_sys.malloc = heap_rouse_malloc;
    rs_sys.mmap = heap_rouse_mmap;
}

// The sanitizers stand there themselves.
#if defined(__GLIBC__) && !RS_ASAN && !RS_TSAN
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

void *malloc(size_t size)
{
    heap_count();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    heap_count();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    heap_count();
    return __libc_realloc(memory, size);
}
#endif

#endif
