// SPDX-License-Identifier: MIT
//
// Solo: one worker runs all tasks that may move, while it gets more done than all workers together
// do. See solo.c.

#ifndef RS_SCHED_SOLO_H
#define RS_SCHED_SOLO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"
#include "base/lock.h"
#include "sched/idle.h"

struct rs_worker;

enum rs_solo_phase {
    RS_SOLO_REST = 0,  // all work, and nothing is measured
    RS_SOLO_TOGETHER,  // all work, and it is measured what they get done
    RS_SOLO_GATHER,    // the others give their tasks to one
    RS_SOLO_TRIAL,     // which works alone, and is measured
    RS_SOLO_KEEP,      // it goes on, for it gets more done
};

// What all workers have done by some time.
struct rs_solo_work {
    uint64_t ns;          // that time
    uint64_t busy_ns;     // awake, all added up
    uint64_t events;      // of descriptors
    uint64_t operations;  // of tasks
};

// What is atomic is changed under `lock`, and read without it: it decides who runs a task, never
// whether it is run.
struct rs_solo {
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t due_ns;  // when the next step is; ROUSE_NEVER: off
    _Atomic int32_t worker;                           // who works alone, or -1
    _Atomic int32_t taker;                            // whom the others give theirs to, or -1
    _Alignas(RS_CACHE_LINE) struct rs_lock lock;
    enum rs_solo_phase phase;
    struct rs_solo_work begun;          // what is measured begins with this
    uint64_t begun_by[RS_WORKERS_MAX];  // the operations of each worker by then
    uint64_t together;                  // what all got done in a second, when last measured
    uint64_t alone;                     // and what one did
    uint64_t pause_ns;                  // before the next trial, after one that does not pay
    uint64_t keep_ns;                   // how long it is kept to after one that does
    uint64_t kept_ns;                   // until when
};

void rs_solo_init(struct rs_solo *solo, bool is_off);

// At each look at the driver of a worker that has company.
void rs_solo_look(struct rs_worker *worker, uint64_t now_ns);

// The worker that works alone, a moment ago; -1: none.
static inline int32_t rs_solo_worker(const struct rs_solo *solo)
{
    // Relaxed: a policy.
    return atomic_load_explicit(&solo->worker, memory_order_relaxed);
}

#endif
