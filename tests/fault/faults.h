// SPDX-License-Identifier: MIT
//
// Faults: what can go wrong, how often, and what rouse owes its user then.

#ifndef TESTS_FAULT_FAULTS_H
#define TESTS_FAULT_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "calls.h"

enum fault_kind {
    FAULT_NONE,
    FAULT_ERROR,       // a call fails
    FAULT_SHORT,       // every transfer moves a few bytes only
    FAULT_INTERRUPTS,  // every call that can be interrupted is, three times in a row
    FAULT_SPURIOUS,    // every other sleep ends for no reason
    FAULT_JUMP,        // the clock jumps ahead at the n-th look
};

enum fault_outcome {
    FAULT_NEVER,     // the call cannot fail like this
    FAULT_ABSORBED,  // nobody notices
    FAULT_RETURNED,  // nobody notices, or the API returns this errno
    FAULT_STARVES,   // the same, or rouse waits until it is over; waits in the scenario time out
};

enum fault_mode {
    MODE_ONCE,        // the n-th call
    MODE_PERSISTENT,  // that one and all that follow
    MODE_BURST,       // that one and the next 49: for what cannot go on for ever
};

struct fault {
    enum fault_kind kind;
    enum fault_call call;
    int error;
    const char *name;  // of the errno, or of the kind
    enum fault_outcome once;
    enum fault_outcome persistent;
    enum fault_outcome burst;
    int also;        // an errno that is as right in the API's answer
    unsigned years;  // of a jump
};

// Those of calls, then those of whole runs.
extern const struct fault faults[];
extern const size_t fault_count;

extern const struct fault fault_none;

// True if a kernel that did this to a ready descriptor would report it once more. The seam can have
// epoll do so, but not a ring, whose events come from the kernel alone.
bool fault_owes_edge(const struct fault *fault);

enum fault_outcome fault_outcome(const struct fault *fault, enum fault_mode mode);
const char *fault_mode_name(enum fault_mode mode);

#endif
