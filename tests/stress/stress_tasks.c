// SPDX-License-Identifier: MIT
//
// Random trees of tasks. Fibers and frames spawn each other, join, abort, detach, yield, sleep,
// give up waiting and select; threads from outside spawn roots on the same runtime, wait for some,
// abort others, and keep abort handles that are used after their tasks ended. A function that was
// spawned runs, exactly once, whatever happened to its task; and in the end nothing is left.

#include <errno.h>

#include "stress.h"

enum { FOREIGN_THREADS = 3, LIVE_MAX = 3000, HANDLES = 32 };

static struct rouse_runtime *runtime;
static uint64_t round_end;
static _Atomic int64_t made;
static _Atomic int64_t began;
static _Atomic int64_t ended;
static _Atomic int64_t wrong;

// ---- A frame: yields and sleeps in turn ----

struct leaf {
    struct rouse_async async;
    struct rouse_sleep sleep;
    struct rouse_yield yield;
    uint64_t random;
    int rounds;
};

static rouse_poll leaf_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct leaf *leaf = ROUSE_CONTAINER_OF(self, struct leaf, async.base);

    ROUSE_ASYNC_BEGIN(&leaf->async, cx);
    while (leaf->rounds-- > 0) {
        rouse_yield_init(&leaf->yield);
        ROUSE_AWAIT(&leaf->yield.base);
        if (stress_below(&leaf->random, 2) == 0) continue;
        rouse_sleep_init(&leaf->sleep, stress_below(&leaf->random, 300 * ROUSE_NS_PER_US));
        ROUSE_AWAIT(&leaf->sleep.base);
    }
    (void)stress_add(&ended, 1);
    ROUSE_ASYNC_END();
}

static void leaf_drop(struct rouse_future *self)
{
    rouse_async_drop(self);
    (void)stress_add(&ended, 1);
}

static const struct rouse_future_vtable leaf_vtable = {
    .poll = leaf_poll, .drop = leaf_drop, .name = "leaf", .describe = rouse_async_describe};

static void leaf_init(struct rouse_future *storage, void *arg)
{
    struct leaf *leaf = ROUSE_CONTAINER_OF(storage, struct leaf, async.base);
    uint64_t *random = arg;

    rouse_async_init(&leaf->async, &leaf_vtable);
    leaf->random = stress_stream(claim_random(random));
    leaf->rounds = (int)stress_below(random, 6);
    (void)stress_add(&made, 1);
    (void)stress_add(&began, 1);
}

static int leaf_spawn(struct rouse_join_handle *handle, uint64_t *random, bool pinned)
{
    return rouse_runtime_spawn_future(
        runtime, handle,
        &(struct rouse_future_spec){.size = sizeof(struct leaf), .init = leaf_init, .arg = random},
        &(struct rouse_task_attrs){.name = "leaf", .pinned = pinned, .site = ROUSE_SITE});
}

// ---- A fiber: does to its children whatever can be done ----

struct node {
    uint64_t random;
    int depth;
};

static int branch(void *arg);

static int branch_spawn(struct rouse_join_handle *handle, uint64_t *random, int depth)
{
    struct node *node = malloc(sizeof *node);

    if (node == NULL) return -ENOMEM;
    *node = (struct node){.random = stress_stream(claim_random(random)), .depth = depth};
    int err = rouse_runtime_spawn(runtime, handle, branch, node,
                                  &(struct rouse_task_attrs){.name = "branch", .site = ROUSE_SITE});

    if (err < 0) free(node);
    if (err == 0) (void)stress_add(&made, 1);
    return err;
}

static int child_spawn(struct rouse_join_handle *handle, uint64_t *random, int depth)
{
    if (depth <= 0 || stress_below(random, 3) == 0) {
        return leaf_spawn(handle, random, stress_below(random, 4) == 0);
    }
    return branch_spawn(handle, random, depth - 1);
}

static void child_select(struct rouse_join_handle *handle, uint64_t *random)
{
    struct rouse_sleep sleep;
    struct rouse_select select;

    rouse_sleep_init(&sleep, stress_below(random, 400 * ROUSE_NS_PER_US));
    rouse_select_init(&select, &sleep.base, &handle->base, ROUSE_SELECT_FAIR);
    if (rouse_await(&select.base) == 0) rouse_future_drop(&select.base);
}

static void child_handle(struct rouse_join_handle *handle, uint64_t *random)
{
    int64_t result = 0;

    switch (stress_below(random, 8)) {
    case 0:
    case 1:
        result = rouse_join(handle);
        break;
    case 2:
        result = rouse_abort_and_wait(handle);
        break;
    case 3:
        rouse_detach(handle);
        break;
    case 4:
        result = rouse_await_until(&handle->base, rouse_deadline_after(
                                                      stress_below(random, 400 * ROUSE_NS_PER_US)));
        if (result == -ETIMEDOUT) result = 0;
        rouse_future_drop(&handle->base);
        break;
    case 5:
        child_select(handle, random);
        break;
    case 6:
        rouse_abort_on_drop(handle);
        rouse_future_drop(&handle->base);
        break;
    default:
        rouse_abort(handle);
        rouse_detach(handle);
    }
    if (result != 0 && result != -ECANCELED) (void)stress_add(&wrong, 1);
}

static int branch(void *arg)
{
    struct node *node = arg;
    int steps = 1 + (int)stress_below(&node->random, 4);

    (void)stress_add(&began, 1);
    for (int i = 0; i < steps; i++) {
        struct rouse_join_handle handle;

        switch (stress_below(&node->random, 6)) {
        case 0:
            (void)rouse_yield();
            break;
        case 1:
            (void)rouse_sleep(stress_below(&node->random, 300 * ROUSE_NS_PER_US));
            break;
        default:
            if (child_spawn(&handle, &node->random, node->depth) < 0) break;
            child_handle(&handle, &node->random);
        }
    }
    free(node);
    (void)stress_add(&ended, 1);
    return 0;
}

// ---- From outside ----

static bool is_crowded(void)
{
    return stress_get(&made) - stress_get(&ended) > LIVE_MAX;
}

static void *foreign_main(void *arg)
{
    uint64_t random = stress_stream((uint64_t)(uintptr_t)arg);
    struct rouse_abort_handle kept[HANDLES] = {{0}};

    while (rouse_now_ns() < round_end) {
        struct rouse_join_handle handle;
        size_t i = stress_below(&random, HANDLES);

        rouse_abort_handle_abort(&kept[i]);
        rouse_abort_handle_drop(&kept[i]);
        if (is_crowded()) {
            stress_nap(100 * ROUSE_NS_PER_US);
            continue;
        }
        if (child_spawn(&handle, &random, 3) < 0) continue;
        kept[i] = rouse_abort_handle(&handle);
        switch (stress_below(&random, 4)) {
        case 0:
            stress_must(rouse_block_on(runtime, &handle.base), "block_on");
            rouse_future_drop(&handle.base);
            break;
        case 1:
            rouse_abort(&handle);
            rouse_detach(&handle);
            break;
        case 2:
            rouse_abort_on_drop(&handle);
            rouse_future_drop(&handle.base);
            break;
        default:
            rouse_detach(&handle);
        }
    }
    for (int i = 0; i < HANDLES; i++) rouse_abort_handle_drop(&kept[i]);
    return NULL;
}

static void round_of(unsigned workers, double share)
{
    struct rouse_stats before;
    pthread_t threads[FOREIGN_THREADS];
    char text[96];

    rouse_stats_get(&before);
    runtime = stress_runtime(workers);
    round_end = stress_deadline(share);
    for (uintptr_t i = 0; i < FOREIGN_THREADS; i++) {
        threads[i] = stress_thread(foreign_main, (void *)(i + 16 * workers));
    }
    for (int i = 0; i < FOREIGN_THREADS; i++) (void)pthread_join(threads[i], NULL);
    rouse_runtime_free(runtime);
    (void)snprintf(text, sizeof text, "%u workers: each of %lld tasks began and ended once",
                   workers, (long long)stress_get(&made));
    claim(stress_get(&made) == stress_get(&began) && stress_get(&made) == stress_get(&ended), text);
    claim(stress_get(&wrong) == 0, "a join says 0 or -ECANCELED");
    claim(stress_is_clean(&before), "nothing is left");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    round_of(1, 0.3);
    round_of(2, 0.4);
    round_of(4, 0.3);
    return claims_end();
}
