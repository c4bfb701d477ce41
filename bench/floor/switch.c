// SPDX-License-Identifier: MIT
//
// The switch of stacks: the six registers that a call must preserve, the stack pointer, and a jump.
// The control words of the floating-point units, which the ABI counts among them, are left as they
// are, and nothing is checked.

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/sanitizer.h"
#include "bench.h"
#include "floor/floor.h"

// Sanitizers would have to be told of each switch.
#if defined(__x86_64__) && !RS_ASAN && !RS_TSAN

enum { STACKS = 1000, STACK_SIZE = 65536, SAVED_WORDS = 7 };

void floor_switch_stacks(void **save, void *load);

__asm__(".text\n"
        ".p2align 4\n"
        ".type floor_switch_stacks, @function\n"
        "floor_switch_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    popq %rcx\n"
        "    jmp *%rcx\n"
        ".size floor_switch_stacks, . - floor_switch_stacks\n");

// Which of the stacks is on; the others' pointers.
static size_t current;
static void *stack_pointers[STACKS];
static void *main_pointer;

static void go_back_often(void)
{
    for (;;) floor_switch_stacks(&stack_pointers[current], main_pointer);
}

// A stack that begins in go_back_often(). It lies at a multiple of 64 KiB from the others, as the
// stacks of a pool do.
static void *stack_prepare(char *stack)
{
    // The word on top is the return address that the function would find, were it called.
    void **pointer = (void **)(void *)(stack + STACK_SIZE) - SAVED_WORDS - 1;

    for (int i = 0; i <= SAVED_WORDS; i++) pointer[i] = NULL;
    // By way of an integer: a function's address is no object's.
    pointer[SAVED_WORDS - 1] = (void *)(uintptr_t)go_back_often;
    return pointer;
}

static int switch_among(struct bench *bench, size_t count)
{
    uint64_t rounds = bench->n / count;
    char *stacks = aligned_alloc(STACK_SIZE, count * STACK_SIZE);

    if (bench->workers > 1) return -ENOTSUP;
    if (stacks == NULL) abort();
    bench->n = rounds * count;
    for (size_t i = 0; i < count; i++) stack_pointers[i] = stack_prepare(stacks + i * STACK_SIZE);
    bench_start(bench);
    for (; rounds > 0; rounds--) {
        for (current = 0; current < count; current++) {
            floor_switch_stacks(&main_pointer, stack_pointers[current]);
        }
    }
    bench_stop(bench);
    free(stacks);
    return 0;
}

#else

enum { STACKS = 1000 };

static int switch_among(struct bench *bench, size_t count)
{
    (void)bench;
    (void)count;
    return -ENOTSUP;
}

#endif

int floor_switch(struct bench *bench)
{
    return switch_among(bench, 1);
}

int floor_switch_many(struct bench *bench)
{
    return switch_among(bench, STACKS);
}
