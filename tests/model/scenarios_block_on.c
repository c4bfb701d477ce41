// SPDX-License-Identifier: MIT
//
// A plain thread that waits: its parker, and rouse_block_on() around it.

#include <rouse/await.h>
#include <rouse/ready.h>

#include "sched/parker.h"
#include "sched/runtime.h"
#include "wait.h"

static struct rs_parker *parker;
static struct rouse_waker clones[2];
static _Atomic uint32_t flags[2];
static int plain;

static void make(void)
{
    parker = rs_parker_new();
    for (int i = 0; i < 2; i++) {
        struct rouse_waker waker = rs_parker_waker(parker);

        clones[i] = rouse_waker_clone(&waker);
        // Relaxed: the threads are not there yet.
        atomic_store_explicit(&flags[i], 0, memory_order_relaxed);
    }
    plain = 0;
}

static void make_with_one(void)
{
    make();
    rouse_waker_drop(&clones[1]);
}

static void unmake(void)
{
    rs_parker_unref(parker);
}

static void write_and_wake(void)
{
    plain = 1;
    rouse_waker_wake(&clones[0]);
}

static void wait_and_read(void)
{
    rs_parker_wait(parker);
    model_claim(plain == 1, "what came before the wake is seen after the wait");
}

static void set_and_wake(int index)
{
    // Relaxed: what the wake publishes, also when it is redundant.
    atomic_store_explicit(&flags[index], 1, memory_order_relaxed);
    rouse_waker_wake(&clones[index]);
}

static void set_first(void)
{
    set_and_wake(0);
}

static void set_second(void)
{
    set_and_wake(1);
}

static void wait_for_both(void)
{
    // Relaxed: only the wakes order.
    while (atomic_load_explicit(&flags[0], memory_order_relaxed) == 0 ||
           atomic_load_explicit(&flags[1], memory_order_relaxed) == 0) {
        rs_parker_wait(parker);
    }
}

// The wait is over; somebody still has a waker.
static void wait_and_leave(void)
{
    rs_parker_wait(parker);
    rs_parker_unref(parker);
}

static void leave(void)
{
    rs_parker_unref(parker);
}

static void wake_first(void)
{
    rouse_waker_wake(&clones[0]);
}

static void wake_second(void)
{
    rouse_waker_wake(&clones[1]);
}

// ---- The call ----

static struct rouse_runtime *runtime;
static struct rs_worker *worker;
static struct rouse_waker stored;
static struct rs_lock stored_lock;
static bool ready;

static rouse_poll look(void *arg, struct rouse_context *cx)
{
    struct rouse_waker old;
    struct rouse_waker clone = rouse_waker_clone(rouse_context_waker(cx));
    bool is_ready;

    (void)arg;
    rs_lock(&stored_lock);
    is_ready = ready;
    old = stored;
    stored = clone;
    rs_unlock(&stored_lock);
    rouse_waker_drop(&old);
    return is_ready ? ROUSE_READY : ROUSE_PENDING;
}

// As much of a runtime as a plain thread's wait uses.
static void make_runtime(void)
{
    runtime = model_alloc(sizeof *runtime);
    worker = model_alloc(sizeof *worker);
    *runtime = (struct rouse_runtime){.sched.workers = worker, .sched.worker_count = 1};
    worker->driver = driver_make("epoll");
    stored = (struct rouse_waker){0};
    ready = false;
    plain = 0;
}

static void unmake_runtime(void)
{
    rouse_waker_drop(&stored);
    rouse_driver_free(worker->driver);
    model_free(worker);
    model_free(runtime);
}

static void block_on_look(void)
{
    struct rouse_poll_fn future;

    rouse_poll_fn_init(&future, look, NULL);
    model_claim(rouse_block_on(runtime, &future.base) == 0, "the wait ends");
    model_claim(plain == 1, "what came before the wake is seen");
}

static void make_ready(void)
{
    struct rouse_waker waker;

    plain = 1;
    rs_lock(&stored_lock);
    ready = true;
    waker = stored;
    stored = (struct rouse_waker){0};
    rs_unlock(&stored_lock);
    rouse_waker_wake(&waker);
}

const struct model_scenario model_block_on_scenarios[] = {
    {.name = "block_on_wake",
     .about = "a wake ends the wait, whenever it comes, and publishes",
     .setup = make_with_one,
     .threads = {wait_and_read, write_and_wake},
     .check = unmake},
    {.name = "block_on_wake_twice",
     .about = "of two wakes the redundant one publishes as well",
     .setup = make,
     .threads = {wait_for_both, set_first, set_second},
     .check = unmake},
    {.name = "block_on_wake_after_end",
     .about = "a waker may outlive the wait",
     .setup = make,
     .threads = {wait_and_leave, wake_first, wake_second}},
    {.name = "block_on_last_share",
     .about = "the last of the thread and the wakers frees",
     .setup = make_with_one,
     .threads = {leave, wake_first}},
    {.name = "block_on_call",
     .about = "rouse_block_on() returns when its future is ready",
     .setup = make_runtime,
     .threads = {block_on_look, make_ready},
     .check = unmake_runtime},
    {.name = NULL},
};
