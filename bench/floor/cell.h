// SPDX-License-Identifier: MIT
//
// A place for one value, and for the task that waits for it. One that is sent is one atomic
// exchange; one that is waited for, another.

#ifndef ROUSE_BENCH_CELL_H
#define ROUSE_BENCH_CELL_H

#include "floor/loop.h"

enum { CELL_EMPTY, CELL_FULL, CELL_AWAITED };

struct cell {
    _Atomic uint32_t state;
    struct task *waiter;
    uint64_t value;
    struct cell *next;  // in the free list
};

static inline void cell_send(struct cell *cell, uint64_t value)
{
    cell->value = value;
    // Release, with the acquire in cell_receive(): publishes the value. Acquire, with the release
    // there: the waiter.
    if (atomic_exchange_explicit(&cell->state, CELL_FULL, memory_order_acq_rel) == CELL_AWAITED) {
        loop_wake(cell->waiter);
    }
}

// False: the task is woken when the value is there.
static inline bool cell_receive(struct cell *cell, struct task *task, uint64_t *value)
{
    uint32_t empty = CELL_EMPTY;

    // Acquire, with the release in cell_send().
    if (atomic_load_explicit(&cell->state, memory_order_acquire) != CELL_FULL) {
        cell->waiter = task;
        // Release, with the acquire in cell_send(): the waiter. Acquire on failure, with the
        // release there: the value has come meanwhile.
        if (atomic_compare_exchange_strong_explicit(&cell->state, &empty, CELL_AWAITED,
                                                    memory_order_release, memory_order_acquire)) {
            return false;
        }
    }
    *value = cell->value;
    // Release: whoever sends next may write the value that we have read.
    atomic_store_explicit(&cell->state, CELL_EMPTY, memory_order_release);
    return true;
}

static struct cell *free_cells;

static inline struct cell *cell_new(void)
{
    struct cell *cell = free_cells;

    if (cell == NULL) {
        cell = malloc(sizeof *cell);
        if (cell == NULL) abort();
    } else {
        free_cells = cell->next;
    }
    // Relaxed: nobody else knows it yet.
    atomic_store_explicit(&cell->state, CELL_EMPTY, memory_order_relaxed);
    return cell;
}

static inline void cell_free(struct cell *cell)
{
    cell->next = free_cells;
    free_cells = cell;
}

#endif
