// SPDX-License-Identifier: MIT
//
// The model's pipe, and the back end that drivers get instead of epoll. Each call of a thread is
// one step that others may come before or after.

#include "kernel.h"

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/poller.h>

#include "engine.h"
#include "io/backend.h"

struct backend {
    struct rs_backend base;
    bool used;
    bool notified;
    bool watched;
    bool edge;  // not reported yet
    uint64_t key;
};

enum { BACKENDS = 3 };

static struct backend backends[BACKENDS];
static int bytes;
static int closes;

void kernel_reset(void)
{
    for (int i = 0; i < BACKENDS; i++) backends[i] = (struct backend){.used = false};
    bytes = 0;
    closes = 0;
}

static void step(const void *object, const char *what)
{
    thread_point((struct op){.addr = (uintptr_t)object, .size = 1, .writes = true});
    trace_add(what, (uintptr_t)object, 1, 0, -1, (uintptr_t)__builtin_return_address(0));
}

// ---- The pipe ----

static void report_edges(void)
{
    for (int i = 0; i < BACKENDS; i++) {
        if (!backends[i].watched) continue;
        backends[i].edge = true;
        (void)thread_wake((uintptr_t)&backends[i], 1);
    }
}

void model_pipe_write(void)
{
    step(backends, "pipe write");
    bytes++;
    report_edges();
}

ssize_t model_pipe_read(void)
{
    step(backends, "pipe read");
    if (bytes == 0) return -EAGAIN;
    bytes--;
    return 1;
}

int model_pipe_closes(void)
{
    return closes;
}

int kernel_close(int fd)
{
    (void)fd;
    step(backends, "close");
    closes++;
    for (int i = 0; i < BACKENDS; i++) backends[i].watched = false;
    return 0;
}

// ---- The back end ----

static struct backend *of(struct rs_backend *base)
{
    return (struct backend *)(void *)base;
}

static void backend_close(struct rs_backend *base)
{
    of(base)->used = false;
    of(base)->watched = false;
}

static int backend_watch(struct rs_backend *base, int fd, uint64_t key, uint32_t before,
                         uint32_t interest)
{
    struct backend *b = of(base);

    (void)fd;
    (void)before;
    step(backends, "watch");
    b->watched = (interest & RS_WATCH_NONE) == 0;
    b->key = key;
    b->edge = b->watched && bytes > 0;
    if (b->edge) (void)thread_wake((uintptr_t)b, 1);
    return 0;
}

// 1 or 0 events; -1: nothing to report yet. A notification is for the one who sleeps.
static int collect(struct backend *b, struct rs_event *events, bool sleeps)
{
    if (b->edge) {
        b->edge = false;
        events[0] = (struct rs_event){.key = b->key, .ready = ROUSE_READABLE};
        return 1;
    }
    if (!b->notified || !sleeps) return -1;
    b->notified = false;
    return 0;
}

static int backend_wait(struct rs_backend *base, struct rs_event *events, int max,
                        uint64_t timeout_ns)
{
    struct backend *b = of(base);

    (void)max;
    step(backends, "wait");
    for (;;) {
        int count = collect(b, events, timeout_ns != 0);

        if (count >= 0) return count;
        if (timeout_ns == 0 || run_choose_rare(2) == 1) return 0;
        if (!thread_sleep((uintptr_t)b, timeout_ns != ROUSE_NEVER)) {
            model_clock_advance(timeout_ns);
            return 0;
        }
    }
}

static void backend_notify(struct rs_backend *base)
{
    step(backends, "notify");
    of(base)->notified = true;
    (void)thread_wake((uintptr_t)base, 1);
}

static int backend_fd(struct rs_backend *base)
{
    (void)base;
    return -ENOTSUP;
}

static int backend_set_alarm(struct rs_backend *base, uint64_t deadline_ns)
{
    (void)base;
    (void)deadline_ns;
    return -ENOTSUP;
}

static const struct rs_backend_ops model_ops = {
    .name = "model",
    .edge = true,
    .close = backend_close,
    .watch = backend_watch,
    .wait = backend_wait,
    .notify = backend_notify,
    .fd = backend_fd,
    .set_alarm = backend_set_alarm,
};

// The linker puts it in the place of rs_backend_open().
int __wrap_rs_backend_open(struct rs_backend **out, const char *name,
                           const struct rouse_allocator *allocator);

int __wrap_rs_backend_open(struct rs_backend **out, const char *name,
                           const struct rouse_allocator *allocator)
{
    (void)name;
    (void)allocator;
    for (int i = 0; i < BACKENDS; i++) {
        if (backends[i].used) continue;
        backends[i] = (struct backend){.base.ops = &model_ops, .used = true};
        *out = &backends[i].base;
        return 0;
    }
    return -EMFILE;
}
