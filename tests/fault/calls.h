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
    CALL_MINCORE,
    CALL_MEMBARRIER,
    CALL_READ,
    CALL_READ_EVENTFD,
    CALL_WRITE,
    CALL_SENDFILE,
    CALL_CLOSE,
    CALL_FSTAT,
    CALL_FCNTL,
    CALL_OPENAT,
    CALL_SOCKET,
    CALL_BIND,
    CALL_LISTEN,
    CALL_ACCEPT4,
    CALL_CONNECT,
    CALL_SHUTDOWN,
    CALL_GETSOCKOPT,
    CALL_SO_ERROR,
    CALL_SETSOCKOPT,
    CALL_GETSOCKNAME,
    CALL_GETPEERNAME,
    CALL_RECV,
    CALL_SEND,
    CALL_RECVMSG,
    CALL_SENDMSG,
    CALL_EPOLL_CREATE1,
    CALL_EPOLL_CTL,
    CALL_EPOLL_PWAIT2,
    CALL_EPOLL_WAIT,
    CALL_PPOLL,
    CALL_EVENTFD,
    CALL_TIMERFD_CREATE,
    CALL_TIMERFD_SETTIME,
    CALL_FUTEX_WAIT,
    CALL_THREAD_CREATE,
    CALL_SIGACTION,
    CALL_SIGALTSTACK,
    CALL_SCHED_GETAFFINITY,
    CALL_PRCTL,
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
