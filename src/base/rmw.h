// SPDX-License-Identifier: MIT
//
// Read-modify-writes for what is done often. In a process that has a single thread they go without
// the lock prefix, by which a processor waits until all stores before are done: some 5 ns less
// each, and half of what a lock costs that is free. (As the C library does in its own locks, and
// GNU's C++ library in shared_ptr.)
//
// libc knows whether there is another thread. `__libc_single_threaded` becomes false before a
// second one is made. Only the calling thread could make one, and does not between its look and
// what follows it; what it has stored until then the new thread sees, as all that comes before its
// making. A signal handler runs before or after each of them: it is one instruction.
//
// That is so on x86-64. Elsewhere, and where a sanitizer or the model explorer is to see them,
// these are the atomic ones of their names.

#ifndef RS_BASE_RMW_H
#define RS_BASE_RMW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/sanitizer.h"

#if defined(__x86_64__) && !RS_TSAN && !RS_ASAN && defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define RS_RMW_KNOWS_ALONE 1
#endif
#endif

#ifndef RS_RMW_KNOWS_ALONE

#define rs_fetch_add_32 atomic_fetch_add_explicit
#define rs_fetch_sub_32 atomic_fetch_sub_explicit
#define rs_fetch_or_32 atomic_fetch_or_explicit
#define rs_fetch_and_32 atomic_fetch_and_explicit
#define rs_compare_exchange_weak_32 atomic_compare_exchange_weak_explicit
#define rs_compare_exchange_strong_32 atomic_compare_exchange_strong_explicit
#define rs_fetch_add_64 atomic_fetch_add_explicit
#define rs_fetch_sub_64 atomic_fetch_sub_explicit
#define rs_fetch_or_64 atomic_fetch_or_explicit
#define rs_fetch_and_64 atomic_fetch_and_explicit
#define rs_compare_exchange_weak_64 atomic_compare_exchange_weak_explicit
#define rs_compare_exchange_strong_64 atomic_compare_exchange_strong_explicit

#else

// The instruction that follows is locked if there is another thread.
#define RS_RMW_LOCK "cmpb $0, %[alone]\n\tjne 1f\n\tlock\n1:\t"
#define RS_RMW_ALONE [alone] "m"(__libc_single_threaded)

// Orders are for those of their names: each of these is a full barrier to the compiler, and locked
// to the processor as well.

// ---- 32 bits ----

static inline uint32_t rs_fetch_add_32(_Atomic uint32_t *word, uint32_t value, memory_order order)
{
    (void)order;
    __asm__ inline volatile(RS_RMW_LOCK "xaddl %[value], %[word]"
                            : [value] "+r"(value), [word] "+m"(*word)
                            : RS_RMW_ALONE
                            : "memory", "cc");
    return value;
}

static inline uint32_t rs_fetch_sub_32(_Atomic uint32_t *word, uint32_t value, memory_order order)
{
    return rs_fetch_add_32(word, 0 - value, order);
}

static inline bool rs_compare_exchange_strong_32(_Atomic uint32_t *word, uint32_t *expected,
                                                 uint32_t desired, memory_order success,
                                                 memory_order failure)
{
    bool done;

    (void)success;
    (void)failure;
    __asm__ inline volatile(RS_RMW_LOCK "cmpxchgl %[desired], %[word]"
                            : "=@ccz"(done), "+a"(*expected), [word] "+m"(*word)
                            : [desired] "r"(desired), RS_RMW_ALONE
                            : "memory");
    return done;
}

#define rs_compare_exchange_weak_32 rs_compare_exchange_strong_32

static inline uint32_t rs_fetch_or_32(_Atomic uint32_t *word, uint32_t value, memory_order order)
{
    uint32_t before = atomic_load_explicit(word, memory_order_relaxed);

    while (!rs_compare_exchange_strong_32(word, &before, before | value, order,
                                          memory_order_relaxed)) {
    }
    return before;
}

static inline uint32_t rs_fetch_and_32(_Atomic uint32_t *word, uint32_t value, memory_order order)
{
    uint32_t before = atomic_load_explicit(word, memory_order_relaxed);

    while (!rs_compare_exchange_strong_32(word, &before, before & value, order,
                                          memory_order_relaxed)) {
    }
    return before;
}

// ---- 64 bits ----

static inline uint64_t rs_fetch_add_64(_Atomic uint64_t *word, uint64_t value, memory_order order)
{
    (void)order;
    __asm__ inline volatile(RS_RMW_LOCK "xaddq %[value], %[word]"
                            : [value] "+r"(value), [word] "+m"(*word)
                            : RS_RMW_ALONE
                            : "memory", "cc");
    return value;
}

static inline uint64_t rs_fetch_sub_64(_Atomic uint64_t *word, uint64_t value, memory_order order)
{
    return rs_fetch_add_64(word, 0 - value, order);
}

static inline bool rs_compare_exchange_strong_64(_Atomic uint64_t *word, uint64_t *expected,
                                                 uint64_t desired, memory_order success,
                                                 memory_order failure)
{
    bool done;

    (void)success;
    (void)failure;
    __asm__ inline volatile(RS_RMW_LOCK "cmpxchgq %[desired], %[word]"
                            : "=@ccz"(done), "+a"(*expected), [word] "+m"(*word)
                            : [desired] "r"(desired), RS_RMW_ALONE
                            : "memory");
    return done;
}

#define rs_compare_exchange_weak_64 rs_compare_exchange_strong_64

static inline uint64_t rs_fetch_or_64(_Atomic uint64_t *word, uint64_t value, memory_order order)
{
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);

    while (!rs_compare_exchange_strong_64(word, &before, before | value, order,
                                          memory_order_relaxed)) {
    }
    return before;
}

static inline uint64_t rs_fetch_and_64(_Atomic uint64_t *word, uint64_t value, memory_order order)
{
    uint64_t before = atomic_load_explicit(word, memory_order_relaxed);

    while (!rs_compare_exchange_strong_64(word, &before, before & value, order,
                                          memory_order_relaxed)) {
    }
    return before;
}

#endif

#endif
