// SPDX-License-Identifier: MIT
//
// A small number for each worker of the process: who has one is told from all others that are alive
// by one byte. There are 255; beyond that a worker has none.

#ifndef RS_BASE_NUMBER_H
#define RS_BASE_NUMBER_H

#include <stdint.h>

// 0: there is none left.
uint8_t rs_number_take(void);

// After the last that anybody did as the one with that number; 0 is given back, too.
void rs_number_give_back(uint8_t number);

#endif
