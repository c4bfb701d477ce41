// SPDX-License-Identifier: MIT
//
// A hundred thousand tasks that do nothing: each is a future in place, and a timer. They end over
// five seconds, so that one sees them go.
#include <errno.h>
#include <rouse/await.h>
#include <rouse/clock.h>
#include <rouse/scope.h>

#include "demo_show.h"

enum { SLEEPERS = 100000, SLEEPERS_AT_ONCE = 500 };

#define LEAST_NS (5 * ROUSE_NS_PER_S)
#define SPREAD_NS (5 * ROUSE_NS_PER_S)

static void sleeper_init(struct rouse_future *storage, void *arg)
{
    const uint64_t *deadline_ns = arg;

    rouse_sleep_until_init((struct rouse_sleep *)(void *)storage, *deadline_ns);
}

static int sleeper_spawn(struct rouse_scope *scope, uint64_t deadline_ns)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "sleeper", .site = ROUSE_SITE};
    const struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_sleep), .init = sleeper_init, .arg = &deadline_ns};

    return rouse_scope_spawn_future_at(scope, NULL, &spec, &attrs);
}

int httpd_demo_sleepers(void *unused)
{
    struct rouse_scope scope;
    int err = 0;

    (void)unused;
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (uint64_t i = 0; err == 0 && i < SLEEPERS; i++) {
        // Others want to run, too.
        if (i % SLEEPERS_AT_ONCE == 0) err = rouse_yield();
        // The i-th of them, in an order that spreads neighbours.
        uint64_t place = i * 61803 % SLEEPERS;

        if (err == 0) {
            err = sleeper_spawn(&scope, rouse_now_ns() + LEAST_NS + place * (SPREAD_NS / SLEEPERS));
        }
    }
    int result = rouse_scope_wait(&scope, NULL);

    return err < 0 ? err : result;
}
