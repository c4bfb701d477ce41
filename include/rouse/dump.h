// SPDX-License-Identifier: MIT
//
// A hung program explains itself: every task, by name or spawn site, with its state, what it waits
// for, and since when.

#ifndef ROUSE_DUMP_H
#define ROUSE_DUMP_H

#include <rouse/compiler.h>

ROUSE_EXTERN_C_BEGIN

/// Writes a dump of all tasks of all runtimes and executors to `fd`. Workers are asked to stand
/// still between two polls meanwhile; one that does not within 100 ms is reported as running, and
/// its tasks without what they wait for. The text is written when they run again; it ends early,
/// with a note, above 64 MiB and without memory.
///
/// Errors:  0, or write's.
/// Threads: any, also a task; not a signal handler (rouse_run() sets up SIGQUIT safely). The write
///          blocks the calling thread: a task whose pipe is read by tasks of its own worker calls
///          this in rouse_blocking().
ROUSE_API int rouse_dump(int fd);

ROUSE_EXTERN_C_END

#endif
