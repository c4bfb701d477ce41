// SPDX-License-Identifier: MIT
//
// Runtimes: started, spawned on, shut down in order.

#include "sched/runtime.h"

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/clock.h>
#include <rouse/dump.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/tls.h"
#include "fiber/overflow.h"
#include "sched/cpus.h"
#include "signal/signal.h"
#include "task/task.h"

static size_t runtime_size(void)
{
    return (sizeof(struct rouse_runtime) + 4095) & ~(size_t)4095;
}

// ---- The threads ----

static bool runtime_done(void *arg)
{
    return rs_sched_is_stopped(arg);
}

static void name_thread(const struct rs_worker *worker)
{
    char name[16];

    (void)snprintf(name, sizeof name, "rouse-%u", worker->index);
    (void)rs_sys.prctl(PR_SET_NAME, (unsigned long)(uintptr_t)name, 0);
    // A timer is as exact as the kernel can make it.
    (void)rs_sys.prctl(PR_SET_TIMERSLACK, 1, 0);
}

static void *worker_main(void *arg)
{
    struct rs_worker *worker = arg;

    // For faults of fibers that are out of stack, and for probes.
    worker->has_signal_stack = rs_overflow_thread_enter(&worker->signal_stack) == 0;
    name_thread(worker);
    rs_worker_enter(worker);
    rs_counter_add(RS_COUNTER_THREADS, 1);
    rs_worker_run(worker, runtime_done, worker->sched);
    rs_counter_add(RS_COUNTER_THREADS, -1);
    rs_worker_leave(worker);
    rs_overflow_thread_leave(&worker->signal_stack);
    return NULL;
}

// Signals go to the program's own threads; faults stay with the thread that caused them. SIGURG
// comes from a probe.
static void block_signals(sigset_t *before)
{
    sigset_t set;

    (void)sigfillset(&set);
    (void)sigdelset(&set, SIGSEGV);
    (void)sigdelset(&set, SIGBUS);
    (void)sigdelset(&set, SIGILL);
    (void)sigdelset(&set, SIGFPE);
    (void)sigdelset(&set, SIGTRAP);
    (void)sigdelset(&set, SIGABRT);
    (void)sigdelset(&set, SIGSYS);
    (void)sigdelset(&set, SIGURG);
    (void)pthread_sigmask(SIG_SETMASK, &set, before);
}

static void join_threads(struct rs_sched *sched)
{
    rs_monitor_stop(sched);
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if (!sched->workers[i].threaded) continue;
        (void)pthread_join(sched->workers[i].thread, NULL);
        sched->workers[i].threaded = false;
    }
}

// All that it needs is made here: the thread itself may come to it late, when the runtime has been
// in use for a while, or is shut down.
static int start_thread(struct rs_worker *worker)
{
    int err = rs_overflow_stack_init(&worker->signal_stack, worker->sched->allocator);

    if (err == 0) err = rs_sys.thread_create(&worker->thread, NULL, worker_main, worker);
    worker->threaded = err == 0;
    return err;
}

static int start_threads(struct rs_sched *sched)
{
    sigset_t before;
    int err = 0;

    block_signals(&before);
    for (unsigned i = 0; i < sched->worker_count && err == 0; i++) {
        err = start_thread(&sched->workers[i]);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err == 0) {
        rs_monitor_start(sched);
        return 0;
    }
    rs_sched_close(sched);
    rs_sched_stop(sched);
    join_threads(sched);
    return err;
}

// ---- Made ----

static int read_options(struct rs_sched_options *out, const struct rouse_runtime_options *o)
{
    const char *text = getenv("ROUSE_WORKERS");
    unsigned workers = o->workers;

    if (workers == 0 && text != NULL) workers = (unsigned)strtoul(text, NULL, 10);
    if (workers == 0) workers = rs_cpus_usable();
    if (workers > ROUSE_WORKERS_MAX) {
        if (o->workers != 0) return -EINVAL;
        workers = ROUSE_WORKERS_MAX;
    }
    if (o->stack_size > RS_STACK_SIZE_MAX) return -EINVAL;
    *out = (struct rs_sched_options){
        .kind = "runtime",
        .workers = workers,
        .allocator = o->allocator != NULL ? o->allocator : rouse_allocator_default(),
        .reactor = o->reactor,
        .task_limit = o->task_limit,
        .stack_size = o->stack_size,
        .blocking_threads =
            o->blocking_threads != 0 ? o->blocking_threads : RS_BLOCKING_THREADS_MAX,
        .blocking_queue = o->blocking_queue != 0 ? o->blocking_queue : RS_BLOCKING_QUEUE_MAX,
        .lookup_threads = o->lookup_threads,
        .lookup_queue = o->lookup_queue,
        .histograms = o->histograms,
        .spin_max_ns = rs_cpus_spin_max_ns(o->no_spin),
        .no_solo = o->no_solo || rs_cpus_is_switched_off("ROUSE_SOLO"),
    };
    return 0;
}

static void dump_to_stderr(void)
{
    (void)rouse_dump(STDERR_FILENO);
}

static int install_handlers(const struct rouse_runtime_options *o)
{
    int err = 0;

    if (o->handle_faults) err = rs_fiber_report_overflow();
    if (err == 0 && o->dump_on_sigquit) err = rs_signal_set_action(SIGQUIT, dump_to_stderr);
    return err;
}

int rouse_runtime_new(struct rouse_runtime **out, const struct rouse_runtime_options *options)
{
    static const struct rouse_runtime_options defaults;
    const struct rouse_runtime_options *o = options != NULL ? options : &defaults;
    struct rs_sched_options sched;
    int err = read_options(&sched, o);

    if (err < 0) return err;
    err = install_handlers(o);
    if (err < 0) return err;
    struct rouse_runtime *runtime = rs_pages_alloc(sched.allocator, runtime_size(), 4096);

    if (runtime == NULL) return -ENOMEM;
    runtime->pid = getpid();
    err = rs_sched_init(&runtime->sched, &sched);
    if (err < 0) goto no_sched;
    rs_seats_init(&runtime->sched);
    err = start_threads(&runtime->sched);
    if (err < 0) goto no_threads;
    *out = runtime;
    return 0;

no_threads:
    rs_sched_deinit(&runtime->sched);
no_sched:
    rs_pages_free(sched.allocator, runtime, runtime_size());
    return err;
}

// ---- Shut down ----

// How long a shutdown that ran out of time waits for shielded tasks to end, and for workers to
// stand still, to name what is left.
#define PAUSE_NS (100 * ROUSE_NS_PER_MS)

enum { SURVIVORS_NAMED = 16 };

struct survivors {
    size_t count;
    const char *names[SURVIVORS_NAMED];
};

static void survivor_add(struct rouse_task *task, void *arg)
{
    struct survivors *s = arg;

    if (s->count < SURVIVORS_NAMED) s->names[s->count] = rouse_task_name(task);
    s->count++;
}

// The log's hook is called when the workers run again.
static void survivors_log(struct rs_sched *sched)
{
    struct survivors s = {0};
    struct rs_task_link *unowned = NULL;

    rs_sched_pause(sched, PAUSE_NS);
    rs_sched_visit_tasks(sched, survivor_add, &s, &unowned);
    rs_sched_resume(sched);
    rs_tasks_free(unowned);
    for (size_t i = 0; i < s.count && i < SURVIVORS_NAMED; i++) {
        rs_log(ROUSE_LOG_WARN, "shutdown is waiting for task %s", s.names[i]);
    }
    if (s.count > SURVIVORS_NAMED) {
        rs_log(ROUSE_LOG_WARN, "shutdown is waiting for %zu more", s.count - SURVIVORS_NAMED);
    }
}

// Waits until every task has ended, or the deadline.
static bool wait_ended(struct rs_sched *sched, uint64_t deadline_ns)
{
    while (!rs_sched_is_ended(sched)) {
        uint64_t now = rouse_now_ns();

        if (now >= deadline_ns) return false;
        // At most a second at a time, since the clock may be virtual.
        uint64_t left = deadline_ns - now < ROUSE_NS_PER_S ? deadline_ns - now : ROUSE_NS_PER_S;
        struct timespec timeout = {.tv_sec = (time_t)(left / ROUSE_NS_PER_S),
                                   .tv_nsec = (long)(left % ROUSE_NS_PER_S)};

        (void)rs_sys.futex_wait((uint32_t *)&sched->phase, RS_PHASE_CLOSING, &timeout);
    }
    return true;
}

// Out of time: what waits behind a shield gets a moment to end without it.
static bool wait_bared(struct rs_sched *sched)
{
    rs_sched_bare(sched);
    return wait_ended(sched, rouse_deadline_after(PAUSE_NS));
}

int rouse_runtime_shutdown(struct rouse_runtime *runtime, uint64_t timeout_ns)
{
    struct rs_sched *sched = &runtime->sched;
    uint64_t deadline = rouse_deadline_after(timeout_ns);
    const struct rouse_allocator *allocator = sched->allocator;

    rouse_assert(rs_tls.worker == NULL || rs_tls.worker->sched != sched,
                 "a task cannot shut down its own runtime; return from rouse_run()'s function, or "
                 "call it from another thread");
    rs_sched_close(sched);
    if (!wait_ended(sched, deadline) && !wait_bared(sched)) {
        survivors_log(sched);
        return -ETIMEDOUT;
    }
    if (!rs_sched_end_jobs(sched, deadline)) {
        rs_log(ROUSE_LOG_WARN, "shutdown is waiting for %zu blocking jobs", rs_sched_jobs(sched));
        return -ETIMEDOUT;
    }
    // A blocking job may wait on a driver of ours, so the workers have turned them until here.
    rs_default_forget(runtime);
    rs_sched_stop(sched);
    join_threads(sched);
    rs_sched_deinit(sched);
    rs_pages_free(allocator, runtime, runtime_size());
    return 0;
}

// In the child of a fork.
static void runtime_discard(struct rouse_runtime *runtime)
{
    const struct rouse_allocator *allocator = runtime->sched.allocator;

    rs_sched_discard(&runtime->sched);
    rs_pages_free(allocator, runtime, runtime_size());
}

void rouse_runtime_free(struct rouse_runtime *runtime)
{
    if (runtime == NULL) return;
    if (runtime->pid != getpid()) {
        runtime_discard(runtime);
        return;
    }
    if (rouse_runtime_shutdown(runtime, ROUSE_NEVER) < 0) {
        rouse_panic("a shutdown without a limit cannot time out");
    }
}

// ---- Used ----

struct rouse_driver *rs_runtime_any_driver(struct rouse_runtime *runtime)
{
    // Relaxed: any spread will do.
    uint32_t turn = atomic_fetch_add_explicit(&runtime->next_driver, 1, memory_order_relaxed);

    return runtime->sched.workers[turn % runtime->sched.worker_count].driver;
}

struct rs_blocking_pool *rs_runtime_pool(struct rouse_runtime *runtime)
{
    return &runtime->sched.pool;
}

struct rouse_runtime *rouse_runtime_current(void)
{
    struct rs_worker *worker = rs_tls.worker;

    if (worker == NULL || !worker->threaded) return NULL;
    return ROUSE_CONTAINER_OF(worker->sched, struct rouse_runtime, sched);
}

unsigned rouse_runtime_workers(const struct rouse_runtime *runtime)
{
    return runtime->sched.worker_count;
}

int rouse_worker_index(void)
{
    return rs_tls.worker != NULL ? (int)rs_tls.worker->index : -1;
}

uint64_t rouse_now_recent_ns(void)
{
    return rs_tls.worker != NULL ? rs_tls.worker->looked_ns : rouse_now_ns();
}

int rouse_runtime_spawn(struct rouse_runtime *runtime, struct rouse_join_handle *handle,
                        rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs)
{
    return rs_sched_spawn_fiber(&runtime->sched, handle, fn, arg, attrs);
}

int rouse_runtime_spawn_future(struct rouse_runtime *runtime, struct rouse_join_handle *handle,
                               const struct rouse_future_spec *spec,
                               const struct rouse_task_attrs *attrs)
{
    return rs_sched_spawn(&runtime->sched, handle, spec, attrs, 0);
}
