// SPDX-License-Identifier: MIT
//
// Misuse stops the program, in every build, with what was done, and what to do instead.

#ifndef ROUSE_ASSERT_H
#define ROUSE_ASSERT_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

/// Ends the program: calls the panic hook with the formatted message, writes it to standard error
/// if no hook took it, and aborts.
///
/// Threads: any; also in a poll, in a waker callback and in a signal handler.
ROUSE_API ROUSE_NORETURN void rouse_panic(const char *format, ...) ROUSE_PRINTF(1, 2);

/// Called with the whole message before the program aborts. It may log or write a dump; if it
/// returns, the program still aborts.
typedef void (*rouse_panic_hook)(void *data, const char *message);

/// Sets the panic hook for the whole process; NULL restores the default, which writes to standard
/// error.
///
/// Threads: any, but not while another thread panics.
ROUSE_API void rouse_panic_set_hook(rouse_panic_hook hook, void *data);

// Stays on in release builds. `cure` is one sentence: what was wrong, and what to do instead.
#define rouse_assert(condition, cure)                                                          \
    do {                                                                                       \
        if (ROUSE_UNLIKELY(!(condition))) {                                                    \
            rouse_panic("%s: %s (%s is false at %s)", __func__, cure, #condition, ROUSE_SITE); \
        }                                                                                      \
    } while (0)

// For checks that cost more than a branch: only in builds with ROUSE_SLOW_ASSERTS.
#ifdef ROUSE_SLOW_ASSERTS
#define rouse_assert_slow(condition, cure) rouse_assert(condition, cure)
#else
#define rouse_assert_slow(condition, cure) ((void)0)
#endif

ROUSE_EXTERN_C_END

#endif
