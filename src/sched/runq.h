// SPDX-License-Identifier: MIT
//
// A worker's run queue: a bounded ring. Its owner pushes at the back and pops at the front, any
// worker steals from the front. No call waits, and none allocates.

#ifndef RS_SCHED_RUNQ_H
#define RS_SCHED_RUNQ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/link.h"

// A model test explores it at 2.
#ifndef RS_RUNQ_CAPACITY
#define RS_RUNQ_CAPACITY 1024
#endif

// 1. `head` and `tail` only grow, one by one or by whole batches. They are 64 bits wide so that
//    they never come round: a thief that was preempted for long cannot mistake an old `head` for
//    the present one.
// 2. head <= tail <= head + CAPACITY. The tasks are those of the slots head .. tail - 1, modulo
//    CAPACITY, oldest first. Two loads are not one moment, so a reader may see it violated; it
//    then holds a `head` that is no longer the present one, or a `tail` that is not.
// 3. Only the owner writes `tail` and the slots. Anyone may advance `head`, and only by CAS; who
//    advances it owns the tasks it passed.
// 4. The owner writes a slot only outside [head, tail). So a taker copies first and then moves
//    `head`: if its CAS succeeds the copies are good; if not, it throws them away.
//
//     may run at once        push  pop  take_half  steal from it  steal into it  length, empty
//     push, pop, take_half,
//     steal into it           no    no     no           yes            no             yes
//     steal from it           yes   yes    yes          yes            yes            yes
struct rs_runq {
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t head;
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t tail;
    _Atomic(struct rs_task_link *) slots[RS_RUNQ_CAPACITY];
};
_Static_assert(RS_RUNQ_CAPACITY >= 2, "a steal takes a half and leaves a half");
_Static_assert((RS_RUNQ_CAPACITY & (RS_RUNQ_CAPACITY - 1)) == 0, "an index is masked, not divided");

void rs_runq_init(struct rs_runq *q);

static inline _Atomic(struct rs_task_link *) *rs_runq_slot(struct rs_runq *q, uint64_t index)
{
    return &q->slots[index % RS_RUNQ_CAPACITY];
}

// Owner only. False when full; the caller then moves half to the injection queue. `announced`: the
// caller looks for sleeping workers afterwards, and must not miss one that misses the task.
static inline bool rs_runq_push(struct rs_runq *q, struct rs_task_link *task, bool announced)
{
    // Relaxed: we are its only writer (3).
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    // Acquire, with the release CAS in rs_runq_steal(): the thief that freed this slot has
    // finished reading it.
    uint64_t head = atomic_load_explicit(&q->head, memory_order_acquire);

    if (tail - head == RS_RUNQ_CAPACITY) return false;

    // Relaxed: published by the store to `tail`.
    atomic_store_explicit(rs_runq_slot(q, tail), task, memory_order_relaxed);
    if (announced) {
        // Release, as below. Seq_cst, because a submitter and a worker on its way to sleep must not
        // miss each other: the submitter stores the tail, then loads the idle set; the worker
        // enters the idle set, then loads the tail (rs_runq_seems_shorter). One of them comes
        // second.
        atomic_store_explicit(&q->tail, tail + 1, memory_order_seq_cst);
    } else {
        // Release, with the acquire of `tail` in rs_runq_steal(): who sees the new tail sees the
        // slot and the task behind it.
        atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
    }
    return true;
}

// Owner only. The oldest task, or NULL.
static inline struct rs_task_link *rs_runq_pop(struct rs_runq *q)
{
    // Relaxed: we are its only writer (3).
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    // Relaxed: the slots and tasks below `tail` were written, or acquired, by this thread.
    uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

    while (head != tail) {
        // Relaxed: ours, see above. Read first, as it is not ours any more if the CAS fails.
        struct rs_task_link *task =
            atomic_load_explicit(rs_runq_slot(q, head), memory_order_relaxed);

        // Relaxed, success and failure: it tells only us, who will write the slot next. A thief
        // needs no news of it but that its own CAS fails. It continues the release of the thief
        // before us, so the acquire in rs_runq_push() still meets that one.
        if (atomic_compare_exchange_weak_explicit(&q->head, &head, head + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            // Relaxed: a hint, which may be old.
            rs_task_link_prefetch(
                atomic_load_explicit(rs_runq_slot(q, head + 1), memory_order_relaxed));
            return task;
        }
    }
    return NULL;
}

// Owner only. Takes the older half out, rounded up, at most `max` tasks, oldest first. Returns how
// many: 0 only if the queue was empty.
uint32_t rs_runq_take_half(struct rs_runq *q, struct rs_task_link **out, uint32_t max);

// For the owner of `to`, which is another queue than `from`. Takes half of the tasks, rounded up:
// returns the oldest, to run now, and moves the others into `to` as far as they fit. NULL if there
// was nothing to see.
struct rs_task_link *rs_runq_steal(struct rs_runq *from, struct rs_runq *to);

// How many tasks there are, or were a moment ago. Any thread.
uint32_t rs_runq_length(const struct rs_runq *q);

// How many tasks have been put in so far. Owner only.
static inline uint64_t rs_runq_pushed(const struct rs_runq *q)
{
    // Relaxed: ours.
    return atomic_load_explicit(&q->tail, memory_order_relaxed);
}

// Whether there are fewer than `count` tasks. For the second look of a worker that has entered the
// idle set: false, if there were so many when a submitter announced one and did not see that worker
// in the set, unless some have been taken by somebody since. Any thread.
bool rs_runq_seems_shorter(const struct rs_runq *q, uint32_t count);

static inline bool rs_runq_seems_empty(const struct rs_runq *q)
{
    return rs_runq_seems_shorter(q, 1);
}

#endif
