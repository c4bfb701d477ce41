// SPDX-License-Identifier: MIT
//
// Sources: readiness against reads, waiters against grants, close against waits, and a home that
// goes away. The pipe is the model's; source, watch and driver are real.

#include <errno.h>
#include <rouse/driver.h>
#include <stdatomic.h>

#include "io/driver.h"
#include "io/source.h"
#include "kernel.h"
#include "model.h"

static struct rouse_driver *driver;
static struct rs_source source;
static struct rouse_io_wait waits[2];
static struct model_waker wakers[2];
static int wanted;  // bytes to be read until the turning ends
static _Atomic int got;
static int results[2];

static void begin_for(int bytes)
{
    model_claim(rouse_driver_new(&driver, NULL) == 0, "there is a driver");
    model_keep(driver);
    rs_source_init(&source, MODEL_FD);
    wanted = bytes;
    // Relaxed: before the threads.
    atomic_store_explicit(&got, 0, memory_order_relaxed);
    for (unsigned i = 0; i < 2; i++) {
        waits[i] = (struct rouse_io_wait){0};
        wakers[i] = (struct model_waker){.thread = 2 + i};
        results[i] = 0;
    }
    model_name(&source, sizeof source, "source");
    model_name(driver, sizeof *driver, "driver");
    model_name(waits, sizeof waits, "waits");
}

static void begin_one(void)
{
    begin_for(1);
}

static void begin_two(void)
{
    begin_for(2);
}

static ssize_t read_pipe(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    return model_pipe_read();
}

static rouse_poll poll_read(int index, ssize_t *result)
{
    struct rouse_waker borrowed = model_waker_of(&wakers[index]);
    struct rouse_context cx;

    rouse_context_init(&cx, &borrowed, driver);
    return rs_source_poll(&source, RS_READ, &waits[index], &cx, read_pipe, NULL, 0, result);
}

static int got_now(void)
{
    // Seq_cst: only the end of the scenario.
    return atomic_load_explicit(&got, memory_order_seq_cst);
}

static void got_one(void)
{
    (void)atomic_fetch_add_explicit(&got, 1, memory_order_seq_cst);
    rouse_driver_notify(driver);
}

static void turn(void)
{
    while (got_now() < wanted) (void)rouse_driver_turn(driver, ROUSE_NEVER);
}

static void read_with(int index)
{
    ssize_t result;

    while (poll_read(index, &result) == ROUSE_PENDING) {
        do {
            model_park();
        } while (!model_waker_take(&wakers[index]));
    }
    results[index] = (int)result;
    got_one();
}

static void read_first(void)
{
    read_with(0);
}

static void read_second(void)
{
    read_with(1);
}

// Waits once, and then no more: what it was granted is for the other one.
static void wait_and_give_up(void)
{
    ssize_t result;

    if (poll_read(1, &result) == ROUSE_PENDING) {
        rs_source_unwait(&waits[1]);
        result = -EAGAIN;
    }
    results[1] = (int)result;
    // It may have taken the byte; then the other one gets the next.
    if (result == 1) model_pipe_write();
}

static void write_one(void)
{
    model_pipe_write();
}

static void close_it(void)
{
    rs_source_close(&source);
}

static void free_driver(void)
{
    rouse_driver_free(driver);
}

static void check(void)
{
    rs_source_close(&source);
    model_claim(model_pipe_closes() == 1, "the descriptor is closed once");
    rouse_driver_free(driver);
    for (int i = 0; i < 2; i++) {
        // Relaxed: the threads have ended.
        model_claim(atomic_load_explicit(&wakers[i].shares, memory_order_relaxed) == 0,
                    "every share of a waker is given up");
    }
}

static void check_read(void)
{
    check();
    model_claim(results[0] == 1, "the byte was read");
}

static void check_both_read(void)
{
    check();
    model_claim(results[0] == 1 && results[1] == 1, "both bytes were read");
}

static void check_closed(void)
{
    check();
    model_claim(results[0] == 1 || results[0] == -EBADF, "it was read or closed");
}

// One poll while the driver goes away: it waits no longer there.
static void poll_once(void)
{
    ssize_t result;

    if (poll_read(0, &result) == ROUSE_PENDING) rs_source_unwait(&waits[0]);
}

static void check_orphaned(void)
{
    rs_source_close(&source);
    model_claim(model_pipe_closes() == 1, "the descriptor is closed once");
}

const struct model_scenario model_source_scenarios[] = {
    {.name = "source_read",
     .about = "a byte that comes while the reader finds nothing is not missed",
     .setup = begin_one,
     .threads = {turn, read_first, write_one},
     .check = check_read},
    {.name = "source_two_readers",
     .about = "two readers of one direction get a byte each",
     .setup = begin_two,
     .threads = {turn, read_first, read_second, write_one, write_one},
     .check = check_both_read},
    {.name = "source_given_up",
     .about = "who was granted an event and gives up hands it on",
     .setup = begin_one,
     .threads = {turn, read_first, wait_and_give_up, write_one},
     .check = check_read},
    {.name = "source_close",
     .about = "a close ends a wait, whenever it comes",
     .setup = begin_one,
     .threads = {turn, read_first, close_it},
     .check = check_closed},
    {.name = "source_orphaned",
     .about = "a driver goes away while somebody begins to wait",
     .setup = begin_one,
     .threads = {free_driver, poll_once},
     .check = check_orphaned},
    {.name = NULL},
};
