// SPDX-License-Identifier: MIT
//
// The copy of an element.

#ifndef RS_CHAN_ELEMENT_H
#define RS_CHAN_ELEMENT_H

#include <stddef.h>
#include <string.h>

// The usual sizes are a move or two, where a call would cost as much as the rest. The addresses may
// be NULL where there is nothing to copy.
static inline void rs_element_copy(void *to, const void *from, size_t size)
{
    switch (size) {
    case 0:
        break;
    case 4:
        memcpy(to, from, 4);
        break;
    case 8:
        memcpy(to, from, 8);
        break;
    case 16:
        memcpy(to, from, 16);
        break;
    default:
        memcpy(to, from, size);
        break;
    }
}

#endif
