// SPDX-License-Identifier: MIT
//
// The calls that a worker's thread is in, asked by another thread, for dumps and the report of a
// stall.
//
// A thread that runs gets a signal, SIGURG, whose handler walks the stack; nothing of the program
// notices. A thread that sleeps in a system call does not, since many calls would end early by
// that, sleep() among them: of such a one the kernel tells where its stack is, and that is read and
// guessed at.

#ifndef RS_SCHED_PROBE_H
#define RS_SCHED_PROBE_H

#include "fiber/backtrace.h"
#include "sched/worker.h"

enum { RS_PROBE_CALLS_MAX = 32 };

struct rs_probe {
    size_t count;  // 0: it cannot be told
    bool is_guess;
    uintptr_t calls[RS_PROBE_CALLS_MAX];  // the innermost first
};

// `is_code`, for guesses, says whether code lies at an address. One caller at a time; others wait.
// At most RS_PROBE_WAIT_NS. Any thread but the worker's own, of which nothing is told.
#define RS_PROBE_WAIT_NS (50 * ROUSE_NS_PER_MS)
void rs_worker_probe(const struct rs_worker *worker, struct rs_probe *out,
                     bool (*is_code)(uintptr_t pc, void *arg), void *arg);

#endif
