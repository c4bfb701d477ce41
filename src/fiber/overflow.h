// SPDX-License-Identifier: MIT
//
// Turns the fault of a fiber that ran off its stack into a panic that names the fiber, where it was
// spawned and how to cure it. Other faults go to whoever handled them before.

#ifndef RS_FIBER_OVERFLOW_H
#define RS_FIBER_OVERFLOW_H

#include <rouse/allocator.h>
#include <stdbool.h>
#include <stddef.h>

ROUSE_EXTERN_C_BEGIN

// What to say of the fiber that overflowed; the strings outlive the report.
struct rs_overflow_info {
    const char *fiber_name;  // may be NULL
    const char *spawn_site;  // may be NULL
    size_t stack_size;
};

// Set by the layer that knows fibers, before rs_overflow_install(). Returns true, and fills `out`,
// if `fault_address` is in the guard of the stack that the calling thread runs on. Called in a
// signal handler: thread-locals and plain memory only.
extern bool (*rs_overflow_describe)(const void *fault_address, struct rs_overflow_info *out);

// A thread's signal stack, since a handler cannot run on a stack that is full.
struct rs_overflow_stack {
    void *memory;
    size_t size;
    const struct rouse_allocator *allocator;
};

// Handles SIGSEGV and SIGBUS for the whole process, once; further calls do nothing. The handlers
// found are called for all faults that are not ours. Any thread.
ROUSE_NODISCARD int rs_overflow_install(void);

// The memory of one, for a thread that may have yet to start. -ENOMEM.
ROUSE_NODISCARD int rs_overflow_stack_init(struct rs_overflow_stack *stack,
                                           const struct rouse_allocator *allocator);

// No other thread has it as its signal stack. Accepts an all-zero `stack`.
void rs_overflow_stack_deinit(struct rs_overflow_stack *stack);

// Gives the calling thread that signal stack, unless it has one.
ROUSE_NODISCARD int rs_overflow_thread_enter(const struct rs_overflow_stack *stack);

// Takes it away again, if the thread has it.
void rs_overflow_thread_leave(const struct rs_overflow_stack *stack);

ROUSE_EXTERN_C_END

#endif
