// SPDX-License-Identifier: MIT
//
// The table behind chars.h, sixteen characters a row. Each number is a sum of the flags in chars.h;
// test_http_request.c rebuilds every class from its definition and compares.
#include "chars.h"

// clang-format off
const uint8_t http_char_flags[256] = {
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  // control
     0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  // control
     0,  7,  0,  1,  7,  7,  7,  7,  6,  6,  7,  7,  6, 15, 15,  6,  // space to /
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31,  6,  6,  0,  6,  0,  4,  // 0 to ?
     6, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,  // @ to O
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  0,  6,  7, 15,  // P to _
     7, 31, 31, 31, 31, 31, 31, 15, 15, 15, 15, 15, 15, 15, 15, 15,  // ` to o
    15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,  6,  7,  6,  7,  0,  // p to DEL
    // The upper half is zero.
};
// clang-format on
