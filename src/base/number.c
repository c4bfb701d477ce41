// SPDX-License-Identifier: MIT
//
// Numbers of workers: a bitmap.

#include "base/number.h"

#include "base/global_lock.h"

enum { WORD_BITS = 64, WORDS = 256 / WORD_BITS };

// Under the lock. Of the first word the lowest bit is nobody's number.
static uint64_t taken[WORDS] = {1};

uint8_t rs_number_take(void)
{
    unsigned number = 0;

    rs_lock(rs_global_lock(RS_GLOBAL_NUMBERS));
    for (unsigned i = 0; i < WORDS && number == 0; i++) {
        if (taken[i] == UINT64_MAX) continue;
        unsigned bit = (unsigned)__builtin_ctzll(~taken[i]);

        taken[i] |= UINT64_C(1) << bit;
        number = i * WORD_BITS + bit;
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_NUMBERS));
    return (uint8_t)number;
}

void rs_number_give_back(uint8_t number)
{
    if (number == 0) return;
    rs_lock(rs_global_lock(RS_GLOBAL_NUMBERS));
    taken[number / WORD_BITS] &= ~(UINT64_C(1) << number % WORD_BITS);
    rs_unlock(rs_global_lock(RS_GLOBAL_NUMBERS));
}
