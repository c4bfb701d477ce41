// SPDX-License-Identifier: MIT
//
// The runtime: workers and who runs where, limits, several runtimes at once, and shutdown with
// tasks in every state.

#include <rouse/blocking.h>
#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "harness/api.h"

static _Atomic int began;
static _Atomic int ended;
static _Atomic int tripped;
static struct gate gate;

static void count_end(void *frame)
{
    (void)frame;
    count_add(&ended, 1);
}

static unsigned worker_count(void)
{
    return test_now()->host == HOST_RUNTIME_2 ? 2 : 4;
}

struct tasks_know_their_runtime_and_worker {
    struct body body;
    struct rouse_yield yield;
};

static rouse_poll tasks_know_their_runtime_and_worker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(tasks_know_their_runtime_and_worker, frame, cx);
    CHECK(rouse_runtime_current() != NULL);
    CHECK_EQ(rouse_runtime_workers(rouse_runtime_current()), worker_count());
    CHECK_WITHIN(rouse_worker_index(), 0, worker_count() - 1);
    rouse_yield_init(&f->yield);
    AWAIT(&f->yield.base);
    CHECK_WITHIN(rouse_worker_index(), 0, worker_count() - 1);
    BODY_END();
}

struct the_recent_time_follows_the_clock {
    struct body body;
    uint64_t before_ns;
    struct rouse_sleep sleep;
    struct rouse_yield yield;
    int yields;
};

// A worker looks at the clock after so many polls at the latest.
enum { POLLS_BETWEEN_LOOKS_MAX = 244 };

static rouse_poll the_recent_time_follows_the_clock(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(the_recent_time_follows_the_clock, frame, cx);
    f->before_ns = rouse_now_ns();
    CHECK(rouse_now_recent_ns() <= f->before_ns);
    rouse_sleep_init(&f->sleep, 5 * ROUSE_NS_PER_MS);
    AWAIT(&f->sleep.base);
    // The timer has been seen to, so the clock has been looked at: by this worker, or by another
    // one while this was kept in a poll. Then it does so before long.
    while (rouse_now_recent_ns() < f->before_ns + 5 * ROUSE_NS_PER_MS) {
        CHECK(f->yields++ < POLLS_BETWEEN_LOOKS_MAX);
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    CHECK(rouse_now_recent_ns() <= rouse_now_ns());
    BODY_END();
}

static void outside_workers_the_recent_time_is_the_time(void)
{
    uint64_t before_ns = rouse_now_ns();
    uint64_t recent_ns = rouse_now_recent_ns();

    CHECK(recent_ns >= before_ns && recent_ns <= rouse_now_ns());
}

// Computes for a while and notes where.
static _Atomic int used[ROUSE_WORKERS_MAX];

struct number_cruncher {
    struct body body;
    int rounds;
    struct rouse_yield yield;
};

static rouse_poll number_cruncher(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(number_cruncher, frame, cx);
    while (f->rounds-- > 0) {
        busy_ns(100 * ROUSE_NS_PER_US);
        count_add(&used[rouse_worker_index()], 1);
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    BODY_END();
}

struct work_spreads_over_the_workers {
    struct body body;
    int next;
    struct rouse_join_handle handles[32];
};

static rouse_poll work_spreads_over_the_workers(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(work_spreads_over_the_workers, frame, cx);
    for (int i = 0; i < 32; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], number_cruncher, .rounds = 20), 0);
    }
    for (f->next = 0; f->next < 32; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), 0);
    }
    int workers = 0;

    for (unsigned i = 0; i < worker_count(); i++) {
        workers += count_get(&used[i]) > 0;
    }
    CHECK_WITHIN(workers, 2, worker_count());
    BODY_END();
}

struct victim {
    struct body body;
    struct trip_wire wire;
};

static rouse_poll victim(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(victim, frame, cx);
    count_add(&began, 1);
    trip_wire_init(&f->wire, &tripped, NULL);
    AWAIT(&f->wire.base);
    CHECK(false);
    BODY_END();
}

struct sleeper {
    struct body body;
    struct rouse_sleep sleep;
};

static rouse_poll sleeper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sleeper, frame, cx);
    rouse_sleep_init(&f->sleep, 3600 * ROUSE_NS_PER_S);
    AWAIT(&f->sleep.base);
    CHECK(false);
    BODY_END();
}

struct spinner {
    struct body body;
    struct rouse_yield yield;
};

static rouse_poll spinner(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(spinner, frame, cx);
    for (;;) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    BODY_END();
}

static void shutdown_ends_tasks_in_every_state(void)
{
    struct host host;
    struct rouse_join_handle handles[60];

    host_open(&host, test_now()->host, &(struct host_options){0});
    for (int i = 0; i < 60; i += 3) {
        CHECK_EQ(SPAWN_ON(&host.target, &handles[i], victim, .body.end = count_end), 0);
        CHECK_EQ(SPAWN_ON(&host.target, &handles[i + 1], sleeper, .body.end = count_end), 0);
        CHECK_EQ(SPAWN_ON(&host.target, &handles[i + 2], spinner, .body.end = count_end), 0);
    }
    nap_ns(2 * MS);
    // Some that have hardly begun.
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(SPAWN_ON(&host.target, NULL, victim, .body.end = count_end), 0);
    }
    CHECK_EQ(rouse_runtime_shutdown(host.target.runtime, 60 * ROUSE_NS_PER_S), 0);
    CHECK_EQ(count_get(&ended), 80);
    CHECK_EQ(count_get(&tripped), count_get(&began));
    for (int i = 0; i < 60; i++) {
        CHECK(poll_by_hand(&handles[i].base) == ROUSE_READY);
        CHECK_EQ(joined(&handles[i]), -ECANCELED);
    }
}

static int64_t wait_at_gate(void *unused)
{
    (void)unused;
    count_add(&began, 1);
    while (!gate_is_open(&gate)) {
        nap_ns(MS);
    }
    return 3;
}

struct blocker {
    struct body body;
    struct rouse_blocking job;
};

static rouse_poll blocker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(blocker, frame, cx);
    rouse_blocking_init(&f->job, wait_at_gate, NULL, NULL);
    AWAIT(&f->job.base);
    BODY_END();
}

// A blocking call that has begun cannot be cancelled: shutdown says so, and can be repeated.
static void shutdown_that_takes_too_long_can_be_repeated(void)
{
    struct host host;

    host_open(&host, test_now()->host, &(struct host_options){0});
    CHECK_EQ(SPAWN_ON(&host.target, NULL, blocker, .body.end = count_end), 0);
    while (count_get(&began) == 0) {
        nap_ns(MS);
    }
    CHECK_EQ(rouse_runtime_shutdown(host.target.runtime, 10 * MS), -ETIMEDOUT);
    CHECK_EQ(SPAWN_ON(&host.target, NULL, victim, .body.end = count_end), -ECANCELED);
    gate_open(&gate);
    CHECK_EQ(rouse_runtime_shutdown(host.target.runtime, 60 * ROUSE_NS_PER_S), 0);
    CHECK_EQ(count_get(&ended), 1);
}

static void tasks_over_the_limit_are_refused(void)
{
    struct rouse_join_handle handles[4];
    struct host host;

    host_open(&host, test_now()->host, &(struct host_options){.task_limit = 3});
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(SPAWN_ON(&host.target, &handles[i], victim, .body.end = count_end), 0);
    }
    CHECK_EQ(SPAWN_ON(&host.target, &handles[3], victim, .body.end = count_end), -EAGAIN);
    rouse_abort(&handles[0]);
    CHECK_EQ(rouse_block_on(host.target.runtime, &handles[0].base), 0);
    CHECK_EQ(joined(&handles[0]), -ECANCELED);
    // A task's place is free a moment after its end can be seen.
    while (SPAWN_ON(&host.target, &handles[3], victim, .body.end = count_end) == -EAGAIN) {
        nap_ns(MS);
    }
    for (int i = 1; i < 4; i++) {
        rouse_detach(&handles[i]);
    }
    host_close(&host);
    CHECK_EQ(count_get(&ended), 4);
}

static void runtimes_live_side_by_side(void)
{
    struct rouse_join_handle handles[3];
    struct host hosts[3];

    for (int i = 0; i < 3; i++) {
        host_open(&hosts[i], test_now()->host, &(struct host_options){0});
        CHECK_EQ(SPAWN_ON(&hosts[i].target, &handles[i], number_cruncher, .rounds = 5 * (i + 1)),
                 0);
    }
    for (int i = 0; i < 3; i++) {
        // Waiting for one runtime's task with another one's timers is allowed.
        CHECK_EQ(rouse_block_on(hosts[(i + 1) % 3].target.runtime, &handles[i].base), 0);
        CHECK_EQ(joined(&handles[i]), 0);
    }
    for (int i = 2; i >= 0; i--) {
        host_close(&hosts[i]);
    }
}

static void options_out_of_range_are_refused(void)
{
    struct rouse_runtime *runtime;

    CHECK_EQ(rouse_runtime_new(
                 &runtime,
                 &(const struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                       .workers = ROUSE_WORKERS_MAX + 1}),
             -EINVAL);
    CHECK_EQ(rouse_runtime_new(
                 &runtime,
                 &(const struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                       .workers = 1,
                                                       .reactor = "select"}),
             -EINVAL);
    CHECK_EQ(rouse_runtime_new(&runtime,
                               &(const struct rouse_runtime_options){
                                   .size = sizeof(struct rouse_runtime_options), .workers = 1}),
             0);
    CHECK_EQ(rouse_runtime_workers(runtime), 1);
    CHECK(rouse_runtime_current() == NULL);
    CHECK_EQ(rouse_worker_index(), -1);
    rouse_runtime_free(runtime);
    rouse_runtime_free(NULL);
}

const struct api_test API_TESTS[] = {
    {TEST(tasks_know_their_runtime_and_worker), .hosts = HOST_RUNTIMES, .any_reactor = true},
    {TEST(the_recent_time_follows_the_clock), .any_reactor = true},
    {PLAIN(outside_workers_the_recent_time_is_the_time)},
    {TEST(work_spreads_over_the_workers), .hosts = HOST_RUNTIMES},
    {PLAIN(shutdown_ends_tasks_in_every_state), .hosts = HOST_RUNTIMES},
    {PLAIN(shutdown_that_takes_too_long_can_be_repeated), .hosts = HOST_RUNTIMES},
    {PLAIN(tasks_over_the_limit_are_refused), .hosts = HOST_RUNTIMES},
    {PLAIN(runtimes_live_side_by_side), .hosts = HOST_RUNTIMES},
    {PLAIN(options_out_of_range_are_refused), .any_reactor = true, .any_style = true},
    {0}};
