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
#include <rouse/ready.h>
#include <stdio.h>

#include "base/global_lock.h"
#include "base/log.h"
#include "base/tls.h"
#include "fiber/await.h"
#include "fiber/overflow.h"
#include "fiber/poll.h"
#include "fiber/region.h"
#include "task/task.h"

static void fiber_entry(void *arg)
{
    struct rs_fiber *fiber = arg;
    struct rs_fiber_root *root = fiber->root;

    root->output = root->fn(root->arg);
    if (fiber->region != NULL) {
        rouse_panic("fiber %s (%s) returned inside a deadline, a shield or a scope, which lay in "
                    "its frame; leave what was entered on every way out",
                    rouse_task_name(fiber->task), fiber->task->site);
    }
}

// ---- Starved ----

static struct rs_fiber_root *root_of(const struct rouse_task *task)
{
    return ROUSE_CONTAINER_OF(rs_task_future(task), struct rs_fiber_root, base);
}

// Memory may come back although no fiber ends: those that have a stack may all wait for one that
// starves.
#define STARVED_RETRY_NS (20 * ROUSE_NS_PER_MS)

static void retry_later(struct rs_fiber_host *host, struct rouse_context *cx)
{
    rouse_future_drop(&host->retry.base);
    rouse_sleep_init(&host->retry, STARVED_RETRY_NS);
    // A thread that is kept from running meanwhile finds the time over, and nothing will wake it.
    if (rouse_future_poll(&host->retry.base, cx) == ROUSE_READY) {
        rouse_waker_wake_by_ref(rouse_context_waker(cx));
    }
}

static void starve(struct rs_fiber_host *host, struct rs_fiber_root *root, struct rouse_context *cx)
{
    if (host->starved_first == NULL && !root->has_starved) {
        rs_log(ROUSE_LOG_WARN, "no memory for the stack of fiber %s: it waits until another ends",
               rouse_task_name(cx->task));
    }
    root->starved = true;
    root->has_starved = true;
    root->next_starved = NULL;
    *(host->starved_first != NULL ? &root_of(host->starved_last)->next_starved
                                  : &host->starved_first) = cx->task;
    host->starved_last = cx->task;
    retry_later(host, cx);
}

// A stack is free, or memory is back: every starved fiber tries again, since one that needs more
// may have to go on waiting.
static void feed(struct rs_fiber_host *host)
{
    rouse_future_drop(&host->retry.base);
    while (host->starved_first != NULL) {
        struct rouse_task *task = host->starved_first;
        struct rouse_waker waker = rs_task_waker(task);

        host->starved_first = root_of(task)->next_starved;
        root_of(task)->starved = false;
        rouse_waker_wake_by_ref(&waker);
    }
}

// A starved fiber was polled for another reason, an abort or the retry: it tries again, and queues
// up again.
static void unstarve(struct rs_fiber_host *host, struct rouse_task *task)
{
    struct rouse_task **link = &host->starved_first;
    struct rouse_task *last = NULL;

    while (*link != task) {
        last = *link;
        link = &root_of(last)->next_starved;
    }
    *link = root_of(task)->next_starved;
    if (host->starved_last == task) host->starved_last = last;
    if (host->starved_first == NULL) rouse_future_drop(&host->retry.base);
    root_of(task)->starved = false;
}

// ---- Polled ----

// The reserve has the default size. A fiber that asked for more takes it only when no other fiber
// is there to end and give its memory back.
static int take_reserve(struct rs_stack_pool *stacks, size_t size, struct rs_stack *out)
{
    if (size > stacks->default_size && stacks->in_use > 0) return -ENOMEM;
    return rs_stack_get_reserve(stacks, out);
}

static void fiber_start(struct rs_fiber_root *root, struct rs_stack *stack, struct rouse_task *task)
{
    struct rs_fiber *fiber = rs_stack_carve(stack, sizeof *fiber);

    fiber->task = task;
    fiber->region = NULL;
    fiber->awaiting = NULL;
    fiber->refused = 0;
    fiber->root = root;
    fiber->stack = stack->slot;
    rs_coroutine_start(&fiber->coroutine, stack, fiber_entry, fiber);
    root->fiber = fiber;
}

void rs_fiber_end(struct rs_fiber_host *host, struct rs_stack_slot *stack)
{
    rs_stack_put_slot(&host->stacks, stack);
    if (ROUSE_UNLIKELY(host->starved_first != NULL)) feed(host);
}

static rouse_poll fiber_poll(struct rouse_future *self, struct rouse_context *cx)
{
    return rs_fiber_resume(ROUSE_CONTAINER_OF(self, struct rs_fiber_root, base), cx);
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
    const struct rs_fiber *fiber = ((const struct rs_fiber_root *)self)->fiber;

    if (fiber->refused >= REFUSED_MAX) {
        return snprintf(buf, size, "nothing: it was cancelled and has gone on to %u further waits",
                        fiber->refused);
    }
    if (fiber->awaiting != NULL) return rouse_future_describe(fiber->awaiting, buf, size);
    return snprintf(buf, size, "its next turn");
}

// Whether a deadline that the fiber has entered will end the wait.
static bool has_deadline(const struct rs_fiber *fiber)
{
    for (const struct rouse_region *r = fiber->region; r != NULL; r = r->outer) {
        if (r->sleep.deadline_ns != ROUSE_NEVER) return true;
        if (r->shields) return false;
    }
    return false;
}

static void fiber_inspect(const struct rouse_future *self, struct rouse_inspector *inspector)
{
    const struct rs_fiber *fiber = ((const struct rs_fiber_root *)self)->fiber;

    if (fiber->awaiting != NULL) {
        inspector->part(inspector, fiber->awaiting, 0, has_deadline(fiber));
    }
}

static int64_t fiber_result(const struct rouse_future *self)
{
    return ((const struct rs_fiber_root *)self)->output;
}

static const struct rouse_future_vtable fiber_ended = {.name = "fiber", .result = fiber_result};
const struct rouse_future_vtable rs_fiber_vtable = {
    .poll = fiber_poll,
    .drop = fiber_drop,
    .name = "fiber",
    .describe = fiber_describe,
    .ended = &fiber_ended,
    .inspect = fiber_inspect};

bool rs_fiber_begin(struct rs_fiber_root *root, struct rouse_context *cx)
{
    struct rs_fiber_host *host = rs_tls.fibers;
    struct rs_stack stack;

    cx->task->flags |= RS_TASK_PINNED;
    if (ROUSE_UNLIKELY(root->starved)) unstarve(host, cx->task);
    if (rs_stack_get(&host->stacks, root->stack_size, &stack) < 0 &&
        take_reserve(&host->stacks, root->stack_size, &stack) < 0) {
        starve(host, root, cx);
        return false;
    }
    if (ROUSE_UNLIKELY(root->has_starved) && host->starved_first != NULL) feed(host);
    fiber_start(root, &stack, cx->task);
    root->base.vtable = &rs_fiber_vtable;
    return true;
}

// The first poll, and more where there is no stack at once.
static rouse_poll new_fiber_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rs_fiber_root *root = ROUSE_CONTAINER_OF(self, struct rs_fiber_root, base);

    return rs_fiber_begin(root, cx) ? rs_fiber_resume(root, cx) : ROUSE_PENDING;
}

static int new_fiber_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rs_fiber_root *root = (const struct rs_fiber_root *)self;

    return snprintf(buf, size, "%s",
                    root->has_starved ? "a stack: out of memory" : "its first poll");
}

const struct rouse_future_vtable rs_fiber_new_vtable = {
    .poll = new_fiber_poll,
    .drop = fiber_drop,
    .name = "fiber",
    .describe = new_fiber_describe,
    .ended = &fiber_ended};

void rs_fiber_init(struct rouse_future *storage, void *arg)
{
    struct rs_fiber_root *root = ROUSE_CONTAINER_OF(storage, struct rs_fiber_root, base);
    const struct rs_fiber_start *start = arg;

    *root = (struct rs_fiber_root){.base.vtable = &rs_fiber_new_vtable,
                                   .fn = start->fn,
                                   .arg = start->arg,
                                   .stack_size = (uint32_t)start->stack_size & 0xffffff};
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

    if (fiber == NULL) return false;

    struct rs_stack stack = rs_stack_of(fiber->stack);

    if (!rs_stack_guard_contains(&stack, address)) return false;
    *out = (struct rs_overflow_info){
        .fiber_name = fiber->task->name, .spawn_site = fiber->task->site, .stack_size = stack.size};
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

// Inline as wait_on() below, for the sake of the system calls that a poll may make.
__attribute__((always_inline)) static inline rouse_poll poll_in_fiber(struct rs_fiber *fiber,
                                                                      struct rouse_future *future)
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

// Polls until the future has ended or the wait is refused, after a first poll that has not been
// enough. Inlined into the forms below: of all the calls that a wait is in, theirs is the only one
// of ours that is left to return after the switch, and each one that does may be mispredicted,
// where the fiber that ran last waits somewhere else.
__attribute__((always_inline)) static inline int wait_on(struct rs_fiber *fiber,
                                                         struct rouse_future *future)
{
    do {
        // A result that is there by now has won; there is none.
        int err = may_sleep(fiber);

        if (ROUSE_UNLIKELY(err < 0)) return refuse(fiber, future, err);
        sleep_in_fiber(fiber, future);
    } while (poll_in_fiber(fiber, future) == ROUSE_PENDING);
    return 0;
}

// 0 if the fiber may begin to wait.
static inline int begin_wait(struct rs_fiber *fiber, struct rouse_future *future)
{
    int err = may_wait(fiber);

    if (ROUSE_UNLIKELY(err < 0)) return refuse(fiber, future, err);
    if (ROUSE_UNLIKELY(fiber->refused != 0)) forgive(fiber);
    return 0;
}

__attribute__((noinline)) static int await_pending(struct rs_fiber *fiber,
                                                   struct rouse_future *future)
{
    return wait_on(fiber, future);
}

int rs_fiber_await(struct rs_fiber *fiber, struct rouse_future *future)
{
    int err = begin_wait(fiber, future);

    if (ROUSE_UNLIKELY(err < 0)) return err;
    if (poll_in_fiber(fiber, future) == ROUSE_READY) return 0;
    return await_pending(fiber, future);
}

static int64_t take_output(struct rouse_join_handle *handle)
{
    rouse_future_drop(&handle->base);
    return handle->output;
}

__attribute__((noinline)) static int64_t join_pending(struct rs_fiber *fiber,
                                                      struct rouse_join_handle *handle)
{
    int err = wait_on(fiber, &handle->base);

    return err < 0 ? err : take_output(handle);
}

int64_t rs_fiber_join(struct rs_fiber *fiber, struct rouse_join_handle *handle)
{
    int err = begin_wait(fiber, &handle->base);

    if (ROUSE_UNLIKELY(err < 0)) return err;
    if (poll_in_fiber(fiber, &handle->base) == ROUSE_READY) return take_output(handle);
    return join_pending(fiber, handle);
}

__attribute__((noinline)) static int yield_by_future(struct rs_fiber *fiber)
{
    struct rouse_yield yield;

    rouse_yield_init(&yield);
    return rs_fiber_await(fiber, &yield.base);
}

// What becomes of waiting for that future, in the usual case: a wake of our own, and a sleep that
// nothing has to be asked after.
int rs_fiber_yield(struct rs_fiber *fiber)
{
    if (ROUSE_UNLIKELY(fiber->region != NULL || fiber->refused != 0 ||
                       rs_state_is_cancelled(&fiber->task->state))) {
        return yield_by_future(fiber);
    }
    rouse_waker_wake_by_ref(&fiber->cx->waker);
    return rs_coroutine_suspend_last(&fiber->coroutine);
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
