// SPDX-License-Identifier: MIT
//
// The parts of a coroutine that are out of line: its first and last steps, C++ exception state that
// is not empty, and what the sanitizers must hear. Run by the thread that owns the coroutine.

#include "fiber/coroutine.h"

#if RS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#if RS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// Of the C++ runtime, if the process has one.
extern struct rs_exceptions *__cxa_get_globals(void) __attribute__((weak));

static struct rs_exceptions *thread_exceptions(void)
{
    return __cxa_get_globals != NULL ? __cxa_get_globals() : NULL;
}

void rs_coroutine_swap_exceptions(struct rs_coroutine *co)
{
    struct rs_exceptions thread = *co->thread_exceptions;

    *co->thread_exceptions = co->exceptions;
    co->exceptions = thread;
}

// ASan must know the bounds of the stack we run on, and keep a fake stack for each: start is called
// before the switch, with a place for the fake stack of the side that leaves (NULL when it leaves
// for good), and finish after it, by the side that arrives.
//
// TSan must be told right before the switch, and in the function that switches: it counts calls
// and returns on the fiber it believes to be on. No flags: a switch orders what comes before it.

void rs_coroutine_enter_sanitized(struct rs_coroutine *co)
{
#if RS_ASAN
    void *fake_stack;

    __sanitizer_start_switch_fiber(&fake_stack, co->stack_base, co->stack_size);
#endif
#if RS_TSAN
    co->tsan_resumer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(co->tsan_fiber, 0);
#endif
    rs_switch(&co->sp, co->sp);
#if RS_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
#if RS_TSAN
    if (co->done) __tsan_destroy_fiber(co->tsan_fiber);
#endif
}

void rs_coroutine_leave_sanitized(struct rs_coroutine *co)
{
#if RS_ASAN
    void *fake_stack = NULL;

    // The last time there is nothing to come back to.
    __sanitizer_start_switch_fiber(co->done ? NULL : &fake_stack, co->resumer_base,
                                   co->resumer_size);
#endif
#if RS_TSAN
    __tsan_switch_to_fiber(co->tsan_resumer, 0);
#endif
    rs_switch(&co->sp, co->sp);
#if RS_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, &co->resumer_base, &co->resumer_size);
#endif
}

// The bottom of a coroutine's stack.
ROUSE_NORETURN static void coroutine_main(void *arg)
{
    struct rs_coroutine *co = arg;

#if RS_ASAN
    __sanitizer_finish_switch_fiber(NULL, &co->resumer_base, &co->resumer_size);
#endif
    co->entry(co->arg);
    co->done = true;
#if RS_ASAN || RS_TSAN
    rs_coroutine_leave_sanitized(co);
    rouse_panic("a coroutine ran on after its end");
#else
    rs_switch_for_good(co->sp);
#endif
}

void rs_coroutine_start(struct rs_coroutine *co, const struct rs_stack *stack,
                        void (*entry)(void *arg), void *arg)
{
    co->sp = rs_switch_prepare(stack->top, coroutine_main, co);
    co->thread_exceptions = thread_exceptions();
    co->running = false;
    co->done = false;
    co->exceptions = (struct rs_exceptions){0};
    co->entry = entry;
    co->arg = arg;
#if RS_ASAN
    co->stack_base = stack->base;
    co->stack_size = stack->size;
#endif
#if RS_TSAN
    co->tsan_fiber = __tsan_create_fiber(0);
#endif
}
