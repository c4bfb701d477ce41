// SPDX-License-Identifier: MIT
//
// The moves of the run queue that are not made for every task. The shape is that of the Go
// scheduler's queue: thieves copy, then commit by moving `head`. Invariants, and who may run at
// once: see runq.h.

#include "sched/runq.h"

#include <stddef.h>

// Before any other thread knows of the queue.
void rs_runq_init(struct rs_runq *q)
{
    atomic_init(&q->head, 0);
    atomic_init(&q->tail, 0);
    for (uint64_t i = 0; i < RS_RUNQ_CAPACITY; i++) {
        atomic_init(rs_runq_slot(q, i), NULL);
    }
}

uint32_t rs_runq_take_half(struct rs_runq *q, struct rs_task_link **out, uint32_t max)
{
    // All relaxed, as in rs_runq_pop(), for the same reasons: this is a pop of several.
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    uint64_t count;

    do {
        count = (tail - head + 1) / 2;
        if (count > max) count = max;
        for (uint64_t i = 0; i < count; i++) {
            out[i] = atomic_load_explicit(rs_runq_slot(q, head + i), memory_order_relaxed);
        }
    } while (!atomic_compare_exchange_weak_explicit(&q->head, &head, head + count,
                                                    memory_order_relaxed, memory_order_relaxed));
    return (uint32_t)count;
}

// What a thief takes out of `length` tasks: half, rounded up, of which the first is run at once
// and the others must fit into `space` slots. 0 if the length is that of no moment (invariant 2).
static uint64_t steal_count(uint64_t length, uint64_t space)
{
    if (length > RS_RUNQ_CAPACITY) return 0;

    uint64_t half = (length + 1) / 2;

    return half > space + 1 ? space + 1 : half;
}

static void copy(struct rs_runq *to, uint64_t to_index, struct rs_runq *from, uint64_t from_index,
                 uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        // Relaxed, both: what we read is ours only if the CAS that follows succeeds, and what we
        // write lies outside [head, tail) of our own queue until the store to its tail (4).
        struct rs_task_link *task =
            atomic_load_explicit(rs_runq_slot(from, from_index + i), memory_order_relaxed);

        atomic_store_explicit(rs_runq_slot(to, to_index + i), task, memory_order_relaxed);
    }
}

struct rs_task_link *rs_runq_steal(struct rs_runq *from, struct rs_runq *to)
{
    // Relaxed: we are its only writer (3).
    uint64_t to_tail = atomic_load_explicit(&to->tail, memory_order_relaxed);
    // Acquire, as in rs_runq_push(): we are about to write the slots that it says are free.
    uint64_t to_head = atomic_load_explicit(&to->head, memory_order_acquire);
    uint64_t space = RS_RUNQ_CAPACITY - (to_tail - to_head);
    // Relaxed: if it is not the present one, the CAS fails.
    uint64_t head = atomic_load_explicit(&from->head, memory_order_relaxed);

    for (;;) {
        // Acquire, with the release of whoever filled `from`, in rs_runq_push() or here: the slots
        // below it are written, and so are the tasks.
        uint64_t tail = atomic_load_explicit(&from->tail, memory_order_acquire);
        uint64_t count = steal_count(tail - head, space);

        if (count == 0) return NULL;

        // Relaxed: see copy().
        struct rs_task_link *task =
            atomic_load_explicit(rs_runq_slot(from, head), memory_order_relaxed);

        copy(to, to_tail, from, head + 1, count - 1);
        // Release, with the acquire of `head` in rs_runq_push(), and in a steal by the owner of
        // `from`: we have read the slots before they are free to be written. Relaxed on failure:
        // we copy again.
        if (!atomic_compare_exchange_weak_explicit(&from->head, &head, head + count,
                                                   memory_order_release, memory_order_relaxed)) {
            continue;
        }
        // Release, with the acquire of `tail` here, by a thief of the thief. No seq_cst: the thief
        // is awake, and ends its search by a read-modify-write of the idle set, which the entry of
        // any worker that goes to sleep after it acquires.
        if (count > 1) {
            atomic_store_explicit(&to->tail, to_tail + count - 1, memory_order_release);
        }
        return task;
    }
}

uint32_t rs_runq_length(const struct rs_runq *q)
{
    // Relaxed, both: a hint. The head first, so that it is rarely ahead of the tail.
    uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

    if (tail <= head) return 0;
    return tail - head > RS_RUNQ_CAPACITY ? RS_RUNQ_CAPACITY : (uint32_t)(tail - head);
}

bool rs_runq_seems_shorter(const struct rs_runq *q, uint32_t count)
{
    // Seq_cst, with the store in rs_runq_push(), see there. Every push that it misses comes after
    // our entry into the idle set, so its submitter sees us there.
    uint64_t tail = atomic_load_explicit(&q->tail, memory_order_seq_cst);
    // Relaxed: whichever value it is, the tasks below it have been taken, by somebody who is awake
    // and runs them. An old value only makes us look once more.
    uint64_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

    return head + count > tail;
}
