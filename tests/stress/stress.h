// SPDX-License-Identifier: MIT
//
// What stress programs share: their options, seeded randomness, the end of their time, threads, and
// the leak oracle. Each prints TAP and takes --seed and --seconds; the same seed draws the same
// numbers, though not the same interleaving.

#ifndef TESTS_STRESS_STRESS_H
#define TESTS_STRESS_STRESS_H

#include <pthread.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "unit/claim.h"

static uint64_t stress_seed = 1;
static double stress_seconds = 3;

static inline void stress_begin(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) stress_seed = strtoull(argv[i + 1], NULL, 0);
        if (strcmp(argv[i], "--seconds") == 0) stress_seconds = strtod(argv[i + 1], NULL);
    }
    printf("# seed %llu, %.1f seconds\n", (unsigned long long)stress_seed, stress_seconds);
    // A lost wake-up is an end by signal.
    (void)alarm((unsigned)stress_seconds * 4 + 120);
}

// When a share of the time that starts now is over.
static inline uint64_t stress_deadline(double share)
{
    return rouse_deadline_after((uint64_t)(stress_seconds * share * 1e9));
}

// A generator of its own for each user.
static inline uint64_t stress_stream(uint64_t number)
{
    uint64_t state = (stress_seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
                     (number + 1) * UINT64_C(0xd1342543de82ef95);

    if (state == 0) state = 1;
    for (int i = 0; i < 4; i++) (void)claim_random(&state);
    return state;
}

static inline uint64_t stress_below(uint64_t *state, uint64_t limit)
{
    return (claim_random(state) >> 16) % limit;
}

static inline void stress_must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("Bail out! %s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

static inline void stress_nap(uint64_t duration_ns)
{
    const struct timespec pause = {.tv_sec = (time_t)(duration_ns / ROUSE_NS_PER_S),
                                   .tv_nsec = (long)(duration_ns % ROUSE_NS_PER_S)};

    (void)nanosleep(&pause, NULL);
}

static inline void stress_busy(uint64_t duration_ns)
{
    uint64_t deadline = rouse_deadline_after(duration_ns);

    while (rouse_now_ns() < deadline) continue;
}

static inline pthread_t stress_thread(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;

    stress_must(-pthread_create(&thread, NULL, fn, arg), "thread");
    return thread;
}

static inline struct rouse_runtime *stress_runtime(unsigned workers)
{
    struct rouse_runtime *runtime;

    stress_must(rouse_runtime_new(
                    &runtime,
                    &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                    .workers = workers}),
                "runtime");
    return runtime;
}

// Counters that threads share. Acq_rel, so that who sees a count sees what came before it.
static inline int64_t stress_add(_Atomic int64_t *count, int64_t amount)
{
    return atomic_fetch_add_explicit(count, amount, memory_order_acq_rel) + amount;
}

static inline int64_t stress_get(const _Atomic int64_t *count)
{
    return atomic_load_explicit(count, memory_order_acquire);
}

static inline bool stress_same(const struct rouse_stats *a, const struct rouse_stats *b)
{
    return a->tasks == b->tasks && a->task_records == b->task_records && a->timers == b->timers &&
           a->sources == b->sources && a->stacks == b->stacks && a->sockets == b->sockets &&
           a->blocking_jobs == b->blocking_jobs && a->threads == b->threads &&
           a->allocations == b->allocations && a->allocated_bytes == b->allocated_bytes &&
           a->page_bytes == b->page_bytes && a->fds == b->fds;
}

static inline void stress_print_stats(const char *when, const struct rouse_stats *s)
{
    printf("# %s: %lld tasks, %lld records, %lld timers, %lld sources, %lld stacks, %lld sockets, "
           "%lld jobs, %lld threads, %lld allocations, %lld bytes, %lld page bytes, %lld fds\n",
           when, (long long)s->tasks, (long long)s->task_records, (long long)s->timers,
           (long long)s->sources, (long long)s->stacks, (long long)s->sockets,
           (long long)s->blocking_jobs, (long long)s->threads, (long long)s->allocations,
           (long long)s->allocated_bytes, (long long)s->page_bytes, (long long)s->fds);
}

// What lives must be what lived `before`; waits a moment for what is on its way out.
static inline bool stress_is_clean(const struct rouse_stats *before)
{
    struct rouse_stats now;
    uint64_t deadline = rouse_deadline_after(10 * ROUSE_NS_PER_S);

    for (;;) {
        rouse_stats_get(&now);
        if (stress_same(before, &now)) return true;
        if (rouse_now_ns() > deadline) break;
        stress_nap(ROUSE_NS_PER_MS);
    }
    stress_print_stats("before", before);
    stress_print_stats("after", &now);
    return false;
}

#endif
