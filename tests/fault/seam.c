// SPDX-License-Identifier: MIT
//
// The seam. What it injects is honest: a kernel could have done the same. So a call that says
// EAGAIN, or moves less than it could, is followed by an edge if the descriptor is ready, as in the
// kernel; a close that fails has closed; a connect that was interrupted goes on.
//
// Threads: all of the process, and signal handlers (write to an eventfd only, which takes no lock).

#include "seam.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/timerfd.h>

#include "base/sys.h"

enum {
    DESCRIPTORS = 1024,  // that are told apart
    REGISTRATIONS = 256,
    BURST = 50,
    INTERRUPTS = 3,  // in a row, for FAULT_INTERRUPTS
    SHORT_SIZE = 61  // bytes, for FAULT_SHORT
};

#define YEAR_S (UINT64_C(365) * 24 * 3600)

static struct seam_plan plan;
static struct seam_counts *counts;
static atomic_bool armed;
static _Thread_local bool inside;

// ---- The decision ----

static bool is_armed(void)
{
    // Acquire, with the release in seam_begin(): the plan is there.
    return atomic_load_explicit(&armed, memory_order_acquire);
}

static void injected(void)
{
    // Relaxed, here and below: counts, read after the process has ended.
    atomic_fetch_add_explicit(&counts->injected, 1, memory_order_relaxed);
}

// Counts the call; its number, from 1.
static uint32_t number_of(enum fault_call call)
{
    return atomic_fetch_add_explicit(&counts->calls[call], 1, memory_order_relaxed) + 1;
}

static bool is_chosen(uint32_t n)
{
    switch (plan.mode) {
    case MODE_ONCE:
        return n == plan.n;
    case MODE_PERSISTENT:
        return n >= plan.n;
    default:
        return n >= plan.n && n < plan.n + BURST;
    }
}

int seam_ask(enum fault_call call)
{
    if (!is_armed()) return 0;
    uint32_t n = number_of(call);
    int err = 0;

    if (plan.fault->kind == FAULT_ERROR && plan.fault->call == call && is_chosen(n)) {
        err = -plan.fault->error;
    } else if (plan.fault->kind == FAULT_INTERRUPTS && call_is_interruptible(call) &&
               n % (INTERRUPTS + 1) != 0) {
        err = -EINTR;
    }
    if (err != 0) injected();
    return err;
}

bool seam_is_inside(void)
{
    return inside;
}

static bool is_kind(enum fault_kind kind)
{
    return is_armed() && plan.fault->kind == kind;
}

size_t seam_share(size_t size)
{
    if (size <= SHORT_SIZE || !is_kind(FAULT_SHORT)) return size;
    injected();
    return SHORT_SIZE;
}

// True if this sleep is to end at once.
static bool is_spurious(enum fault_call call)
{
    if (!is_kind(FAULT_SPURIOUS)) return false;
    if (atomic_load_explicit(&counts->calls[call], memory_order_relaxed) % 2 == 0) return false;
    injected();
    return true;
}

static uint64_t jumped_s(void)
{
    if (!is_kind(FAULT_JUMP)) return 0;
    return atomic_load_explicit(&counts->calls[CALL_CLOCK], memory_order_relaxed) >= plan.n
               ? plan.fault->years * YEAR_S
               : 0;
}

// ---- Edges ----

// What the epoll sets hold, to have them report again.
struct registration {
    int epoll_fd;
    int fd;
    struct epoll_event event;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct registration registry[REGISTRATIONS];  // these two under registry_lock
static size_t registry_count;
static _Atomic unsigned char is_eventfd[DESCRIPTORS];

static void registry_remove(int epoll_fd, int fd)
{
    for (size_t i = 0; i < registry_count;) {
        bool in_set = epoll_fd < 0 || registry[i].epoll_fd == epoll_fd;

        if ((registry[i].fd == fd && in_set) || (epoll_fd < 0 && registry[i].epoll_fd == fd)) {
            registry[i] = registry[--registry_count];
        } else {
            i++;
        }
    }
}

static void registry_add(int epoll_fd, int fd, const struct epoll_event *event)
{
    if (registry_count == REGISTRATIONS) return;
    registry[registry_count++] =
        (struct registration){.epoll_fd = epoll_fd, .fd = fd, .event = *event};
}

// Has every set that watches `fd` report it again if it is ready.
static void nudge(int fd)
{
    (void)pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_count; i++) {
        if (registry[i].fd != fd) continue;
        (void)rs_sys_real.epoll_ctl(registry[i].epoll_fd, EPOLL_CTL_MOD, fd, &registry[i].event);
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

static void eventfd_mark(int fd, bool is)
{
    // Relaxed: whoever uses the descriptor has got it from its maker.
    if (fd >= 0 && fd < DESCRIPTORS) {
        atomic_store_explicit(&is_eventfd[fd], is, memory_order_relaxed);
    }
}

static bool eventfd_is(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS &&
           atomic_load_explicit(&is_eventfd[fd], memory_order_relaxed) != 0;
}

// The answer to a call that could not proceed.
static int refused(int fd, int err)
{
    if (err == -EAGAIN) nudge(fd);
    return err;
}

// The answer to a transfer that may have been cut short.
static ssize_t moved(int fd, ssize_t result, size_t tried, size_t wanted)
{
    if (result > 0 && tried < wanted) nudge(fd);
    return result;
}

// ---- Descriptors ----

static ssize_t seam_read(int fd, void *buf, size_t size)
{
    int err = seam_ask(eventfd_is(fd) ? CALL_READ_EVENTFD : CALL_READ);

    return err < 0 ? err : rs_sys_real.read(fd, buf, size);
}

static ssize_t seam_write(int fd, const void *buf, size_t size)
{
    int err = eventfd_is(fd) ? 0 : seam_ask(CALL_WRITE);

    if (err < 0) return err;
    inside = true;
    ssize_t result = rs_sys_real.write(fd, buf, seam_share(size));
    inside = false;
    return result;
}

static ssize_t seam_sendfile(int out_fd, int in_fd, off_t *offset, size_t size)
{
    int err = seam_ask(CALL_SENDFILE);
    size_t share = seam_share(size);

    if (err < 0) return refused(out_fd, err);
    return moved(out_fd, rs_sys_real.sendfile(out_fd, in_fd, offset, share), share, size);
}

static int seam_close(int fd)
{
    int err = seam_ask(CALL_CLOSE);

    (void)pthread_mutex_lock(&registry_lock);
    registry_remove(-1, fd);
    (void)pthread_mutex_unlock(&registry_lock);
    eventfd_mark(fd, false);
    int result = rs_sys_real.close(fd);

    return err < 0 ? err : result;
}

static int seam_fstat(int fd, struct stat *out)
{
    int err = seam_ask(CALL_FSTAT);

    if (err < 0) return err;
    inside = true;
    err = rs_sys_real.fstat(fd, out);
    inside = false;
    return err;
}

static int seam_fcntl(int fd, int command, long argument)
{
    int err = seam_ask(CALL_FCNTL);

    return err < 0 ? err : rs_sys_real.fcntl(fd, command, argument);
}

static int seam_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    int err = seam_ask(CALL_OPENAT);

    if (err < 0) return err;
    inside = true;
    int fd = rs_sys_real.openat(directory_fd, path, flags, mode);
    inside = false;
    return fd;
}

// ---- Sockets ----

static int seam_socket(int domain, int type, int protocol)
{
    int err = seam_ask(CALL_SOCKET);

    return err < 0 ? err : rs_sys_real.socket(domain, type, protocol);
}

static int seam_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int err = seam_ask(CALL_BIND);

    return err < 0 ? err : rs_sys_real.bind(fd, address, length);
}

static int seam_listen(int fd, int backlog)
{
    int err = seam_ask(CALL_LISTEN);

    return err < 0 ? err : rs_sys_real.listen(fd, backlog);
}

static int seam_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    int err = seam_ask(CALL_ACCEPT4);

    return err < 0 ? refused(fd, err) : rs_sys_real.accept4(fd, address, length, flags);
}

static int seam_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int err = seam_ask(CALL_CONNECT);

    if (err < 0 && err != -EINTR && err != -EINPROGRESS) return err;
    int result = rs_sys_real.connect(fd, address, length);

    return err < 0 && result == 0 ? err : result;
}

static int seam_shutdown(int fd, int how)
{
    int err = seam_ask(CALL_SHUTDOWN);

    return err < 0 ? err : rs_sys_real.shutdown(fd, how);
}

static int seam_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    int err = seam_ask(CALL_GETSOCKOPT);

    if (err < 0) return err;
    err = rs_sys_real.getsockopt(fd, level, name, value, length);
    if (err == 0 && level == SOL_SOCKET && name == SO_ERROR) {
        int error = -seam_ask(CALL_SO_ERROR);

        if (error > 0) memcpy(value, &error, sizeof error);
    }
    return err;
}

static int seam_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    int err = seam_ask(CALL_SETSOCKOPT);

    return err < 0 ? err : rs_sys_real.setsockopt(fd, level, name, value, length);
}

static int seam_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    int err = seam_ask(CALL_GETSOCKNAME);

    return err < 0 ? err : rs_sys_real.getsockname(fd, address, length);
}

static int seam_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    int err = seam_ask(CALL_GETPEERNAME);

    return err < 0 ? err : rs_sys_real.getpeername(fd, address, length);
}

static ssize_t seam_recv(int fd, void *buf, size_t size, int flags)
{
    int err = seam_ask(CALL_RECV);
    size_t share = seam_share(size);

    if (err < 0) return refused(fd, err);
    return moved(fd, rs_sys_real.recv(fd, buf, share, flags), share, size);
}

static ssize_t seam_send(int fd, const void *buf, size_t size, int flags)
{
    int err = seam_ask(CALL_SEND);
    size_t share = seam_share(size);

    if (err < 0) return refused(fd, err);
    return moved(fd, rs_sys_real.send(fd, buf, share, flags), share, size);
}

// The first buffer of a message that is not empty, cut.
static struct msghdr message_share(const struct msghdr *message, struct iovec *iov)
{
    struct msghdr cut = *message;
    size_t i = 0;

    if (!is_kind(FAULT_SHORT) || message->msg_iovlen == 0) return cut;
    while (i + 1 < message->msg_iovlen && message->msg_iov[i].iov_len == 0) i++;
    *iov = message->msg_iov[i];
    iov->iov_len = seam_share(iov->iov_len);
    cut.msg_iov = iov;
    cut.msg_iovlen = 1;
    return cut;
}

static ssize_t seam_recvmsg(int fd, struct msghdr *message, int flags)
{
    int err = seam_ask(CALL_RECVMSG);
    struct iovec iov;
    struct msghdr cut = message_share(message, &iov);

    if (err < 0) return refused(fd, err);
    return moved(fd, rs_sys_real.recvmsg(fd, &cut, flags), cut.msg_iov == &iov ? 0 : 1, 1);
}

static ssize_t seam_sendmsg(int fd, const struct msghdr *message, int flags)
{
    int err = seam_ask(CALL_SENDMSG);
    struct iovec iov;
    struct msghdr cut = message_share(message, &iov);

    if (err < 0) return refused(fd, err);
    return moved(fd, rs_sys_real.sendmsg(fd, &cut, flags), cut.msg_iov == &iov ? 0 : 1, 1);
}

// ---- Waiting ----

static int seam_epoll_create1(int flags)
{
    int err = seam_ask(CALL_EPOLL_CREATE1);

    return err < 0 ? err : rs_sys_real.epoll_create1(flags);
}

static int seam_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    int err = seam_ask(CALL_EPOLL_CTL);

    if (err < 0) return err;
    (void)pthread_mutex_lock(&registry_lock);
    err = rs_sys_real.epoll_ctl(epoll_fd, operation, fd, event);
    if (err == 0) {
        registry_remove(epoll_fd, fd);
        if (operation != EPOLL_CTL_DEL) registry_add(epoll_fd, fd, event);
    }
    (void)pthread_mutex_unlock(&registry_lock);
    return err;
}

static int seam_epoll_pwait2(int epoll_fd, struct epoll_event *events, int max,
                             const struct timespec *timeout)
{
    int err = seam_ask(CALL_EPOLL_PWAIT2);

    if (err < 0) return err;
    if (is_spurious(CALL_EPOLL_PWAIT2)) return 0;
    return rs_sys_real.epoll_pwait2(epoll_fd, events, max, timeout);
}

static int seam_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    int err = seam_ask(CALL_EPOLL_WAIT);

    if (err < 0) return err;
    if (timeout_ms != 0 && is_spurious(CALL_EPOLL_WAIT)) return 0;
    return rs_sys_real.epoll_wait(epoll_fd, events, max, timeout_ms);
}

static int seam_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    bool sleeps = timeout == NULL || timeout->tv_sec != 0 || timeout->tv_nsec != 0;
    int err = seam_ask(CALL_PPOLL);

    if (err < 0) return err;
    if (sleeps && is_spurious(CALL_PPOLL)) {
        for (nfds_t i = 0; i < count; i++) fds[i].revents = 0;
        return 0;
    }
    return rs_sys_real.ppoll(fds, count, timeout);
}

static int seam_eventfd(unsigned initial, int flags)
{
    int err = seam_ask(CALL_EVENTFD);

    if (err < 0) return err;
    int fd = rs_sys_real.eventfd(initial, flags);

    eventfd_mark(fd, true);
    return fd;
}

static int seam_timerfd_create(int clock, int flags)
{
    int err = seam_ask(CALL_TIMERFD_CREATE);

    return err < 0 ? err : rs_sys_real.timerfd_create(clock, flags);
}

// The kernel has not heard of our jump.
static int seam_timerfd_settime(int fd, int flags, const struct itimerspec *time)
{
    int err = seam_ask(CALL_TIMERFD_SETTIME);
    struct itimerspec real = *time;
    time_t jump = (time_t)jumped_s();
    bool is_set = time->it_value.tv_sec != 0 || time->it_value.tv_nsec != 0;

    if (err < 0) return err;
    if ((flags & TFD_TIMER_ABSTIME) != 0 && is_set && jump > 0) {
        real.it_value.tv_sec = real.it_value.tv_sec > jump ? real.it_value.tv_sec - jump : 0;
        if (real.it_value.tv_sec == 0) real.it_value.tv_nsec = 1;
    }
    return rs_sys_real.timerfd_settime(fd, flags, &real);
}

static int seam_futex_wait(uint32_t *word, uint32_t expected, const struct timespec *timeout)
{
    int err = seam_ask(CALL_FUTEX_WAIT);

    if (err < 0) return err;
    if (is_spurious(CALL_FUTEX_WAIT)) return 0;
    return rs_sys_real.futex_wait(word, expected, timeout);
}

// ---- Memory ----

static int seam_mmap(void **out, size_t size, int protection, int flags)
{
    int err = seam_ask(CALL_MMAP);

    return err < 0 ? err : rs_sys_real.mmap(out, size, protection, flags);
}

static int seam_munmap(void *memory, size_t size)
{
    int err = seam_ask(CALL_MUNMAP);

    return err < 0 ? err : rs_sys_real.munmap(memory, size);
}

static int seam_mprotect(void *memory, size_t size, int protection)
{
    int err = seam_ask(CALL_MPROTECT);

    return err < 0 ? err : rs_sys_real.mprotect(memory, size, protection);
}

static int seam_madvise(void *memory, size_t size, int advice)
{
    int err = seam_ask(CALL_MADVISE);

    return err < 0 ? err : rs_sys_real.madvise(memory, size, advice);
}

static int seam_mincore(void *memory, size_t size, unsigned char *resident)
{
    int err = seam_ask(CALL_MINCORE);

    return err < 0 ? err : rs_sys_real.mincore(memory, size, resident);
}

static int seam_membarrier(int command)
{
    int err = seam_ask(CALL_MEMBARRIER);

    return err < 0 ? err : rs_sys_real.membarrier(command);
}

static void *seam_malloc(size_t size)
{
    if (seam_ask(CALL_MALLOC) < 0) return NULL;
    inside = true;
    void *memory = rs_sys_real.malloc(size);
    inside = false;
    return memory;
}

// ---- Threads, signals and the rest ----

static int seam_thread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                              void *arg)
{
    int err = seam_ask(CALL_THREAD_CREATE);

    return err < 0 ? err : rs_sys_real.thread_create(out, attributes, fn, arg);
}

static int seam_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    int err = seam_ask(CALL_SIGACTION);

    return err < 0 ? err : rs_sys_real.sigaction(number, action, old);
}

static int seam_sigaltstack(const stack_t *stack, stack_t *old)
{
    int err = seam_ask(CALL_SIGALTSTACK);

    return err < 0 ? err : rs_sys_real.sigaltstack(stack, old);
}

static int seam_sched_getaffinity(size_t size, void *set)
{
    int err = seam_ask(CALL_SCHED_GETAFFINITY);

    return err < 0 ? err : rs_sys_real.sched_getaffinity(size, set);
}

static int seam_prctl(int option, unsigned long a, unsigned long b)
{
    int err = seam_ask(CALL_PRCTL);

    return err < 0 ? err : rs_sys_real.prctl(option, a, b);
}

static int seam_getrandom(void *buf, size_t size)
{
    int err = seam_ask(CALL_GETRANDOM);

    return err < 0 ? err : rs_sys_real.getrandom(buf, size);
}

static int seam_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (is_kind(FAULT_JUMP) && number_of(CALL_CLOCK) >= plan.n) injected();
    int err = rs_sys_real.clock_gettime(clock, out);

    out->tv_sec += (time_t)jumped_s();
    return err;
}

// ---- In place ----

void seam_begin(const struct seam_plan *the_plan, struct seam_counts *the_counts)
{
    plan = *the_plan;
    counts = the_counts;
    rs_sys = (struct rs_sys){
        .read = seam_read,
        .readv = rs_sys_real.readv,
        .write = seam_write,
        .writev = rs_sys_real.writev,
        .sendfile = seam_sendfile,
        .close = seam_close,
        .fstat = seam_fstat,
        .fcntl = seam_fcntl,
        .pipe2 = rs_sys_real.pipe2,
        .openat = seam_openat,
        .socket = seam_socket,
        .socketpair = rs_sys_real.socketpair,
        .bind = seam_bind,
        .listen = seam_listen,
        .accept4 = seam_accept4,
        .connect = seam_connect,
        .shutdown = seam_shutdown,
        .getsockopt = seam_getsockopt,
        .setsockopt = seam_setsockopt,
        .getsockname = seam_getsockname,
        .getpeername = seam_getpeername,
        .recv = seam_recv,
        .send = seam_send,
        .recvmsg = seam_recvmsg,
        .sendmsg = seam_sendmsg,
        .epoll_create1 = seam_epoll_create1,
        .epoll_ctl = seam_epoll_ctl,
        .epoll_pwait2 = seam_epoll_pwait2,
        .epoll_wait = seam_epoll_wait,
        .ppoll = seam_ppoll,
        .eventfd = seam_eventfd,
        .timerfd_create = seam_timerfd_create,
        .timerfd_settime = seam_timerfd_settime,
        .futex_wait = seam_futex_wait,
        .futex_wake = rs_sys_real.futex_wake,
        .mmap = seam_mmap,
        .munmap = seam_munmap,
        .mprotect = seam_mprotect,
        .madvise = seam_madvise,
        .mincore = seam_mincore,
        .membarrier = seam_membarrier,
        .malloc = seam_malloc,
        .thread_create = seam_thread_create,
        .sigaction = seam_sigaction,
        .sigaltstack = seam_sigaltstack,
        .sched_getaffinity = seam_sched_getaffinity,
        .prctl = seam_prctl,
        .getrandom = seam_getrandom,
        .clock_gettime = seam_clock_gettime,
    };
    // Release, with the acquire in is_armed().
    atomic_store_explicit(&armed, true, memory_order_release);
}

void seam_end(void)
{
    // Relaxed: it makes no difference to the one call that misses it.
    atomic_store_explicit(&armed, false, memory_order_relaxed);
}
