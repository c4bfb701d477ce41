// SPDX-License-Identifier: MIT
//
// The stall detector: the thread "rouse-monitor" of a runtime. A worker counts its polls anyway and
// says what it polls; so one that is seen in a poll, with the same count as before, has not come
// back since.
//
//     AWAKE --nobody has polled for a while--> PARKED --a worker leaves the idle set--> AWAKE
//       |                                         |
//       +---------------- STOPPED <---------------+
//
// 1. A thread that was kept from running by the kernel is not to blame: what is reported is time
//    that it ran, or slept in a call.
// 2. Reports are rare: one for a poll, and another each time that it has lasted twice as long; and
//    one a second altogether. What is left out is counted.

#include <fcntl.h>
#include <rouse/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/barrier.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/thread.h"
#include "insight/symbols.h"
#include "sched/probe.h"
#include "sched/sched.h"
#include "task/task.h"

#define LIMIT_DEFAULT_MS UINT64_C(100)
#define LIMIT_MAX_MS UINT64_C(3600000)
#define REPORT_PERIOD_NS ROUSE_NS_PER_S
// How long nobody may have polled anything before the monitor sleeps for good.
enum { QUIET_LOOKS_MAX = 20 };

// What the monitor knows of a worker.
struct watched {
    int64_t polls;  // that it had made when it was first seen in this one
    uint64_t since_ns;
    uint64_t report_at_ns;
    uint64_t delayed_ns;  // that its thread has waited for a processor, by then
    bool is_polling;
    bool is_overdue;  // a report is due that had to wait
};

struct monitoring {
    struct rs_sched *sched;
    struct watched watched[RS_WORKERS_MAX];
    uint64_t may_report_ns;
    unsigned left_out;
    unsigned quiet;
};

// ---- The report ----

enum { NAME_MAX_SIZE = 96, CALLS_NAMED = 6, CALLS_SIZE = 320 };

// A name is the program's, and may go with its task, which we cannot stop: so it is copied by a
// call that minds, and may be cut.
static void copy_name(char *to, const char *from)
{
    ssize_t n = from != NULL ? rs_sys.peek(to, from, NAME_MAX_SIZE - 1) : 0;

    to[n > 0 ? n : 0] = '\0';
}

struct stalled {
    char name[NAME_MAX_SIZE];
    char site[NAME_MAX_SIZE];
    const struct rouse_task *task;
};

static bool is_in_poll(const struct rs_worker *worker, int64_t polls)
{
    // Relaxed: as in look().
    return atomic_load_explicit(&worker->counters.values[RS_COUNTER_POLLS], memory_order_relaxed) ==
           polls;
}

// Of which heap it is nobody says, and there are few.
static bool is_task_of(const struct rs_sched *sched, const struct rouse_task *task)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if (rs_heap_contains(sched->workers[i].heap, &task->block)) return true;
    }
    return rs_heap_contains(sched->foreign_heap, &task->block);
}

// Takes a share of the task, so that its record stays what it is. False if the poll has ended.
static bool see_stalled(struct rs_worker *worker, int64_t polls, struct stalled *out)
{
    // Relaxed: its memory comes with the heap's slabs, and what is in it with its block's mark.
    struct rouse_task *task = atomic_load_explicit(&worker->current, memory_order_relaxed);

    if (task == NULL || !is_task_of(worker->sched, task)) return false;
    if (!rs_state_try_ref(&task->state)) return false;
    // The record that we have a share of may be another task's by now.
    bool is_it = rs_block_is_published(&task->block) && is_in_poll(worker, polls);

    if (is_it) {
        out->task = task;
        copy_name(out->name, task->name);
        copy_name(out->site, task->site);
    }
    rs_task_unref(task);
    return is_it;
}

static bool is_code(uintptr_t pc, void *arg)
{
    return rs_symbols_is_code(arg, pc);
}

// "f+0x12 (file) < g+0x34 (file)", the innermost first; empty if it cannot be told.
static void describe_calls(const struct rs_worker *worker, char *buf, size_t size)
{
    struct rs_symbols *symbols = rs_symbols_new();
    struct rs_probe probe;
    size_t used = 0;

    buf[0] = '\0';
    rs_worker_probe(worker, &probe, is_code, symbols);
    for (size_t i = 0; i < probe.count && i < CALLS_NAMED && used + 1 < size; i++) {
        int n = snprintf(buf + used, size - used, "%s", i == 0 ? ", at " : " < ");

        if (n > 0) used += (size_t)n;
        if (used + 1 >= size) break;
        n = rs_symbols_describe(symbols, i == 0 ? probe.calls[i] : probe.calls[i] - 1, buf + used,
                                size - used);
        if (n > 0) used += (size_t)n;
    }
    rs_symbols_free(symbols);
}

static void report(struct monitoring *m, struct rs_worker *worker, const struct watched *w,
                   uint64_t now_ns)
{
    struct stalled stalled;
    char calls[CALLS_SIZE];
    char others[64] = "";

    if (!see_stalled(worker, w->polls, &stalled)) return;
    describe_calls(worker, calls, sizeof calls);
    if (m->left_out > 0) {
        (void)snprintf(others, sizeof others, " (%u more stalls were not reported)", m->left_out);
    }
    bool has_name = stalled.name[0] != '\0';

    rs_log(ROUSE_LOG_WARN, "task %s%s%s%s has kept worker %u of its %s for %llu ms%s%s",
           has_name ? stalled.name : stalled.site, has_name ? " (" : "",
           has_name ? stalled.site : "", has_name ? ")" : "", worker->index, m->sched->kind,
           (unsigned long long)((now_ns - w->since_ns) / ROUSE_NS_PER_MS), others, calls);
    m->left_out = 0;
    m->may_report_ns = now_ns + REPORT_PERIOD_NS;
}

// ---- Looking ----

// How long the kernel has kept the worker's thread waiting for a processor, so far; 0 if it does
// not say.
static uint64_t delay_of(const struct rs_worker *worker)
{
    char text[96];
    unsigned long long ran;
    unsigned long long delayed;
    // Relaxed: another thread's figures would be as good as none.
    int32_t tid = atomic_load_explicit(&worker->tid, memory_order_relaxed);

    (void)snprintf(text, sizeof text, "/proc/self/task/%d/schedstat", (int)tid);
    int fd = rs_sys.openat(AT_FDCWD, text, O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0) return 0;
    ssize_t n = rs_sys.read(fd, text, sizeof text - 1);

    (void)rs_sys.close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    return sscanf(text, "%llu %llu", &ran, &delayed) == 2 ? delayed : 0;
}

// It is in the poll that it was in at the last look.
static void look_again(struct monitoring *m, struct rs_worker *worker, struct watched *w,
                       uint64_t now_ns)
{
    uint64_t limit = m->sched->monitor.limit_ns;

    if (w->report_at_ns == 0) {
        w->report_at_ns = w->since_ns + limit;
        w->delayed_ns = delay_of(worker);
    }
    if (now_ns < w->report_at_ns) return;
    uint64_t delayed = delay_of(worker) - w->delayed_ns;

    if (now_ns - w->since_ns < limit + delayed) return;
    w->is_overdue = now_ns < m->may_report_ns;
    if (w->is_overdue) return;
    w->report_at_ns = now_ns + (now_ns - w->since_ns);
    report(m, worker, w, now_ns);
}

// True if it is in a poll, or has been since the last look.
static bool look(struct monitoring *m, unsigned index, uint64_t now_ns)
{
    struct rs_worker *worker = &m->sched->workers[index];
    struct watched *w = &m->watched[index];
    // Relaxed, both: compared with what they are at the next look. The count first: if a poll has
    // ended in between it is older, and then the next look finds another.
    int64_t polls =
        atomic_load_explicit(&worker->counters.values[RS_COUNTER_POLLS], memory_order_relaxed);
    bool is_polling = atomic_load_explicit(&worker->current, memory_order_relaxed) != NULL;
    bool has_polled = polls != w->polls;

    if (is_polling && w->is_polling && !has_polled) {
        look_again(m, worker, w, now_ns);
    } else {
        if (w->is_overdue) m->left_out++;
        *w = (struct watched){.polls = polls, .since_ns = now_ns, .is_polling = is_polling};
    }
    return is_polling || has_polled;
}

static bool is_stopped(const struct rs_monitor *monitor)
{
    // Relaxed: a flag that stands for itself.
    return atomic_load_explicit(&monitor->word, memory_order_relaxed) == RS_MONITOR_STOPPED;
}

// ---- Its sleep ----

static void nap(struct rs_monitor *monitor, uint64_t duration_ns)
{
    struct timespec time = {.tv_sec = (time_t)(duration_ns / ROUSE_NS_PER_S),
                            .tv_nsec = (long)(duration_ns % ROUSE_NS_PER_S)};

    (void)rs_sys.futex_wait((uint32_t *)&monitor->word, RS_MONITOR_AWAKE, &time);
}

static bool are_all_idle(const struct rs_sched *sched)
{
    uint64_t all = (UINT64_C(1) << sched->worker_count) - 1;

    return rs_idle_sleepers(&sched->idle) == all;
}

void rs_monitor_wake(struct rs_monitor *monitor)
{
    uint32_t expected = RS_MONITOR_PARKED;

    // Relaxed: it carries nothing with it.
    if (atomic_compare_exchange_strong_explicit(&monitor->word, &expected, RS_MONITOR_AWAKE,
                                                memory_order_relaxed, memory_order_relaxed)) {
        (void)rs_sys.futex_wake((uint32_t *)&monitor->word, 1);
    }
}

// Until a worker is about to poll something.
static void park(struct rs_sched *sched)
{
    struct rs_monitor *monitor = &sched->monitor;
    uint32_t expected = RS_MONITOR_AWAKE;

    // Relaxed: the barrier orders it before the look that follows; see rs_monitor_note().
    if (!atomic_compare_exchange_strong_explicit(&monitor->word, &expected, RS_MONITOR_PARKED,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        return;
    }
    rs_barrier_all();
    if (!are_all_idle(sched)) rs_monitor_wake(monitor);
    // Relaxed: looked at again.
    while (atomic_load_explicit(&monitor->word, memory_order_relaxed) == RS_MONITOR_PARKED) {
        (void)rs_sys.futex_wait((uint32_t *)&monitor->word, RS_MONITOR_PARKED, NULL);
    }
}

static void *monitor_main(void *arg)
{
    struct monitoring m = {.sched = arg};
    struct rs_monitor *monitor = &m.sched->monitor;

    rs_thread_set_name("rouse-monitor");
    while (!is_stopped(monitor)) {
        uint64_t now_ns = rouse_now_ns();
        bool is_quiet = true;

        for (unsigned i = 0; i < m.sched->worker_count; i++) {
            if (look(&m, i, now_ns)) is_quiet = false;
        }
        m.quiet = is_quiet ? m.quiet + 1 : 0;
        if (m.quiet >= QUIET_LOOKS_MAX && are_all_idle(m.sched)) {
            park(m.sched);
            m.quiet = 0;
        } else {
            nap(monitor, monitor->limit_ns / 2);
        }
    }
    return NULL;
}

// ---- Started and stopped ----

static uint64_t limit_from_environment(void)
{
    const char *text = getenv("ROUSE_STALL_MS");
    char *end;

    if (text == NULL || *text < '0' || *text > '9') return LIMIT_DEFAULT_MS * ROUSE_NS_PER_MS;
    unsigned long long limit_ms = strtoull(text, &end, 10);

    if (*end != '\0' || limit_ms > LIMIT_MAX_MS) limit_ms = LIMIT_DEFAULT_MS;
    return limit_ms * ROUSE_NS_PER_MS;
}

void rs_monitor_start(struct rs_sched *sched)
{
    struct rs_monitor *monitor = &sched->monitor;

    monitor->limit_ns = limit_from_environment();
    if (monitor->limit_ns == 0 || rs_clock_is_virtual()) return;
    if (rs_thread_start(&monitor->thread, monitor_main, sched) < 0) {
        rs_log(ROUSE_LOG_INFO, "no thread for the monitor: stalls are not reported");
        return;
    }
    monitor->is_running = true;
    rs_counter_add(RS_COUNTER_THREADS, 1);
}

void rs_monitor_forget(struct rs_monitor *monitor)
{
    if (!monitor->is_running) return;
    monitor->is_running = false;
    rs_counter_add(RS_COUNTER_THREADS, -1);
}

void rs_monitor_stop(struct rs_sched *sched)
{
    struct rs_monitor *monitor = &sched->monitor;

    if (!monitor->is_running) return;
    // Relaxed: as in is_stopped().
    atomic_store_explicit(&monitor->word, RS_MONITOR_STOPPED, memory_order_relaxed);
    (void)rs_sys.futex_wake((uint32_t *)&monitor->word, 1);
    (void)pthread_join(monitor->thread, NULL);
    rs_monitor_forget(monitor);
}
