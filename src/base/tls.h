// SPDX-License-Identifier: MIT
//
// Every thread-local of rouse, in one place, so that a schedule explorer can swap them per model
// thread, and a reader can see all hidden state at once. A fiber never moves between threads once
// started, so these may be read anywhere in its code.

#ifndef RS_BASE_TLS_H
#define RS_BASE_TLS_H

#include <stdint.h>

struct rouse_allocator;
struct rouse_context;
struct rouse_driver;
struct rs_blocking_pool;
struct rs_buffer_pool;
struct rs_counters;
struct rs_fiber;
struct rs_fiber_host;
struct rs_heap;
struct rs_worker;

struct rs_tls {
    struct rs_counters *counters;    // this thread's shard; NULL on threads that are not ours
    struct rs_worker *worker;        // the worker whose loop runs on this thread
    struct rouse_driver *driver;     // what this thread turns: its lock favours us
    struct rs_heap *heap;            // this worker's task memory
    struct rs_fiber_host *fibers;    // this worker's stacks
    struct rs_buffer_pool *buffers;  // this worker's; NULL: buffers are not kept
    const struct rouse_allocator *allocator;  // this worker's; NULL: the default one
    struct rs_blocking_pool *pool;  // where blocking jobs of this thread go; NULL: nowhere
    struct rouse_context *context;  // of the task poll in progress; NULL outside polls
    struct rs_fiber *fiber;         // the fiber whose stack we are on; NULL on the thread's own
    uint64_t random[2];             // state of this thread's generator; all zero until seeded
    uint32_t poll_depth;            // > 0 while a poll of ours is running
    uint8_t number;                 // of this thread's worker: see number.h; 0: it has none
};

// Initial-exec: one move from the thread pointer, also in the shared library.
extern _Thread_local struct rs_tls rs_tls __attribute__((tls_model("initial-exec")));

#endif
