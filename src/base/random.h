// SPDX-License-Identifier: MIT
//
// The one source of random choices: per thread, seedable, not for secrets. ROUSE_SEED in the
// environment makes every choice of a single-threaded run a function of the seed.

#ifndef RS_BASE_RANDOM_H
#define RS_BASE_RANDOM_H

#include <stdint.h>

uint64_t rs_random_u64(void);

// Uniform in [0, bound), bound > 0.
uint32_t rs_random_below(uint32_t bound);

// Seeds the calling thread's generator.
void rs_random_seed(uint64_t seed);

#endif
