// SPDX-License-Identifier: MIT
//
// The bare context switch, on stacks from malloc, without any of what a coroutine adds.

#include "fiber/switch.h"

#include <fenv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unwind.h>

#if defined(__has_include) && __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define ON_VALGRIND (RUNNING_ON_VALGRIND != 0)
#else
#define VALGRIND_STACK_REGISTER(begin, end) 0
#define VALGRIND_STACK_DEREGISTER(id) (void)(id)
#define ON_VALGRIND false
#endif

enum { STACK_SIZE = 128 << 10, RING_SIZE = 100, ROUNDS = 1000 };

static int test_count;
static int failure_count;

static void claim(bool holds, const char *text)
{
    printf("%sok %d - %s\n", holds ? "" : "not ", ++test_count, text);
    if (!holds) failure_count++;
}

// One context besides the main one: `self` is where it goes on, `other` where main does.
struct side {
    void *self;
    void *other;
    char *stack;
    unsigned stack_id;  // Valgrind's
    uint64_t seen;
    bool flag;
};

static void side_start(struct side *side, void (*entry)(void *arg))
{
    *side = (struct side){.stack = malloc(STACK_SIZE)};
    if (side->stack == NULL) abort();
    side->stack_id = VALGRIND_STACK_REGISTER(side->stack, side->stack + STACK_SIZE);
    side->self = rs_switch_prepare(side->stack + STACK_SIZE, entry, side);
}

static void side_end(struct side *side)
{
    VALGRIND_STACK_DEREGISTER(side->stack_id);
    free(side->stack);
}

// The forms of a switch, for either side; any may meet any.
enum form { FORM_CALLED, FORM_INLINE, FORM_LAST, FORM_COUNT };

static enum form run_form;
static enum form wait_form;

static inline int go(enum form form, void **save_sp, void *load_sp)
{
    if (form == FORM_LAST) return rs_switch_last(save_sp, load_sp);
    if (form == FORM_INLINE) {
        rs_switch_inline(save_sp, load_sp);
    } else {
        rs_switch(save_sp, load_sp);
    }
    return 0;
}

static int side_run(struct side *side)
{
    return go(run_form, &side->other, side->self);
}

static int side_wait(struct side *side)
{
    return go(wait_form, &side->self, side->other);
}

static void check_frame(void *arg)
{
    struct side *side = arg;

    side->seen = (uintptr_t)__builtin_frame_address(0);
    for (;;) side->flag = side_wait(side) == 0;
}

static void entry_gets_its_argument_on_an_aligned_stack(void)
{
    struct side side;

    side_start(&side, check_frame);
    (void)side_run(&side);

    uintptr_t low = (uintptr_t)side.stack;

    claim(side.seen - low < STACK_SIZE, "entry_runs_on_its_own_stack_with_its_argument");
    claim(side.seen % 16 == 0, "entry_finds_its_stack_aligned_to_16");
    claim(side_run(&side) == 0 && side.flag, "a_context_goes_on_after_its_switch");
    side_end(&side);
}

// An odd stack top, as a caller that carved bytes from the stack may have.
static void any_stack_top_will_do(void)
{
    struct side side;

    side_start(&side, check_frame);
    side.self = rs_switch_prepare(side.stack + STACK_SIZE - 77, check_frame, &side);
    (void)side_run(&side);
    claim(side.seen % 16 == 0, "an_unaligned_stack_top_is_aligned");
    side_end(&side);
}

static volatile uint64_t opaque_source = 0x9e3779b97f4a7c15;

static void scramble_registers(void)
{
#if defined(__x86_64__)
    __asm__ volatile("movq $-1, %%rbx\n\tmovq $-2, %%r12\n\tmovq $-3, %%r13\n\t"
                     "movq $-4, %%r14\n\tmovq $-5, %%r15"
                     :
                     :
                     : "rbx", "r12", "r13", "r14", "r15", "memory");
#elif defined(__aarch64__)
    __asm__ volatile("mov x19, #-1\n\tmov x20, #-2\n\tmov x21, #-3\n\tmov x22, #-4\n\t"
                     "mov x23, #-5\n\tmov x24, #-6\n\tmov x25, #-7\n\tmov x26, #-8\n\t"
                     "mov x27, #-9\n\tmov x28, #-10\n\tfmov d8, #2.0\n\tfmov d9, #3.0\n\t"
                     "fmov d10, #4.0\n\tfmov d11, #5.0\n\tfmov d12, #6.0\n\tfmov d13, #7.0\n\t"
                     "fmov d14, #8.0\n\tfmov d15, #9.0"
                     :
                     :
                     : "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "d8",
                       "d9", "d10", "d11", "d12", "d13", "d14", "d15", "memory");
#endif
}

static void scramble(void *arg)
{
    for (;;) {
        scramble_registers();
        (void)side_wait(arg);
    }
}

static void registers_survive(void)
{
    struct side side;
    uint64_t seed = opaque_source;
    uint64_t a = seed * 3, b = seed * 5, c = seed * 7, d = seed * 11, e = seed * 13, f = seed * 17;
    uint64_t g = seed * 19, h = seed * 23, i = seed * 29, j = seed * 31, k = seed * 37;
    double u = (double)(seed >> 13), v = u * 3, w = u * 5, x = u * 7, y = u * 11, z = u * 13;

    side_start(&side, scramble);
    (void)side_run(&side);
    (void)side_run(&side);
    seed = opaque_source;
    claim(a == seed * 3 && b == seed * 5 && c == seed * 7 && d == seed * 11 && e == seed * 13 &&
              f == seed * 17 && g == seed * 19 && h == seed * 23 && i == seed * 29 &&
              j == seed * 31 && k == seed * 37,
          "integers_in_registers_survive_a_switch");

    double t = (double)(seed >> 13);

    claim(!(u < t || u > t || v < t * 3 || v > t * 3 || w < t * 5 || w > t * 5 || x < t * 7 ||
            x > t * 7 || y < t * 11 || y > t * 11 || z < t * 13 || z > t * 13),
          "doubles_in_registers_survive_a_switch");
    side_end(&side);
}

static volatile double one = 1, minus_one = -1, three = 3;
static volatile long double long_one = 1, long_minus_one = -1, long_three = 3;

// How the two arithmetic units round: by what they compute, not by what libc says. The volatile
// objects keep the compiler from negating instead of dividing.
static bool rounds_up(void)
{
    volatile double third = one / three;
    volatile double minus_third = minus_one / three;

    return third > -minus_third;
}

static bool rounds_long_up(void)
{
    volatile long double third = long_one / long_three;
    volatile long double minus_third = long_minus_one / long_three;

    return third > -minus_third;
}

static void round_up(void *arg)
{
    struct side *side = arg;

    side->flag = rounds_up();  // inherited
    fesetround(FE_UPWARD);
    for (;;) {
        (void)side_wait(side);
        side->seen += (uint64_t)(rounds_up() && rounds_long_up());
    }
}

static void control_words_belong_to_a_context(void)
{
    struct side side;
    bool kept = true;

    side_start(&side, round_up);
    for (int i = 0; i < 5; i++) {
        (void)side_run(&side);
        kept = kept && !rounds_up() && !rounds_long_up() && fegetround() == FE_TONEAREST;
    }
    claim(kept, "our_rounding_survives_a_context_that_changes_its_own");
    claim(side.seen == 4, "its_rounding_survives_ours");
    claim(!side.flag, "a_new_context_rounds_as_its_maker_did");
    side_end(&side);

    fesetround(FE_UPWARD);
    side_start(&side, round_up);
    fesetround(FE_TONEAREST);
    (void)side_run(&side);
    claim(side.flag, "a_new_context_inherits_changed_control_words");
    side_end(&side);
}

static struct side ring[RING_SIZE];
static uint64_t ring_sum;

// Each context passes control to the next; the last one returns to main.
static void pass_on(void *arg)
{
    struct side *side = arg;
    size_t index = (size_t)(side - ring);
    uint64_t rounds = 0;

    for (;;) {
        ring_sum += index + ++rounds;
        if (index + 1 < RING_SIZE) {
            rs_switch(&side->self, ring[index + 1].self);
        } else {
            rs_switch(&side->self, ring[0].other);
        }
    }
}

static void contexts_can_pass_control_in_a_ring(void)
{
    uint64_t expected = (uint64_t)ROUNDS * RING_SIZE * (RING_SIZE - 1) / 2 +
                        (uint64_t)RING_SIZE * ROUNDS * (ROUNDS + 1) / 2;

    for (size_t i = 0; i < RING_SIZE; i++) side_start(&ring[i], pass_on);
    for (int i = 0; i < ROUNDS; i++) rs_switch(&ring[0].other, ring[0].self);
    claim(ring_sum == expected, "a_hundred_contexts_pass_control_a_thousand_times");
    for (size_t i = 0; i < RING_SIZE; i++) side_end(&ring[i]);
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
    (void)context;
    return ++*(uint64_t *)arg < 50 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void take_backtrace(void *arg)
{
    struct side *side = arg;

    side->flag = _Unwind_Backtrace(count_frame, &side->seen) == _URC_END_OF_STACK;
    for (;;) (void)side_wait(side);
}

static void backtraces_end_at_the_start(void)
{
    struct side side;

    side_start(&side, take_backtrace);
    (void)side_run(&side);
    claim(side.flag && side.seen > 0 && side.seen < 8, "a_backtrace_ends_where_the_context_began");
    side_end(&side);
}

static void end_for_good(void *arg)
{
    struct side *side = arg;

    (void)side_wait(side);
    fesetround(FE_UPWARD);
    side->flag = true;
    rs_switch_for_good(side->other);
}

static void a_context_can_end_for_good(void)
{
    struct side side;

    side_start(&side, end_for_good);
    (void)side_run(&side);
    (void)side_run(&side);
    claim(side.flag, "a_context_can_be_left_for_good");
    claim(ON_VALGRIND || !rounds_up(), "our_rounding_survives_a_context_that_is_left_for_good");
    side_end(&side);
}

static void check_form(void)
{
    entry_gets_its_argument_on_an_aligned_stack();
    any_stack_top_will_do();
    registers_survive();
    // Valgrind computes as if every rounding were to nearest.
    if (!ON_VALGRIND) control_words_belong_to_a_context();
    backtraces_end_at_the_start();
    a_context_can_end_for_good();
}

int main(void)
{
    for (run_form = FORM_CALLED; run_form < FORM_COUNT; run_form++) {
        for (wait_form = FORM_CALLED; wait_form < FORM_COUNT; wait_form++) {
            printf("# we switch in form %d, the other context in form %d\n", run_form, wait_form);
            check_form();
        }
    }
    contexts_can_pass_control_in_a_ring();
    printf("1..%d\n", test_count);
    return failure_count > 0;
}
