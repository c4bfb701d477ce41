// SPDX-License-Identifier: MIT
//
// What is done to files by their names: what is there, rename, unlink, make and remove directories,
// copy, read as a whole. A relative path starts from the working directory. Every waiting call has
// a future form and a direct form; on a plain thread a direct form makes the system calls itself.

#ifndef ROUSE_PATH_H
#define ROUSE_PATH_H

#include <rouse/file_work.h>
#include <sys/stat.h>

ROUSE_EXTERN_C_BEGIN

// Ends when something has been done to a name.
struct rouse_path_call {
    struct rouse_future base;
    struct rouse_file_work work;
    const char *path;  // borrowed
    const char *to;    // borrowed; NULL where there is but one
    uint32_t kind;
    unsigned mode;
    struct stat *stat;  // borrowed
    int64_t output;     // 0, the bytes that were copied, or a negative errno
};

/// Says what is at `path`, at the end of symbolic links. At once, where all its names are in the
/// kernel's cache.
///
/// Errors:  fstatat(2)'s: -ENOENT, -EACCES, -ENOTDIR, -ELOOP; -EAGAIN when the pool's queue is
///          full; -ENOMEM.
/// Owns:    `path` and `out` are borrowed until the future ends, and only until then.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_path_stat_init(struct rouse_path_call *call, const char *path,
                                    struct stat *out);
/// Says what is at `path`.
///
/// Errors:  0, -ECANCELED, or as rouse_path_stat_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_path_stat(const char *path, struct stat *out);
/// Says what is at `path` itself: of a symbolic link, what the link is.
///
/// Errors:  as rouse_path_stat_init().
/// Owns:    as rouse_path_stat_init().
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_path_lstat_init(struct rouse_path_call *call, const char *path,
                                     struct stat *out);
/// Says what is at `path` itself.
///
/// Errors:  0, -ECANCELED, or as rouse_path_stat_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_path_lstat(const char *path, struct stat *out);

/// Gives the file at `path` the name `to`; what had that name is replaced in the same instant.
///
/// Errors:  renameat(2)'s: -ENOENT, -EXDEV, -ENOTEMPTY, ...; else as rouse_path_stat_init().
/// Owns:    both paths are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal: it may have been done, or will be.
ROUSE_API void rouse_path_rename_init(struct rouse_path_call *call, const char *path,
                                      const char *to);
/// Gives the file at `path` the name `to`.
///
/// Errors:  0, -ECANCELED, or as rouse_path_rename_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_path_rename(const char *path, const char *to);

/// Removes the name `path` of a file.
///
/// Errors:  unlinkat(2)'s: -ENOENT, -EISDIR, -EACCES, ...; else as rouse_path_stat_init().
/// Owns:    `path` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal.
ROUSE_API void rouse_path_unlink_init(struct rouse_path_call *call, const char *path);
/// Removes the name `path` of a file.
///
/// Errors:  0, -ECANCELED, or as rouse_path_unlink_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_path_unlink(const char *path);

/// Makes a directory, with the permissions `mode`, less the umask.
///
/// Errors:  mkdirat(2)'s: -EEXIST, -ENOENT, ...; else as rouse_path_stat_init().
/// Owns:    `path` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal.
ROUSE_API void rouse_path_mkdir_init(struct rouse_path_call *call, const char *path, unsigned mode);
/// Makes a directory.
///
/// Errors:  0, -ECANCELED, or as rouse_path_mkdir_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_path_mkdir(const char *path, unsigned mode);

/// Removes an empty directory.
///
/// Errors:  unlinkat(2)'s: -ENOTEMPTY, -ENOTDIR, ...; else as rouse_path_stat_init().
/// Owns:    `path` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal.
ROUSE_API void rouse_path_rmdir_init(struct rouse_path_call *call, const char *path);
/// Removes an empty directory.
///
/// Errors:  0, -ECANCELED, or as rouse_path_rmdir_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_path_rmdir(const char *path);

/// Copies the bytes of the regular file at `path` to `to`, which is made with the same permissions
/// or cut; within the kernel, where it can. The output is the number of bytes. A copy that fails
/// leaves what it has copied.
///
/// Errors:  openat(2)'s, -EINVAL if `path` is no regular file or `to` is the same file, -ENOSPC,
///          -EIO; else as rouse_path_stat_init().
/// Owns:    both paths are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal: it stops within some megabytes, and leaves what it has copied.
ROUSE_API void rouse_path_copy_init(struct rouse_path_call *call, const char *path, const char *to);
/// Copies the bytes of a regular file.
///
/// Errors:  the number of bytes, -ECANCELED, or as rouse_path_copy_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal, as rouse_path_copy_init().
ROUSE_API ROUSE_NODISCARD int64_t rouse_path_copy(const char *path, const char *to);

// ---- A whole file ----

// The bytes of a file, in memory.
struct rouse_file_data {
    size_t size;
    char *bytes;  // with a zero byte behind the last
};

/// Frees what a read of a whole file has given. NULL is allowed.
///
/// Threads: any.
ROUSE_API void rouse_file_data_free(struct rouse_file_data *data);

// Ends with all bytes of a file.
struct rouse_path_read {
    struct rouse_future base;
    struct rouse_file_work work;
    const char *path;  // borrowed
    size_t size_max;
    struct rouse_file_data *data;  // once ended, until taken
    int output;                    // 0, or a negative errno
};

/// Reads the whole file at `path`, if it has `size_max` bytes at most. A small file that is all in
/// the kernel's caches is read at once; for any other one the pool does all of it in one go.
///
/// Units:   bytes.
/// Errors:  -EFBIG for a larger file; openat(2)'s and read(2)'s; -EAGAIN when the pool's queue is
///          full; -ENOMEM.
/// Owns:    `path` is borrowed until the future ends; the data is the future's until it is taken,
///          and goes with it.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_path_read_init(struct rouse_path_read *read, const char *path,
                                    size_t size_max);
/// Moves the data out of an ended read; NULL if there is none.
///
/// Owns:    the caller frees it.
/// Threads: whoever holds the future.
ROUSE_API struct rouse_file_data *rouse_path_read_take(struct rouse_path_read *read);
/// Reads the whole file at `path`.
///
/// Errors:  0, -ECANCELED, or as rouse_path_read_init().
/// Owns:    on success `*out` is the caller's, for rouse_file_data_free().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_path_read(const char *path, size_t size_max,
                                              struct rouse_file_data **out);

ROUSE_EXTERN_C_END

#endif
