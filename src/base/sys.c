// SPDX-License-Identifier: MIT
//
// The real system calls behind the table: each turns -1 and errno into a negative errno.

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
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

static int real_connect(int fd, const struct sockaddr *address, socklen_t length)
{
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

static int real_sched_getaffinity(size_t size, void *set)
{
    return checked(sched_getaffinity(0, size, set));
}

static int real_prctl(int option, unsigned long a, unsigned long b)
{
    return checked(prctl(option, a, b, 0UL, 0UL));
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
        .pipe2 = real_pipe2, .openat = real_openat, .socket = real_socket,                        \
        .socketpair = real_socketpair, .bind = real_bind, .listen = real_listen,                  \
        .accept4 = real_accept4, .connect = real_connect, .shutdown = real_shutdown,              \
        .getsockopt = real_getsockopt, .setsockopt = real_setsockopt,                             \
        .getsockname = real_getsockname, .getpeername = real_getpeername, .recv = real_recv,      \
        .send = real_send, .recvmsg = real_recvmsg, .sendmsg = real_sendmsg,                      \
        .epoll_create1 = real_epoll_create1, .epoll_ctl = real_epoll_ctl,                         \
        .epoll_pwait2 = real_epoll_pwait2, .epoll_wait = real_epoll_wait, .ppoll = real_ppoll,    \
        .eventfd = real_eventfd, .timerfd_create = real_timerfd_create,                           \
        .timerfd_settime = real_timerfd_settime, .futex_wait = real_futex_wait,                   \
        .futex_wake = real_futex_wake, .mmap = real_mmap, .munmap = real_munmap,                  \
        .mprotect = real_mprotect, .madvise = real_madvise, .mincore = real_mincore,              \
        .sigaltstack = real_sigaltstack, .membarrier = real_membarrier, .malloc = real_malloc,    \
        .thread_create = real_thread_create, .sigaction = real_sigaction,                         \
        .sched_getaffinity = real_sched_getaffinity, .prctl = real_prctl,                         \
        .getrandom = real_getrandom, .clock_gettime = real_clock_gettime,                         \
    }

struct rs_sys rs_sys = REAL_TABLE;
const struct rs_sys rs_sys_real = REAL_TABLE;
