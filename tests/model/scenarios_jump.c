// SPDX-License-Identifier: MIT
//
// A virtual clock under two workers: it stands still while one of them has something to do.

#include <rouse/clock.h>
#include <rouse/sleep.h>

#include "base/sys.h"
#include "io/source.h"
#include "scheduler.h"

enum { START_NS = 1000, LATER_NS = START_NS + 1000000, CAPACITY = 4 };

static struct rs_sched *sched;
static struct rs_source source;
static struct rouse_io_wait wait;
static struct rouse_sleep nap;
static int ends[2];
static _Atomic uint32_t has_read;
static _Atomic uint32_t has_slept;

static ssize_t read_some(int fd, void *arg)
{
    char buf[CAPACITY];

    (void)arg;
    return rs_sys.read(fd, buf, sizeof buf);
}

static rouse_poll reading_poll(struct rouse_future *self, struct rouse_context *cx)
{
    ssize_t result;

    (void)self;
    if (rs_source_poll(&source, RS_READ, &wait, cx, read_some, NULL, CAPACITY, &result) ==
        ROUSE_PENDING) {
        return ROUSE_PENDING;
    }
    // Relaxed: only claimed.
    atomic_store_explicit(&has_read, 1, memory_order_relaxed);
    return ROUSE_READY;
}

static const struct rouse_future_vtable reading_ended = {.name = "reading"};
static const struct rouse_future_vtable reading = {
    .poll = reading_poll, .name = "reading", .ended = &reading_ended};

static rouse_poll sleeping_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    if (rouse_future_poll(&nap.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    model_claim(model_newest(&has_read) == 1, "what is there at a time is read at that time");
    // Relaxed: the notify publishes it.
    atomic_store_explicit(&has_slept, 1, memory_order_relaxed);
    rs_sched_notify_all(sched);
    return ROUSE_READY;
}

static const struct rouse_future_vtable sleeping = {
    .poll = sleeping_poll, .name = "sleeping", .ended = &reading_ended};

// The first worker's task waits for bytes, which come before the threads are there; the second
// one's for a time.
static void make(void)
{
    rouse_clock_use_virtual(START_NS);
    sched = scheduler_make(2);
    model_stream(ends, CAPACITY);
    rs_source_init(&source, ends[0]);
    wait = (struct rouse_io_wait){0};
    rouse_sleep_until_init(&nap, LATER_NS);
    // Relaxed, both: the threads are not there yet.
    atomic_store_explicit(&has_read, 0, memory_order_relaxed);
    atomic_store_explicit(&has_slept, 0, memory_order_relaxed);
    scheduler_spawn(sched, &reading, 1, 0);
    scheduler_spawn(sched, &sleeping, 2, 0);
    for (int i = 0; i < 2; i++) worker_run_what_is_there(&sched->workers[i]);
    model_claim(rs_sys.write(ends[1], "1", 1) == 1, "there is room");
}

static bool is_over(void *arg)
{
    (void)arg;
    // Relaxed: looked at again after each sleep.
    return atomic_load_explicit(&has_slept, memory_order_relaxed) == 1;
}

static void run(unsigned index)
{
    worker_enter(&sched->workers[index]);
    rs_worker_run(&sched->workers[index], is_over, NULL);
    worker_leave();
}

static void run_first(void)
{
    run(0);
}

static void run_second(void)
{
    run(1);
}

static void unmake(void)
{
    model_claim(rouse_now_ns() >= LATER_NS, "time has passed");
    rs_source_close(&source);
    rs_sched_close(sched);
    worker_run_what_is_there(&sched->workers[0]);
    scheduler_unmake(sched);
}

const struct model_scenario model_jump_scenarios[] = {
    {.name = "jump_against_wake",
     .about = "a virtual clock does not jump while a worker wakes to work",
     .setup = make,
     .threads = {run_first, run_second},
     .check = unmake},
    {.name = NULL},
};
