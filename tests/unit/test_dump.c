// SPDX-License-Identifier: MIT
//
// Dumps in tight places. While a task is being made, by its init function, on a thread from outside
// and in a task: it is not there yet. Into a pipe that a task of the dumped runtime reads. Without
// memory. While a task ends in a poll that the dump could not wait for. In the millisecond in which
// a wait has begun. And while one worker runs alone.

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <rouse/dump.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "sched/runtime.h"
#include "task/task.h"

static int dump_fd = -1;

static void init_and_dump(struct rouse_future *storage, void *arg)
{
    int *err = arg;

    *err = rouse_dump(dump_fd);
    rouse_ready_init((struct rouse_ready *)storage);
}

static const struct rouse_task_attrs half_made = {.name = "half made"};

static int spawn_inside(void *arg)
{
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_ready), .init = init_and_dump, .arg = arg};

    return rouse_spawn_future_at(NULL, &spec, &half_made);
}

static bool was_dumped(const char *text)
{
    static char buf[1 << 16];
    ssize_t size = pread(dump_fd, buf, sizeof buf - 1, 0);

    if (size < 0) return false;
    buf[size] = '\0';
    return strstr(buf, text) != NULL;
}

// ---- A pipe that a task reads ----

// More text than a pipe holds.
enum { SLEEPERS = 3000 };

static int sleep_long(void *arg)
{
    (void)arg;
    return rouse_sleep(3600 * ROUSE_NS_PER_S);
}

static ssize_t read_some(int fd, void *arg)
{
    char buf[4096];
    ssize_t size = read(fd, buf, sizeof buf);

    if (size < 0) return -errno;
    *(size_t *)arg += (size_t)size;
    return size;
}

static size_t bytes_read;

static int read_pipe(void *arg)
{
    struct rouse_fd *in = arg;
    ssize_t size;

    do {
        size = rouse_fd_try_io(in, ROUSE_READABLE, read_some, &bytes_read);
    } while (size > 0);
    return (int)size;
}

static void reader_in_the_dumped_runtime(void)
{
    const struct rouse_runtime_options one_worker = {.size = sizeof one_worker, .workers = 1};
    struct rouse_runtime *runtime;
    struct rouse_join_handle reader;
    struct rouse_fd *in;
    int fds[2];

    if (rouse_runtime_new(&runtime, &one_worker) < 0) exit(1);
    if (pipe(fds) < 0 || rouse_fd_adopt(&in, fds[0]) < 0) exit(1);
    for (int i = 0; i < SLEEPERS; i++) {
        if (rouse_runtime_spawn(runtime, NULL, sleep_long, NULL, NULL) < 0) exit(1);
    }
    if (rouse_runtime_spawn(runtime, &reader, read_pipe, in, NULL) < 0) exit(1);
    const struct rouse_dump_options each = {.size = sizeof each, .all_tasks = true};

    claim(rouse_dump_with(fds[1], &each) == 0, "a task of the dumped runtime reads the dump");
    (void)close(fds[1]);
    claim(rouse_join(&reader) == 0 && bytes_read > SLEEPERS * 16, "all of it");
    rouse_fd_free(in);
    rouse_runtime_free(runtime);
}

// ---- A worker that runs alone ----

static void worker_that_runs_alone(void)
{
    const struct rouse_runtime_options options = {
        .size = sizeof options, .workers = 2, .no_solo = true};
    const char *text = "worker 1 runs all that may move";
    struct rouse_runtime *runtime;

    if (rouse_runtime_new(&runtime, &options) < 0) exit(1);
    claim(rouse_dump(dump_fd) == 0 && !was_dumped(text), "as a rule nobody runs alone");
    // Relaxed: read by this thread.
    atomic_store_explicit(&runtime->sched.solo.worker, 1, memory_order_relaxed);
    claim(rouse_dump(dump_fd) == 0 && was_dumped(text), "the dump says which worker runs alone");
    rouse_runtime_free(runtime);
}

// ---- Without memory ----

static _Atomic bool has_no_memory;

// From the beginning on: workers that begin may call it at any time.
static int play_mmap(void **out, size_t size, int protection, int flags)
{
    // Seq_cst, here and below: nothing depends on less.
    if (atomic_load(&has_no_memory)) return -ENOMEM;
    return rs_sys_real.mmap(out, size, protection, flags);
}

static void without_memory(void)
{
    struct rouse_runtime *runtime;

    if (rouse_runtime_new(&runtime, NULL) < 0) exit(1);
    for (int i = 0; i < 100; i++) {
        if (rouse_runtime_spawn(runtime, NULL, sleep_long, NULL, NULL) < 0) exit(1);
    }
    if (ftruncate(dump_fd, 0) < 0 || lseek(dump_fd, 0, SEEK_SET) < 0) exit(1);
    atomic_store(&has_no_memory, true);
    int err = rouse_dump(dump_fd);
    atomic_store(&has_no_memory, false);
    claim(err == 0 && was_dumped("rouse dump:"), "a dump without memory has its first lines");
    claim(was_dumped("truncated"), "and says that it is not all");
    rouse_runtime_free(runtime);
}

// ---- A task that ends during the dump ----

static _Atomic bool is_polling;
static _Atomic bool may_end;

static int long_poll(void *arg)
{
    (void)arg;
    // Seq_cst, here and below: nothing depends on less.
    atomic_store(&is_polling, true);
    while (!atomic_load(&may_end)) (void)usleep(100);
    return 0;
}

static struct rouse_stats stats(void)
{
    struct rouse_stats out;

    rouse_stats_get(&out);
    return out;
}

// Lets the task end, and waits until it has; and then for long enough to see its record go.
static void end_it(struct rouse_task *task, void *arg)
{
    struct rouse_stats before = stats();

    (void)task;
    atomic_store(&may_end, true);
    while (stats().tasks == before.tasks) (void)usleep(100);
    for (int i = 0; i < 100 && stats().task_records == before.task_records; i++) (void)usleep(1000);
    *(bool *)arg = stats().task_records == before.task_records;
}

static void task_that_ends_meanwhile(void)
{
    struct rouse_runtime *runtime;
    struct rs_task_link *unowned = NULL;
    bool was_kept = false;

    if (rouse_runtime_new(&runtime, NULL) < 0) exit(1);
    int64_t before = stats().task_records;
    if (rouse_runtime_spawn(runtime, NULL, long_poll, NULL, NULL) < 0) exit(1);
    while (!atomic_load(&is_polling)) (void)usleep(100);
    rs_sched_pause(&runtime->sched, ROUSE_NS_PER_MS);
    rs_sched_visit_tasks(&runtime->sched, end_it, &was_kept, &unowned);
    rs_sched_resume(&runtime->sched);
    claim(was_kept, "a task that ends while it is visited is not freed under the visitor");
    claim(unowned != NULL, "but given to the visitor");
    rs_tasks_free(unowned);
    claim(stats().task_records == before, "who frees it");
    rouse_runtime_free(runtime);
}

// ---- A wait that has just begun ----

static int wait_for_ever(void *arg)
{
    struct rouse_pending pending;

    (void)arg;
    rouse_pending_init(&pending);
    return rouse_await(&pending.base);
}

// In a process of its own, in which the clock stands still, at an even millisecond.
static int wait_of_this_millisecond(void)
{
    struct rouse_runtime *runtime;

    rouse_clock_use_virtual(1000 * ROUSE_NS_PER_MS);
    if (rouse_runtime_new(&runtime, NULL) < 0) return 1;
    if (rouse_runtime_spawn(runtime, NULL, wait_for_ever, NULL, NULL) < 0) return 1;
    do {
        if (ftruncate(dump_fd, 0) < 0 || lseek(dump_fd, 0, SEEK_SET) < 0) return 1;
        if (rouse_dump(dump_fd) < 0) return 1;
    } while (!was_dumped("waiting "));
    bool is_right = was_dumped("waiting 0.000 s");

    rouse_runtime_free(runtime);
    return is_right ? 0 : 1;
}

static bool succeeds_in_a_process(int (*fn)(void))
{
    pid_t child = fork();
    int status = 1;

    if (child == 0) _exit(fn());
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
    char path[] = "/tmp/rouse-test-dump-XXXXXX";
    struct rouse_runtime *runtime;
    struct rouse_join_handle handle;
    int err = -1;
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_ready), .init = init_and_dump, .arg = &err};

    (void)alarm(60);
    rs_sys.mmap = play_mmap;
    dump_fd = mkstemp(path);
    (void)unlink(path);
    if (dump_fd < 0) return 1;
    claim(succeeds_in_a_process(wait_of_this_millisecond),
          "a wait that has just begun has lasted no time");
    if (rouse_runtime_new(&runtime, NULL) < 0) return 1;
    claim(rouse_runtime_spawn_future(runtime, &handle, &spec, &half_made) == 0 && err == 0,
          "a dump while a thread from outside makes a task");
    (void)rouse_join(&handle);  // or the next dump may find it, complete
    err = -1;
    if (rouse_runtime_spawn(runtime, &handle, spawn_inside, &err, NULL) < 0) return 1;
    claim(rouse_block_on(runtime, &handle.base) == 0 && handle.output == 0 && err == 0,
          "a dump while a task makes a task");
    rouse_runtime_free(runtime);
    claim(was_dumped("rouse dump:"), "the dumps were written");
    claim(!was_dumped("half made"), "neither names the task that was not complete");
    worker_that_runs_alone();
    reader_in_the_dumped_runtime();
    without_memory();
    task_that_ends_meanwhile();
    (void)close(dump_fd);
    return claims_end();
}
