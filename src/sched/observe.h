// SPDX-License-Identifier: MIT
//
// What is measured of polls and wakes where it was asked for: histograms of their times, and the
// records of a trace. Nothing is measured by default; then it costs one load and one branch for a
// poll, and as much for a wake.
//
// When and by whom a task was put into a queue is noted in the task: in the word that holds its
// result once it has one. A task that waits has neither, and is no larger for it.

#ifndef RS_SCHED_OBSERVE_H
#define RS_SCHED_OBSERVE_H

#include <rouse/clock.h>
#include <rouse/task.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/histogram.h"
#include "sched/trace_ring.h"

struct rs_sched;
struct rs_worker;

enum {
    RS_OBSERVE_TIMES = 1 << 0,  // the histograms
    RS_OBSERVE_TRACE = 1 << 1,  // the ring
    RS_OBSERVE_LANES = 1 << 2,  // a ring of short records, for a console that somebody looks at
    RS_OBSERVE_NAMES = 1 << 3,  // one of records with names, for a trace that it records
    // Of short polls a sample is enough for the lanes: a record stands for RS_SAMPLE_OF of them. As
    // long as nothing else is measured the clock is asked of fewer wakes, too.
    RS_OBSERVE_SAMPLE = 1 << 4,
};

// A poll that takes as long is never left out of a sample.
#define RS_SAMPLE_LONG_NS (50 * ROUSE_NS_PER_US)
enum { RS_SAMPLE_OF = 16 };

// A poll that is observed, from its begin to its end: what is known at the begin.
struct rs_observed_poll {
    struct rs_trace_record *record;  // NULL: there is none
    struct rs_trace_record *lane;    // likewise; a short one
    struct rs_trace_record *named;
    uint64_t begin_ns;
    uint64_t begin_ticks;  // not 0: the clock is not asked, see Samples in observe.c
    uint8_t weight;        // for how many polls the short record is to stand; 0: for none
};

// Of one worker. Its thread writes, anyone may read what is atomic in it.
struct rs_observations {
    const struct rouse_allocator *allocator;  // of this struct
    struct rs_observed_poll poll;             // the one that the worker is in
    // When the last poll ended, and as of which look at the driver; 0: something was done since. To
    // ask for the time costs more than all the rest, so a poll that follows at once begins then.
    uint64_t end_ns;
    uint32_t end_looks;
    struct rs_histogram poll_times;
    struct rs_histogram latencies;
    struct rs_trace_ring ring;
    struct rs_trace_ring lanes;  // the console's, which is another reader
    struct rs_trace_ring names;  // likewise
    struct rs_trace_ring sites;  // likewise: the sites that short records name by number
    const char *site_told;       // the last of them; only an address
    uint32_t lane_count;
    uint32_t chance;  // a generator's state
    // What the processor's counter counts in RS_SAMPLE_LONG_NS; 0: that is not known yet. And what
    // it was at a time.
    uint64_t long_ticks;
    uint64_t ticks;
    uint64_t ticks_ns;
};

// The time of a wake takes 56 bits, which are enough for two years. The lowest 8 are the index of
// the worker that did it; or RS_WOKEN_OUTSIDE, by a thread that is none of the same scheduler's. 0:
// it was not noted. RS_WOKEN_UNTIMED: nor was the time; the poll is not in the sample.
enum { RS_WOKEN_SHIFT = 8, RS_WOKEN_OUTSIDE = 0xff, RS_WOKEN_UNTIMED = 1 };

static inline bool rs_woken_is_timed(uint64_t woken)
{
    return woken > RS_WOKEN_UNTIMED;
}

static inline unsigned rs_woken_by(uint64_t woken)
{
    return (unsigned)(woken & RS_WOKEN_OUTSIDE);
}

// How long before `now_ns` that was; 0 if it was after it.
static inline uint64_t rs_woken_ago_ns(uint64_t woken, uint64_t now_ns)
{
    uint64_t ago = (now_ns << RS_WOKEN_SHIFT) - (woken & ~(uint64_t)RS_WOKEN_OUTSIDE);

    return (int64_t)ago < 0 ? 0 : ago >> RS_WOKEN_SHIFT;
}

// Begins to measure, in addition to what is measured already. -ENOMEM. The workers may run.
int rs_observe_start(struct rs_sched *sched, uint32_t what);

// Measures less from now on, but for polls that have begun. Memory stays.
void rs_observe_stop(struct rs_sched *sched, uint32_t what);

// Stops, and frees. The workers have ended.
void rs_observe_end(struct rs_sched *sched);

// What is measured now. Whoever sees it may use the observations that belong to it.
uint32_t rs_observed(const struct rs_sched *sched);

// The caller is about to put `task` into a queue. `by`: the calling worker; NULL: another thread.
void rs_observe_wake(struct rouse_task *task, const struct rs_worker *by);

// The caller is about to poll `task`, and has polled it since. At the end of the poll the task may
// be gone; if it has been scheduled again, it is the caller's to queue.
void rs_observe_poll_begin(struct rs_worker *worker, struct rouse_task *task);
void rs_observe_poll_end(struct rs_worker *worker, struct rouse_task *task, rouse_task_state state);

// The worker does what takes time, between two polls, and is neither of what follows.
void rs_observe_gap(struct rs_worker *worker);

// The worker has slept from one time to the other.
void rs_observe_park(struct rs_worker *worker, uint64_t begin_ns, uint64_t end_ns);

// The worker has taken so many tasks from another.
void rs_observe_steal(struct rs_worker *worker, const struct rs_worker *victim, uint32_t tasks);

// A number that no other task has, nor had before it: where it lies, and of which use of that place
// it is.
uint64_t rs_task_id(const struct rouse_task *task);

// Where the task lies, or lay, that has the id.
uintptr_t rs_task_id_address(uint64_t id);

// ---- In the layer above ----

// A scheduler has been made: switches on what the environment asks for. And it is about to be
// freed: its workers have ended. Neither is called in the child of a fork for what is the parent's.
void rs_insight_attach(struct rs_sched *sched);
void rs_insight_detach(struct rs_sched *sched);

#endif
