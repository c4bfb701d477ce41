// SPDX-License-Identifier: MIT
//
// Switches to a stack and back, and nothing else.

#include <errno.h>

#include "bench.h"
#include "floor/floor.h"
#include "floor/stack.h"

enum { STACKS = 1000 };

// Which of the stacks is on; the others' pointers.
static size_t current;
static void *stack_pointers[STACKS];
static void *main_pointer;

static void go_back_often(void)
{
    for (;;) stack_switch(&stack_pointers[current], main_pointer);
}

static int switch_among(struct bench *bench, size_t count)
{
    uint64_t rounds = bench->n / count;

    if (!FLOOR_HAS_STACKS || bench->workers > 1) return -ENOTSUP;
    char *stacks = stacks_new(count);

    bench->n = rounds * count;
    for (size_t i = 0; i < count; i++) {
        stack_pointers[i] = stack_prepare(stacks + (i + 1) * STACK_SIZE, go_back_often);
    }
    bench_start(bench);
    for (; rounds > 0; rounds--) {
        for (current = 0; current < count; current++) {
            stack_switch(&main_pointer, stack_pointers[current]);
        }
    }
    bench_stop(bench);
    free(stacks);
    return 0;
}

int floor_switch(struct bench *bench)
{
    return switch_among(bench, 1);
}

int floor_switch_many(struct bench *bench)
{
    return switch_among(bench, STACKS);
}
