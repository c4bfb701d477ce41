// SPDX-License-Identifier: MIT
//
// Small futures and helpers that many tests use: a gate that any thread can open, a trip wire that
// counts how it ends, and threads.

#ifndef TESTS_HARNESS_GADGETS_H
#define TESTS_HARNESS_GADGETS_H

#include <pthread.h>
#include <rouse/clock.h>
#include <rouse/future.h>
#include <stdatomic.h>
#include <stdbool.h>

#define MS ROUSE_NS_PER_MS

// Open once and for all, by any thread. One waits, and may free it then.
enum gate_state { GATE_SHUT, GATE_OPENING, GATE_OPEN };

struct gate {
    _Atomic int state;  // enum gate_state
    struct rouse_waker_slot slot;
};

void gate_open(struct gate *gate);
bool gate_is_open(const struct gate *gate);

// Ends when the gate is open.
struct gate_wait {
    struct rouse_future base;
    struct gate *gate;
};

void gate_wait_init(struct gate_wait *wait, struct gate *gate);

// Never ends by itself, and counts its ends and polls. Its waker is kept, as leaves do.
struct trip_wire {
    struct rouse_future base;
    _Atomic int *drops;
    _Atomic int *polls;  // may be NULL
    struct rouse_waker waker;
};

void trip_wire_init(struct trip_wire *wire, _Atomic int *drops, _Atomic int *polls);

// Polls once outside any task, with nobody to wake.
rouse_poll poll_by_hand(struct rouse_future *future);

// Keeps the processor busy on the calling thread.
void busy_ns(uint64_t duration_ns);

// Lets the calling thread, a plain one, sleep.
void nap_ns(uint64_t duration_ns);

pthread_t thread_start(void *(*fn)(void *arg), void *arg);
void thread_join(pthread_t thread);

// Counters that tests share between threads.
static inline int count_add(_Atomic int *count, int amount)
{
    // Release, with the acquire in count_get(): who sees the count sees what came before it.
    return atomic_fetch_add_explicit(count, amount, memory_order_acq_rel) + amount;
}

static inline int count_get(const _Atomic int *count)
{
    return atomic_load_explicit(count, memory_order_acquire);
}

#endif
