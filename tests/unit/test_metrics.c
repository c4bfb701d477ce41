// SPDX-License-Identifier: MIT
//
// Metrics, by programs of which the numbers are known: tasks and polls, yields for want of budget,
// a queue that is full, steals, sleeps for nothing, blocking threads, both histograms; and that an
// executor goes on counting where it was. No claim is about time.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "sched/runtime.h"
#include "task/task.h"

static struct rouse_metrics metrics_of(struct rouse_runtime *runtime)
{
    struct rouse_metrics m = {.size = sizeof m};

    if (rouse_metrics(runtime, &m) < 0) abort();
    return m;
}

static struct rouse_worker_metrics worker_of(struct rouse_runtime *runtime, unsigned worker)
{
    struct rouse_worker_metrics m = {.size = sizeof m};

    if (rouse_worker_metrics(runtime, worker, &m) < 0) abort();
    return m;
}

static struct rouse_runtime *runtime_new(unsigned workers, bool histograms)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = workers, .histograms = histograms};
    struct rouse_runtime *runtime;

    if (rouse_runtime_new(&runtime, &options) < 0) abort();
    return runtime;
}

// All workers sleep: a poll is counted after whoever joined its task has been woken.
static void settle(struct rouse_runtime *runtime)
{
    while (metrics_of(runtime).num_idle_workers < rouse_runtime_workers(runtime)) {
        (void)usleep(100);
    }
}

static int run_on(struct rouse_runtime *runtime, rouse_fiber_function fn, void *arg)
{
    struct rouse_join_handle handle;

    if (rouse_runtime_spawn(runtime, &handle, fn, arg, NULL) < 0) abort();
    int result = (int)rouse_join(&handle);

    settle(runtime);
    return result;
}

// ---- Arguments ----

static void arguments(void)
{
    struct rouse_metrics m = {.size = sizeof m};
    struct rouse_worker_metrics w = {.size = sizeof w};
    struct rouse_histogram h = {.size = sizeof h};

    claim(rouse_metrics(NULL, &m) == -ENOENT, "no default runtime is made to be measured");
    struct rouse_runtime *runtime = runtime_new(2, false);

    claim(rouse_metrics(runtime, &(struct rouse_metrics){.size = 0}) == -EINVAL, "a size is asked");
    m.size = offsetof(struct rouse_metrics, num_alive_tasks);
    m.num_alive_tasks = 77;
    claim(rouse_metrics(runtime, &m) == 0 && m.num_workers == 2 && m.num_alive_tasks == 77 &&
              m.size == offsetof(struct rouse_metrics, num_alive_tasks),
          "no more is filled in than there is room for");
    claim(rouse_worker_metrics(runtime, 2, &w) == -EINVAL, "a worker that is not there");
    claim(rouse_metrics_histogram(runtime, -1, ROUSE_HISTOGRAM_POLL_TIME, &h) == -ENOTSUP,
          "without being asked for there are no histograms");
    rouse_runtime_free(runtime);
}

// ---- Counts ----

enum { YIELDS = 10 };

static int yield_some(void *arg)
{
    (void)arg;
    for (int i = 0; i < YIELDS; i++) {
        if (rouse_yield() < 0) return -1;
    }
    return 0;
}

// Each operation takes of the budget; so many take all of it several times.
static int spend(void *arg)
{
    struct rouse_semaphore *semaphore = arg;

    for (int i = 0; i < 4 * RS_TASK_BUDGET; i++) {
        if (rouse_semaphore_acquire(semaphore, 1) < 0) return -1;
        rouse_semaphore_release(semaphore, 1);
    }
    return 0;
}

static void counts(void)
{
    struct rouse_runtime *runtime = runtime_new(1, false);
    struct rouse_semaphore semaphore;

    uint64_t before = worker_of(runtime, 0).poll_count;
    claim(run_on(runtime, yield_some, NULL) == 0 &&
              worker_of(runtime, 0).poll_count >= before + YIELDS + 1,
          "each yield is another poll");
    claim(metrics_of(runtime).spawned_tasks_count == 1, "a task was spawned");
    claim(metrics_of(runtime).injection_count == 1, "from outside, by the injection queue");
    claim(metrics_of(runtime).budget_forced_yield_count == 0, "and no yield was forced");
    rouse_semaphore_init(&semaphore, 1);
    claim(run_on(runtime, spend, &semaphore) == 0, "a task that spends its budget");
    uint64_t yields = metrics_of(runtime).budget_forced_yield_count;

    claim(yields >= 3 && yields <= 5, "yields as often as it had to");
    rouse_runtime_free(runtime);
}

// ---- A queue that is full, and tasks that are stolen ----

enum { MANY = 3000 };

static _Atomic unsigned ran;
static _Atomic bool may_go;

static rouse_poll count_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    // Relaxed: a count.
    atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
    return ROUSE_READY;
}

static const struct rouse_future_vtable count_vtable = {.poll = count_poll, .name = "count"};

static void count_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &count_vtable;
}

static _Atomic bool is_held;
static _Atomic bool may_steal;

// Keeps its worker from stealing.
static int hold_worker(void *arg)
{
    (void)arg;
    atomic_store_explicit(&is_held, true, memory_order_release);
    while (!atomic_load_explicit(&may_steal, memory_order_acquire)) (void)usleep(100);
    return 0;
}

// Spawns more than the queue holds, and keeps its worker until all have run: by another worker.
static int spawn_many(void *arg)
{
    const struct rouse_future_spec spec = {.size = sizeof(struct rouse_future), .init = count_init};

    (void)arg;
    for (int i = 0; i < MANY; i++) {
        if (rouse_spawn_future(NULL, &spec) < 0) return -1;
    }
    atomic_store_explicit(&may_steal, true, memory_order_release);
    while (atomic_load_explicit(&ran, memory_order_relaxed) < MANY) (void)usleep(100);
    return 0;
}

static void overflow_and_steal(void)
{
    const struct rouse_task_attrs on_first = {.worker = 1}, on_second = {.worker = 2};
    struct rouse_runtime *runtime = runtime_new(2, false);
    struct rouse_join_handle held, spawned;

    if (rouse_runtime_spawn(runtime, &held, hold_worker, NULL, &on_first) < 0) abort();
    while (!atomic_load_explicit(&is_held, memory_order_acquire)) (void)usleep(100);
    if (rouse_runtime_spawn(runtime, &spawned, spawn_many, NULL, &on_second) < 0) abort();
    if (rouse_join(&held) < 0 || rouse_join(&spawned) < 0) abort();
    settle(runtime);
    struct rouse_worker_metrics thief = worker_of(runtime, 0), spawner = worker_of(runtime, 1);

    claim(spawner.overflow_count > 0, "a queue was full");
    claim(metrics_of(runtime).injection_count >= spawner.overflow_count,
          "some of its tasks went to the injection queue");
    claim(thief.steal_operations > 0 && thief.steal_count > thief.steal_operations,
          "another worker stole several at once");
    claim(thief.poll_count >= MANY && spawner.steal_count == 0, "and ran them");
    rouse_runtime_free(runtime);
}

// ---- Sleep ----

static void parks(void)
{
    struct rouse_runtime *runtime = runtime_new(1, false);
    uint64_t noops = worker_of(runtime, 0).noop_count;
    uint64_t busy = 0;
    bool falls = false;

    settle(runtime);
    for (int i = 0; i < 1000 && worker_of(runtime, 0).noop_count < noops + 3; i++) {
        rs_sched_notify_all(&runtime->sched);
        (void)usleep(1000);
        uint64_t now = worker_of(runtime, 0).total_busy_duration_ns;

        falls |= now < busy;
        busy = now;
    }
    struct rouse_worker_metrics w = worker_of(runtime, 0);

    claim(w.noop_count >= noops + 3 && w.park_count >= w.noop_count && w.poll_count == 0,
          "a worker that is woken for nothing has slept in vain");
    claim(busy > 0 && !falls, "the time that it is awake only grows");
    rouse_runtime_free(runtime);
}

// ---- Blocking ----

static int64_t hold(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&may_go, memory_order_acquire)) (void)usleep(100);
    return 0;
}

static int block(void *arg)
{
    return rouse_blocking(hold, arg, NULL);
}

static void blocking(void)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 1, .blocking_threads = 2};
    struct rouse_runtime *runtime;
    struct rouse_join_handle handles[3];
    struct rouse_metrics m;

    if (rouse_runtime_new(&runtime, &options) < 0) abort();
    for (int i = 0; i < 3; i++) {
        if (rouse_runtime_spawn(runtime, &handles[i], block, NULL, NULL) < 0) abort();
    }
    // Two run, and the third waits for a thread.
    do {
        m = metrics_of(runtime);
    } while (m.blocking_queue_depth != 1 || m.num_blocking_threads != 2 ||
             m.num_idle_blocking_threads != 0);
    claim(m.num_alive_tasks == 3, "two threads block, and a call waits for one");
    atomic_store_explicit(&may_go, true, memory_order_release);
    for (int i = 0; i < 3; i++) (void)rouse_join(&handles[i]);
    do {
        m = metrics_of(runtime);
    } while (m.num_idle_blocking_threads != 2);
    claim(m.blocking_queue_depth == 0 && m.num_blocking_threads == 2, "then both are idle");
    rouse_runtime_free(runtime);
}

// ---- Histograms ----

static void histograms(void)
{
    struct rouse_runtime *runtime = runtime_new(2, true);
    struct rouse_histogram times = {.size = sizeof times}, latencies = {.size = sizeof latencies};
    struct rouse_histogram one = {.size = sizeof one};

    for (int i = 0; i < 5; i++) {
        if (run_on(runtime, yield_some, NULL) < 0) abort();
    }
    uint64_t polls = worker_of(runtime, 0).poll_count + worker_of(runtime, 1).poll_count;

    claim(rouse_metrics_histogram(runtime, -1, ROUSE_HISTOGRAM_POLL_TIME, &times) == 0 &&
              times.count == polls && polls >= 5 * (YIELDS + 1),
          "every poll is in the histogram");
    claim(rouse_metrics_histogram(runtime, -1, ROUSE_HISTOGRAM_SCHEDULE_LATENCY, &latencies) == 0 &&
              latencies.count == polls,
          "and so is every way into a queue, by a spawn, a wake or a yield");
    claim(times.sum_ns > 0 && latencies.sum_ns > 0 &&
              rouse_histogram_quantile_ns(&latencies, 1) < 100 * ROUSE_NS_PER_S,
          "they are durations");
    uint64_t count = 0;
    for (int i = 0; i < 2; i++) {
        if (rouse_metrics_histogram(runtime, i, ROUSE_HISTOGRAM_POLL_TIME, &one) < 0) abort();
        count += one.count;
        one.size = sizeof one;
    }
    claim(count == times.count, "those of the workers add up");
    claim(rouse_metrics_histogram(runtime, 2, ROUSE_HISTOGRAM_POLL_TIME, &one) == -EINVAL,
          "a worker that is not there has none");
    rouse_runtime_free(runtime);
}

// ---- As text ----

static char text[1 << 20];

// What an executor's worker has polled, by the text.
static unsigned long executor_polls(int fd)
{
    static const char name[] = "\nrouse_worker_polls_total{scheduler=\"executor-";

    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0 || rouse_metrics_write(fd) < 0) abort();
    ssize_t size = pread(fd, text, sizeof text - 1, 0);

    if (size < 0) abort();
    text[size] = '\0';
    const char *line = strstr(text, name);

    return line != NULL ? strtoul(strchr(line, ' '), NULL, 10) : 0;
}

static void executors_go_on(int fd)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    unsigned long before;
    unsigned long after;

    if (rouse_executor_new(&executor, &spawner, NULL) < 0) abort();
    if (rouse_spawner_spawn(spawner, NULL, yield_some, NULL) < 0) abort();
    while (rouse_executor_turn(executor) && executor_polls(fd) < YIELDS + 1) {
    }
    before = executor_polls(fd);
    if (rouse_spawner_spawn(spawner, NULL, yield_some, NULL) < 0) abort();
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);
    after = executor_polls(fd);
    claim(before >= YIELDS + 1 && after >= before + YIELDS + 1,
          "an executor goes on counting where it was");
    rouse_executor_free(executor);
}

// Of all threads, which map as well. INT_MAX: no limit. Relaxed, all: a count.
static _Atomic int maps_left = INT_MAX;

static void maps_limit(int count)
{
    atomic_store_explicit(&maps_left, count, memory_order_relaxed);
}

static int mmap_some(void **out, size_t size, int protection, int flags)
{
    if (atomic_load_explicit(&maps_left, memory_order_relaxed) != INT_MAX &&
        atomic_fetch_sub_explicit(&maps_left, 1, memory_order_relaxed) <= 0) {
        return -ENOMEM;
    }
    return rs_sys_real.mmap(out, size, protection, flags);
}

// Each of the mappings of a runtime that measures fails once.
static void a_runtime_without_memory(void)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 2, .histograms = true};
    struct rouse_runtime *runtime;
    struct rouse_stats before, after;
    bool all_failed_well = true;
    int err = -1;

    for (int maps = 0; err < 0; maps++) {
        rouse_stats_get(&before);
        maps_limit(maps);
        err = rouse_runtime_new(&runtime, &options);
        maps_limit(INT_MAX);
        rouse_stats_get(&after);
        if (err == 0) break;
        all_failed_well &= err == -ENOMEM && after.page_bytes == before.page_bytes;
    }
    claim(all_failed_well, "a runtime that has no memory for its histograms is not made");
    rouse_runtime_free(runtime);
}

static void without_memory(int fd)
{
    struct rouse_runtime *runtime = runtime_new(2, true);

    maps_limit(0);
    int err = rouse_metrics_write(fd);

    maps_limit(INT_MAX);
    claim(err == -ENOMEM, "without memory there is no text, rather than a part of it");
    claim(rouse_metrics_write(-1) == -EBADF, "a descriptor that is none");
    rouse_runtime_free(runtime);
}

int main(void)
{
    char path[] = "/tmp/rouse-test-metrics-XXXXXX";
    int fd = mkstemp(path);

    (void)alarm(100);
    (void)unlink(path);
    if (fd < 0) return 1;
    rs_sys.mmap = mmap_some;
    arguments();
    counts();
    overflow_and_steal();
    parks();
    blocking();
    histograms();
    executors_go_on(fd);
    without_memory(fd);
    a_runtime_without_memory();
    (void)close(fd);
    return claims_end();
}
