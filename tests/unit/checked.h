// SPDX-License-Identifier: MIT
//
// Values with check sums, which threads send and receive: one that is torn, or was made up, shows.

#ifndef TESTS_UNIT_CHECKED_H
#define TESTS_UNIT_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHECKED_WORDS = 5 };

struct checked {
    uint32_t sender;
    uint32_t number;
    uint64_t sums[CHECKED_WORDS];
};

static inline uint64_t checked_sum(uint32_t sender, uint32_t number, size_t word)
{
    return (sender * 31 + number) * UINT64_C(0x9e3779b97f4a7c15) + word;
}

static inline struct checked checked_of(uint32_t sender, uint32_t number)
{
    struct checked value = {.sender = sender, .number = number};

    for (size_t i = 0; i < CHECKED_WORDS; i++) value.sums[i] = checked_sum(sender, number, i);
    return value;
}

// True if one of `senders` has made it.
static inline bool checked_is_whole(const struct checked *value, uint32_t senders)
{
    for (size_t i = 0; i < CHECKED_WORDS; i++) {
        if (value->sums[i] != checked_sum(value->sender, value->number, i)) return false;
    }
    return value->sender < senders;
}

#endif
