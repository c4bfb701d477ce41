// SPDX-License-Identifier: MIT
//
// What the sanitizers and Valgrind must be told, named once. Empty in ordinary builds.

#ifndef RS_BASE_SANITIZER_H
#define RS_BASE_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__)
#define RS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RS_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define RS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RS_TSAN 1
#endif
#endif

#ifndef RS_ASAN
#define RS_ASAN 0
#endif
#ifndef RS_TSAN
#define RS_TSAN 0
#endif

#if RS_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#if defined(__has_include) && __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define RS_VALGRIND 1
#else
#define RS_VALGRIND 0
#endif

// Pages from mmap that hold pointers to blocks from malloc: LeakSanitizer does not look into them
// by itself.
static inline void rs_leak_root_add(const void *pages, unsigned long size)
{
#if RS_ASAN
    __lsan_register_root_region(pages, size);
#else
    (void)pages;
    (void)size;
#endif
}

static inline void rs_leak_root_remove(const void *pages, unsigned long size)
{
#if RS_ASAN
    __lsan_unregister_root_region(pages, size);
#else
    (void)pages;
    (void)size;
#endif
}

// Memory that the kernel has written by an operation of a ring, of which Valgrind knows nothing.
static inline void rs_has_been_written(const void *memory, unsigned long size)
{
#if RS_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

// Memory that is kept and that nobody may touch, until it is unpoisoned.
static inline void rs_poison(const volatile void *memory, unsigned long size)
{
#if RS_ASAN
    __asan_poison_memory_region(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

static inline void rs_unpoison(const volatile void *memory, unsigned long size)
{
#if RS_ASAN
    __asan_unpoison_memory_region(memory, size);
#else
    (void)memory;
    (void)size;
#endif
}

#endif
