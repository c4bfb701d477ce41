// SPDX-License-Identifier: MIT
//
// xorshift128+ (Vigna, "Further scramblings of Marsaglia's xorshift generators", 2017), seeded by
// splitmix64 (Steele, Lea and Flood, 2014).

#include "base/random.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/sys.h"
#include "base/tls.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void rs_random_seed(uint64_t seed)
{
    rs_tls.random[0] = splitmix(&seed);
    rs_tls.random[1] = splitmix(&seed) | 1;  // never all zero
}

static void seed_thread(void)
{
    static _Atomic uint64_t threads;
    const char *text = getenv("ROUSE_SEED");
    const char *chaos = getenv("ROUSE_CHAOS");
    uint64_t seed = 0;

    if (text != NULL || chaos != NULL) {
        uint64_t other = chaos != NULL ? strtoull(chaos, NULL, 0) : 0;

        // Relaxed: each thread only needs a number of its own.
        seed = (text != NULL ? strtoull(text, NULL, 0) : 0) + splitmix(&other) +
               atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed);
    } else if (rs_sys.getrandom(&seed, sizeof seed) != (int)sizeof seed) {
        seed = (uint64_t)(uintptr_t)&rs_tls;  // no entropy: at least differ between threads
    }
    rs_random_seed(seed);
}

uint64_t rs_random_u64(void)
{
    if ((rs_tls.random[0] | rs_tls.random[1]) == 0) seed_thread();

    uint64_t x = rs_tls.random[0];
    uint64_t y = rs_tls.random[1];

    x ^= x << 23;
    x ^= (x >> 17) ^ y ^ (y >> 26);
    rs_tls.random[0] = y;
    rs_tls.random[1] = x;
    return x + y;
}

uint32_t rs_random_below(uint32_t bound)
{
    return (uint32_t)(((rs_random_u64() >> 32) * bound) >> 32);
}
