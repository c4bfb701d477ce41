// SPDX-License-Identifier: MIT
//
// The copy of an element.

#ifndef RS_CHAN_ELEMENT_H
#define RS_CHAN_ELEMENT_H

#include <stddef.h>
#include <string.h>

#include "base/sanitizer.h"

// Of any size. Where the processor has an instruction for it, that takes as long as memcpy() up to
// some hundred bytes, and is no call: for a call, operations would save on entry all that they keep
// across it, whatever the size. Sanitizers do not see what it touches.
static inline void rs_element_copy_any(void *to, const void *from, size_t size)
{
#if defined(__x86_64__) && !RS_ASAN && !RS_TSAN
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
#else
    memcpy(to, from, size);
#endif
}

// The usual sizes are a move or two, where even that would cost as much as the rest. The addresses
// may be NULL where there is nothing to copy.
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
        rs_element_copy_any(to, from, size);
        break;
    }
}

#endif
