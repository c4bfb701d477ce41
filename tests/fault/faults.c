// SPDX-License-Identifier: MIT
//
// The table: each call with each errno it can give, from the manual pages and, for filters of
// system calls, ENOSYS and EPERM where a sandbox may refuse the call.
//
// Not in it, because the kernel has no way to fail them as rouse calls them: futex_wake,
// clock_gettime of CLOCK_MONOTONIC, a write to a non-blocking eventfd whose count is small, and
// errors of misuse (EFAULT, EBADF and the like).
//
// A close or munmap that fails is seen by nobody. Linux frees the descriptor all the same, and so
// does the seam. Memory that munmap did not take back is lost: nothing can be done about it, and
// the counters do not show it.

#include "faults.h"

#include <errno.h>

#define A FAULT_ABSORBED
#define R FAULT_RETURNED
#define S FAULT_STARVES
#define N FAULT_NEVER
#define ROW(call, error, once, persistent)                          \
    {                                                               \
        FAULT_ERROR, call, error, #error, once, persistent, N, 0, 0 \
    }
#define ROW_ALSO(call, error, once, persistent, also)                  \
    {                                                                  \
        FAULT_ERROR, call, error, #error, once, persistent, N, also, 0 \
    }
// What comes in bursts does not last.
#define ROW_BURST(call, error)                          \
    {                                                   \
        FAULT_ERROR, call, error, #error, A, N, A, 0, 0 \
    }

const struct fault fault_none = {.kind = FAULT_NONE, .call = CALL_COUNT, .name = "none", .once = A};

const struct fault faults[] = {
    // Memory. A fiber that has been spawned waits for its stack, and an accept for its memory.
    ROW(CALL_MALLOC, ENOMEM, R, S),
    ROW(CALL_MMAP, ENOMEM, R, S),
    ROW(CALL_MUNMAP, ENOMEM, A, A),
    ROW(CALL_MPROTECT, ENOMEM, R, S),
    ROW(CALL_MADVISE, ENOMEM, R, S),
    ROW_ALSO(CALL_MADVISE, EAGAIN, R, S, ENOMEM),
    ROW(CALL_MADVISE, EINVAL, A, A),
    ROW(CALL_MADVISE, EPERM, A, A),
    ROW(CALL_MINCORE, ENOMEM, A, A),
    ROW(CALL_MINCORE, EAGAIN, A, A),
    ROW(CALL_MEMBARRIER, ENOSYS, A, A),
    ROW(CALL_MEMBARRIER, EPERM, A, A),

    // Descriptors.
    ROW_BURST(CALL_READ, EINTR),
    ROW(CALL_READ, EIO, A, A),
    ROW_BURST(CALL_READ_EVENTFD, EINTR),
    ROW_BURST(CALL_READ_EVENTFD, EAGAIN),
    ROW_BURST(CALL_WRITE, EINTR),
    ROW_BURST(CALL_WRITE, EAGAIN),
    ROW(CALL_WRITE, EIO, R, R),
    ROW(CALL_WRITE, ENOSPC, R, R),
    ROW(CALL_WRITE, EPIPE, R, R),
    ROW_BURST(CALL_SENDFILE, EINTR),
    ROW_BURST(CALL_SENDFILE, EAGAIN),
    ROW(CALL_SENDFILE, EIO, R, R),
    ROW(CALL_SENDFILE, ENOMEM, R, R),
    ROW(CALL_SENDFILE, EPIPE, R, R),
    ROW_BURST(CALL_CLOSE, EINTR),
    ROW(CALL_CLOSE, EIO, A, A),
    ROW(CALL_FSTAT, ENOMEM, R, R),
    ROW(CALL_FSTAT, EPERM, R, R),
    ROW(CALL_FCNTL, EPERM, R, R),
    ROW_BURST(CALL_OPENAT, EINTR),
    ROW(CALL_OPENAT, EMFILE, A, A),
    ROW(CALL_OPENAT, ENFILE, A, A),
    ROW(CALL_OPENAT, ENOMEM, A, A),
    ROW(CALL_OPENAT, EACCES, A, A),
    ROW(CALL_OPENAT, ENOENT, A, A),

    // Sockets.
    ROW(CALL_SOCKET, EMFILE, R, R),
    ROW(CALL_SOCKET, ENFILE, R, R),
    ROW(CALL_SOCKET, ENOBUFS, R, R),
    ROW(CALL_SOCKET, ENOMEM, R, R),
    ROW(CALL_SOCKET, EACCES, R, R),
    ROW(CALL_SOCKET, EAFNOSUPPORT, R, R),
    ROW(CALL_BIND, EADDRINUSE, R, R),
    ROW(CALL_BIND, EACCES, R, R),
    ROW(CALL_LISTEN, EADDRINUSE, R, R),
    ROW_BURST(CALL_ACCEPT4, EINTR),
    ROW_BURST(CALL_ACCEPT4, EAGAIN),
    ROW(CALL_ACCEPT4, ECONNABORTED, A, S),
    ROW(CALL_ACCEPT4, EPROTO, A, S),
    ROW(CALL_ACCEPT4, EPERM, A, S),
    ROW(CALL_ACCEPT4, EMFILE, A, S),
    ROW(CALL_ACCEPT4, ENFILE, A, S),
    ROW(CALL_ACCEPT4, ENOBUFS, A, S),
    ROW(CALL_ACCEPT4, ENOMEM, A, S),
    ROW(CALL_CONNECT, EINTR, A, A),
    ROW(CALL_CONNECT, EINPROGRESS, A, A),
    ROW(CALL_CONNECT, ECONNREFUSED, R, R),
    ROW(CALL_CONNECT, ENETUNREACH, R, R),
    ROW(CALL_CONNECT, EADDRNOTAVAIL, R, R),
    ROW(CALL_CONNECT, EAGAIN, R, R),
    ROW(CALL_CONNECT, EPERM, R, R),
    ROW(CALL_SHUTDOWN, ENOTCONN, R, R),
    ROW(CALL_GETSOCKOPT, ENOBUFS, R, R),
    ROW(CALL_SO_ERROR, ECONNREFUSED, R, R),
    ROW(CALL_SO_ERROR, EHOSTUNREACH, R, R),
    ROW(CALL_SETSOCKOPT, ENOMEM, R, R),
    ROW(CALL_SETSOCKOPT, ENOPROTOOPT, R, R),
    ROW(CALL_GETSOCKNAME, ENOBUFS, R, R),
    ROW(CALL_GETPEERNAME, ENOTCONN, R, R),
    ROW_BURST(CALL_RECV, EINTR),
    ROW_BURST(CALL_RECV, EAGAIN),
    ROW(CALL_RECV, ECONNRESET, R, R),
    ROW(CALL_RECV, ENOMEM, R, R),
    ROW_BURST(CALL_RECVMSG, EINTR),
    ROW_BURST(CALL_RECVMSG, EAGAIN),
    ROW(CALL_RECVMSG, ECONNRESET, R, R),
    ROW_BURST(CALL_SEND, EINTR),
    ROW_BURST(CALL_SEND, EAGAIN),
    ROW(CALL_SEND, EPIPE, R, R),
    ROW(CALL_SEND, ECONNRESET, R, R),
    ROW(CALL_SEND, ENOBUFS, R, R),
    ROW(CALL_SEND, ENOMEM, R, R),
    ROW_BURST(CALL_SENDMSG, EINTR),
    ROW_BURST(CALL_SENDMSG, EAGAIN),
    ROW(CALL_SENDMSG, EPIPE, R, R),
    ROW(CALL_SENDMSG, ENOBUFS, R, R),

    // Waiting. Without epoll there is poll.
    ROW(CALL_EPOLL_CREATE1, EMFILE, R, R),
    ROW(CALL_EPOLL_CREATE1, ENFILE, R, R),
    ROW(CALL_EPOLL_CREATE1, ENOMEM, R, R),
    ROW(CALL_EPOLL_CREATE1, ENOSYS, A, A),
    ROW(CALL_EPOLL_CREATE1, EPERM, A, A),
    // An accept waits for memory, as it does at the limit of descriptors.
    ROW(CALL_EPOLL_CTL, ENOMEM, R, S),
    ROW(CALL_EPOLL_CTL, ENOSPC, R, R),
    ROW(CALL_EPOLL_CTL, EPERM, R, R),
    ROW_BURST(CALL_EPOLL_PWAIT2, EINTR),
    ROW(CALL_EPOLL_PWAIT2, ENOSYS, A, A),
    ROW(CALL_EPOLL_PWAIT2, EPERM, A, A),
    ROW_BURST(CALL_EPOLL_WAIT, EINTR),
    ROW_BURST(CALL_PPOLL, EINTR),
    ROW(CALL_PPOLL, ENOMEM, R, S),
    ROW(CALL_EVENTFD, EMFILE, R, R),
    ROW(CALL_EVENTFD, ENFILE, R, R),
    ROW(CALL_EVENTFD, ENOMEM, R, R),
    ROW(CALL_EVENTFD, EPERM, R, R),
    ROW(CALL_EVENTFD, ENOSYS, R, R),
    ROW(CALL_TIMERFD_CREATE, EMFILE, A, A),
    ROW(CALL_TIMERFD_CREATE, ENOMEM, A, A),
    ROW(CALL_TIMERFD_CREATE, ENOSYS, A, A),
    ROW(CALL_TIMERFD_CREATE, EPERM, A, A),
    ROW(CALL_TIMERFD_SETTIME, EPERM, A, A),
    ROW_BURST(CALL_FUTEX_WAIT, EINTR),
    ROW_BURST(CALL_FUTEX_WAIT, EAGAIN),

    // Threads, signals and the rest.
    ROW(CALL_THREAD_CREATE, EAGAIN, R, R),
    ROW(CALL_SIGACTION, EPERM, R, R),
    ROW(CALL_SIGALTSTACK, ENOMEM, A, A),
    ROW(CALL_SIGALTSTACK, EPERM, A, A),
    ROW(CALL_SCHED_GETAFFINITY, EINVAL, A, A),
    ROW(CALL_SCHED_GETAFFINITY, EPERM, A, A),
    ROW(CALL_PRCTL, EPERM, A, A),
    ROW(CALL_GETRANDOM, EINTR, A, A),
    ROW(CALL_GETRANDOM, EAGAIN, A, A),
    ROW(CALL_GETRANDOM, ENOSYS, A, A),
    ROW(CALL_GETRANDOM, EPERM, A, A),

    // libc's, in a program around rouse.
    ROW(CALL_MALLOC_LIBC, ENOMEM, R, S),
    ROW(CALL_OPENAT_LIBC, EMFILE, R, R),
    ROW(CALL_OPENAT_LIBC, EINTR, R, R),
    ROW(CALL_FSTAT_LIBC, EIO, R, R),
    ROW(CALL_PREAD_LIBC, EINTR, A, N),
    ROW(CALL_PREAD_LIBC, EIO, R, R),
    ROW(CALL_WRITE_LIBC, ENOSPC, A, A),
    ROW(CALL_WRITE_LIBC, EINTR, A, N),

    // Whole runs.
    {.kind = FAULT_SHORT, .call = CALL_COUNT, .name = "short", .once = A},
    {.kind = FAULT_INTERRUPTS, .call = CALL_COUNT, .name = "interrupts", .once = A},
    {.kind = FAULT_SPURIOUS, .call = CALL_COUNT, .name = "spurious", .once = A},
    {.kind = FAULT_JUMP,
     .call = CALL_CLOCK,
     .error = ETIMEDOUT,
     .name = "jump50",
     .once = R,
     .years = 50},
    {.kind = FAULT_JUMP,
     .call = CALL_CLOCK,
     .error = ETIMEDOUT,
     .name = "jump580",
     .once = R,
     .years = 580},
};

const size_t fault_count = sizeof faults / sizeof faults[0];

enum fault_outcome fault_outcome(const struct fault *fault, enum fault_mode mode)
{
    switch (mode) {
    case MODE_ONCE:
        return fault->once;
    case MODE_PERSISTENT:
        return fault->persistent;
    default:
        return fault->burst;
    }
}

const char *fault_mode_name(enum fault_mode mode)
{
    static const char *const names[] = {"once", "persistent", "burst"};

    return names[mode];
}

const char *call_name(enum fault_call call)
{
    static const char *const names[CALL_COUNT + 1] = {
        [CALL_MALLOC] = "malloc",
        [CALL_MMAP] = "mmap",
        [CALL_MUNMAP] = "munmap",
        [CALL_MPROTECT] = "mprotect",
        [CALL_MADVISE] = "madvise",
        [CALL_MINCORE] = "mincore",
        [CALL_MEMBARRIER] = "membarrier",
        [CALL_READ] = "read",
        [CALL_READ_EVENTFD] = "read_eventfd",
        [CALL_WRITE] = "write",
        [CALL_SENDFILE] = "sendfile",
        [CALL_CLOSE] = "close",
        [CALL_FSTAT] = "fstat",
        [CALL_FCNTL] = "fcntl",
        [CALL_OPENAT] = "openat",
        [CALL_SOCKET] = "socket",
        [CALL_BIND] = "bind",
        [CALL_LISTEN] = "listen",
        [CALL_ACCEPT4] = "accept4",
        [CALL_CONNECT] = "connect",
        [CALL_SHUTDOWN] = "shutdown",
        [CALL_GETSOCKOPT] = "getsockopt",
        [CALL_SO_ERROR] = "so_error",
        [CALL_SETSOCKOPT] = "setsockopt",
        [CALL_GETSOCKNAME] = "getsockname",
        [CALL_GETPEERNAME] = "getpeername",
        [CALL_RECV] = "recv",
        [CALL_SEND] = "send",
        [CALL_RECVMSG] = "recvmsg",
        [CALL_SENDMSG] = "sendmsg",
        [CALL_EPOLL_CREATE1] = "epoll_create1",
        [CALL_EPOLL_CTL] = "epoll_ctl",
        [CALL_EPOLL_PWAIT2] = "epoll_pwait2",
        [CALL_EPOLL_WAIT] = "epoll_wait",
        [CALL_PPOLL] = "ppoll",
        [CALL_EVENTFD] = "eventfd",
        [CALL_TIMERFD_CREATE] = "timerfd_create",
        [CALL_TIMERFD_SETTIME] = "timerfd_settime",
        [CALL_FUTEX_WAIT] = "futex_wait",
        [CALL_THREAD_CREATE] = "thread_create",
        [CALL_SIGACTION] = "sigaction",
        [CALL_SIGALTSTACK] = "sigaltstack",
        [CALL_SCHED_GETAFFINITY] = "sched_getaffinity",
        [CALL_PRCTL] = "prctl",
        [CALL_GETRANDOM] = "getrandom",
        [CALL_CLOCK] = "clock",
        [CALL_MALLOC_LIBC] = "malloc_libc",
        [CALL_OPENAT_LIBC] = "openat_libc",
        [CALL_FSTAT_LIBC] = "fstat_libc",
        [CALL_PREAD_LIBC] = "pread_libc",
        [CALL_WRITE_LIBC] = "write_libc",
        [CALL_COUNT] = "run",
    };

    return names[call];
}

bool call_is_interruptible(enum fault_call call)
{
    switch (call) {
    case CALL_READ:
    case CALL_READ_EVENTFD:
    case CALL_WRITE:
    case CALL_SENDFILE:
    case CALL_CLOSE:
    case CALL_OPENAT:
    case CALL_ACCEPT4:
    case CALL_CONNECT:
    case CALL_RECV:
    case CALL_SEND:
    case CALL_RECVMSG:
    case CALL_SENDMSG:
    case CALL_EPOLL_PWAIT2:
    case CALL_EPOLL_WAIT:
    case CALL_PPOLL:
    case CALL_FUTEX_WAIT:
    case CALL_GETRANDOM:
    case CALL_PREAD_LIBC:
    case CALL_WRITE_LIBC:
        return true;
    default:
        return false;
    }
}
