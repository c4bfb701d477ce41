// SPDX-License-Identifier: MIT
//
// What cancellation costs: ending a scope of many sleeping fibers, how late a deadline is felt, and
// what a deadline adds to a wait that is ready at once.
//
//     bench_cancel [FIBERS]      FIBERS: the largest scope (default 100000)

#include <errno.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROUNDS = 9, REPEATS = 5, WAITS = 1000000, DEADLINES = 1000 };

static unsigned long largest = 100000;
static unsigned long asleep;
static unsigned long awake;

static void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("%s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof values[0], by_value);
    return values[count / 2];
}

// The processor's time of this thread, which others on the machine do not lengthen.
static uint64_t cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * ROUSE_NS_PER_S + (uint64_t)now.tv_nsec;
}

// ---- Scopes ----

static int sleep_for_ever(void *arg)
{
    (void)arg;
    asleep++;
    int err = rouse_sleep(ROUSE_NEVER);
    awake++;
    return err;
}

static long peak_kib(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
}

struct cost {
    double wall_ns;  // per fiber
    double cpu_ns;
};

// From the cancel to the end of the wait. One worker: plain counters do.
static struct cost end_scope(unsigned long count)
{
    struct rouse_scope scope;

    asleep = 0;
    awake = 0;
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (unsigned long i = 0; i < count; i++) {
        must(rouse_scope_spawn(&scope, NULL, sleep_for_ever, NULL), "spawn");
    }
    while (asleep < count) (void)rouse_yield();
    uint64_t begin = rouse_now_ns();
    uint64_t cpu = cpu_ns();

    rouse_scope_cancel(&scope, NULL);
    if (rouse_scope_wait(&scope, NULL) != -ECANCELED || awake != count) must(-EIO, "the scope");
    return (struct cost){.wall_ns = (double)(rouse_now_ns() - begin) / (double)count,
                         .cpu_ns = (double)(cpu_ns() - cpu) / (double)count};
}

static int scopes(void *arg)
{
    (void)arg;
    for (unsigned long count = 1000; count <= largest; count *= 10) {
        double wall[REPEATS];
        double cpu[REPEATS];
        long peaks[REPEATS];

        for (int i = 0; i < REPEATS; i++) {
            struct cost cost = end_scope(count);

            wall[i] = cost.wall_ns;
            cpu[i] = cost.cpu_ns;
            peaks[i] = peak_kib();
        }
        printf("scope of %lu sleeping fibers: from cancel to end %.0f ns per fiber, %.0f ns of CPU "
               "(median of %d); peak resident %ld KiB, after %d repeats %ld KiB\n",
               count, median(wall, REPEATS), median(cpu, REPEATS), REPEATS, peaks[0], REPEATS - 1,
               peaks[REPEATS - 1]);
    }
    return 0;
}

// ---- Lateness ----

// Returns when a deadline was felt.
static uint64_t feel_deadline(uint64_t until)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, until);
    int err = rouse_sleep(ROUSE_NEVER);
    uint64_t now = rouse_now_ns();

    (void)rouse_deadline_leave(&deadline);
    if (err != -ETIMEDOUT) must(-EIO, "the deadline");
    return now;
}

// The same without a runtime: what the kernel and the machine make of it.
static uint64_t feel_bare(uint64_t until)
{
    struct timespec at = {.tv_sec = (time_t)(until / ROUSE_NS_PER_S),
                          .tv_nsec = (long)(until % ROUSE_NS_PER_S)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) continue;
    return rouse_now_ns();
}

struct lateness {
    double us[DEADLINES];
    int early;
};

static void lateness_add(struct lateness *lateness, int i, uint64_t until, uint64_t now)
{
    lateness->early += now < until;
    lateness->us[i] = (double)(int64_t)(now - until) / 1e3;
}

static void lateness_print(struct lateness *lateness, const char *what)
{
    double *us = lateness->us;
    double middle = median(us, DEADLINES);

    printf("%d %s of 0.1 to 3 ms: %d early; late p50 %.1f us, p99 %.1f us, max %.1f us\n",
           DEADLINES, what, lateness->early, middle, us[DEADLINES * 99 / 100], us[DEADLINES - 1]);
}

// In turn, so that both meet the same machine. One worker, with nothing else to do.
static int late(void *arg)
{
    static struct lateness deadlines;
    static struct lateness bare;
    uint64_t random = 1;

    (void)arg;
    for (int i = 0; i < DEADLINES; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        uint64_t duration_ns = 100000 + (random >> 33) % 3000000;
        uint64_t until = rouse_deadline_after(duration_ns);

        lateness_add(&deadlines, i, until, feel_deadline(until));
        until = rouse_deadline_after(duration_ns);
        lateness_add(&bare, i, until, feel_bare(until));
    }
    lateness_print(&deadlines, "deadlines");
    lateness_print(&bare, "bare sleeps");
    return deadlines.early;
}

// ---- Overhead, in CPU time ----

static double await_bare(void)
{
    uint64_t begin = cpu_ns();

    for (int i = 0; i < WAITS; i++) {
        struct rouse_ready ready;

        rouse_ready_init(&ready);
        must(rouse_await(&ready.base), "await");
    }
    return (double)(cpu_ns() - begin) / WAITS;
}

static double await_within(unsigned depth)
{
    struct rouse_deadline outer[4];
    uint64_t until = rouse_deadline_after(1000 * ROUSE_NS_PER_S);

    for (unsigned i = 1; i < depth; i++) rouse_deadline_enter(&outer[i], until);
    uint64_t begin = cpu_ns();

    for (int i = 0; i < WAITS; i++) {
        struct rouse_deadline deadline;
        struct rouse_ready ready;

        rouse_ready_init(&ready);
        rouse_deadline_enter(&deadline, until);
        must(rouse_await(&ready.base), "await");
        must(rouse_deadline_leave(&deadline), "leave");
    }
    double cost = (double)(cpu_ns() - begin) / WAITS;

    for (unsigned i = depth; i-- > 1;) (void)rouse_deadline_leave(&outer[i]);
    return cost;
}

static int overhead(void *arg)
{
    double bare[ROUNDS];
    double within[ROUNDS];
    double nested[ROUNDS];

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = await_bare();
        within[i] = await_within(1) - bare[i];
        nested[i] = await_within(4) - bare[i];
    }
    printf("await of what is ready: %.1f ns; a deadline around it adds %.1f ns, the fourth nested "
           "one %.1f ns (median of %d)\n",
           median(bare, ROUNDS), median(within, ROUNDS), median(nested, ROUNDS), ROUNDS);
    return 0;
}

int main(int argc, char **argv)
{
    struct rouse_runtime_options one = {.size = sizeof one, .workers = 1};

    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        printf("usage: bench_cancel [FIBERS]\n");
        return 0;
    }
    if (argc > 1) largest = strtoul(argv[1], NULL, 10);
    if (rouse_run_with(overhead, NULL, &one) != 0 || rouse_run_with(late, NULL, &one) != 0) {
        return 1;
    }
    return rouse_run_with(scopes, NULL, &one);
}
