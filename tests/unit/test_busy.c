// SPDX-License-Identifier: MIT
//
// The time that a worker is awake: exact while it is and afterwards; and never below an earlier
// reading, though the reader's clock is ahead, or readers look while the worker comes and goes.

#include "sched/busy.h"

#include <pthread.h>

#include "claim.h"

static struct rs_busy shared;
static _Atomic bool done;

static bool counts_what_is_over_and_what_is_not(void)
{
    struct rs_busy busy = {0};

    if (rs_busy_get(&busy, 50) != 0) return false;
    rs_busy_begin(&busy, 100);
    if (rs_busy_get(&busy, 100) != 0 || rs_busy_get(&busy, 130) != 30) return false;
    rs_busy_end(&busy, 140);
    if (rs_busy_get(&busy, 1000) != 40) return false;
    rs_busy_begin(&busy, 2000);
    rs_busy_end(&busy, 2005);
    rs_busy_end(&busy, 3000);  // it was not awake
    return rs_busy_get(&busy, 4000) == 45;
}

static bool never_falls_behind_a_fast_clock(void)
{
    struct rs_busy busy = {0};

    rs_busy_begin(&busy, 100);
    uint64_t before = rs_busy_get(&busy, 205);
    rs_busy_end(&busy, 200);
    return before == 105 && rs_busy_get(&busy, 206) == 105 && rs_busy_get(&busy, 90) == 105;
}

// Awake for one unit of every two; the clock is the loop's count.
static void *come_and_go(void *unused)
{
    (void)unused;
    for (uint64_t now = 1; now < 400000; now += 2) {
        rs_busy_begin(&shared, now);
        rs_busy_end(&shared, now + 1);
    }
    // Relaxed: the join orders.
    atomic_store_explicit(&done, true, memory_order_relaxed);
    return NULL;
}

static bool never_falls_while_it_comes_and_goes(void)
{
    pthread_t thread;
    uint64_t last = 0;
    bool falls = false;

    if (pthread_create(&thread, NULL, come_and_go, NULL) != 0) return false;
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        uint64_t now = rs_busy_get(&shared, 0);

        falls |= now < last;
        last = now;
    }
    (void)pthread_join(thread, NULL);
    return !falls && rs_busy_get(&shared, 0) == 200000;
}

int main(void)
{
    claim(counts_what_is_over_and_what_is_not(), "it counts what is over and what is not");
    claim(never_falls_behind_a_fast_clock(), "no reading is below one by a clock that is ahead");
    claim(never_falls_while_it_comes_and_goes(), "nor while the worker comes and goes");
    return claims_end();
}
