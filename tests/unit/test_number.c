// SPDX-License-Identifier: MIT
//
// The numbers of workers: each is given once, until it is given back.

#include "base/number.h"

#include <stdbool.h>

#include "claim.h"

enum { NUMBERS = 255 };

int main(void)
{
    bool is_taken[NUMBERS + 1] = {false};
    bool once = true;

    for (int i = 0; i < NUMBERS; i++) {
        uint8_t number = rs_number_take();

        once = once && number != 0 && !is_taken[number];
        is_taken[number] = true;
    }
    claim(once, "no number is given twice");
    claim(rs_number_take() == 0, "there are no more");
    rs_number_give_back(0);
    claim(rs_number_take() == 0, "nor when none is given back");
    rs_number_give_back(77);
    claim(rs_number_take() == 77 && rs_number_take() == 0, "one that is given back is free again");
    return claims_end();
}
