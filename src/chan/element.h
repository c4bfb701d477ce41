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
    } else if (size > 0) {    // the addresses may be NULL where there is nothing
        memcpy(to, from, size);
    }
}

#endif
