// SPDX-License-Identifier: MIT
//
// The idle set of a scheduler: which workers sleep and how many search, in one word, so that a
// submitter learns by one load whether it must wake somebody.
//
// Waking one worker per task would be a storm; waking too few loses parallelism; losing a wake
// loses a task. The protocol:
//
// 1. A submitter makes its task visible (a seq_cst store to a queue's tail or length), then calls
//    rs_idle_pick(). That wakes a sleeper only when none is searching. The woken one counts as
//    searching from then on, so the next submitter wakes nobody.
// 2. A searching worker that finds work calls rs_idle_search_end(). If it was the last searcher it
//    calls rs_idle_pick() before it runs the task: where there was one task there may be more,
//    whose submitters relied on it. So a burst wakes workers one after the other, each waking the
//    next, until one finds nothing.
// 3. A worker that finds no work enters the set, in one read-modify-write that also ends its
//    search, and only then looks at every queue once more. Finding something, it leaves the set
//    and starts over: it looks through its sources in their order, searches if they are empty, and
//    comes back here if somebody else was faster. Finding nothing, it sleeps.
// 4. After sleeping it calls rs_idle_leave(). That says whether a submitter took it out (it is
//    searching) or something else woke it (it is not).
//
// No wake-up is lost. The submitter's load in 1 and the sleeper's entry in 3 are both seq_cst, on
// one word; one of them comes first. If the entry does, the load sees a sleeper, and either picks
// it or sees a searcher. If the load does, the second look sees the task. A searcher that the load
// saw ends its search later than the load: by 3, and its own second look sees the task, or by 2,
// and the duty passes to the one it wakes; if nobody sleeps then, everybody still has 3 ahead.

#ifndef RS_SCHED_IDLE_H
#define RS_SCHED_IDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cpu.h"

// As many as the word has room for, beside the count of searchers.
#define RS_WORKERS_MAX 56

// bits 0..55   worker i is in the set: asleep, or on its way there
// bits 56..63  how many workers search
//
// 1. Only worker i sets bit i. It clears it itself, or a submitter does, in the same
//    read-modify-write that counts it as searching.
// 2. A worker is never in the set and searching at once, so the count is at most RS_WORKERS_MAX.
//
//     from         by                          to           who
//     WORKING      enter                       IN THE SET   the worker
//     IN THE SET   leave, which returns true   WORKING      the worker
//     IN THE SET   pick, take                  SEARCHING    others; leave then returns false
//     WORKING      search_begin                SEARCHING    the worker
//     SEARCHING    search_end                  WORKING      the worker, with work in hand
//     SEARCHING    enter                       IN THE SET   the worker, having found none
struct rs_idle {
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t word;
};

void rs_idle_init(struct rs_idle *set);

// Worker `index` goes into the set; `searching` says whether it was counted as searching, which
// ends with this. It must look at every queue once more before it sleeps.
void rs_idle_enter(struct rs_idle *set, unsigned index, bool searching);

// Worker `index` is awake. True: it took itself out of the set, and is not counted as searching.
// False: another thread had taken it out, and it is.
bool rs_idle_leave(struct rs_idle *set, unsigned index);

// For a submitter, after its task is visible, and for a searcher that ended as the last one. Takes
// a sleeping worker out of the set, counts it as searching and returns its index: the caller must
// wake it. -1 when none sleeps or somebody is searching already, which costs one load.
int rs_idle_pick(struct rs_idle *set);

// For a task that only worker `index` may run, after it is visible in that worker's inbox. True if
// the worker was in the set: it now counts as searching, and the caller must wake it.
bool rs_idle_take(struct rs_idle *set, unsigned index);

// An awake worker asks to search. False, and not counted, if `limit` others search already. The
// limit keeps contention low and may be overshot by workers that ask at the same moment.
bool rs_idle_search_begin(struct rs_idle *set, unsigned limit);

// A searching worker has found work. True if it was the last searcher: it must call
// rs_idle_pick(), and wake whom that returns.
bool rs_idle_search_end(struct rs_idle *set);

// The bitmap of workers in the set, a moment ago.
uint64_t rs_idle_sleepers(const struct rs_idle *set);

// How many search, a moment ago.
unsigned rs_idle_searchers(const struct rs_idle *set);

#endif
