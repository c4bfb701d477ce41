// SPDX-License-Identifier: MIT
//
// The task dump: every task of every runtime and executor, one line each. Any thread runs it; the
// workers stand still meanwhile, except those that are inside a poll for longer. It allocates
// nothing.

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/dump.h>
#include <rouse/error.h>
#include <rouse/stats.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/lock.h"
#include "base/sys.h"
#include "base/tls.h"
#include "sched/sched.h"
#include "task/task.h"

#define PAUSE_NS (100 * ROUSE_NS_PER_MS)

enum { DUMP_BUFFER = 4096, DUMP_LINE = 512 };

// One dump at a time, so that two do not interleave.
static struct rs_lock dump_lock;

struct dump {
    int fd;
    int err;
    size_t used;
    uint32_t now_ms;
    struct rs_sched *sched;
    char buf[DUMP_BUFFER];
};

static void flush(struct dump *d)
{
    size_t done = 0;

    while (done < d->used && d->err == 0) {
        ssize_t n = rs_sys.write(d->fd, d->buf + done, d->used - done);

        if (n > 0) done += (size_t)n;
        if (n < 0 && n != -EINTR && n != -EAGAIN) d->err = (int)n;
    }
    d->used = 0;
}

static ROUSE_PRINTF(2, 3) void print(struct dump *d, const char *format, ...)
{
    va_list args;

    if (DUMP_BUFFER - d->used < DUMP_LINE) flush(d);
    va_start(args, format);
    int length = vsnprintf(d->buf + d->used, DUMP_LINE, format, args);
    va_end(args);
    if (length >= DUMP_LINE) length = DUMP_LINE - 1;
    if (length > 0) d->used += (size_t)length;
}

// The worker that is inside a poll of `task`; NULL if there is none.
static const struct rs_worker *runner_of(const struct rs_sched *sched,
                                         const struct rouse_task *task)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        const struct rs_worker *worker = &sched->workers[i];

        // Acquire, with the release at the end of a poll: out of it, the task may be read.
        if (atomic_load_explicit(&worker->polling, memory_order_acquire) != 0 &&
            atomic_load_explicit(&worker->current, memory_order_relaxed) == task) {
            return worker;  // relaxed: ordered by the load before
        }
    }
    return NULL;
}

static void print_waiting(struct dump *d, const struct rouse_task *task)
{
    char text[256];
    // Relaxed: written by a worker that stands still.
    uint32_t since = atomic_load_explicit(&task->since_ms, memory_order_relaxed);

    (void)rouse_future_describe(rs_task_future(task), text, sizeof text);
    if (since == 0) {
        print(d, "not begun");
    } else {
        print(d, "waiting %.3f s for: %s", (double)(uint32_t)(d->now_ms - since) / 1e3, text);
    }
}

static void print_task(struct rouse_task *task, void *arg)
{
    struct dump *d = arg;
    const struct rs_worker *runner = runner_of(d->sched, task);
    // Relaxed: for the eye only.
    uint64_t state = atomic_load_explicit(&task->state, memory_order_relaxed);

    print(d, "  %s  ", rouse_task_name(task));
    if (task->name != NULL) print(d, "(%s)  ", task->site);
    if (runner != NULL) {
        print(d, "running on worker %u", runner->index);
    } else {
        print_waiting(d, task);
        if ((state & RS_TASK_SCHEDULED) != 0) print(d, ", scheduled");
    }
    if ((state & RS_TASK_CANCELLED) != 0) print(d, ", cancelled");
    print(d, "\n");
}

static void dump_sched(struct rs_sched *sched, void *arg)
{
    struct dump *d = arg;

    d->sched = sched;
    rs_sched_pause(sched, PAUSE_NS);
    print(d, "%s with %u worker%s, %llu tasks:\n", sched->kind, sched->worker_count,
          sched->worker_count == 1 ? "" : "s", (unsigned long long)rs_sched_live(sched));
    rs_sched_visit_tasks(sched, print_task, d);
    rs_sched_resume(sched);
}

static void print_stats(struct dump *d)
{
    struct rouse_stats s;

    rouse_stats_get(&s);
    print(d,
          "rouse dump: %lld tasks, %lld timers, %lld sources, %lld stacks, %lld sockets, "
          "%lld blocking jobs, %lld threads, %lld bytes allocated, %lld polls\n",
          (long long)s.tasks, (long long)s.timers, (long long)s.sources, (long long)s.stacks,
          (long long)s.sockets, (long long)s.blocking_jobs, (long long)s.threads,
          (long long)s.allocated_bytes, (long long)s.polls);
}

int rouse_dump(int fd)
{
    // Static, since a fiber's stack is small; under the lock.
    static struct dump dump;

    rs_lock(&dump_lock);
    dump.fd = fd;
    dump.err = 0;
    dump.used = 0;
    dump.now_ms = (uint32_t)(rouse_now_ns() / ROUSE_NS_PER_MS);
    print_stats(&dump);
    rs_sched_visit(dump_sched, &dump);
    flush(&dump);
    int err = dump.err;
    rs_unlock(&dump_lock);
    return err;
}
