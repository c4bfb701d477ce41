// SPDX-License-Identifier: MIT
//
// Coroutines driven by hand. Under ASan, TSan and Valgrind the same program shows that each was
// told what it must know: none of them may report anything. Misuse is tried in a child.

#include "fiber/coroutine.h"

#include <fenv.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/counters.h"

#define KIB ((size_t)1 << 10)

enum { MANY = 200, ROUNDS = 50, THREADS = 4, NESTED = 5 };

static int test_count;
static int failure_count;

static void claim(bool holds, const char *text)
{
    printf("%sok %d - %s\n", holds ? "" : "not ", ++test_count, text);
    if (!holds) failure_count++;
}

// A coroutine in a record at the top of its own stack, as a fiber has it.
struct worker {
    struct rs_coroutine co;
    struct rs_stack stack;
    uint64_t steps;
    uint64_t sum;
    struct worker *inner;
    bool flag;
};

static struct worker *worker_new(struct rs_stack_pool *pool, void (*entry)(void *arg))
{
    struct rs_stack stack;

    if (rs_stack_get(pool, 0, &stack) < 0) abort();

    struct worker *worker = rs_stack_carve(&stack, sizeof *worker);

    memset(worker, 0, sizeof *worker);
    worker->stack = stack;
    rs_coroutine_start(&worker->co, &worker->stack, entry, worker);
    return worker;
}

static void pool_open(struct rs_stack_pool *pool)
{
    if (rs_stack_pool_init(pool, rouse_allocator_default(), RS_STACK_SIZE_DEFAULT, MANY) < 0) {
        abort();
    }
}

static void step_thrice(void *arg)
{
    struct worker *self = arg;

    self->steps = 1;
    rs_coroutine_suspend(&self->co);
    self->steps = 2;
    rs_coroutine_suspend(&self->co);
    self->steps = 3;
}

static void a_coroutine_runs_in_steps(struct rs_stack_pool *pool)
{
    struct worker *worker = worker_new(pool, step_thrice);

    claim(worker->steps == 0 && !worker->co.running && !worker->co.done, "start_runs_nothing");
    rs_coroutine_resume(&worker->co);
    claim(worker->steps == 1 && !worker->co.done, "resume_runs_to_the_first_suspend");
    rs_coroutine_resume(&worker->co);
    claim(worker->steps == 2 && !worker->co.done && !worker->co.running, "and_then_to_the_next");
    rs_coroutine_resume(&worker->co);
    claim(worker->steps == 3 && worker->co.done, "when_entry_returns_the_coroutine_is_done");
    rs_stack_put(pool, &worker->stack);
}

// The record need not lie on the stack.
static void a_coroutine_may_lie_elsewhere(struct rs_stack_pool *pool)
{
    struct worker worker = {.steps = 0};

    if (rs_stack_get(pool, 0, &worker.stack) < 0) abort();
    rs_coroutine_start(&worker.co, &worker.stack, step_thrice, &worker);
    while (!worker.co.done) rs_coroutine_resume(&worker.co);
    claim(worker.steps == 3, "a_coroutine_may_lie_outside_its_stack");
    rs_stack_put(pool, &worker.stack);
}

static void add_up(void *arg)
{
    struct worker *self = arg;
    uint64_t local[16] = {0};

    for (size_t i = 0; i < ROUNDS; i++) {
        local[i % 16] += i + (uintptr_t)self % 1000;
        rs_coroutine_suspend(&self->co);
    }
    for (size_t i = 0; i < 16; i++) self->sum += local[i];
}

static bool many_in_turn(struct rs_stack_pool *pool)
{
    static const uint64_t series = (uint64_t)ROUNDS * (ROUNDS - 1) / 2;
    struct worker *workers[MANY];
    bool right = true;

    for (size_t i = 0; i < MANY; i++) workers[i] = worker_new(pool, add_up);
    for (size_t round = 0; round <= ROUNDS; round++) {
        for (size_t i = 0; i < MANY; i++) rs_coroutine_resume(&workers[i]->co);
    }
    for (size_t i = 0; i < MANY; i++) {
        uint64_t expected = series + ROUNDS * ((uintptr_t)workers[i] % 1000);

        right = right && workers[i]->co.done && workers[i]->sum == expected;
        rs_stack_put(pool, &workers[i]->stack);
    }
    return right;
}

static void many_coroutines_keep_their_locals(struct rs_stack_pool *pool)
{
    claim(many_in_turn(pool), "coroutines_run_in_turn_keep_their_locals");
    claim(many_in_turn(pool), "and_again_on_the_same_stacks");
}

// Resumes the next inner one and suspends, so control goes in and out through every level.
static void nest(void *arg)
{
    struct worker *self = arg;

    do {
        if (self->inner != NULL) {
            rs_coroutine_resume(&self->inner->co);
            self->sum = self->inner->sum + 1;
        } else {
            self->sum += 100;
        }
        rs_coroutine_suspend(&self->co);
    } while (self->inner == NULL ? ++self->steps < 3 : !self->inner->co.done);
}

static void coroutines_resume_coroutines(struct rs_stack_pool *pool)
{
    struct worker *workers[NESTED];

    for (size_t i = NESTED; i-- > 0;) {
        workers[i] = worker_new(pool, nest);
        workers[i]->inner = i + 1 < NESTED ? workers[i + 1] : NULL;
    }
    for (size_t i = 0; i < 3; i++) rs_coroutine_resume(&workers[0]->co);
    claim(workers[0]->sum == 300 + NESTED - 1, "a_coroutine_may_resume_another");
    while (!workers[0]->co.done) rs_coroutine_resume(&workers[0]->co);
    for (size_t i = 0; i < NESTED; i++) rs_stack_put(pool, &workers[i]->stack);
}

// Known to others, so that no compiler makes one frame do for all.
static const char *volatile deepest_frame;

__attribute__((noinline)) static uint64_t recurse(struct worker *self, unsigned depth)
{
    char frame[256];

    memset(frame, (int)depth, sizeof frame);
    deepest_frame = frame;
    if (depth == 0) rs_coroutine_suspend(&self->co);

    uint64_t rest = depth > 0 ? recurse(self, depth - 1) : 0;

    return rest + (uint64_t)frame[7];
}

static void run_deep(void *arg)
{
    struct worker *self = arg;

    for (int i = 0; i < 3; i++) self->sum += recurse(self, 60);
}

static void a_coroutine_suspends_at_any_depth(struct rs_stack_pool *pool)
{
    struct worker *worker = worker_new(pool, run_deep);
    size_t used;

    while (!worker->co.done) rs_coroutine_resume(&worker->co);
    used = rs_stack_used(&worker->stack);
    claim(worker->sum == 3 * 60 * 61 / 2, "a_coroutine_suspends_in_a_deep_recursion");
    // ASan may keep the frames elsewhere.
    claim((RS_ASAN || used > 61 * 256) && used <= worker->stack.size,
          "the_high_water_mark_tells_how_deep");
    rs_stack_put(pool, &worker->stack);
}

__attribute__((noinline)) static void jump_out(jmp_buf *back)
{
    volatile char frame[200];

    memset((char *)frame, 1, sizeof frame);
    longjmp(*back, 6 + frame[7]);
}

static void jump_around(void *arg)
{
    struct worker *self = arg;
    jmp_buf back;

    for (volatile int i = 0; i < 3; i++) {
        int value = setjmp(back);

        if (value == 0) {
            rs_coroutine_suspend(&self->co);
            jump_out(&back);
        }
        self->sum += (uint64_t)value;
    }
}

static void longjmp_works_within_a_coroutine(struct rs_stack_pool *pool)
{
    struct worker *worker = worker_new(pool, jump_around);

    while (!worker->co.done) rs_coroutine_resume(&worker->co);
    claim(worker->sum == 21, "longjmp_works_within_a_coroutine");
    rs_stack_put(pool, &worker->stack);
}

static void round_down(void *arg)
{
    struct worker *self = arg;

    fesetround(FE_DOWNWARD);
    rs_coroutine_suspend(&self->co);
    self->flag = fegetround() == FE_DOWNWARD;
}

static void rounding_is_the_coroutines_own(struct rs_stack_pool *pool)
{
    struct worker *worker = worker_new(pool, round_down);
    bool ours;

    rs_coroutine_resume(&worker->co);
    ours = fegetround() == FE_TONEAREST;
    fesetround(FE_UPWARD);
    rs_coroutine_resume(&worker->co);
    ours = ours && fegetround() == FE_UPWARD;
    fesetround(FE_TONEAREST);
    claim(worker->flag && ours, "rounding_is_the_coroutines_own");
    rs_stack_put(pool, &worker->stack);
}

// Plain data passed both ways: TSan must know that a switch orders what comes before it.
static uint64_t plain;

static void hand_over(void *arg)
{
    struct worker *self = arg;

    for (int i = 0; i < ROUNDS; i++) {
        plain++;
        rs_coroutine_suspend(&self->co);
    }
}

static void a_switch_orders_plain_accesses(struct rs_stack_pool *pool)
{
    struct worker *a = worker_new(pool, hand_over);
    struct worker *b = worker_new(pool, hand_over);

    while (!a->co.done || !b->co.done) {
        if (!a->co.done) rs_coroutine_resume(&a->co);
        plain++;
        if (!b->co.done) rs_coroutine_resume(&b->co);
    }
    claim(plain == 3 * ROUNDS + 1, "a_switch_orders_plain_accesses");
    rs_stack_put(pool, &a->stack);
    rs_stack_put(pool, &b->stack);
}

static void *run_many(void *arg)
{
    struct rs_stack_pool pool;

    pool_open(&pool);
    *(bool *)arg = many_in_turn(&pool);
    rs_stack_pool_deinit(&pool);
    return NULL;
}

static void threads_have_coroutines_of_their_own(void)
{
    pthread_t threads[THREADS];
    bool right[THREADS];
    bool all = true;

    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, run_many, &right[i]) != 0) abort();
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        all = all && right[i];
    }
    claim(all, "threads_run_coroutines_side_by_side");
}

// Runs `body` in a child without core file and error output, and tells whether it aborted.
static bool aborts(void (*body)(void))
{
    int status = -1;

    fflush(stdout);

    pid_t child = fork();

    if (child == 0) {
        struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        body();
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static struct rs_stack_pool *misuse_pool;

static void return_at_once(void *arg)
{
    (void)arg;
}

static void resume_after_the_end(void)
{
    struct worker *worker = worker_new(misuse_pool, return_at_once);

    rs_coroutine_resume(&worker->co);
    rs_coroutine_resume(&worker->co);
}

static void resume_self(void *arg)
{
    struct worker *self = arg;

    rs_coroutine_resume(&self->co);
}

static void resume_while_running(void)
{
    rs_coroutine_resume(&worker_new(misuse_pool, resume_self)->co);
}

static void suspend_from_outside(void)
{
    rs_coroutine_suspend(&worker_new(misuse_pool, return_at_once)->co);
}

static void misuse_stops_the_program(struct rs_stack_pool *pool)
{
    misuse_pool = pool;
    claim(aborts(resume_after_the_end), "resuming_after_the_end_is_misuse");
    claim(aborts(resume_while_running), "resuming_the_running_coroutine_is_misuse");
    claim(aborts(suspend_from_outside), "suspending_from_outside_is_misuse");
}

int main(void)
{
    struct rs_stack_pool pool;

    pool_open(&pool);
    a_coroutine_runs_in_steps(&pool);
    a_coroutine_may_lie_elsewhere(&pool);
    many_coroutines_keep_their_locals(&pool);
    coroutines_resume_coroutines(&pool);
    a_coroutine_suspends_at_any_depth(&pool);
    longjmp_works_within_a_coroutine(&pool);
    rounding_is_the_coroutines_own(&pool);
    a_switch_orders_plain_accesses(&pool);
    threads_have_coroutines_of_their_own();
    misuse_stops_the_program(&pool);
    rs_stack_pool_deinit(&pool);
    claim(rs_counter_sum(RS_COUNTER_STACKS) == 0 && rs_counter_sum(RS_COUNTER_PAGE_BYTES) == 0,
          "nothing_is_left");
    printf("1..%d\n", test_count);
    return failure_count > 0;
}
