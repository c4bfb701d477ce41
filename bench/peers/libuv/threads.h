// SPDX-License-Identifier: MIT
//
// The rows of threads.c.

#ifndef ROUSE_BENCH_UV_THREADS_H
#define ROUSE_BENCH_UV_THREADS_H

struct bench;

int run_wake(struct bench *bench);
int run_blocking(struct bench *bench);

#endif
