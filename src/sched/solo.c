// SPDX-License-Identifier: MIT
//
// Whether company pays. Tasks that share a lock or a channel may get less done on two cores than on
// one: what they share goes to and fro, and takes a hundred times as long to come over as it takes
// to be used. No rule tells that before. So it is tried, as .NET's thread pool tries how many
// threads get most done (Hellerstein et al., "Applying Control Theory in the Real World"), but with
// two numbers only: all workers, or one. What is compared is how many operations are done in some
// milliseconds: leaf operations, by what tasks have spent of their budgets; spawns; and ends.
//
//     REST --> TOGETHER --> GATHER --> TRIAL --> KEEP --+
//      ^ ^        | no reason             | no gain     | less is done, or time is over
//      | +--------+                       |             |
//      +----------------------------------+-------------+
//
// A trial needs a reason: several workers get something done; they do it so slowly that one could
// do as much, and so fast that it can hardly be more than to share; it is not about descriptors,
// whose tasks would all be late for a while; and one queue can hold what is ready. If it does not
// pay, the next one waits twice as long; if it does, it is kept to twice as long as last time
// before it is looked again what all together get done.
//
// The steps are taken by whichever worker looks at its driver when one is due, so a runtime without
// work takes none, and a worker that has been preempted delays nobody. In GATHER the others give
// away what may move, at their looks, by the inbox, to the one that does most; then they find
// nothing and sleep. Whoever works alone shares nothing (share.c). If it does not come back from a
// poll, the sentinel makes its queue public, as ever. Fibers that have begun stay where they are,
// and what they do does not count.

#include "sched/solo.h"

#include <rouse/clock.h>

#include "base/choice.h"
#include "sched/sched.h"
#include "task/task.h"

// Between two looks at what all get done.
#define REST_NS (4 * ROUSE_NS_PER_MS)
// Until each worker has looked at its driver once, and tasks are where they are to be.
#define SETTLE_NS (1 * ROUSE_NS_PER_MS)
#define WINDOW_NS (2 * ROUSE_NS_PER_MS)
// How soon it is noticed that the work has changed.
#define CHECK_NS (4 * ROUSE_NS_PER_MS)
// The first pause, and the first time for which it is kept to; and the longest of each: what does
// not pay takes less than a thousandth of the time then.
#define PERIOD_MIN_NS (16 * ROUSE_NS_PER_MS)
#define PAUSE_MAX_NS (4096 * ROUSE_NS_PER_MS)
#define KEEP_MAX_NS (512 * ROUSE_NS_PER_MS)
// What one worker alone needs for an operation, at least; and what makes it more than sharing.
enum { COST_MIN_NS = 20, COST_MAX_NS = 2000 };

void rs_solo_init(struct rs_solo *solo, bool is_off)
{
    // Relaxed, all: not shared yet.
    atomic_store_explicit(&solo->due_ns, is_off ? ROUSE_NEVER : 0, memory_order_relaxed);
    atomic_store_explicit(&solo->worker, -1, memory_order_relaxed);
    atomic_store_explicit(&solo->taker, -1, memory_order_relaxed);
    solo->pause_ns = PERIOD_MIN_NS;
    solo->keep_ns = PERIOD_MIN_NS;
}

// ---- Measuring ----

static uint64_t operations_of(const struct rs_worker *w)
{
    // Relaxed, all: a reading a little old is as good.
    return atomic_load_explicit(&w->operations, memory_order_relaxed) +
           atomic_load_explicit(&w->spawned, memory_order_relaxed) +
           atomic_load_explicit(&w->ended, memory_order_relaxed);
}

static struct rs_solo_work work_until(struct rs_sched *sched, uint64_t now_ns)
{
    struct rs_solo_work work = {.ns = now_ns};

    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_worker *w = &sched->workers[i];

        work.busy_ns += rs_busy_get(&w->busy, now_ns);
        work.events += (uint64_t)rs_counters_get(&w->counters, RS_COUNTER_READY_EVENTS);
        work.operations += operations_of(w);
    }
    return work;
}

static void measure(struct rs_sched *sched, uint64_t now_ns)
{
    sched->solo.begun = work_until(sched, now_ns);
    for (unsigned i = 0; i < sched->worker_count; i++) {
        sched->solo.begun_by[i] = operations_of(&sched->workers[i]);
    }
}

// What has been done since then.
static struct rs_solo_work work_since(struct rs_sched *sched, uint64_t now_ns)
{
    const struct rs_solo_work *begun = &sched->solo.begun;
    struct rs_solo_work work = work_until(sched, now_ns);

    work.ns -= begun->ns;
    work.busy_ns -= begun->busy_ns;
    work.events -= begun->events;
    work.operations -= begun->operations;
    return work;
}

static uint64_t operations_per_second(struct rs_sched *sched, uint64_t now_ns)
{
    struct rs_solo_work work = work_since(sched, now_ns);

    return work.operations * ROUSE_NS_PER_S / (work.ns + 1);
}

static uint64_t operations_by(const struct rs_sched *sched, unsigned index)
{
    return operations_of(&sched->workers[index]) - sched->solo.begun_by[index];
}

// The worker that did most of them.
static unsigned busiest(const struct rs_sched *sched)
{
    unsigned most = 0;

    for (unsigned i = 1; i < sched->worker_count; i++) {
        if (operations_by(sched, i) > operations_by(sched, most)) most = i;
    }
    return most;
}

static bool fit_one_queue(const struct rs_sched *sched)
{
    uint32_t queued = 0;

    for (unsigned i = 0; i < sched->worker_count; i++) {
        queued += rs_runq_length(&sched->workers[i].runq);
    }
    return queued <= RS_RUNQ_CAPACITY / 2;
}

static bool is_worth_a_trial(struct rs_sched *sched, uint64_t now_ns)
{
    struct rs_solo_work work = work_since(sched, now_ns);

    return operations_by(sched, busiest(sched)) <= work.operations / 8 * 7 &&
           work.ns >= work.operations * COST_MIN_NS &&
           work.busy_ns <= work.operations * COST_MAX_NS && work.events <= work.operations / 16 &&
           fit_one_queue(sched);
}

// ---- Deciding, under the lock ----

static void begin(struct rs_solo *solo, unsigned index)
{
    // Relaxed, both: policies.
    atomic_store_explicit(&solo->worker, (int32_t)index, memory_order_relaxed);
    atomic_store_explicit(&solo->taker, (int32_t)index, memory_order_relaxed);
}

static void gathered(struct rs_solo *solo)
{
    // Relaxed: as above.
    atomic_store_explicit(&solo->taker, -1, memory_order_relaxed);
}

// All may take from its queue at once, though it be in a long poll.
static void end(struct rs_sched *sched)
{
    struct rs_solo *solo = &sched->solo;
    struct rs_worker *w = &sched->workers[rs_solo_worker(solo)];

    gathered(solo);
    // Relaxed, both: as above.
    atomic_store_explicit(&solo->worker, -1, memory_order_relaxed);
    atomic_store_explicit(&w->share_from, 1, memory_order_relaxed);
    solo->phase = RS_SOLO_REST;
}

// What it was; the next time it is twice that.
static uint64_t doubled(uint64_t *period_ns, uint64_t max_ns)
{
    uint64_t ns = *period_ns;

    if (ns < max_ns) *period_ns = 2 * ns;
    return ns;
}

// The steps return in how many nanoseconds the next one is due.

static uint64_t step_rest(struct rs_worker *w, uint64_t now_ns)
{
    measure(w->sched, now_ns);
    w->sched->solo.phase = RS_SOLO_TOGETHER;
    return WINDOW_NS;
}

static uint64_t step_together(struct rs_worker *w, uint64_t now_ns)
{
    struct rs_solo *solo = &w->sched->solo;

    solo->phase = RS_SOLO_REST;
    if (!is_worth_a_trial(w->sched, now_ns)) return REST_NS;
    solo->together = operations_per_second(w->sched, now_ns);
    solo->phase = RS_SOLO_GATHER;
    begin(solo, busiest(w->sched));
    return SETTLE_NS;
}

static uint64_t step_gather(struct rs_worker *w, uint64_t now_ns)
{
    measure(w->sched, now_ns);
    w->sched->solo.phase = RS_SOLO_TRIAL;
    return WINDOW_NS;
}

static uint64_t step_trial(struct rs_worker *w, uint64_t now_ns)
{
    struct rs_solo *solo = &w->sched->solo;

    solo->alone = operations_per_second(w->sched, now_ns);
    if (solo->alone < solo->together / 4 * 5) {
        solo->keep_ns = PERIOD_MIN_NS;
        end(w->sched);
        return doubled(&solo->pause_ns, PAUSE_MAX_NS);
    }
    solo->pause_ns = PERIOD_MIN_NS;
    solo->kept_ns = now_ns + doubled(&solo->keep_ns, KEEP_MAX_NS);
    solo->phase = RS_SOLO_KEEP;
    gathered(solo);
    measure(w->sched, now_ns);
    rs_counters_add(&w->counters, RS_COUNTER_SOLOS, 1);
    return CHECK_NS;
}

static uint64_t step_keep(struct rs_worker *w, uint64_t now_ns)
{
    struct rs_solo *solo = &w->sched->solo;

    if (now_ns >= solo->kept_ns || operations_per_second(w->sched, now_ns) < solo->alone / 2) {
        end(w->sched);
        return SETTLE_NS;
    }
    measure(w->sched, now_ns);
    return CHECK_NS;
}

static uint64_t step(struct rs_worker *w, uint64_t now_ns)
{
    switch (w->sched->solo.phase) {
    case RS_SOLO_REST:
        return step_rest(w, now_ns);
    case RS_SOLO_TOGETHER:
        return step_together(w, now_ns);
    case RS_SOLO_GATHER:
        return step_gather(w, now_ns);
    case RS_SOLO_TRIAL:
        return step_trial(w, now_ns);
    case RS_SOLO_KEEP:
        return step_keep(w, now_ns);
    }
    return ROUSE_NEVER;
}

static bool is_due(const struct rs_solo *solo, uint64_t now_ns)
{
    // Relaxed: looked at again under the lock.
    return now_ns >= atomic_load_explicit(&solo->due_ns, memory_order_relaxed);
}

static void step_if_due(struct rs_worker *w, uint64_t now_ns)
{
    struct rs_solo *solo = &w->sched->solo;

    if (ROUSE_LIKELY(!is_due(solo, now_ns)) || !rs_trylock(&solo->lock)) return;
    if (is_due(solo, now_ns)) {
        // Relaxed: written under the lock.
        atomic_store_explicit(&solo->due_ns, now_ns + step(w, now_ns), memory_order_relaxed);
    }
    rs_unlock(&solo->lock);
}

// ---- Giving ----

static struct rs_task_link *take_any(struct rs_worker *w)
{
    struct rs_task_link *link = rs_hand_take(&w->hand);

    if (link == NULL) link = rs_runq_pop(&w->runq);
    if (link == NULL && rs_hand_has_slot(&w->hand)) link = rs_hand_exchange_slot(&w->hand, NULL);
    return link;
}

// All that may move goes to `taker`, unless that is in a long poll.
static void give(struct rs_worker *w, struct rs_worker *taker)
{
    struct rs_task_link *link;

    // Relaxed: a hint. What is given all the same the sentinel takes out again.
    if (taker == w || atomic_load_explicit(&taker->away, memory_order_relaxed)) return;
    while ((link = take_any(w)) != NULL) {
        rs_sched_deliver(w->sched, taker, rs_task_of_link(link));
    }
}

void rs_solo_look(struct rs_worker *w, uint64_t now_ns)
{
    struct rs_sched *sched = w->sched;

    // Relaxed: only this thread writes it.
    atomic_store_explicit(&w->operations, w->spent - w->context.toll, memory_order_relaxed);
    step_if_due(w, now_ns);
    // Relaxed: a policy.
    int32_t taker = atomic_load_explicit(&sched->solo.taker, memory_order_relaxed);

    if (ROUSE_UNLIKELY(taker >= 0)) give(w, &sched->workers[taker]);
    if (rs_chaos(RS_CHAOS_GIVE)) give(w, &sched->workers[rs_random_below(sched->worker_count)]);
}
