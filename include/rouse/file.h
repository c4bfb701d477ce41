// SPDX-License-Identifier: MIT
//
// Files: regular ones, and whatever else has a descriptor that must stay blocking because other
// processes share it, as the standard streams do. Counted objects; every waiting call has a future
// form and a direct form. On a plain thread a direct form makes the system call itself.
//
// No call here blocks a worker on the disk. What the page cache can answer is answered at once, on
// the calling thread; else the work goes to the driver's ring or to the blocking pool, with memory
// of its own: the kernel never touches a caller's buffer after the future was dropped. See
// docs/files.md.
//
// Results: a count, 0 at the end of the file, or a negative errno.

#ifndef ROUSE_FILE_H
#define ROUSE_FILE_H

#include <rouse/file_work.h>
#include <rouse/io_wait.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_file;

// An offset: where the file's own position stands, which then moves on. Pipes, terminals and
// sockets know no other.
#define ROUSE_FILE_POSITION ((int64_t)-1)

// What one read or write moves at most: a worker copies no more than this at a time.
enum { ROUSE_FILE_IO_MAX = 1 << 20 };

// ---- Opening ----

struct rouse_file_open_options {
    size_t size;                   // sizeof(struct rouse_file_open_options), or 0
    int flags;                     // of open(2): O_RDONLY, O_RDWR | O_CREAT, O_DIRECT, ...
    unsigned mode;                 // of a file that is made, before the umask
    struct rouse_file *directory;  // what a relative path starts from; NULL: the working directory
};

// Ends with an open file.
struct rouse_file_open {
    struct rouse_future base;
    struct rouse_file_work work;
    const char *path;  // borrowed
    struct rouse_file_open_options options;
    struct rouse_file *file;  // once ended, until taken
    int output;               // 0, or a negative errno
};

/// Opens the file at `path`, close-on-exec. `options` may be NULL: to read. A file whose names are
/// all in the kernel's cache, and that is neither made nor cut, is opened at once.
///
/// Errors:  openat(2)'s; -EAGAIN when the pool's queue is full; -ENOMEM.
/// Owns:    `path` and the directory are borrowed until the future ends; the opened file is the
///          future's until rouse_file_open_take(), and goes with it.
/// Threads: any, one at a time.
/// Cancel:  terminal: a file may have been made or cut; the descriptor is closed in any case.
ROUSE_API void rouse_file_open_init(struct rouse_file_open *open, const char *path,
                                    const struct rouse_file_open_options *options);
/// Moves the file out of an ended open; NULL if there is none.
///
/// Owns:    the caller has one share.
/// Threads: whoever holds the future.
ROUSE_API struct rouse_file *rouse_file_open_take(struct rouse_file_open *open);
/// Opens the file at `path`.
///
/// Errors:  0, -ECANCELED, or as rouse_file_open_init().
/// Owns:    on success `*out` is one share.
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal, as rouse_file_open_init().
ROUSE_API ROUSE_NODISCARD int rouse_file_open(struct rouse_file **out, const char *path,
                                              const struct rouse_file_open_options *options);

/// Makes a file of a descriptor that is open. It is left as it is: a blocking one stays blocking,
/// for its other users and after the end of the program.
///
/// Errors:  -EBADF, -ENOMEM.
/// Owns:    takes `fd` on success; the last share closes it.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_file_adopt(struct rouse_file **out, int fd);
/// A file over descriptor 0, 1 or 2, of a duplicate: the end of the file closes the duplicate only.
/// Nothing about the stream is changed that its other users, the shell say, could notice.
///
/// Errors:  -EBADF if the stream is closed, -EMFILE, -ENOMEM.
/// Owns:    `*out` is one share.
/// Threads: any. Does not wait.
ROUSE_API ROUSE_NODISCARD int rouse_file_standard(struct rouse_file **out, int number);

/// Another share; returns its argument.
///
/// Threads: any.
ROUSE_API struct rouse_file *rouse_file_ref(struct rouse_file *file);
/// Gives up a share; the last one closes, once no operation uses the descriptor. NULL is allowed.
///
/// Threads: any.
ROUSE_API void rouse_file_unref(struct rouse_file *file);
/// The descriptor's number.
///
/// Threads: any.
ROUSE_API int rouse_file_number(const struct rouse_file *file);

// ---- Reading and writing ----

// Ends with some bytes read or written.
struct rouse_file_io {
    struct rouse_future base;
    struct rouse_file_work work;
    struct rouse_io_wait wait;
    struct rouse_file *file;     // borrowed
    const struct iovec *iov;     // borrowed; NULL: `single`
    struct iovec single;         // its memory is borrowed
    int count;                   // of iov
    int64_t offset;              // or ROUSE_FILE_POSITION
    void (*release)(void *arg);  // set: the memory is lent, see rouse_file_io_lend()
    void *release_arg;
    uint32_t step;
    ssize_t output;  // bytes; 0: the end of the file; or a negative errno
};

/// Reads what is there at `offset`, at least one byte unless the file ends there, at most
/// ROUSE_FILE_IO_MAX. It may be less than was asked for: where only a part is in the page cache,
/// that part is given at once. Of a pipe or terminal it is what has come.
///
/// Units:   bytes.
/// Errors:  preadv(2)'s: -EBADF, -EISDIR, -ESPIPE for an offset where there are none, -EIO;
///          -EINVAL for an offset or size that direct I/O cannot do; -EAGAIN when the pool's queue
///          is full; -ENOMEM.
/// Owns:    `file` and `buf` are borrowed until the future ends, and only until then.
/// Threads: any, one at a time.
/// Cancel:  at an offset total; at the file's position terminal: it may have moved.
ROUSE_API void rouse_file_read_init(struct rouse_file_io *read, struct rouse_file *file, void *buf,
                                    size_t size, int64_t offset);
/// Reads what is there at `offset`.
///
/// Errors:  a count, 0 at the end, -ECANCELED, or as rouse_file_read_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  as rouse_file_read_init().
ROUSE_API ROUSE_NODISCARD ssize_t rouse_file_read(struct rouse_file *file, void *buf, size_t size,
                                                  int64_t offset);
/// Reads into several buffers, at most 1024, as rouse_file_read_init().
///
/// Errors:  as rouse_file_read_init(); -EINVAL for more buffers.
/// Owns:    `iov` and its memory are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  as rouse_file_read_init().
ROUSE_API void rouse_file_readv_init(struct rouse_file_io *read, struct rouse_file *file,
                                     const struct iovec *iov, int count, int64_t offset);
/// Reads into several buffers.
///
/// Errors:  as rouse_file_read(); -EINVAL.
/// Threads: a fiber or a plain thread.
/// Cancel:  as rouse_file_read_init().
ROUSE_API ROUSE_NODISCARD ssize_t rouse_file_readv(struct rouse_file *file, const struct iovec *iov,
                                                   int count, int64_t offset);

/// Writes at `offset`, at least one byte, at most ROUSE_FILE_IO_MAX. Ended means that the kernel
/// has the bytes; rouse_file_sync() makes the disk have them.
///
/// Units:   bytes.
/// Errors:  pwritev(2)'s: -EBADF, -ENOSPC, -EDQUOT, -EFBIG, -EPIPE (SIGPIPE is never raised), -EIO;
///          else as rouse_file_read_init().
/// Owns:    `file` and `buf` are borrowed until the future ends, and only until then.
/// Threads: any, one at a time.
/// Cancel:  terminal: the bytes may have been written, or will be.
ROUSE_API void rouse_file_write_init(struct rouse_file_io *write, struct rouse_file *file,
                                     const void *buf, size_t size, int64_t offset);
/// Writes at `offset`.
///
/// Errors:  a count, -ECANCELED, or as rouse_file_write_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal, as rouse_file_write_init().
ROUSE_API ROUSE_NODISCARD ssize_t rouse_file_write(struct rouse_file *file, const void *buf,
                                                   size_t size, int64_t offset);
/// Writes from several buffers, at most 1024, as rouse_file_write_init().
///
/// Errors:  as rouse_file_write_init(); -EINVAL for more buffers.
/// Owns:    `iov` and its memory are borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal, as rouse_file_write_init().
ROUSE_API void rouse_file_writev_init(struct rouse_file_io *write, struct rouse_file *file,
                                      const struct iovec *iov, int count, int64_t offset);
/// Writes from several buffers.
///
/// Errors:  as rouse_file_write(); -EINVAL.
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal, as rouse_file_write_init().
ROUSE_API ROUSE_NODISCARD ssize_t
rouse_file_writev(struct rouse_file *file, const struct iovec *iov, int count, int64_t offset);

/// Lends the memory of a read or write to it, so that nothing is copied: the kernel works on that
/// memory itself, also after a drop, until it is done. Then `release(arg)` is called, once, by
/// whoever is last: a good place to give up a count or to free. Between the init and the first
/// poll.
///
/// Owns:    the memory is the operation's until `release`; what a dropped read has put there means
///          nothing.
/// Threads: `release` is called by any thread, under no lock, and must not wait.
ROUSE_API void rouse_file_io_lend(struct rouse_file_io *io, void (*release)(void *arg), void *arg);

// Ends when all bytes have been moved, or the file has ended.
struct rouse_file_io_all {
    struct rouse_future base;
    struct rouse_file_io io;
    size_t done;  // bytes moved so far; right at any time, also after a drop
    size_t size;
    bool is_write;
    ssize_t output;  // `size`; fewer if the file ended before; or a negative errno
};

/// Reads exactly `size` bytes, fewer only at the end of the file.
///
/// Units:   bytes; any size.
/// Errors:  as rouse_file_read_init(); `done` says how much was read before.
/// Owns:    as rouse_file_read_init().
/// Threads: any, one at a time.
/// Cancel:  partial: `done` bytes have been read; at the file's position it may have moved further.
ROUSE_API void rouse_file_read_exact_init(struct rouse_file_io_all *read, struct rouse_file *file,
                                          void *buf, size_t size, int64_t offset);
/// Reads exactly `size` bytes, fewer only at the end of the file.
///
/// Errors:  a count, -ECANCELED, or as rouse_file_read_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  partial; how much was read is told by the future form only.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_file_read_exact(struct rouse_file *file, void *buf,
                                                        size_t size, int64_t offset);
/// Writes the whole buffer.
///
/// Units:   bytes; any size.
/// Errors:  as rouse_file_write_init(); `done` says how much was written before.
/// Owns:    as rouse_file_write_init().
/// Threads: any, one at a time.
/// Cancel:  partial: at least `done` bytes have been written, and those under way may be.
ROUSE_API void rouse_file_write_all_init(struct rouse_file_io_all *write, struct rouse_file *file,
                                         const void *buf, size_t size, int64_t offset);
/// Writes the whole buffer. Returns `size`.
///
/// Errors:  as rouse_file_write().
/// Threads: a fiber or a plain thread.
/// Cancel:  partial; how much was written is told by the future form only.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_file_write_all(struct rouse_file *file, const void *buf,
                                                       size_t size, int64_t offset);

// ---- The rest ----

// Ends when something has been done to a file.
struct rouse_file_call {
    struct rouse_future base;
    struct rouse_file_work work;
    struct rouse_file *file;  // borrowed
    uint32_t kind;
    int64_t offset;
    int64_t size;
    struct stat *stat;  // borrowed
    int output;         // 0, or a negative errno
};

/// Makes the disk have all that was written to the file before, and what is known about the file.
///
/// Errors:  fsync(2)'s: -EIO, -ENOSPC, -EINVAL where there is no disk behind it; -EAGAIN when the
///          pool's queue is full; -ENOMEM.
/// Owns:    `file` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal: it may have been done, or will be.
ROUSE_API void rouse_file_sync_init(struct rouse_file_call *call, struct rouse_file *file);
/// Makes the disk have the file.
///
/// Errors:  0, -ECANCELED, or as rouse_file_sync_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_file_sync(struct rouse_file *file);
/// As rouse_file_sync_init(), without what is not needed to read the bytes again, such as times.
///
/// Errors:  as rouse_file_sync_init().
/// Threads: any, one at a time.
/// Cancel:  terminal.
ROUSE_API void rouse_file_datasync_init(struct rouse_file_call *call, struct rouse_file *file);
/// Makes the disk have the file's bytes.
///
/// Errors:  0, -ECANCELED, or as rouse_file_sync_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_file_datasync(struct rouse_file *file);
/// Cuts the file to `size` bytes, or lets it grow to that with zeros.
///
/// Units:   bytes.
/// Errors:  ftruncate(2)'s: -EINVAL, -EBADF, -EFBIG; else as rouse_file_sync_init().
/// Owns:    `file` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal.
ROUSE_API void rouse_file_truncate_init(struct rouse_file_call *call, struct rouse_file *file,
                                        int64_t size);
/// Cuts the file to `size` bytes, or lets it grow.
///
/// Errors:  0, -ECANCELED, or as rouse_file_truncate_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_file_truncate(struct rouse_file *file, int64_t size);
/// Reserves disk space for `size` bytes from `offset`; a file that is shorter grows.
///
/// Units:   bytes.
/// Errors:  fallocate(2)'s: -ENOSPC, -EOPNOTSUPP, -EINVAL; else as rouse_file_sync_init().
/// Owns:    `file` is borrowed until the future ends.
/// Threads: any, one at a time.
/// Cancel:  terminal.
ROUSE_API void rouse_file_allocate_init(struct rouse_file_call *call, struct rouse_file *file,
                                        int64_t offset, int64_t size);
/// Reserves disk space.
///
/// Errors:  0, -ECANCELED, or as rouse_file_allocate_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  terminal.
ROUSE_API ROUSE_NODISCARD int rouse_file_allocate(struct rouse_file *file, int64_t offset,
                                                  int64_t size);
/// Says what is known about the file. At once, where the file system has shown that it answers from
/// memory.
///
/// Errors:  fstat(2)'s; else as rouse_file_sync_init().
/// Owns:    `file` and `out` are borrowed until the future ends, and only until then.
/// Threads: any, one at a time.
/// Cancel:  total.
ROUSE_API void rouse_file_stat_init(struct rouse_file_call *call, struct rouse_file *file,
                                    struct stat *out);
/// Says what is known about the file.
///
/// Errors:  0, -ECANCELED, or as rouse_file_stat_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_file_stat(struct rouse_file *file, struct stat *out);

ROUSE_EXTERN_C_END

#endif
