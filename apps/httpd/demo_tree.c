// SPDX-License-Identifier: MIT
//
// A tree of tasks, each a fiber with a scope for its children. Its root cancels its scope: that is
// all it takes, and when the scope has been left, every one of them has ended.
#include <rouse/clock.h>
#include <rouse/scope.h>
#include <rouse/sleep.h>

#include "demo_show.h"

enum { CHILDREN = 10 };

#define SHOWN_NS (2 * ROUSE_NS_PER_S)

// What the tasks of a level are called. All constant, so that nobody has to free it.
struct level {
    const char *name;
    const struct level *below;  // NULL: these are leaves
};
static const struct level leaves = {"leaf", NULL};
static const struct level twigs = {"twig", &leaves};
static const struct level branches = {"branch", &twigs};

static int node_run(void *arg);

static int nodes_spawn(struct rouse_scope *scope, const struct level *level)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = level->name, .site = ROUSE_SITE};
    int err = 0;

    for (unsigned i = 0; err == 0 && i < CHILDREN; i++) {
        err = rouse_scope_spawn_at(scope, NULL, node_run, (void *)(uintptr_t)level, &attrs);
    }
    return err;
}

// Waits with its children until it is cancelled.
static int node_run(void *arg)
{
    const struct level *level = arg;
    struct rouse_scope scope;

    rouse_scope_open(&scope, ROUSE_NEVER);
    int err = level->below != NULL ? nodes_spawn(&scope, level->below) : 0;

    if (err == 0) err = rouse_sleep_until(ROUSE_NEVER);
    int result = rouse_scope_wait(&scope, NULL);

    return err < 0 ? err : result;
}

int httpd_demo_tree(void *unused)
{
    struct rouse_scope scope;

    (void)unused;
    rouse_scope_open(&scope, ROUSE_NEVER);
    int err = nodes_spawn(&scope, &branches);

    if (err == 0) err = rouse_sleep(SHOWN_NS);
    rouse_scope_cancel(&scope, "the demo cancels its tree");
    int result = rouse_scope_wait(&scope, NULL);

    return err < 0 ? err : result;
}
