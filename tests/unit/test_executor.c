// SPDX-License-Identifier: MIT
//
// The executor inside a foreign loop: its descriptor says when a turn would do anything.

#include <errno.h>
#include <poll.h>
#include <rouse.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"
#include "hand_waker.h"

static bool is_readable(struct rouse_executor *executor, int timeout_ms)
{
    struct pollfd entry = {.fd = rouse_executor_fd(executor), .events = POLLIN};

    return poll(&entry, 1, timeout_ms) == 1;
}

static int add_one(void *arg)
{
    return ++*(int *)arg;
}

static int sleep_5_ms(void *arg)
{
    (void)arg;
    return rouse_sleep(5 * ROUSE_NS_PER_MS);
}

static int refuse_timerfd(int clock, int flags)
{
    (void)clock;
    (void)flags;
    return -EMFILE;
}

static void new_loop(struct rouse_executor **executor, struct rouse_spawner **spawner)
{
    if (rouse_executor_new(executor, spawner,
                           &(struct rouse_executor_options){
                               .size = sizeof(struct rouse_executor_options), .reactor = "epoll"}) <
        0) {
        exit(1);
    }
}

static void readable_before_the_first_turn(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    int runs = 0;

    new_loop(&executor, &spawner);
    claim(!is_readable(executor, 0), "an executor without tasks is not readable");
    if (rouse_spawner_spawn(spawner, NULL, add_one, &runs) < 0) exit(1);
    claim(is_readable(executor, 1000), "a task spawned before the first turn makes it readable");
    claim(rouse_executor_turn(executor) && runs == 1, "the turn runs it");
    claim(!is_readable(executor, 0), "and after it there is nothing to do");
    if (rouse_spawner_spawn(spawner, NULL, add_one, &runs) < 0) exit(1);
    claim(is_readable(executor, 1000), "a task spawned between turns makes it readable");
    rouse_spawner_drop(spawner);
    claim(!rouse_executor_turn(executor) && runs == 2, "the last turn says that it is the last");
    rouse_executor_free(executor);
}

static void readable_when_a_timer_is_due(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    int turns = 0;

    new_loop(&executor, &spawner);
    if (rouse_spawner_spawn(spawner, NULL, sleep_5_ms, NULL) < 0) exit(1);
    rouse_spawner_drop(spawner);
    uint64_t start = rouse_now_ns();
    while (rouse_executor_turn(executor) && is_readable(executor, 5000)) turns++;
    claim(rouse_now_ns() - start >= 5 * ROUSE_NS_PER_MS, "a timer is waited for in poll(2)");
    claim(turns <= 3, "without turning meanwhile");
    rouse_executor_free(executor);
}

static void readable_when_there_is_no_alarm(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;

    new_loop(&executor, &spawner);
    if (rouse_spawner_spawn(spawner, NULL, sleep_5_ms, NULL) < 0) exit(1);
    rouse_spawner_drop(spawner);
    rs_sys.timerfd_create = refuse_timerfd;
    claim(rouse_executor_turn(executor) && is_readable(executor, 0),
          "a timer that can have no alarm keeps the descriptor readable");
    rs_sys.timerfd_create = rs_sys_real.timerfd_create;
    claim(rouse_executor_turn(executor) && !is_readable(executor, 0), "until there is an alarm");
    claim(is_readable(executor, 1000), "which then goes off");
    rouse_executor_free(executor);
}

struct waiter {
    struct rouse_spawner *spawner;
    struct rouse_waker waker;
    int polls;
};

// Drops the last spawner in a turn, which notifies the loop that runs it, and waits to be woken.
static rouse_poll drop_and_wait(void *arg, struct rouse_context *cx)
{
    struct waiter *waiter = arg;

    if (waiter->polls++ > 0) return ROUSE_READY;
    rouse_spawner_drop(waiter->spawner);
    waiter->waker = rouse_waker_clone(rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static void init_drop_and_wait(struct rouse_future *storage, void *arg)
{
    rouse_poll_fn_init((struct rouse_poll_fn *)storage, drop_and_wait, arg);
}

static void readable_after_a_notice_within_a_turn(void)
{
    struct rouse_executor *executor;
    struct waiter waiter = {0};

    new_loop(&executor, &waiter.spawner);
    if (rouse_spawner_spawn_future(
            waiter.spawner, NULL,
            &((struct rouse_future_spec){.size = sizeof(struct rouse_poll_fn),
                                         .init = init_drop_and_wait,
                                         .arg = &waiter})) < 0) {
        exit(1);
    }
    claim(rouse_executor_turn(executor), "a task drops the last spawner and waits");
    while (is_readable(executor, 0) && waiter.polls == 1) (void)rouse_executor_turn(executor);
    rouse_waker_wake(&waiter.waker);
    claim(is_readable(executor, 1000), "a wake that follows makes the descriptor readable");
    claim(!rouse_executor_turn(executor) && waiter.polls == 2, "the turn runs the task to its end");
    rouse_executor_free(executor);
}

static void freed_without_a_turn(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    int runs = 0;

    new_loop(&executor, &spawner);
    if (rouse_spawner_spawn(spawner, NULL, add_one, &runs) < 0) exit(1);
    rouse_executor_free(executor);
    claim(runs == 1, "what was spawned runs even if the executor is freed at once");
    claim(rouse_spawner_spawn(spawner, NULL, add_one, &runs) == -ECANCELED,
          "a spawner outlives its executor, and fails");
    rouse_spawner_drop(spawner);
}

static int note_slack(void *arg)
{
    *(int *)arg = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
    return 0;
}

static void timers_are_exact_while_it_runs(void)
{
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    int inside = 0;

    if (prctl(PR_SET_TIMERSLACK, 12345, 0, 0, 0) < 0) exit(1);
    new_loop(&executor, &spawner);
    if (rouse_spawner_spawn(spawner, NULL, note_slack, &inside) < 0) exit(1);
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);
    claim(inside == 1, "timers are as exact as can be while it runs");
    claim(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 12345, "and then as the thread had them");
    rouse_executor_free(executor);
}

int main(void)
{
    readable_before_the_first_turn();
    readable_when_a_timer_is_due();
    readable_when_there_is_no_alarm();
    readable_after_a_notice_within_a_turn();
    freed_without_a_turn();
    timers_are_exact_while_it_runs();
    return claims_end();
}
