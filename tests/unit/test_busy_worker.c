// SPDX-License-Identifier: MIT
//
// A worker that is never idle, and whose polls take long, looks at its driver all the same: a timer
// waits for a poll or two, and not for as many as short polls would be. It counts polls, not time.

#include <rouse.h>
#include <unistd.h>

#include "claim.h"

enum { SLEEPS = 20, POLLS_MAX = 600 };

static int slept;  // on the one thread, as the next
static int polls;

static int sleeper(void *arg)
{
    (void)arg;
    while (slept < SLEEPS && rouse_sleep(ROUSE_NS_PER_MS / 2) == 0) slept++;
    return 0;
}

static void compute(void)
{
    uint64_t end_ns = rouse_now_ns() + ROUSE_NS_PER_MS;

    while (rouse_now_ns() < end_ns) {
    }
}

static int busy(void *arg)
{
    (void)arg;
    while (slept < SLEEPS && polls < POLLS_MAX) {
        compute();
        polls++;
        if (rouse_yield() < 0) break;
    }
    return 0;
}

static int root(void *arg)
{
    struct rouse_join_handle handles[2];

    (void)arg;
    if (rouse_spawn(&handles[0], sleeper, NULL) < 0 || rouse_spawn(&handles[1], busy, NULL) < 0) {
        return -1;
    }
    (void)rouse_join(&handles[1]);
    (void)rouse_join(&handles[0]);
    return 0;
}

int main(void)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};

    (void)alarm(120);  // a timer that never comes is an end by signal
    claim(rouse_run_with(root, NULL, &options) == 0, "a busy task and one that sleeps");
    claim(slept == SLEEPS && polls < POLLS_MAX, "timers are looked at between long polls");
    return claims_end();
}
