// SPDX-License-Identifier: MIT
//
// Asking a thread for its calls: see probe.h.
//
//     FREE --asked--> ASKED --the handler--> TAKEN --it is done--> DONE --read--> FREE
//                       |                                                          ^
//                       +--time is up----------------------------------------------+
//
// 1. `asked` is the asker's but in TAKEN, when it is the handler's. A handler that comes too late
//    finds nothing to do.
// 2. Askers take turns by a lock of the process that no handler takes.

#include "sched/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <rouse/clock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/global_lock.h"
#include "base/sys.h"
#include "base/tls.h"
#include "sched/sched.h"

enum { FREE = 0, ASKED = 1, TAKEN = 2, DONE = 3 };

static struct {
    bool is_installed;
    struct sigaction before;  // written before our handler is in place
    _Atomic uint32_t state;
    int32_t tid;
    size_t count;
    uintptr_t calls[RS_PROBE_CALLS_MAX];
} asked;

// ---- In the handler ----

static struct rs_stack_range own_stack(const struct rs_worker *worker, uintptr_t sp)
{
    if (rs_tls.fiber != NULL) {
        struct rs_stack_range range = rs_fiber_stack_range(rs_tls.fiber);

        if (sp >= range.low && sp < range.high) return range;
    }
    return (struct rs_stack_range){.low = sp, .high = worker->stack_end};
}

static void answer(const void *context)
{
    uint32_t expected = ASKED;
    const struct rs_worker *worker = rs_tls.worker;

    // Relaxed: there is only something to read if the exchange succeeds. Acquire there, with the
    // release in ask(): whom it is for.
    if (worker == NULL ||
        !atomic_compare_exchange_strong_explicit(&asked.state, &expected, TAKEN,
                                                 memory_order_acquire, memory_order_relaxed)) {
        return;
    }
    struct rs_frame frame = rs_frame_of_signal(context);

    asked.count = 0;
    // Relaxed: our own.
    if (asked.tid == atomic_load_explicit(&worker->tid, memory_order_relaxed)) {
        asked.count =
            rs_backtrace(frame, own_stack(worker, frame.sp), asked.calls, RS_PROBE_CALLS_MAX);
    }
    // Release, with the acquire in ask(): the calls are there.
    atomic_store_explicit(&asked.state, DONE, memory_order_release);
    (void)rs_sys.futex_wake((uint32_t *)&asked.state, 1);
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    const struct sigaction *before = &asked.before;
    int saved = errno;

    answer(context);
    if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        if ((before->sa_flags & SA_SIGINFO) != 0) {
            before->sa_sigaction(number, info, context);
        } else {
            before->sa_handler(number);
        }
    }
    errno = saved;
}

// ---- Asking ----

static bool install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    if (asked.is_installed) return true;
    if (rs_sys.sigaction(SIGURG, NULL, &asked.before) < 0) return false;
    (void)sigemptyset(&action.sa_mask);
    asked.is_installed = rs_sys.sigaction(SIGURG, &action, NULL) == 0;
    return asked.is_installed;
}

static void wait_while(uint32_t state, uint64_t deadline_ns)
{
    uint64_t now;

    // Acquire, with the release in answer().
    while (atomic_load_explicit(&asked.state, memory_order_acquire) == state &&
           (now = rouse_now_ns()) < deadline_ns) {
        struct timespec timeout = {.tv_nsec = (long)RS_PROBE_WAIT_NS};

        if (deadline_ns - now < RS_PROBE_WAIT_NS) timeout.tv_nsec = (long)(deadline_ns - now);
        (void)rs_sys.futex_wait((uint32_t *)&asked.state, state, &timeout);
    }
}

// With the turn.
static void ask(int32_t tid, struct rs_probe *out)
{
    uint32_t expected = ASKED;

    if (!install()) return;
    asked.tid = tid;
    // Release, with the acquire in answer().
    atomic_store_explicit(&asked.state, ASKED, memory_order_release);
    if (rs_sys.tgkill(tid, SIGURG) == 0) {
        wait_while(ASKED, rouse_deadline_after(RS_PROBE_WAIT_NS));
    }
    // Acquire, with the release in answer(), if that has been: it has, or will not be.
    if (!atomic_compare_exchange_strong_explicit(&asked.state, &expected, FREE,
                                                 memory_order_acquire, memory_order_acquire)) {
        wait_while(TAKEN, ROUSE_NEVER);
        out->count = asked.count;
        memcpy(out->calls, asked.calls, asked.count * sizeof asked.calls[0]);
    }
    // Relaxed: ours again.
    atomic_store_explicit(&asked.state, FREE, memory_order_relaxed);
}

// ---- Guessing ----

enum { COPY_SIZE = 32 << 10, LINE_SIZE = 256 };

// What the kernel says of a thread: "running", or the number of a system call, its arguments, and
// the stack pointer and program counter. False if it says nothing.
static bool read_state(int32_t tid, char *line)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)tid);
    int fd = rs_sys.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0) return false;
    ssize_t n = rs_sys.read(fd, line, LINE_SIZE - 1);

    (void)rs_sys.close(fd);
    if (n <= 0) return false;
    line[n] = '\0';
    return true;
}

// The last two words of the line.
static struct rs_frame frame_of(const char *line)
{
    struct rs_frame frame = {0};
    char *end;

    (void)strtoll(line, &end, 10);
    while (*end == ' ') {
        frame.sp = frame.pc;
        frame.pc = (uintptr_t)strtoull(end, &end, 16);
    }
    return frame;
}

// The stack of a thread that sleeps may go all the same when it wakes up: so it is copied first, by
// a call that minds.
static void guess(struct rs_frame frame, struct rs_probe *out,
                  bool (*is_code)(uintptr_t pc, void *arg), void *arg)
{
    static uintptr_t copy[COPY_SIZE / sizeof(uintptr_t)];  // with the turn
    ssize_t n = rs_sys.peek(copy, (const void *)frame.sp, sizeof copy);

    if (n <= 0) return;
    struct rs_stack_range stack = {.low = frame.sp,
                                   .high = frame.sp + (uintptr_t)n,
                                   .copy = (const char *)copy};

    out->is_guess = true;
    out->count = rs_backtrace_guess(frame, stack, out->calls, RS_PROBE_CALLS_MAX, is_code, arg);
}

// Callgrind loses count of its calls, and ends, where a signal comes to a thread that has switched
// its stack.
static bool may_signal(const struct rs_worker *worker)
{
    return worker->has_signal_stack && !worker->fibers.stacks.on_valgrind;
}

void rs_worker_probe(const struct rs_worker *worker, struct rs_probe *out,
                     bool (*is_code)(uintptr_t pc, void *arg), void *arg)
{
    char line[LINE_SIZE];
    // Acquire, with the release in rs_worker_enter(). The handler looks whether it is still so.
    int32_t tid = atomic_load_explicit(&worker->tid, memory_order_acquire);

    *out = (struct rs_probe){.count = 0};
    if (tid == 0 || worker == rs_tls.worker) return;
    rs_lock(rs_global_lock(RS_GLOBAL_PROBE));
    if (!read_state(tid, line)) {
        // No word: a signal could end a system call.
    } else if (strncmp(line, "running", 7) != 0) {
        guess(frame_of(line), out, is_code, arg);
    } else if (may_signal(worker)) {
        ask(tid, out);
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_PROBE));
}
