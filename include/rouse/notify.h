// SPDX-License-Identifier: MIT
//
// A notification without a value: tells one waiting task, or all of them. If nobody waits, a
// notification of one is kept, so that the next wait ends at once; not more than one is kept.

#ifndef ROUSE_NOTIFY_H
#define ROUSE_NOTIFY_H

#include <rouse/future.h>
#include <rouse/wait_queue.h>

ROUSE_EXTERN_C_BEGIN

// In the caller's storage; all zero is one without a notification. The words are private.
struct rouse_notify {
    struct rouse_wait_queue waiters;
    uint64_t arrivals;
    uint64_t told;  // those before this one have been notified, as all
    bool kept;
};

/// An initializer.
#define ROUSE_NOTIFY_INIT \
    {                     \
        .arrivals = 0     \
    }

/// Makes one without a notification. It owns nothing: when nobody waits and no call is in progress,
/// its storage may go.
///
/// Threads: any.
ROUSE_API void rouse_notify_init(struct rouse_notify *notify);

// Ends with a notification.
struct rouse_notify_wait {
    struct rouse_future base;
    struct rouse_notify *notify;
    struct rouse_waiter waiter;
};

/// Ends with the next notification. The wait begins with the first poll: what comes before that is
/// only kept if it was for one.
///
/// Errors:  none.
/// Owns:    `notify` is borrowed.
/// Threads: any, one at a time.
/// Cancel:  total: a notification of one goes to the next waiter, or is kept.
ROUSE_API void rouse_notify_wait_init(struct rouse_notify_wait *wait, struct rouse_notify *notify);

/// Waits for a notification.
///
/// Errors:  -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_notify_wait(struct rouse_notify *notify);

/// Ends the wait of the one who has waited longest; if nobody waits, the next wait.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_notify_one(struct rouse_notify *notify);

/// Ends the waits of all who wait now.
///
/// Threads: any. Never blocks.
ROUSE_API void rouse_notify_all(struct rouse_notify *notify);

ROUSE_EXTERN_C_END

#endif
