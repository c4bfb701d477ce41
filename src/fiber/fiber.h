// SPDX-License-Identifier: MIT
//
// A fiber is the root future of its task: each poll switches to its stack, where the function runs
// until it waits. What it waits for is polled on its stack too, with the context of the poll in
// progress. It is polled by one worker only once it has started, and ends when its function
// returns.

#ifndef RS_FIBER_FIBER_H
#define RS_FIBER_FIBER_H

#include <rouse/cancel.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "fiber/coroutine.h"
#include "fiber/stack.h"

struct rs_fiber {
    struct rouse_future base;
    rouse_fiber_function fn;
    void *arg;
    struct rouse_context *cx;       // of the poll in progress
    struct rouse_task *task;        // set at the first poll
    struct rouse_future *awaiting;  // NULL while running
    struct rouse_region *region;    // the innermost; NULL: none
    struct rs_fiber *next_starved;  // waiting for a stack
    bool starved;                   // in the host's list
    struct rs_stack stack;
    struct rs_coroutine coroutine;
    uint32_t stack_size;  // asked for; 0: the default
    int output;           // what the function returned
    uint32_t refused;     // waits in a row that failed because it was cancelled
};

// The stacks of one worker, and the fibers that could not get one.
struct rs_fiber_host {
    struct rs_stack_pool stacks;
    struct rs_fiber *starved_first;
    struct rs_fiber *starved_last;
    struct rouse_sleep retry;  // pending while there is one: the last one's waker
};

// What an init function is given.
struct rs_fiber_start {
    rouse_fiber_function fn;
    void *arg;
    size_t stack_size;
};

// What to spawn for `fn(arg)` as a fiber: `start` must live until then. -EINVAL for too large a
// stack.
int rs_fiber_spec(struct rouse_future_spec *spec, struct rs_fiber_start *start,
                  rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs);

int rs_fiber_host_init(struct rs_fiber_host *host, const struct rouse_allocator *allocator,
                       size_t stack_size);
void rs_fiber_host_deinit(struct rs_fiber_host *host);

// Sets up naming of the fiber in stack overflow reports, and the handlers.
int rs_fiber_report_overflow(void);

// Waits in the running fiber: 0, or -ECANCELED or -ETIMEDOUT, and then `future` was dropped.
int rs_fiber_await(struct rs_fiber *fiber, struct rouse_future *future);

#endif
