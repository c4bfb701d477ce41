// SPDX-License-Identifier: MIT
//
// Waiting on any pollable descriptor that somebody else made: a pipe, a tty, an eventfd, another
// library's socket. What every adapter to another library stands on.

#ifndef ROUSE_FD_H
#define ROUSE_FD_H

#include <rouse/future.h>
#include <rouse/io_wait.h>
#include <rouse/poller.h>
#include <sys/types.h>

ROUSE_EXTERN_C_BEGIN

struct rouse_fd;

/// Adopts `fd` and sets it non-blocking. It is registered with a driver at its first wait.
///
/// Errors:  -EBADF, -ENOMEM.
/// Owns:    takes `fd`: rouse_fd_free() closes it, rouse_fd_release() gives it back.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_fd_adopt(struct rouse_fd **out, int fd);

/// The descriptor, for calls of one's own.
///
/// Owns:    stays rouse's: do not close it.
/// Threads: any.
ROUSE_API int rouse_fd_number(const struct rouse_fd *fd);

// Ends when a direction is ready.
struct rouse_fd_ready {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_fd *fd;  // a share of its own until it ends
    uint32_t interest;
    int output;  // 0, or a negative errno
};

/// Completes when `fd` is ready for `interest`: ROUSE_READABLE or ROUSE_WRITABLE, one of them.
/// Readiness is remembered until an operation reports -EAGAIN through rouse_fd_clear(), so clear
/// it after such an operation and wait again; or use rouse_fd_try_io().
///
/// Errors:  -EBADF when it was closed or released; -EPERM for descriptors that cannot be polled.
/// Owns:    `fd` must be alive at init; a rouse_fd_free() or _release() after that ends the wait.
/// Threads: any, one at a time; several tasks may wait, they are served in order.
/// Cancel:  total: the readiness is there for the next wait.
ROUSE_API void rouse_fd_ready_init(struct rouse_fd_ready *ready, struct rouse_fd *fd,
                                   uint32_t interest);

/// Waits until `fd` is ready.
///
/// Errors:  0, -ECANCELED, or as rouse_fd_ready_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_fd_wait(struct rouse_fd *fd, uint32_t interest);

/// An operation on the descriptor that does not block: a count or a negative errno, -EAGAIN if it
/// would block.
typedef ssize_t (*rouse_fd_function)(int fd, void *arg);

/// Tries `fn(fd, arg)` and waits while it returns -EAGAIN.
///
/// Errors:  `fn`'s, -ECANCELED, -EBADF.
/// Threads: a fiber or a plain thread.
/// Cancel:  total: either `fn` did its work and its result is returned, or it did nothing.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_fd_try_io(struct rouse_fd *fd, uint32_t interest,
                                                  rouse_fd_function fn, void *arg);

// Ends with some bytes.
struct rouse_fd_read {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_fd *fd;  // a share of its own until it ends
    void *buf;            // borrowed
    size_t size;
    ssize_t output;  // bytes read; 0: end of the stream; or a negative errno
};

/// Reads what is there, at least one byte unless the stream has ended.
///
/// Units:   bytes; `size` > 0.
/// Errors:  read(2)'s; -EBADF when it was closed or released; -EPERM for descriptors that cannot
///          be polled and have nothing to read.
/// Owns:    `fd` must be alive at init; `buf` is borrowed until the future ends.
/// Threads: any, one at a time; several tasks may read, they are served in order.
/// Cancel:  total: a dropped read has taken no byte.
ROUSE_API void rouse_fd_read_init(struct rouse_fd_read *read, struct rouse_fd *fd, void *buf,
                                  size_t size);

/// Reads what is there.
///
/// Errors:  a count, 0 at the end, -ECANCELED, or as rouse_fd_read_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_fd_read(struct rouse_fd *fd, void *buf, size_t size);

// Ends when some bytes have been taken.
struct rouse_fd_write {
    struct rouse_future base;
    struct rouse_io_wait wait;
    struct rouse_fd *fd;  // a share of its own until it ends
    const void *buf;      // borrowed
    size_t size;
    ssize_t output;  // bytes taken, or a negative errno
};

/// Writes what the descriptor takes, at least one byte.
///
/// Units:   bytes.
/// Errors:  write(2)'s: -EPIPE when nobody reads any more, and SIGPIPE is not raised; -EBADF,
///          -EPERM as rouse_fd_read_init().
/// Owns:    `fd` must be alive at init; `buf` is borrowed until the future ends.
/// Threads: any, one at a time; several tasks may write, they are served in order.
/// Cancel:  total: a dropped write has written nothing.
ROUSE_API void rouse_fd_write_init(struct rouse_fd_write *write, struct rouse_fd *fd,
                                   const void *buf, size_t size);

/// Writes what the descriptor takes.
///
/// Errors:  a count, -ECANCELED, or as rouse_fd_write_init().
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_fd_write(struct rouse_fd *fd, const void *buf, size_t size);

// Ends when a whole buffer has been taken.
struct rouse_fd_write_all {
    struct rouse_future base;
    struct rouse_fd_write write;
    size_t done;  // bytes taken so far; right at any time, also after a drop
    size_t size;
    ssize_t output;  // `size`, or a negative errno
};

/// Writes the whole buffer.
///
/// Units:   bytes.
/// Errors:  as rouse_fd_write_init(); `done` says how much was taken before.
/// Owns:    as rouse_fd_write_init().
/// Threads: any, one at a time. Pieces of several writers may mix.
/// Cancel:  partial: `done` bytes have been written.
ROUSE_API void rouse_fd_write_all_init(struct rouse_fd_write_all *write, struct rouse_fd *fd,
                                       const void *buf, size_t size);

/// Writes the whole buffer. Returns `size`.
///
/// Errors:  as rouse_fd_write().
/// Threads: a fiber or a plain thread.
/// Cancel:  partial; how much was written is told by the future form only.
ROUSE_API ROUSE_NODISCARD ssize_t rouse_fd_write_all(struct rouse_fd *fd, const void *buf,
                                                     size_t size);

/// Says that an operation in this direction has just returned -EAGAIN, so that the next wait waits
/// for a newer event. `tick` is what rouse_fd_tick() returned before the operation: an event that
/// came since is not forgotten.
///
/// Threads: any.
ROUSE_API void rouse_fd_clear(struct rouse_fd *fd, uint32_t interest, uint64_t tick);

/// The number of readiness events seen so far in a direction.
///
/// Threads: any.
ROUSE_API uint64_t rouse_fd_tick(const struct rouse_fd *fd, uint32_t interest);

/// Gives the descriptor back, open and non-blocking; returns its number. Frees the object.
/// Waiters fail with -EBADF.
///
/// Errors:  -EBUSY while another thread is inside an operation on it; nothing has changed then.
/// Threads: any.
ROUSE_API ROUSE_NODISCARD int rouse_fd_release(struct rouse_fd *fd);

/// Closes the descriptor and frees the object. Waiters fail with -EBADF. NULL is allowed.
///
/// Threads: any.
ROUSE_API void rouse_fd_free(struct rouse_fd *fd);

ROUSE_EXTERN_C_END

#endif
