// SPDX-License-Identifier: MIT
//
// Waiting on plain threads: block_on, await and join from threads of any kind, and rouse_run as a
// whole program.

#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "harness/api.h"
#include "harness/leaks.h"

static struct host host;
static struct gate gate;

static void open_host(void)
{
    host_open(&host, test_now()->host, &(struct host_options){0});
}

static void block_on_drives_timers(void)
{
    struct rouse_sleep sleep;
    struct rouse_pending pending;
    struct rouse_timeout timeout;
    uint64_t deadline_ns;

    open_host();
    deadline_ns = rouse_deadline_after(4 * MS);
    rouse_sleep_until_init(&sleep, deadline_ns);
    CHECK_EQ(rouse_block_on(host.target.runtime, &sleep.base), 0);
    CHECK_EQ(sleep.output, 0);
    CHECK(rouse_now_ns() >= deadline_ns);
    rouse_pending_init(&pending);
    rouse_timeout_init(&timeout, &pending.base, rouse_deadline_after(2 * MS));
    CHECK_EQ(rouse_block_on(host.target.runtime, &timeout.base), 0);
    CHECK_EQ(timeout.output, -ETIMEDOUT);
    rouse_future_drop(&timeout.base);
    host_close(&host);
}

static void *open_gate(void *unused)
{
    nap_ns(3 * MS);
    gate_open(&gate);
    return unused;
}

static void block_on_is_woken_by_any_thread(void)
{
    struct rouse_yield yield;
    struct gate_wait wait;

    open_host();
    pthread_t thread = thread_start(open_gate, NULL);

    gate_wait_init(&wait, &gate);
    CHECK_EQ(rouse_block_on(host.target.runtime, &wait.base), 0);
    CHECK(gate_is_open(&gate));
    thread_join(thread);
    // Woken during its own poll.
    rouse_yield_init(&yield);
    CHECK_EQ(rouse_block_on(host.target.runtime, &yield.base), 0);
    host_close(&host);
}

// Sleeps a little, and says how it was called.
struct worker {
    struct body body;
    int64_t result;
    struct rouse_sleep sleep;
};

static rouse_poll worker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(worker, frame, cx);
    rouse_sleep_init(&f->sleep, (uint64_t)(f->result % 5) * MS);
    AWAIT(&f->sleep.base);
    BODY_RETURN(f->result);
    BODY_END();
}

static void *join_from_here(void *arg)
{
    int64_t number = (int64_t)(intptr_t)arg;
    struct rouse_join_handle handle;

    for (int64_t i = 0; i < 10; i++) {
        CHECK_EQ(SPAWN_ON(&host.target, &handle, worker, .result = number * 10 + i), 0);
        CHECK_EQ(rouse_block_on(host.target.runtime, &handle.base), 0);
        CHECK_EQ(joined(&handle), number * 10 + i);
    }
    return NULL;
}

static void join_handles_work_from_other_threads(void)
{
    pthread_t threads[8];

    open_host();
    for (int i = 0; i < 8; i++) {
        threads[i] = thread_start(join_from_here, (void *)(intptr_t)i);
    }
    for (int i = 0; i < 8; i++) {
        thread_join(threads[i]);
    }
    host_close(&host);
}

static int count_down(void *arg)
{
    int *left = arg;

    while (*left > 0) {
        CHECK_EQ(rouse_sleep(MS), 0);
        --*left;
    }
    return 11;
}

// A thread that belongs to no runtime waits with the default one's timers.
static void plain_threads_wait_with_the_default_runtime(void)
{
    struct rouse_join_handle handle;
    struct rouse_interval interval;
    struct rouse_ready ready;
    struct rouse_pending pending;
    uint64_t start_ns = rouse_now_ns();
    int left = 3;

    CHECK_EQ(rouse_sleep(2 * MS), 0);
    CHECK(rouse_now_ns() >= start_ns + 2 * MS);
    rouse_ready_init(&ready);
    CHECK_EQ(rouse_await(&ready.base), 0);
    rouse_pending_init(&pending);
    CHECK_EQ(rouse_await_until(&pending.base, rouse_deadline_after(MS)), -ETIMEDOUT);
    rouse_interval_init(&interval, rouse_now_ns(), MS, ROUSE_MISSED_BURST);
    CHECK_EQ(rouse_interval_tick(&interval, NULL), 0);
    CHECK_EQ(rouse_interval_tick(&interval, NULL), 0);
    CHECK_EQ(rouse_yield(), 0);
    CHECK_EQ(rouse_spawn(&handle, count_down, &left), 0);
    CHECK_EQ(rouse_join(&handle), 11);
    CHECK_EQ(left, 0);
    CHECK(rouse_runtime_default() != NULL);
    CHECK(rouse_runtime_default() == rouse_runtime_default());
    CHECK(rouse_runtime_current() == NULL);
}

static int whole_program(void *arg)
{
    struct rouse_join_handle handle;

    CHECK(rouse_runtime_current() != NULL);
    CHECK(rouse_runtime_current() == rouse_runtime_default());
    CHECK_EQ(rouse_spawn(&handle, count_down, arg), 0);
    return (int)rouse_join(&handle) + 1;
}

// The first run makes the thread for SIGQUIT, which stays; the second leaves nothing behind.
static void run_returns_what_its_function_returned(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = 3};
    struct leaks before;
    int left = 2;

    CHECK_EQ(rouse_run(whole_program, &left), 12);
    CHECK_EQ(left, 0);
    leaks_start(&before);
    left = 2;
    CHECK_EQ(rouse_run_with(whole_program, &left, &options), 12);
    leaks_check(&before);
}

static int wait_for_ever(void *arg)
{
    struct rouse_pending pending;

    rouse_pending_init(&pending);
    *(int *)arg = rouse_await(&pending.base);
    return 0;
}

static int leave_a_waiting_task(void *arg)
{
    CHECK_EQ(rouse_spawn(NULL, wait_for_ever, arg), 0);
    return -7;
}

static void run_ends_the_tasks_that_are_left(void)
{
    struct leaks before;
    int seen = 0;

    CHECK_EQ(rouse_run(leave_a_waiting_task, &seen), -7);
    CHECK_EQ(seen, -ECANCELED);
    leaks_start(&before);
    CHECK_EQ(rouse_run(leave_a_waiting_task, &seen), -7);
    leaks_check(&before);
}

const struct api_test API_TESTS[] = {
    {PLAIN(block_on_drives_timers), .hosts = HOST_RUNTIMES, .any_style = true},
    {PLAIN(block_on_is_woken_by_any_thread), .hosts = HOST_RUNTIMES, .any_style = true},
    {PLAIN(join_handles_work_from_other_threads), .hosts = HOST_RUNTIMES},
    {PLAIN(plain_threads_wait_with_the_default_runtime), .any_style = true, .lasting = true},
    {PLAIN(run_returns_what_its_function_returned), .any_style = true, .lasting = true},
    {PLAIN(run_ends_the_tasks_that_are_left), .any_style = true, .lasting = true},
    {0}};
