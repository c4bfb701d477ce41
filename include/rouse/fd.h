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
