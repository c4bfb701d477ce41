// SPDX-License-Identifier: MIT
//
// The executor and its spawners: when run returns, who may spawn when, turns inside a foreign loop,
// the task limit, and what is left when it is freed. All on the main thread of the process.

#include <poll.h>
#include <rouse/error.h>
#include <rouse/executor.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <string.h>
#include <time.h>

#include "harness/api.h"

static struct rouse_executor *executor;
static struct body_target target;
static _Atomic int ended;
static struct gate gate;

static void open_with_limit(size_t task_limit)
{
    const struct rouse_executor_options options = {.size = sizeof options,
                                                   .task_limit = task_limit};

    CHECK_EQ(rouse_executor_new(&executor, &target.spawner, &options), 0);
}

static void count_end(void *frame)
{
    (void)frame;
    count_add(&ended, 1);
}

// Naps a few times.
struct napper {
    struct body body;
    int naps;
    struct rouse_sleep sleep;
};

static rouse_poll napper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(napper, frame, cx);
    while (f->naps-- > 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    BODY_RETURN(8);
    BODY_END();
}

// Waits at the gate.
struct waiter {
    struct body body;
    struct gate_wait wait;
};

static rouse_poll waiter(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(waiter, frame, cx);
    gate_wait_init(&f->wait, &gate);
    AWAIT(&f->wait.base);
    BODY_END();
}

static void run_returns_when_spawners_and_tasks_are_gone(void)
{
    open_with_limit(0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(SPAWN_ON(&target, NULL, napper, .body.end = count_end, .naps = i), 0);
    }
    rouse_spawner_drop(target.spawner);
    rouse_executor_run(executor);
    CHECK_EQ(count_get(&ended), 10);
    rouse_executor_free(executor);
}

static void run_without_a_task_returns_at_once(void)
{
    open_with_limit(0);
    rouse_spawner_drop(target.spawner);
    rouse_executor_run(executor);
    rouse_executor_run(executor);
    rouse_executor_free(executor);
}

static void *spawn_late_and_drop(void *arg)
{
    struct body_target own = {.spawner = arg};

    nap_ns(3 * MS);
    CHECK_EQ(SPAWN_ON(&own, NULL, napper, .body.end = count_end, .naps = 1), 0);
    nap_ns(3 * MS);
    CHECK_EQ(SPAWN_ON(&own, NULL, napper, .body.end = count_end, .naps = 1), 0);
    nap_ns(3 * MS);
    rouse_spawner_drop(own.spawner);
    return NULL;
}

// While a clone lives, run goes on, also with no task at all.
static void clone_of_a_spawner_keeps_run_going(void)
{
    open_with_limit(0);
    uint64_t start_ns = rouse_now_ns();
    pthread_t thread = thread_start(spawn_late_and_drop, rouse_spawner_clone(target.spawner));

    rouse_spawner_drop(target.spawner);
    rouse_executor_run(executor);
    CHECK_EQ(count_get(&ended), 2);
    CHECK(rouse_now_ns() >= start_ns + 8 * MS);
    thread_join(thread);
    rouse_executor_free(executor);
}

static void spawn_after_free_is_cancelled(void)
{
    open_with_limit(0);
    rouse_executor_free(executor);
    CHECK_EQ(SPAWN_ON(&target, NULL, napper, .body.end = count_end), -ECANCELED);
    struct body_target clone = {.spawner = rouse_spawner_clone(target.spawner)};

    CHECK_EQ(SPAWN_ON(&clone, NULL, napper, .body.end = count_end), -ECANCELED);
    rouse_spawner_drop(clone.spawner);
    rouse_spawner_drop(target.spawner);
    CHECK_EQ(count_get(&ended), 0);
}

// What still waits is aborted and driven to its end; what never began still ends once.
static void free_aborts_what_is_left(void)
{
    struct rouse_join_handle waiting;
    struct rouse_join_handle unstarted;

    open_with_limit(0);
    CHECK_EQ(SPAWN_ON(&target, &waiting, waiter, .body.end = count_end), 0);
    CHECK(rouse_executor_turn(executor));
    CHECK_EQ(SPAWN_ON(&target, &unstarted, waiter, .body.end = count_end), 0);
    rouse_spawner_drop(target.spawner);
    rouse_executor_free(executor);
    CHECK_EQ(count_get(&ended), 2);
    CHECK(poll_by_hand(&waiting.base) == ROUSE_READY);
    CHECK_EQ(joined(&waiting), -ECANCELED);
    CHECK(poll_by_hand(&unstarted.base) == ROUSE_READY);
    CHECK_EQ(joined(&unstarted), -ECANCELED);
}

static void turn_says_whether_anything_is_left(void)
{
    open_with_limit(0);
    CHECK(rouse_executor_turn(executor));
    CHECK_EQ(SPAWN_ON(&target, NULL, waiter, .body.end = count_end), 0);
    rouse_spawner_drop(target.spawner);
    CHECK(rouse_executor_turn(executor));
    CHECK_EQ(count_get(&ended), 0);
    gate_open(&gate);
    while (rouse_executor_turn(executor)) {
    }
    CHECK_EQ(count_get(&ended), 1);
    rouse_executor_free(executor);
}

static void tasks_over_the_limit_are_refused(void)
{
    struct rouse_join_handle handle;

    open_with_limit(2);
    CHECK_EQ(SPAWN_ON(&target, NULL, waiter, .body.end = count_end), 0);
    CHECK_EQ(SPAWN_ON(&target, NULL, waiter, .body.end = count_end), 0);
    CHECK_EQ(SPAWN_ON(&target, &handle, waiter, .body.end = count_end), -EAGAIN);
    CHECK(rouse_executor_turn(executor));
    CHECK_EQ(SPAWN_ON(&target, &handle, waiter, .body.end = count_end), -EAGAIN);
    CHECK_EQ(count_get(&ended), 0);
    gate_open(&gate);
    while (count_get(&ended) == 0) {
        (void)rouse_executor_turn(executor);
    }
    CHECK_EQ(SPAWN_ON(&target, &handle, napper, .naps = 1), 0);
    rouse_spawner_drop(target.spawner);
    // The other waiter shared the gate, which wakes only one: it is aborted.
    while (poll_by_hand(&handle.base) == ROUSE_PENDING) {
        (void)rouse_executor_turn(executor);
    }
    CHECK_EQ(joined(&handle), 8);
    rouse_executor_free(executor);
}

// ---- In a foreign loop ----

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN};

    return poll(&watched, 1, timeout_ms) == 1 && (watched.revents & POLLIN) != 0;
}

// Turns until there is nothing to do now.
static void turn_dry(int fd)
{
    while (is_readable(fd, 0)) {
        (void)rouse_executor_turn(executor);
    }
}

static void *open_gate_soon(void *unused)
{
    nap_ns(3 * MS);
    gate_open(&gate);
    return unused;
}

static void descriptor_is_readable_whenever_a_turn_would_do_something(void)
{
    struct rouse_join_handle handle;

    open_with_limit(0);
    int fd = rouse_executor_fd(executor);

    if (strcmp(test_now()->reactor, "poll") == 0) {
        CHECK_EQ(fd, -ENOTSUP);
        rouse_spawner_drop(target.spawner);
        rouse_executor_free(executor);
        return;
    }
    CHECK(fd >= 0);
    (void)rouse_executor_turn(executor);
    turn_dry(fd);
    CHECK(!is_readable(fd, 5));

    // A task was spawned.
    CHECK_EQ(SPAWN_ON(&target, &handle, waiter, .body.end = NULL), 0);
    CHECK(is_readable(fd, 1000));
    turn_dry(fd);
    CHECK(!is_readable(fd, 5));

    // Another thread wakes it.
    pthread_t thread = thread_start(open_gate_soon, NULL);

    CHECK(is_readable(fd, 10000));
    turn_dry(fd);
    thread_join(thread);
    CHECK(poll_by_hand(&handle.base) == ROUSE_READY);
    CHECK_EQ(joined(&handle), 0);

    // A timer comes due.
    uint64_t start_ns = rouse_now_ns();

    CHECK_EQ(SPAWN_ON(&target, &handle, napper, .naps = 5), 0);
    while (poll_by_hand(&handle.base) == ROUSE_PENDING) {
        CHECK(is_readable(fd, 10000));
        (void)rouse_executor_turn(executor);
    }
    CHECK(rouse_now_ns() >= start_ns + 5 * MS);
    CHECK_EQ(joined(&handle), 8);
    rouse_spawner_drop(target.spawner);
    rouse_executor_free(executor);
}

// An idle loop does not spin: 30 ms of waiting cost next to no processor time.
static void idle_executor_sleeps(void)
{
    struct timespec start;
    struct timespec end;

    open_with_limit(0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(SPAWN_ON(&target, NULL, napper, .naps = 10), 0);
    }
    rouse_spawner_drop(target.spawner);
    uint64_t start_ns = rouse_now_ns();

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    rouse_executor_run(executor);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    int64_t used_ns = (end.tv_sec - start.tv_sec) * (int64_t)ROUSE_NS_PER_S + end.tv_nsec -
                      start.tv_nsec;

    CHECK_WITHIN(used_ns, 0, (int64_t)(rouse_now_ns() - start_ns) / 2);
    rouse_executor_free(executor);
}

static void *run_own_executor(void *unused)
{
    struct rouse_executor *own;
    struct body_target there = {0};
    struct rouse_join_handle handle;

    CHECK_EQ(rouse_executor_new(&own, &there.spawner, NULL), 0);
    CHECK_EQ(SPAWN_ON(&there, &handle, napper, .body.end = count_end, .naps = 5), 0);
    rouse_spawner_drop(there.spawner);
    rouse_executor_run(own);
    CHECK(poll_by_hand(&handle.base) == ROUSE_READY);
    CHECK_EQ(joined(&handle), 8);
    rouse_executor_free(own);
    return unused;
}

static void executors_run_side_by_side(void)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        threads[i] = thread_start(run_own_executor, NULL);
    }
    for (int i = 0; i < 4; i++) {
        thread_join(threads[i]);
    }
    CHECK_EQ(count_get(&ended), 4);
}

static void unknown_reactor_is_refused(void)
{
    const struct rouse_executor_options options = {.size = sizeof options, .reactor = "kqueue"};

    CHECK_EQ(rouse_executor_new(&executor, &target.spawner, &options), -EINVAL);
}

const struct api_test API_TESTS[] = {
    {PLAIN(run_returns_when_spawners_and_tasks_are_gone)},
    {PLAIN(run_without_a_task_returns_at_once), .any_style = true},
    {PLAIN(clone_of_a_spawner_keeps_run_going)},
    {PLAIN(spawn_after_free_is_cancelled)},
    {PLAIN(free_aborts_what_is_left)},
    {PLAIN(turn_says_whether_anything_is_left)},
    {PLAIN(tasks_over_the_limit_are_refused)},
    {PLAIN(descriptor_is_readable_whenever_a_turn_would_do_something)},
    {PLAIN(idle_executor_sleeps)},
    {PLAIN(executors_run_side_by_side)},
    {PLAIN(unknown_reactor_is_refused), .any_reactor = true, .any_style = true},
    {0}};
