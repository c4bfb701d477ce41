// SPDX-License-Identifier: MIT
//
// Waiting for the end of a child. Any thread; any number of waits at once.
//
// A pidfd is readable when the child has ended, so it is a source like any other. Where there is
// none, a wait listens to SIGCHLD: it begins to listen, then looks, and only then waits, so the end
// of the child comes before the look, or is heard.

#include <errno.h>
#include <rouse/await.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/sys.h"
#include "process/process.h"

// ---- Reaping ----

static struct rouse_exit_status status_of(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED) return (struct rouse_exit_status){.code = info->si_status};
    return (struct rouse_exit_status){
        .code = -1, .signal = info->si_status, .core_dumped = info->si_code == CLD_DUMPED};
}

static int reap_locked(struct rouse_process *process)
{
    siginfo_t info = {0};
    int err;

    if (process->state == RS_PROCESS_REAPED) return 0;
    if (process->state == RS_PROCESS_LOST) return -ECHILD;
    do {
        err = rs_sys.waitid(process->pid, &info, WEXITED | WNOHANG);
    } while (err == -EINTR);
    if (err == -ECHILD) process->state = RS_PROCESS_LOST;
    if (err < 0) return err;
    if (info.si_pid == 0) return -EAGAIN;
    process->status = status_of(&info);
    process->state = RS_PROCESS_REAPED;
    return 0;
}

int rs_process_reap(struct rouse_process *process, struct rouse_exit_status *status)
{
    rs_lock(&process->lock);
    int err = reap_locked(process);

    if (err == 0) *status = process->status;
    rs_unlock(&process->lock);
    return err;
}

int rouse_process_try_wait(struct rouse_process *process, struct rouse_exit_status *status)
{
    return rs_process_reap(process, status);
}

// ---- The future ----

static ssize_t wait_try(int fd, void *arg)
{
    struct rouse_process_wait *w = arg;

    (void)fd;
    return rs_process_reap(w->process, &w->status);
}

// One poll without a pidfd; READY: `*result` is set.
static rouse_poll wait_listen(struct rouse_process_wait *w, struct rouse_context *cx,
                              ssize_t *result)
{
    for (;;) {
        if (!w->listens) {
            rouse_signal_init(&w->signal, SIGCHLD);
            w->listens = true;
        }
        *result = rs_process_reap(w->process, &w->status);
        if (*result != -EAGAIN) {
            rouse_future_drop(&w->signal.base);
            return ROUSE_READY;
        }
        if (rouse_future_poll(&w->signal.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        w->listens = false;
        *result = w->signal.output;
        if (*result < 0) return ROUSE_READY;
    }
}

static rouse_poll wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_process_wait *w = ROUSE_CONTAINER_OF(self, struct rouse_process_wait, base);
    struct rouse_process *process = w->process;
    ssize_t result;
    rouse_poll poll =
        process->has_pidfd
            ? rs_source_poll(&process->source, RS_READ, &w->wait, cx, wait_try, w, 0, &result)
            : wait_listen(w, cx, &result);

    if (poll == ROUSE_PENDING) return ROUSE_PENDING;
    w->output = (int)result;
    rs_process_unref(process);
    return ROUSE_READY;
}

static void wait_drop(struct rouse_future *self)
{
    struct rouse_process_wait *w = ROUSE_CONTAINER_OF(self, struct rouse_process_wait, base);

    rs_source_unwait(&w->wait);
    if (w->listens) rouse_future_drop(&w->signal.base);
    rs_process_unref(w->process);
}

static int wait_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_process_wait *w = (const struct rouse_process_wait *)self;

    return snprintf(buf, size, "the end of process %d", (int)w->process->pid);
}

static int64_t wait_result(const struct rouse_future *self)
{
    return ((const struct rouse_process_wait *)self)->output;
}

static const struct rouse_future_vtable wait_ended = {.name = "process_wait",
                                                      .result = wait_result};
static const struct rouse_future_vtable wait_vtable = {
    .poll = wait_poll,
    .drop = wait_drop,
    .name = "process_wait",
    .describe = wait_describe,
    .ended = &wait_ended,
    .cancel_kind = rouse_cancel_kind_total};

void rouse_process_wait_init(struct rouse_process_wait *wait, struct rouse_process *process)
{
    rs_process_ref(process);
    *wait = (struct rouse_process_wait){.base.vtable = &wait_vtable, .process = process};
}

int rouse_process_wait(struct rouse_process *process, struct rouse_exit_status *status)
{
    struct rouse_process_wait op;

    rouse_process_wait_init(&op, process);
    int err = rouse_await(&op.base);

    if (err == 0) err = op.output;
    if (err == 0 && status != NULL) *status = op.status;
    return err;
}
