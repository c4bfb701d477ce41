// SPDX-License-Identifier: MIT
//
// Spawning and joining: results, detaching, trees of tasks, and the limits of what can be spawned.
// Children report through counters that outlive them.

#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/task.h>
#include <stdlib.h>

#include "harness/api.h"

// Adds to a counter after some yields, and ends with a result.
struct child {
    struct body body;
    _Atomic int *count;
    int yields;
    int64_t result;
    struct rouse_yield yield;
};

static rouse_poll child(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(child, frame, cx);
    while (f->yields-- > 0) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    count_add(f->count, 1);
    BODY_RETURN(f->result);
    BODY_END();
}

struct join_returns_the_result {
    struct body body;
    _Atomic int count;
    struct rouse_join_handle handle;
};

static rouse_poll join_returns_the_result(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(join_returns_the_result, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, child, .count = &f->count, .result = 42), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(f->count, 1);
    CHECK_EQ(rouse_future_result(&f->handle.base), 42);
    CHECK_EQ(joined(&f->handle), 42);

    CHECK_EQ(SPAWN(&f->handle, child, .count = &f->count, .yields = 3, .result = -EIO), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(f->count, 2);
    CHECK_EQ(joined(&f->handle), -EIO);
    BODY_END();
}

struct a_task_may_end_before_it_is_joined {
    struct body body;
    _Atomic int count;
    struct rouse_join_handle handle;
    struct rouse_abort_handle abort;
    struct rouse_yield yield;
};

static rouse_poll a_task_may_end_before_it_is_joined(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(a_task_may_end_before_it_is_joined, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, child, .count = &f->count, .result = 7), 0);
    f->abort = rouse_abort_handle(&f->handle);
    while (!rouse_abort_handle_is_ended(&f->abort)) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    rouse_abort_handle_drop(&f->abort);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 7);
    BODY_END();
}

enum { MANY = 1000 };

struct many_tasks_each_run_once {
    struct body body;
    _Atomic int count;
    int next;
    struct rouse_join_handle *handles;
};

static void free_handles(void *frame)
{
    struct many_tasks_each_run_once *f = frame;

    free(f->handles);
}

static rouse_poll many_tasks_each_run_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(many_tasks_each_run_once, frame, cx);
    f->body.end = free_handles;
    f->handles = calloc(MANY, sizeof *f->handles);
    for (int i = 0; i < MANY; i++) {
        CHECK_EQ(SPAWN(&f->handles[i], child, .count = &f->count, .yields = i % 4, .result = i), 0);
    }
    for (f->next = 0; f->next < MANY; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), f->next);
    }
    CHECK_EQ(f->count, MANY);
    BODY_END();
}

// Opens a gate as the last thing it does.
struct opener {
    struct body body;
    struct gate *gate;
    struct rouse_yield yield;
};

static rouse_poll opener(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(opener, frame, cx);
    rouse_yield_init(&f->yield);
    AWAIT(&f->yield.base);
    gate_open(f->gate);
    BODY_END();
}

static struct gate gates[3];

struct detached_tasks_run_to_their_end {
    struct body body;
    struct rouse_join_handle handle;
    struct gate_wait wait;
};

static rouse_poll detached_tasks_run_to_their_end(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(detached_tasks_run_to_their_end, frame, cx);
    CHECK_EQ(SPAWN(NULL, opener, .gate = &gates[0]), 0);
    CHECK_EQ(SPAWN(&f->handle, opener, .gate = &gates[1]), 0);
    rouse_detach(&f->handle);
    CHECK_EQ(SPAWN(&f->handle, opener, .gate = &gates[2]), 0);
    rouse_future_drop(&f->handle.base);
    rouse_future_drop(&f->handle.base);
    gate_wait_init(&f->wait, &gates[0]);
    AWAIT(&f->wait.base);
    gate_wait_init(&f->wait, &gates[1]);
    AWAIT(&f->wait.base);
    gate_wait_init(&f->wait, &gates[2]);
    AWAIT(&f->wait.base);
    BODY_END();
}

// Spawns two of its kind, and ends with how many there were below and with itself.
struct tree {
    struct body body;
    int depth;
    int64_t total;
    struct rouse_join_handle left;
    struct rouse_join_handle right;
    struct rouse_join both;
};

static rouse_poll tree(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(tree, frame, cx);
    f->total = 1;
    if (f->depth > 0) {
        CHECK_EQ(SPAWN(&f->left, tree, .depth = f->depth - 1), 0);
        CHECK_EQ(SPAWN(&f->right, tree, .depth = f->depth - 1), 0);
        rouse_join_init(&f->both, &f->left.base, &f->right.base);
        AWAIT(&f->both.base);
        f->total += f->left.output + f->right.output;
        rouse_future_drop(&f->both.base);
    }
    BODY_RETURN(f->total);
    BODY_END();
}

struct trees_of_tasks_join_upwards {
    struct body body;
    struct rouse_join_handle handle;
};

static rouse_poll trees_of_tasks_join_upwards(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(trees_of_tasks_join_upwards, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, tree, .depth = 7), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 255);
    BODY_END();
}

// ---- Futures that are not bodies ----

// Ready at its first poll; its output owns something.
struct parcel {
    struct rouse_future base;
    _Atomic int *released;
    int content;
};

static rouse_poll parcel_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_READY;
}

static void parcel_release(struct rouse_future *self)
{
    count_add(ROUSE_CONTAINER_OF(self, struct parcel, base)->released, 1);
}

static int64_t parcel_result(const struct rouse_future *self)
{
    return ((const struct parcel *)self)->content;
}

static const struct rouse_future_vtable parcel_ended = {
    .drop = parcel_release, .name = "parcel", .result = parcel_result};
static const struct rouse_future_vtable parcel_vtable = {
    .poll = parcel_poll, .drop = parcel_release, .name = "parcel", .ended = &parcel_ended};

struct outputs_are_read_in_place_and_released_once {
    struct body body;
    _Atomic int released;
    struct parcel parcel;
    struct rouse_join_handle handle;
    struct rouse_yield yield;
};

static rouse_poll outputs_are_read_in_place_and_released_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(outputs_are_read_in_place_and_released_once, frame, cx);
    f->parcel =
        (struct parcel){.base.vtable = &parcel_vtable, .released = &f->released, .content = 33};
    CHECK_EQ(rouse_spawn_future(
                 &f->handle,
                 (&(const struct rouse_future_spec){
                     .size = sizeof f->parcel,
                     .init = rouse_future_init_move,
                     .arg = &(struct rouse_future_move){&f->parcel, sizeof f->parcel}})),
             0);
    AWAIT(&f->handle.base);
    CHECK_EQ(f->handle.output, 33);
    CHECK_EQ(((struct parcel *)(void *)rouse_join_handle_future(&f->handle))->content, 33);
    CHECK_EQ(count_get(&f->released), 0);
    rouse_future_drop(&f->handle.base);
    CHECK_EQ(count_get(&f->released), 1);

    // Detached, nobody takes the output.
    CHECK_EQ(rouse_spawn_future(
                 NULL, (&(const struct rouse_future_spec){
                           .size = sizeof f->parcel,
                           .init = rouse_future_init_move,
                           .arg = &(struct rouse_future_move){&f->parcel, sizeof f->parcel}})),
             0);
    while (count_get(&f->released) < 2) {
        rouse_yield_init(&f->yield);
        AWAIT(&f->yield.base);
    }
    BODY_END();
}

static void init_ready(struct rouse_future *storage, void *arg)
{
    (void)arg;
    rouse_ready_init(ROUSE_CONTAINER_OF(storage, struct rouse_ready, base));
}

static void init_aligned(struct rouse_future *storage, void *arg)
{
    CHECK_EQ((uintptr_t)storage % *(size_t *)arg, 0);
    init_ready(storage, NULL);
}

struct futures_up_to_the_limits_can_be_spawned {
    struct body body;
    size_t next;
    size_t align;
    struct rouse_future_spec spec;
    struct rouse_join_handle handle;
};

static rouse_poll futures_up_to_the_limits_can_be_spawned(void *frame, struct rouse_context *cx)
{
    static const size_t sizes[] = {8, 100, 1000, 1100, 5000, 65536, 128 << 10};

    BODY_BEGIN(futures_up_to_the_limits_can_be_spawned, frame, cx);
    for (f->next = 0; f->next < sizeof sizes / sizeof sizes[0]; f->next++) {
        f->spec = (struct rouse_future_spec){.size = sizes[f->next], .init = init_ready};
        CHECK_EQ(rouse_spawn_future(&f->handle, &f->spec), 0);
        AWAIT(&f->handle.base);
        CHECK_EQ(joined(&f->handle), 0);
    }
    for (f->align = 1; f->align <= 64; f->align *= 2) {
        f->spec = (struct rouse_future_spec){
            .size = 64, .align = f->align, .init = init_aligned, .arg = &f->align};
        CHECK_EQ(rouse_spawn_future(&f->handle, &f->spec), 0);
        AWAIT(&f->handle.base);
        CHECK_EQ(joined(&f->handle), 0);
    }
    f->spec = (struct rouse_future_spec){.size = (128 << 10) + 1, .init = init_ready};
    CHECK_EQ(rouse_spawn_future(&f->handle, &f->spec), -E2BIG);
    BODY_END();
}

// ---- The direct forms ----

#ifdef ROUSE_TEST_STYLE_FIBER
static int plain_function(void *arg)
{
    count_add(arg, 1);
    return 5;
}

static int failing_function(void *arg)
{
    count_add(arg, 1);
    return -EPIPE;
}

struct join_waits_in_a_fiber {
    struct body body;
    _Atomic int count;
    struct rouse_join_handle handle;
};

static rouse_poll join_waits_in_a_fiber(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(join_waits_in_a_fiber, frame, cx);
    CHECK_EQ(rouse_spawn(&f->handle, plain_function, &f->count), 0);
    CHECK_EQ(rouse_join(&f->handle), 5);
    CHECK_EQ(rouse_spawn(&f->handle, failing_function, &f->count), 0);
    CHECK_EQ(rouse_join(&f->handle), -EPIPE);
    CHECK(rouse_join_handle_future(&f->handle) == NULL);
    CHECK_EQ(f->count, 2);
    CHECK_EQ(rouse_spawn_at(&f->handle, plain_function, &f->count,
                            &(const struct rouse_task_attrs){.stack_size = (8 << 20) + 1}),
             -EINVAL);
    CHECK_EQ(f->count, 2);
    BODY_END();
}
#endif

// ---- From outside ----

struct foreign {
    const struct body_target *target;
    _Atomic int *count;
};

static void *spawn_from_outside(void *arg)
{
    struct foreign *foreign = arg;

    for (int i = 0; i < 100; i++) {
        CHECK_EQ(SPAWN_ON(foreign->target, NULL, child, .count = foreign->count, .yields = 1), 0);
    }
    return NULL;
}

static void other_threads_may_spawn(void)
{
    static _Atomic int count;
    struct host host;

    host_open(&host, test_now()->host, &(struct host_options){0});
    struct foreign foreign = {&host.target, &count};
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        threads[i] = thread_start(spawn_from_outside, &foreign);
    }
    if (host.executor == NULL) {
        while (count_get(&count) < 400) {
            nap_ns(MS);
        }
    }
    for (int i = 0; i < 4; i++) {
        thread_join(threads[i]);
    }
    if (host.executor != NULL) {
        rouse_spawner_drop(host.target.spawner);
        host.target.spawner = NULL;
        rouse_executor_run(host.executor);
    }
    CHECK_EQ(count_get(&count), 400);
    host_close(&host);
}

const struct api_test API_TESTS[] = {
    {TEST(join_returns_the_result)},
    {TEST(a_task_may_end_before_it_is_joined)},
    {TEST(many_tasks_each_run_once)},
    {TEST(detached_tasks_run_to_their_end)},
    {TEST(trees_of_tasks_join_upwards)},
    {TEST(outputs_are_read_in_place_and_released_once)},
    {TEST(futures_up_to_the_limits_can_be_spawned), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(join_waits_in_a_fiber)},
#endif
    {PLAIN(other_threads_may_spawn), .hosts = HOST_ALL},
    {0}};
