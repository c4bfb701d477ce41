// SPDX-License-Identifier: MIT
//
// Timers: a wheel of six levels of 64 lists, 1 ms each on the first; a timer lies in place.

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "due.h"
#include "floor/floor.h"

enum { LEVELS = 6, SLOT_BITS = 6, SLOTS = 1 << SLOT_BITS, NS_PER_MS = 1000000 };

struct timer {
    struct timer *next;
    struct timer **link;  // what points to us
    uint64_t due_ms;
    uint32_t slot;
};

static struct {
    uint64_t now_ms;
    uint64_t taken[LEVELS];  // a bit for each list that is not empty
    struct timer *slots[LEVELS * SLOTS];
} wheel;

static void timer_insert(struct timer *timer, uint64_t due_ms)
{
    uint64_t differs = (due_ms ^ wheel.now_ms) | (SLOTS - 1);
    unsigned level = (63 - (unsigned)__builtin_clzll(differs)) / SLOT_BITS;
    unsigned slot = (unsigned)(due_ms >> (level * SLOT_BITS)) % SLOTS;
    struct timer **first = &wheel.slots[level * SLOTS + slot];

    timer->due_ms = due_ms;
    timer->slot = level * SLOTS + slot;
    timer->next = *first;
    timer->link = first;
    if (*first != NULL) (*first)->link = &timer->next;
    *first = timer;
    wheel.taken[level] |= (uint64_t)1 << slot;
}

static void timer_cancel(struct timer *timer)
{
    *timer->link = timer->next;
    if (timer->next != NULL) timer->next->link = timer->link;
    if (wheel.slots[timer->slot] == NULL) {
        wheel.taken[timer->slot / SLOTS] &= ~((uint64_t)1 << timer->slot % SLOTS);
    }
}

// Nothing may be left in the wheel; this also keeps the compiler from leaving the work out.
static int wheel_check(void)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (wheel.taken[i] != 0) return -EIO;
    }
    return 0;
}

int floor_timer_ic(struct bench *bench)
{
    uint64_t random = DUE_SEED;
    struct timer timer;

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        timer_insert(&timer, due_far_ms(&random));
        timer_cancel(&timer);
    }
    bench_stop(bench);
    return wheel_check();
}

int floor_timer_bulk(struct bench *bench)
{
    uint64_t random = DUE_SEED;
    struct timer *timers = bench_pages(bench->n * sizeof timers[0]);

    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) timer_insert(&timers[i], due_far_ms(&random));
    for (uint64_t i = 0; i < bench->n; i++) timer_cancel(&timers[i]);
    bench_stop(bench);
    bench_pages_free(timers);
    return wheel_check();
}

// ---- Timers that run out ----

static struct timer *slot_take(unsigned level, uint64_t time)
{
    unsigned slot = (unsigned)time % SLOTS;
    struct timer *first = wheel.slots[level * SLOTS + slot];

    wheel.slots[level * SLOTS + slot] = NULL;
    wheel.taken[level] &= ~((uint64_t)1 << slot);
    return first;
}

// Turns the wheel by a millisecond, moves down what comes near, and returns what is due then.
static struct timer *wheel_turn(void)
{
    uint64_t now = ++wheel.now_ms;

    for (unsigned level = LEVELS - 1; level > 0; level--) {
        if (now % ((uint64_t)1 << level * SLOT_BITS) != 0) continue;
        for (struct timer *next, *timer = slot_take(level, now >> level * SLOT_BITS); timer != NULL;
             timer = next) {
            next = timer->next;
            timer_insert(timer, timer->due_ms);
        }
    }
    return slot_take(0, now);
}

static void sleep_until(uint64_t ns)
{
    const struct timespec time = {.tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000)};

    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int floor_sleep1m(struct bench *bench)
{
    uint64_t random = DUE_SEED;
    uint64_t woken = 0;
    struct timer *timers = malloc(bench->n * sizeof timers[0]);
    uint64_t *late_ns = malloc(bench->n * sizeof late_ns[0]);

    if (timers == NULL || late_ns == NULL) abort();
    bench_start(bench);
    uint64_t start_ns = bench_now_ns();

    for (uint64_t i = 0; i < bench->n; i++) {
        timer_insert(&timers[i], due_soon_ms(&random, bench->n));
    }
    while (woken < bench->n) {
        const struct timer *due = wheel_turn();
        uint64_t due_ns = start_ns + wheel.now_ms * NS_PER_MS;

        if (due == NULL) continue;
        sleep_until(due_ns);
        for (; due != NULL; due = due->next) late_ns[woken++] = bench_now_ns() - due_ns;
    }
    bench_stop(bench);
    bench_latencies(bench, late_ns);
    free(timers);
    free(late_ns);
    return wheel_check();
}
