// SPDX-License-Identifier: MIT
//
// Starting a child. child_run() and all above it that it calls run in the child, on a stack of its
// own, and call the kernel only. rs_child_start() runs in the parent, on any thread.
//
// A step that fails is reported in the memory that both share. Where they do not share it (an
// emulator makes a fork of our clone, and under ThreadSanitizer we ask for one) the report comes
// through a pipe that the program's start closes. Only there is the pipe read: the copy of its end
// that some other fork of the process holds would keep a reader waiting.

#include "process/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/sanitizer.h"
#include "base/sys.h"

enum {
    CHILD_STACK_SIZE = 32 << 10,
    FIRST_OTHER = 3,        // the first descriptor that is no standard stream
    EXIT_NOT_STARTED = 127  // nobody sees it
};

// ThreadSanitizer keeps what it knows in thread-locals, which a child in our memory would share.
#if RS_TSAN
#define CHILD_FLAGS SIGCHLD
#else
#define CHILD_FLAGS (CLONE_VM | CLONE_VFORK | SIGCHLD)
#endif

// What a sanitizer notes about the child's stack would stay when the stack is gone.
#define IN_CHILD __attribute__((no_sanitize("address"), no_sanitize("thread")))

// ---- In the child ----

IN_CHILD static long ask(long number, long a, long b, long c, long d)
{
    return rs_sys.child_call(number, a, b, c, d);
}

// Every signal to its default action, and only then unblocked. The kernel's own struct is smaller
// than this, and all zero is the default.
IN_CHILD static void signals_reset(void)
{
    static const unsigned long none[16];

    for (int number = 1; number <= NSIG - 1; number++) {
        // It fails for those that have no other action.
        (void)ask(SYS_rt_sigaction, number, (long)(intptr_t)none, 0, NSIG / 8);
    }
    (void)ask(SYS_rt_sigprocmask, SIG_SETMASK, (long)(intptr_t)none, 0, NSIG / 8);
}

IN_CHILD static long place_self(const struct rs_child *child)
{
    long err = 0;

    if (child->new_session) {
        err = ask(SYS_setsid, 0, 0, 0, 0);
    } else if (child->new_group) {
        err = ask(SYS_setpgid, 0, 0, 0, 0);
    }
    if (err < 0 || child->cwd == NULL) return err;
    return ask(SYS_chdir, (long)(intptr_t)child->cwd, 0, 0, 0);
}

// Makes `from` the descriptor `to`, which stays open in the program.
IN_CHILD static long stream_place(int from, int to)
{
    if (from != to) return ask(SYS_dup3, from, to, 0, 0);
    return ask(SYS_fcntl, to, F_SETFD, 0, 0);
}

// First those that stand in the place of a stream move out of the way, so that none is overwritten
// before it is copied.
IN_CHILD static long streams_place(struct rs_child *child)
{
    long result = 0;

    for (int i = 0; i < FIRST_OTHER && result >= 0; i++) {
        int fd = child->fds[i];

        if (fd < 0 || fd >= FIRST_OTHER || fd == i) continue;
        result = ask(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FIRST_OTHER, 0);
        if (result >= 0) child->fds[i] = (int)result;
    }
    for (int i = 0; i < FIRST_OTHER && result >= 0; i++) {
        if (child->fds[i] >= 0) {
            result = stream_place(child->fds[i], i);
        } else {
            // What is closed here is closed there.
            (void)ask(SYS_fcntl, i, F_SETFD, 0, 0);
        }
    }
    return result;
}

// Everything but the streams ends with us: in one call, or, before Linux 5.11, one by one.
IN_CHILD static long others_close(void)
{
    struct rlimit limit = {0};
    long err = ask(SYS_close_range, FIRST_OTHER, INT32_MAX, CLOSE_RANGE_CLOEXEC, 0);

    if (err == 0) return 0;
    err = ask(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)(intptr_t)&limit);
    for (rlim_t fd = FIRST_OTHER; err == 0 && fd < limit.rlim_cur; fd++) {
        // Most are not open.
        (void)ask(SYS_fcntl, (long)fd, F_SETFD, FD_CLOEXEC, 0);
    }
    return err;
}

// Returns only if no path leads to a program. As a shell, it goes on where there is none, and
// remembers one that may not be run.
IN_CHILD static long program_start(const struct rs_child *child)
{
    long result = -ENOENT;

    for (const char *path = child->paths; *path != '\0'; path++) {
        long err = ask(SYS_execve, (long)(intptr_t)path, (long)(intptr_t)child->argv,
                       (long)(intptr_t)child->env, 0);

        if (err != -ENOENT && err != -ENOTDIR && err != -EACCES) return err;
        if (result != -EACCES) result = err == -ENOTDIR ? -ENOENT : err;
        while (*path != '\0') {
            path++;
        }
    }
    return result;
}

IN_CHILD static int child_run(void *arg)
{
    struct rs_child *child = arg;

    child->is_shared = true;
    signals_reset();
    long err = place_self(child);

    if (err >= 0) err = streams_place(child);
    if (err >= 0 && !child->keep_descriptors) err = others_close();
    if (err >= 0) err = program_start(child);
    child->error = (int)err;
    (void)ask(SYS_write, child->report_fd, (long)(intptr_t)&child->error, sizeof child->error, 0);
    return EXIT_NOT_STARTED;  // into clone(), which ends the child by a call of the kernel
}

// ---- In the parent ----

int rs_child_above_streams(int fd)
{
    if (fd < 0 || fd >= FIRST_OTHER) return fd;
    int moved = rs_sys.fcntl(fd, F_DUPFD_CLOEXEC, FIRST_OTHER);

    (void)rs_sys.close(fd);
    return moved;
}

int rs_child_pipe(int ends[2])
{
    int err = rs_sys.pipe2(ends, O_CLOEXEC);

    if (err < 0) return err;
    for (int i = 0; i < 2; i++) {
        ends[i] = rs_child_above_streams(ends[i]);
        if (ends[i] < 0) err = ends[i];
    }
    for (int i = 0; i < 2 && err < 0; i++) {
        if (ends[i] >= 0) (void)rs_sys.close(ends[i]);
    }
    return err;
}

// Waits for the report of a child that has memory of its own: 0 if the program runs.
static int report_read(int fd)
{
    ssize_t count;
    int error = 0;

    do {
        count = rs_sys.read(fd, &error, sizeof error);
    } while (count == -EINTR);
    return count == sizeof error ? error : 0;
}

// The child ends by itself, at once.
static void reap(pid_t pid)
{
    siginfo_t info;

    while (rs_sys.waitid(pid, &info, WEXITED) == -EINTR) {
    }
}

static pid_t clone_blocked(struct rs_child *child, char *stack)
{
    sigset_t all;
    sigset_t before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = rs_sys.clone(child_run, stack + CHILD_STACK_SIZE, CHILD_FLAGS, child);

    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

pid_t rs_child_start(struct rs_child *child)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    int ends[2];
    int err = rs_child_pipe(ends);

    if (err < 0) return err;
    char *stack = rs_alloc(allocator, CHILD_STACK_SIZE);

    child->report_fd = ends[1];
    pid_t pid = stack != NULL ? clone_blocked(child, stack) : -ENOMEM;

    (void)rs_sys.close(ends[1]);
    if (pid > 0) {
        err = child->is_shared ? child->error : report_read(ends[0]);
        if (err < 0) reap(pid);
    }
    (void)rs_sys.close(ends[0]);
    rs_free(allocator, stack, CHILD_STACK_SIZE);
    return err < 0 ? err : pid;
}
