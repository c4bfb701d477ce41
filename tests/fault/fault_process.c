// SPDX-License-Identifier: MIT
//
// Faults in child processes, fed, read from, signalled, waited for and left; and in looking up
// names. Which reactor is under them makes no difference to either.

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "process/process.h"
#include "signal/signal.h"
#include "waits.h"

// ---- Child processes ----

static const char text[] = "what goes in comes out, also where it is moved in small pieces only";

// A program that says that it failed has not found the memory to start, in its own process.
static bool status_is(const struct rouse_exit_status *status, int code, int signal)
{
    if (status->code == code && status->signal == signal) return true;
    (void)fault_note(-ENOMEM);
    return false;
}

static void child_is_fed_and_read(void)
{
    static char *const argv[] = {"cat", NULL};
    const struct rouse_process_options options = {.size = sizeof options, .argv = argv};
    char out[2 * sizeof text];
    struct rouse_process_capture capture = {.data = out, .size = sizeof out};
    struct rouse_process_output run;

    rouse_process_output_init(&run, &options, text, sizeof text, &capture, NULL);
    if (wait_for(&run.base) < 0 || fault_note(run.output) < 0) return;
    if (!status_is(&run.status, 0, 0)) return;
    if (capture.length > sizeof text || memcmp(out, text, capture.length) != 0) {
        fault_broken("a child has not said what it was told");
    }
    // Where our end of its input broke it was told less, which for it is an end as any other.
    if (capture.length < sizeof text) (void)fault_note(-EPIPE);
    step_done();
}

// If no signal reaches it, it ends with its input.
static struct rouse_process *reader_start(void)
{
    static char *const argv[] = {"cat", NULL};
    const struct rouse_process_options options = {
        .size = sizeof options,
        .argv = argv,
        .cwd = "/",
        .stdio = {{.kind = ROUSE_STDIO_PIPE}, {.kind = ROUSE_STDIO_NULL}},
        .new_group = true,
        .kill_on_free = true,
    };
    struct rouse_process *process = NULL;

    return fault_note(rouse_process_spawn(&process, &options)) == 0 ? process : NULL;
}

// Signalled, then waited for; the second one is left to itself.
static void children_are_ended(void)
{
    struct rouse_process *process = reader_start();
    struct rouse_process_wait wait;

    if (process == NULL) return;
    if (fault_note(rouse_process_kill(process, SIGTERM)) == 0) {
        rouse_process_wait_init(&wait, process);
        if (wait_for(&wait.base) == 0 && fault_note(wait.output) == 0 &&
            status_is(&wait.status, -1, SIGTERM)) {
            step_done();
        }
    }
    rouse_process_free(process);
    process = reader_start();
    if (process != NULL) step_done();
    rouse_process_free(process);
}

static int process_root(void *arg)
{
    (void)arg;
    child_is_fed_and_read();
    children_are_ended();
    return 0;
}

// Until each of them has been reaped: by a thread, or, if none could be had, by a look when the
// next child is started.
static void children_await(void)
{
    siginfo_t info;

    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0) {
        rs_process_sweep();
        (void)sched_yield();
    }
    rs_process_sweep();
}

static bool process_run(void)
{
    with_runtime(1, process_root, NULL);
    children_await();
    rs_signal_thread_stop();
    return steps_are(3);
}

// ---- Names ----

static bool is_this_machine(const struct rouse_addr *address)
{
    struct rouse_addr loopback = rouse_addr_loopback(80);

    return rouse_addr_equal(address, &loopback);
}

static int resolve_root(void *arg)
{
    struct rouse_resolve resolve;
    struct rouse_addr found;

    (void)arg;
    for (int i = 0; i < 2; i++) {
        rouse_resolve_init(&resolve, &found, 1, "a.name", "80", NULL);
        if (wait_for(&resolve.base) < 0 || fault_note(resolve.output) < 0) continue;
        if (resolve.output != 1 || !is_this_machine(&found)) fault_broken("another address");
        step_done();
    }
    if (fault_note(rouse_resolve(&found, 1, "127.0.0.1", "80", NULL)) == 1) step_done();
    // Given up, before or after its look-up began.
    rouse_resolve_init(&resolve, &found, 1, "a.name", "80", NULL);
    return (int)rouse_await_until(&resolve.base, rouse_now_ns());
}

static bool resolve_run(void)
{
    with_runtime(1, resolve_root, NULL);
    return steps_are(3);
}

const struct scenario fault_scenarios[] = {
    {.name = "process", .run = process_run, .reactor = "epoll"},
    {.name = "resolve", .run = resolve_run, .reactor = "epoll"},
    {.name = NULL},
};
