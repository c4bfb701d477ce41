// SPDX-License-Identifier: MIT
//
// The floors of floor.c for tasks that have stacks of their own. The loop and its atomic operations
// are the same, but each poll is a switch to the task's stack and back. A task takes a stack from a
// free list when it is polled first, and leaves it there when it ends; what is measured includes
// the first touch of each. One thread.

#include <errno.h>

#include "bench.h"
#include "floor/cell.h"
#include "floor/loop.h"
#include "floor/stack.h"

enum { PAIRS = 1000, STACKS = 2 * PAIRS, TOPS = 16, LINE = 64 };

struct fiber {
    struct task *task;
    void (*run)(struct fiber *self);
    void *arg;
    char *top;      // of its stack; NULL: it has not begun
    void *pointer;  // its stack's, while another one is on
    enum loop_poll outcome;
    struct fiber *next;  // in the free list
};

static struct fiber *free_fibers;
static struct fiber *current;
static void *loop_pointer;
static char *tops[STACKS];
static size_t tops_left;

// ---- Fibers ----

// Lets the others run, until it is woken or its turn has come again.
static void pause_as(struct fiber *self, enum loop_poll outcome)
{
    self->outcome = outcome;
    stack_switch(&self->pointer, loop_pointer);
}

static void run_current(void)
{
    current->run(current);
    pause_as(current, LOOP_ENDED);
}

static enum loop_poll poll_fiber(struct task *task)
{
    struct fiber *self = task->arg;

    if (self->top == NULL) {
        self->top = tops[--tops_left];
        self->pointer = stack_prepare(self->top, run_current);
    }
    current = self;
    stack_switch(&loop_pointer, self->pointer);
    if (self->outcome == LOOP_ENDED) {
        tops[tops_left++] = self->top;
        self->next = free_fibers;
        free_fibers = self;
    }
    return self->outcome;
}

static void spawn(void (*run)(struct fiber *self), void *arg)
{
    struct fiber *fiber = free_fibers;

    if (fiber == NULL) {
        fiber = malloc(sizeof *fiber);
        if (fiber == NULL) abort();
    } else {
        free_fibers = fiber->next;
    }
    fiber->run = run;
    fiber->arg = arg;
    fiber->top = NULL;
    fiber->task = loop_spawn(poll_fiber, fiber);
}

static uint64_t receive(struct fiber *self, struct cell *cell)
{
    uint64_t value;

    while (!cell_receive(cell, self->task, &value)) pause_as(self, LOOP_WAITS);
    return value;
}

// ---- A run ----

static char *stacks;

// The tops lie in lines of their own, so that they do not all want one place in the cache.
static bool begin(struct bench *bench)
{
    if (!FLOOR_HAS_STACKS || bench->style != BENCH_FIBER || bench->workers > 1) return false;
    stacks = stacks_new(STACKS);
    for (; tops_left < STACKS; tops_left++) {
        tops[tops_left] = stacks + (tops_left + 1) * STACK_SIZE - tops_left % TOPS * LINE;
    }
    bench_start(bench);
    return true;
}

static int end(struct bench *bench, bool is_right)
{
    bench_stop(bench);
    free(stacks);
    return is_right ? 0 : -EIO;
}

// ---- Tasks ----

static void add(struct fiber *self)
{
    *(uint64_t *)self->arg += 1;
}

static int spawn_join(struct bench *bench)
{
    uint64_t sum = 0;

    if (!begin(bench)) return -ENOTSUP;
    for (uint64_t i = 0; i < bench->n; i++) {
        spawn(add, &sum);
        loop_run();
    }
    return end(bench, sum == bench->n);
}

static void spawn_next(struct fiber *self)
{
    uint64_t *links = self->arg;

    if (--*links > 0) spawn(spawn_next, links);
}

static int chained(struct bench *bench)
{
    uint64_t links = bench->n;

    if (!begin(bench)) return -ENOTSUP;
    spawn(spawn_next, &links);
    loop_run();
    return end(bench, links == 0);
}

static void yield_often(struct fiber *self)
{
    for (uint64_t i = *(uint64_t *)self->arg; i > 0; i--) pause_as(self, LOOP_AGAIN);
}

static int yield_among(struct bench *bench, size_t tasks)
{
    uint64_t count = bench->n / tasks;

    if (!begin(bench)) return -ENOTSUP;
    bench->n = count * tasks;
    for (size_t i = 0; i < tasks; i++) spawn(yield_often, &count);
    loop_run();
    return end(bench, true);
}

static int yield200(struct bench *bench)
{
    return yield_among(bench, 200);
}

static int yield1000(struct bench *bench)
{
    return yield_among(bench, 1000);
}

// ---- Pairs ----

struct pair {
    struct cell *ping;
    struct cell *pong;
    uint64_t rounds;
};

static struct pair pairs[PAIRS];

static void respond(struct fiber *self)
{
    struct pair *pair = self->arg;
    uint64_t value = receive(self, pair->ping);

    cell_free(pair->ping);
    cell_send(pair->pong, value);
}

static void ask(struct fiber *self)
{
    struct pair *pair = self->arg;

    pair->ping = cell_new();
    pair->pong = cell_new();
    spawn(respond, pair);
    cell_send(pair->ping, 1);
    (void)receive(self, pair->pong);
    cell_free(pair->pong);
}

static int pingpong(struct bench *bench)
{
    if (!begin(bench)) return -ENOTSUP;
    bench->n -= bench->n % PAIRS;
    for (uint64_t i = 0; i < bench->n; i += PAIRS) {
        for (size_t k = 0; k < PAIRS; k++) spawn(ask, &pairs[k]);
        loop_run();
    }
    return end(bench, true);
}

static void serve(struct fiber *self)
{
    struct pair *pair = self->arg;

    for (uint64_t i = 0; i < pair->rounds; i++) {
        cell_send(pair->ping, i);
        if (receive(self, pair->pong) != i) abort();
    }
}

static void answer(struct fiber *self)
{
    struct pair *pair = self->arg;

    for (uint64_t i = 0; i < pair->rounds; i++) cell_send(pair->pong, receive(self, pair->ping));
}

static int pingpong_chan(struct bench *bench)
{
    uint64_t rounds = bench->n / PAIRS;

    if (!begin(bench)) return -ENOTSUP;
    bench->n = rounds * PAIRS;
    for (size_t i = 0; i < PAIRS; i++) {
        pairs[i] = (struct pair){.ping = cell_new(), .pong = cell_new(), .rounds = rounds};
        spawn(answer, &pairs[i]);
        spawn(serve, &pairs[i]);
    }
    loop_run();
    return end(bench, true);
}

// ---- The program ----

static const struct bench_case cases[] = {
    {"spawn_join", 1000000, spawn_join}, {"chained", 1000000, chained},
    {"yield200", 200000, yield200},      {"yield1000", 1000000, yield1000},
    {"pingpong", 100000, pingpong},      {"pingpong_chan", 200000, pingpong_chan},
};

int main(int argc, char **argv)
{
    return bench_main(argc, argv,
                      &(struct bench_program){.impl = "floor",
                                              .about = "The least that each row takes in fibers.",
                                              .default_style = BENCH_FIBER,
                                              .cases = cases,
                                              .case_count = sizeof cases / sizeof cases[0]});
}
