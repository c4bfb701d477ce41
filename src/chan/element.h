// SPDX-License-Identifier: MIT
//
// Elements of channels are copied by a size that is known at run time. Most are a word.

#ifndef RS_CHAN_ELEMENT_H
#define RS_CHAN_ELEMENT_H

#include <string.h>

static inline void rs_element_copy(void *to, const void *from, size_t size)
{
    if (size == sizeof(void *)) {
        memcpy(to, from, sizeof(void *));  // without a call
    } else if (size > 0) {
        memcpy(to, from, size);
    }
}

#endif
