// SPDX-License-Identifier: MIT
//
// The back end over epoll(7). The kernel keeps the table of watched descriptors, so watch() is one
// system call and wait() needs no memory of ours.
//
// Threads: one sleeps in wait(), others may poll (timeout 0), watch, notify and set the alarm
// meanwhile; the kernel serializes what they do, and what it does not stands in notifier.h.
//
// 1. Two descriptors of our own are in the set: the notifier (an eventfd) and the alarm (a timerfd
//    made at first use). Both are edge-triggered and never read: each write, each expiry is an edge
//    of its own, and an edge taken by a wait is gone. They carry reserved keys and are not
//    reported.
// 2. A notification ends a sleep even if somebody who only polls takes its edge.

#include <errno.h>
#include <limits.h>
#include <rouse/assert.h>
#include <rouse/clock.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/sys.h"
#include "io/alarm.h"
#include "io/backend.h"
#include "io/notifier.h"

// Keys that no watch has: a driver's index never reaches 2^32 - 1.
#define NOTIFIER_KEY UINT64_MAX
#define ALARM_KEY (UINT64_MAX - 1)

// How many events one call takes from the kernel at most: they lie on the stack meanwhile.
enum { BATCH_MAX = 128 };

struct epoll_backend {
    struct rs_backend base;
    const struct rouse_allocator *allocator;
    int epoll_fd;
    struct rs_notifier notifier;
    struct rs_alarm alarm;
};

// Set once a kernel turned epoll_pwait2() down; timeouts are rounded up to milliseconds then.
static atomic_bool pwait2_missing;

static struct epoll_backend *from_base(struct rs_backend *backend)
{
    return ROUSE_CONTAINER_OF(backend, struct epoll_backend, base);
}

static void close_set(struct epoll_backend *b)
{
    (void)rs_sys.close(b->epoll_fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
}

static int epoll_open(struct rs_backend **out, const struct rouse_allocator *allocator)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = NOTIFIER_KEY};
    struct epoll_backend *b = rs_alloc(allocator, sizeof *b);
    int err;

    if (b == NULL) return -ENOMEM;
    *b = (struct epoll_backend){.base.ops = &rs_backend_epoll,
                                .allocator = allocator,
                                .alarm = RS_ALARM_INIT};
    b->epoll_fd = rs_sys.epoll_create1(EPOLL_CLOEXEC);
    err = b->epoll_fd;
    if (err < 0) goto free_backend;
    rs_counter_add(RS_COUNTER_FDS, 1);
    err = rs_notifier_open(&b->notifier);
    if (err < 0) goto close_epoll;
    err = rs_sys.epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, b->notifier.fd, &event);
    if (err < 0) goto close_notifier;
    *out = &b->base;
    return 0;

close_notifier:
    rs_notifier_close(&b->notifier);
close_epoll:
    close_set(b);
free_backend:
    rs_free(allocator, b, sizeof *b);
    return err;
}

static void epoll_close(struct rs_backend *backend)
{
    struct epoll_backend *b = from_base(backend);

    rs_alarm_close(&b->alarm);
    rs_notifier_close(&b->notifier);
    close_set(b);
    rs_free(b->allocator, b, sizeof *b);
}

static uint32_t events_of(uint32_t interest)
{
    uint32_t events = 0;

    if ((interest & ROUSE_READABLE) != 0) events |= EPOLLIN | EPOLLRDHUP;
    if ((interest & ROUSE_WRITABLE) != 0) events |= EPOLLOUT;
    if ((interest & RS_WATCH_EDGE) != 0) events |= EPOLLET;
    return events;
}

static uint32_t ready_of(uint32_t events)
{
    uint32_t ready = 0;

    if ((events & EPOLLIN) != 0) ready |= ROUSE_READABLE;
    if ((events & EPOLLOUT) != 0) ready |= ROUSE_WRITABLE;
    if ((events & EPOLLRDHUP) != 0) ready |= ROUSE_HANGUP | ROUSE_READABLE;
    if ((events & EPOLLHUP) != 0) ready |= ROUSE_HANGUP | ROUSE_READABLE | ROUSE_WRITABLE;
    if ((events & EPOLLERR) != 0) ready |= ROUSE_ERROR | ROUSE_READABLE | ROUSE_WRITABLE;
    return ready;
}

// A descriptor that was closed while watched has left the set by itself. If its number came back
// meanwhile, the caller's picture of the set is one step behind: we follow the kernel's.
static int epoll_watch(struct rs_backend *backend, int fd, uint64_t key, uint32_t before,
                       uint32_t interest)
{
    struct epoll_backend *b = from_base(backend);
    struct epoll_event event = {.events = events_of(interest), .data.u64 = key};
    int err;

    rouse_assert(key < ALARM_KEY, "the two highest keys are the back end's own; use a lower one");
    if ((interest & RS_WATCH_NONE) != 0) {
        if ((before & RS_WATCH_NONE) != 0) return 0;
        err = rs_sys.epoll_ctl(b->epoll_fd, EPOLL_CTL_DEL, fd, &event);
        return err == -ENOENT || err == -EBADF ? 0 : err;
    }
    if ((before & RS_WATCH_NONE) != 0) {
        err = rs_sys.epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &event);
        if (err == -EEXIST) err = rs_sys.epoll_ctl(b->epoll_fd, EPOLL_CTL_MOD, fd, &event);
        return err;
    }
    err = rs_sys.epoll_ctl(b->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    if (err == -ENOENT) err = rs_sys.epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    return err;
}

static void epoll_notify(struct rs_backend *backend)
{
    rs_notifier_notify(&from_base(backend)->notifier);
}

static int timeout_ms(uint64_t timeout_ns)
{
    if (timeout_ns == ROUSE_NEVER) return -1;
    uint64_t ms = timeout_ns / ROUSE_NS_PER_MS + (timeout_ns % ROUSE_NS_PER_MS != 0);
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

// epoll_pwait2(), or what comes closest where it is missing. Some sandboxes say EPERM instead of
// ENOSYS for calls they do not know.
static int kernel_wait(int epoll_fd, struct epoll_event *events, int max, uint64_t timeout_ns)
{
    // Relaxed, here and below: a thread that does not know yet finds out by itself.
    if (timeout_ns != 0 && !atomic_load_explicit(&pwait2_missing, memory_order_relaxed)) {
        struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / ROUSE_NS_PER_S),
                                   .tv_nsec = (long)(timeout_ns % ROUSE_NS_PER_S)};
        int count =
            rs_sys.epoll_pwait2(epoll_fd, events, max, timeout_ns == ROUSE_NEVER ? NULL : &timeout);

        if (count != -ENOSYS && count != -EPERM) return count;
        atomic_store_explicit(&pwait2_missing, true, memory_order_relaxed);
    }
    return rs_sys.epoll_wait(epoll_fd, events, max, timeout_ms(timeout_ns));
}

// Turns the kernel's events into ours. Returns how many; `*notified` if one was the notifier's.
static int translate(const struct epoll_event *from, int count, struct rs_event *events,
                     bool *notified)
{
    int filled = 0;

    for (int i = 0; i < count; i++) {
        uint64_t key = from[i].data.u64;

        if (key == NOTIFIER_KEY) *notified = true;
        if (key >= ALARM_KEY) continue;
        events[filled++] = (struct rs_event){.key = key, .ready = ready_of(from[i].events)};
    }
    return filled;
}

static int epoll_backend_wait(struct rs_backend *backend, struct rs_event *events, int max,
                              uint64_t timeout_ns)
{
    struct epoll_backend *b = from_base(backend);
    struct epoll_event batch[BATCH_MAX];
    bool sleeps = timeout_ns != 0;
    bool notified = false;
    int count;

    if (sleeps && rs_notifier_sleep_begin(&b->notifier)) timeout_ns = 0;
    count = kernel_wait(b->epoll_fd, batch, max < BATCH_MAX ? max : BATCH_MAX, timeout_ns);
    if (sleeps) rs_notifier_sleep_end(&b->notifier);
    if (count < 0) return count == -EINTR ? 0 : count;
    count = translate(batch, count, events, &notified);
    if (notified && !sleeps) rs_notifier_pass_on(&b->notifier);
    return count;
}

static int epoll_fd(struct rs_backend *backend)
{
    return from_base(backend)->epoll_fd;
}

static int epoll_set_alarm(struct rs_backend *backend, uint64_t deadline_ns)
{
    const struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = ALARM_KEY};
    struct epoll_backend *b = from_base(backend);

    return rs_alarm_set(&b->alarm, b->epoll_fd, &event, deadline_ns);
}

const struct rs_backend_ops rs_backend_epoll = {
    .name = "epoll",
    .edge = true,
    .open = epoll_open,
    .close = epoll_close,
    .watch = epoll_watch,
    .wait = epoll_backend_wait,
    .notify = epoll_notify,
    .fd = epoll_fd,
    .set_alarm = epoll_set_alarm,
};
