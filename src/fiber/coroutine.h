// SPDX-License-Identifier: MIT
//
// A coroutine: a function on a stack of its own, that can suspend in the middle and be resumed
// there. It knows no tasks and no wakers; a fiber is built from it. All that a bare switch of
// stacks would break is put right here: ASan and TSan are told, and each coroutine has its own C++
// exception state. (Valgrind is told of stacks, by their pool.)
//
//             start               resume              suspend
//     (none) -------> suspended ----------> running ----------> suspended
//                                              | entry returns
//                                              +--------------> done
//
// 1. `sp` is where the side that does not run will continue: the coroutine's while it is suspended,
//    its resumer's while it runs. `exceptions` is the exception state of that side.
// 2. One thread starts, resumes and ends it. It may be resumed from another coroutine.
// 3. `entry` must return in the end: what its frames own is freed by nobody else.
// 4. An exception that leaves `entry` ends the program (std::terminate).

#ifndef RS_FIBER_COROUTINE_H
#define RS_FIBER_COROUTINE_H

#include <rouse/assert.h>
#include <stdbool.h>

#include "base/sanitizer.h"
#include "fiber/stack.h"
#include "fiber/switch.h"

ROUSE_EXTERN_C_BEGIN

// The C++ ABI's per-thread state: the stack of caught exceptions, and how many are in flight.
struct rs_exceptions {
    void *caught;
    unsigned uncaught_count;
};

struct rs_coroutine {
    void *sp;
    struct rs_exceptions *thread_exceptions;  // NULL in a process without C++
    bool running;
    bool done;  // for the resumer to read
    struct rs_exceptions exceptions;
    void (*entry)(void *arg);
    void *arg;
#if RS_ASAN
    void *fake_stack;        // the coroutine's, while suspended
    const void *stack_base;  // the coroutine's
    size_t stack_size;
    const void *resumer_base;  // the resumer's stack, while running
    size_t resumer_size;
#endif
#if RS_TSAN
    void *tsan_fiber;
    void *tsan_resumer;
#endif
};

// Makes `co` a suspended coroutine; the first resume calls entry(arg) on `stack`, below its top.
// `co` is the caller's storage, which stays in place until it is done, and may be carved from the
// stack. Neither is touched after the resume that returns with `done`.
void rs_coroutine_start(struct rs_coroutine *co, const struct rs_stack *stack,
                        void (*entry)(void *arg), void *arg);

// Not to be called: the parts of resume and suspend that are out of line.
void rs_coroutine_swap_exceptions(struct rs_coroutine *co);
void rs_coroutine_enter_sanitized(struct rs_coroutine *co);
void rs_coroutine_leave_sanitized(struct rs_coroutine *co);

// Exchanges the thread's exception state with the one kept in `co`; mostly both are empty.
static inline void rs_coroutine_exchange_exceptions(struct rs_coroutine *co)
{
    const struct rs_exceptions *thread = co->thread_exceptions;

    if (thread == NULL) return;
    if (ROUSE_UNLIKELY(thread->caught != NULL || co->exceptions.caught != NULL ||
                       (thread->uncaught_count | co->exceptions.uncaught_count) != 0)) {
        rs_coroutine_swap_exceptions(co);
    }
}

// Runs the coroutine on the calling thread until it suspends or its function returns.
static inline void rs_coroutine_resume(struct rs_coroutine *co)
{
    rouse_assert(!co->running, "a coroutine that is running cannot be resumed");
    rouse_assert(!co->done, "a coroutine whose function has returned cannot be resumed");
    rs_coroutine_exchange_exceptions(co);
    co->running = true;
#if RS_ASAN || RS_TSAN
    rs_coroutine_enter_sanitized(co);
#else
    rs_switch_inline(&co->sp, co->sp);
#endif
    co->running = false;
    rs_coroutine_exchange_exceptions(co);
}

// Returns to the resumer; comes back at the next resume. Called on the coroutine's own stack.
static inline void rs_coroutine_suspend(struct rs_coroutine *co)
{
    rouse_assert(co->running, "only the running coroutine can suspend, and only itself");
#if RS_ASAN || RS_TSAN
    rs_coroutine_leave_sanitized(co);
#else
    rs_switch_inline(&co->sp, co->sp);
#endif
}

// The same, and returns 0, as the last thing that its caller does: cheaper.
ROUSE_NODISCARD static inline int rs_coroutine_suspend_last(struct rs_coroutine *co)
{
#if RS_ASAN || RS_TSAN
    rs_coroutine_suspend(co);
    return 0;
#else
    rouse_assert(co->running, "only the running coroutine can suspend, and only itself");
    return rs_switch_last(&co->sp, co->sp);
#endif
}

ROUSE_EXTERN_C_END

#endif
