// SPDX-License-Identifier: MIT
//
// The stall detector: a poll that lasts too long is reported, with its task and where it is, also
// after a long quiet time; a call in which it sleeps does not end early for that; reports are rare;
// and it can be switched off. A case that waits for a report in vain ends by an alarm.

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "claim.h"
#include "sched/runtime.h"

enum { STALLS = 5 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char last[1024];           // under the lock
static _Atomic unsigned reports;  // changes under the lock

static void must(bool holds)
{
    if (!holds) abort();
}

static void keep_report(void *data, const struct rouse_log_record *record)
{
    (void)data;
    if (strstr(record->message, "has kept worker") == NULL) return;
    (void)pthread_mutex_lock(&lock);
    (void)strncpy(last, record->message, sizeof last - 1);
    reports++;
    (void)pthread_mutex_unlock(&lock);
}

static unsigned reports_so_far(void)
{
    // Relaxed: what it counts is read under the lock.
    return atomic_load_explicit(&reports, memory_order_relaxed);
}

static bool last_says(const char *words)
{
    (void)pthread_mutex_lock(&lock);
    bool says = strstr(last, words) != NULL;

    if (!says) printf("# %s\n", last);
    (void)pthread_mutex_unlock(&lock);
    return says;
}

// Where a thread that does not know of it can be seen in its calls.
static bool can_see_calls(void)
{
    return !RS_TSAN && getenv("ROUSE_TEST_EMULATED") == NULL;
}

static struct rouse_runtime *runtime_with_limit(const char *limit_ms)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};
    struct rouse_runtime *runtime;

    must(setenv("ROUSE_STALL_MS", limit_ms, 1) == 0);
    must(rouse_runtime_new(&runtime, &options) == 0);
    return runtime;
}

static void run(struct rouse_runtime *runtime, const char *name, rouse_fiber_function fn, void *arg)
{
    const struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = name, .site = "here"};
    struct rouse_join_handle handle;

    must(rouse_runtime_spawn(runtime, &handle, fn, arg, &attrs) == 0);
    must(rouse_join(&handle) == 0);
}

// ---- Tasks that stall ----

static volatile unsigned steps;

// No calls in it: of a thread that has just entered a function the next frame cannot be told.
__attribute__((noinline)) static int spin_until_reported(void *arg)
{
    // Relaxed, both: as in reports_so_far().
    unsigned before = atomic_load_explicit(&reports, memory_order_relaxed);

    while (atomic_load_explicit(&reports, memory_order_relaxed) == before) steps++;
    return arg != NULL;
}

// Sleeps on the worker until there is a report, and notes whether the first sleep was cut short.
__attribute__((noinline)) static int sleep_until_reported(void *arg)
{
    const struct timespec time = {.tv_nsec = 300000000};
    unsigned before = reports_so_far();

    *(bool *)arg = nanosleep(&time, NULL) < 0;
    while (reports_so_far() == before) (void)usleep(20000);
    return 0;
}

static int stall_for_a_moment(void *arg)
{
    const struct timespec time = {.tv_nsec = 60000000};

    (void)arg;
    (void)nanosleep(&time, NULL);
    return 0;
}

// ---- The cases ----

static void both_kinds(void)
{
    struct rouse_runtime *runtime = runtime_with_limit("20");
    bool is_cut_short = false;

    run(runtime, "spinner", spin_until_reported, NULL);
    claim(last_says("task spinner (here) has kept worker ") && last_says(" of its runtime for "),
          "a task that computes for too long is named, with where it was spawned");
    claim(!can_see_calls() || last_says("spin_until_reported+0x"), "and where it is");
    rouse_runtime_free(runtime);
    runtime = runtime_with_limit("20");
    run(runtime, "sleeper", sleep_until_reported, &is_cut_short);
    claim(last_says("task sleeper (here)"), "so is one that sleeps on its worker");
    claim(!can_see_calls() || last_says("sleep_until_reported+0x"), "with where it does");
    claim(!is_cut_short, "whose sleep is not cut short");
    rouse_runtime_free(runtime);
}

static bool is_parked(struct rouse_runtime *runtime)
{
    // Relaxed: a test that looks.
    return atomic_load_explicit(&runtime->sched.monitor.word, memory_order_relaxed) ==
           RS_MONITOR_PARKED;
}

static void after_a_quiet_time(void)
{
    struct rouse_runtime *runtime = runtime_with_limit("4");

    bool is_cut_short;

    for (int round = 0; round < 2; round++) {
        while (!is_parked(runtime)) (void)usleep(1000);
        run(runtime, "late", sleep_until_reported, &is_cut_short);
    }
    claim(last_says("task late (here)"), "the monitor sleeps when all do, and wakes with them");
    rouse_runtime_free(runtime);
}

// However slow the machine is: there is one a second, and the time is measured.
static void rarely(void)
{
    struct rouse_runtime *runtime = runtime_with_limit("20");
    unsigned before = reports_so_far();
    uint64_t begin_ns = rouse_now_ns();

    for (int i = 0; i < STALLS; i++) run(runtime, "brief", stall_for_a_moment, NULL);
    unsigned count = reports_so_far() - before;
    uint64_t seconds = (rouse_now_ns() - begin_ns) / ROUSE_NS_PER_S;

    claim(count <= seconds + 1, "there is at most one report a second");
    rouse_runtime_free(runtime);
}

static int64_t threads_with_limit(const char *limit_ms)
{
    struct rouse_stats before;
    struct rouse_stats after;

    rouse_stats_get(&before);
    struct rouse_runtime *runtime = runtime_with_limit(limit_ms);

    // The workers count themselves when they begin.
    do {
        rouse_stats_get(&after);
    } while (after.threads < before.threads + 2);
    int64_t monitors = runtime->sched.monitor.is_running ? 1 : 0;

    rouse_runtime_free(runtime);
    rouse_stats_get(&after);
    must(after.threads == before.threads);
    return monitors;
}

static void switched_off(void)
{
    claim(threads_with_limit("0") == 0, "ROUSE_STALL_MS=0 means no monitor");
    claim(threads_with_limit("100") == 1 && threads_with_limit("soon") == 1 &&
              threads_with_limit("5s") == 1,
          "anything but a number means the default");
}

int main(void)
{
    (void)alarm(120);
    rouse_log_set_hook(keep_report, NULL, ROUSE_LOG_WARN);
    both_kinds();
    after_a_quiet_time();
    rarely();
    switched_off();
    return claims_end();
}
