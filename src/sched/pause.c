// SPDX-License-Identifier: MIT
//
// Making the workers stand still, so that another thread can read what their tasks wait for.
//
// A worker announces a poll and then reads `pause`; we set `pause` and then read the announcement.
// The worker's side runs for every poll, so it has no fence: a membarrier on our side makes each
// worker either see the pause or have its announcement seen.

#include <rouse/clock.h>
#include <time.h>

#include "base/barrier.h"
#include "base/sys.h"
#include "base/tls.h"
#include "sched/sched.h"

static void nap(uint64_t duration_ns)
{
    struct timespec time = {.tv_nsec = (long)duration_ns};

    (void)nanosleep(&time, NULL);
}

static bool is_still(const struct rs_worker *worker)
{
    // Acquire, with the releases in poll_end() and poll_begin(): what it did to its tasks is seen.
    return worker == rs_tls.worker ||
           atomic_load_explicit(&worker->current, memory_order_acquire) == NULL;
}

void rs_sched_pause(struct rs_sched *sched, uint64_t timeout_ns)
{
    uint64_t waited = 0;

    // Relaxed: the barrier orders it, see the head of this file.
    atomic_fetch_add_explicit(&sched->pause, 1, memory_order_relaxed);
    rs_barrier_all();
    for (unsigned i = 0; i < sched->worker_count; i++) {
        while (!is_still(&sched->workers[i]) && waited < timeout_ns) {
            nap(ROUSE_NS_PER_MS / 2);
            waited += ROUSE_NS_PER_MS / 2;
        }
    }
}

void rs_sched_resume(struct rs_sched *sched)
{
    // Release, with the acquire in poll_begin(): we are done reading.
    if (atomic_fetch_sub_explicit(&sched->pause, 1, memory_order_release) == 1) {
        (void)rs_sys.futex_wake((uint32_t *)&sched->pause, INT32_MAX);
    }
}
