// SPDX-License-Identifier: MIT
//
// What a scenario of the fault sweeps sees: how to say that something failed, and how long to wait
// for what may never come. A scenario is run in a process of its own, once for each fault; threads
// of any kind call what is here.

#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <rouse.h>
#include <stdbool.h>

struct scenario {
    const char *name;
    // Makes what its runs need, once, before the first; clean_up takes it away. NULL: nothing.
    bool (*prepare)(void);
    void (*clean_up)(void);
    // Runs it from nothing to nothing. True if all of it was done, and rightly. What failed was
    // told to fault_note() by whoever got the error.
    bool (*run)(void);
    int also;  // an errno that the API promises in place of the injected one; 0: none
    // What fails inside is seen only by its effects: the peer notes that the stream has ended.
    bool is_server;
    const char *reactor;  // the only one it is run on; NULL: each
};

// The scenarios of this program, up to one without a name.
extern const struct scenario fault_scenarios[];

// An API call has failed with `err`, a negative errno. Zero and above are let pass. Returns `err`.
int64_t fault_note(int64_t err);

// Something happened that no fault excuses: the case has failed.
void fault_broken(const char *what);

// When a wait for what a fault may keep from coming is to be given up. Far away, unless the fault
// of this case is one that rouse waits out.
uint64_t fault_deadline(void);

// From now on everything works again, but for filters of system calls.
void fault_over(void);

#endif
