// SPDX-License-Identifier: MIT
//
// The one table of system calls. Everything rouse asks of the kernel goes through it, so a test
// can make any call fail, stall or lie. Each entry returns what the call returns, or a negative
// errno; `errno` is never looked at above this line.
//
// The table is written only before threads start (by tests); it is read by every thread.

#ifndef RS_BASE_SYS_H
#define RS_BASE_SYS_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct rs_sys {
    // Descriptors.
    ssize_t (*read)(int fd, void *buf, size_t size);
    ssize_t (*readv)(int fd, const struct iovec *iov, int count);
    ssize_t (*write)(int fd, const void *buf, size_t size);
    ssize_t (*writev)(int fd, const struct iovec *iov, int count);
    ssize_t (*sendfile)(int out_fd, int in_fd, off_t *offset, size_t size);
    int (*close)(int fd);
    int (*fstat)(int fd, struct stat *out);
    int (*fcntl)(int fd, int command, long argument);
    int (*pipe2)(int fds[2], int flags);
    int (*openat)(int directory_fd, const char *path, int flags, unsigned mode);

    // Sockets.
    int (*socket)(int domain, int type, int protocol);
    int (*socketpair)(int domain, int type, int protocol, int fds[2]);
    int (*bind)(int fd, const struct sockaddr *address, socklen_t length);
    int (*listen)(int fd, int backlog);
    int (*accept4)(int fd, struct sockaddr *address, socklen_t *length, int flags);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t length);
    int (*shutdown)(int fd, int how);
    int (*getsockopt)(int fd, int level, int name, void *value, socklen_t *length);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t length);
    int (*getsockname)(int fd, struct sockaddr *address, socklen_t *length);
    int (*getpeername)(int fd, struct sockaddr *address, socklen_t *length);
    ssize_t (*recv)(int fd, void *buf, size_t size, int flags);
    ssize_t (*send)(int fd, const void *buf, size_t size, int flags);
    ssize_t (*recvmsg)(int fd, struct msghdr *message, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);

    // Waiting.
    int (*epoll_create1)(int flags);
    int (*epoll_ctl)(int epoll_fd, int operation, int fd, struct epoll_event *event);
    // A NULL timeout waits for ever. -ENOSYS on kernels before 5.11.
    int (*epoll_pwait2)(int epoll_fd, struct epoll_event *events, int max,
                        const struct timespec *timeout);
    int (*epoll_wait)(int epoll_fd, struct epoll_event *events, int max, int timeout_ms);
    int (*ppoll)(struct pollfd *fds, nfds_t count, const struct timespec *timeout);
    int (*eventfd)(unsigned initial, int flags);
    int (*timerfd_create)(int clock, int flags);
    int (*timerfd_settime)(int fd, int flags, const struct itimerspec *time);
    // 0, or -EAGAIN, -EINTR, -ETIMEDOUT. `timeout` is relative; NULL waits for ever.
    int (*futex_wait)(uint32_t *word, uint32_t expected, const struct timespec *timeout);
    int (*futex_wake)(uint32_t *word, int count);

    // Memory.
    int (*mmap)(void **out, size_t size, int protection, int flags);
    int (*munmap)(void *memory, size_t size);
    int (*mprotect)(void *memory, size_t size, int protection);
    int (*madvise)(void *memory, size_t size, int advice);
    // resident[i] & 1: the page is in memory.
    int (*mincore)(void *memory, size_t size, unsigned char *resident);
    int (*membarrier)(int command);
    void *(*malloc)(size_t size);

    // Threads, signals and the rest.
    int (*thread_create)(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                         void *arg);
    int (*sigaction)(int number, const struct sigaction *action, struct sigaction *old);
    int (*sigaltstack)(const stack_t *stack, stack_t *old);
    int (*sched_getaffinity)(size_t size, void *set);
    int (*prctl)(int option, unsigned long a, unsigned long b);
    int (*getrandom)(void *buf, size_t size);
    int (*clock_gettime)(clockid_t clock, struct timespec *out);
};

extern struct rs_sys rs_sys;

// The real calls, to restore the table, or to call from behind a replaced entry.
extern const struct rs_sys rs_sys_real;

#endif
