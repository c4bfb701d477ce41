// SPDX-License-Identifier: MIT
//
// The copy of an element.

#ifndef RS_CHAN_ELEMENT_H
#define RS_CHAN_ELEMENT_H

#include <stddef.h>
#include <string.h>

static inline void rs_element_copy(void *to, const void *from, size_t size)
{
    if (size == 8) {
        memcpy(to, from, 8);  // a move, where a call would cost as much as the rest
    } else {
        memcpy(to, from, size);
    }
}

#endif
