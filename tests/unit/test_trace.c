// SPDX-License-Identifier: MIT
//
// The trace's file: whole after each runtime, and gone on with by the next one; two at once; a disk
// that is full; what is dropped is said; the child of a fork leaves the parent's file alone. What
// is in the events is checked by tests/blackbox/trace.sh.

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rouse.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "child.h"
#include "claim.h"
#include "sched/observe.h"
#include "sched/runtime.h"

static char path[] = "/tmp/rouse-test-trace-XXXXXX";
static char content[64 << 20];
static char logged[256];

static void log_keep(void *data, const struct rouse_log_record *record)
{
    (void)data;
    (void)snprintf(logged, sizeof logged, "%s", record->message);
}

static int yield_some(void *arg)
{
    int *count = arg;

    for (int i = 0; i < *count; i++) {
        if (rouse_yield() < 0) return -1;
    }
    return 0;
}

static struct rouse_runtime *runtime_new(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};
    struct rouse_runtime *runtime;

    if (rouse_runtime_new(&runtime, &options) < 0) abort();
    return runtime;
}

static int run_on(struct rouse_runtime *runtime, const char *name, int yields)
{
    const struct rouse_task_attrs attrs = {.name = name, .site = ROUSE_SITE};
    struct rouse_join_handle handle;

    if (rouse_runtime_spawn(runtime, &handle, yield_some, &yields, &attrs) < 0) abort();
    return (int)rouse_join(&handle);
}

static const char *read_trace(void)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, content, sizeof content - 1) : -1;

    if (fd >= 0) (void)close(fd);
    content[size > 0 ? size : 0] = '\0';
    return content;
}

// Not by strstr(), which AddressSanitizer has look at the rest of the text each time.
static int times(const char *text)
{
    size_t length = strlen(text);
    const char *end = content + strlen(content);
    int count = 0;

    for (const char *at = content; at < end; at++) {
        at = memchr(at, text[0], (size_t)(end - at));
        if (at == NULL) break;
        count += strncmp(at, text, length) == 0;
    }
    return count;
}

static bool is_whole(void)
{
    static const char end[] = "\"}}\n";
    const char *text = read_trace();
    size_t length = strlen(text);

    return length > sizeof end && strcmp(text + length - (sizeof end - 1), end) == 0 &&
           times("\"traceEvents\"") == 1 && times("\"otherData\"") == 1;
}

static void runtimes_after_one_another(void)
{
    struct rouse_runtime *runtime = runtime_new();

    claim(is_whole() && times("runtime-") == 1, "the file is whole before anything has run");
    claim(run_on(runtime, "first", 3) == 0, "a task runs");
    rouse_runtime_free(runtime);
    claim(is_whole() && times("\"name\":\"first\",\"cat\":\"poll\"") == 4,
          "the file is whole when the runtime has gone");
    struct rouse_runtime *a = runtime_new(), *b = runtime_new();

    claim(run_on(a, "second", 0) == 0 && run_on(b, "third", 0) == 0, "two others run tasks");
    rouse_runtime_free(a);
    claim(run_on(b, "fourth", 0) == 0, "one goes on when the other has gone");
    rouse_runtime_free(b);
    claim(is_whole() && times("\"name\":\"first\",\"cat\":\"poll\"") == 4 &&
              times("\"name\":\"second\",\"cat\":\"poll\"") == 1 &&
              times("\"name\":\"third\",\"cat\":\"poll\"") == 1 &&
              times("\"name\":\"fourth\",\"cat\":\"poll\"") == 1,
          "and the file has all of them");
}

static void only_what_was_asked_for(void)
{
    struct rouse_runtime *runtime;

    (void)unsetenv("ROUSE_TRACE");
    runtime = runtime_new();
    (void)setenv("ROUSE_TRACE", path, 1);
    claim(rs_observed(&runtime->sched) == 0 && run_on(runtime, "unseen", 0) == 0,
          "without being asked for there is no trace");
    rouse_runtime_free(runtime);
    claim(is_whole() && times("unseen") == 0, "of that runtime");
}

static _Atomic bool is_stuck;

// A disk that hangs: for as long nothing is taken out of the rings.
static ssize_t write_stuck(int fd, const struct iovec *iov, int count, int64_t offset)
{
    while (atomic_load_explicit(&is_stuck, memory_order_acquire)) (void)usleep(1000);
    return rs_sys_real.pwritev(fd, iov, count, offset);
}

static long said_dropped(void)
{
    static const char key[] = "\"dropped\":\"";
    const char *at = strstr(content, key);

    return at != NULL ? strtol(at + sizeof key - 1, NULL, 10) : -1;
}

static void says_what_was_dropped(void)
{
    struct rouse_runtime *runtime;
    int yields = RS_TRACE_RING_CAPACITY + 1000;

    rs_sys.pwritev = write_stuck;
    runtime = runtime_new();
    atomic_store_explicit(&is_stuck, true, memory_order_release);
    claim(run_on(runtime, "many", yields) == 0, "a disk that hangs stops no task");
    atomic_store_explicit(&is_stuck, false, memory_order_release);
    rouse_runtime_free(runtime);
    rs_sys.pwritev = rs_sys_real.pwritev;
    claim(is_whole() && said_dropped() > 0, "what there was no room for is said");
    // Sleeps may be among it.
    claim(times("\"name\":\"many\",\"cat\":\"poll\"") + said_dropped() > yields,
          "everything else is there");
}

static void child_leaves_the_file_alone(void)
{
    struct rouse_runtime *runtime;
    int status = -1;

    if (!child_can_make_threads()) return;
    runtime = runtime_new();
    (void)run_on(runtime, "parent", 0);
    logged[0] = '\0';
    pid_t pid = fork();

    if (pid == 0) {
        struct rouse_runtime *own = runtime_new();
        bool ran = run_on(own, "child", 0) == 0;

        rouse_runtime_free(own);
        rouse_runtime_free(runtime);
        child_exit(ran && strstr(logged, "no trace") != NULL ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) abort();
    claim(status == 0, "in the child of a fork a runtime runs without a trace, and says so");
    (void)run_on(runtime, "parent again", 0);
    rouse_runtime_free(runtime);
    claim(is_whole() && times("\"child\"") == 0 && times("\"parent again\"") == 3,
          "and the parent's trace goes on");
}

// ---- A program that ends without freeing its runtime ----

static int leave(void)
{
    struct rouse_join_handle handle;
    int yields = 5;
    const struct rouse_task_attrs attrs = {.name = "left", .site = ROUSE_SITE};

    if (rouse_spawn_at(&handle, yield_some, &yields, &attrs) < 0) return 1;
    return rouse_join(&handle) == 0 ? 0 : 1;
}

static void a_program_that_just_ends(char *program)
{
    char *arguments[] = {program, (char *)(uintptr_t) "leave", NULL};
    int status = -1;
    pid_t pid;

    if (child_is_emulated()) return;
    if (posix_spawn(&pid, program, NULL, NULL, arguments, environ) != 0) abort();
    if (waitpid(pid, &status, 0) != pid) abort();
    // Its last poll may be under way when the program ends.
    claim(status == 0 && is_whole() && times("\"name\":\"left\",\"cat\":\"poll\"") >= 5,
          "what a program has not freed is in its trace");
}

static int no_thread_once(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                          void *arg)
{
    (void)out;
    (void)attributes;
    (void)fn;
    (void)arg;
    rs_sys.thread_create = rs_sys_real.thread_create;
    return -EAGAIN;
}

static void without_its_thread(void)
{
    struct rouse_runtime *runtime;

    logged[0] = '\0';
    rs_sys.thread_create = no_thread_once;
    runtime = runtime_new();
    claim(strstr(logged, "no thread for the trace") != NULL, "a thread that is refused is told");
    claim(run_on(runtime, "unattended", 2) == 0, "tasks run all the same");
    rouse_runtime_free(runtime);
    claim(is_whole() && times("\"name\":\"unattended\",\"cat\":\"poll\"") == 3,
          "and are in the trace when the runtime goes");
}

static ssize_t write_full(int fd, const struct iovec *iov, int count, int64_t offset)
{
    (void)fd;
    (void)iov;
    (void)count;
    (void)offset;
    return -ENOSPC;
}

// The last one: nothing is written after it.
static void a_full_disk(void)
{
    struct rouse_runtime *runtime = runtime_new();

    logged[0] = '\0';
    rs_sys.pwritev = write_full;
    claim(run_on(runtime, "lost", 10) == 0, "a full disk stops no task");
    rouse_runtime_free(runtime);
    rs_sys.pwritev = rs_sys_real.pwritev;
    claim(strstr(logged, "no more of the trace") != NULL, "and is told");
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "leave") == 0) return leave();
    int fd = mkstemp(path);

    (void)alarm(100);
    if (fd < 0) return 1;
    (void)close(fd);
    (void)setenv("ROUSE_TRACE", path, 1);
    rouse_log_set_hook(log_keep, NULL, ROUSE_LOG_WARN);
    runtimes_after_one_another();
    only_what_was_asked_for();
    says_what_was_dropped();
    child_leaves_the_file_alone();
    without_its_thread();
    a_full_disk();
    a_program_that_just_ends(argv[0]);
    (void)unlink(path);
    return claims_end();
}
