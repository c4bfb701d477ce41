// SPDX-License-Identifier: MIT
//
// A hung program explains itself: every task, by name or spawn site, with its state, what it waits
// for, and since when.

#ifndef ROUSE_DUMP_H
#define ROUSE_DUMP_H

#include <rouse/compiler.h>
#include <stdbool.h>
#include <stddef.h>

ROUSE_EXTERN_C_BEGIN

/// Writes a dump of all tasks of all runtimes and executors to `fd`. Workers are asked to stand
/// still between two polls meanwhile; one that does not within 100 ms is reported as running, with
/// the calls that its thread is in. Tasks that were spawned at one place and wait for the same at
/// one place are counted, and one of them is described, unless the environment says ROUSE_DUMP=all.
/// At the end stand the faults that can be seen: deadlocks, turns that nobody takes, tasks that
/// nobody can wake. docs/debugging.md reads one line by line. The text is written when the workers
/// run again; it ends early, with a note, above 64 MiB and without memory.
///
/// Errors:  0, or write's.
/// Threads: any, also a task; not a signal handler (rouse_run() sets up SIGQUIT safely). The write
///          blocks the calling thread: a task whose pipe is read by tasks of its own worker calls
///          this in rouse_blocking().
ROUSE_API int rouse_dump(int fd);

struct rouse_dump_options {
    size_t size;     // sizeof(struct rouse_dump_options)
    bool all_tasks;  // each by itself, and not only one of those that are alike
};

/// The same, with options; NULL: the default ones.
///
/// Errors:  0, or write's.
/// Threads: as rouse_dump().
ROUSE_API int rouse_dump_with(int fd, const struct rouse_dump_options *options);

ROUSE_EXTERN_C_END

#endif
