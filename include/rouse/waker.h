// SPDX-License-Identifier: MIT
//
// A waker tells an executor that a future may make progress. Two words: a vtable, and the data
// behind it, shared by count. It may be cloned, woken and dropped from any thread, also after the
// task has ended and after its runtime is gone.

#ifndef ROUSE_WAKER_H
#define ROUSE_WAKER_H

#include <rouse/compiler.h>
#include <stdbool.h>

ROUSE_EXTERN_C_BEGIN

// All zero is the empty waker: waking and dropping it does nothing.
struct rouse_waker {
    const struct rouse_waker_vtable *vtable;
    void *data;
};

// Every function may be called from any thread. None may block for long; rouse calls them with no
// internal lock held.
struct rouse_waker_vtable {
    struct rouse_waker (*clone)(void *data);  // another share
    void (*wake)(void *data);                 // wakes, and gives up the share
    void (*wake_by_ref)(void *data);          // wakes
    void (*drop)(void *data);                 // gives up the share
};

/// Returns another share of `waker`.
///
/// Owns:    the caller owes the result a wake or a drop.
/// Threads: any.
static inline struct rouse_waker rouse_waker_clone(const struct rouse_waker *waker)
{
    return waker->vtable != NULL ? waker->vtable->clone(waker->data) : *waker;
}

/// Wakes, and gives up the share: `waker` is empty afterwards. What the caller wrote before is
/// seen by the poll that follows, also if the wake was redundant.
///
/// Threads: any.
static inline void rouse_waker_wake(struct rouse_waker *waker)
{
    struct rouse_waker taken = *waker;

    waker->vtable = NULL;
    if (taken.vtable != NULL) taken.vtable->wake(taken.data);
}

/// Wakes and keeps the share.
///
/// Threads: any.
static inline void rouse_waker_wake_by_ref(const struct rouse_waker *waker)
{
    if (waker->vtable != NULL) waker->vtable->wake_by_ref(waker->data);
}

/// Gives up the share: `waker` is empty afterwards.
///
/// Threads: any.
static inline void rouse_waker_drop(struct rouse_waker *waker)
{
    struct rouse_waker taken = *waker;

    waker->vtable = NULL;
    if (taken.vtable != NULL) taken.vtable->drop(taken.data);
}

/// True if both wake the same task, so that one need not replace the other.
///
/// Threads: any.
static inline bool rouse_waker_will_wake(const struct rouse_waker *a, const struct rouse_waker *b)
{
    return a->vtable == b->vtable && a->data == b->data;
}

// Room for one waker that is registered on one thread while others wake it. All zero is empty.
// The words are private.
struct rouse_waker_slot {
    struct rouse_waker waker;
    uint32_t state;
};

/// Stores a clone of `waker` in place of the one stored before. If a wake is under way at the same
/// time, `waker` is woken, so none is lost: check the condition after registering, not before.
///
/// Owns:    `waker` stays the caller's.
/// Threads: any, one at a time; concurrent with take and wake.
ROUSE_API void rouse_waker_slot_register(struct rouse_waker_slot *slot,
                                         const struct rouse_waker *waker);

/// Takes the stored waker out; empty if there is none, or if another thread is taking it, or if it
/// is being registered now (then the registering thread wakes it).
///
/// Owns:    the caller owes the result a wake or a drop.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD struct rouse_waker rouse_waker_slot_take(struct rouse_waker_slot *slot);

/// Takes the stored waker and wakes it.
///
/// Threads: any.
ROUSE_API void rouse_waker_slot_wake(struct rouse_waker_slot *slot);

/// Drops what is stored.
///
/// Threads: any, when nobody registers.
ROUSE_API void rouse_waker_slot_deinit(struct rouse_waker_slot *slot);

ROUSE_EXTERN_C_END

#endif
