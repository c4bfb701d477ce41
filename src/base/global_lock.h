// SPDX-License-Identifier: MIT
//
// The locks of the process, as opposed to those of an object, in one place: a fork waits until
// nobody holds one, so the child finds them free and what they guard whole, whatever other threads
// were doing. What those threads held of an object's locks is lost with the object: the child may
// only free it.

#ifndef RS_BASE_GLOBAL_LOCK_H
#define RS_BASE_GLOBAL_LOCK_H

#include "base/lock.h"

// In the order in which a thread may take several, and in which a fork takes all of them.
enum rs_global_lock {
    RS_GLOBAL_DEFAULT_RUNTIME,
    RS_GLOBAL_FAULT_REPORT,
    RS_GLOBAL_FAULT_HANDLERS,
    RS_GLOBAL_CONSOLE,     // that starts or stops; held while its thread is joined
    RS_GLOBAL_INSIGHT,     // who begins or ends to watch; held while a watcher's thread is joined
    RS_GLOBAL_TRACE,       // its file; held while that is written
    RS_GLOBAL_SCHEDULERS,  // their registry; held for the time of a dump
    RS_GLOBAL_PROBE,       // of a worker's calls; held until its thread has answered
    RS_GLOBAL_FOREIGN_TASKS,
    RS_GLOBAL_DRIVER_RECORDS,
    RS_GLOBAL_CHILDREN,  // that were given up; held while they are looked at
    RS_GLOBAL_ORPHANS,   // bytes of streams whose driver is gone
    RS_GLOBAL_FILE_MEMORY,
    RS_GLOBAL_ACTIONS,  // of the console
    RS_GLOBAL_HOOKS,
    RS_GLOBAL_NUMBERS,  // of workers
    RS_GLOBAL_COUNTERS,
    RS_GLOBAL_LOCK_COUNT,
};

extern struct rs_lock rs_global_locks[RS_GLOBAL_LOCK_COUNT];

static inline struct rs_lock *rs_global_lock(enum rs_global_lock which)
{
    return &rs_global_locks[which];
}

#endif
