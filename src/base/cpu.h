// SPDX-License-Identifier: MIT
//
// What a processor core is to us: the size of a cache line, and how to spin politely.

#ifndef RS_BASE_CPU_H
#define RS_BASE_CPU_H

// What two cores must not share when both write.
#define RS_CACHE_LINE 64

static inline void rs_cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

#endif
