// SPDX-License-Identifier: MIT
//
// The least that a task needs: a state word that other threads could wake it through, a function
// to call, and a link into the queue of those that are ready. One thread runs them; the atomics are
// there because a runtime of threads cannot do without, and are what most of the time goes into.
//
//            wake               loop_run            poll: LOOP_WAITS
//     (0) ----------> SCHEDULED ---------> RUNNING -----------------> (0)
//                         ^                   |  poll: LOOP_AGAIN
//                         +-------------------+
//
// Each is one atomic read-modify-write, acquire and release with all the others of its task: what
// one poll has written is seen by the next, wherever that would run.

#ifndef ROUSE_BENCH_LOOP_H
#define ROUSE_BENCH_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { TASK_SCHEDULED = 1, TASK_RUNNING = 2, TASK_COMPLETE = 4, TASKS_PER_CHUNK = 1024 };

enum loop_poll { LOOP_ENDED, LOOP_WAITS, LOOP_AGAIN };

struct task {
    _Atomic uint32_t state;
    enum loop_poll (*poll)(struct task *self);
    struct task *next;  // in the queue, in a list of those that wait, or in the free list
    struct task *peer;
    void *arg;
    uint64_t count;
    uint64_t step;
};

struct task_list {
    struct task *first;
    struct task *last;
};

static inline void list_push(struct task_list *list, struct task *task)
{
    task->next = NULL;
    if (list->first == NULL) {
        list->first = task;
    } else {
        list->last->next = task;
    }
    list->last = task;
}

static inline struct task *list_pop(struct task_list *list)
{
    struct task *task = list->first;

    if (task != NULL) list->first = task->next;
    return task;
}

// Those that are ready, and the records of those that have ended.
static struct task_list loop_ready;
static struct task *loop_free;

static inline void loop_grow(void)
{
    struct task *chunk = malloc(TASKS_PER_CHUNK * sizeof chunk[0]);

    if (chunk == NULL) abort();
    for (size_t i = 0; i < TASKS_PER_CHUNK; i++) {
        chunk[i].next = loop_free;
        loop_free = &chunk[i];
    }
}

// A task that is ready. Its record is in use until loop_release().
static inline struct task *loop_spawn(enum loop_poll (*poll)(struct task *self), void *arg)
{
    if (loop_free == NULL) loop_grow();
    struct task *task = loop_free;

    loop_free = task->next;
    // Relaxed: nobody else knows it yet.
    atomic_store_explicit(&task->state, TASK_SCHEDULED, memory_order_relaxed);
    task->poll = poll;
    task->arg = arg;
    task->step = 0;
    list_push(&loop_ready, task);
    return task;
}

static inline void loop_release(struct task *task)
{
    task->next = loop_free;
    loop_free = task;
}

static inline void loop_wake(struct task *task)
{
    // Acquire and release: see the top.
    uint32_t before = atomic_fetch_or_explicit(&task->state, TASK_SCHEDULED, memory_order_acq_rel);

    if (before == 0) list_push(&loop_ready, task);
}

static inline void loop_poll_one(struct task *task)
{
    // Acquire and release here and below: see the top.
    (void)atomic_fetch_xor_explicit(&task->state, TASK_SCHEDULED | TASK_RUNNING,
                                    memory_order_acq_rel);
    enum loop_poll outcome = task->poll(task);

    if (outcome == LOOP_AGAIN) {
        (void)atomic_fetch_xor_explicit(&task->state, TASK_SCHEDULED | TASK_RUNNING,
                                        memory_order_acq_rel);
        list_push(&loop_ready, task);
    } else if (outcome == LOOP_WAITS) {
        uint32_t before =
            atomic_fetch_and_explicit(&task->state, ~(uint32_t)TASK_RUNNING, memory_order_acq_rel);

        if ((before & TASK_SCHEDULED) != 0) list_push(&loop_ready, task);
    } else {
        (void)atomic_fetch_or_explicit(&task->state, TASK_COMPLETE, memory_order_acq_rel);
        loop_release(task);
    }
}

// Until none is ready.
static inline void loop_run(void)
{
    struct task *task;

    while ((task = list_pop(&loop_ready)) != NULL) loop_poll_one(task);
}

#endif
