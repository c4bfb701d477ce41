// SPDX-License-Identifier: MIT
//
// The context switch: the one place where a thread leaves one stack for another. It knows nothing
// of coroutines, pools or sanitizers. One .S file per architecture; elsewhere, or with
// ROUSE_FORCE_UCONTEXT, switch_ucontext.c does the same by swapcontext().
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

ROUSE_EXTERN_C_BEGIN

// Saves the running context on its own stack, stores where in `*save_sp`, and continues the one
// behind `load_sp`. Returns when somebody loads what was stored. `load_sp` is read first, so it may
// have come from `*save_sp`.
void rs_switch(void **save_sp, void *load_sp);

// Builds below `stack_top` the frame of a context that will call entry(arg), and returns what to
// load. `entry` must not return. The new context inherits the caller's floating-point control
// words. Backtraces end, and no exception passes, below `entry`.
ROUSE_NODISCARD void *rs_switch_prepare(void *stack_top, void (*entry)(void *arg), void *arg);

ROUSE_EXTERN_C_END

#endif
