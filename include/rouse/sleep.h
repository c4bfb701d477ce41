// SPDX-License-Identifier: MIT
//
// Waiting for time to pass. Deadlines are nanoseconds on rouse_now_ns()'s clock; nothing ever ends
// early.

#ifndef ROUSE_SLEEP_H
#define ROUSE_SLEEP_H

#include <rouse/clock.h>
#include <rouse/future.h>
#include <rouse/timer_entry.h>

ROUSE_EXTERN_C_BEGIN

// Ends at a deadline. Only `deadline_ns` and `output` may be read.
struct rouse_sleep {
    struct rouse_future base;
    struct rouse_timer_entry entry;
    struct rouse_waker waker;     // stored under the driver's lock
    struct rouse_driver *driver;  // whose wheel the entry is in; NULL: none
    uint64_t deadline_ns;
    uint32_t state;
    int output;  // 0, or -ECANCELED when it was polled without a driver
};

/// Completes when the clock reaches `deadline_ns`.
///
/// Units:   nanoseconds on rouse_now_ns()'s clock; a past deadline is ready at the first poll;
///          ROUSE_NEVER never is.
/// Errors:  -ECANCELED if it is polled where there is no driver.
/// Owns:    `sleep` is the caller's storage and must stay in place until it ends.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_sleep_until_init(struct rouse_sleep *sleep, uint64_t deadline_ns);

/// Completes `duration_ns` after this call.
///
/// Units:   nanoseconds.
/// Errors:  as rouse_sleep_until_init().
/// Owns:    as rouse_sleep_until_init().
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_sleep_init(struct rouse_sleep *sleep, uint64_t duration_ns);

/// Moves the deadline of a sleep that has not ended. Later costs one store; earlier takes effect
/// at the next poll, so wake the task or poll it.
///
/// Threads: whoever may poll it, between polls.
ROUSE_API void rouse_sleep_reset(struct rouse_sleep *sleep, uint64_t deadline_ns);

/// Sleeps for `duration_ns`.
///
/// Errors:  0, or -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API int rouse_sleep(uint64_t duration_ns);

/// Sleeps until `deadline_ns`.
///
/// Errors:  0, or -ECANCELED.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API int rouse_sleep_until(uint64_t deadline_ns);

// What an interval does about ticks that nobody waited for in time.
typedef enum rouse_missed_ticks {
    ROUSE_MISSED_BURST = 0,  // deliver them one after another, then catch up
    ROUSE_MISSED_DELAY = 1,  // the next tick is one period after the late one
    ROUSE_MISSED_SKIP = 2,   // drop them; go on at the next multiple of the period
} rouse_missed_ticks;

// A clock that ticks. Not a future itself: rouse_interval_tick_init() makes one for each tick.
struct rouse_interval {
    uint64_t next_ns;  // when the next tick is due
    uint64_t period_ns;
    rouse_missed_ticks missed;
};

// Ends at the interval's next tick.
struct rouse_interval_tick {
    struct rouse_future base;
    struct rouse_interval *interval;  // borrowed
    struct rouse_sleep sleep;
    uint64_t output;  // the time for which the tick was due
    int error;        // 0, or -ECANCELED when it was polled without a driver: no tick was taken
};

/// Starts an interval: the first tick is due at `start_ns`, then every `period_ns` > 0.
///
/// Units:   nanoseconds.
/// Owns:    `interval` is the caller's storage; nothing needs to be released.
/// Threads: one at a time.
ROUSE_API void rouse_interval_init(struct rouse_interval *interval, uint64_t start_ns,
                                   uint64_t period_ns, rouse_missed_ticks missed);

/// Completes at the next tick.
///
/// Errors:  none.
/// Owns:    the interval is borrowed until the tick ends.
/// Threads: any, one at a time.
/// Cancel:  total: the tick is not consumed.
ROUSE_API void rouse_interval_tick_init(struct rouse_interval_tick *tick,
                                        struct rouse_interval *interval);

/// Waits for the next tick.
///
/// Errors:  0, or -ECANCELED; `due_ns` (may be NULL) is the time for which it was due.
/// Threads: a fiber or a plain thread.
/// Cancel:  total: the tick is not consumed.
ROUSE_API int rouse_interval_tick(struct rouse_interval *interval, uint64_t *due_ns);

// Ends with the inner future, or at a deadline.
struct rouse_timeout {
    struct rouse_future base;
    struct rouse_future *inner;  // owned from init until dropped
    struct rouse_sleep sleep;
    int output;  // 0: `inner` ended; -ETIMEDOUT: the deadline came first and `inner` was dropped
};

/// Waits for `inner`, but not longer than until `deadline_ns`. `inner` is polled first: work done
/// by the deadline counts. Before it gives up it polls `inner` once more without a budget.
///
/// Units:   nanoseconds on rouse_now_ns()'s clock.
/// Errors:  -ETIMEDOUT.
/// Owns:    `inner`, from now on.
/// Threads: any, one at a time.
/// Cancel:  as `inner`, which is dropped; so it is when the deadline comes first.
ROUSE_API void rouse_timeout_init(struct rouse_timeout *timeout, struct rouse_future *inner,
                                  uint64_t deadline_ns);

/// Waits for `future`, but not longer than until `deadline_ns`.
///
/// Errors:  0: it ended; -ETIMEDOUT or -ECANCELED: it was dropped.
/// Threads: a fiber or a plain thread.
/// Cancel:  as `future`, which is dropped.
ROUSE_API ROUSE_NODISCARD int rouse_await_until(struct rouse_future *future, uint64_t deadline_ns);

ROUSE_EXTERN_C_END

#endif
