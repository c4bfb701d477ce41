// SPDX-License-Identifier: MIT
//
// The task dump: every task of every runtime and executor, one line each. Any thread runs it; the
// workers stand still meanwhile, except those that are inside a poll for longer.
//
// It is formatted into memory first. Written only then, with no lock held and the workers at work
// again: whoever reads the other end may be one of the tasks.

#include <rouse/clock.h>
#include <rouse/dump.h>
#include <rouse/error.h>
#include <rouse/stats.h>

#include "insight/text.h"
#include "sched/sched.h"
#include "task/task.h"

#define PAUSE_NS (100 * ROUSE_NS_PER_MS)

struct dump {
    struct rs_text text;
    uint32_t now_ms;
    struct rs_sched *sched;
    struct rs_task_link *unowned;
};

// The worker that is inside a poll of `task`; NULL if there is none.
static const struct rs_worker *runner_of(const struct rs_sched *sched,
                                         const struct rouse_task *task)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        const struct rs_worker *worker = &sched->workers[i];

        // Acquire, with the release at the end of a poll: out of it, the task may be read.
        if (atomic_load_explicit(&worker->current, memory_order_acquire) == task) return worker;
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
        rs_text_print(&d->text, "not begun");
    } else {
        rs_text_print(&d->text, "waiting %.3f s for: %s",
                      (double)(uint32_t)(d->now_ms - since) / 1e3, text);
    }
}

// A worker that the pause could not wait for may end its poll, and its task, while we read. The
// visit's reference keeps the task's memory; what its future waits for is read only if no worker
// was polling it, and it had not ended, after we looked: then nobody polls it until we resume.
static void print_task(struct rouse_task *task, void *arg)
{
    struct dump *d = arg;
    const struct rs_worker *runner = runner_of(d->sched, task);
    // Acquire, with the release in rs_state_complete(): after the look at the workers.
    uint64_t state = atomic_load_explicit(&task->state, memory_order_acquire);

    if (runner == NULL && (state & RS_TASK_COMPLETE) != 0) return;
    rs_text_print(&d->text, "  %s  ", rouse_task_name(task));
    if (task->name != NULL) rs_text_print(&d->text, "(%s)  ", task->site);
    if (runner != NULL) {
        rs_text_print(&d->text, "running on worker %u", runner->index);
    } else {
        print_waiting(d, task);
        if ((state & RS_TASK_SCHEDULED) != 0) rs_text_print(&d->text, ", scheduled");
    }
    if ((state & RS_TASK_CANCELLED) != 0) rs_text_print(&d->text, ", cancelled");
    rs_text_print(&d->text, "\n");
}

static void dump_sched(struct rs_sched *sched, void *arg)
{
    struct dump *d = arg;

    d->sched = sched;
    rs_sched_pause(sched, PAUSE_NS);
    rs_text_print(&d->text, "%s with %u worker%s, %llu tasks:\n", sched->kind, sched->worker_count,
                  sched->worker_count == 1 ? "" : "s", (unsigned long long)rs_sched_live(sched));
    rs_sched_visit_tasks(sched, print_task, d, &d->unowned);
    rs_sched_resume(sched);
}

static void print_stats(struct dump *d)
{
    struct rouse_stats s;

    rouse_stats_get(&s);
    rs_text_print(&d->text,
                  "rouse dump: %lld tasks, %lld timers, %lld sources, %lld stacks, %lld sockets, "
                  "%lld blocking jobs, %lld threads, %lld bytes allocated, %lld polls\n",
                  (long long)s.tasks, (long long)s.timers, (long long)s.sources,
                  (long long)s.stacks, (long long)s.sockets, (long long)s.blocking_jobs,
                  (long long)s.threads, (long long)s.allocated_bytes, (long long)s.polls);
}

int rouse_dump(int fd)
{
    struct dump dump = {.now_ms = (uint32_t)(rouse_now_ns() / ROUSE_NS_PER_MS)};

    rs_text_init(&dump.text);
    print_stats(&dump);
    rs_sched_visit(dump_sched, &dump);
    rs_tasks_free(dump.unowned);
    int err = rs_text_write(&dump.text, fd);
    rs_text_deinit(&dump.text);
    return err;
}
