// SPDX-License-Identifier: MIT
//
// Cancellation, as a fiber sees it. A request to end comes from outside: an abort of the task, a
// scope that is cancelled, a deadline that passes. From then on every wait that it covers fails, at
// once, until the stretch of code that it covers has been left. Waits in a shield go on, for as
// long as the shield's own deadline allows.
//
// What nests is a region: a deadline, a shield or a scope (rouse/scope.h), each in its caller's
// storage, entered and left in the order of the code. docs/cancellation.md has the whole model.

#ifndef ROUSE_CANCEL_H
#define ROUSE_CANCEL_H

#include <rouse/sleep.h>

ROUSE_EXTERN_C_BEGIN

// Why waits fail.
typedef enum rouse_cancel_reason {
    ROUSE_CANCEL_NONE = 0,      // they do not
    ROUSE_CANCEL_ABORT = 1,     // the task was aborted: by a handle, or by a shutdown
    ROUSE_CANCEL_DEADLINE = 2,  // a deadline passed
    ROUSE_CANCEL_SCOPE = 3,     // a scope was cancelled by rouse_scope_cancel()
    ROUSE_CANCEL_SIBLING = 4,   // a task of the scope failed
} rouse_cancel_reason;

// Why, and who.
struct rouse_cancel_info {
    rouse_cancel_reason reason;
    int error;           // what a wait returns here: -ECANCELED, or -ETIMEDOUT
    int cause;           // the error of the task that failed, for ROUSE_CANCEL_SIBLING; else 0
    const char *origin;  // that task's name, or the text given with a cancel; not copied; or NULL
};

// One nested stretch of a fiber's code. Private.
struct rouse_region {
    struct rouse_region *outer;
    // 0, or what a wait whose innermost region this is fails with; `info` is filled in then.
    int (*check)(const struct rouse_region *self, struct rouse_cancel_info *info);
    // Called once, when the deadline was seen to pass; may be NULL.
    void (*expire)(struct rouse_region *self);
    struct rouse_sleep sleep;  // its deadline
    uint64_t armed_ns;         // what it was filed for; ROUSE_NEVER: it is to be filed
    bool shields;              // the walk outwards ends here
    bool armed;                // the sleep was begun
    bool expired;              // the deadline was seen to pass
    bool felt;                 // a wait failed because of it
};

struct rouse_deadline {
    struct rouse_region region;
};

struct rouse_shield {
    struct rouse_region region;
};

/// From here to rouse_deadline_leave() no wait of the calling fiber lasts beyond `deadline_ns`: it
/// fails with -ETIMEDOUT. Waits inside a further region, a deadline or a scope of its own, fail
/// with -ECANCELED, so that nobody takes an outer expiry for his own. The clock is looked at when a
/// wait has to sleep; what is ready at once goes on until the task's budget is spent.
///
/// Units:   nanoseconds on rouse_now_ns()'s clock; ROUSE_NEVER is no deadline.
/// Owns:    `deadline` is the caller's storage, until it is left.
/// Threads: a fiber.
ROUSE_API void rouse_deadline_enter(struct rouse_deadline *deadline, uint64_t deadline_ns);

/// Moves a deadline that has not passed. Later costs one store; earlier is seen by the next wait.
///
/// Threads: the fiber that entered it.
ROUSE_API void rouse_deadline_move(struct rouse_deadline *deadline, uint64_t deadline_ns);

/// Leaves the stretch. The innermost region is left first.
///
/// Errors:  -ETIMEDOUT if a wait failed because of this deadline; else 0.
/// Threads: the fiber that entered it.
ROUSE_API int rouse_deadline_leave(struct rouse_deadline *deadline);

/// From here to rouse_shield_leave() the waits of the calling fiber go on although it has been
/// cancelled: to flush, to say goodbye. They fail with -ETIMEDOUT after `deadline_ns`. When a
/// shutdown is out of time, shields break: waits in them fail as if there were none.
///
/// Units:   nanoseconds on rouse_now_ns()'s clock. There is no shield without a deadline.
/// Owns:    `shield` is the caller's storage, until it is left.
/// Threads: a fiber.
ROUSE_API void rouse_shield_enter(struct rouse_shield *shield, uint64_t deadline_ns);

/// Leaves the shield. The innermost region is left first.
///
/// Errors:  -ETIMEDOUT if a wait failed because of its deadline; else 0.
/// Threads: the fiber that entered it.
ROUSE_API int rouse_shield_leave(struct rouse_shield *shield);

/// True if a wait of the running task would fail now; false outside tasks.
///
/// Threads: any.
ROUSE_API bool rouse_is_cancelled(void);

/// Says why a wait of the running task would fail now.
///
/// Threads: any; outside tasks the reason is ROUSE_CANCEL_NONE.
ROUSE_API struct rouse_cancel_info rouse_cancel_info(void);

ROUSE_EXTERN_C_END

#endif
