// SPDX-License-Identifier: MIT
//
// The real system calls behind the table: each turns -1 and errno into a negative errno.

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <netdb.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"

static int checked(int result)
{
    return result < 0 ? -errno : result;
}

static ssize_t checked_size(ssize_t result)
{
    return result < 0 ? -errno : result;
}

static ssize_t real_read(int fd, void *buf, size_t size)
{
    return checked_size(read(fd, buf, size));
}

static ssize_t real_readv(int fd, const struct iovec *iov, int count)
{
    return checked_size(readv(fd, iov, count));
}

static ssize_t real_write(int fd, const void *buf, size_t size)
{
    return checked_size(write(fd, buf, size));
}

static ssize_t real_writev(int fd, const struct iovec *iov, int count)
{
    return checked_size(writev(fd, iov, count));
}

static ssize_t real_sendfile(int out_fd, int in_fd, off_t *offset, size_t size)
{
    return checked_size(sendfile(out_fd, in_fd, offset, size));
}

static ssize_t real_splice(int in_fd, int out_fd, size_t size, unsigned flags)
{
    return checked_size(splice(in_fd, NULL, out_fd, NULL, size, flags));
}

static int real_close(int fd)
{
    return checked(close(fd));
}

static int real_fstat(int fd, struct stat *out)
{
    return checked(fstat(fd, out));
}

static int real_fcntl(int fd, int command, long argument)
{
    return checked(fcntl(fd, command, argument));
}

static int real_pipe2(int fds[2], int flags)
{
    return checked(pipe2(fds, flags));
}

static int real_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    return checked(openat(directory_fd, path, flags, mode));
}

static ssize_t real_preadv2(int fd, const struct iovec *iov, int count, int64_t offset, int flags)
{
    return checked_size(preadv2(fd, iov, count, offset, flags));
}

static ssize_t real_pwritev2(int fd, const struct iovec *iov, int count, int64_t offset, int flags)
{
    return checked_size(pwritev2(fd, iov, count, offset, flags));
}

static ssize_t real_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
    return checked_size(preadv(fd, iov, count, offset));
}

static ssize_t real_pwritev(int fd, const struct iovec *iov, int count, int64_t offset)
{
    return checked_size(pwritev(fd, iov, count, offset));
}

static int real_openat2(int directory_fd, const char *path, int flags, unsigned mode,
                        unsigned resolve)
{
    struct open_how how = {.flags = (unsigned)flags, .mode = mode, .resolve = resolve};

    return checked((int)syscall(SYS_openat2, directory_fd, path, &how, sizeof how));
}

static int real_fsync(int fd)
{
    return checked(fsync(fd));
}

static int real_fdatasync(int fd)
{
    return checked(fdatasync(fd));
}

static int real_ftruncate(int fd, int64_t size)
{
    return checked(ftruncate(fd, size));
}

static int real_fallocate(int fd, int mode, int64_t offset, int64_t size)
{
    return checked(fallocate(fd, mode, offset, size));
}

static int real_fstatat(int directory_fd, const char *path, struct stat *out, int flags)
{
    return checked(fstatat(directory_fd, path, out, flags));
}

static int real_fstatfs_type(int fd, int64_t *out)
{
    struct statfs about;
    int err = checked(fstatfs(fd, &about));

    if (err == 0) *out = about.f_type;
    return err;
}

static int real_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    return checked(renameat(from_fd, from, to_fd, to));
}

static int real_unlinkat(int directory_fd, const char *path, int flags)
{
    return checked(unlinkat(directory_fd, path, flags));
}

static int real_mkdirat(int directory_fd, const char *path, unsigned mode)
{
    return checked(mkdirat(directory_fd, path, mode));
}

static ssize_t real_getdents(int fd, void *buf, size_t size)
{
    return checked_size(syscall(SYS_getdents64, fd, buf, size));
}

static ssize_t real_copy_file_range(int from_fd, int to_fd, size_t size)
{
    return checked_size(copy_file_range(from_fd, NULL, to_fd, NULL, size, 0));
}

static int real_inotify_init1(int flags)
{
    return checked(inotify_init1(flags));
}

static int real_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    return checked(inotify_add_watch(fd, path, mask));
}

static int real_inotify_rm_watch(int fd, int watch)
{
    return checked(inotify_rm_watch(fd, watch));
}

static int real_socket(int domain, int type, int protocol)
{
    return checked(socket(domain, type, protocol));
}

static int real_socketpair(int domain, int type, int protocol, int fds[2])
{
    return checked(socketpair(domain, type, protocol, fds));
}

static int real_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return checked(bind(fd, address, length));
}

static int real_listen(int fd, int backlog)
{
    return checked(listen(fd, backlog));
}

static int real_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    return checked(accept4(fd, address, length, flags));
}

// ThreadSanitizer takes a connect for the making of the descriptor, before which nobody else may
// have it. To disconnect is a use beside others'.
static int real_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (RS_TSAN && address->sa_family == AF_UNSPEC) {
        return checked((int)syscall(SYS_connect, fd, address, length));
    }
    return checked(connect(fd, address, length));
}

static int real_shutdown(int fd, int how)
{
    return checked(shutdown(fd, how));
}

static int real_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    return checked(getsockopt(fd, level, name, value, length));
}

static int real_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return checked(setsockopt(fd, level, name, value, length));
}

static int real_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    return checked(getsockname(fd, address, length));
}

static int real_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    return checked(getpeername(fd, address, length));
}

// The two calls of every message. In a program with threads libc makes them points of cancellation,
// which costs two locked instructions each and which we never use. The sanitizers know only libc's.
#if defined(SYS_recvfrom) && defined(SYS_sendto) && !RS_ASAN && !RS_TSAN
static ssize_t real_recv(int fd, void *buf, size_t size, int flags)
{
    return checked_size(syscall(SYS_recvfrom, fd, buf, size, flags, NULL, NULL));
}

static ssize_t real_send(int fd, const void *buf, size_t size, int flags)
{
    return checked_size(syscall(SYS_sendto, fd, buf, size, flags, NULL, 0));
}
#else
static ssize_t real_recv(int fd, void *buf, size_t size, int flags)
{
    return checked_size(recv(fd, buf, size, flags));
}

static ssize_t real_send(int fd, const void *buf, size_t size, int flags)
{
    return checked_size(send(fd, buf, size, flags));
}
#endif

static ssize_t real_recvmsg(int fd, struct msghdr *message, int flags)
{
    return checked_size(recvmsg(fd, message, flags));
}

static ssize_t real_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return checked_size(sendmsg(fd, message, flags));
}

static int real_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return checked(recvmmsg(fd, messages, count, flags, NULL));
}

static int real_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return checked(sendmmsg(fd, messages, count, flags));
}

static int real_look_up(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **out, int *error)
{
    int result = getaddrinfo(host, service, hints, out);

    *error = errno;
    return result;
}

static int real_epoll_create1(int flags)
{
    return checked(epoll_create1(flags));
}

static int real_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    return checked(epoll_ctl(epoll_fd, operation, fd, event));
}

// ThreadSanitizer holds signals back until the thread makes a call that it knows, of which a futex
// and epoll_pwait2 are none. So under it a sleep is cut into pieces, with such a call in between;
// the sleeper sees a wake for no reason, which may happen anyway.
static const struct timespec *cut_short(const struct timespec *timeout)
{
    static const struct timespec piece = {.tv_nsec = 20000000};

    if (!RS_TSAN) return timeout;
    (void)usleep(0);
    if (timeout != NULL && (timeout->tv_sec == 0 && timeout->tv_nsec <= piece.tv_nsec)) {
        return timeout;
    }
    return &piece;
}

static int real_epoll_pwait2(int epoll_fd, struct epoll_event *events, int max,
                             const struct timespec *timeout)
{
    return checked(epoll_pwait2(epoll_fd, events, max, cut_short(timeout), NULL));
}

static int real_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    return checked(epoll_wait(epoll_fd, events, max, timeout_ms));
}

static int real_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    return checked(ppoll(fds, count, timeout, NULL));
}

static int real_eventfd(unsigned initial, int flags)
{
    return checked(eventfd(initial, flags));
}

static int real_timerfd_create(int clock, int flags)
{
    return checked(timerfd_create(clock, flags));
}

static int real_timerfd_settime(int fd, int flags, const struct itimerspec *time)
{
    return checked(timerfd_settime(fd, flags, time, NULL));
}

static int real_io_uring_setup(unsigned entries, struct io_uring_params *params)
{
    return checked((int)syscall(SYS_io_uring_setup, entries, params));
}

static int real_io_uring_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                               const struct timespec *timeout)
{
    struct io_uring_getevents_arg argument = {0};

    if (wait_for > 0) timeout = cut_short(timeout);
    if (timeout == NULL) {
        return checked(
            (int)syscall(SYS_io_uring_enter, fd, to_submit, wait_for, flags, NULL, (size_t)0));
    }
    _Static_assert(sizeof *timeout == sizeof(struct __kernel_timespec), "the kernel reads ours");
    argument.ts = (uintptr_t)timeout;
    return checked((int)syscall(SYS_io_uring_enter, fd, to_submit, wait_for,
                                flags | IORING_ENTER_EXT_ARG, &argument, sizeof argument));
}

static int real_io_uring_register(int fd, unsigned operation, void *argument, unsigned count)
{
    return checked((int)syscall(SYS_io_uring_register, fd, operation, argument, count));
}

static int real_futex_wait(uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    const struct timespec *actual = cut_short(timeout);
    int result = checked(
        (int)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, actual, NULL, 0));

    return result == -ETIMEDOUT && actual != timeout ? -EINTR : result;
}

static int real_futex_wake(uint32_t *word, int count)
{
    return checked((int)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0));
}

static int real_mmap(void **out, size_t size, int protection, int flags)
{
    void *memory = mmap(NULL, size, protection, flags, -1, 0);

    if (memory == MAP_FAILED) return -errno;
    *out = memory;
    return 0;
}

static int real_mmap_file(void **out, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory = mmap(NULL, size, protection, flags, fd, offset);

    if (memory == MAP_FAILED) return -errno;
    *out = memory;
    return 0;
}

static int real_munmap(void *memory, size_t size)
{
    return checked(munmap(memory, size));
}

static int real_mprotect(void *memory, size_t size, int protection)
{
    return checked(mprotect(memory, size, protection));
}

static int real_madvise(void *memory, size_t size, int advice)
{
    return checked(madvise(memory, size, advice));
}

// The process itself, in place of a descriptor. Younger than the C library's headers.
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10000)
#endif

static ssize_t real_madvise_many(const struct iovec *ranges, size_t count, int advice)
{
    return checked_size(syscall(SYS_process_madvise, PIDFD_SELF, ranges, count, advice, 0));
}

static int real_mincore(void *memory, size_t size, unsigned char *resident)
{
    return checked(mincore(memory, size, resident));
}

static int real_membarrier(int command)
{
    return checked((int)syscall(SYS_membarrier, command, 0, 0));
}

static void *real_malloc(size_t size)
{
    return malloc(size);
}

static int real_clone(int (*fn)(void *), void *stack, int flags, void *arg)
{
    return checked(clone(fn, stack, flags, arg));
}

static long real_child_call(long number, long a, long b, long c, long d)
{
    long result = syscall(number, a, b, c, d);

    return result < 0 ? -errno : result;
}

static int real_pidfd_open(pid_t pid)
{
    return checked((int)syscall(SYS_pidfd_open, pid, 0));
}

static int real_pidfd_send_signal(int pidfd, int signal)
{
    return checked((int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0));
}

static int real_kill(pid_t pid, int signal)
{
    return checked(kill(pid, signal));
}

static int real_waitid(pid_t pid, siginfo_t *info, int options)
{
    return checked(waitid(P_PID, (id_t)pid, info, options));
}

static int real_thread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                              void *arg)
{
    return -pthread_create(out, attributes, fn, arg);
}

static int real_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return checked(sigaction(number, action, old));
}

static int real_sigaltstack(const stack_t *stack, stack_t *old)
{
    return checked(sigaltstack(stack, old));
}

static int real_sched_getaffinity(pid_t thread, size_t size, void *set)
{
    return checked(sched_getaffinity(thread, size, set));
}

static int real_sched_setaffinity(size_t size, const void *set)
{
    return checked(sched_setaffinity(0, size, set));
}

static int real_getcpu(void)
{
    return checked(sched_getcpu());
}

static int real_prctl(int option, unsigned long a, unsigned long b)
{
    return checked(prctl(option, a, b, 0UL, 0UL));
}

static int real_tgkill(pid_t thread, int number)
{
    return checked((int)syscall(SYS_tgkill, getpid(), thread, number));
}

enum { PEEK_PAGE = 4096, PEEK_MAX = 32 << 10 };

// How much of it lies in the page where it begins.
static size_t first_page(uintptr_t at, size_t size)
{
    size_t left = PEEK_PAGE - at % PEEK_PAGE;

    return size < left ? size : left;
}

// Through a pipe, which holds as much: what is not there ends the writes, and is no fault.
static ssize_t peek_by_pipe(char *buf, uintptr_t at, size_t size)
{
    size_t written = 0;
    ssize_t n = 1;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
    while (written < size && n > 0) {
        n = write(fds[1], (const void *)(at + written), first_page(at + written, size - written));
        if (n > 0) written += (size_t)n;
    }
    n = written > 0 ? read(fds[0], buf, written) : 0;
    (void)close(fds[0]);
    (void)close(fds[1]);
    return n;
}

// Of pages: the first that is not there ends the copy. Where a filter refuses the call, or an
// emulator does not know it, a pipe does the same.
static ssize_t real_peek(void *buf, const void *from, size_t size)
{
    struct iovec pages[PEEK_MAX / PEEK_PAGE + 1];
    uintptr_t at = (uintptr_t)from;
    unsigned long count = 0;

    if (size > PEEK_MAX) size = PEEK_MAX;
    for (size_t done = 0; done < size; done += pages[count++].iov_len) {
        pages[count] = (struct iovec){.iov_base = (void *)(at + done),
                                      .iov_len = first_page(at + done, size - done)};
    }
    struct iovec to = {.iov_base = buf, .iov_len = size};
    ssize_t n = checked_size(process_vm_readv(getpid(), &to, 1, pages, count, 0));

    return n == -ENOSYS || n == -EPERM ? peek_by_pipe(buf, at, size) : n;
}

static int real_getrandom(void *buf, size_t size)
{
    return checked((int)getrandom(buf, size, 0));
}

static int real_clock_gettime(clockid_t clock, struct timespec *out)
{
    return checked(clock_gettime(clock, out));
}

#define REAL_TABLE                                                                                \
    {                                                                                             \
        .read = real_read, .readv = real_readv, .write = real_write, .writev = real_writev,       \
        .sendfile = real_sendfile, .close = real_close, .fstat = real_fstat, .fcntl = real_fcntl, \
        .pipe2 = real_pipe2, .openat = real_openat, .preadv2 = real_preadv2,                      \
        .pwritev2 = real_pwritev2, .preadv = real_preadv, .pwritev = real_pwritev,                \
        .openat2 = real_openat2, .fsync = real_fsync, .fdatasync = real_fdatasync,                \
        .ftruncate = real_ftruncate, .fallocate = real_fallocate, .fstatat = real_fstatat,        \
        .fstatfs_type = real_fstatfs_type, .renameat = real_renameat, .unlinkat = real_unlinkat,  \
        .mkdirat = real_mkdirat, .getdents = real_getdents,                                       \
        .copy_file_range = real_copy_file_range, .inotify_init1 = real_inotify_init1,             \
        .inotify_add_watch = real_inotify_add_watch, .inotify_rm_watch = real_inotify_rm_watch,   \
        .socket = real_socket, .socketpair = real_socketpair, .bind = real_bind,                  \
        .listen = real_listen, .accept4 = real_accept4, .connect = real_connect,                  \
        .shutdown = real_shutdown, .getsockopt = real_getsockopt, .setsockopt = real_setsockopt,  \
        .getsockname = real_getsockname, .getpeername = real_getpeername, .recv = real_recv,      \
        .send = real_send, .recvmsg = real_recvmsg, .sendmsg = real_sendmsg,                      \
        .epoll_create1 = real_epoll_create1, .epoll_ctl = real_epoll_ctl,                         \
        .epoll_pwait2 = real_epoll_pwait2, .epoll_wait = real_epoll_wait, .ppoll = real_ppoll,    \
        .eventfd = real_eventfd, .timerfd_create = real_timerfd_create,                           \
        .timerfd_settime = real_timerfd_settime, .futex_wait = real_futex_wait,                   \
        .futex_wake = real_futex_wake, .mmap = real_mmap, .munmap = real_munmap,                  \
        .mprotect = real_mprotect, .madvise = real_madvise, .madvise_many = real_madvise_many,    \
        .mincore = real_mincore, .sigaltstack = real_sigaltstack, .membarrier = real_membarrier,  \
        .malloc = real_malloc, .clone = real_clone, .child_call = real_child_call,                \
        .pidfd_open = real_pidfd_open, .pidfd_send_signal = real_pidfd_send_signal,               \
        .kill = real_kill, .waitid = real_waitid, .thread_create = real_thread_create,            \
        .sigaction = real_sigaction, .sched_getaffinity = real_sched_getaffinity,                 \
        .sched_setaffinity = real_sched_setaffinity, .getcpu = real_getcpu, .prctl = real_prctl,  \
        .getrandom = real_getrandom, .clock_gettime = real_clock_gettime,                         \
        .io_uring_setup = real_io_uring_setup, .io_uring_enter = real_io_uring_enter,             \
        .io_uring_register = real_io_uring_register, .mmap_file = real_mmap_file,                 \
        .recvmmsg = real_recvmmsg, .sendmmsg = real_sendmmsg, .splice = real_splice,              \
        .look_up = real_look_up, .tgkill = real_tgkill, .peek = real_peek,                        \
    }

struct rs_sys rs_sys = REAL_TABLE;
const struct rs_sys rs_sys_real = REAL_TABLE;
