// SPDX-License-Identifier: MIT
//
// Reading a directory, entry by entry. The entries come from the kernel in batches, on the blocking
// pool; most calls only take the next one of a batch.

#ifndef ROUSE_DIR_H
#define ROUSE_DIR_H

#include <rouse/file.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_dir;

typedef enum rouse_entry_type {
    ROUSE_ENTRY_UNKNOWN = 0,  // the file system does not say: ask rouse_path_lstat()
    ROUSE_ENTRY_FILE = 1,
    ROUSE_ENTRY_DIRECTORY = 2,
    ROUSE_ENTRY_LINK = 3,
    ROUSE_ENTRY_OTHER = 4,  // a pipe, a socket or a device
} rouse_entry_type;

struct rouse_dir_entry {
    const char *name;  // in the directory; valid until the next entry is asked for
    uint64_t inode;
    rouse_entry_type type;
};

/// Makes a directory to be read from an open one. "." and ".." are left out.
///
/// Errors:  -ENOMEM.
/// Owns:    takes the caller's share of `file` on success.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_dir_new(struct rouse_dir **out, struct rouse_file *file);
/// Opens the directory at `path`.
///
/// Errors:  0, -ECANCELED, -ENOTDIR, or as rouse_file_open_init().
/// Owns:    on success `*out` is the caller's.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_dir_open(struct rouse_dir **out, const char *path);
/// Frees it. NULL is allowed.
///
/// Threads: any, when nobody asks for an entry.
ROUSE_API void rouse_dir_free(struct rouse_dir *dir);

// Ends with the next entry.
struct rouse_dir_next {
    struct rouse_future base;
    struct rouse_dir *dir;  // borrowed
    struct rouse_dir_entry entry;
    int output;  // 1: `entry` is set; 0: there are no more; or a negative errno
};

/// The next entry, in no certain order.
///
/// Errors:  getdents(2)'s: -ENOENT if the directory was removed, -EIO; -ENOTDIR; -EAGAIN when the
///          pool's queue is full; -ENOMEM.
/// Owns:    `dir` is borrowed until the future ends. One asks at a time.
/// Threads: any, one at a time.
/// Cancel:  total: a batch that was under way is there for the next one.
ROUSE_API void rouse_dir_next_init(struct rouse_dir_next *next, struct rouse_dir *dir);
/// The next entry.
///
/// Errors:  1, 0 after the last, -ECANCELED, or as rouse_dir_next_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_dir_next(struct rouse_dir *dir, struct rouse_dir_entry *entry);

ROUSE_EXTERN_C_END

#endif
