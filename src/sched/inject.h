// SPDX-License-Identifier: MIT
//
// The injection queue of a scheduler: unbounded, first in first out, any thread pushes and any
// worker pops. Tasks come here from threads that are not workers, and from run queues that
// overflow. A lock guards the list; the length is read without it, so an empty queue costs one
// load.

#ifndef RS_SCHED_INJECT_H
#define RS_SCHED_INJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/link.h"
#include "base/lock.h"

// 1. `first`, `last` and the links between them belong to the holder of `lock`. The last link's
//    `next` is NULL; `last` means nothing when `first` is NULL.
// 2. Only the holder of `lock` writes `length` and `pushed`, and they are exact whenever the lock
//    is free.
struct rs_inject {
    _Alignas(RS_CACHE_LINE) _Atomic size_t length;  // on a line of its own: idle workers read it
    _Alignas(RS_CACHE_LINE) struct rs_lock lock;
    struct rs_task_link *first;
    struct rs_task_link *last;
    _Atomic uint64_t pushed;  // so far
};

void rs_inject_init(struct rs_inject *q);

void rs_inject_push(struct rs_inject *q, struct rs_task_link *task);

// Appends `count` > 0 tasks, linked from `first` to `last`; the next of `last` may be anything.
void rs_inject_push_batch(struct rs_inject *q, struct rs_task_link *first,
                          struct rs_task_link *last, size_t count);

// The oldest task, or NULL.
struct rs_task_link *rs_inject_pop(struct rs_inject *q);

// The oldest tasks, at most `max`, in order. Returns how many.
uint32_t rs_inject_pop_batch(struct rs_inject *q, struct rs_task_link **out, uint32_t max);

// How many tasks there are, or were a moment ago.
size_t rs_inject_length(const struct rs_inject *q);

// How many tasks have been put in so far.
uint64_t rs_inject_pushed(const struct rs_inject *q);

// For the second look of a worker that has entered the idle set. False unless every task whose
// submitter did not see that worker in the set has been taken by somebody.
bool rs_inject_seems_empty(const struct rs_inject *q);

#endif
