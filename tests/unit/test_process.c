// SPDX-License-Identifier: MIT
//
// Children, seen from inside: what a child gets and what it does not, which error each step that
// fails becomes, what is left behind then (nothing), who reaps what was given up, and all of it
// without pidfds, and with each system call and allocation made to fail in turn.

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "base/sys.h"
#include "child.h"
#include "claim.h"
#include "hand_waker.h"
#include "live.h"
#include "signal/signal.h"

#define COMMAND(...) ((char *[]){__VA_ARGS__, NULL})
#define SHELL(text) COMMAND("/bin/sh", "-c", (text))

enum { DESCRIPTORS = 64, CHILDREN = 40 };

static void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("Bail out! %s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

// ---- What is left behind ----

struct inventory {
    int64_t allocations;
    bool open[DESCRIPTORS];
};

// When the runtime had what it keeps, and no child was left.
static struct inventory baseline;

static void inventory_take(struct inventory *out)
{
    out->allocations = live_allocations();
    for (int fd = 0; fd < DESCRIPTORS; fd++) out->open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static bool has_no_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

// True once nothing is there that was not, and no child is left, running or as a zombie. What is
// reaped by a thread takes a moment; and the runtime may have given something back.
static bool nothing_is_left(void)
{
    uint64_t deadline = rouse_deadline_after(20 * ROUSE_NS_PER_S);
    struct inventory now;

    do {
        inventory_take(&now);
        if (has_no_children() && memcmp(now.open, baseline.open, sizeof now.open) == 0 &&
            now.allocations <= baseline.allocations) {
            return true;
        }
        hand_pause();
    } while (rouse_now_ns() < deadline);
    printf("# %lld allocations, %lld before\n", (long long)now.allocations,
           (long long)baseline.allocations);
    return false;
}

// ---- Running one ----

static char captured[4096];

// Runs it on a plain thread; the status, or a negative errno. What it wrote is in `captured`.
static int run(struct rouse_process_options options)
{
    struct rouse_process_capture out = {.data = captured, .size = sizeof captured - 1};
    struct rouse_exit_status status;
    int err = rouse_process_output(&options, NULL, 0, &out, NULL, &status);

    captured[out.length] = '\0';
    if (err < 0) return err;
    return status.signal != 0 ? 1000 + status.signal : status.code;
}

static int run_shell(const char *text)
{
    char line[512];

    (void)snprintf(line, sizeof line, "%s", text);
    return run((struct rouse_process_options){.argv = SHELL(line)});
}

// ---- How it ends ----

static void statuses(void)
{
    claim(run_shell("exit 0") == 0 && run_shell("exit 7") == 7 && run_shell("exit 255") == 255,
          "what a child exits with is told");
    claim(run_shell("kill -TERM $$") == 1000 + SIGTERM && run_shell("kill -9 $$") == 1000 + SIGKILL,
          "so is the signal that ended it");
    claim(run((struct rouse_process_options){.argv = COMMAND("true")}) == 0 &&
              run((struct rouse_process_options){.argv = COMMAND("false")}) == 1,
          "a name without a slash is found in PATH");
    claim(run((struct rouse_process_options){.argv = COMMAND("other"), .program = "/bin/echo"}) ==
              0,
          "the program may have another name than its first argument");
}

static void status_is_kept(void)
{
    struct rouse_process *process;
    struct rouse_exit_status status = {0};
    struct rouse_process_options options = {.argv = SHELL("exit 3")};

    must(rouse_process_spawn(&process, &options), "spawn");
    claim(rouse_process_wait(process, NULL) == 0 && rouse_process_wait(process, &status) == 0 &&
              status.code == 3 && rouse_process_try_wait(process, &status) == 0 && status.code == 3,
          "a second wait gets the same status");
    claim(rouse_process_kill(process, SIGTERM) == -ESRCH,
          "one that was reaped cannot be signalled");
    rouse_process_free(process);
    rouse_process_free(NULL);
}

// ---- What it gets ----

static void surroundings(void)
{
    claim(run((struct rouse_process_options){
              .argv = SHELL("echo $A$B; pwd"), .env = COMMAND("A=x", "B=y"), .cwd = "/"}) == 0 &&
              strcmp(captured, "xy\n/\n") == 0,
          "a child has the environment and the directory that it is given");
    must(setenv("ROUSE_TEST_INHERITED", "yes", 1), "setenv");
    claim(run_shell("echo $ROUSE_TEST_INHERITED") == 0 && strcmp(captured, "yes\n") == 0,
          "or else ours");
    // The fifth and sixth words are the process group and the session.
    claim(run((struct rouse_process_options){
              .argv = SHELL("read -r pid _ _ _ group session _ </proc/$$/stat;"
                            "[ $group = $$ ] && [ $session = $$ ]"),
              .new_session = true}) == 0 &&
              run((struct rouse_process_options){
                  .argv = SHELL("read -r pid _ _ _ group session _ </proc/$$/stat;"
                                "[ $group = $$ ] && [ $session != $$ ]"),
                  .new_group = true}) == 0,
          "a child can lead a session or a group of its own");
    claim(run((struct rouse_process_options){
              .argv = SHELL("cat; echo gone >&2"),
              .stdio = {{.kind = ROUSE_STDIO_NULL}, {0}, {.kind = ROUSE_STDIO_NULL}}}) == 0 &&
              captured[0] == '\0',
          "a stream can be nothing");
}

static void streams_may_cross(void)
{
    int out[2];
    char buf[64] = "";
    struct rouse_process *process;

    must(pipe2(out, O_CLOEXEC), "pipe2");
    // Standard error is the pipe, and standard output is what was standard error.
    int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

    must(dup2(out[1], STDERR_FILENO), "dup2");
    struct rouse_process_options options = {
        .argv = SHELL("echo one; echo two >&2"),
        .stdio = {{0}, {ROUSE_STDIO_FD, STDERR_FILENO}, {ROUSE_STDIO_FD, STDERR_FILENO}}};

    must(rouse_process_spawn(&process, &options), "spawn");
    must(rouse_process_wait(process, NULL), "wait");
    rouse_process_free(process);
    must(dup2(saved, STDERR_FILENO), "dup2");
    close(saved);
    close(out[1]);
    must(read(out[0], buf, sizeof buf - 1), "read");
    close(out[0]);
    claim(strcmp(buf, "one\ntwo\n") == 0, "descriptors may stand in the way of each other");
}

// A process without standard streams starts children all the same.
static void without_streams(void)
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        struct rouse_process_options options = {.argv = SHELL("echo hello"),
                                                .stdio = {{.kind = ROUSE_STDIO_NULL},
                                                          {.kind = ROUSE_STDIO_PIPE},
                                                          {.kind = ROUSE_STDIO_NULL}}};
        struct rouse_process *process;
        char buf[16];

        for (int fd = 0; fd < 3; fd++) close(fd);
        if (rouse_process_spawn(&process, &options) < 0) child_exit(1);
        int fd = rouse_fd_release(rouse_process_take_pipe(process, 1));

        (void)fcntl(fd, F_SETFL, 0);
        if (fd < 3 || read(fd, buf, sizeof buf) != 6) child_exit(2);
        close(fd);
        siginfo_t info;

        if (waitid(P_PID, (id_t)rouse_process_pid(process), &info, WEXITED | WNOWAIT) < 0 ||
            info.si_status != 0) {
            child_exit(3);
        }
        rouse_process_free(process);
        child_exit(fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 && fcntl(2, F_GETFD) < 0 ? 0 : 4);
    }
    must(waitpid(pid, &status, 0), "waitpid");
    claim(WIFEXITED(status) && WEXITSTATUS(status) == 0,
          "a process without standard streams starts children");
}

static long ask_without_close_range(long number, long a, long b, long c, long d)
{
    return number == SYS_close_range ? -ENOSYS : rs_sys_real.child_call(number, a, b, c, d);
}

static void descriptors(void)
{
    static const char count[] = "n=3; while [ $n -lt 64 ]; do"
                                " [ -e /proc/self/fd/$n ] && echo $n; n=$((n + 1)); done; true";
    const struct rouse_process_options keeping = {
        .argv = SHELL("[ -e /proc/self/fd/40 ] && ! [ -e /proc/self/fd/41 ]"),
        .keep_descriptors = true};

    must(dup3(STDIN_FILENO, 40, 0), "dup3");
    must(dup3(STDIN_FILENO, 41, O_CLOEXEC), "dup3");
    claim(run_shell(count) == 0 && captured[0] == '\0', "no descriptor leaks into a child");
    rs_sys.child_call = ask_without_close_range;
    claim(run_shell(count) == 0 && captured[0] == '\0',
          "nor where the kernel cannot close them at once");
    rs_sys.child_call = rs_sys_real.child_call;
    claim(run(keeping) == 0, "if asked for, those that are not close-on-exec are passed on");
    close(40);
    close(41);
}

// The set of signals that the child says of itself, without two that nobody but the C library can
// change: an emulator ignores one of them.
static uint64_t captured_set(const char *name)
{
    const char *line = strstr(captured, name);

    return line == NULL ? UINT64_MAX
                        : strtoull(line + strlen(name), NULL, 16) & ~(UINT64_C(3) << 31);
}

static void signals(void)
{
    sigset_t some;
    sigset_t before;

    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    sigaddset(&some, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &some, &before);
    (void)signal(SIGUSR2, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    int err = run_shell("grep -E 'Sig(Blk|Ign)' /proc/self/status");

    (void)signal(SIGUSR2, SIG_DFL);
    (void)signal(SIGPIPE, SIG_DFL);
    bool is_clean = err == 0 && captured_set("SigBlk:") == 0 && captured_set("SigIgn:") == 0;

    if (!is_clean) printf("# status %d, \"%s\"\n", err, captured);
    claim(is_clean, "a child ignores and blocks no signal, whatever we do");
    sigset_t after;

    (void)pthread_sigmask(SIG_SETMASK, &before, &after);
    claim(sigismember(&after, SIGUSR1) == 1 && sigismember(&after, SIGINT) == 0,
          "and our own mask is as it was");
}

// ---- What fails ----

static char scratch[] = "/tmp/rouse-test-process-XXXXXX";

static int run_error(struct rouse_process_options options)
{
    int err;

    err = run(options);
    return nothing_is_left() ? err : -EOVERFLOW;
}

static void file_make(char *out, size_t size, const char *name, const char *text, mode_t mode)
{
    (void)snprintf(out, size, "%s/%s", scratch, name);
    int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    must(fd, "open");
    must(write(fd, text, strlen(text)), "write");
    close(fd);
}

static void failures(void)
{
    char plain[64];
    char garbage[64];

    must(mkdtemp(scratch) != NULL ? 0 : -errno, "mkdtemp");
    file_make(plain, sizeof plain, "plain", "#!/bin/sh\n", 0600);
    file_make(garbage, sizeof garbage, "garbage", "no program\n", 0700);
    claim(run_error((struct rouse_process_options){.argv = COMMAND("/no/such/program")}) ==
                  -ENOENT &&
              run_error((struct rouse_process_options){.argv = COMMAND("no-such-program")}) ==
                  -ENOENT &&
              run_error((struct rouse_process_options){.argv = COMMAND("")}) == -ENOENT,
          "a program that is not there is -ENOENT");
    claim(run_error((struct rouse_process_options){.argv = COMMAND(plain)}) == -EACCES,
          "a file that may not be run is -EACCES");
    claim(run_error((struct rouse_process_options){.argv = COMMAND(garbage)}) == -ENOEXEC,
          "a file that is no program is -ENOEXEC");
    claim(run_error((struct rouse_process_options){.argv = COMMAND("true"),
                                                   .cwd = "/no/such/folder"}) == -ENOENT &&
              run_error((struct rouse_process_options){.argv = COMMAND("true"), .cwd = plain}) ==
                  -ENOTDIR,
          "a directory that is none is told");
    claim(run_error((struct rouse_process_options){.argv = COMMAND("true"),
                                                   .stdio = {{ROUSE_STDIO_FD, 999}}}) == -EBADF &&
              run_error((struct rouse_process_options){.argv = COMMAND("true"),
                                                       .stdio = {{ROUSE_STDIO_FD, -1}}}) == -EBADF,
          "a descriptor that is none is -EBADF");
    must(unlink(plain), "unlink");
    must(unlink(garbage), "unlink");
    must(rmdir(scratch), "rmdir");
}

// ---- Pipes and plain threads ----

static void broken_pipe(void)
{
    struct rouse_process_options options = {
        .argv = SHELL("exec <&-; echo closed; exec sleep 100"),
        .stdio = {{.kind = ROUSE_STDIO_PIPE}, {.kind = ROUSE_STDIO_PIPE}},
        .kill_on_free = true};
    struct rouse_process *process;
    char buf[16];

    must(rouse_process_spawn(&process, &options), "spawn");
    claim(rouse_fd_read(rouse_process_pipe(process, 1), buf, sizeof buf) == 7 &&
              rouse_fd_write(rouse_process_pipe(process, 0), "x", 1) == -EPIPE,
          "a write to a child that reads no more is -EPIPE, and no signal ends us");
    rouse_process_free(process);
}

// ---- Given up ----

// A child that runs until its input ends.
static struct rouse_process *cat_start(bool kill_on_free)
{
    struct rouse_process_options options = {.argv = COMMAND("cat"),
                                            .stdio = {{.kind = ROUSE_STDIO_PIPE}},
                                            .kill_on_free = kill_on_free};
    struct rouse_process *process;

    must(rouse_process_spawn(&process, &options), "spawn");
    return process;
}

static void given_up(void)
{
    struct rouse_process *process = cat_start(true);
    pid_t pid = rouse_process_pid(process);

    rouse_process_free(process);
    claim(nothing_is_left() && kill(pid, 0) < 0 && errno == ESRCH,
          "kill_on_free ends the child, and it is reaped");

    process = cat_start(false);
    pid = rouse_process_pid(process);
    struct rouse_fd *input = rouse_process_take_pipe(process, 0);

    rouse_process_free(process);
    claim(kill(pid, 0) == 0, "without it a child outlives its handle");
    rouse_fd_free(input);
    claim(nothing_is_left(), "and is reaped when it ends by itself");
}

static int no_thread(pthread_t *out, const pthread_attr_t *attributes, void *(*fn)(void *),
                     void *arg)
{
    (void)out;
    (void)attributes;
    (void)fn;
    (void)arg;
    return -EAGAIN;
}

static bool is_zombie(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == pid;
}

static void given_up_without_a_thread(void)
{
    struct rouse_process *process = cat_start(false);
    pid_t pid = rouse_process_pid(process);
    struct rouse_fd *input = rouse_process_take_pipe(process, 0);

    rs_sys.thread_create = no_thread;
    rouse_process_free(process);
    rs_sys.thread_create = rs_sys_real.thread_create;
    claim(run_shell("true") == 0 && kill(pid, 0) == 0,
          "a look for the ended leaves those that run");
    rouse_fd_free(input);
    claim(is_zombie(pid), "where no thread can be had, nobody waits");
    claim(run_shell("true") == 0 && nothing_is_left(), "and the next spawn reaps what has ended");
}

// ---- Waits, polled by hand ----

static void waits(void)
{
    struct rouse_process *process = cat_start(false);
    struct rouse_process_wait first;
    struct rouse_process_wait second;
    char text[64];
    char expected[64];

    rouse_process_wait_init(&first, process);
    (void)rouse_future_describe(&first.base, text, sizeof text);
    (void)snprintf(expected, sizeof expected, "the end of process %d",
                   (int)rouse_process_pid(process));
    claim(strcmp(text, expected) == 0, "a wait says what it waits for");
    rouse_process_wait_init(&second, process);
    rouse_future_drop(&second.base);
    claim(rouse_await_until(&first.base, rouse_deadline_after(2 * ROUSE_NS_PER_MS)) == -ETIMEDOUT,
          "it waits while the child runs");
    rouse_process_wait_init(&first, process);
    rouse_process_wait_init(&second, process);
    rouse_process_free(process);  // and its pipe
    must(rouse_await(&first.base), "await");
    claim(first.output == 0 && first.status.code == 0 && first.status.signal == 0,
          "a wait goes on when the handle is freed");
    must(rouse_await(&second.base), "await");
    claim(second.output == 0 && second.status.code == 0 && rouse_future_result(&second.base) == 0,
          "every wait gets the status");
}

static void somebody_else_reaps(void)
{
    struct rouse_process *process = cat_start(false);
    struct rouse_exit_status status;

    claim(rouse_process_try_wait(process, &status) == -EAGAIN, "before the end there is no status");
    rouse_fd_free(rouse_process_take_pipe(process, 0));
    must(waitpid(rouse_process_pid(process), NULL, 0), "waitpid");
    claim(rouse_process_kill(process, SIGTERM) == -ESRCH,
          "a signal finds nobody, though we do not know yet");
    claim(rouse_process_wait(process, &status) == -ECHILD &&
              rouse_process_try_wait(process, &status) == -ECHILD,
          "a status that somebody else has taken is -ECHILD");
    rouse_process_free(process);
}

// ---- Without pidfds ----

static int no_pidfd(pid_t pid)
{
    (void)pid;
    return -ENOSYS;
}

static int no_pidfd_signal(int pidfd, int signal)
{
    (void)pidfd;
    (void)signal;
    return -ENOSYS;
}

static void kills(void)
{
    struct rouse_process_options options = {.argv = SHELL("sleep 100 & echo $!; wait"),
                                            .stdio = {{0}, {.kind = ROUSE_STDIO_PIPE}},
                                            .new_group = true};
    struct rouse_process *process;
    struct rouse_exit_status status;
    char buf[16];

    must(rouse_process_spawn(&process, &options), "spawn");
    must(rouse_fd_read(rouse_process_pipe(process, 1), buf, sizeof buf), "read");
    claim(rouse_process_kill(process, 0) == 0 && rouse_process_kill(process, 999) == -EINVAL,
          "a signal may be refused");
    claim(rouse_process_kill_group(process, SIGTERM) == 0 &&
              rouse_process_wait(process, &status) == 0 && status.signal == SIGTERM &&
              rouse_process_kill_group(process, SIGTERM) == -ESRCH,
          "a signal to the group ends the child");
    claim(rouse_fd_read(rouse_process_pipe(process, 1), buf, sizeof buf) == 0,
          "and what it has started");
    rouse_process_free(process);

    process = cat_start(true);
    claim(rouse_process_kill_group(process, SIGTERM) == -EINVAL, "who leads none has no group");
    claim(rouse_process_kill(process, SIGKILL) == 0 && rouse_process_wait(process, &status) == 0 &&
              status.signal == SIGKILL && !status.core_dumped,
          "a signal to the child ends it");
    rouse_process_free(process);
}

static int no_eventfd(unsigned initial, int flags)
{
    (void)initial;
    (void)flags;
    return -EMFILE;
}

// Of the calling thread: the reaper waits for its children all the time.
static _Thread_local bool waitid_fails;

static int waitid_or_not(pid_t pid, siginfo_t *info, int options)
{
    return waitid_fails ? -EINVAL : rs_sys_real.waitid(pid, info, options);
}

// The child and its status are there when the trouble is over.
static void waits_that_fail(void)
{
    struct rouse_process *process = cat_start(false);
    struct rouse_exit_status status;

    rs_signal_thread_stop();
    rs_sys.eventfd = no_eventfd;
    claim(rouse_process_wait(process, &status) == -EMFILE, "where nobody can listen, a wait fails");
    rs_sys.eventfd = rs_sys_real.eventfd;
    waitid_fails = true;
    claim(rouse_process_wait(process, &status) == -EINVAL, "as where the kernel does not answer");
    waitid_fails = false;
    rouse_fd_free(rouse_process_take_pipe(process, 0));
    claim(rouse_process_wait(process, &status) == 0 && status.code == 0,
          "and a later wait gets the status");
    rouse_process_free(process);
}

static void without_pidfds(void)
{
    rs_sys.pidfd_open = no_pidfd;
    rs_sys.pidfd_send_signal = no_pidfd_signal;
    printf("# without pidfds\n");
    statuses();
    status_is_kept();
    waits();
    somebody_else_reaps();
    kills();
    waits_that_fail();
    rs_signal_thread_stop();
    given_up();
    rs_sys.pidfd_open = rs_sys_real.pidfd_open;
    kills();  // a descriptor that cannot send
    rs_sys.pidfd_send_signal = rs_sys_real.pidfd_send_signal;
    rs_signal_thread_stop();
    claim(nothing_is_left(), "without pidfds nothing is left behind either");
}

// ---- Each call that fails ----

// The n-th call of a kind fails, of those that the spawning thread makes: the runtime's and the
// reaper's are not counted. Those in the child, which has that thread's memory, are told by their
// number.
static struct {
    pthread_t thread;
    long number;  // of a call in the child; 0: none
    int countdown;
    int error;
    bool hit;
} fault;

static bool fault_is_now(void)
{
    if (!pthread_equal(fault.thread, pthread_self())) return false;
    fault.hit |= --fault.countdown == 0;
    return fault.countdown == 0;
}

static long faulty_child_call(long number, long a, long b, long c, long d)
{
    if (number == fault.number && fault_is_now()) return -fault.error;
    return rs_sys_real.child_call(number, a, b, c, d);
}

static void *faulty_malloc(size_t size)
{
    return fault_is_now() ? NULL : rs_sys_real.malloc(size);
}

static int faulty_pipe2(int fds[2], int flags)
{
    return fault_is_now() ? -fault.error : rs_sys_real.pipe2(fds, flags);
}

static int faulty_fcntl(int fd, int command, long argument)
{
    return fault_is_now() ? -fault.error : rs_sys_real.fcntl(fd, command, argument);
}

static int faulty_openat(int directory_fd, const char *path, int flags, unsigned mode)
{
    return fault_is_now() ? -fault.error : rs_sys_real.openat(directory_fd, path, flags, mode);
}

static int faulty_clone(int (*fn)(void *), void *stack, int flags, void *arg)
{
    return fault_is_now() ? -fault.error : rs_sys_real.clone(fn, stack, flags, arg);
}

// Starts a child with everything that one can have, and ends it: 0, or the spawn's error.
static int start_everything(void)
{
    struct rouse_process_options options = {
        .argv = COMMAND("true"),
        .cwd = "/",
        .new_group = true,
        .stdio = {{.kind = ROUSE_STDIO_NULL},
                  {.kind = ROUSE_STDIO_PIPE},
                  {.kind = ROUSE_STDIO_PIPE}}};
    struct rouse_process *process;
    int err = rouse_process_spawn(&process, &options);

    if (err < 0) return err;
    siginfo_t info;

    (void)waitid(P_PID, (id_t)rouse_process_pid(process), &info, WEXITED | WNOWAIT);
    rouse_process_free(process);
    return 0;
}

// Lets each call in turn fail: each time the spawn fails with that error, or the child runs, and
// nothing is left. True if at least `least` of the calls were met.
static bool each_fails(int error, int least)
{
    int met = 0;
    bool all = true;

    fault.thread = pthread_self();
    for (fault.hit = true; fault.hit && all; met++) {
        fault.hit = false;
        fault.error = error;
        fault.countdown = met + 1;
        int err = start_everything();

        // The child's own count is seen where it shares our memory.
        if (fault.countdown > 0 && err < 0) fault.hit = true;
        all = fault.hit ? err == -error || err == 0 : err == 0;
        if (fault.hit && err == 0 && fault.number != SYS_fcntl) all = false;
        all = all && nothing_is_left() && met < 100;
    }
    if (met - 1 < least) printf("# met %d calls only\n", met - 1);
    return all && met - 1 >= least;
}

static bool each_child_call_fails(long number, int least)
{
    fault.number = number;
    bool all = each_fails(EIO, least);

    fault.number = 0;
    return all;
}

static void faults(void)
{
    rs_sys.malloc = faulty_malloc;
    claim(each_fails(ENOMEM, 4), "without memory a spawn fails and leaves nothing");
    rs_sys.malloc = rs_sys_real.malloc;
    rs_sys.pipe2 = faulty_pipe2;
    claim(each_fails(EMFILE, 3), "so it does without a pipe");
    rs_sys.pipe2 = rs_sys_real.pipe2;
    rs_sys.fcntl = faulty_fcntl;
    claim(each_fails(EIO, 4), "where a pipe cannot be made non-blocking");
    rs_sys.fcntl = rs_sys_real.fcntl;
    rs_sys.openat = faulty_openat;
    claim(each_fails(ENFILE, 1), "without /dev/null");
    rs_sys.openat = rs_sys_real.openat;
    rs_sys.clone = faulty_clone;
    claim(each_fails(EAGAIN, 1), "without a process");
    rs_sys.clone = rs_sys_real.clone;

    rs_sys.child_call = faulty_child_call;
    claim(each_child_call_fails(SYS_setpgid, 1) && each_child_call_fails(SYS_chdir, 1) &&
              each_child_call_fails(SYS_dup3, 3) && each_child_call_fails(SYS_execve, 1),
          "a step that fails in the child is the spawn's error, and the child is reaped");
    rs_sys.child_call = rs_sys_real.child_call;
}

// ---- Many ----

static void many(void)
{
    struct rouse_process *processes[CHILDREN];
    int ended = 0;

    for (int i = 0; i < CHILDREN; i++) processes[i] = cat_start(i % 2 == 0);
    for (int i = 0; i < CHILDREN; i++) {
        struct rouse_exit_status status;

        if (i % 4 < 2) {
            rouse_process_free(processes[i]);
            continue;
        }
        rouse_fd_free(rouse_process_take_pipe(processes[i], 0));
        ended += rouse_process_wait(processes[i], &status) == 0 && status.code == 0;
        rouse_process_free(processes[i]);
    }
    claim(ended == CHILDREN / 2 && nothing_is_left(),
          "many children at once, waited for, killed or left alone: none stays");
}

// Pipes and waits use the default runtime's drivers.
int main(void)
{
    struct rouse_stats stats;

    (void)alarm(100);
    rs_sys.waitid = waitid_or_not;
    // What a driver makes at its first use is there before the inventory: so there is one driver.
    must(setenv("ROUSE_WORKERS", "1", 1), "setenv");
    must(rouse_runtime_default() != NULL ? 0 : -ENOMEM, "runtime");
    statuses();
    status_is_kept();
    surroundings();
    streams_may_cross();
    without_streams();
    descriptors();
    signals();
    inventory_take(&baseline);
    failures();
    broken_pipe();
    given_up();
    given_up_without_a_thread();
    waits();
    somebody_else_reaps();
    kills();
    faults();
    many();
    without_pidfds();
    rouse_runtime_free(rouse_runtime_default());
    rouse_stats_get(&stats);
    claim(stats.allocations == 0 && stats.sources == 0 && stats.fds == 0, "nothing is left");
    return claims_end();
}
