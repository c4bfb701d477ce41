// SPDX-License-Identifier: MIT
//
// A barrier that one thread puts into all others: each of them either has done its earlier stores,
// for us to see, or sees with its later loads what we stored before. So the side of a protocol that
// runs often needs no fence of its own, if the other side runs seldom.

#ifndef RS_BASE_BARRIER_H
#define RS_BASE_BARRIER_H

#include <stdbool.h>

// Once in a process, before it counts: the first call takes tens of milliseconds where there are
// several threads, and nothing where there is one. False if the kernel has no such barrier.
bool rs_barrier_prepare(void);

// Any thread. Where the kernel refuses, it takes a millisecond, longer than a store can linger.
void rs_barrier_all(void);

#endif
