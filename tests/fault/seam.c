// SPDX-License-Identifier: MIT
//
// The seam. What it injects is honest: a kernel could have done the same. So a call that says
// EAGAIN, or moves less than it could, is followed by an edge if the descriptor is ready, as in the
// kernel; a close that fails has closed; a connect that was interrupted goes on; a connection that
// is said to be gone is.
//
// Threads: all of the process, and signal handlers (write to an eventfd only, which takes no lock).

#include "seam.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
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
static _Atomic int inotify_fd = -1;  // the last; it stays so when it is closed
static _Atomic unsigned char is_child_pipe[DESCRIPTORS];

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

static void child_pipe_mark(int fd, bool is)
{
    // Relaxed: as in eventfd_mark().
    if (fd >= 0 && fd < DESCRIPTORS) {
        atomic_store_explicit(&is_child_pipe[fd], is, memory_order_relaxed);
    }
}

static bool child_pipe_is(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS &&
           atomic_load_explicit(&is_child_pipe[fd], memory_order_relaxed) != 0;
}

static bool eventfd_is(int fd)
{
    return fd >= 0 && fd < DESCRIPTORS &&
           atomic_load_explicit(&is_eventfd[fd], memory_order_relaxed) != 0;
}

// The answer to a call that could not proceed. A socket that says that its connection is gone has
// lost it, so both ends see the end of the stream.
static int refused(int fd, int err)
{
    if (err == -EAGAIN) nudge(fd);
    if (err == -EPIPE || err == -ENOTCONN) (void)rs_sys_real.shutdown(fd, SHUT_RDWR);
    return err;
}

// The answer to a transfer that may have been cut short.
static ssize_t moved(int fd, ssize_t result, size_t tried, size_t wanted)
{
    if (result > 0 && tried < wanted) nudge(fd);
    return result;
}

// ---- Descriptors ----

static enum fault_call read_of(int fd)
{
    if (eventfd_is(fd)) return CALL_READ_EVENTFD;
    if (child_pipe_is(fd)) return CALL_READ_CHILD;
    // Relaxed: as in eventfd_mark().
    return fd == atomic_load_explicit(&inotify_fd, memory_order_relaxed)
               ? CALL_READ_CHANGES
               : CALL_READ;
}

static ssize_t seam_read(int fd, void *buf, size_t size)
{
    enum fault_call call = read_of(fd);
    int err = seam_ask(call);

    if (err < 0) return call == CALL_READ ? err : refused(fd, err);
    if (call != CALL_READ_CHILD) return rs_sys_real.read(fd, buf, size);
    return moved(fd, rs_sys_real.read(fd, buf, seam_share(size)), seam_share(size), size);
}

static ssize_t seam_write(int fd, const void *buf, size_t size)
{
    int err = eventfd_is(fd) ? 0 : seam_ask(CALL_WRITE);

    if (err < 0) return child_pipe_is(fd) ? refused(fd, err) : err;
    inside = true;
    ssize_t result = rs_sys_real.write(fd, buf, seam_share(size));
    inside = false;
    return child_pipe_is(fd) ? moved(fd, result, seam_share(size), size) : result;
}

static ssize_t seam_sendfile(int out_fd, int in_fd, off_t *offset, size_t size)
{
    int err = seam_ask(CALL_SENDFILE);
    size_t share = seam_share(size);

    if (err < 0) return refused(out_fd, err);
    return moved(out_fd, rs_sys_real.sendfile(out_fd, in_fd, offset, share), share, size);
}

// One of the two is a pipe, which nobody watches.
static ssize_t seam_splice(int in_fd, int out_fd, size_t size, unsigned flags)
{
    int err = seam_ask(CALL_SPLICE);
    size_t share = seam_share(size);

    if (err < 0) return refused(in_fd, refused(out_fd, err));
    ssize_t result = rs_sys_real.splice(in_fd, out_fd, share, flags);

    return moved(in_fd, moved(out_fd, result, share, size), share, size);
}

// True of a file that was opened to be written only: its bytes may fail as late as this.
static bool is_written_file(int fd)
{
    struct stat about;

    return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY && rs_sys_real.fstat(fd, &about) == 0 &&
           S_ISREG(about.st_mode);
}

static int seam_close(int fd)
{
    int err = seam_ask(is_written_file(fd) ? CALL_CLOSE_WRITTEN : CALL_CLOSE);

    (void)pthread_mutex_lock(&registry_lock);
    registry_remove(-1, fd);
    (void)pthread_mutex_unlock(&registry_lock);
    eventfd_mark(fd, false);
    child_pipe_mark(fd, false);
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

static int seam_pipe2(int fds[2], int flags)
{
    // A child's end waits, and ours is made not to later.
    bool is_child = (flags & O_NONBLOCK) == 0;
    int err = seam_ask(is_child ? CALL_PIPE2_CHILD : CALL_PIPE2);

    if (err == 0) err = rs_sys_real.pipe2(fds, flags);
    for (int i = 0; i < 2 && err == 0; i++) child_pipe_mark(fds[i], is_child);
    return err;
}

static int seam_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    // The runtime itself reads what the system says about the machine.
    int err = seam_ask(strncmp(path, "/sys/", 5) == 0 || strncmp(path, "/proc/", 6) == 0
                           ? CALL_OPENAT
                           : CALL_OPENAT_FILE);

    if (err < 0) return err;
    inside = true;
    int fd = rs_sys_real.openat(directory_fd, path, flags, mode);
    inside = false;
    return fd;
}

// ---- Files ----

// The first buffer only, and not all of it: what a short transfer moves. NULL: all.
static const struct iovec *shortened(const struct iovec *iov, struct iovec *storage)
{
    *storage = (struct iovec){iov->iov_base, seam_share(iov->iov_len)};
    return storage->iov_len < iov->iov_len ? storage : NULL;
}

static ssize_t seam_preadv2(int fd, const struct iovec *iov, int count, int64_t offset, int flags)
{
    struct iovec storage;
    int err = seam_ask(CALL_PREADV2);
    const struct iovec *less = shortened(iov, &storage);

    if (err < 0) return err;
    return rs_sys_real.preadv2(fd, less != NULL ? less : iov, less != NULL ? 1 : count, offset,
                               flags);
}

static ssize_t seam_pwritev2(int fd, const struct iovec *iov, int count, int64_t offset, int flags)
{
    struct iovec storage;
    int err = seam_ask(CALL_PWRITEV2);
    const struct iovec *less = shortened(iov, &storage);

    if (err < 0) return err;
    return rs_sys_real.pwritev2(fd, less != NULL ? less : iov, less != NULL ? 1 : count, offset,
                                flags);
}

static ssize_t seam_preadv(int fd, const struct iovec *iov, int count, int64_t offset)
{
    struct iovec storage;
    int err = seam_ask(CALL_PREADV);
    const struct iovec *less = shortened(iov, &storage);

    if (err < 0) return err;
    return rs_sys_real.preadv(fd, less != NULL ? less : iov, less != NULL ? 1 : count, offset);
}

static ssize_t seam_pwritev(int fd, const struct iovec *iov, int count, int64_t offset)
{
    struct iovec storage;
    int err = seam_ask(CALL_PWRITEV);
    const struct iovec *less = shortened(iov, &storage);

    if (err < 0) return err;
    return rs_sys_real.pwritev(fd, less != NULL ? less : iov, less != NULL ? 1 : count, offset);
}

static ssize_t seam_copy_file_range(int from_fd, int to_fd, size_t size)
{
    int err = seam_ask(CALL_COPY_FILE_RANGE);

    return err < 0 ? err : rs_sys_real.copy_file_range(from_fd, to_fd, seam_share(size));
}

static int seam_openat2(int directory_fd, const char *path, int flags, unsigned mode,
                        unsigned resolve)
{
    int err = seam_ask(CALL_OPENAT2);

    return err < 0 ? err : rs_sys_real.openat2(directory_fd, path, flags, mode, resolve);
}

static int seam_fsync(int fd)
{
    int err = seam_ask(CALL_FSYNC);

    return err < 0 ? err : rs_sys_real.fsync(fd);
}

static int seam_fdatasync(int fd)
{
    int err = seam_ask(CALL_FDATASYNC);

    return err < 0 ? err : rs_sys_real.fdatasync(fd);
}

static int seam_ftruncate(int fd, int64_t size)
{
    int err = seam_ask(CALL_FTRUNCATE);

    return err < 0 ? err : rs_sys_real.ftruncate(fd, size);
}

static int seam_fallocate(int fd, int mode, int64_t offset, int64_t size)
{
    int err = seam_ask(CALL_FALLOCATE);

    return err < 0 ? err : rs_sys_real.fallocate(fd, mode, offset, size);
}

static int seam_fstatat(int directory_fd, const char *path, struct stat *out, int flags)
{
    int err = seam_ask(CALL_FSTATAT);

    return err < 0 ? err : rs_sys_real.fstatat(directory_fd, path, out, flags);
}

static int seam_fstatfs_type(int fd, int64_t *out)
{
    int err = seam_ask(CALL_FSTATFS);

    return err < 0 ? err : rs_sys_real.fstatfs_type(fd, out);
}

static int seam_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    int err = seam_ask(CALL_RENAMEAT);

    return err < 0 ? err : rs_sys_real.renameat(from_fd, from, to_fd, to);
}

static int seam_unlinkat(int directory_fd, const char *path, int flags)
{
    int err = seam_ask(CALL_UNLINKAT);

    return err < 0 ? err : rs_sys_real.unlinkat(directory_fd, path, flags);
}

static int seam_mkdirat(int directory_fd, const char *path, unsigned mode)
{
    int err = seam_ask(CALL_MKDIRAT);

    return err < 0 ? err : rs_sys_real.mkdirat(directory_fd, path, mode);
}

static ssize_t seam_getdents(int fd, void *buf, size_t size)
{
    int err = seam_ask(CALL_GETDENTS);

    return err < 0 ? err : rs_sys_real.getdents(fd, buf, size);
}

static int seam_inotify_init1(int flags)
{
    int err = seam_ask(CALL_INOTIFY_INIT1);

    if (err < 0) return err;
    int fd = rs_sys_real.inotify_init1(flags);

    // Relaxed: whoever uses the descriptor has got it from its maker.
    atomic_store_explicit(&inotify_fd, fd, memory_order_relaxed);
    return fd;
}

static int seam_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    int err = seam_ask(CALL_INOTIFY_ADD_WATCH);

    return err < 0 ? err : rs_sys_real.inotify_add_watch(fd, path, mask);
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

static int socket_option(int fd, int name)
{
    int value = 0;
    socklen_t length = sizeof value;

    (void)rs_sys_real.getsockopt(fd, SOL_SOCKET, name, &value, &length);
    return value;
}

static bool is_datagram_socket(int fd)
{
    return socket_option(fd, SO_TYPE) == SOCK_DGRAM;
}

static int seam_socketpair(int domain, int type, int protocol, int fds[2])
{
    int err = seam_ask(CALL_SOCKETPAIR);

    return err < 0 ? err : rs_sys_real.socketpair(domain, type, protocol, fds);
}

static int seam_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    if (is_datagram_socket(fd) || socket_option(fd, SO_DOMAIN) == AF_UNIX) {
        int refusal = seam_ask(CALL_CONNECT_AT_ONCE);

        return refusal < 0 ? refusal : rs_sys_real.connect(fd, address, length);
    }
    int err = seam_ask(CALL_CONNECT);

    if (err < 0 && err != -EINTR && err != -EINPROGRESS) return err;
    int result = rs_sys_real.connect(fd, address, length);

    return err < 0 && result == 0 ? err : result;
}

static int seam_shutdown(int fd, int how)
{
    int err = seam_ask(CALL_SHUTDOWN);

    return err < 0 ? refused(fd, err) : rs_sys_real.shutdown(fd, how);
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

// The first buffer of a message that is not empty, cut. A datagram is never cut.
static struct msghdr message_share(int fd, const struct msghdr *message, struct iovec *iov)
{
    struct msghdr cut = *message;
    size_t i = 0;

    if (!is_kind(FAULT_SHORT) || message->msg_iovlen == 0 || is_datagram_socket(fd)) return cut;
    while (i + 1 < message->msg_iovlen && message->msg_iov[i].iov_len == 0) i++;
    *iov = message->msg_iov[i];
    iov->iov_len = seam_share(iov->iov_len);
    cut.msg_iov = iov;
    cut.msg_iovlen = 1;
    return cut;
}

static ssize_t seam_recvmsg(int fd, struct msghdr *message, int flags)
{
    if ((flags & MSG_ERRQUEUE) != 0) {
        int refusal = seam_ask(CALL_RECV_NOTICE);

        return refusal < 0 ? refusal : rs_sys_real.recvmsg(fd, message, flags);
    }
    int err = seam_ask(CALL_RECVMSG);
    struct iovec iov;
    struct msghdr cut = message_share(fd, message, &iov);

    if (err < 0) return refused(fd, err);
    ssize_t result = rs_sys_real.recvmsg(fd, &cut, flags);

    message->msg_namelen = cut.msg_namelen;
    message->msg_controllen = cut.msg_controllen;
    message->msg_flags = cut.msg_flags;
    return moved(fd, result, cut.msg_iov == &iov ? 0 : 1, 1);
}

static ssize_t seam_sendmsg(int fd, const struct msghdr *message, int flags)
{
    int err = seam_ask(CALL_SENDMSG);
    struct iovec iov;
    struct msghdr cut = message_share(fd, message, &iov);

    if (err < 0) return refused(fd, err);
    return moved(fd, rs_sys_real.sendmsg(fd, &cut, flags), cut.msg_iov == &iov ? 0 : 1, 1);
}

// Of a batch one datagram is moved.
static unsigned batch_share(unsigned count)
{
    if (count <= 1 || !is_kind(FAULT_SHORT)) return count;
    injected();
    return 1;
}

static int seam_recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int err = seam_ask(CALL_RECVMMSG);
    unsigned share = batch_share(count);

    if (err < 0) return refused(fd, err);
    return (int)moved(fd, rs_sys_real.recvmmsg(fd, messages, share, flags), share, count);
}

static int seam_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    int err = seam_ask(CALL_SENDMMSG);
    unsigned share = batch_share(count);

    if (err < 0) return refused(fd, err);
    return (int)moved(fd, rs_sys_real.sendmmsg(fd, messages, share, flags), share, count);
}

static int look_up_code(int err)
{
    switch (err) {
    case -EAGAIN:
        return EAI_AGAIN;
    case -ENOENT:
        return EAI_NONAME;
    case -ENOMEM:
        return EAI_MEMORY;
    case -EIO:
        return EAI_FAIL;
    default:
        return EAI_SYSTEM;
    }
}

// Every name is this machine's, so that it needs no files, which are not what is made to fail here.
static int seam_look_up(const char *host, const char *service, const struct addrinfo *hints,
                        struct addrinfo **out, int *error)
{
    int err = seam_ask(CALL_LOOK_UP);
    struct addrinfo numeric = *hints;

    (void)host;
    *error = -err;
    if (err < 0) return look_up_code(err);
    numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    return rs_sys_real.look_up("127.0.0.1", service, &numeric, out, error);
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

static int seam_io_uring_setup(unsigned entries, struct io_uring_params *params)
{
    int err = seam_ask(CALL_IO_URING_SETUP);

    return err < 0 ? err : rs_sys_real.io_uring_setup(entries, params);
}

static int seam_io_uring_enter(int fd, unsigned to_submit, unsigned wait_for, unsigned flags,
                               const struct timespec *timeout)
{
    int err = seam_ask(CALL_IO_URING_ENTER);

    if (err < 0) return err;
    if (wait_for > 0 && is_spurious(CALL_IO_URING_ENTER)) return 0;
    return rs_sys_real.io_uring_enter(fd, to_submit, wait_for, flags, timeout);
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

static int seam_mmap_file(void **out, size_t size, int protection, int flags, int fd, off_t offset)
{
    int err = seam_ask(CALL_MMAP_FILE);

    return err < 0 ? err : rs_sys_real.mmap_file(out, size, protection, flags, fd, offset);
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

static ssize_t seam_madvise_many(const struct iovec *ranges, size_t count, int advice)
{
    int err = seam_ask(CALL_MADVISE_MANY);

    return err < 0 ? err : rs_sys_real.madvise_many(ranges, count, advice);
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

static int seam_sched_getaffinity(pid_t thread, size_t size, void *set)
{
    int err = seam_ask(CALL_SCHED_GETAFFINITY);

    return err < 0 ? err : rs_sys_real.sched_getaffinity(thread, size, set);
}

static int seam_sched_setaffinity(size_t size, const void *set)
{
    int err = seam_ask(CALL_SCHED_SETAFFINITY);

    return err < 0 ? err : rs_sys_real.sched_setaffinity(size, set);
}

static int seam_getcpu(void)
{
    int err = seam_ask(CALL_GETCPU);

    return err < 0 ? err : rs_sys_real.getcpu();
}

static int seam_prctl(int option, unsigned long a, unsigned long b)
{
    int err = seam_ask(CALL_PRCTL);

    return err < 0 ? err : rs_sys_real.prctl(option, a, b);
}

static int seam_tgkill(pid_t thread, int number)
{
    int err = seam_ask(CALL_TGKILL);

    return err < 0 ? err : rs_sys_real.tgkill(thread, number);
}

static ssize_t seam_peek(void *buf, const void *from, size_t size)
{
    int err = seam_ask(CALL_PEEK);

    return err < 0 ? err : rs_sys_real.peek(buf, from, size);
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
        .splice = seam_splice,
        .close = seam_close,
        .fstat = seam_fstat,
        .fcntl = seam_fcntl,
        .pipe2 = seam_pipe2,
        .openat = seam_openat,
        .preadv2 = seam_preadv2,
        .pwritev2 = seam_pwritev2,
        .preadv = seam_preadv,
        .pwritev = seam_pwritev,
        .copy_file_range = seam_copy_file_range,
        .openat2 = seam_openat2,
        .fsync = seam_fsync,
        .fdatasync = seam_fdatasync,
        .ftruncate = seam_ftruncate,
        .fallocate = seam_fallocate,
        .fstatat = seam_fstatat,
        .fstatfs_type = seam_fstatfs_type,
        .renameat = seam_renameat,
        .unlinkat = seam_unlinkat,
        .mkdirat = seam_mkdirat,
        .getdents = seam_getdents,
        .inotify_init1 = seam_inotify_init1,
        .inotify_add_watch = seam_inotify_add_watch,
        .inotify_rm_watch = rs_sys_real.inotify_rm_watch,
        .socket = seam_socket,
        .socketpair = seam_socketpair,
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
        .recvmmsg = seam_recvmmsg,
        .sendmmsg = seam_sendmmsg,
        .epoll_create1 = seam_epoll_create1,
        .epoll_ctl = seam_epoll_ctl,
        .epoll_pwait2 = seam_epoll_pwait2,
        .epoll_wait = seam_epoll_wait,
        .ppoll = seam_ppoll,
        .eventfd = seam_eventfd,
        .timerfd_create = seam_timerfd_create,
        .timerfd_settime = seam_timerfd_settime,
        .io_uring_setup = seam_io_uring_setup,
        .io_uring_enter = seam_io_uring_enter,
        .io_uring_register = rs_sys_real.io_uring_register,
        .mmap_file = seam_mmap_file,
        .futex_wait = seam_futex_wait,
        .futex_wake = rs_sys_real.futex_wake,
        .mmap = seam_mmap,
        .munmap = seam_munmap,
        .mprotect = seam_mprotect,
        .madvise = seam_madvise,
        .madvise_many = seam_madvise_many,
        .mincore = seam_mincore,
        .membarrier = seam_membarrier,
        .malloc = seam_malloc,
        .look_up = seam_look_up,
        .thread_create = seam_thread_create,
        .sigaction = seam_sigaction,
        .sigaltstack = seam_sigaltstack,
        .sched_getaffinity = seam_sched_getaffinity,
        .sched_setaffinity = seam_sched_setaffinity,
        .getcpu = seam_getcpu,
        .prctl = seam_prctl,
        .tgkill = seam_tgkill,
        .peek = seam_peek,
        .getrandom = seam_getrandom,
        .clock_gettime = seam_clock_gettime,
    };
    seam_begin_child();
    // Release, with the acquire in is_armed().
    atomic_store_explicit(&armed, true, memory_order_release);
}

void seam_end(void)
{
    // Relaxed: it makes no difference to the one call that misses it.
    atomic_store_explicit(&armed, false, memory_order_relaxed);
}
