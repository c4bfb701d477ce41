// SPDX-License-Identifier: MIT
//
// Sources by hand, for tests that look at their ticks and queues: an operation on one end of a
// pipe, polled under a driver with a waker that counts. One thread only.

#ifndef TESTS_UNIT_SOURCE_WAIT_H
#define TESTS_UNIT_SOURCE_WAIT_H

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "hand_waker.h"
#include "io/driver.h"
#include "io/source.h"

// A read of one byte, and what became of it.
struct source_wait {
    struct rs_source *source;
    struct rouse_io_wait wait;
    struct hand_waker hand;
    ssize_t result;
    int tries;
    void (*during)(struct source_wait *self);  // called by each try, after it read; may be NULL
};

static inline ssize_t source_wait_try(int fd, void *arg)
{
    struct source_wait *self = arg;
    char byte;

    self->tries++;
    ssize_t count = read(fd, &byte, 1) < 0 ? -errno : 1;

    if (self->during != NULL) self->during(self);
    return count;
}

static inline rouse_poll source_wait_poll(struct source_wait *self, struct rouse_driver *driver)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = &self->hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rs_source_poll(self->source, RS_READ, &self->wait, &cx, source_wait_try, self, 0,
                          &self->result);
}

static inline void source_need(bool holds, const char *what)
{
    if (holds) return;
    printf("Bail out! %s\n", what);
    exit(1);
}

static inline void source_pipe(int fds[2])
{
    source_need(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0, "pipe");
}

static inline void source_write(int fd)
{
    source_need(write(fd, "x", 1) == 1, "write");
}

static inline struct rouse_driver *source_driver(const char *reactor)
{
    struct rouse_driver *driver;
    const struct rouse_driver_options options = {.size = sizeof options, .reactor = reactor};

    source_need(rouse_driver_new(&driver, &options) == 0, "driver");
    return driver;
}

// Turns until something was woken, or for two seconds.
static inline int source_turn(struct rouse_driver *driver)
{
    return rouse_driver_turn(driver, rouse_deadline_after(2 * ROUSE_NS_PER_S));
}

// The driver tells the source that it is ready, as after an event of its back end.
static inline void source_event(struct rs_source *source, struct rouse_driver *driver,
                                uint32_t ready)
{
    struct rs_batch batch;

    batch.count = 0;
    rs_driver_lock(driver);
    rs_source_event(source, driver, ready, &batch);
    rs_driver_unlock(driver);
    (void)rs_batch_wake(&batch);
}

#endif
