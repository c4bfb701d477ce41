// SPDX-License-Identifier: MIT
//
// Spinning before a sleep: when it is tried, and when it goes on; that a spin ends; where there is
// none; and in a runtime, by its counters, that it spares parks, and that an idle program does not
// spin. No claim is about time.

#include "base/spin.h"

#include <errno.h>
#include <rouse.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/tls.h"
#include "claim.h"
#include "sched/cpus.h"
#include "sched/worker.h"

#define MAX_NS 800

enum { TOSSES = 100, ROUNDS = 1000 };

// ---- Whether to ----

// How many short sleeps until a spin is tried.
static uint32_t shorts_until_try(struct rs_spin *spin)
{
    uint32_t shorts = 0;

    while (!rs_spin_is_worth_it(spin) && shorts < 2 * RS_SPIN_PATIENCE_MAX) {
        rs_spin_slept(spin, 2 * MAX_NS, true);
        shorts++;
    }
    return shorts;
}

static void tries(void)
{
    struct rs_spin spin = {.max_ns = MAX_NS};
    struct rs_spin never = {0};

    claim(!rs_spin_is_worth_it(&spin), "nobody spins before it has slept");
    claim(shorts_until_try(&spin) == 4, "after four short sleeps in a row a spin is tried");
    rs_spin_was_in_vain(&spin, true);
    claim(!rs_spin_is_worth_it(&spin), "one try in vain is enough");
    claim(shorts_until_try(&spin) == 8, "the next one is after twice as many");
    rs_spin_was_in_vain(&spin, true);
    for (int i = 0; i < 15; i++) rs_spin_slept(&spin, 1, true);
    rs_spin_slept(&spin, 2 * MAX_NS + 1, true);
    claim(shorts_until_try(&spin) == 16, "in a row: a long one between them, and it is as before");
    rs_spin_was_in_vain(&spin, true);
    for (int i = 0; i < 31; i++) rs_spin_slept(&spin, 1, true);
    rs_spin_slept(&spin, 1, false);
    claim(shorts_until_try(&spin) == 32, "so it is with one that an event has ended");
    for (int i = 0; i < 20; i++) {
        rs_spin_was_in_vain(&spin, true);
        (void)shorts_until_try(&spin);
    }
    rs_spin_was_in_vain(&spin, true);
    claim(shorts_until_try(&spin) == RS_SPIN_PATIENCE_MAX, "there is a most");
    for (int i = 0; i < 20; i++) rs_spin_paid(&spin);
    rs_spin_was_in_vain(&spin, false);
    claim(shorts_until_try(&spin) == 8, "spins that paid make it less again");
    (void)shorts_until_try(&never);
    rs_spin_paid(&never);
    claim(!rs_spin_is_worth_it(&never), "where it is off nobody spins");
}

static void goes_on(void)
{
    struct rs_spin spin = {.max_ns = MAX_NS, .score = 1};

    for (int i = 0; i < 20; i++) rs_spin_paid(&spin);
    rs_spin_was_in_vain(&spin, true);
    rs_spin_was_in_vain(&spin, true);
    claim(rs_spin_is_worth_it(&spin), "where spins have paid two in vain are no reason to stop");
    rs_spin_was_in_vain(&spin, true);
    claim(!rs_spin_is_worth_it(&spin), "three in a row are");
    spin.score = RS_SPIN_SCORE_MAX;
    rs_spin_was_in_vain(&spin, false);
    claim(!rs_spin_is_worth_it(&spin), "and so is one that an event has ended");
}

// ---- One spin ----

static uint32_t looks_within(uint64_t limit_ns)
{
    struct rs_spin spin = {.max_ns = limit_ns, .score = 1};
    struct rs_spinning spinning = rs_spin_begin(&spin);

    while (rs_spin_goes_on(&spinning)) {
    }
    return spinning.looks;
}

static void one_spin(void)
{
    claim(looks_within(1) == RS_SPIN_STRIDE, "a spin ends at the first look at the clock after it");
    claim(looks_within(UINT64_MAX / 2) == RS_SPIN_LOOKS_MAX, "and after so many looks at last");
}

// ---- Where there is none ----

static void switched_off(void)
{
    cpu_set_t all, one;

    claim(rs_cpus_spin_max_ns(true) == 0, "no_spin switches it off");
    (void)setenv("ROUSE_SPIN", "0", 1);
    claim(rs_cpus_spin_max_ns(false) == 0, "so does ROUSE_SPIN=0");
    (void)unsetenv("ROUSE_SPIN");
    if (sched_getaffinity(0, sizeof all, &all) < 0) abort();
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    }
    if (sched_setaffinity(0, sizeof one, &one) < 0) abort();
    claim(rs_cpus_spin_max_ns(false) == 0, "so does a single processor");
    if (sched_setaffinity(0, sizeof all, &all) < 0) abort();
}

// ---- In a runtime ----

static struct rouse_worker_metrics both_workers(struct rouse_runtime *runtime)
{
    struct rouse_worker_metrics a = {.size = sizeof a}, b = {.size = sizeof b};

    if (rouse_worker_metrics(runtime, 0, &a) < 0) abort();
    if (rouse_worker_metrics(runtime, 1, &b) < 0) abort();
    a.spin_count += b.spin_count;
    a.spared_park_count += b.spared_park_count;
    return a;
}

static void settle(struct rouse_runtime *runtime)
{
    struct rouse_metrics m = {.size = sizeof m};

    do {
        (void)usleep(100);
        if (rouse_metrics(runtime, &m) < 0) abort();
    } while (m.num_idle_workers < 2);
}

struct side {
    struct rouse_notify *in;
    struct rouse_notify *out;
    bool lets_spin;
};

static int toss(void *arg)
{
    const struct side *side = arg;

    for (int i = 0; i < TOSSES; i++) {
        // As if it had always paid, and for long: on a machine that is busy with other things, what
        // is waited for takes its time.
        if (side->lets_spin) {
            rs_tls.worker->spin =
                (struct rs_spin){.max_ns = ROUSE_NS_PER_S, .score = RS_SPIN_SCORE_MAX};
        }
        if (rouse_notify_wait(side->in) < 0) return -1;
        rouse_notify_one(side->out);
    }
    return 0;
}

// Two fibers on two workers, each of which waits for the other one.
static bool toss_between(struct rouse_runtime *runtime, bool lets_spin)
{
    const struct rouse_task_attrs first = {.size = sizeof first, .worker = 1};
    const struct rouse_task_attrs second = {.size = sizeof second, .worker = 2};
    struct rouse_join_handle handles[2];
    struct rouse_notify a = {0}, b = {0};
    struct side sides[2] = {{.in = &a, .out = &b, .lets_spin = lets_spin},
                            {.in = &b, .out = &a, .lets_spin = lets_spin}};

    if (rouse_runtime_spawn(runtime, &handles[0], toss, &sides[0], &first) < 0) abort();
    if (rouse_runtime_spawn(runtime, &handles[1], toss, &sides[1], &second) < 0) abort();
    rouse_notify_one(&a);
    return rouse_join(&handles[0]) == 0 && rouse_join(&handles[1]) == 0;
}

static struct rouse_runtime *runtime_new(bool no_spin)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 2, .no_spin = no_spin};
    struct rouse_runtime *runtime;

    if (rouse_runtime_new(&runtime, &options) < 0) abort();
    return runtime;
}

static void spares_parks(void)
{
    struct rouse_runtime *runtime = runtime_new(false);
    int rounds = 0;

    while (rounds < ROUNDS && toss_between(runtime, true) &&
           both_workers(runtime).spared_park_count == 0) {
        rounds++;
    }
    claim(rounds < ROUNDS, "two workers that wait for each other find work while they spin");
    settle(runtime);
    struct rouse_worker_metrics before = both_workers(runtime);

    (void)usleep(100000);
    struct rouse_worker_metrics after = both_workers(runtime);

    claim(after.spin_count == before.spin_count, "with nothing to do they do not");
    claim(after.spared_park_count <= after.spin_count, "a spin spares one park at most");
    rouse_runtime_free(runtime);
}

static void sleeps_at_once(void)
{
    struct rouse_runtime *runtime = runtime_new(true);

    claim(toss_between(runtime, false) && both_workers(runtime).spin_count == 0,
          "where it is off there is no spin");
    rouse_runtime_free(runtime);
}

int main(void)
{
    (void)alarm(120);
    tries();
    goes_on();
    one_spin();
    switched_off();
    sleeps_at_once();
    if (rs_cpus_allowed() > 1) spares_parks();
    return claims_end();
}
