// SPDX-License-Identifier: MIT
//
// Waiting from sequential code, wherever it runs: a fiber is suspended, a plain thread parked.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/ready.h>
#include <rouse/runtime.h>
#include <sched.h>

#include "base/tls.h"
#include "fiber/fiber.h"
#include "io/driver.h"
#include "sched/parker.h"
#include "sched/runtime.h"
#include "task/task.h"

static void poll_parked(struct rouse_future *future, struct rouse_context *cx,
                        struct rs_parker *parker)
{
    for (;;) {
        rs_tls.poll_depth++;
        rouse_poll poll = rouse_future_poll(future, cx);
        rs_tls.poll_depth--;
        if (poll == ROUSE_READY) return;
        rs_parker_wait(parker);
    }
}

// A driver to poll with, held. The default runtime may be freed while the caller waits: what is
// left of its driver then is a record at which nothing can be filed, and which nobody reuses while
// it is held; see driver.h.
static struct rouse_driver *driver_hold(struct rouse_runtime *runtime)
{
    struct rouse_runtime *from = runtime != NULL ? runtime : rs_default_pin();

    if (from == NULL) return NULL;
    struct rouse_driver *driver = rs_runtime_any_driver(from);

    rs_driver_hold(driver);
    if (runtime == NULL) rs_sched_unpin(&from->sched);
    return driver;
}

int rouse_block_on(struct rouse_runtime *runtime, struct rouse_future *future)
{
    rouse_assert(rs_tls.poll_depth == 0,
                 "a poll or waker callback cannot wait; return ROUSE_PENDING instead");
    rouse_assert(rs_tls.worker == NULL,
                 "a fiber cannot block its worker; use rouse_await(), or rouse_blocking()");
    struct rs_parker *parker = rs_parker_new();
    struct rouse_driver *driver = parker != NULL ? driver_hold(runtime) : NULL;

    if (driver == NULL) {
        if (parker != NULL) rs_parker_unref(parker);
        rouse_future_drop(future);
        return -ENOMEM;
    }
    struct rouse_waker waker = rs_parker_waker(parker);
    struct rs_blocking_pool *outer = rs_tls.pool;
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, driver);
    if (runtime != NULL) rs_tls.pool = rs_runtime_pool(runtime);
    poll_parked(future, &cx, parker);
    rs_tls.pool = outer;
    rs_driver_unhold(driver);
    rs_parker_unref(parker);
    return 0;
}

int rs_await_handle(struct rouse_join_handle *handle)
{
    struct rouse_waker waker = {0};
    struct rs_parker *parker = NULL;
    struct rouse_context cx;

    if (!rs_join_is_ready(handle)) {
        parker = rs_parker_new();
        if (parker == NULL) {
            rouse_future_drop(&handle->base);
            return -ENOMEM;
        }
        waker = rs_parker_waker(parker);
    }
    rouse_context_init(&cx, &waker, NULL);
    poll_parked(&handle->base, &cx, parker);
    if (parker != NULL) rs_parker_unref(parker);
    return 0;
}

int rouse_await(struct rouse_future *future)
{
    rouse_assert(rs_tls.poll_depth == 0,
                 "a poll or waker callback cannot wait; return ROUSE_PENDING instead");
    if (rs_tls.fiber != NULL) return rs_fiber_await(rs_tls.fiber, future);
    return rouse_block_on(NULL, future);
}

// Apart from rouse_yield(), where the address of a local would keep the fiber's yield from being
// the last call.
__attribute__((noinline)) static int yield_outside_fibers(void)
{
    struct rouse_yield yield;

    if (rs_tls.worker == NULL && rs_tls.poll_depth == 0) {
        (void)sched_yield();
        return 0;
    }
    rouse_yield_init(&yield);
    return rouse_await(&yield.base);
}

int rouse_yield(void)
{
    struct rs_fiber *fiber = rs_tls.fiber;

    if (ROUSE_LIKELY(fiber != NULL && rs_tls.poll_depth == 0)) return rs_fiber_yield(fiber);
    return yield_outside_fibers();
}
