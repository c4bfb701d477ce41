// SPDX-License-Identifier: MIT
//
// The pause between the tries of an operation that no event announces: at the limit of descriptors,
// before a full backlog. Part of the futures that back off; it has no calls of its own.

#ifndef ROUSE_BACKOFF_H
#define ROUSE_BACKOFF_H

#include <rouse/sleep.h>
#include <stdbool.h>

ROUSE_EXTERN_C_BEGIN

// All of it is private. All zero: no pause yet.
struct rouse_backoff {
    struct rouse_sleep sleep;
    uint64_t pause_ns;  // how long the last pause was; 0: there was none
    bool is_pausing;
};

ROUSE_EXTERN_C_END

#endif
