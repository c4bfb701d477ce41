// SPDX-License-Identifier: MIT
//
// The switch of stacks: the six registers that a call must preserve, the stack pointer, and a jump.
// The control words of the floating-point units, which the ABI counts among them, are left as they
// are, and nothing is checked.

#ifndef ROUSE_BENCH_STACK_H
#define ROUSE_BENCH_STACK_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/sanitizer.h"

// Sanitizers would have to be told of each switch.
#if defined(__x86_64__) && !RS_ASAN && !RS_TSAN
#define FLOOR_HAS_STACKS 1

__attribute__((naked, noinline)) static void stack_switch(__attribute__((unused)) void **save,
                                                          __attribute__((unused)) void *load)
{
    __asm__("pushq %rbp\n"
            "pushq %rbx\n"
            "pushq %r12\n"
            "pushq %r13\n"
            "pushq %r14\n"
            "pushq %r15\n"
            "movq %rsp, (%rdi)\n"
            "movq %rsi, %rsp\n"
            "popq %r15\n"
            "popq %r14\n"
            "popq %r13\n"
            "popq %r12\n"
            "popq %rbx\n"
            "popq %rbp\n"
            "popq %rcx\n"
            "jmp *%rcx\n");
}

#else
#define FLOOR_HAS_STACKS 0

static inline void stack_switch(void **save, void *load)
{
    (void)save;
    (void)load;
    abort();
}

#endif

enum { STACK_SIZE = 65536, STACK_SAVED_WORDS = 7 };

// They lie at multiples of 64 KiB, as the stacks of a pool do, of which each has pages of its own.
static inline char *stacks_new(size_t count)
{
    char *stacks = aligned_alloc(STACK_SIZE, count * STACK_SIZE);

    if (stacks == NULL) abort();
    return stacks;
}

// The pointer of a stack that ends at `top` and begins in `entry`, which does not return.
static inline void *stack_prepare(char *top, void (*entry)(void))
{
    // The word on top is the return address that the function would find, were it called.
    void **pointer = (void **)(void *)top - STACK_SAVED_WORDS - 1;

    for (int i = 0; i <= STACK_SAVED_WORDS; i++) pointer[i] = NULL;
    // By way of an integer: a function's address is no object's.
    pointer[STACK_SAVED_WORDS - 1] = (void *)(uintptr_t)entry;
    return pointer;
}

#endif
