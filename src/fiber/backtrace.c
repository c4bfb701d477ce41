// SPDX-License-Identifier: MIT
//
// Walking a stack: see backtrace.h. The one file that knows what a switch leaves on a stack besides
// the switch itself.

#include "fiber/backtrace.h"

#include <ucontext.h>

// Frames are read as words: what a sanitizer thinks of the variables in them is not asked.
#define READS_FRAMES __attribute__((no_sanitize("address", "thread")))

// A frame of both architectures: where the caller's lies, and where it goes on.
struct saved {
    uintptr_t fp;
    uintptr_t pc;
};

static bool holds(struct rs_stack_range stack, uintptr_t address, size_t size)
{
    return address % sizeof(uintptr_t) == 0 && address >= stack.low && address < stack.high &&
           stack.high - address >= size;
}

struct rs_stack_range rs_fiber_stack_range(const struct rs_fiber *fiber)
{
    struct rs_stack stack = rs_stack_of(fiber->stack);

    return (struct rs_stack_range){.low = (uintptr_t)stack.base,
                                   .high = (uintptr_t)stack.base + stack.size};
}

struct rs_frame rs_frame_of_signal(const void *context)
{
    const ucontext_t *uc = context;

#if defined(__x86_64__)
    return (struct rs_frame){.pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP],
                             .sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP],
                             .fp = (uintptr_t)uc->uc_mcontext.gregs[REG_RBP]};
#elif defined(__aarch64__)
    return (struct rs_frame){.pc = (uintptr_t)uc->uc_mcontext.pc,
                             .sp = (uintptr_t)uc->uc_mcontext.sp,
                             .fp = (uintptr_t)uc->uc_mcontext.regs[29]};
#else
    (void)uc;
    return (struct rs_frame){0};
#endif
}

// ---- Of a suspended fiber ----

#if defined(__x86_64__) && !defined(ROUSE_FORCE_UCONTEXT)

// In switch_x86_64.S: where the form that is not inline goes on.
void rs_switch_continue(void);

// What that form leaves from its frame's begin on.
struct out_of_line {
    uint64_t control;
    uintptr_t continue_at;
    uintptr_t r15, r14, r13, r12, rbx;
    uintptr_t fp;
    uintptr_t pc;
};

static READS_FRAMES struct rs_frame frame_at(uintptr_t sp)
{
    const struct rs_switch_frame *inlined = (const struct rs_switch_frame *)sp;
    const struct out_of_line *called = (const struct out_of_line *)sp;

    if (called->continue_at == (uintptr_t)rs_switch_continue) {
        return (struct rs_frame){.pc = called->pc, .sp = sp + sizeof *called, .fp = called->fp};
    }
    return (struct rs_frame){.pc = (uintptr_t)inlined->continue_at,
                             .sp = (uintptr_t)inlined->sp,
                             .fp = (uintptr_t)inlined->bp};
}

enum { FRAME_SIZE_MAX = sizeof(struct out_of_line) };

#elif defined(__aarch64__) && !defined(ROUSE_FORCE_UCONTEXT)

// In switch_aarch64.S: the caller's frame pointer and where it goes on come first.
enum { FRAME_SIZE_MAX = 176 };

static READS_FRAMES struct rs_frame frame_at(uintptr_t sp)
{
    const struct saved *saved = (const struct saved *)sp;

    return (struct rs_frame){.pc = saved->pc, .sp = sp + FRAME_SIZE_MAX, .fp = saved->fp};
}

#else

enum { FRAME_SIZE_MAX = sizeof(ucontext_t) };

static struct rs_frame frame_at(uintptr_t sp)
{
    return rs_frame_of_signal((const void *)sp);
}

#endif

struct rs_frame rs_fiber_frame(const struct rs_fiber *fiber)
{
    uintptr_t sp = (uintptr_t)fiber->coroutine.sp;

    if (!holds(rs_fiber_stack_range(fiber), sp, FRAME_SIZE_MAX)) return (struct rs_frame){0};
    return frame_at(sp);
}

// ---- The walk ----

// What lies at an address of the stack.
static const struct saved *saved_at(struct rs_stack_range stack, uintptr_t address)
{
    if (stack.copy == NULL) return (const struct saved *)address;
    return (const struct saved *)(const void *)(stack.copy + (address - stack.low));
}

READS_FRAMES size_t rs_backtrace(struct rs_frame frame, struct rs_stack_range stack, uintptr_t *pcs,
                                 size_t max)
{
    size_t count = 0;
    uintptr_t above = frame.sp;  // no frame of a caller begins below

    while (count < max && frame.pc != 0) {
        pcs[count++] = frame.pc;
        if (frame.fp < above || !holds(stack, frame.fp, sizeof(struct saved))) break;
        const struct saved *saved = saved_at(stack, frame.fp);

        above = frame.fp + sizeof *saved;
        frame.pc = saved->pc;
        frame.fp = saved->fp;
    }
    return count;
}

READS_FRAMES size_t rs_backtrace_guess(struct rs_frame frame, struct rs_stack_range stack,
                                       uintptr_t *pcs, size_t max,
                                       bool (*is_code)(uintptr_t pc, void *arg), void *arg)
{
    size_t count = 0;

    if (max > 0 && frame.pc != 0) pcs[count++] = frame.pc;
    for (uintptr_t at = frame.sp; count < max && holds(stack, at, sizeof(struct saved));) {
        const struct saved *saved = saved_at(stack, at);

        if (saved->fp > at && holds(stack, saved->fp, sizeof *saved) && is_code(saved->pc, arg)) {
            // From here on there are frame pointers.
            frame = (struct rs_frame){.pc = saved->pc, .sp = at, .fp = saved->fp};
            return count + rs_backtrace(frame, stack, pcs + count, max - count);
        }
        // A return address without one: of a function that keeps none, or of nothing any more.
        if (is_code(saved->fp, arg)) pcs[count++] = saved->fp;
        at += sizeof(uintptr_t);
    }
    return count;
}
