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

struct io_uring_params;
struct addrinfo;

struct rs_sys {
    // Descriptors.
    ssize_t (*read)(int fd, void *buf, size_t size);
    ssize_t (*readv)(int fd, const struct iovec *iov, int count);
    ssize_t (*write)(int fd, const void *buf, size_t size);
    ssize_t (*writev)(int fd, const struct iovec *iov, int count);
    ssize_t (*sendfile)(int out_fd, int in_fd, off_t *offset, size_t size);
    // Without offsets: one of the two is a pipe, the other one no file.
    ssize_t (*splice)(int in_fd, int out_fd, size_t size, unsigned flags);
    int (*close)(int fd);
    int (*fstat)(int fd, struct stat *out);
    int (*fcntl)(int fd, int command, long argument);
    int (*pipe2)(int fds[2], int flags);
    int (*openat)(int directory_fd, const char *path, int flags, unsigned mode);
    int (*unlinkat)(int directory_fd, const char *path, int flags);

    // Files. An offset of -1: the file's position; `flags` are RWF_NOWAIT and so on.
    ssize_t (*preadv2)(int fd, const struct iovec *iov, int count, int64_t offset, int flags);
    ssize_t (*pwritev2)(int fd, const struct iovec *iov, int count, int64_t offset, int flags);
    ssize_t (*preadv)(int fd, const struct iovec *iov, int count, int64_t offset);
    ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, int64_t offset);
    // `resolve` is RESOLVE_CACHED and so on. -ENOSYS on kernels before 5.6.
    int (*openat2)(int directory_fd, const char *path, int flags, unsigned mode, unsigned resolve);
    int (*fsync)(int fd);
    int (*fdatasync)(int fd);
    int (*ftruncate)(int fd, int64_t size);
    int (*fallocate)(int fd, int mode, int64_t offset, int64_t size);
    int (*fstatat)(int directory_fd, const char *path, struct stat *out, int flags);
    int (*fstatfs_type)(int fd, int64_t *out);
    int (*renameat)(int from_fd, const char *from, int to_fd, const char *to);
    int (*mkdirat)(int directory_fd, const char *path, unsigned mode);
    ssize_t (*getdents)(int fd, void *buf, size_t size);
    // At both files' positions.
    ssize_t (*copy_file_range)(int from_fd, int to_fd, size_t size);
    int (*inotify_init1)(int flags);
    int (*inotify_add_watch)(int fd, const char *path, uint32_t mask);
    int (*inotify_rm_watch)(int fd, int watch);

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
    // How many messages were moved.
    int (*recvmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags);
    int (*sendmmsg)(int fd, struct mmsghdr *messages, unsigned count, int flags);
    // getaddrinfo(), which blocks: returns 0 or an EAI_ code; `*error` is errno, for EAI_SYSTEM.
    int (*look_up)(const char *host, const char *service, const struct addrinfo *hints,
                   struct addrinfo **out, int *error);

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
    int (*io_uring_setup)(unsigned entries, struct io_uring_params *params);
    // A NULL timeout waits for ever. Another needs IORING_ENTER_GETEVENTS and a kernel from 5.11.
    int (*io_uring_enter)(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                          const struct timespec *timeout);
    int (*io_uring_register)(int fd, unsigned operation, void *argument, unsigned count);
    // 0, or -EAGAIN, -EINTR, -ETIMEDOUT. `timeout` is relative; NULL waits for ever.
    int (*futex_wait)(uint32_t *word, uint32_t expected, const struct timespec *timeout);
    int (*futex_wake)(uint32_t *word, int count);

    // Memory.
    int (*mmap)(void **out, size_t size, int protection, int flags);
    int (*mmap_file)(void **out, size_t size, int protection, int flags, int fd, off_t offset);
    int (*munmap)(void *memory, size_t size);
    int (*mprotect)(void *memory, size_t size, int protection);
    int (*madvise)(void *memory, size_t size, int advice);
    // As process_madvise(2) on this process, for which it takes a kernel from 6.15: how many bytes
    // were advised.
    ssize_t (*madvise_many)(const struct iovec *ranges, size_t count, int advice);
    // resident[i] & 1: the page is in memory.
    int (*mincore)(void *memory, size_t size, unsigned char *resident);
    int (*membarrier)(int command);
    void *(*malloc)(size_t size);

    // Child processes. clone() runs `fn(arg)` in the child on the stack that ends at `stack`; the
    // child calls the kernel by child_call(), since libc's calls are not made for memory that it
    // shares with us.
    int (*clone)(int (*fn)(void *), void *stack, int flags, void *arg);
    long (*child_call)(long number, long a, long b, long c, long d);
    int (*pidfd_open)(pid_t pid);
    int (*pidfd_send_signal)(int pidfd, int signal);
    int (*kill)(pid_t pid, int signal);
    // `options` as waitid(2): a pid of 0 in `*info` says that the child has not ended.
    int (*waitid)(pid_t pid, siginfo_t *info, int options);

    // Threads, signals and the rest.
    int (*thread_create)(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                         void *arg);
    int (*sigaction)(int number, const struct sigaction *action, struct sigaction *old);
    int (*sigaltstack)(const stack_t *stack, stack_t *old);
    // Of a thread; 0: the calling one.
    int (*sched_getaffinity)(pid_t thread, size_t size, void *set);
    // Of the calling thread.
    int (*sched_setaffinity)(size_t size, const void *set);
    // On which processor it is, or has just been.
    int (*getcpu)(void);
    int (*prctl)(int option, unsigned long a, unsigned long b);
    // Signals a thread of ours.
    int (*tgkill)(pid_t thread, int number);
    // Copies memory of ours that may be gone, up to 32 KiB of it: how much there was, or -EFAULT.
    ssize_t (*peek)(void *buf, const void *from, size_t size);
    int (*getrandom)(void *buf, size_t size);
    int (*clock_gettime)(clockid_t clock, struct timespec *out);
};

extern struct rs_sys rs_sys;

// The real calls, to restore the table, or to call from behind a replaced entry.
extern const struct rs_sys rs_sys_real;

#endif
