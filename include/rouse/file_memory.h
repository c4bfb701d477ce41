// SPDX-License-Identifier: MIT
//
// Memory that the kernel keeps ready for reads and writes of files. Where a ring does these, the
// kernel looks up and holds the pages of an operation's memory, each time; those of registered
// memory once. That pays off for direct I/O; what comes from the page cache is copied anyway.
//
// Only memory that an operation was lent, see rouse_file_io_lend(), and in one piece: all else is
// copied through memory of the operation's own. Where a ring refuses, or there is none, operations
// on registered memory are as on any other: nothing but time is lost, and one line in the log says
// so.

#ifndef ROUSE_FILE_MEMORY_H
#define ROUSE_FILE_MEMORY_H

#include <rouse/compiler.h>
#include <stddef.h>

ROUSE_EXTERN_C_BEGIN

enum {
    ROUSE_FILE_MEMORY_COUNT = 16,     // so many pieces at a time
    ROUSE_FILE_MEMORY_MAX = 1 << 30,  // bytes of one
};

/// Registers memory for the whole process. Each driver's ring holds its pages from its next file
/// operation on: they stay in memory, and count for each ring towards RLIMIT_MEMLOCK where that is
/// in force.
///
/// Units:   bytes.
/// Errors:  -EINVAL: NULL, or a size of 0 or above ROUSE_FILE_MEMORY_MAX; -EEXIST: a part of it is
///          registered already; -ENOSPC: there are ROUSE_FILE_MEMORY_COUNT pieces.
/// Owns:    the memory stays the caller's, and must be there until it is unregistered.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_file_memory_register(void *memory, size_t size);
/// Takes back what rouse_file_memory_register() did, once every operation on the memory has given
/// it back. A ring lets go of the pages at its next operation on lent memory, or with its driver;
/// the memory may be freed at once all the same.
///
/// Errors:  -ENOENT: no registered memory begins there.
/// Threads: any. Does not wait.
ROUSE_API int rouse_file_memory_unregister(void *memory);

ROUSE_EXTERN_C_END

#endif
