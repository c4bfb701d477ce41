// SPDX-License-Identifier: MIT
//
// The system calls that can be made to fail, by what they are used for: a write to an eventfd and
// a write to a file fail differently. Those that end in _LIBC are libc's, called by a program
// around rouse.

#ifndef TESTS_FAULT_CALLS_H
#define TESTS_FAULT_CALLS_H

#include <stdbool.h>

enum fault_call {
    CALL_MALLOC,
    CALL_MMAP,
    CALL_MUNMAP,
    CALL_MPROTECT,
    CALL_MADVISE,
    CALL_MADVISE_MANY,
    CALL_MINCORE,
    CALL_MEMBARRIER,
    CALL_READ,
    CALL_READ_EVENTFD,
    CALL_READ_CHANGES,
    CALL_READ_CHILD,  // the pipe from a child
    CALL_WRITE,
    CALL_SENDFILE,
    CALL_SPLICE,
    CALL_CLOSE,
    CALL_FSTAT,
    CALL_FCNTL,
    CALL_PIPE2,
    CALL_PIPE2_CHILD,  // a pipe to or from a child
    CALL_OPENAT,
    CALL_PREADV2,
    CALL_PWRITEV2,
    CALL_PREADV,
    CALL_PWRITEV,
    CALL_OPENAT2,
    CALL_OPENAT_FILE,
    CALL_CLOSE_WRITTEN,
    CALL_FSYNC,
    CALL_FDATASYNC,
    CALL_FTRUNCATE,
    CALL_FALLOCATE,
    CALL_FSTATAT,
    CALL_FSTATFS,
    CALL_RENAMEAT,
    CALL_UNLINKAT,
    CALL_MKDIRAT,
    CALL_GETDENTS,
    CALL_COPY_FILE_RANGE,
    CALL_INOTIFY_INIT1,
    CALL_INOTIFY_ADD_WATCH,
    CALL_SOCKET,
    CALL_BIND,
    CALL_LISTEN,
    CALL_ACCEPT4,
    CALL_SOCKETPAIR,
    CALL_CONNECT,
    CALL_CONNECT_AT_ONCE,  // of what is no TCP socket: there is nothing to wait for
    CALL_SHUTDOWN,
    CALL_GETSOCKOPT,
    CALL_SO_ERROR,
    CALL_SETSOCKOPT,
    CALL_GETSOCKNAME,
    CALL_GETPEERNAME,
    CALL_RECV,
    CALL_SEND,
    CALL_RECVMSG,
    CALL_RECV_NOTICE,  // about memory that was lent to the kernel
    CALL_SENDMSG,
    CALL_RECVMMSG,
    CALL_SENDMMSG,
    CALL_LOOK_UP,
    CALL_EPOLL_CREATE1,
    CALL_EPOLL_CTL,
    CALL_EPOLL_PWAIT2,
    CALL_EPOLL_WAIT,
    CALL_PPOLL,
    CALL_EVENTFD,
    CALL_TIMERFD_CREATE,
    CALL_TIMERFD_SETTIME,
    CALL_IO_URING_SETUP,
    CALL_IO_URING_ENTER,
    CALL_MMAP_FILE,
    CALL_FUTEX_WAIT,
    CALL_CLONE,
    CALL_CHILD_EXECVE,  // these four are made by the child itself
    CALL_CHILD_PLACE,
    CALL_CHILD_STREAM,
    CALL_CHILD_CLOSE_RANGE,
    CALL_PIDFD_OPEN,
    CALL_PIDFD_SEND_SIGNAL,
    CALL_KILL,
    CALL_WAITID,
    CALL_THREAD_CREATE,
    CALL_SIGACTION,
    CALL_SIGALTSTACK,
    CALL_SCHED_GETAFFINITY,
    CALL_SCHED_SETAFFINITY,
    CALL_GETCPU,
    CALL_PRCTL,
    CALL_TGKILL,
    CALL_PEEK,
    CALL_GETRANDOM,
    CALL_CLOCK,
    CALL_MALLOC_LIBC,
    CALL_OPENAT_LIBC,
    CALL_FSTAT_LIBC,
    CALL_PREAD_LIBC,
    CALL_WRITE_LIBC,
    CALL_COUNT,
};

const char *call_name(enum fault_call call);

// True if a signal may interrupt it.
bool call_is_interruptible(enum fault_call call);

#endif
