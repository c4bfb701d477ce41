// SPDX-License-Identifier: MIT
//
// Child processes as users see them: run to the end with their input and output, many at once, a
// wait that loses a select, cancelled at each point of their life, killed when they are given up.
// After each test no child is left, not even as a zombie.

#include <errno.h>
#include <fcntl.h>
#include <rouse/error.h>
#include <rouse/process.h>
#include <rouse/semaphore.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/api.h"

#define COMMAND(...) ((char *[]){__VA_ARGS__, NULL})
#define SHELL(text) COMMAND("/bin/sh", "-c", (text))

static bool has_no_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

// Who was given up is reaped by a thread, which takes a moment.
static void check_no_children(void)
{
    for (int waited_ms = 0; !has_no_children(); waited_ms++) {
        CHECK(waited_ms < 10000);
        nap_ns(MS);
    }
}

// ---- Run to the end ----

struct what_a_child_writes_and_how_it_ends_is_told {
    struct body body;
    struct rouse_process_output output;
    struct rouse_process_capture out;
    struct rouse_process_capture err;
    char texts[2][16];
};

static rouse_poll what_a_child_writes_and_how_it_ends_is_told(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(what_a_child_writes_and_how_it_ends_is_told, frame, cx);
    f->out = (struct rouse_process_capture){.data = f->texts[0], .size = sizeof f->texts[0]};
    f->err = (struct rouse_process_capture){.data = f->texts[1], .size = 3};
    rouse_process_output_init(
        &f->output, &(struct rouse_process_options){.argv = SHELL("cat; echo whoops >&2; exit 3")},
        "input", 5, &f->out, &f->err);
    AWAIT(&f->output.base);
    CHECK_EQ(f->output.output, 0);
    CHECK_EQ(f->output.status.code, 3);
    CHECK_EQ(f->out.length, 5);
    CHECK(memcmp(f->texts[0], "input", 5) == 0);
    CHECK_EQ(f->err.length, 3);  // and no more than there is room for
    CHECK_EQ(f->err.discarded, 4);
    CHECK(memcmp(f->texts[1], "who", 3) == 0);
    check_no_children();
    BODY_END();
}

enum { FLOOD = 3 << 20 };

struct full_pipes_hold_nobody_up {
    struct body body;
    char *in;
    char *text;
    struct rouse_process_output output;
    struct rouse_process_capture out;
    struct rouse_process_capture err;
};

static rouse_poll full_pipes_hold_nobody_up(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(full_pipes_hold_nobody_up, frame, cx);
    f->in = malloc(FLOOD);
    f->text = malloc(FLOOD);
    CHECK(f->in != NULL && f->text != NULL);
    for (size_t i = 0; i < FLOOD; i++) f->in[i] = (char)(i * 31 + i / 251);
    f->out = (struct rouse_process_capture){.data = f->text, .size = FLOOD};
    f->err = (struct rouse_process_capture){.data = NULL};
    rouse_process_output_init(
        &f->output,
        &(struct rouse_process_options){.argv = SHELL("head -c 1000000 /dev/zero >&2; exec cat")},
        f->in, FLOOD, &f->out, &f->err);
    AWAIT(&f->output.base);
    CHECK_EQ(f->output.output, 0);
    CHECK_EQ(f->output.status.code, 0);
    CHECK_EQ(f->out.length, FLOOD);
    CHECK_EQ(f->out.discarded, 0);
    CHECK_EQ(f->err.discarded, 1000000);
    CHECK(memcmp(f->in, f->text, FLOOD) == 0);
    free(f->in);
    free(f->text);
    BODY_END();
}

struct child_that_does_not_read_is_no_error {
    struct body body;
    char *in;
    struct rouse_process_output output;
};

static rouse_poll child_that_does_not_read_is_no_error(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(child_that_does_not_read_is_no_error, frame, cx);
    f->in = calloc(1, FLOOD);
    rouse_process_output_init(&f->output, &(struct rouse_process_options){.argv = COMMAND("true")},
                              f->in, FLOOD, NULL, NULL);
    AWAIT(&f->output.base);
    CHECK_EQ(f->output.output, 0);
    CHECK_EQ(f->output.status.code, 0);
    free(f->in);
    rouse_process_output_init(&f->output,
                              &(struct rouse_process_options){.argv = COMMAND("/no/such")}, NULL, 0,
                              NULL, NULL);
    AWAIT(&f->output.base);
    CHECK_EQ(f->output.output, -ENOENT);
    BODY_END();
}

// ---- A conversation ----

struct lines_go_in_and_out {
    struct body body;
    struct rouse_process *process;
    int round;
    char buf[32];
    struct rouse_fd_write_all write;
    struct rouse_fd_read read;
    struct rouse_process_wait wait;
};

static rouse_poll lines_go_in_and_out(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(lines_go_in_and_out, frame, cx);
    CHECK_EQ(
        rouse_process_spawn(&f->process,
                            &(struct rouse_process_options){.argv = COMMAND("cat"),
                                                            .stdio = {{.kind = ROUSE_STDIO_PIPE},
                                                                      {.kind = ROUSE_STDIO_PIPE}}}),
        0);
    CHECK(rouse_process_pipe(f->process, 2) == NULL);
    for (f->round = 0; f->round < 5; f->round++) {
        rouse_fd_write_all_init(&f->write, rouse_process_pipe(f->process, 0), "one line\n", 9);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, 9);
        rouse_fd_read_init(&f->read, rouse_process_pipe(f->process, 1), f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, 9);
    }
    rouse_fd_free(rouse_process_take_pipe(f->process, 0));
    rouse_fd_read_init(&f->read, rouse_process_pipe(f->process, 1), f->buf, sizeof f->buf);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    rouse_process_wait_init(&f->wait, f->process);
    AWAIT(&f->wait.base);
    CHECK_EQ(f->wait.output, 0);
    CHECK_EQ(f->wait.status.code, 0);
    rouse_process_free(f->process);
    BODY_END();
}

// ---- Waits ----

// Waits for the process of somebody else.
struct waiter {
    struct body body;
    struct rouse_process *process;
    struct rouse_process_wait wait;
};

static _Atomic int waiting;

static rouse_poll waiter(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(waiter, frame, cx);
    rouse_process_wait_init(&f->wait, f->process);
    count_add(&waiting, 1);
    AWAIT(&f->wait.base);
    CHECK_EQ(f->wait.output, 0);
    BODY_RETURN(f->wait.status.signal);
    BODY_END();
}

enum { WAITERS = 5 };

struct every_waiter_is_told_and_one_that_is_aborted_keeps_it_from_nobody {
    struct body body;
    struct rouse_process *process;
    int next;
    struct rouse_sleep sleep;
    struct rouse_timeout timeout;
    struct rouse_process_wait wait;
    struct rouse_join_handle handles[WAITERS];
};

static rouse_poll every_waiter_is_told_and_one_that_is_aborted_keeps_it_from_nobody(
    void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(every_waiter_is_told_and_one_that_is_aborted_keeps_it_from_nobody, frame, cx);
    CHECK_EQ(
        rouse_process_spawn(&f->process,
                            &(struct rouse_process_options){.argv = COMMAND("cat"),
                                                            .stdio = {{.kind = ROUSE_STDIO_PIPE}}}),
        0);
    rouse_process_wait_init(&f->wait, f->process);
    rouse_timeout_init(&f->timeout, &f->wait.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    rouse_future_drop(&f->timeout.base);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], waiter, .process = f->process), 0);
    }
    while (count_get(&waiting) < WAITERS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->handles[0]);
    AWAIT(&f->handles[0].base);
    CHECK_EQ(joined(&f->handles[0]), -ECANCELED);
    CHECK_EQ(rouse_process_kill(f->process, SIGTERM), 0);
    for (f->next = 1; f->next < WAITERS; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), SIGTERM);
    }
    rouse_process_free(f->process);
    check_no_children();
    BODY_END();
}

// ---- Many ----

enum { CHILDREN = 1000, CHILDREN_SLOW = 60, AT_ONCE = 24 };

static struct rouse_semaphore slots;
static struct rouse_join_handle handles[CHILDREN];

struct short_life {
    struct body body;
    int number;
    struct rouse_semaphore_acquire acquire;
    struct rouse_process *process;
    struct rouse_process_wait wait;
};

static rouse_poll short_life(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(short_life, frame, cx);
    rouse_semaphore_acquire_init(&f->acquire, &slots, 1);
    AWAIT(&f->acquire.base);
    CHECK_EQ(rouse_process_spawn(
                 &f->process,
                 &(struct rouse_process_options){
                     .argv = f->number % 2 == 0 ? COMMAND("/bin/true") : COMMAND("/bin/false")}),
             0);
    rouse_process_wait_init(&f->wait, f->process);
    AWAIT(&f->wait.base);
    CHECK_EQ(f->wait.output, 0);
    rouse_process_free(f->process);
    rouse_semaphore_release(&slots, 1);
    BODY_RETURN(f->wait.status.code);
    BODY_END();
}

struct many_short_children_leave_nothing {
    struct body body;
    int count;
    int next;
};

static rouse_poll many_short_children_leave_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(many_short_children_leave_nothing, frame, cx);
    // An emulator and ThreadSanitizer copy the whole process for each.
    f->count =
        test_slowness() > 1 || getenv("ROUSE_TEST_EMULATED") != NULL ? CHILDREN_SLOW : CHILDREN;
    rouse_semaphore_init(&slots, AT_ONCE);
    for (int i = 0; i < f->count; i++) CHECK_EQ(SPAWN(&handles[i], short_life, .number = i), 0);
    for (f->next = 0; f->next < f->count; f->next++) {
        AWAIT(&handles[f->next].base);
        CHECK_EQ(joined(&handles[f->next]), f->next % 2);
    }
    CHECK(has_no_children());
    BODY_END();
}

// ---- Given up ----

struct long_run {
    struct body body;
    struct rouse_process_output output;
    struct rouse_process_capture out;
    char text[16];
};

// Ends by an abort only.
static rouse_poll long_run(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(long_run, frame, cx);
    f->out = (struct rouse_process_capture){.data = f->text, .size = sizeof f->text};
    rouse_process_output_init(&f->output,
                              &(struct rouse_process_options){
                                  .argv = SHELL("echo begun; sleep 100; true"), .new_group = true},
                              NULL, 0, &f->out, NULL);
    AWAIT(&f->output.base);
    BODY_END();
}

enum { ABORTS = 12 };

struct aborted_run_kills_its_child_at_each_point {
    struct body body;
    int round;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll aborted_run_kills_its_child_at_each_point(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_run_kills_its_child_at_each_point, frame, cx);
    for (f->round = 0; f->round < ABORTS; f->round++) {
        CHECK_EQ(SPAWN(&f->handle, long_run, .body.end = NULL), 0);
        rouse_sleep_init(&f->sleep, (uint64_t)f->round * (MS / 4));
        AWAIT(&f->sleep.base);
        rouse_abort(&f->handle);
        AWAIT(&f->handle.base);
        CHECK_EQ(joined(&f->handle), -ECANCELED);
    }
    check_no_children();
    BODY_END();
}

struct child_may_outlive_its_handle_and_is_reaped {
    struct body body;
    struct rouse_process *process;
    struct rouse_fd *input;
    pid_t pid;
};

static rouse_poll child_may_outlive_its_handle_and_is_reaped(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(child_may_outlive_its_handle_and_is_reaped, frame, cx);
    CHECK_EQ(
        rouse_process_spawn(&f->process,
                            &(struct rouse_process_options){.argv = COMMAND("cat"),
                                                            .stdio = {{.kind = ROUSE_STDIO_PIPE}}}),
        0);
    f->pid = rouse_process_pid(f->process);
    f->input = rouse_process_take_pipe(f->process, 0);
    rouse_process_free(f->process);
    CHECK_EQ(kill(f->pid, 0), 0);
    rouse_fd_free(f->input);
    check_no_children();
    BODY_END();
}

// The one that waits for the child outlives the runtime, which the child outlives.
static void child_may_outlive_the_runtime(void)
{
    struct body_target target = {0};
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 2};
    struct rouse_join_handle handle;
    struct rouse_process *process;
    const struct rouse_process_options cat = {.argv = COMMAND("cat"),
                                              .stdio = {{.kind = ROUSE_STDIO_PIPE}}};

    CHECK_EQ(rouse_process_spawn(&process, &cat), 0);
    CHECK_EQ(rouse_runtime_new(&target.runtime, &options), 0);
    CHECK_EQ(SPAWN_ON(&target, &handle, waiter, .process = process), 0);
    while (count_get(&waiting) == 0) nap_ns(MS);
    rouse_runtime_free(target.runtime);
    rouse_future_drop(&handle.base);
    rouse_process_free(process);
    check_no_children();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct direct_forms_do_the_same {
    struct body body;
    struct rouse_process *process;
    struct rouse_process_capture out;
    struct rouse_exit_status status;
    char text[16];
};

static rouse_poll direct_forms_do_the_same(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_do_the_same, frame, cx);
    const struct rouse_process_options cat = {
        .argv = COMMAND("cat"), .stdio = {{.kind = ROUSE_STDIO_PIPE}, {.kind = ROUSE_STDIO_PIPE}}};

    f->out = (struct rouse_process_capture){.data = f->text, .size = sizeof f->text};
    CHECK_EQ(rouse_process_output(&cat, "text", 4, &f->out, NULL, &f->status), 0);
    CHECK_EQ(f->status.code, 0);
    CHECK_EQ(f->out.length, 4);
    CHECK_EQ(rouse_process_spawn(&f->process, &cat), 0);
    CHECK_EQ(rouse_fd_write_all(rouse_process_pipe(f->process, 0), "text", 4), 4);
    CHECK_EQ(rouse_fd_read(rouse_process_pipe(f->process, 1), f->text, sizeof f->text), 4);
    CHECK_EQ(rouse_process_try_wait(f->process, &f->status), -EAGAIN);
    CHECK_EQ(rouse_process_kill(f->process, SIGINT), 0);
    CHECK_EQ(rouse_process_wait(f->process, &f->status), 0);
    CHECK_EQ(f->status.signal, SIGINT);
    CHECK_EQ(f->status.code, -1);
    rouse_process_free(f->process);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(what_a_child_writes_and_how_it_ends_is_told), .any_reactor = true},
    {TEST(full_pipes_hold_nobody_up), .hosts = HOST_EXECUTOR | HOST_RUNTIME_2},
    {TEST(child_that_does_not_read_is_no_error), .any_reactor = true},
    {TEST(lines_go_in_and_out)},
    {TEST(every_waiter_is_told_and_one_that_is_aborted_keeps_it_from_nobody)},
    {TEST(many_short_children_leave_nothing), .hosts = HOST_RUNTIME_2, .any_reactor = true},
    {TEST(aborted_run_kills_its_child_at_each_point), .any_reactor = true},
    {TEST(child_may_outlive_its_handle_and_is_reaped), .any_reactor = true},
    {PLAIN(child_may_outlive_the_runtime), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_do_the_same)},
#endif
    {0}};
