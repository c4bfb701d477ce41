// SPDX-License-Identifier: MIT
//
// A runtime's monitor: a thread that looks now and then whether a worker is still inside the poll
// that it was in before, and reports a poll that lasts too long. It costs the workers nothing but a
// look whether it sleeps, when they have slept themselves.
//
// It is implemented in src/insight, which knows how to name what it finds.

#ifndef RS_SCHED_MONITOR_H
#define RS_SCHED_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rs_sched;

enum { RS_MONITOR_AWAKE = 0, RS_MONITOR_PARKED = 1, RS_MONITOR_STOPPED = 2 };

struct rs_monitor {
    _Atomic uint32_t word;
    bool is_running;
    uint64_t limit_ns;  // that a poll may last
    pthread_t thread;
};

// Starts it, unless the environment says ROUSE_STALL_MS=0, or time is not what it is. Without a
// thread there is no report, and all else is as it was.
void rs_monitor_start(struct rs_sched *sched);

// Ends it, if it runs, and waits for that.
void rs_monitor_stop(struct rs_sched *sched);

// In the child of a fork, where its thread is not.
void rs_monitor_forget(struct rs_monitor *monitor);

// A worker has left the idle set, and the monitor sleeps.
void rs_monitor_wake(struct rs_monitor *monitor);

static inline void rs_monitor_note(struct rs_monitor *monitor)
{
    // Relaxed: the monitor, which parks, lets a membarrier order its store before its look at the
    // idle set; so one of us sees the other.
    if (atomic_load_explicit(&monitor->word, memory_order_relaxed) == RS_MONITOR_PARKED) {
        rs_monitor_wake(monitor);
    }
}

#endif
