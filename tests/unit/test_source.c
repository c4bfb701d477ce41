// SPDX-License-Identifier: MIT
//
// Sources whose home is gone: a driver that is freed leaves no direction at its record, not even
// one that it never came to watch. The next driver may have the same record.

#include <errno.h>
#include <fcntl.h>
#include <rouse.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"
#include "hand_waker.h"

static rouse_poll poll_under(struct rouse_driver *driver, struct hand_waker *hand,
                             struct rouse_future *future)
{
    struct rouse_waker waker = {.vtable = &hand_waker_vtable, .data = hand};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    return rouse_future_poll(future, &cx);
}

static int wait_once(struct rouse_fd *fd, struct rouse_driver *driver)
{
    struct hand_waker hand = {0};
    struct rouse_fd_ready ready;

    rouse_fd_ready_init(&ready, fd, ROUSE_READABLE);
    rouse_poll poll = poll_under(driver, &hand, &ready.base);
    int output = poll == ROUSE_READY ? ready.output : -EINPROGRESS;
    rouse_future_drop(&ready.base);
    return hand_waker_shares(&hand) == 0 ? output : -EIO;
}

// A file cannot be watched: the direction settles at the driver and is never in its table.
static void unwatched_direction_of_a_dead_driver(void)
{
    struct rouse_driver *driver;
    struct rouse_fd *file;

    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    if (rouse_fd_adopt(&file, open("/proc/self/exe", O_RDONLY)) < 0) exit(1);
    claim(wait_once(file, driver) == -EPERM, "a file cannot be waited on");
    rouse_driver_free(driver);
    claim(wait_once(file, NULL) == -ECANCELED, "its driver gone, and no other: -ECANCELED");
    claim(wait_once(file, driver) == -ECANCELED, "nor under a driver that is gone");
    rouse_fd_free(file);
}

static void unwatched_direction_of_a_record_that_is_used_again(void)
{
    struct rouse_driver *driver;
    struct rouse_driver *next;
    struct rouse_fd *file;

    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    if (rouse_fd_adopt(&file, open("/proc/self/exe", O_RDONLY)) < 0) exit(1);
    claim(wait_once(file, driver) == -EPERM, "again a file that cannot be waited on");
    rouse_driver_free(driver);
    if (rouse_driver_new(&next, NULL) < 0) exit(1);
    claim(next == driver, "the next driver has the record of the one that went");
    claim(wait_once(file, NULL) == -ECANCELED, "the direction is not at home there");
    rouse_fd_free(file);
    rouse_driver_free(next);
}

static void watched_direction_of_a_dead_driver(void)
{
    struct rouse_driver *first;
    struct rouse_driver *second;
    struct hand_waker hand = {0};
    struct rouse_fd_ready ready;
    struct rouse_fd *in;
    int fds[2];

    if (rouse_driver_new(&first, NULL) < 0 || rouse_driver_new(&second, NULL) < 0) exit(1);
    if (pipe(fds) < 0 || rouse_fd_adopt(&in, fds[0]) < 0) exit(1);
    rouse_fd_ready_init(&ready, in, ROUSE_READABLE);
    claim(poll_under(first, &hand, &ready.base) == ROUSE_PENDING, "an empty pipe is waited on");
    rouse_driver_free(first);
    claim(hand_waker_wakes(&hand) == 1, "its driver goes, and wakes the wait");
    claim(poll_under(second, &hand, &ready.base) == ROUSE_PENDING, "which moves to another driver");
    if (write(fds[1], "x", 1) != 1) exit(1);
    claim(rouse_driver_turn(second, rouse_deadline_after(ROUSE_NS_PER_S)) == 1,
          "and is woken there");
    claim(poll_under(second, &hand, &ready.base) == ROUSE_READY && ready.output == 0, "it ends");
    claim(hand_waker_shares(&hand) == 0, "no waker is left behind");
    rouse_fd_free(in);
    (void)close(fds[1]);
    rouse_driver_free(second);
}

int main(void)
{
    unwatched_direction_of_a_dead_driver();
    unwatched_direction_of_a_record_that_is_used_again();
    watched_direction_of_a_dead_driver();
    return claims_end();
}
