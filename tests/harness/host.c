// SPDX-License-Identifier: MIT
//
// Makes, runs and frees executors and runtimes. Runs on the main thread of a test's process.

#include "harness/host.h"

#include <string.h>

#include "harness/check.h"

const char *host_name(enum host_kind kind)
{
    switch (kind) {
    case HOST_EXECUTOR:
        return "executor";
    case HOST_RUNTIME_2:
        return "runtime2";
    case HOST_RUNTIME_4:
        return "runtime4";
    default:
        return "plain";
    }
}

void host_open(struct host *host, enum host_kind kind, const struct host_options *options)
{
    *host = (struct host){.kind = kind};
    if (kind == HOST_EXECUTOR) {
        const struct rouse_executor_options executor = {.size = sizeof executor,
                                                        .allocator = options->allocator,
                                                        .task_limit = options->task_limit};

        CHECK_EQ(rouse_executor_new(&host->executor, &host->target.spawner, &executor), 0);
    } else {
        const struct rouse_runtime_options runtime = {.size = sizeof runtime,
                                                      .workers = kind == HOST_RUNTIME_2 ? 2 : 4,
                                                      .allocator = options->allocator,
                                                      .task_limit = options->task_limit};

        CHECK_EQ(rouse_runtime_new(&host->target.runtime, &runtime), 0);
    }
}

// Runs the executor dry. Its root has then ended, so one poll of its handle says how.
static void run_executor(struct host *host, struct rouse_join_handle *root)
{
    static const struct rouse_waker nobody;
    struct rouse_context cx;

    rouse_spawner_drop(host->target.spawner);
    host->target.spawner = NULL;
    rouse_executor_run(host->executor);
    rouse_context_init(&cx, &nobody, NULL);
    CHECK(rouse_future_poll(&root->base, &cx) == ROUSE_READY);
}

int64_t host_run(struct host *host, enum body_style style, const struct body_type *type)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = type->name, .site = ROUSE_SITE};
    _Alignas(max_align_t) char frame[8192];
    struct rouse_join_handle root;

    CHECK(type->size <= sizeof frame);
    memset(frame, 0, type->size);
    CHECK_EQ(body_spawn(style, &host->target, &root, type, frame, &attrs), 0);
    if (host->kind == HOST_EXECUTOR) {
        run_executor(host, &root);
    } else {
        CHECK_EQ(rouse_block_on(host->target.runtime, &root.base), 0);
    }
    return joined(&root);
}

void host_close(struct host *host)
{
    if (host->target.spawner != NULL) rouse_spawner_drop(host->target.spawner);
    if (host->executor != NULL) rouse_executor_free(host->executor);
    rouse_runtime_free(host->target.runtime);
    *host = (struct host){.kind = host->kind};
}
