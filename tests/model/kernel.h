// SPDX-License-Identifier: MIT
//
// What the explorer has for an operating system beside futexes: one pipe, and a back end for
// drivers that reports it, edge by edge. Both order nothing by themselves.

#ifndef MODEL_KERNEL_H
#define MODEL_KERNEL_H

#include <stdint.h>
#include <sys/types.h>

// The reading end. It is closed through the table of system calls.
enum { MODEL_FD = 3 };

void model_pipe_write(void);
ssize_t model_pipe_read(void);  // one byte, or -EAGAIN

// How often it was closed.
int model_pipe_closes(void);

// Moves the clock.
void model_clock_advance(uint64_t ns);

#endif
