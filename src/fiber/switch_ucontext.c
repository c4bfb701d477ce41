// SPDX-License-Identifier: MIT
//
// The context switch where there is no .S file for it: by ucontext. A context that does not run is
// a ucontext_t on its own stack; its address stands for the stack pointer. Each switch is a system
// call for the signal mask, so this one is slow (about 300 ns), and right everywhere.

#include "fiber/switch.h"

#if defined(ROUSE_FORCE_UCONTEXT) || !(defined(__x86_64__) || defined(__aarch64__))

#include <rouse/assert.h>
#include <string.h>
#include <ucontext.h>

// What makecontext() is told of the stack's size. Only the upper end has to be right.
#define NOMINAL_STACK_SIZE ((size_t)8 << 10)

// On the stack of a new context, from its upper end down.
struct first_frame {
    ucontext_t context;
    void (*entry)(void *arg);
    void *arg;
};

// makecontext() passes ints, so a pointer comes in two halves.
static void context_start(unsigned high, unsigned low)
{
    const struct first_frame *frame = (const void *)((uintptr_t)high << 16 << 16 | low);

    frame->entry(frame->arg);
    rouse_panic("a context's entry must not return");
}

void rs_switch(void **save_sp, void *load_sp)
{
    ucontext_t here;

    // ASan clears the shadow of the stack that a context names, and swapcontext() fills in none.
    memset(&here.uc_stack, 0, sizeof here.uc_stack);
    *save_sp = &here;
    if (swapcontext(&here, load_sp) < 0) rouse_panic("swapcontext() failed");
}

void *rs_switch_first_frame(void *stack_top, void (*entry)(void *arg), void *arg)
{
    uintptr_t top = ((uintptr_t)stack_top - sizeof(struct first_frame)) & ~(uintptr_t)63;
    struct first_frame *frame = (void *)top;

    frame->entry = entry;
    frame->arg = arg;
    if (getcontext(&frame->context) < 0) rouse_panic("getcontext() failed");
    frame->context.uc_link = NULL;
    frame->context.uc_stack.ss_sp = (char *)frame - NOMINAL_STACK_SIZE;
    frame->context.uc_stack.ss_size = NOMINAL_STACK_SIZE;
    frame->context.uc_stack.ss_flags = 0;
    makecontext(&frame->context, (void (*)(void))context_start, 2, (unsigned)(top >> 16 >> 16),
                (unsigned)top);
    return frame;
}

#else

// An empty translation unit is no C.
typedef int switch_is_in_assembly;

#endif
