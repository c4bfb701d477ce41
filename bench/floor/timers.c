// SPDX-License-Identifier: MIT
//
// Timers: a wheel of six levels of 64 lists, 1 ms each on the first; a timer lies in place.

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "bench.h"
#include "due.h"
#include "floor/floor.h"

enum { LEVELS = 6, SLOT_BITS = 6, SLOTS = 1 << SLOT_BITS };

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
    struct timer *timers = malloc(bench->n * sizeof timers[0]);

    if (timers == NULL) abort();
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) timer_insert(&timers[i], due_far_ms(&random));
    for (uint64_t i = 0; i < bench->n; i++) timer_cancel(&timers[i]);
    bench_stop(bench);
    free(timers);
    return wheel_check();
}
