// SPDX-License-Identifier: MIT
//
// A fiber is the root future of its task: each poll switches to its stack, where the function runs
// until it waits. What it waits for is polled on its stack too, with the context of the poll in
// progress. It is polled by one worker only once it has started, and ends when its function
// returns.
//
// Only a small part of it lies in its task. The rest is carved from the stack, whose upper end is
// in the cache anyway whenever the fiber runs; so a fiber that waits for its first turn is small.

#ifndef RS_FIBER_FIBER_H
#define RS_FIBER_FIBER_H

#include <errno.h>
#include <rouse/cancel.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "fiber/coroutine.h"
#include "fiber/stack.h"

// The future, in its task: what there is of a fiber before it has a stack, and after.
struct rs_fiber_root {
    struct rouse_future base;
    rouse_fiber_function fn;
    void *arg;
    union {
        struct rs_fiber *fiber;           // once it has started
        struct rouse_task *next_starved;  // before: the next that waits for a stack
    };
    int output;                // what the function returned
    uint32_t stack_size : 24;  // asked for; 0: the default
    uint32_t starved : 1;      // in the host's list
    uint32_t has_starved : 1;
};
_Static_assert(RS_STACK_SIZE_MAX < 1 << 24, "the size of a stack has a place");

// A fiber that has started, at the top of its stack. What each wait touches comes first.
struct rs_fiber {
    struct rouse_context *cx;       // of the poll in progress
    struct rouse_task *task;        // whose root it is
    struct rouse_region *region;    // the innermost; NULL: none
    struct rouse_future *awaiting;  // NULL while running
    uint32_t refused;               // waits in a row that failed because it was cancelled
    struct rs_coroutine coroutine;
    struct rs_fiber_root *root;
    struct rs_stack_slot *stack;
};

// The stacks of one worker, and the fibers that could not get one.
struct rs_fiber_host {
    struct rs_stack_pool stacks;
    struct rouse_task *starved_first;
    struct rouse_task *starved_last;
    struct rouse_sleep retry;  // pending while there is one: the last one's waker
};

// What an init function is given.
struct rs_fiber_start {
    rouse_fiber_function fn;
    void *arg;
    size_t stack_size;
};

// Not to be called: what rs_fiber_spec() names.
void rs_fiber_init(struct rouse_future *storage, void *arg);

// What to spawn for `fn(arg)` as a fiber: `start` must live until then. -EINVAL for too large a
// stack.
static inline int rs_fiber_spec(struct rouse_future_spec *spec, struct rs_fiber_start *start,
                                rouse_fiber_function fn, void *arg,
                                const struct rouse_task_attrs *attrs)
{
    *start = (struct rs_fiber_start){
        .fn = fn, .arg = arg, .stack_size = attrs != NULL ? attrs->stack_size : 0};
    *spec = (struct rouse_future_spec){
        .size = sizeof(struct rs_fiber_root), .init = rs_fiber_init, .arg = start};
    return start->stack_size > RS_STACK_SIZE_MAX ? -EINVAL : 0;
}

int rs_fiber_host_init(struct rs_fiber_host *host, const struct rouse_allocator *allocator,
                       size_t stack_size);
void rs_fiber_host_deinit(struct rs_fiber_host *host);

// Sets up naming of the fiber in stack overflow reports, and the handlers.
int rs_fiber_report_overflow(void);

// Waits in the running fiber: 0, or -ECANCELED or -ETIMEDOUT, and then `future` was dropped.
int rs_fiber_await(struct rs_fiber *fiber, struct rouse_future *future);

// The same for a join handle, whose result it returns and whose output it releases.
int64_t rs_fiber_join(struct rs_fiber *fiber, struct rouse_join_handle *handle);

// Lets others run: 0, or -ECANCELED or -ETIMEDOUT. In the running fiber.
int rs_fiber_yield(struct rs_fiber *fiber);

#endif
