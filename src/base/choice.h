// SPDX-License-Identifier: MIT
//
// Everything that an execution depends on, beside its input and the kernel's answers: what time it
// is, the random numbers, and the decisions at chaos points. All of them come through the three
// headers below, and the kernel's answers through the table in base/sys.h. So a run with one thread
// on the virtual clock is a function of its seed, and a simulator needs to replace nothing else.
//
// Each thread draws from a generator of its own. Its seed is that of the environment (ROUSE_SEED,
// ROUSE_CHAOS, or both) and the thread's number, in the order of first use; without either it comes
// from the kernel. Nothing else may decide anything: no address, no hash of one, no thread's id.

#ifndef RS_BASE_CHOICE_H
#define RS_BASE_CHOICE_H

#include "base/chaos.h"
#include "base/clock.h"
#include "base/random.h"

#endif
