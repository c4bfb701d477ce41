// SPDX-License-Identifier: MIT
//
// The sentinel: a worker inside a long poll cannot look after its timers, its descriptors and the
// task in its slot. So while there is any activity, one idle worker sleeps with a limit, and when
// that runs out, looks after the workers whose poll counter has stood still since it last looked.
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

static int64_t polls_of(const struct rs_worker *worker)
{
    // Relaxed: as above.
    return atomic_load_explicit(&worker->counters.values[RS_COUNTER_POLLS], memory_order_relaxed);
}

static void remember(struct rs_worker *w)
{
    for (unsigned i = 0; i < w->sched->worker_count; i++) {
        w->sentinel_seen[i] = polls_of(&w->sched->workers[i]);
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

// Does what a busy worker would do between two polls.
static void stand_in_for(struct rs_worker *w, struct rs_worker *busy)
{
    // Relaxed: only to see whether there is one.
    if (atomic_load_explicit(&busy->slot, memory_order_relaxed) != NULL) {
        // Acquire, with the release in rs_worker_schedule().
        struct rs_task_link *link =
            atomic_exchange_explicit(&busy->slot, NULL, memory_order_acquire);

        if (link != NULL) rs_worker_push(w, rs_task_of_link(link));
    }
    // Relaxed: a policy. Until its owner is back, all of its queue may be stolen.
    atomic_store_explicit(&busy->share_from, 1, memory_order_relaxed);
    (void)rs_driver_poll(busy->driver);
}

void rs_sentinel_look(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    bool quiet = true;

    if (!w->is_sentinel) return;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_worker *other = &sched->workers[i];
        bool stood_still = polls_of(other) == w->sentinel_seen[i];

        if (other == w) continue;
        if (is_busy(other) || !stood_still) quiet = false;
        if (is_busy(other) && stood_still) stand_in_for(w, other);
    }
    w->sentinel_quiet = quiet ? w->sentinel_quiet + 1 : 0;
    w->sentinel_period_ns *= 2;
    if (w->sentinel_period_ns > PERIOD_MAX_NS) w->sentinel_period_ns = PERIOD_MAX_NS;
    remember(w);
}
