// SPDX-License-Identifier: MIT
//
// Fibers: started on a stack of the worker that polls them first, suspended in an await, resumed by
// the next poll.
//
//     NEW --poll: a stack--> RUNNING <--await, poll--> SUSPENDED      RUNNING --return--> ended
//      |                        ^
//      +--no stack--> STARVED --+ when another fiber of the worker ends, or after a while
//
// A function that was spawned always runs. So a fiber that gets no stack waits for one. Each worker
// keeps one in reserve, so there is always a fiber that may give one back; but it may wait for the
// very one that starves, so that tries again from time to time.

#include "fiber/fiber.h"

#include <errno.h>
#include <rouse/assert.h>
#include <stdio.h>

#include "base/global_lock.h"
#include "base/log.h"
#include "base/tls.h"
#include "fiber/await.h"
#include "fiber/overflow.h"
#include "fiber/region.h"
#include "task/task.h"

static void fiber_entry(void *arg)
{
    struct rs_fiber *fiber = arg;

    fiber->output = fiber->fn(fiber->arg);
    if (fiber->region != NULL) {
        rouse_panic("fiber %s (%s) returned inside a deadline, a shield or a scope, which lay in "
                    "its frame; leave what was entered on every way out",
                    rouse_task_name(fiber->task), fiber->task->site);
    }
}

// Memory may come back although no fiber ends: those that have a stack may all wait for one that
// starves.
#define STARVED_RETRY_NS (20 * ROUSE_NS_PER_MS)

static void retry_later(struct rs_fiber_host *host, struct rs_fiber *fiber)
{
    rouse_future_drop(&host->retry.base);
    rouse_sleep_init(&host->retry, STARVED_RETRY_NS);
    // A thread that is kept from running meanwhile finds the time over, and nothing will wake it.
    if (rouse_future_poll(&host->retry.base, fiber->cx) == ROUSE_READY) {
        rouse_waker_wake_by_ref(rouse_context_waker(fiber->cx));
    }
}

static void starve(struct rs_fiber_host *host, struct rs_fiber *fiber, bool again)
{
    fiber->starved = true;
    if (host->starved_first == NULL && !again) {
        rs_log(ROUSE_LOG_WARN, "no memory for the stack of fiber %s: it waits until another ends",
               rouse_task_name(fiber->task));
    }
    fiber->next_starved = NULL;
    *(host->starved_first != NULL ? &host->starved_last->next_starved : &host->starved_first) =
        fiber;
    host->starved_last = fiber;
    retry_later(host, fiber);
}

// A stack is free, or memory is back: every starved fiber tries again, since one that needs more
// may have to go on waiting.
static void feed(struct rs_fiber_host *host)
{
    if (host->starved_first == NULL) return;
    rouse_future_drop(&host->retry.base);
    while (host->starved_first != NULL) {
        struct rs_fiber *fiber = host->starved_first;
        struct rouse_waker waker = rs_task_waker(fiber->task);

        host->starved_first = fiber->next_starved;
        fiber->starved = false;
        rouse_waker_wake_by_ref(&waker);
    }
}

// A starved fiber was polled for another reason, an abort or the retry: it tries again, and queues
// up again.
static void unstarve(struct rs_fiber_host *host, struct rs_fiber *fiber)
{
    struct rs_fiber **link = &host->starved_first;
    struct rs_fiber *last = NULL;

    while (*link != fiber) {
        last = *link;
        link = &last->next_starved;
    }
    *link = fiber->next_starved;
    if (host->starved_last == fiber) host->starved_last = last;
    if (host->starved_first == NULL) rouse_future_drop(&host->retry.base);
    fiber->starved = false;
}

// The reserve has the default size. A fiber that asked for more takes it only when no other fiber
// is there to end and give its memory back.
static bool take_reserve(struct rs_fiber *fiber, struct rs_fiber_host *host)
{
    if (fiber->stack_size > host->stacks.default_size && host->stacks.in_use > 0) return false;
    return rs_stack_get_reserve(&host->stacks, &fiber->stack) == 0;
}

// False if there is no stack now: the fiber will be woken when there is.
static bool fiber_start(struct rs_fiber *fiber, struct rs_fiber_host *host)
{
    struct rouse_task *task = fiber->cx->task;
    bool again = fiber->task != NULL;

    fiber->task = task;
    task->flags |= RS_TASK_PINNED;
    if (fiber->starved) unstarve(host, fiber);
    if (rs_stack_get(&host->stacks, fiber->stack_size, &fiber->stack) < 0 &&
        !take_reserve(fiber, host)) {
        starve(host, fiber, again);
        return false;
    }
    if (again) feed(host);
    rs_coroutine_start(&fiber->coroutine, &fiber->stack, fiber_entry, fiber);
    return true;
}

static rouse_poll fiber_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rs_fiber *fiber = ROUSE_CONTAINER_OF(self, struct rs_fiber, base);
    struct rs_fiber_host *host = rs_tls.fibers;
    uint32_t depth = rs_tls.poll_depth;

    fiber->cx = cx;
    if (fiber->stack.base == NULL && !fiber_start(fiber, host)) return ROUSE_PENDING;
    rs_tls.fiber = fiber;
    rs_tls.poll_depth = 0;  // the fiber's own code may wait
    rs_coroutine_resume(&fiber->coroutine);
    rs_tls.poll_depth = depth;
    rs_tls.fiber = NULL;
    if (!fiber->coroutine.done) return ROUSE_PENDING;
    rs_stack_put(&host->stacks, &fiber->stack);
    feed(host);
    return ROUSE_READY;
}

static void fiber_drop(struct rouse_future *self)
{
    (void)self;
    rouse_panic("a fiber was dropped; abort its task instead, and let its function return");
}

// Waits that fail, one after another, before somebody should be told.
enum { REFUSED_MAX = 1000 };

static int fiber_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rs_fiber *fiber = (const struct rs_fiber *)self;

    if (fiber->refused >= REFUSED_MAX) {
        return snprintf(buf, size, "nothing: it was cancelled and has gone on to %u further waits",
                        fiber->refused);
    }
    if (fiber->awaiting != NULL) return rouse_future_describe(fiber->awaiting, buf, size);
    return snprintf(buf, size, "%s",
                    fiber->stack.base != NULL ? "its next turn"
                    : fiber->task != NULL     ? "a stack: out of memory"
                                              : "its first poll");
}

static int64_t fiber_result(const struct rouse_future *self)
{
    return ((const struct rs_fiber *)self)->output;
}

static const struct rouse_future_vtable fiber_ended = {.name = "fiber", .result = fiber_result};
static const struct rouse_future_vtable fiber_vtable = {
    .poll = fiber_poll,
    .drop = fiber_drop,
    .name = "fiber",
    .describe = fiber_describe,
    .ended = &fiber_ended};

static void fiber_init(struct rouse_future *storage, void *arg)
{
    struct rs_fiber *fiber = ROUSE_CONTAINER_OF(storage, struct rs_fiber, base);
    const struct rs_fiber_start *start = arg;

    fiber->base.vtable = &fiber_vtable;
    fiber->fn = start->fn;
    fiber->arg = start->arg;
    fiber->cx = NULL;
    fiber->task = NULL;
    fiber->awaiting = NULL;
    fiber->region = NULL;
    fiber->refused = 0;
    fiber->stack.base = NULL;
    fiber->starved = false;
    fiber->stack_size = (uint32_t)start->stack_size;
    fiber->output = 0;
}

int rs_fiber_spec(struct rouse_future_spec *spec, struct rs_fiber_start *start,
                  rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs)
{
    *start = (struct rs_fiber_start){
        .fn = fn, .arg = arg, .stack_size = attrs != NULL ? attrs->stack_size : 0};
    *spec = (struct rouse_future_spec){
        .size = sizeof(struct rs_fiber), .init = fiber_init, .arg = start};
    return start->stack_size > RS_STACK_SIZE_MAX ? -EINVAL : 0;
}

int rs_fiber_host_init(struct rs_fiber_host *host, const struct rouse_allocator *allocator,
                       size_t stack_size)
{
    *host = (struct rs_fiber_host){0};
    rouse_sleep_init(&host->retry, 0);
    return rs_stack_pool_init(&host->stacks, allocator,
                              stack_size != 0 ? stack_size : RS_STACK_SIZE_DEFAULT,
                              RS_STACK_CACHED_MAX_DEFAULT);
}

void rs_fiber_host_deinit(struct rs_fiber_host *host)
{
    rouse_future_drop(&host->retry.base);
    rs_stack_pool_deinit(&host->stacks);
}

static bool describe_fault(const void *address, struct rs_overflow_info *out)
{
    const struct rs_fiber *fiber = rs_tls.fiber;

    if (fiber == NULL || !rs_stack_guard_contains(&fiber->stack, address)) return false;
    *out = (struct rs_overflow_info){.fiber_name = fiber->task->name,
                                     .spawn_site = fiber->task->site,
                                     .stack_size = fiber->stack.size};
    return true;
}

int rs_fiber_report_overflow(void)
{
    rs_lock(rs_global_lock(RS_GLOBAL_FAULT_REPORT));  // runtimes may be made at once
    rs_overflow_describe = describe_fault;
    int err = rs_overflow_install();
    rs_unlock(rs_global_lock(RS_GLOBAL_FAULT_REPORT));
    return err;
}

// ---- Waiting ----

static rouse_poll poll_in_fiber(struct rs_fiber *fiber, struct rouse_future *future)
{
    rs_tls.poll_depth++;
    rouse_poll poll = rouse_future_poll(future, fiber->cx);
    rs_tls.poll_depth--;
    return poll;
}

// A fiber that was cancelled is expected to return. One that goes on waiting instead keeps whoever
// waits for its end waiting: it is named. It must not keep its worker to itself as well, so each
// wait that fails is paid for as one that is ready at once.
static int refuse(struct rs_fiber *fiber, struct rouse_future *future, int error)
{
    rouse_future_drop(future);
    if (++fiber->refused == REFUSED_MAX) {
        rs_log(ROUSE_LOG_WARN,
               "fiber %s (%s) was cancelled and has gone on to %d further waits; it "
               "should return when a wait fails",
               rouse_task_name(fiber->task), fiber->task->site, REFUSED_MAX);
    }
    if (!rouse_context_spend(fiber->cx)) rs_coroutine_suspend(&fiber->coroutine);
    return error;
}

// It may wait again. If that is not because of a shield, the cancel that it felt is behind it: a
// server that runs out of time with one client after another has not gone on in spite of anything.
static void forgive(struct rs_fiber *fiber)
{
    for (const struct rouse_region *r = fiber->region; r != NULL; r = r->outer) {
        if (r->shields) return;
    }
    fiber->refused = 0;
}

// 0 if the fiber may wait. Almost always: no region, not cancelled.
static int may_wait(struct rs_fiber *fiber)
{
    if (fiber->region != NULL) return rs_regions_check(fiber->region, fiber->task);
    return rs_state_is_cancelled(&fiber->task->state) ? -ECANCELED : 0;
}

static int may_sleep(struct rs_fiber *fiber)
{
    if (fiber->region != NULL) rs_regions_arm(fiber->region, fiber->cx);
    return may_wait(fiber);
}

static void sleep_in_fiber(struct rs_fiber *fiber, struct rouse_future *future)
{
    fiber->awaiting = future;
    rs_coroutine_suspend(&fiber->coroutine);
    fiber->awaiting = NULL;
}

int rs_fiber_await(struct rs_fiber *fiber, struct rouse_future *future)
{
    int err = may_wait(fiber);

    if (err < 0) return refuse(fiber, future, err);
    if (ROUSE_UNLIKELY(fiber->refused != 0)) forgive(fiber);
    while (poll_in_fiber(fiber, future) == ROUSE_PENDING) {
        // A result that is there by now has won; there is none.
        err = may_sleep(fiber);
        if (err < 0) return refuse(fiber, future, err);
        sleep_in_fiber(fiber, future);
    }
    return 0;
}

void rs_await_shielded(struct rouse_future *future)
{
    struct rs_fiber *fiber = rs_tls.fiber;

    rouse_assert(fiber != NULL && rs_tls.poll_depth == 0,
                 "only a fiber can wait shielded; spawn one");
    while (poll_in_fiber(fiber, future) == ROUSE_PENDING) {
        rs_regions_arm(fiber->region, fiber->cx);
        sleep_in_fiber(fiber, future);
    }
}
