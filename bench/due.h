// SPDX-License-Identifier: MIT
//
// When the timers of a row are due: uniform enough, and the same in each peer.

#ifndef ROUSE_BENCH_DUE_H
#define ROUSE_BENCH_DUE_H

#include <stdint.h>

#define DUE_SEED UINT64_C(88172645463325252)

// xorshift64; `state` begins as DUE_SEED.
static inline uint64_t due_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

// For a timer that is cancelled before.
static inline uint64_t due_far_ms(uint64_t *state)
{
    return 1000 + due_random(state) % 999000;
}

// For one of n timers that run out: a thousand of them do in each millisecond, and the first not
// before twice the time from the first to the last.
static inline uint64_t due_soon_ms(uint64_t *state, uint64_t n)
{
    uint64_t spread = n < 1000 ? 1 : n / 1000;

    return 2 * spread + 1 + due_random(state) % spread;
}

#endif
