// SPDX-License-Identifier: MIT
//
// Scopes, as their owner sees them.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/scope.h>
#include <stdio.h>

#include "base/tls.h"
#include "fiber/await.h"
#include "fiber/fiber.h"
#include "fiber/region.h"
#include "sched/runtime.h"
#include "scope/record.h"

static bool in_fiber(void)
{
    return rs_tls.fiber != NULL && rs_tls.poll_depth == 0;
}

static struct rouse_scope *scope_of(const struct rouse_region *region)
{
    return ROUSE_CONTAINER_OF((struct rouse_region *)(uintptr_t)region, struct rouse_scope, region);
}

// ---- Open ----

static const struct rouse_cancel_info *cause_of(const struct rouse_scope *scope,
                                                struct rouse_cancel_info *buf)
{
    if (scope->record != NULL) {
        return rs_scope_record_is_cancelled(scope->record) ? &scope->record->cause : NULL;
    }
    if (!scope->cancelled) return NULL;
    *buf = (struct rouse_cancel_info){
        .reason = ROUSE_CANCEL_SCOPE, .error = -ECANCELED, .origin = scope->why};
    return buf;
}

static int scope_check(const struct rouse_region *region, struct rouse_cancel_info *info)
{
    struct rouse_cancel_info buf;
    const struct rouse_cancel_info *cause = cause_of(scope_of(region), &buf);

    if (cause == NULL) return 0;
    *info = *cause;
    return info->error;
}

static const struct rouse_cancel_info deadline_passed = {.reason = ROUSE_CANCEL_DEADLINE,
                                                         .error = -ETIMEDOUT};

static void scope_expire(struct rouse_region *region)
{
    struct rouse_scope *scope = scope_of(region);

    if (scope->record != NULL) rs_scope_record_cancel(scope->record, &deadline_passed, -ETIMEDOUT);
}

void rouse_scope_open(struct rouse_scope *scope, uint64_t deadline_ns)
{
    scope->record = NULL;
    scope->why = NULL;
    scope->cancelled = false;
    scope->entered = in_fiber();
    if (scope->entered) {
        rs_region_enter(&scope->region, deadline_ns, false, __func__);
        scope->region.check = scope_check;
        scope->region.expire = scope_expire;
    } else {
        scope->region = (struct rouse_region){.armed_ns = ROUSE_NEVER};
        rouse_sleep_until_init(&scope->region.sleep, deadline_ns);
    }
}

// ---- The record ----

static struct rs_scope_record *record_of(struct rouse_scope *scope);

// The record around a scope that the running task opens: of a region further out, or of the scope
// that the task itself was spawned into. NULL if there is none. -ENOMEM.
static int outer_record(const struct rouse_scope *scope, struct rs_scope_record **out)
{
    struct rouse_region *region = scope->entered ? scope->region.outer : rs_region_innermost();
    const struct rouse_task *task = rs_tls.context != NULL ? rs_tls.context->task : NULL;

    *out = NULL;
    for (; region != NULL; region = region->outer) {
        if (region->check != scope_check) continue;
        *out = record_of(scope_of(region));
        return *out != NULL ? 0 : -ENOMEM;
    }
    if (task != NULL && task->member != NULL) {
        *out = ROUSE_CONTAINER_OF(task->member, struct rs_scope_member, base)->record;
    }
    return 0;
}

// True also if nobody has waited since, and so felt it.
static bool has_expired(const struct rouse_scope *scope)
{
    uint64_t deadline_ns = scope->region.sleep.deadline_ns;

    return scope->region.expired || (deadline_ns != ROUSE_NEVER && deadline_ns <= rouse_now_ns());
}

// Made when it is first needed; NULL without memory.
static struct rs_scope_record *record_of(struct rouse_scope *scope)
{
    struct rs_scope_record *outer;
    struct rouse_cancel_info buf;

    if (scope->record != NULL) return scope->record;
    rouse_assert(!scope->entered || rs_tls.fiber != NULL,
                 "a fiber's scope is its own until its first task; spawn that in the fiber");
    const struct rouse_cancel_info *cause = cause_of(scope, &buf);

    // Without the one around it, which has no memory, a cancel from there would not come through.
    if (outer_record(scope, &outer) < 0) return NULL;
    struct rs_scope_record *record =
        rs_scope_record_new(outer, scope->entered ? rs_tls.fiber->task : NULL,
                            rouse_allocator_default());

    if (record == NULL) return NULL;
    if (cause == NULL && has_expired(scope)) cause = &deadline_passed;
    if (cause != NULL) rs_scope_record_cancel(record, cause, cause->error);
    scope->record = record;
    return record;
}

// ---- Spawn ----

// A member lies behind the future in the task's block.
struct member_start {
    const struct rouse_future_spec *spec;
    struct rs_scope_record *record;
    size_t offset;
};

static void member_init(struct rouse_future *storage, void *arg)
{
    const struct member_start *start = arg;
    struct rs_scope_member *member =
        (struct rs_scope_member *)(void *)((char *)storage + start->offset);

    start->spec->init(storage, start->spec->arg);
    rs_scope_record_join(start->record, member);
}

static int spawn(struct rouse_scope *scope, struct rouse_join_handle *handle,
                 const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs,
                 uint8_t flags)
{
    struct rs_scope_record *record = record_of(scope);
    struct rouse_task_attrs with_member = attrs != NULL ? *attrs : (struct rouse_task_attrs){0};

    if (record == NULL) return -ENOMEM;
    if (rs_scope_record_is_cancelled(record)) return -ECANCELED;
    struct member_start start = {.spec = spec,
                                 .record = record,
                                 .offset = (spec->size + 15) & ~(size_t)15};
    struct rouse_future_spec whole = {.size = start.offset + sizeof(struct rs_scope_member),
                                      .align = spec->align,
                                      .init = member_init,
                                      .arg = &start};

    with_member.member_offset = start.offset;
    return rs_spawn(handle, &whole, &with_member, flags);
}

int rouse_scope_spawn_at(struct rouse_scope *scope, struct rouse_join_handle *handle,
                         rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs)
{
    struct rs_fiber_start start;
    struct rouse_future_spec spec;
    int err = rs_fiber_spec(&spec, &start, fn, arg, attrs);

    return err < 0 ? err : spawn(scope, handle, &spec, attrs, RS_TASK_FIBER);
}

int rouse_scope_spawn_future_at(struct rouse_scope *scope, struct rouse_join_handle *handle,
                                const struct rouse_future_spec *spec,
                                const struct rouse_task_attrs *attrs)
{
    return spawn(scope, handle, spec, attrs, 0);
}

// ---- Cancelled ----

static void record_cancel(struct rs_scope_record *record, const char *why)
{
    struct rouse_cancel_info cause = {
        .reason = ROUSE_CANCEL_SCOPE, .error = -ECANCELED, .origin = why};

    rs_scope_record_cancel(record, &cause, -ECANCELED);
}

void rouse_scope_cancel(struct rouse_scope *scope, const char *why)
{
    if (scope->record != NULL) {
        record_cancel(scope->record, why);
    } else if (!scope->cancelled && !scope->region.expired) {
        scope->cancelled = true;
        scope->why = why;
    }
}

int rouse_scope_canceller(struct rouse_scope *scope, struct rouse_scope_canceller *out)
{
    out->record = record_of(scope);
    if (out->record == NULL) return -ENOMEM;
    rs_scope_record_ref(out->record);
    return 0;
}

void rouse_scope_canceller_cancel(const struct rouse_scope_canceller *canceller, const char *why)
{
    if (canceller->record != NULL) record_cancel(canceller->record, why);
}

void rouse_scope_canceller_drop(struct rouse_scope_canceller *canceller)
{
    struct rs_scope_record *record = canceller->record;

    canceller->record = NULL;
    rs_scope_record_unref(record);
}

// ---- Left ----

static struct rouse_scope_result result_of(const struct rouse_scope *scope)
{
    struct rouse_scope_result result = {.error = 0};
    struct rouse_cancel_info buf;
    const struct rouse_cancel_info *cause = cause_of(scope, &buf);

    if (cause == NULL && scope->region.felt && scope->region.expired) cause = &deadline_passed;
    if (cause == NULL) return result;
    result.why = *cause;
    result.error = scope->record != NULL ? scope->record->error : cause->error;
    return result;
}

static void leave(struct rouse_scope *scope)
{
    struct rs_scope_record *record = scope->record;

    scope->record = NULL;
    if (record != NULL) rs_scope_record_leave(record);
}

static bool is_empty(struct rs_scope_record *record, struct rouse_context *cx)
{
    if (record == NULL || rs_scope_record_live(record) == 0) return true;
    // The last task takes the count to zero, then wakes; we store the waker, then look again.
    rouse_waker_slot_register(&record->waiter, rouse_context_waker(cx));
    return rs_scope_record_live(record) == 0;
}

static rouse_poll wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_scope_wait *wait = ROUSE_CONTAINER_OF(self, struct rouse_scope_wait, base);
    struct rouse_scope *scope = wait->scope;

    if (!is_empty(scope->record, cx)) {
        if (wait->sleep.deadline_ns == ROUSE_NEVER || rouse_future_is_ended(&wait->sleep.base) ||
            rouse_future_poll(&wait->sleep.base, cx) == ROUSE_PENDING || wait->sleep.output < 0) {
            return ROUSE_PENDING;
        }
        rs_scope_record_cancel(scope->record, &deadline_passed, -ETIMEDOUT);
        if (!is_empty(scope->record, cx)) return ROUSE_PENDING;
    }
    rouse_future_drop(&wait->sleep.base);
    wait->output = result_of(scope);
    leave(scope);
    return ROUSE_READY;
}

static void wait_drop(struct rouse_future *self)
{
    struct rouse_scope_wait *wait = ROUSE_CONTAINER_OF(self, struct rouse_scope_wait, base);

    rouse_future_drop(&wait->sleep.base);
    if (wait->scope->record != NULL) rouse_waker_slot_deinit(&wait->scope->record->waiter);
}

static int wait_describe(const struct rouse_future *self, char *buf, size_t size)
{
    struct rs_scope_record *record = ((const struct rouse_scope_wait *)self)->scope->record;

    return snprintf(buf, size, "scope: %zu tasks",
                    record != NULL ? rs_scope_record_live(record) : 0);
}

static int64_t wait_result(const struct rouse_future *self)
{
    return ((const struct rouse_scope_wait *)self)->output.error;
}

static const struct rouse_future_vtable wait_ended = {.name = "scope_wait", .result = wait_result};
static const struct rouse_future_vtable wait_vtable = {
    .poll = wait_poll,
    .drop = wait_drop,
    .name = "scope_wait",
    .describe = wait_describe,
    .ended = &wait_ended,
    .cancel_kind = rouse_cancel_kind_total};

static void wait_init(struct rouse_scope_wait *wait, struct rouse_scope *scope)
{
    wait->base.vtable = &wait_vtable;
    wait->scope = scope;
    wait->output = (struct rouse_scope_result){.error = 0};
    rouse_sleep_until_init(&wait->sleep, scope->region.sleep.deadline_ns);
}

void rouse_scope_wait_init(struct rouse_scope_wait *wait, struct rouse_scope *scope)
{
    rouse_assert(!scope->entered,
                 "this scope is a region of its fiber; leave it with rouse_scope_wait()");
    wait_init(wait, scope);
}

// In a fiber: passes a cancel of its own on to the tasks, and goes on waiting.
static void wait_in_fiber(struct rouse_scope *scope, struct rouse_scope_wait *wait)
{
    struct rs_fiber *fiber = rs_tls.fiber;

    if (scope->entered) rs_region_leave(&scope->region, "rouse_scope_wait");
    scope->entered = false;
    if (rs_fiber_await(fiber, &wait->base) == 0) return;
    struct rouse_cancel_info cause = rouse_cancel_info();

    cause.error = -ECANCELED;
    if (scope->record == NULL) {
        wait->output = result_of(scope);
        if (wait->output.error == 0) wait->output.why = cause;
        wait->output.error = wait->output.why.error;
        return;
    }
    rs_scope_record_cancel(scope->record, &cause, -ECANCELED);
    wait_init(wait, scope);
    rs_await_shielded(&wait->base);
}

int rouse_scope_wait(struct rouse_scope *scope, struct rouse_scope_result *result)
{
    struct rouse_scope_wait wait;

    rouse_assert(rs_tls.poll_depth == 0,
                 "a poll cannot wait; await a struct rouse_scope_wait instead");
    wait_init(&wait, scope);
    if (scope->entered || rs_tls.fiber != NULL) {
        wait_in_fiber(scope, &wait);
    } else {
        while (rouse_await(&wait.base) < 0) wait_init(&wait, scope);
    }
    if (result != NULL) *result = wait.output;
    return wait.output.error;
}

void rouse_scope_drop(struct rouse_scope *scope)
{
    if (scope->entered) rs_region_leave(&scope->region, __func__);
    scope->entered = false;
    if (scope->record == NULL) return;
    rouse_scope_cancel(scope, "its scope was dropped");
    leave(scope);
}
