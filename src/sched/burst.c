// SPDX-License-Identifier: MIT
//
// A burst: many timers of one worker that come due together. What they wake is work for several.
//
// Their worker calls another when it has woken all, as for any work. But a call takes its time, and
// so does the other one until it runs; and it draws that one to the caller's processor (see
// seat.c). When a burst is due is known before. So a worker that falls asleep meanwhile promises to
// come: it sleeps until a little after that time, when the first of the burst lie in the queue of
// their worker, wakes where it slept, and looks around as a spin does.
//
// One worker promises for each burst; if there is work for more, it calls them, by the rules of
// idle.h. Nobody relies on the promise: who is woken before gives it back, and if nobody comes, or
// comes too late, the burst's worker calls as ever. Who has come in vain (to fibers, which do not
// move) lets a burst pass before the next promise, then three, and so on.

#include <rouse/clock.h>

#include "base/clock.h"
#include "sched/sched.h"

// As long as it takes a worker to wake up and to wake some hundred tasks. Earlier, who comes would
// find nothing, or a few tasks, and be called for the others.
#define BURST_START_NS (20 * ROUSE_NS_PER_US)

// As many are let pass at most after one in vain.
enum { BURST_PASS_MAX = 63 };

// The driver of the other worker whose burst comes first, and when that is, in `*burst_ns`. NULL if
// there is none.
static struct rouse_driver *soonest(const struct rs_worker *w, uint64_t now_ns, uint64_t *burst_ns)
{
    const struct rs_sched *sched = w->sched;
    struct rouse_driver *driver = NULL;

    *burst_ns = ROUSE_NEVER;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if (i == w->index) continue;
        uint64_t ns = rs_driver_burst(sched->workers[i].driver);

        // One that is past is being woken, or has gone.
        if (ns <= now_ns || ns >= *burst_ns) continue;
        *burst_ns = ns;
        driver = sched->workers[i].driver;
    }
    return driver;
}

uint64_t rs_burst_promise(struct rs_worker *w, uint64_t now_ns, uint64_t until_ns)
{
    // Where workers do not spin, one that comes would sleep again.
    if (w->alone || w->spin.max_ns == 0 || rs_clock_is_virtual()) return until_ns;
    struct rouse_driver *driver = soonest(w, now_ns, &w->burst_ns);
    uint64_t come_ns = w->burst_ns + BURST_START_NS;

    if (driver == NULL || come_ns >= until_ns) return until_ns;
    if (w->burst_passes > 0) {
        w->burst_passes--;
        return until_ns;
    }
    if (!rs_driver_take_burst(driver, w->burst_ns)) return until_ns;
    w->burst = driver;
    return come_ns;
}

static void learn(struct rs_worker *w, bool has_paid)
{
    w->burst_vain = has_paid ? 0 : 2 * w->burst_vain + 1;
    if (w->burst_vain > BURST_PASS_MAX) w->burst_vain = BURST_PASS_MAX;
    w->burst_passes = w->burst_vain;
}

void rs_burst_come(struct rs_worker *w)
{
    struct rouse_driver *driver = w->burst;

    if (driver == NULL) return;
    w->burst = NULL;
    if (w->looked_ns < w->burst_ns) {
        rs_driver_give_burst_back(driver, w->burst_ns);
    } else if (!w->searching) {
        learn(w, rs_worker_look_around(w));
    }
}
