// SPDX-License-Identifier: MIT
//
// When work is worth another worker. To wake a thread on another core costs its waker several
// microseconds and takes some twenty until it runs, as long as hundreds of short polls; and two
// cores that hand each other tasks of one pipeline run slower than one. So a worker keeps its
// stealable tasks to itself, and thieves leave them alone, as long as they are fewer than
// `share_from`:
//
//     as many as take SHARE_WORTH_NS, by the length of polls between the last two looks at the
//         driver, and at most SHARE_FROM_MAX;
//     fewer once one has been spawned, whose polls may take longer: SHARE_FROM_SPAWNED at first,
//         and twice as many after each look that finds polls short, until one finds them long, up
//         to SHARE_FROM_SPAWNED_MAX;
//     one, when the queue has not been empty for SHARE_BACKLOG_NS;
//     ALL, also what is spawned, while company does not pay: see solo.c.
//
// Where polls have proved short it pays to wait for more of them: the tasks of a scope, of 30 ns
// each, take up to ten times as long while another worker comes for every four of them, since it
// takes the queue, the scope and their memory out of this one's cache. A hundred that one sender
// wakes, of 60 ns each, take three times as long where another worker comes for the half of them.
//
// Others are told of as many again as by the first two rules, or of 64, and at each look. So a
// worker with lots to do, which is better shared at any price, does not pay for it with each task.
// Of what the driver wakes they are told when it has woken all: one who was called for the first of
// a thousand timers would take half of those few, and sleep again.
//
// What a worker keeps to itself it runs itself: it is awake, and does not sleep before its queue is
// empty. If it does not come back from a poll, the sentinel makes its queue public. So the rule may
// be wrong for a while; then it costs time, and no wake-up.

#include <rouse/clock.h>

#include "sched/sched.h"

#define SHARE_WORTH_NS (20 * ROUSE_NS_PER_US)
#define SHARE_BACKLOG_NS ROUSE_NS_PER_MS
// More than a queue holds: nobody else is to have any.
#define ALL UINT32_MAX
enum { SHARE_FROM_MAX = 256, SHARE_FROM_SPAWNED = 4, SHARE_FROM_SPAWNED_MAX = 64 };

// Polls are short if it takes as many of them to be worth another worker.
enum { SHARE_FROM_SHORT = 8 };

static uint32_t share_from(const struct rs_worker *w)
{
    // Relaxed: a policy, which may change at any moment.
    return atomic_load_explicit(&w->share_from, memory_order_relaxed);
}

static void set_share_from(struct rs_worker *w, uint32_t from, uint32_t offer_every)
{
    // Relaxed: as above.
    atomic_store_explicit(&w->share_from, from, memory_order_relaxed);
    w->offer_every = offer_every;
}

void rs_share_init(struct rs_worker *w)
{
    w->spawned_from = SHARE_FROM_SPAWNED;
    set_share_from(w, 1, 1);
}

void rs_share_offer(struct rs_worker *w)
{
    if (rs_share_has_surplus(w)) rs_sched_submitted(w->sched);
}

void rs_share_spawned(struct rs_worker *w)
{
    uint32_t from = share_from(w);
    bool stays = from == 1 || from == ALL;

    if (w->offer_every > w->spawned_from) {
        set_share_from(w, stays ? from : w->spawned_from, w->spawned_from);
    }
}

bool rs_share_has_surplus(const struct rs_worker *w)
{
    return !rs_runq_seems_shorter(&w->runq, share_from(w));
}

static void learn_spawned(struct rs_worker *w, uint64_t count)
{
    if (count < SHARE_FROM_SPAWNED) {
        w->spawned_from = SHARE_FROM_SPAWNED;
    } else if (count >= SHARE_FROM_SHORT && w->spawned_from < SHARE_FROM_SPAWNED_MAX) {
        w->spawned_from *= 2;
    }
}

static bool works_alone(const struct rs_worker *w)
{
    return rs_solo_worker(&w->sched->solo) == (int32_t)w->index;
}

void rs_share_measure(struct rs_worker *w, uint64_t now_ns)
{
    uint64_t polls = w->tick - w->looked_tick;
    uint64_t count = polls * SHARE_WORTH_NS / (now_ns - w->looked_ns + 1);
    uint32_t from;

    if (count > SHARE_FROM_MAX) count = SHARE_FROM_MAX;
    if (count == 0) count = 1;
    learn_spawned(w, count);
    if (w->ran_dry) {
        w->ran_dry = false;
        w->dry_ns = now_ns;
    }
    from = now_ns - w->dry_ns >= SHARE_BACKLOG_NS ? 1 : (uint32_t)count;
    if (works_alone(w)) from = ALL;
    set_share_from(w, from, (uint32_t)count);
    rs_share_offer(w);
}
