// SPDX-License-Identifier: MIT
//
// A future is whatever waits: a sleep, a read, a lock, a join handle, an async frame. It is a
// struct that starts with `struct rouse_future`, lives where its owner put it, does not move after
// its first poll, and carries its own typed `output`.
//
// A future ends exactly once: by returning ROUSE_READY, or by being dropped. After that nothing
// touches its memory; only its output is read. Whoever holds a future owes it that end. Dropping
// one that ended already is allowed, and releases what its output still owns.

#ifndef ROUSE_FUTURE_H
#define ROUSE_FUTURE_H

#include <rouse/compiler.h>
#include <rouse/waker.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_driver;
struct rouse_task;

// A value, not an object: copy it with `=`.
typedef enum rouse_poll {
    ROUSE_PENDING = 0,  // not yet: the context's waker, or its clone, will be woken
    ROUSE_READY = 1,    // ended: the output may be read
} rouse_poll;

// What a drop means for a future that was pending: what its operation has done.
typedef enum rouse_cancel_kind {
    ROUSE_CANCEL_UNSTATED = 0,  // its author does not say
    ROUSE_CANCEL_TOTAL = 1,     // nothing: begun anew it finds what it would have found
    ROUSE_CANCEL_PARTIAL = 2,   // perhaps a part: how much can be read from it, also after the drop
    ROUSE_CANCEL_TERMINAL = 3,  // perhaps all: its result, or what it worked on, is gone with it
} rouse_cancel_kind;

struct rouse_future {
    const struct rouse_future_vtable *vtable;
};

struct rouse_context;

// What a future may need of a certain task.
typedef enum rouse_need {
    ROUSE_NEED_RELEASE = 0,  // to give back what it holds
    ROUSE_NEED_TURN = 1,     // to poll a future that was given the turn
    ROUSE_NEED_END = 2,      // to end
} rouse_need;

// Whom the `inspect` of a pending future tells what that stands on: a dump, which fills in the
// functions.
struct rouse_inspector {
    // The future polls `part`, at `line` of its source (0: it has no lines). `alternative`: it may
    // also end without that part.
    void (*part)(struct rouse_inspector *self, const struct rouse_future *part, int line,
                 bool alternative);
    // The future cannot end before `task` has done what is needed. The task may be gone: it is an
    // address to compare, and not read. NULL is ignored.
    void (*needs)(struct rouse_inspector *self, const struct rouse_task *task, rouse_need need);
};

struct rouse_future_vtable {
    // Makes progress. Called by one thread at a time, by rouse_future_poll() only. Before it
    // returns ROUSE_PENDING it must have arranged that the waker of *this* context gets woken: an
    // earlier poll's waker no longer counts. NULL in the vtable of an ended future.
    rouse_poll (*poll)(struct rouse_future *self, struct rouse_context *cx);
    // Ends the future early and releases what it owns; must not block. Called at most once, by
    // rouse_future_drop() only. In the vtable of an ended future: releases what the output still
    // owns. NULL: nothing to do.
    void (*drop)(struct rouse_future *self);
    // What a dump and a panic call it.
    const char *name;
    // Writes what it waits for, as snprintf() does; may be NULL. Called between polls.
    int (*describe)(const struct rouse_future *self, char *buf, size_t size);
    // The outcome of an ended future, where there is one: a count, or a negative errno. NULL: it
    // cannot fail. Stands in the vtable of the ended future.
    int64_t (*result)(const struct rouse_future *self);
    // The vtable it has after ROUSE_READY. NULL: one that knows no name and owns no output.
    const struct rouse_future_vtable *ended;
    // What a drop means, for rouse_future_cancel_kind(). Often one of the three functions below;
    // a combinator asks its arms. NULL: ROUSE_CANCEL_UNSTATED.
    rouse_cancel_kind (*cancel_kind)(const struct rouse_future *self);
    // Tells a dump of the parts of a pending future, and whom it waits for, by the functions of
    // `inspector`. Called between polls; must not wait, and wakes nobody. NULL: it has no parts.
    void (*inspect)(const struct rouse_future *self, struct rouse_inspector *inspector);
    // True: a poll right now would be pending, and leave but a waker. A select asks first, so that
    // it need not have an arm begin to wait where another one is ready. Must not wait; a few loads
    // are what it is worth. False: that is not known. NULL: it never is.
    bool (*is_pending)(const struct rouse_future *self);
};

// What a poll is given. The words are private; read them through the functions below.
struct rouse_context {
    struct rouse_waker waker;     // borrowed for the time of the poll
    struct rouse_driver *driver;  // whose timers and sources a leaf uses; NULL: there is none
    struct rouse_task *task;      // NULL outside tasks
    uint32_t budget;
    uint32_t again;  // the task has woken itself: 1; for want of budget: 2
    uint64_t toll;   // of the budgets of all futures' polls so far, what went on no operation
};

/// Makes a context for polling by hand, with an unlimited budget. An executor of one's own over
/// `rouse_task_run()` does not need it.
///
/// Owns:    `waker` is copied, not cloned: it must outlive the context.
/// Threads: any.
ROUSE_API void rouse_context_init(struct rouse_context *cx, const struct rouse_waker *waker,
                                  struct rouse_driver *driver);

/// The waker to clone and store before returning ROUSE_PENDING. It may differ at every poll.
///
/// Owns:    borrowed; gone when the poll returns.
/// Threads: the polling one.
static inline const struct rouse_waker *rouse_context_waker(const struct rouse_context *cx)
{
    return &cx->waker;
}

/// The driver whose timers and sources are to be used; NULL if the poller has none.
///
/// Threads: the polling one.
static inline struct rouse_driver *rouse_context_driver(const struct rouse_context *cx)
{
    return cx->driver;
}

/// The task that is polled; NULL outside tasks.
///
/// Threads: the polling one.
static inline struct rouse_task *rouse_context_task(const struct rouse_context *cx)
{
    return cx->task;
}

/// Spends one unit of the poll's budget. Leaf operations call it before they act, so that a task
/// whose every wait is ready at once still lets others run. False: the budget is spent, the waker
/// has been woken, and the caller must return ROUSE_PENDING without acting.
///
/// Threads: the polling one.
static inline bool rouse_context_spend(struct rouse_context *cx)
{
    if (ROUSE_LIKELY(cx->budget > 0)) {
        cx->budget -= cx->budget != UINT32_MAX;  // that one is unlimited
        return true;
    }
    rouse_waker_wake_by_ref(&cx->waker);
    cx->again |= 2;
    return false;
}

/// The vtable of an ended future whose type names none. Private.
ROUSE_API extern const struct rouse_future_vtable rouse_future_ended_vtable;
/// The vtable of a dropped future. Private.
ROUSE_API extern const struct rouse_future_vtable rouse_future_dropped_vtable;

/// Ends the program: a future was polled after its end. Private to rouse_future_poll().
///
/// Threads: any.
ROUSE_API ROUSE_NORETURN void rouse_future_poll_ended(const struct rouse_future *future);

/// Polls a future. Polling one that has ended, or was dropped, aborts with its name.
///
/// Threads: one at a time; which one may change between polls.
static inline rouse_poll rouse_future_poll(struct rouse_future *future, struct rouse_context *cx)
{
    const struct rouse_future_vtable *vtable = future->vtable;

    if (ROUSE_UNLIKELY(vtable->poll == NULL)) rouse_future_poll_ended(future);
    if (vtable->poll(future, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    future->vtable = vtable->ended != NULL ? vtable->ended : &rouse_future_ended_vtable;
    return ROUSE_READY;
}

/// Ends a future early, or releases the output of one that ended. A second drop does nothing.
///
/// Threads: whoever may poll it. Never blocks.
static inline void rouse_future_drop(struct rouse_future *future)
{
    const struct rouse_future_vtable *vtable = future->vtable;

    future->vtable = &rouse_future_dropped_vtable;
    if (vtable->drop != NULL) vtable->drop(future);
}

/// True if the future has returned ROUSE_READY or was dropped.
///
/// Threads: whoever may poll it.
static inline bool rouse_future_is_ended(const struct rouse_future *future)
{
    return future->vtable->poll == NULL;
}

/// True if the future says that a poll right now would be pending, and leave but a waker. False if
/// that is not known.
///
/// Threads: whoever may poll it.
static inline bool rouse_future_is_pending(const struct rouse_future *future)
{
    return future->vtable->is_pending != NULL && future->vtable->is_pending(future);
}

/// The outcome of an ended future in the common form: 0 or a count, or a negative errno; 0 for one
/// that cannot fail. Aborts if it has not ended.
///
/// Threads: whoever may poll it.
ROUSE_API int64_t rouse_future_result(const struct rouse_future *future);

/// What it means to drop the future while it is pending: for a select, to lose. A property of the
/// operation, not of how far it has come. A combinator says the worst that its arms say.
///
/// Errors:  ROUSE_CANCEL_TOTAL for one that has ended: there is nothing to cancel.
/// Threads: whoever may poll it.
ROUSE_API rouse_cancel_kind rouse_future_cancel_kind(const struct rouse_future *future);

/// For vtables: ROUSE_CANCEL_TOTAL.
///
/// Threads: any.
ROUSE_API rouse_cancel_kind rouse_cancel_kind_total(const struct rouse_future *self);
/// For vtables: ROUSE_CANCEL_PARTIAL.
///
/// Threads: any.
ROUSE_API rouse_cancel_kind rouse_cancel_kind_partial(const struct rouse_future *self);
/// For vtables: ROUSE_CANCEL_TERMINAL.
///
/// Threads: any.
ROUSE_API rouse_cancel_kind rouse_cancel_kind_terminal(const struct rouse_future *self);

/// Writes the name of a future and what it waits for, as snprintf() does.
///
/// Threads: whoever may poll it, between polls.
ROUSE_API int rouse_future_describe(const struct rouse_future *future, char *buf, size_t size);

/// Tells `inspector` what a pending future stands on. Does nothing for one that has ended, or whose
/// vtable has no `inspect`.
///
/// Threads: whoever may poll it, between polls.
ROUSE_API void rouse_future_inspect(const struct rouse_future *future,
                                    struct rouse_inspector *inspector);

ROUSE_EXTERN_C_END

#endif
