// SPDX-License-Identifier: MIT
//
// The one clock. Every deadline in rouse is a number of nanoseconds on rouse_now_ns(): monotonic,
// and unrelated to the time of day. A test may replace it by a virtual clock that jumps to the
// next deadline whenever everything sleeps.

#ifndef ROUSE_CLOCK_H
#define ROUSE_CLOCK_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

#define ROUSE_NS_PER_US UINT64_C(1000)
#define ROUSE_NS_PER_MS UINT64_C(1000000)
#define ROUSE_NS_PER_S UINT64_C(1000000000)
// A deadline that never comes.
#define ROUSE_NEVER UINT64_MAX

/// The time now, in nanoseconds on the clock in force. Never goes back.
///
/// Threads: any; also in a signal handler.
ROUSE_API uint64_t rouse_now_ns(void);

/// The deadline `duration_ns` from now; saturates at ROUSE_NEVER instead of wrapping round.
///
/// Threads: any.
ROUSE_API uint64_t rouse_deadline_after(uint64_t duration_ns);

/// Puts the process on a virtual clock that stands at `start_ns` and moves only by
/// rouse_clock_advance() or, in a runtime or executor, when its last worker is idle, no blocking
/// job runs and no event is ready: then it jumps to the next deadline. Never goes back to the
/// real clock. Meant for tests.
///
/// Threads: call before any runtime, executor or driver exists.
ROUSE_API void rouse_clock_use_virtual(uint64_t start_ns);

/// Moves the virtual clock forward. Sleeping drivers are not woken: notify them, or turn them.
///
/// Threads: any. Aborts when the clock is not virtual.
ROUSE_API void rouse_clock_advance(uint64_t duration_ns);

ROUSE_EXTERN_C_END

#endif
