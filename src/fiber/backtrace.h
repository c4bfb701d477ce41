// SPDX-License-Identifier: MIT
//
// The calls that a stack is in, by its frame pointers. Rouse keeps them, whatever its flags; code
// that is compiled without is passed over, or ends the walk, so what is innermost comes out and
// what called it may be missing. Every address is checked against the bounds of the stack before it
// is read, and the walk goes up only: it ends whatever it finds.

#ifndef RS_FIBER_BACKTRACE_H
#define RS_FIBER_BACKTRACE_H

#include <stddef.h>
#include <stdint.h>

#include "fiber/fiber.h"

// Where code runs, or goes on: the registers that a walk begins with. All zero: nowhere.
struct rs_frame {
    uintptr_t pc;
    uintptr_t sp;
    uintptr_t fp;
};

// The addresses that a stack lies between, and a copy of what is there; NULL: it is read in place.
struct rs_stack_range {
    uintptr_t low;
    uintptr_t high;
    const char *copy;
};

struct rs_stack_range rs_fiber_stack_range(const struct rs_fiber *fiber);

// Where a suspended fiber goes on.
struct rs_frame rs_fiber_frame(const struct rs_fiber *fiber);

// Where a thread was when a signal came, by the third argument of the handler. Async-signal-safe.
struct rs_frame rs_frame_of_signal(const void *context);

// Writes `frame`'s pc and those of its callers; returns how many. Async-signal-safe.
size_t rs_backtrace(struct rs_frame frame, struct rs_stack_range stack, uintptr_t *pcs, size_t max);

// The same where only `sp` is known, as for a thread in a system call: everything on the stack that
// looks like a frame, which what is left of earlier calls may do as well.
size_t rs_backtrace_guess(struct rs_frame frame, struct rs_stack_range stack, uintptr_t *pcs,
                          size_t max, bool (*is_code)(uintptr_t pc, void *arg), void *arg);

#endif
