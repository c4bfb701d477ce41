// SPDX-License-Identifier: MIT
//
// The order of a shutdown: while a blocking job runs, what it waits for goes on.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"

static _Atomic int64_t slept = 1;
static atomic_bool sleeps;

static int64_t sleep_in_pool(void *arg)
{
    (void)arg;
    atomic_store(&sleeps, true);
    // Seq_cst: read after the pool's threads have been joined.
    atomic_store(&slept, rouse_sleep(50 * ROUSE_NS_PER_MS));
    return 0;
}

// Leaves the job behind, running: one that has not begun would be taken back.
static int leave_a_job(void *arg)
{
    struct rouse_blocking job;
    struct rouse_borrow look;

    rouse_blocking_init(&job, sleep_in_pool, arg, NULL);
    while (!atomic_load(&sleeps)) {
        rouse_borrow_init(&look, &job.base);
        if (rouse_await_until(&look.base, rouse_deadline_after(ROUSE_NS_PER_MS)) != -ETIMEDOUT) {
            return -EIO;
        }
    }
    rouse_future_drop(&job.base);
    return 0;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

int main(void)
{
    struct rouse_stats before;
    struct rouse_stats after;

    (void)alarm(60);  // a shutdown that hangs is an end by signal
    claim(rouse_run(do_nothing, NULL) == 0, "the first run makes the signal thread, which stays");
    rouse_stats_get(&before);
    claim(rouse_run(leave_a_job, NULL) == 0, "a program ends while a job of its pool sleeps");
    claim(atomic_load(&slept) == 0, "the job's sleep came to its end");
    rouse_stats_get(&after);
    claim(after.threads == before.threads, "and made no runtime of its own");
    return claims_end();
}
