// SPDX-License-Identifier: MIT
//
// A future with the mistake that every author of futures makes once: it is pending, and has given
// its waker to nobody. Nothing will ever wake its task. Its scope's deadline ends it at last.
#include <errno.h>
#include <rouse/clock.h>
#include <rouse/scope.h>

#include "demo_show.h"

#define LEAKED_NS (20 * ROUSE_NS_PER_S)

static rouse_poll forgetful_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    // A poll has to clone rouse_context_waker() for whoever will have news. This one forgets to.
    (void)cx;
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable forgetful_vtable = {
    .poll = forgetful_poll, .name = "forgetful", .cancel_kind = rouse_cancel_kind_total};

static void forgetful_init(struct rouse_future *storage, void *unused)
{
    (void)unused;
    storage->vtable = &forgetful_vtable;
}

int httpd_demo_leak(void *unused)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "forgetful", .site = ROUSE_SITE};
    const struct rouse_future_spec spec = {.size = sizeof(struct rouse_future),
                                           .init = forgetful_init};
    struct rouse_scope scope;

    (void)unused;
    rouse_scope_open(&scope, rouse_now_ns() + LEAKED_NS);
    int err = rouse_scope_spawn_future_at(&scope, NULL, &spec, &attrs);
    int result = rouse_scope_wait(&scope, NULL);

    // The deadline is how this is meant to end.
    if (result == -ETIMEDOUT) result = 0;
    return err < 0 ? err : result;
}
