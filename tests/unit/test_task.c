// SPDX-License-Identifier: MIT
//
// What keeps the record of an ended task: its handles and wakers, and nothing else.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>

#include "claim.h"
#include "hand_waker.h"

static int64_t records(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.task_records;
}

// Waits for its own end for a while, through the handle at `arg`.
static int join_itself(void *arg)
{
    struct rouse_join_handle *own = arg;

    return rouse_await_until(&own->base, rouse_deadline_after(ROUSE_NS_PER_MS)) == -ETIMEDOUT
               ? 7
               : -EIO;
}

static int spawn_self_joiner(void *arg)
{
    struct rouse_join_handle own;
    struct rouse_abort_handle watch;

    (void)arg;
    if (rouse_spawn(&own, join_itself, &own) < 0) return -ENOMEM;
    watch = rouse_abort_handle(&own);
    while (!rouse_abort_handle_is_ended(&watch)) (void)rouse_sleep(ROUSE_NS_PER_MS);
    rouse_abort_handle_drop(&watch);
    return 0;
}

struct pair {
    struct rouse_join_handle handles[2];
};

static int join_first(void *arg)
{
    return join_itself(&((struct pair *)arg)->handles[0]);
}

static int join_second(void *arg)
{
    return join_itself(&((struct pair *)arg)->handles[1]);
}

// Each of two tasks waits for the other for a while.
static int spawn_pair(void *arg)
{
    struct pair pair;
    struct rouse_abort_handle watches[2];

    (void)arg;
    if (rouse_spawn(&pair.handles[0], join_second, &pair) < 0) return -ENOMEM;
    if (rouse_spawn(&pair.handles[1], join_first, &pair) < 0) return -ENOMEM;
    for (int i = 0; i < 2; i++) watches[i] = rouse_abort_handle(&pair.handles[i]);
    for (int i = 0; i < 2; i++) {
        while (!rouse_abort_handle_is_ended(&watches[i])) (void)rouse_sleep(ROUSE_NS_PER_MS);
        rouse_abort_handle_drop(&watches[i]);
    }
    return 0;
}

// More than a poll takes or keeps in hand at once.
enum { MANY = 1000 };

struct shares {
    struct rouse_waker wakers[MANY];
    bool dropped_in_poll;
};

static rouse_poll clone_many(void *arg, struct rouse_context *cx)
{
    struct shares *s = arg;

    for (int i = 0; i < MANY; i++) s->wakers[i] = rouse_waker_clone(rouse_context_waker(cx));
    for (int i = 0; s->dropped_in_poll && i < MANY; i++) rouse_waker_drop(&s->wakers[i]);
    return ROUSE_READY;
}

static int share(void *arg)
{
    struct rouse_poll_fn poll_fn;

    rouse_poll_fn_init(&poll_fn, clone_many, arg);
    return rouse_await(&poll_fn.base);
}

static int spawn_sharer(void *arg)
{
    struct rouse_join_handle handle;

    if (rouse_spawn(&handle, share, arg) < 0) return -ENOMEM;
    return (int)rouse_join(&handle);
}

// A waker of a join: while the task completes, it clones and drops a waker of that task.
struct meddling_joiner {
    struct rouse_waker of_task;
    struct hand_waker woken;
};

static struct rouse_waker meddling_clone(void *data);

static void meddling_drop(void *data)
{
    (void)data;
}

static void meddling_wake(void *data)
{
    struct meddling_joiner *joiner = data;

    for (int i = 0; i < MANY; i++) {
        struct rouse_waker clone = rouse_waker_clone(&joiner->of_task);

        rouse_waker_drop(&clone);
    }
    hand_waker_wake_by_ref(&joiner->woken);
}

static const struct rouse_waker_vtable meddling_vtable = {
    .clone = meddling_clone,
    .wake = meddling_wake,
    .wake_by_ref = meddling_wake,
    .drop = meddling_drop};

static struct rouse_waker meddling_clone(void *data)
{
    return (struct rouse_waker){.vtable = &meddling_vtable, .data = data};
}

static rouse_poll give_waker(void *arg, struct rouse_context *cx)
{
    struct meddling_joiner *joiner = arg;

    if (joiner->of_task.vtable != NULL) return ROUSE_READY;
    joiner->of_task = rouse_waker_clone(rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static int wait_for_joiner(void *arg)
{
    struct rouse_poll_fn poll_fn;

    rouse_poll_fn_init(&poll_fn, give_waker, arg);
    return rouse_await(&poll_fn.base);
}

static int spawn_meddled(void *arg)
{
    struct meddling_joiner *joiner = arg;
    struct rouse_waker waker = meddling_clone(joiner);
    struct rouse_join_handle handle;
    struct rouse_context cx;

    if (rouse_spawn(&handle, wait_for_joiner, joiner) < 0) return -ENOMEM;
    while (joiner->of_task.vtable == NULL) (void)rouse_yield();
    rouse_context_init(&cx, &waker, NULL);
    if (rouse_future_poll(&handle.base, &cx) == ROUSE_READY) return -EIO;
    rouse_waker_wake_by_ref(&joiner->of_task);
    while (hand_waker_wakes(&joiner->woken) == 0) (void)rouse_yield();
    rouse_future_drop(&handle.base);
    return 0;
}

int main(void)
{
    int64_t before = records();
    const struct rouse_runtime_options one_worker = {.size = sizeof one_worker, .workers = 1};

    claim(rouse_run_with(spawn_self_joiner, NULL, &one_worker) == 0,
          "a task gave up joining itself");
    claim(records() == before, "its record is gone: a dropped handle keeps no waker");
    claim(rouse_run_with(spawn_pair, NULL, &one_worker) == 0,
          "two tasks gave up joining each other");
    claim(records() == before, "their records are gone");
    static struct shares shares;

    shares.dropped_in_poll = true;
    claim(rouse_run_with(spawn_sharer, &shares, &one_worker) == 0,
          "a task dropped a thousand wakers of its own in a poll");
    claim(records() == before, "its record is gone");
    shares.dropped_in_poll = false;
    claim(rouse_run_with(spawn_sharer, &shares, &one_worker) == 0,
          "a task gave away a thousand wakers");
    claim(records() == before + 1, "each of them keeps its record");
    for (int i = 0; i < MANY - 1; i++) rouse_waker_drop(&shares.wakers[i]);
    claim(records() == before + 1, "also the last one alone");
    rouse_waker_drop(&shares.wakers[MANY - 1]);
    claim(records() == before, "it is gone with that");
    static struct meddling_joiner joiner;

    claim(rouse_run_with(spawn_meddled, &joiner, &one_worker) == 0,
          "while a task completed, its wakers were cloned and dropped");
    claim(records() == before + 1, "the waker that is left keeps its record");
    rouse_waker_drop(&joiner.of_task);
    claim(records() == before, "it is gone with the last one");
    return claims_end();
}
