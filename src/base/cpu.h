// SPDX-License-Identifier: MIT
//
// What a processor core is to us: the size of a cache line, how to spin politely, and its counter.

#ifndef RS_BASE_CPU_H
#define RS_BASE_CPU_H

#include <stdint.h>

// What two cores must not share when both write.
#define RS_CACHE_LINE 64

// The schedule explorer has a function for it: there a spin waits for what another thread does.
#if defined(RS_CPU_RELAX)
void RS_CPU_RELAX(void);
#endif

static inline void rs_cpu_relax(void)
{
#if defined(RS_CPU_RELAX)
    RS_CPU_RELAX();
#elif defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

// Asks for the line of `at` for writing: it comes over once, where a load and a later write each
// would have it come. (x86-64: without compiler flags __builtin_prefetch() asks for reading only.
// A processor that does not know the instruction takes it for none.)
static inline void rs_prefetch_write(const void *at)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)at));
#else
    __builtin_prefetch(at, 1);
#endif
}

// A counter that goes on at one rate, for a fraction of what a look at the clock costs; 0 where
// there is none. Other cores may be a little ahead or behind.
static inline uint64_t rs_cpu_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;

    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    return 0;
#endif
}

// The compiler moves no memory access across it. The processor may.
static inline void rs_compiler_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

#endif
