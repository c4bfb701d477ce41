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
    ROW(CALL_MADVISE_MANY, EBADF, A, A),
    ROW(CALL_MADVISE_MANY, EINVAL, A, A),
    ROW(CALL_MADVISE_MANY, EPERM, A, A),
    ROW(CALL_MINCORE, ENOMEM, A, A),
    ROW(CALL_MINCORE, EAGAIN, A, A),
    ROW(CALL_MEMBARRIER, ENOSYS, A, A),
    ROW(CALL_MEMBARRIER, EPERM, A, A),

    // Descriptors.
    ROW_BURST(CALL_READ, EINTR),
    ROW(CALL_READ, EIO, A, A),
    ROW_BURST(CALL_READ_EVENTFD, EINTR),
    ROW_BURST(CALL_READ_EVENTFD, EAGAIN),
    ROW_BURST(CALL_READ_CHILD, EINTR),
    ROW_BURST(CALL_READ_CHILD, EAGAIN),
    ROW(CALL_READ_CHILD, EIO, R, R),
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
    ROW_BURST(CALL_SPLICE, EINTR),
    ROW_BURST(CALL_SPLICE, EAGAIN),
    ROW(CALL_SPLICE, EINVAL, A, A),
    ROW(CALL_SPLICE, ENOSYS, A, A),
    ROW(CALL_SPLICE, EPERM, A, A),
    ROW(CALL_SPLICE, ENOMEM, R, R),
    ROW(CALL_SPLICE, EPIPE, R, R),
    ROW_BURST(CALL_CLOSE, EINTR),
    ROW(CALL_CLOSE, EIO, A, A),
    ROW(CALL_FSTAT, ENOMEM, R, S),  // without it poll watches nothing, and an accept waits
    ROW(CALL_FSTAT, EPERM, R, R),
    ROW(CALL_FCNTL, EPERM, R, R),
    ROW(CALL_PIPE2, EMFILE, A, A),
    ROW(CALL_PIPE2, ENFILE, A, A),
    ROW(CALL_PIPE2, ENOMEM, A, A),
    ROW(CALL_PIPE2_CHILD, EMFILE, R, R),
    ROW(CALL_PIPE2_CHILD, ENFILE, R, R),
    ROW(CALL_PIPE2_CHILD, ENOMEM, R, R),
    ROW_BURST(CALL_OPENAT, EINTR),
    ROW(CALL_OPENAT, EMFILE, A, A),
    ROW(CALL_OPENAT, ENFILE, A, A),
    ROW(CALL_OPENAT, ENOMEM, A, A),
    ROW(CALL_OPENAT, EACCES, A, A),
    ROW(CALL_OPENAT, ENOENT, A, A),

    // Files. What is tried without waiting is done by the pool if that fails, and so is what a ring
    // refuses. EIO of the first means a disk that is broken.
    ROW_BURST(CALL_PREADV2, EINTR),
    ROW(CALL_PREADV2, EAGAIN, A, A),
    ROW(CALL_PREADV2, EOPNOTSUPP, A, A),
    ROW(CALL_PREADV2, ENOSYS, A, A),
    ROW(CALL_PREADV2, EPERM, A, A),
    ROW(CALL_PREADV2, EIO, R, R),
    ROW_BURST(CALL_PWRITEV2, EINTR),
    ROW(CALL_PWRITEV2, EAGAIN, A, A),
    ROW(CALL_PWRITEV2, ENOSYS, A, A),
    ROW(CALL_PWRITEV2, EPERM, A, A),
    ROW(CALL_PWRITEV2, ENOSPC, R, R),
    ROW_BURST(CALL_PREADV, EINTR),
    ROW(CALL_PREADV, EIO, R, R),
    ROW_BURST(CALL_PWRITEV, EINTR),
    ROW(CALL_PWRITEV, EIO, R, R),
    ROW(CALL_PWRITEV, ENOSPC, R, R),
    ROW(CALL_OPENAT2, EAGAIN, A, A),
    ROW(CALL_OPENAT2, ENOSYS, A, A),
    ROW(CALL_OPENAT2, EPERM, A, A),
    ROW(CALL_OPENAT2, EMFILE, R, R),
    ROW(CALL_OPENAT2, ENOENT, R, R),
    ROW_BURST(CALL_OPENAT_FILE, EINTR),
    ROW(CALL_OPENAT_FILE, EMFILE, R, R),
    ROW(CALL_OPENAT_FILE, EACCES, R, R),
    ROW(CALL_OPENAT_FILE, ENOMEM, R, R),
    ROW_BURST(CALL_CLOSE_WRITTEN, EINTR),
    ROW(CALL_CLOSE_WRITTEN, EIO, R, R),
    ROW_BURST(CALL_FSYNC, EINTR),
    ROW(CALL_FSYNC, EIO, R, R),
    ROW(CALL_FDATASYNC, EIO, R, R),
    ROW_BURST(CALL_FTRUNCATE, EINTR),
    ROW(CALL_FTRUNCATE, EIO, R, R),
    ROW_BURST(CALL_FALLOCATE, EINTR),
    ROW(CALL_FALLOCATE, ENOSPC, R, R),
    ROW(CALL_FSTATAT, EACCES, R, R),
    ROW(CALL_FSTATFS, ENOSYS, A, A),
    ROW(CALL_FSTATFS, EPERM, A, A),
    ROW(CALL_RENAMEAT, EXDEV, R, R),
    ROW(CALL_UNLINKAT, EACCES, R, R),
    ROW(CALL_MKDIRAT, ENOSPC, R, R),
    ROW(CALL_GETDENTS, EIO, R, R),
    ROW_BURST(CALL_COPY_FILE_RANGE, EINTR),
    ROW(CALL_COPY_FILE_RANGE, EXDEV, A, A),
    ROW(CALL_COPY_FILE_RANGE, ENOSYS, A, A),
    ROW(CALL_COPY_FILE_RANGE, EOPNOTSUPP, A, A),
    ROW(CALL_COPY_FILE_RANGE, EIO, R, R),
    ROW(CALL_INOTIFY_INIT1, EMFILE, R, R),
    ROW(CALL_INOTIFY_INIT1, ENOSYS, R, R),
    ROW(CALL_INOTIFY_ADD_WATCH, ENOSPC, R, R),
    ROW_BURST(CALL_READ_CHANGES, EINTR),
    ROW_BURST(CALL_READ_CHANGES, EAGAIN),
    ROW(CALL_READ_CHANGES, ENOMEM, R, R),

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
    // A full backlog of a Unix socket is waited out.
    ROW_BURST(CALL_CONNECT_AT_ONCE, EINTR),
    ROW(CALL_CONNECT_AT_ONCE, EAGAIN, R, S),
    ROW(CALL_CONNECT_AT_ONCE, ECONNREFUSED, R, R),
    ROW(CALL_CONNECT_AT_ONCE, EPERM, R, R),
    ROW(CALL_SOCKETPAIR, EMFILE, R, R),
    ROW(CALL_SOCKETPAIR, ENFILE, R, R),
    ROW(CALL_SOCKETPAIR, ENOMEM, R, R),
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
    ROW_BURST(CALL_RECV_NOTICE, EINTR),
    ROW(CALL_RECV_NOTICE, EPERM, R, R),
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
    ROW_BURST(CALL_RECVMMSG, EINTR),
    ROW_BURST(CALL_RECVMMSG, EAGAIN),
    ROW(CALL_RECVMMSG, ECONNREFUSED, R, R),
    ROW(CALL_RECVMMSG, ENOMEM, R, R),
    ROW(CALL_RECVMMSG, ENOSYS, R, R),
    ROW_BURST(CALL_SENDMMSG, EINTR),
    ROW_BURST(CALL_SENDMMSG, EAGAIN),
    ROW(CALL_SENDMMSG, ECONNREFUSED, R, R),
    ROW(CALL_SENDMMSG, ENOBUFS, R, R),
    ROW(CALL_SENDMMSG, ENOSYS, R, R),

    // Each stands for one of getaddrinfo's own codes.
    ROW(CALL_LOOK_UP, EAGAIN, R, R),
    ROW(CALL_LOOK_UP, ENOENT, R, R),
    ROW(CALL_LOOK_UP, ENOMEM, R, R),
    ROW(CALL_LOOK_UP, EIO, R, R),
    ROW(CALL_LOOK_UP, EMFILE, R, R),

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
    // Without a ring there is epoll, at the start and later.
    ROW(CALL_IO_URING_SETUP, ENOSYS, A, A),
    ROW(CALL_IO_URING_SETUP, EPERM, A, A),
    ROW(CALL_IO_URING_SETUP, EACCES, A, A),
    ROW(CALL_IO_URING_SETUP, ENOMEM, A, A),
    ROW(CALL_IO_URING_SETUP, EMFILE, A, A),
    ROW(CALL_IO_URING_SETUP, EINVAL, A, A),
    ROW(CALL_MMAP_FILE, ENOMEM, A, A),
    ROW(CALL_MMAP_FILE, EAGAIN, A, A),
    ROW_BURST(CALL_IO_URING_ENTER, EINTR),
    ROW_BURST(CALL_IO_URING_ENTER, EAGAIN),
    ROW(CALL_IO_URING_ENTER, EBUSY, A, A),
    ROW(CALL_IO_URING_ENTER, EPERM, A, A),
    ROW(CALL_IO_URING_ENTER, EACCES, A, A),
    ROW(CALL_IO_URING_ENTER, ENOSYS, A, A),
    ROW(CALL_IO_URING_ENTER, EINVAL, A, A),
    ROW(CALL_IO_URING_ENTER, ENOMEM, A, A),
    ROW_BURST(CALL_FUTEX_WAIT, EINTR),
    ROW_BURST(CALL_FUTEX_WAIT, EAGAIN),

    // Child processes. What the child meets its parent is told. Without a pidfd there is SIGCHLD,
    // and without close_range each descriptor is looked at.
    ROW(CALL_CLONE, EAGAIN, R, R),
    ROW(CALL_CLONE, ENOMEM, R, R),
    ROW(CALL_CLONE, EPERM, R, R),
    ROW(CALL_CHILD_EXECVE, EACCES, R, R),
    ROW(CALL_CHILD_EXECVE, ENOENT, R, R),
    ROW(CALL_CHILD_EXECVE, ENOMEM, R, R),
    ROW(CALL_CHILD_EXECVE, E2BIG, R, R),
    ROW(CALL_CHILD_PLACE, EACCES, R, R),
    ROW(CALL_CHILD_PLACE, EPERM, R, R),
    ROW(CALL_CHILD_STREAM, EMFILE, R, R),
    ROW(CALL_CHILD_STREAM, EBUSY, R, R),
    ROW(CALL_CHILD_CLOSE_RANGE, ENOSYS, A, A),
    ROW(CALL_CHILD_CLOSE_RANGE, EPERM, A, A),
    ROW(CALL_PIDFD_OPEN, ENOSYS, A, A),
    ROW(CALL_PIDFD_OPEN, EPERM, A, A),
    ROW(CALL_PIDFD_OPEN, EMFILE, A, A),
    ROW(CALL_PIDFD_SEND_SIGNAL, ENOSYS, A, A),
    ROW(CALL_PIDFD_SEND_SIGNAL, EPERM, R, R),
    ROW(CALL_KILL, EPERM, R, R),
    ROW_BURST(CALL_WAITID, EINTR),
    ROW(CALL_WAITID, ECHILD, R, R),

    // Threads, signals and the rest.
    ROW(CALL_THREAD_CREATE, EAGAIN, R, R),
    ROW(CALL_SIGACTION, EPERM, R, R),
    ROW(CALL_SIGALTSTACK, ENOMEM, A, A),
    ROW(CALL_SIGALTSTACK, EPERM, A, A),
    ROW(CALL_SCHED_GETAFFINITY, EINVAL, A, A),
    ROW(CALL_SCHED_GETAFFINITY, EPERM, A, A),
    ROW(CALL_PRCTL, EPERM, A, A),
    ROW(CALL_TGKILL, EPERM, A, A),
    ROW(CALL_PEEK, EPERM, A, A),
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

bool fault_owes_edge(const struct fault *fault)
{
    if (fault->kind == FAULT_SHORT) return true;
    if (fault->kind != FAULT_ERROR || fault->error != EAGAIN) return false;
    switch (fault->call) {
    case CALL_READ_EVENTFD:
    case CALL_READ_CHILD:
    case CALL_WRITE:
    case CALL_SENDFILE:
    case CALL_ACCEPT4:
    case CALL_RECV:
    case CALL_RECVMSG:
    case CALL_SEND:
    case CALL_SENDMSG:
        return true;
    default:
        return false;
    }
}

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
        [CALL_MADVISE_MANY] = "madvise_many",
        [CALL_MINCORE] = "mincore",
        [CALL_MEMBARRIER] = "membarrier",
        [CALL_READ] = "read",
        [CALL_READ_EVENTFD] = "read_eventfd",
        [CALL_READ_CHANGES] = "read_changes",
        [CALL_READ_CHILD] = "read_child",
        [CALL_WRITE] = "write",
        [CALL_SENDFILE] = "sendfile",
        [CALL_SPLICE] = "splice",
        [CALL_CLOSE] = "close",
        [CALL_FSTAT] = "fstat",
        [CALL_FCNTL] = "fcntl",
        [CALL_PIPE2] = "pipe2",
        [CALL_PIPE2_CHILD] = "pipe2_child",
        [CALL_OPENAT] = "openat",
        [CALL_PREADV2] = "preadv2",
        [CALL_PWRITEV2] = "pwritev2",
        [CALL_PREADV] = "preadv",
        [CALL_PWRITEV] = "pwritev",
        [CALL_OPENAT2] = "openat2",
        [CALL_OPENAT_FILE] = "openat_file",
        [CALL_CLOSE_WRITTEN] = "close_written",
        [CALL_FSYNC] = "fsync",
        [CALL_FDATASYNC] = "fdatasync",
        [CALL_FTRUNCATE] = "ftruncate",
        [CALL_FALLOCATE] = "fallocate",
        [CALL_FSTATAT] = "fstatat",
        [CALL_FSTATFS] = "fstatfs",
        [CALL_RENAMEAT] = "renameat",
        [CALL_UNLINKAT] = "unlinkat",
        [CALL_MKDIRAT] = "mkdirat",
        [CALL_GETDENTS] = "getdents",
        [CALL_COPY_FILE_RANGE] = "copy_file_range",
        [CALL_INOTIFY_INIT1] = "inotify_init1",
        [CALL_INOTIFY_ADD_WATCH] = "inotify_add_watch",
        [CALL_SOCKET] = "socket",
        [CALL_BIND] = "bind",
        [CALL_LISTEN] = "listen",
        [CALL_ACCEPT4] = "accept4",
        [CALL_SOCKETPAIR] = "socketpair",
        [CALL_CONNECT] = "connect",
        [CALL_CONNECT_AT_ONCE] = "connect_at_once",
        [CALL_SHUTDOWN] = "shutdown",
        [CALL_GETSOCKOPT] = "getsockopt",
        [CALL_SO_ERROR] = "so_error",
        [CALL_SETSOCKOPT] = "setsockopt",
        [CALL_GETSOCKNAME] = "getsockname",
        [CALL_GETPEERNAME] = "getpeername",
        [CALL_RECV] = "recv",
        [CALL_RECV_NOTICE] = "recv_notice",
        [CALL_SEND] = "send",
        [CALL_RECVMSG] = "recvmsg",
        [CALL_SENDMSG] = "sendmsg",
        [CALL_RECVMMSG] = "recvmmsg",
        [CALL_SENDMMSG] = "sendmmsg",
        [CALL_LOOK_UP] = "look_up",
        [CALL_EPOLL_CREATE1] = "epoll_create1",
        [CALL_EPOLL_CTL] = "epoll_ctl",
        [CALL_EPOLL_PWAIT2] = "epoll_pwait2",
        [CALL_EPOLL_WAIT] = "epoll_wait",
        [CALL_PPOLL] = "ppoll",
        [CALL_EVENTFD] = "eventfd",
        [CALL_TIMERFD_CREATE] = "timerfd_create",
        [CALL_TIMERFD_SETTIME] = "timerfd_settime",
        [CALL_IO_URING_SETUP] = "io_uring_setup",
        [CALL_IO_URING_ENTER] = "io_uring_enter",
        [CALL_MMAP_FILE] = "mmap_file",
        [CALL_FUTEX_WAIT] = "futex_wait",
        [CALL_CLONE] = "clone",
        [CALL_CHILD_EXECVE] = "child_execve",
        [CALL_CHILD_PLACE] = "child_place",
        [CALL_CHILD_STREAM] = "child_stream",
        [CALL_CHILD_CLOSE_RANGE] = "child_close_range",
        [CALL_PIDFD_OPEN] = "pidfd_open",
        [CALL_PIDFD_SEND_SIGNAL] = "pidfd_send_signal",
        [CALL_KILL] = "kill",
        [CALL_WAITID] = "waitid",
        [CALL_THREAD_CREATE] = "thread_create",
        [CALL_SIGACTION] = "sigaction",
        [CALL_SIGALTSTACK] = "sigaltstack",
        [CALL_SCHED_GETAFFINITY] = "sched_getaffinity",
        [CALL_SCHED_SETAFFINITY] = "sched_setaffinity",
        [CALL_GETCPU] = "getcpu",
        [CALL_PRCTL] = "prctl",
        [CALL_TGKILL] = "tgkill",
        [CALL_PEEK] = "peek",
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
    case CALL_READ_CHANGES:
    case CALL_READ_CHILD:
    case CALL_WAITID:
    case CALL_WRITE:
    case CALL_SENDFILE:
    case CALL_SPLICE:
    case CALL_CLOSE:
    case CALL_OPENAT:
    case CALL_PREADV2:
    case CALL_PWRITEV2:
    case CALL_PREADV:
    case CALL_PWRITEV:
    case CALL_OPENAT2:
    case CALL_OPENAT_FILE:
    case CALL_CLOSE_WRITTEN:
    case CALL_FSYNC:
    case CALL_FDATASYNC:
    case CALL_FTRUNCATE:
    case CALL_FALLOCATE:
    case CALL_COPY_FILE_RANGE:
    case CALL_ACCEPT4:
    case CALL_CONNECT:
    case CALL_RECV:
    case CALL_SEND:
    case CALL_RECVMSG:
    case CALL_RECV_NOTICE:
    case CALL_SENDMSG:
    case CALL_RECVMMSG:
    case CALL_SENDMMSG:
    case CALL_EPOLL_PWAIT2:
    case CALL_EPOLL_WAIT:
    case CALL_PPOLL:
    case CALL_IO_URING_ENTER:
    case CALL_FUTEX_WAIT:
    case CALL_GETRANDOM:
    case CALL_PREAD_LIBC:
    case CALL_WRITE_LIBC:
        return true;
    default:
        return false;
    }
}
