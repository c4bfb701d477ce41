// SPDX-License-Identifier: MIT
//
// The inside of a file: a counted descriptor, and what trying has shown about it. Any thread.
//
// A disk file (regular, directory, block device) has offsets, and is never waited for by readiness.
// A stream (pipe, terminal, socket, character device) is: it may be shared with other processes, so
// its descriptor stays as blocking as it was, and a call that could block is made on a thread of
// the pool.

#ifndef RS_FS_FILE_H
#define RS_FS_FILE_H

#include <rouse/allocator.h>
#include <rouse/file.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "io/source.h"

// What is known about a file, learnt by trying. Bits are only ever set.
enum rs_file_trait {
    RS_FILE_NO_TRY_READ = 1 << 0,   // it cannot say at once whether a read would wait
    RS_FILE_NO_TRY_WRITE = 1 << 1,  // the same of a write
    RS_FILE_IN_MEMORY = 1 << 2,     // there is no disk behind it
    RS_FILE_AT_HAND = 1 << 3,       // its file system keeps what it knows of files in memory
};

struct rouse_file {
    struct rs_source source;
    _Atomic uint32_t shares;
    _Atomic uint32_t traits;  // rs_file_trait
    bool is_stream;
    bool is_direct;                    // opened with O_DIRECT
    int access;                        // O_RDONLY, O_WRONLY or O_RDWR
    struct rouse_allocator allocator;  // a copy: the runtime may be gone before the file
};

// One transfer, as the system calls see it.
struct rs_file_transfer {
    const struct iovec *iov;
    int count;
    bool is_write;
    int64_t offset;  // or ROUSE_FILE_POSITION
};

// Direct I/O wants memory at multiples of this; more than any disk of today asks for.
enum { RS_FILE_DIRECT_ALIGN = 4096 };

// Makes a file of `fd`, about which `about` is known. On failure, -ENOMEM, `fd` stays the caller's.
int rs_file_new(struct rouse_file **out, int fd, const struct stat *about, int flags);

// The descriptor a relative path starts from.
int rs_file_directory(const struct rouse_file *directory);

bool rs_file_has(const struct rouse_file *file, enum rs_file_trait trait);
void rs_file_learn(struct rouse_file *file, enum rs_file_trait trait);

// True for a file system in memory, which blocks no more than the program's own memory does.
bool rs_file_is_in_memory(int fd);

// What can be transferred without waiting. -EAGAIN: nothing now; -EOPNOTSUPP: it cannot be told.
ssize_t rs_file_try(struct rouse_file *file, const struct rs_file_transfer *transfer);

// Transfers, on a thread that may block. -EAGAIN only of a stream that somebody made non-blocking.
ssize_t rs_file_block(struct rouse_file *file, const struct rs_file_transfer *transfer);

// True on a thread of the program's own, where a direct form may block. Aborts inside a poll.
bool rs_file_may_block(void);

#endif
