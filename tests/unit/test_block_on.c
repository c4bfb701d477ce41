// SPDX-License-Identifier: MIT
//
// A plain thread whose runtime goes away while it waits. What it waits for fails; it is not filed
// at the driver of a stranger who was given the same memory and never turns it.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>
#include <unistd.h>

#include "claim.h"

enum { STRANGERS = 8 };

// Polls `inner` twice: in between the runtime is freed, and drivers are made that nobody turns.
struct outlive {
    struct rouse_future base;
    struct rouse_future *inner;
    struct rouse_driver *strangers[STRANGERS];
    bool failed_at_once;
};

static rouse_poll outlive_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct outlive *o = ROUSE_CONTAINER_OF(self, struct outlive, base);

    if (rouse_future_poll(o->inner, cx) == ROUSE_READY) return ROUSE_READY;
    rouse_runtime_free(rouse_runtime_default());
    for (int i = 0; i < STRANGERS; i++) {
        if (rouse_driver_new(&o->strangers[i], NULL) < 0) exit(1);
    }
    o->failed_at_once = rouse_future_poll(o->inner, cx) == ROUSE_READY;
    rouse_future_drop(o->inner);
    return ROUSE_READY;
}

static const struct rouse_future_vtable outlive_vtable = {.poll = outlive_poll, .name = "outlive"};

static bool fails_at_once(struct rouse_future *inner)
{
    struct outlive o = {.base.vtable = &outlive_vtable, .inner = inner};

    if (rouse_block_on(NULL, &o.base) < 0) exit(1);
    for (int i = 0; i < STRANGERS; i++) rouse_driver_free(o.strangers[i]);
    return o.failed_at_once;
}

int main(void)
{
    struct rouse_sleep sleep;
    struct rouse_fd_ready ready;
    struct rouse_fd *in;
    int fds[2];

    (void)alarm(60);
    rouse_sleep_init(&sleep, 3600 * ROUSE_NS_PER_S);
    claim(fails_at_once(&sleep.base) && sleep.output == -ECANCELED,
          "a sleep whose runtime has gone is not filed at a stranger's driver");
    if (pipe(fds) < 0 || rouse_fd_adopt(&in, fds[0]) < 0) exit(1);
    rouse_fd_ready_init(&ready, in, ROUSE_READABLE);
    claim(fails_at_once(&ready.base) && ready.output == -ECANCELED,
          "and a wait for a descriptor is not queued there");
    rouse_fd_free(in);
    (void)close(fds[1]);
    return claims_end();
}
