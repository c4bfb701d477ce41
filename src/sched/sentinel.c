// SPDX-License-Identifier: MIT
//
// The sentinel: a worker inside a long poll, or between several, does not look after its timers,
// its descriptors and the task in its slot. So while there is any activity, one idle worker sleeps
// with a limit, and when that runs out, looks after the workers that are busy and have not asked
// their driver since it last looked.
//
// There is at most one. It gives up the part when it gets work itself, or when nothing has happened
// for long; whoever then wakes to work and finds no sentinel makes a sleeping worker look, which
// becomes one. So that is paid once after a quiet time, not for each event.

#include <rouse/clock.h>

#include "base/clock.h"
#include "sched/sched.h"
#include "task/task.h"

// The first sleep is short, since a long poll may just have begun; then longer, up to a limit that
// still bounds how late a timer of a busy worker can be.
#define PERIOD_MIN_NS (1 * ROUSE_NS_PER_MS)
#define PERIOD_MAX_NS (10 * ROUSE_NS_PER_MS)

// One second without activity: nobody is in a poll that began before.
enum { QUIET_LOOKS_MAX = 100 };

static bool is_busy(const struct rs_worker *worker)
{
    // Relaxed: looked at twice, a period apart.
    return atomic_load_explicit(&worker->current, memory_order_relaxed) != NULL;
}

static uint32_t looks_of(const struct rs_worker *worker)
{
    // Relaxed: as above.
    return atomic_load_explicit(&worker->looks, memory_order_relaxed);
}

static void remember(struct rs_worker *w)
{
    for (unsigned i = 0; i < w->sched->worker_count; i++) {
        w->sentinel_seen[i] = looks_of(&w->sched->workers[i]);
    }
}

uint64_t rs_sentinel_claim(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    int32_t none = -1;

    if (sched->worker_count == 1 || rs_clock_is_virtual()) return ROUSE_NEVER;
    if (!w->is_sentinel) {
        // Relaxed: the part carries no data with it.
        if (!atomic_compare_exchange_strong_explicit(&sched->sentinel, &none, (int32_t)w->index,
                                                     memory_order_relaxed, memory_order_relaxed)) {
            return ROUSE_NEVER;
        }
        w->is_sentinel = true;
        w->sentinel_period_ns = PERIOD_MIN_NS;
        w->sentinel_quiet = 0;
        remember(w);
    } else if (w->sentinel_quiet >= QUIET_LOOKS_MAX) {
        w->is_sentinel = false;
        // Relaxed: as above.
        atomic_store_explicit(&sched->sentinel, -1, memory_order_relaxed);
        return ROUSE_NEVER;
    }
    return rouse_deadline_after(w->sentinel_period_ns);
}

void rs_sentinel_release(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;

    if (w->is_sentinel) {
        w->is_sentinel = false;
        // Relaxed: as above.
        atomic_store_explicit(&sched->sentinel, -1, memory_order_relaxed);
    }
    // Relaxed: a worker that is about to be the sentinel may be woken for nothing.
    if (atomic_load_explicit(&sched->sentinel, memory_order_relaxed) == -1 &&
        sched->worker_count > 1 && rs_idle_sleepers(&sched->idle) != 0) {
        rs_sched_submitted(sched);
    }
}

// New tasks that were placed in its inbox can run anywhere. What is pinned is put back, by the same
// push and the same look at the idle set as any other delivery: should its worker come back in
// between, and go to sleep over an empty inbox, it is notified then.
static void take_arrivals(struct rs_worker *w, struct rs_worker *busy)
{
    // Acquire, with the release in rs_sched_deliver(): what was announced has been pushed. An
    // exchange, so that one that comes later is announced anew.
    if (!atomic_exchange_explicit(&busy->arrivals, false, memory_order_acquire)) return;
    struct rs_task_link *link = rs_inbox_take(&busy->inbox);

    while (link != NULL) {
        struct rs_task_link *next = link->next;
        struct rouse_task *task = rs_task_of_link(link);

        if ((task->flags & RS_TASK_PINNED) != 0) {
            rs_sched_deliver(w->sched, busy, task);
        } else {
            rs_worker_push(w, task);
        }
        link = next;
    }
}

static void take_hand(struct rs_worker *w, struct rs_worker *busy)
{
    struct rs_task_link *tasks[RS_HAND_ALL];
    uint32_t count = rs_hand_rob(&busy->hand, tasks);

    for (uint32_t i = 0; i < count; i++) rs_worker_push(w, rs_task_of_link(tasks[i]));
}

// Does what a busy worker would do between two polls.
static void stand_in_for(struct rs_worker *w, struct rs_worker *busy)
{
    take_hand(w, busy);
    // Relaxed, both: policies. Until its owner is back, all of its queue may be stolen, and nothing
    // new is placed there.
    atomic_store_explicit(&busy->share_from, 1, memory_order_relaxed);
    atomic_store_explicit(&busy->away, true, memory_order_relaxed);
    take_arrivals(w, busy);
    (void)rs_driver_poll(busy->driver);
}

void rs_sentinel_look(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    bool quiet = true;

    if (!w->is_sentinel) return;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_worker *other = &sched->workers[i];
        bool stood_still = looks_of(other) == w->sentinel_seen[i];

        if (other == w) continue;
        if (is_busy(other) || !stood_still) quiet = false;
        if (is_busy(other) && stood_still) stand_in_for(w, other);
    }
    w->sentinel_quiet = quiet ? w->sentinel_quiet + 1 : 0;
    w->sentinel_period_ns *= 2;
    if (w->sentinel_period_ns > PERIOD_MAX_NS) w->sentinel_period_ns = PERIOD_MAX_NS;
    remember(w);
}
