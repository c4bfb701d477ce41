// SPDX-License-Identifier: MIT
//
// On one thread, with the virtual clock, a program is a function of ROUSE_SEED: every seed gives
// the same trace twice, and different seeds give different ones. Each run has a process of its own,
// as a user's would. With ROUSE_CHAOS it is a function of both.

#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "claim.h"

#define MS ROUSE_NS_PER_MS

enum { SEEDS = 1000, CHAOS_SEEDS = 100, ROUNDS = 8, TASKS = 6 };

static uint64_t trace;  // a hash of all events so far (FNV-1a)

static void note(uint64_t event)
{
    for (int i = 0; i < 8; i++) {
        trace = (trace ^ (event & 0xff)) * UINT64_C(0x100000001b3);
        event >>= 8;
    }
}

static void note_now(int name, int event)
{
    note(rouse_now_ns());
    note((uint64_t)name << 8 | (uint64_t)event);
}

// Sleeps whose lengths tie, of which a fair select picks one.
static int choose_and_sleep(void *arg)
{
    int name = (int)(intptr_t)arg;

    for (int round = 0; round < ROUNDS; round++) {
        struct rouse_sleep a;
        struct rouse_sleep b;
        struct rouse_select select;

        rouse_sleep_init(&a, (uint64_t)(name % 3) * MS);
        rouse_sleep_init(&b, (uint64_t)(name % 3) * MS);
        rouse_select_init(&select, &a.base, &b.base, ROUSE_SELECT_FAIR);
        if (rouse_await(&select.base) < 0) return -1;
        note_now(name, (int)select.output);
        if (select.output == 0 && rouse_yield() < 0) return -1;
        rouse_future_drop(&select.base);
        note_now(name, 2);
    }
    return 0;
}

// What the child prints.
static uint64_t run(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;

    rouse_clock_use_virtual(MS);
    trace = UINT64_C(0xcbf29ce484222325);
    if (rouse_executor_new(&executor, &spawner, NULL) < 0) _exit(1);
    for (intptr_t i = 0; i < TASKS; i++) {
        if (rouse_spawner_spawn(spawner, NULL, choose_and_sleep, (void *)i) < 0) _exit(1);
    }
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);
    note(rouse_now_ns());
    rouse_executor_free(executor);
    return trace;
}

static uint64_t trace_of(int seed, int chaos)
{
    char text[20];
    uint64_t result = 0;
    int fds[2];

    if (pipe(fds) < 0) exit(1);
    pid_t child = fork();
    if (child == 0) {
        (void)snprintf(text, sizeof text, "%d", seed);
        (void)setenv("ROUSE_SEED", text, 1);
        if (chaos != 0) {
            (void)snprintf(text, sizeof text, "%d", chaos);
            (void)setenv("ROUSE_CHAOS", text, 1);
        } else {
            (void)unsetenv("ROUSE_CHAOS");
        }
        result = run();
        _exit(write(fds[1], &result, sizeof result) == sizeof result ? 0 : 1);
    }
    (void)close(fds[1]);
    if (child < 0 || read(fds[0], &result, sizeof result) != sizeof result) exit(1);
    (void)close(fds[0]);
    (void)waitpid(child, NULL, 0);
    return result;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int distinct(uint64_t *traces, int count)
{
    int found = 1;

    qsort(traces, (size_t)count, sizeof *traces, compare);
    for (int i = 1; i < count; i++) found += traces[i] != traces[i - 1];
    return found;
}

static void seeds(void)
{
    static uint64_t traces[SEEDS];
    int count = child_is_emulated() ? SEEDS / 10 : SEEDS;
    int same = 0;

    for (int i = 0; i < count; i++) {
        traces[i] = trace_of(i + 1, 0);
        same += trace_of(i + 1, 0) == traces[i];
    }
    claim(same == count, "each of 1,000 seeds, or of 100 under emulation, gives one trace twice");
    int found = distinct(traces, count);
    printf("# %d different traces\n", found);
    claim(found > count * 9 / 10, "different seeds give different traces");
}

static void chaos(void)
{
    static uint64_t traces[CHAOS_SEEDS];
    int same = 0;

    for (int i = 0; i < CHAOS_SEEDS; i++) {
        traces[i] = trace_of(7, i + 1);
        same += trace_of(7, i + 1) == traces[i];
    }
    claim(same == CHAOS_SEEDS, "under chaos a trace is a function of both seeds");
    claim(distinct(traces, CHAOS_SEEDS) > CHAOS_SEEDS * 9 / 10, "and each chaos is another one");
}

int main(void)
{
    seeds();
    chaos();
    return claims_end();
}
