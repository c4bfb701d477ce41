// SPDX-License-Identifier: MIT
//
// The record of a scope: its members, its cancel, its end.

#include "scope/record.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/rmw.h"

enum { BATCH = 32 };

struct rs_scope_record *rs_scope_record_new(struct rs_scope_record *outer, struct rouse_task *body,
                                            const struct rouse_allocator *allocator)
{
    struct rs_scope_record *record = rs_alloc(allocator, sizeof *record);

    if (record == NULL) return NULL;
    // Relaxed: not shared yet.
    atomic_store_explicit(&record->references, 1, memory_order_relaxed);
    rs_list_init(&record->members);
    rs_list_init(&record->asked);
    rs_list_init(&record->inner);
    rs_list_init(&record->link);
    record->allocator = allocator;
    if (body != NULL) rs_state_ref(&body->state);
    record->body = body;
    record->outer = outer;
    if (outer == NULL) return record;
    rs_scope_record_ref(outer);
    rs_lock(&outer->lock);
    rs_list_push_back(&outer->inner, &record->link);
    bool cancelled = rs_scope_record_is_cancelled(outer);
    rs_unlock(&outer->lock);
    if (cancelled) {
        struct rouse_cancel_info cause = outer->cause;

        cause.error = -ECANCELED;
        rs_scope_record_cancel(record, &cause, -ECANCELED);
    }
    return record;
}

void rs_scope_record_ref(struct rs_scope_record *record)
{
    // Relaxed: the caller has a share, or the lock of a record that lists it.
    rs_fetch_add_32(&record->references, 1, memory_order_relaxed);
}

void rs_scope_record_unref(struct rs_scope_record *record)
{
    while (record != NULL) {
        struct rs_scope_record *outer = record->outer;

        // Acq_rel: the last one frees after everything the others did.
        if (rs_fetch_sub_32(&record->references, 1, memory_order_acq_rel) != 1) return;
        rouse_waker_slot_deinit(&record->waiter);
        rs_free(record->allocator, record, sizeof *record);
        record = outer;  // whose share it had
    }
}

// ---- Cancelled ----

// False if it was already.
static bool mark(struct rs_scope_record *record, const struct rouse_cancel_info *cause, int error)
{
    // Relaxed: written under the lock that we hold.
    if (atomic_load_explicit(&record->cancelled, memory_order_relaxed)) return false;
    record->cause = *cause;
    record->error = error;
    // Release, with the acquire in rs_scope_record_is_cancelled(): the cause is complete.
    atomic_store_explicit(&record->cancelled, true, memory_order_release);
    return true;
}

static void abort_task(struct rouse_task *task)
{
    if (rs_state_abort(&task->state)) task->scheduler->schedule(task->scheduler, task);
    rs_task_unref(task);
}

// Asks every member to end, some at a time, since schedulers may be the user's own.
static void ask_members(struct rs_scope_record *record)
{
    struct rouse_task *batch[BATCH];
    int count;

    do {
        count = 0;
        rs_lock(&record->lock);
        while (count < BATCH && !rs_list_is_empty(&record->members)) {
            struct rs_list *link = rs_list_pop_front(&record->members);
            struct rouse_task *task =
                ROUSE_CONTAINER_OF(link, struct rs_scope_member, link)->base.task;

            rs_list_push_back(&record->asked, link);
            rs_state_ref(&task->state);
            batch[count++] = task;
        }
        rs_unlock(&record->lock);
        for (int i = 0; i < count; i++) abort_task(batch[i]);
    } while (count == BATCH);
}

// The fiber that opened it may be asleep in a wait that fails now.
static void wake_body(struct rs_scope_record *record)
{
    rs_lock(&record->lock);
    struct rouse_task *body = record->body;
    if (body != NULL) rs_state_ref(&body->state);
    rs_unlock(&record->lock);
    if (body == NULL) return;
    struct rouse_waker waker = rs_task_waker(body);  // with the share

    rouse_waker_wake(&waker);
}

// Marks the records directly inside and puts them before `list`, each with a share.
static struct rs_scope_record *mark_inner(struct rs_scope_record *record,
                                          const struct rouse_cancel_info *cause,
                                          struct rs_scope_record *list)
{
    struct rouse_cancel_info from_outside = *cause;

    from_outside.error = -ECANCELED;
    rs_lock(&record->lock);
    for (struct rs_list *l = record->inner.next; l != &record->inner; l = l->next) {
        struct rs_scope_record *inner = ROUSE_CONTAINER_OF(l, struct rs_scope_record, link);

        rs_lock(&inner->lock);
        bool marked = mark(inner, &from_outside, -ECANCELED);
        rs_unlock(&inner->lock);
        if (!marked) continue;
        rs_scope_record_ref(inner);
        inner->next_cancelled = list;
        list = inner;
    }
    rs_unlock(&record->lock);
    return list;
}

void rs_scope_record_cancel(struct rs_scope_record *record, const struct rouse_cancel_info *cause,
                            int error)
{
    rs_lock(&record->lock);
    bool marked = mark(record, cause, error);
    rs_unlock(&record->lock);
    if (!marked) return;
    rs_scope_record_ref(record);
    record->next_cancelled = NULL;
    // Each record is on this list once: by whoever marked it.
    for (struct rs_scope_record *list = record; list != NULL;) {
        struct rs_scope_record *next = list;

        list = mark_inner(next, cause, next->next_cancelled);
        ask_members(next);
        wake_body(next);
        rs_scope_record_unref(next);
    }
}

// ---- Members ----

// One thing more to wait for. Under the lock.
static void live_more(struct rs_scope_record *record)
{
    if (record->live++ == 0) rs_scope_record_ref(record);
}

// One thing less to wait for, which was in a list of the record by `link`. The last one of an
// orphan leaves nobody who would have to wait for that.
static void live_less(struct rs_scope_record *record, struct rs_list *link)
{
    rs_lock(&record->lock);
    rs_list_remove(link);
    bool last = --record->live == 0;
    bool orphan = record->orphan;
    rs_unlock(&record->lock);
    if (!last) return;
    if (!orphan) {
        rouse_waker_slot_wake(&record->waiter);
    } else if (record->outer != NULL) {
        live_less(record->outer, &record->link);
    }
    rs_scope_record_unref(record);
}

// The first error cancels the others. A task that was asked to end may say so.
static void judge(struct rs_scope_record *record, const struct rouse_task *task, int64_t result)
{
    if (result >= 0) return;
    if (result == -ECANCELED && rs_state_is_cancelled(&task->state)) return;
    struct rouse_cancel_info cause = {.reason = ROUSE_CANCEL_SIBLING,
                                      .error = -ECANCELED,
                                      .cause = (int)result,
                                      .origin = rouse_task_name(task)};

    rs_scope_record_cancel(record, &cause, (int)result);
}

static void member_ended(struct rs_member *base, int64_t result)
{
    struct rs_scope_member *member = ROUSE_CONTAINER_OF(base, struct rs_scope_member, base);
    struct rs_scope_record *record = member->record;

    judge(record, base->task, result);
    live_less(record, &member->link);
}

void rs_scope_record_join(struct rs_scope_record *record, struct rs_scope_member *member)
{
    member->base.ended = member_ended;
    member->record = record;
    rs_lock(&record->lock);
    live_more(record);
    // A cancel that came since the caller looked has not seen it.
    bool cancelled = rs_scope_record_is_cancelled(record);
    rs_list_push_back(cancelled ? &record->asked : &record->members, &member->link);
    rs_unlock(&record->lock);
    if (cancelled) (void)rs_state_abort(&member->base.task->state);  // it will be scheduled anyway
}

// ---- Left ----

size_t rs_scope_record_live(struct rs_scope_record *record)
{
    rs_lock(&record->lock);
    size_t live = record->live;
    rs_unlock(&record->lock);
    return live;
}

void rs_scope_record_leave(struct rs_scope_record *record)
{
    struct rs_scope_record *outer = record->outer;

    if (outer != NULL) rs_lock(&outer->lock);
    rs_lock(&record->lock);
    struct rouse_task *body = record->body;
    bool orphan = record->live > 0;
    record->body = NULL;
    record->orphan = orphan;
    rs_unlock(&record->lock);
    if (outer != NULL) {
        // Still inside, where a cancel finds it; and waited for.
        if (orphan) {
            live_more(outer);
        } else {
            rs_list_remove(&record->link);
        }
        rs_unlock(&outer->lock);
    }
    if (body != NULL) rs_task_unref(body);
    rs_scope_record_unref(record);
}
