// SPDX-License-Identifier: MIT
//
// The switch to a coroutine and back, with no task and no scheduler around it; README.md says what
// each row does. It looks into the library, since nothing public is so small.

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "fiber/coroutine.h"
#include "parts.h"

enum { STACKS = 1000 };

// A coroutine, its record at the top of its own stack, as a fiber's is.
struct switcher {
    struct rs_coroutine co;
    struct rs_stack stack;
    bool over;
};

static void suspend_often(void *arg)
{
    struct switcher *self = arg;

    while (!self->over) rs_coroutine_suspend(&self->co);
}

static struct switcher *switcher_new(struct rs_stack_pool *pool)
{
    struct rs_stack stack;

    must(rs_stack_get(pool, 0, &stack), "stack");
    struct switcher *switcher = rs_stack_carve(&stack, sizeof *switcher);

    *switcher = (struct switcher){.stack = stack};
    rs_coroutine_start(&switcher->co, &switcher->stack, suspend_often, switcher);
    rs_coroutine_resume(&switcher->co);
    return switcher;
}

static void switcher_free(struct rs_stack_pool *pool, struct switcher *switcher)
{
    struct rs_stack stack = switcher->stack;

    switcher->over = true;
    rs_coroutine_resume(&switcher->co);
    rs_stack_put(pool, &stack);
}

// Resumes `count` coroutines in turn, bench->n times in all.
static int switch_among(struct bench *bench, size_t count)
{
    static struct switcher *switchers[STACKS];
    struct rs_stack_pool pool;
    uint64_t rounds = bench->n / count;

    if (bench->workers > 1 || bench->style != BENCH_FIBER) return -ENOTSUP;
    bench->n = rounds * count;
    must(rs_stack_pool_init(&pool, rouse_allocator_default(), RS_STACK_SIZE_DEFAULT, 0), "pool");
    for (size_t i = 0; i < count; i++) switchers[i] = switcher_new(&pool);
    bench_start(bench);
    for (; rounds > 0; rounds--) {
        for (size_t i = 0; i < count; i++) rs_coroutine_resume(&switchers[i]->co);
    }
    bench_stop(bench);
    for (size_t i = 0; i < count; i++) switcher_free(&pool, switchers[i]);
    rs_stack_pool_deinit(&pool);
    return 0;
}

static int switch_one(struct bench *bench)
{
    return switch_among(bench, 1);
}

static int switch_many(struct bench *bench)
{
    return switch_among(bench, STACKS);
}

static const struct bench_case cases[] = {
    {"switch", 10000000, switch_one},
    {"switch_many", 10000000, switch_many},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "rouse",
                                              .about = "The switch to a stack and back.",
                                              .default_style = BENCH_FIBER,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
