// SPDX-License-Identifier: MIT
//
// A worker that has nothing to do looks around for a while before it sleeps, where that has paid
// lately: base/spin.h says when. It does so before it begins to sleep, so the protocol of the
// idle set is as it is without it. The worker is awake and no member of the set, and if it
// searches, it has a searcher's duty. Whoever has work for it has only to make that visible; and
// what no look has seen is seen by the one that follows the entry into the set.
//
// Its driver is not asked meanwhile. A timer is not late for it, since no spin goes beyond the next
// deadline. An event of a descriptor may wait for as long as the spin lasts; but the first sleep
// that an event ends stops the spinning, until sleeps are ended by other threads again. So where
// events are what a worker waits for, it does not spin.
//
// One worker of a scheduler spins at a time.

#include "sched/sched.h"

static bool become_spinner(struct rs_worker *w)
{
    _Atomic bool *taken = &w->sched->has_spinner;

    if (w->alone) return true;
    // Relaxed, both: the part carries no data with it.
    if (atomic_load_explicit(taken, memory_order_relaxed)) return false;
    if (atomic_exchange_explicit(taken, true, memory_order_relaxed)) return false;
    // So that submitters leave those that sleep asleep.
    if (!w->searching) w->searching = rs_idle_search_begin(&w->sched->idle, 1);
    return true;
}

static void cease_to_be_spinner(struct rs_worker *w)
{
    // Relaxed: as above.
    if (!w->alone) atomic_store_explicit(&w->sched->has_spinner, false, memory_order_relaxed);
}

// What others write to call this worker is in its cache until they do. The queues of others are in
// theirs, and looking at them slows them down: so that is done now and then.
static bool has_work(const struct rs_worker *w, bool is_far_look)
{
    return !rs_inbox_seems_empty(&w->inbox) || !rs_inject_seems_empty(&w->sched->inject) ||
           (is_far_look && rs_worker_has_work(w));
}

// True if there is something to do. While it is another one's turn to spin, only for a moment: that
// one may be about to see what we have just given it.
static bool look_around(struct rs_worker *w, struct rs_spinning *spinning)
{
    bool is_spinner = false;
    bool found;

    do {
        found = has_work(w, rs_spin_is_far_look(spinning));
        if (!found && !is_spinner) is_spinner = become_spinner(w);
    } while (!found && (is_spinner || spinning->looks < RS_SPIN_STRIDE) &&
             !rs_driver_is_notified(w->driver) && rs_spin_goes_on(spinning));
    if (is_spinner) cease_to_be_spinner(w);
    return found;
}

bool rs_worker_spin(struct rs_worker *w)
{
    if (w->has_rested || !rs_spin_is_worth_it(&w->spin)) return false;
    struct rs_spinning spinning = rs_spin_begin(&w->spin);
    uint64_t alarm = rs_driver_next_deadline(w->driver);

    w->has_rested = true;
    w->has_spun = true;
    if (alarm < spinning.until_ns) spinning.until_ns = alarm;
    rs_counters_add(&w->counters, RS_COUNTER_SPINS, 1);
    if (!look_around(w, &spinning)) return false;
    w->has_spun = false;
    rs_spin_paid(&w->spin);
    rs_counters_add(&w->counters, RS_COUNTER_SPARED_PARKS, 1);
    return true;
}

bool rs_worker_look_around(struct rs_worker *w)
{
    struct rs_spinning spinning = rs_spin_begin(&w->spin);

    return look_around(w, &spinning);
}

void rs_worker_learn(struct rs_worker *w, uint64_t begin_ns)
{
    // Whoever had something for it has taken it out of the idle set, so that it searches.
    bool by_thread = w->searching;

    if (w->has_spun) {
        rs_spin_was_in_vain(&w->spin, by_thread);
    } else {
        rs_spin_slept(&w->spin, w->looked_ns - begin_ns, by_thread);
    }
    w->has_spun = false;
}
