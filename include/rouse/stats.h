// SPDX-License-Identifier: MIT
//
// How many of each thing live now, over the whole process: the oracle for leaks, and the first
// lines of a dump.

#ifndef ROUSE_STATS_H
#define ROUSE_STATS_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_stats {
    int64_t tasks;           // spawned and not yet ended
    int64_t task_records;    // not yet freed: also ended ones that a handle or waker still holds
    int64_t timers;          // in a wheel
    int64_t sources;         // descriptors known to a driver
    int64_t stacks;          // fiber stacks in use
    int64_t stacks_cached;   // free, kept for the next fiber
    int64_t sockets;         // open TCP connections and listeners
    int64_t buffers;         // lent by pooled reads, and not given back
    int64_t buffers_cached;  // free, kept for the next pooled read
    int64_t blocking_jobs;   // queued or running
    int64_t threads;         // workers, pool threads and the signal thread
    int64_t allocations;     // blocks of the bytes allocators
    int64_t allocated_bytes;
    int64_t page_bytes;  // address space from the pages allocators
    int64_t fds;         // descriptors that rouse itself opened for drivers and signals
    int64_t polls;       // grows only: polls of tasks
    int64_t steals;      // grows only: tasks taken from another worker's queue
    int64_t parks;       // grows only: times a worker slept

    // Look-ups of names that go on with nobody waiting for the answer.
    int64_t lookups_abandoned;
};

/// Adds up the counters. Exact when nothing runs meanwhile; else each is right to within what
/// changed during the call.
///
/// Threads: any.
ROUSE_API void rouse_stats_get(struct rouse_stats *out);

ROUSE_EXTERN_C_END

#endif
