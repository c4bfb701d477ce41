// SPDX-License-Identifier: MIT
//
// The context switch: the one place where a thread leaves one stack for another. It knows nothing
// of coroutines, pools or sanitizers. One .S file per architecture; elsewhere, or with
// ROUSE_FORCE_UCONTEXT, switch_ucontext.c does the same by swapcontext(). For x86-64 there is an
// inline form as well, which saves next to nothing, since the compiler knows what is worth saving.
//
// What a switch keeps, per stack: the callee-saved registers and the floating-point control words
// (x86-64: MXCSR and the x87 control word; arm64: FPCR). Status flags are not kept, as in any call.
// The signal mask belongs to the thread and is left alone (swapcontext() sets it, to what it was).
//
// 1. A stack pointer that a switch saved, or rs_switch_prepare() returned, is loaded at most once.
// 2. It is loaded by the thread that saved it: compilers keep addresses of thread-locals in
//    registers. A prepared one may be loaded first by any thread.

#ifndef RS_FIBER_SWITCH_H
#define RS_FIBER_SWITCH_H

#include <rouse/compiler.h>
#include <stdint.h>

ROUSE_EXTERN_C_BEGIN

// Saves the running context on its own stack, stores where in `*save_sp`, and continues the one
// behind `load_sp`. Returns when somebody loads what was stored. `load_sp` is read first, so it may
// have come from `*save_sp`.
void rs_switch(void **save_sp, void *load_sp);

// The same, inline where there is a form for it. The two may be mixed.
static inline void rs_switch_inline(void **save_sp, void *load_sp);

// The same, as the last thing that its caller does: where a compiler makes a jump of this call,
// what is continued later is the caller's caller, straight away. Returns 0.
ROUSE_NODISCARD static inline int rs_switch_last(void **save_sp, void *load_sp);

// Continues the context behind `load_sp`; nobody comes back to the running one.
ROUSE_NORETURN static inline void rs_switch_for_good(void *load_sp);

// Builds below `stack_top` the frame of a context that will call entry(arg), and returns what to
// load. `entry` must not return. The new context inherits the caller's floating-point control
// words. Backtraces end, and no exception passes, below `entry`.
ROUSE_NODISCARD static inline void *rs_switch_prepare(void *stack_top, void (*entry)(void *arg),
                                                      void *arg);

#if defined(__x86_64__) && !defined(ROUSE_FORCE_UCONTEXT)

// Of rs_switch_last(), in switch_x86_64.S.
int rs_switch_tail(void **save_sp, void *load_sp);

// The frame of the inline form: see switch_x86_64.S.
struct rs_switch_frame {
    uint32_t mxcsr;
    uint16_t x87;
    void *continue_at;
    void *sp;
    void *bp;
};

// The frame of a context that has not run, which continues at rs_switch_start().
struct rs_switch_first {
    uint32_t mxcsr;
    uint16_t x87;
    void (*continue_at)(void);
    void (*entry)(void *arg);
    void *arg;
};

void rs_switch_start(void);

static inline void *rs_switch_prepare(void *stack_top, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = (uintptr_t)stack_top & ~(uintptr_t)15;
    struct rs_switch_first *first = (struct rs_switch_first *)top - 1;

    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(first->mxcsr), "=m"(first->x87));
    first->continue_at = rs_switch_start;
    first->entry = entry;
    first->arg = arg;
    return first;
}

// With the frame to leave in rdi, and in it the control words: goes to the one in rsi.
#define RS_SWITCH_GO              \
    "movl 0(%%rdi), %%eax\n\t"    \
    "movzwl 4(%%rdi), %%edx\n\t"  \
    "xorl 0(%%rsi), %%eax\n\t"    \
    "xorw 4(%%rsi), %%dx\n\t"     \
    "andl $0xffffffc0, %%eax\n\t" \
    "orl %%edx, %%eax\n\t"        \
    "jz 1f\n\t"                   \
    "ldmxcsr 0(%%rsi)\n\t"        \
    "fldcw 4(%%rsi)\n"            \
    "1:\n\t"                      \
    "notrack jmp *8(%%rsi)\n"

// The register sets that only newer machines have, if the compiler may use them.
#if defined(__AVX512F__)
#define RS_SWITCH_CLOBBERS_AVX512                                                                 \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",   \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", \
        "k7"
#else
#define RS_SWITCH_CLOBBERS_AVX512
#endif

static inline void rs_switch_inline(void **save_sp, void *load_sp)
{
    struct rs_switch_frame here;
    struct rs_switch_frame *from = &here;

    // Whatever the compiler has in registers, it saves itself. It cannot be told that rbp is lost,
    // so that one is in the frame.
    __asm__ volatile(
        "leaq 2f(%%rip), %%rax\n\t"
        "movq %%rdi, (%%rdx)\n\t"
        "stmxcsr 0(%%rdi)\n\t"
        "fnstcw 4(%%rdi)\n\t"
        "movq %%rax, 8(%%rdi)\n\t"
        "movq %%rsp, 16(%%rdi)\n\t"
        "movq %%rbp, 24(%%rdi)\n\t" RS_SWITCH_GO "2:\n\t"
        "movq 16(%%rsi), %%rsp\n\t"
        "movq 24(%%rsi), %%rbp"
        : "+D"(from), "+S"(load_sp), "+d"(save_sp)
        :
        : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
          "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15", "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7", "st",
          "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "cc",
          "memory" RS_SWITCH_CLOBBERS_AVX512);
}

static inline int rs_switch_last(void **save_sp, void *load_sp)
{
    return rs_switch_tail(save_sp, load_sp);
}

static inline void rs_switch_for_good(void *load_sp)
{
    struct rs_switch_frame here;

    __asm__ volatile("stmxcsr 0(%%rdi)\n\t"
                     "fnstcw 4(%%rdi)\n\t" RS_SWITCH_GO
                     : "=m"(here)
                     : "D"(&here), "S"(load_sp)
                     : "rax", "rdx", "cc", "memory");
    __builtin_unreachable();
}

#else

// In the .S file, or in switch_ucontext.c.
void *rs_switch_first_frame(void *stack_top, void (*entry)(void *arg), void *arg);

static inline void *rs_switch_prepare(void *stack_top, void (*entry)(void *arg), void *arg)
{
    return rs_switch_first_frame(stack_top, entry, arg);
}

static inline void rs_switch_inline(void **save_sp, void *load_sp)
{
    rs_switch(save_sp, load_sp);
}

static inline int rs_switch_last(void **save_sp, void *load_sp)
{
    rs_switch(save_sp, load_sp);
    return 0;
}

static inline void rs_switch_for_good(void *load_sp)
{
    void *nobody;

    rs_switch(&nobody, load_sp);
    __builtin_unreachable();
}

#endif

ROUSE_EXTERN_C_END

#endif
