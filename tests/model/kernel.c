// SPDX-License-Identifier: MIT
//
// The kernel's descriptors: event counters, streams, alarms, and sets of them to wait on. Each call
// is one step, at which another thread may go first. A wait that finds nothing puts its thread to
// sleep until something changes.
//
// The kernel works under locks of its own. So who reads a descriptor, or is told that it is ready,
// has seen what came before the change that made it so.

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/sys.h"
#include "kernel.h"

enum { FDS_MAX = 24, ITEMS_MAX = 8 };

enum kind { KIND_FREE, KIND_EVENT, KIND_STREAM, KIND_ALARM, KIND_SET, KIND_RING };

// What a set watches.
struct item {
    int fd;
    bool pending;  // to be looked at by the next wait
    struct epoll_event event;
};

struct object {
    enum kind kind;
    uint64_t count;  // of an event; of bytes to be read from a stream
    uint64_t capacity;
    int peer;              // the other end of a stream; -1: closed
    uint64_t deadline_ns;  // of an alarm; 0: none
    struct item items[ITEMS_MAX];
    int item_count;              // those that have been pending for longest come first
    struct knowledge knowledge;  // of the changes
};

static struct object objects[FDS_MAX];

// Its own addresses stand for the waits in epoll and in ppoll.
static const char ppoll_sleepers = 0;

void kernel_reset(void)
{
    for (int i = 0; i < FDS_MAX; i++) {
        if (objects[i].kind != KIND_FREE) memset(&objects[i], 0, sizeof objects[i]);
    }
    ring_reset();
}

// ---- Descriptors ----

// All calls depend on each other, by way of the sets; and where there is a ring, on what happens to
// its queues, which the program looks at without a call.
static struct op op_of_call(bool changes)
{
    if (ring_any_is_open()) return (struct op){.addr = EVERYTHING, .size = 1, .writes = true};
    return (struct op){.addr = (uintptr_t)objects, .size = 1, .writes = changes};
}

void kernel_step(const char *what, int fd, bool changes)
{
    thread_point(op_of_call(changes));
    trace_add(what, (uintptr_t)&objects[fd > 0 && fd < FDS_MAX ? fd : 0], 0, (uint64_t)fd, -1,
              (uintptr_t)__builtin_return_address(0));
}

static struct object *object_of(int fd)
{
    return fd > 0 && fd < FDS_MAX && objects[fd].kind != KIND_FREE ? &objects[fd] : NULL;
}

static int number_of(const struct object *object)
{
    return (int)(object - objects);
}

// As the kernel does, the lowest free number.
static int open_object(enum kind kind)
{
    for (int fd = 3; fd < FDS_MAX; fd++) {
        if (objects[fd].kind != KIND_FREE) continue;
        objects[fd] = (struct object){.kind = kind, .peer = -1};
        return fd;
    }
    model_fail("the scenario opens more than %d descriptors", FDS_MAX - 3);
}

// What may be done with it now, in the words of epoll, which are those of poll.
static uint32_t readiness(const struct object *object)
{
    uint32_t ready = 0;

    switch (object->kind) {
    case KIND_EVENT:
        return EPOLLOUT | (object->count > 0 ? EPOLLIN : 0U);
    case KIND_STREAM:
        if (object->count > 0 || object->peer < 0) ready |= EPOLLIN;
        if (object->peer < 0) ready |= EPOLLHUP | EPOLLRDHUP | EPOLLOUT;
        if (object->peer >= 0 && objects[object->peer].count < objects[object->peer].capacity) {
            ready |= EPOLLOUT;
        }
        return ready;
    case KIND_ALARM:
        return object->deadline_ns != 0 && object->deadline_ns <= seam_now() ? EPOLLIN : 0;
    case KIND_SET:
        for (int i = 0; i < object->item_count; i++) {
            const struct item *item = &object->items[i];

            if (item->pending && (readiness(&objects[item->fd]) & item->event.events) != 0) {
                ready = EPOLLIN;
            }
        }
        return ready;
    case KIND_RING:
        return ring_has_completions(number_of(object)) ? EPOLLIN : 0;
    case KIND_FREE:
        break;
    }
    return EPOLLERR;
}

// The item has something to report: it goes to the end of those that have.
static void item_set_pending(struct object *set, int index)
{
    struct item item = set->items[index];

    if (item.pending) return;
    item.pending = true;
    memmove(&set->items[index], &set->items[index + 1],
            (size_t)(set->item_count - index - 1) * sizeof item);
    set->items[set->item_count - 1] = item;
}

// `object` has changed in the ways of `what`.
static void changed(struct object *object, uint32_t what)
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        struct object *set = &objects[fd];

        if (set->kind != KIND_SET) continue;
        for (int i = 0; i < set->item_count; i++) {
            const struct item *item = &set->items[i];

            if (item->fd != number_of(object)) continue;
            if ((what & (item->event.events | EPOLLHUP | EPOLLERR)) == 0) continue;
            item_set_pending(set, i);
            (void)thread_wake((uintptr_t)set, MODEL_THREADS_MAX);
            break;
        }
    }
    (void)thread_wake((uintptr_t)&ppoll_sleepers, MODEL_THREADS_MAX);
    ring_hear(number_of(object), what);
}

static int kernel_eventfd(unsigned initial, int flags)
{
    int fd = open_object(KIND_EVENT);

    (void)flags;
    objects[fd].count = initial;
    return fd;
}

void model_stream(int fds[2], unsigned capacity)
{
    for (int i = 0; i < 2; i++) {
        fds[i] = open_object(KIND_STREAM);
        objects[fds[i]].capacity = capacity;
    }
    objects[fds[0]].peer = fds[1];
    objects[fds[1]].peer = fds[0];
}

static ssize_t stream_read(struct object *object, size_t size)
{
    if (object->count == 0) return object->peer < 0 ? 0 : -EAGAIN;
    size_t taken = object->count < size ? (size_t)object->count : size;
    bool was_full = object->count >= object->capacity;

    object->count -= taken;
    if (was_full && object->peer >= 0) changed(&objects[object->peer], EPOLLOUT);
    return (ssize_t)taken;
}

// Only how many bytes there are is remembered.
static ssize_t kernel_read(int fd, void *buf, size_t size)
{
    struct object *object;
    uint64_t count;

    kernel_step("read", fd, true);
    object = object_of(fd);
    if (object == NULL) return -EBADF;
    thread_learn(&object->knowledge);
    thread_teach(&object->knowledge);
    switch (object->kind) {
    case KIND_EVENT:
        count = object->count;
        if (count == 0) return -EAGAIN;
        object->count = 0;
        memcpy(buf, &count, sizeof count);
        return sizeof count;
    case KIND_STREAM:
        return stream_read(object, size);
    default:
        return -EINVAL;
    }
}

static ssize_t stream_write(struct object *object, size_t size)
{
    if (object->peer < 0) return -EPIPE;
    struct object *peer = &objects[object->peer];
    size_t room = (size_t)(peer->capacity - peer->count);
    size_t put = size < room ? size : room;

    if (put == 0) return -EAGAIN;
    thread_teach(&peer->knowledge);
    peer->count += put;
    changed(peer, EPOLLIN);
    return (ssize_t)put;
}

static ssize_t kernel_write(int fd, const void *buf, size_t size)
{
    struct object *object;
    uint64_t more;

    kernel_step("write", fd, true);
    object = object_of(fd);
    if (object == NULL) return -EBADF;
    thread_learn(&object->knowledge);
    thread_teach(&object->knowledge);
    switch (object->kind) {
    case KIND_EVENT:
        memcpy(&more, buf, sizeof more);
        object->count += more;
        changed(object, EPOLLIN);
        return sizeof more;
    case KIND_STREAM:
        return stream_write(object, size);
    default:
        return -EINVAL;
    }
}

static int find_item(const struct object *set, int fd)
{
    for (int i = 0; i < set->item_count; i++) {
        if (set->items[i].fd == fd) return i;
    }
    return -1;
}

static void remove_item(struct object *set, int index)
{
    set->item_count--;
    memmove(&set->items[index], &set->items[index + 1],
            (size_t)(set->item_count - index) * sizeof set->items[0]);
}

// It leaves the sets that it is in by itself.
static int kernel_close(int fd)
{
    struct object *object;

    kernel_step("close", fd, true);
    object = object_of(fd);
    if (object == NULL) model_fail("descriptor %d is closed, but is not open", fd);
    for (int i = 0; i < FDS_MAX; i++) {
        int index = objects[i].kind == KIND_SET ? find_item(&objects[i], fd) : -1;

        if (index >= 0) remove_item(&objects[i], index);
    }
    struct object *peer = object->peer >= 0 ? &objects[object->peer] : NULL;

    if (object->kind == KIND_RING) ring_close(fd);
    ring_forget(fd);
    memset(object, 0, sizeof *object);
    if (peer != NULL) {
        peer->peer = -1;
        thread_teach(&peer->knowledge);
        changed(peer, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
    }
    return 0;
}

// Both ways: the other end learns of it as of a close.
static int kernel_shutdown(int fd, int how)
{
    struct object *object;

    (void)how;
    kernel_step("shutdown", fd, true);
    object = object_of(fd);
    if (object == NULL || object->kind != KIND_STREAM) return -ENOTSOCK;
    thread_teach(&object->knowledge);
    if (object->peer >= 0) {
        struct object *peer = &objects[object->peer];

        object->peer = -1;
        peer->peer = -1;
        thread_teach(&peer->knowledge);
        changed(peer, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
        changed(object, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
    }
    return 0;
}

static int kernel_fstat(int fd, struct stat *out)
{
    if (object_of(fd) == NULL) return -EBADF;
    *out = (struct stat){.st_mode = S_IFSOCK};
    return 0;
}

static int kernel_fcntl(int fd, int command, long argument)
{
    (void)command;
    (void)argument;
    return object_of(fd) == NULL ? -EBADF : O_NONBLOCK;
}

static int kernel_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    (void)directory_fd;
    (void)path;
    (void)flags;
    (void)mode;
    return -ENOENT;
}

// ---- Alarms ----

static int kernel_timerfd_create(int clock, int flags)
{
    (void)clock;
    (void)flags;
    return open_object(KIND_ALARM);
}

static uint64_t ns_of(const struct timespec *time)
{
    return (uint64_t)time->tv_sec * UINT64_C(1000000000) + (uint64_t)time->tv_nsec;
}

static int kernel_timerfd_settime(int fd, int flags, const struct itimerspec *time)
{
    struct object *object;

    (void)flags;
    kernel_step("timerfd_settime", fd, true);
    object = object_of(fd);
    if (object == NULL || object->kind != KIND_ALARM) return -EBADF;
    thread_teach(&object->knowledge);
    object->deadline_ns = ns_of(&time->it_value);
    if (readiness(object) != 0) changed(object, EPOLLIN);
    return 0;
}

// The next alarm that has not gone off; 0: none.
static uint64_t next_alarm(void)
{
    uint64_t next = 0;

    for (int i = 0; i < FDS_MAX; i++) {
        uint64_t deadline = objects[i].kind == KIND_ALARM ? objects[i].deadline_ns : 0;

        if (deadline > seam_now() && (next == 0 || deadline < next)) next = deadline;
    }
    return next;
}

static void pass_until(uint64_t time_ns)
{
    uint64_t before = seam_now();

    seam_pass_until(time_ns);
    for (int i = 0; i < FDS_MAX; i++) {
        struct object *object = &objects[i];

        if (object->kind != KIND_ALARM || object->deadline_ns <= before) continue;
        if (object->deadline_ns <= seam_now()) changed(object, EPOLLIN);
    }
}

// ---- Waiting ----

bool kernel_sleep(uintptr_t addr, uint64_t end_ns, int *err)
{
    uint64_t alarm = next_alarm();
    uint64_t until = alarm != 0 && (end_ns == 0 || alarm < end_ns) ? alarm : end_ns;

    if (run_choose_rare(2) == 1) {
        *err = -EINTR;
        return false;
    }
    bool woken = thread_sleep(addr, until != 0);

    thread_point(op_of_call(true));
    if (!woken) pass_until(until);
    return woken || until != end_ns;
}

static int kernel_epoll_create1(int flags)
{
    (void)flags;
    return open_object(KIND_SET);
}

static int kernel_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    struct object *set;
    int index;

    kernel_step("epoll_ctl", fd, true);
    set = object_of(epoll_fd);
    if (set == NULL || object_of(fd) == NULL) return -EBADF;
    index = find_item(set, fd);
    if (operation == EPOLL_CTL_ADD) {
        if (index >= 0) return -EEXIST;
        if (set->item_count == ITEMS_MAX) return -ENOSPC;
        index = set->item_count++;
        set->items[index] = (struct item){.fd = fd};
    }
    if (index < 0) return -ENOENT;
    if (operation == EPOLL_CTL_DEL) {
        remove_item(set, index);
        return 0;
    }
    set->items[index].event = *event;
    thread_teach(&object_of(fd)->knowledge);
    if ((readiness(object_of(fd)) & (event->events | EPOLLHUP | EPOLLERR)) != 0) {
        item_set_pending(set, index);
        (void)thread_wake((uintptr_t)set, MODEL_THREADS_MAX);
    }
    return 0;
}

void kernel_user_memory(const void *memory, size_t size, bool write)
{
    shadow_plain((uintptr_t)memory, size, write, (uintptr_t)__builtin_return_address(0));
}

// Takes what is ready out of the set. An edge is reported once.
static int collect(struct object *set, struct epoll_event *events, int max)
{
    int filled = 0;

    for (int i = 0; i < set->item_count && filled < max; i++) {
        struct item *item = &set->items[i];
        struct object *object = &objects[item->fd];

        if (!item->pending) continue;
        uint32_t ready = readiness(object) & (item->event.events | EPOLLHUP | EPOLLERR);

        if (ready == 0 || (item->event.events & EPOLLET) != 0) item->pending = false;
        if (ready == 0) continue;
        thread_learn(&object->knowledge);
        kernel_user_memory(&events[filled], sizeof events[filled], true);
        events[filled++] = (struct epoll_event){.events = ready, .data = item->event.data};
    }
    return filled;
}

static int epoll_until(int epoll_fd, struct epoll_event *events, int max, bool sleeps,
                       uint64_t end_ns)
{
    struct object *set;
    int count = 0;
    int err = 0;

    kernel_step(sleeps ? "epoll_wait" : "epoll_wait without sleep", epoll_fd, true);
    for (;;) {
        set = object_of(epoll_fd);
        if (set == NULL) return -EBADF;
        count = collect(set, events, max);
        if (count > 0 || !sleeps) return count;
        if (!kernel_sleep((uintptr_t)set, end_ns, &err)) sleeps = false;
        if (err < 0) return err;
    }
}

static int kernel_epoll_pwait2(int epoll_fd, struct epoll_event *events, int max,
                               const struct timespec *timeout)
{
    uint64_t ns = timeout != NULL ? ns_of(timeout) : 0;

    return epoll_until(epoll_fd, events, max, timeout == NULL || ns > 0,
                       timeout != NULL ? seam_now() + ns : 0);
}

static int kernel_epoll_wait(int epoll_fd, struct epoll_event *events, int max, int timeout_ms)
{
    return epoll_until(epoll_fd, events, max, timeout_ms != 0,
                       timeout_ms > 0 ? seam_now() + (uint64_t)timeout_ms * 1000000 : 0);
}

static uint32_t events_asked(const struct pollfd *entry)
{
    return (uint16_t)entry->events | (uint32_t)(EPOLLHUP | EPOLLERR);
}

static int poll_once(struct pollfd *fds, nfds_t count)
{
    int ready = 0;

    kernel_user_memory(fds, count * sizeof fds[0], true);
    for (nfds_t i = 0; i < count; i++) {
        struct pollfd *entry = &fds[i];
        const struct object *object = object_of(entry->fd);

        entry->revents = 0;
        if (entry->fd < 0) continue;
        if (object == NULL) {
            entry->revents = POLLNVAL;
        } else {
            entry->revents = (short)(readiness(object) & events_asked(entry));
            if (entry->revents != 0) thread_learn(&object->knowledge);
        }
        ready += entry->revents != 0;
    }
    return ready;
}

static int kernel_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout)
{
    uint64_t ns = timeout != NULL ? ns_of(timeout) : 0;
    uint64_t end_ns = timeout != NULL ? seam_now() + ns : 0;
    bool sleeps = timeout == NULL || ns > 0;
    int err = 0;

    kernel_step(sleeps ? "ppoll" : "ppoll without sleep", count > 0 ? fds[0].fd : 0, sleeps);
    for (;;) {
        int ready = poll_once(fds, count);

        if (ready > 0 || !sleeps) return ready;
        if (!kernel_sleep((uintptr_t)&ppoll_sleepers, end_ns, &err)) sleeps = false;
        if (err < 0) return err;
    }
}

// ---- For the rings ----

int kernel_open_ring(void)
{
    return open_object(KIND_RING);
}

bool kernel_is_open(int fd)
{
    return object_of(fd) != NULL;
}

uint32_t kernel_readiness(int fd)
{
    thread_learn(&objects[fd].knowledge);
    return readiness(&objects[fd]);
}

void kernel_tell(int fd, uint32_t what)
{
    thread_teach(&objects[fd].knowledge);
    changed(&objects[fd], what);
}

ssize_t kernel_take(int fd, size_t size)
{
    struct object *object = object_of(fd);

    if (object == NULL || object->kind != KIND_STREAM) return -EINVAL;
    thread_learn(&object->knowledge);
    return stream_read(object, size);
}

void kernel_install(void)
{
    ring_install();
    rs_sys.read = kernel_read;
    rs_sys.write = kernel_write;
    rs_sys.close = kernel_close;
    rs_sys.shutdown = kernel_shutdown;
    rs_sys.fstat = kernel_fstat;
    rs_sys.fcntl = kernel_fcntl;
    rs_sys.openat = kernel_openat;
    rs_sys.eventfd = kernel_eventfd;
    rs_sys.timerfd_create = kernel_timerfd_create;
    rs_sys.timerfd_settime = kernel_timerfd_settime;
    rs_sys.epoll_create1 = kernel_epoll_create1;
    rs_sys.epoll_ctl = kernel_epoll_ctl;
    rs_sys.epoll_pwait2 = kernel_epoll_pwait2;
    rs_sys.epoll_wait = kernel_epoll_wait;
    rs_sys.ppoll = kernel_ppoll;
}
