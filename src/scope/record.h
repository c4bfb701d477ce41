// SPDX-License-Identifier: MIT
//
// What the tasks of a scope know of it: a counted record, since the scope itself lies in its
// owner's storage, which may go before they do.
//
// 1. `members`, `asked`, `inner`, `live`, `cause` and the links in them change under `lock` only. A
//    record's lock is taken before those of records inside it. No user code runs under it.
// 2. A task is in `members` from before it is scheduled until it has ended, and in `asked` instead
//    once it was asked to end.
// 3. `live` counts the members, and the orphans inside: records that were dropped by their owners
//    while tasks were left. A wait ends when it is 0. While it is not they keep the record, all of
//    them by one share.
// 4. `cancelled` goes from false to true, once; `cause` is complete by then and never changes.

#ifndef RS_SCOPE_RECORD_H
#define RS_SCOPE_RECORD_H

#include <rouse/scope.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/lock.h"
#include "task/task.h"

struct rs_scope_record {
    struct rs_lock lock;
    _Atomic uint32_t references;  // the owner, what is live, each record inside, each canceller
    _Atomic bool cancelled;
    bool orphan;                     // dropped with tasks left; under the lock
    struct rouse_cancel_info cause;  // why it was cancelled
    int error;                       // what its wait returns; set with the cause
    struct rs_list members;
    struct rs_list asked;
    struct rs_list inner;  // records of the scopes directly inside, by `link`
    struct rs_list link;   // under the lock of `outer`
    size_t live;
    struct rs_scope_record *outer;  // one share; NULL at the top
    struct rs_scope_record *next_cancelled;
    struct rouse_task *body;         // the fiber that opened it: one share; or NULL. Locked
    struct rouse_waker_slot waiter;  // who waits for live to become 0
    const struct rouse_allocator *allocator;
};

// A task in a scope.
struct rs_scope_member {
    struct rs_member base;
    struct rs_scope_record *record;
    struct rs_list link;
};

// The record of a scope that is opened inside `outer`, which may be NULL, by the fiber of `body`,
// which may be NULL. One share, for the owner. NULL without memory.
struct rs_scope_record *rs_scope_record_new(struct rs_scope_record *outer, struct rouse_task *body,
                                            const struct rouse_allocator *allocator);
void rs_scope_record_ref(struct rs_scope_record *record);
void rs_scope_record_unref(struct rs_scope_record *record);

// Before the task is scheduled, in its init.
void rs_scope_record_join(struct rs_scope_record *record, struct rs_scope_member *member);

// Cancels it and all records inside, from the outside in. Its wait returns `error`, that of those
// inside -ECANCELED. Any thread.
void rs_scope_record_cancel(struct rs_scope_record *record, const struct rouse_cancel_info *cause,
                            int error);

// Its owner has left it: the fiber is woken no more. Gives up the owner's share. With tasks left it
// becomes an orphan of the record around it.
void rs_scope_record_leave(struct rs_scope_record *record);

static inline bool rs_scope_record_is_cancelled(const struct rs_scope_record *record)
{
    // Acquire, with the release in mark(): the cause is there.
    return atomic_load_explicit(&record->cancelled, memory_order_acquire);
}

// How many a wait still waits for. Any thread with a share.
size_t rs_scope_record_live(struct rs_scope_record *record);

#endif
