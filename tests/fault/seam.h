// SPDX-License-Identifier: MIT
//
// The table of system calls, replaced by one that counts calls and lets them fail by plan. One plan
// for each process: it is set before the first thread starts.

#ifndef TESTS_FAULT_SEAM_H
#define TESTS_FAULT_SEAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "faults.h"

struct seam_plan {
    const struct fault *fault;
    enum fault_mode mode;
    uint32_t n;  // which call, from 1
};

// Lies in memory that the process shares with its parent, which reads it after the end.
struct seam_counts {
    _Atomic uint32_t calls[CALL_COUNT];
    _Atomic uint32_t injected;  // how many were made to fail, or to lie
};

// Puts the table in place. From now on calls are counted in `counts` and fail by `plan`.
void seam_begin(const struct seam_plan *plan, struct seam_counts *counts);

// From now on calls are neither counted nor made to fail.
void seam_end(void);

// The same for a call of libc that stands for `call`, made outside rouse: 0, or a negative errno.
int seam_ask(enum fault_call call);

// True inside a call of the table, where a call of libc is not the program's.
bool seam_is_inside(void);

// Puts the calls about child processes in place: part of seam_begin().
void seam_begin_child(void);

// How many bytes a transfer of `size` may move.
size_t seam_share(size_t size);

#endif
