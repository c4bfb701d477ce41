// SPDX-License-Identifier: MIT
//
// Private to rouse: a place in a driver's timer wheel. It stands here only because futures that
// wait for a deadline embed one; nobody outside rouse touches its words.

#ifndef ROUSE_TIMER_ENTRY_H
#define ROUSE_TIMER_ENTRY_H

#include <rouse/compiler.h>

// All zero: in no wheel.
struct rouse_timer_entry {
    struct rouse_timer_entry *next;
    struct rouse_timer_entry *prev;
    uint64_t filed_ns;  // the deadline under which it was filed last
    uint32_t slot;      // 1 + index of its slot; 0 when in no wheel
    uint32_t ahead;     // a hint, right or wrong: low half of the address of a later entry
};

#endif
