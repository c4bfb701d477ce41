// SPDX-License-Identifier: MIT
//
// Scopes over real tasks: all are waited for, one that fails ends the others, and so do a cancel
// from another thread, a deadline and a scope further out; a scope that is dropped hands its tasks
// up. Each task counts how it began, went on and ended.

#include <rouse/error.h>
#include <rouse/scope.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <string.h>

#include "harness/api.h"

enum { TASKS = 20 };

static _Atomic int began;
static _Atomic int went_on;
static _Atomic int ended;

static void count_end(void *frame)
{
    (void)frame;
    count_add(&ended, 1);
}

// Sleeps, then ends with a result.
struct napper {
    struct body body;
    uint64_t duration_ns;
    int64_t result;
    struct rouse_sleep sleep;
};

static rouse_poll napper(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(napper, frame, cx);
    count_add(&began, 1);
    rouse_sleep_init(&f->sleep, f->duration_ns);
    AWAIT(&f->sleep.base);
    count_add(&went_on, 1);
    BODY_RETURN(f->result);
    BODY_END();
}

static int nap_in(struct rouse_scope *scope, uint64_t duration_ns, int64_t result)
{
    return SPAWN_IN(scope, napper, .body.end = count_end, .duration_ns = duration_ns,
                    .result = result);
}

static void many_nap_in(struct rouse_scope *scope, uint64_t duration_ns)
{
    for (int i = 0; i < TASKS; i++) CHECK_EQ(nap_in(scope, duration_ns, 0), 0);
}

struct leaving_waits_for_all {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static rouse_poll leaving_waits_for_all(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(leaving_waits_for_all, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    for (int i = 0; i < TASKS; i++) {
        CHECK_EQ(nap_in(&f->scope, (uint64_t)((i * 7) % 5) * MS, i), 0);
    }
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, 0);
    CHECK_EQ(f->wait.output.why.reason, ROUSE_CANCEL_NONE);
    CHECK_EQ(count_get(&went_on), TASKS);
    CHECK_EQ(count_get(&ended), TASKS);
    BODY_END();
}

struct scope_without_tasks_costs_no_heap {
    struct body body;
    struct rouse_stats before;
    struct rouse_stats after;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static rouse_poll scope_without_tasks_costs_no_heap(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(scope_without_tasks_costs_no_heap, frame, cx);
    rouse_stats_get(&f->before);
    rouse_scope_open(&f->scope, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    AWAIT_SCOPE(&f->wait, &f->scope);
    rouse_stats_get(&f->after);
    CHECK_EQ(f->wait.output.error, 0);
    CHECK_EQ(f->after.allocations, f->before.allocations);
    BODY_END();
}

struct first_error_ends_the_others {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static void culprit_in(struct rouse_scope *scope)
{
    const struct rouse_task_attrs attrs = {
        .size = sizeof attrs, .name = "culprit", .site = ROUSE_SITE};
    const struct napper init = {.body.end = count_end,
                                .duration_ns = 2 * MS,
                                .result = -ECONNRESET};
    const struct body_target target = {.scope = scope};

    CHECK_EQ(body_spawn(STYLE, &target, NULL, &(const struct body_type)BODY(napper), &init, &attrs),
             0);
}

static rouse_poll first_error_ends_the_others(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(first_error_ends_the_others, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    many_nap_in(&f->scope, 3600 * ROUSE_NS_PER_S);
    culprit_in(&f->scope);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ECONNRESET);
    CHECK_EQ(f->wait.output.why.reason, ROUSE_CANCEL_SIBLING);
    CHECK_EQ(f->wait.output.why.cause, -ECONNRESET);
    CHECK(strcmp(f->wait.output.why.origin, "culprit") == 0);
    CHECK_EQ(count_get(&went_on), 1);
    CHECK_EQ(count_get(&ended), TASKS + 1);
    BODY_END();
}

struct nothing_is_spawned_once_it_is_cancelled {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static rouse_poll nothing_is_spawned_once_it_is_cancelled(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(nothing_is_spawned_once_it_is_cancelled, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    many_nap_in(&f->scope, 3600 * ROUSE_NS_PER_S);
    rouse_scope_cancel(&f->scope, "enough");
    rouse_scope_cancel(&f->scope, "more than enough");
    CHECK_EQ(nap_in(&f->scope, 0, 0), -ECANCELED);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ECANCELED);
    CHECK_EQ(f->wait.output.why.reason, ROUSE_CANCEL_SCOPE);
    CHECK(strcmp(f->wait.output.why.origin, "enough") == 0);
    CHECK_EQ(count_get(&ended), TASKS);
    BODY_END();
}

// ---- From elsewhere ----

static int wanted = TASKS;

static void *cancel_when_all_began(void *arg)
{
    while (count_get(&began) < wanted) nap_ns(100 * ROUSE_NS_PER_US);
    rouse_scope_canceller_cancel(arg, "from a thread");
    return NULL;
}

struct another_thread_cancels_it {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_canceller canceller;
    struct rouse_scope_wait wait;
    pthread_t thread;
};

static rouse_poll another_thread_cancels_it(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(another_thread_cancels_it, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    many_nap_in(&f->scope, 3600 * ROUSE_NS_PER_S);
    CHECK_EQ(rouse_scope_canceller(&f->scope, &f->canceller), 0);
    f->thread = thread_start(cancel_when_all_began, &f->canceller);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ECANCELED);
    CHECK(strcmp(f->wait.output.why.origin, "from a thread") == 0);
    CHECK_EQ(count_get(&ended), TASKS);
    CHECK_EQ(count_get(&went_on), 0);
    thread_join(f->thread);
    rouse_scope_canceller_cancel(&f->canceller, "too late");  // it has been left
    rouse_scope_canceller_drop(&f->canceller);
    BODY_END();
}

struct cancel_meets_completion {
    struct body body;
    int round;
    struct rouse_scope scope;
    struct rouse_scope_canceller canceller;
    struct rouse_scope_wait wait;
    pthread_t thread;
};

static void *cancel_soon(void *arg)
{
    const struct cancel_meets_completion *f = arg;

    nap_ns((uint64_t)(f->round % 8) * 50 * ROUSE_NS_PER_US);
    rouse_scope_canceller_cancel(&f->canceller, NULL);
    return NULL;
}

// Tasks come to their end while another thread cancels them: each ends once.
static rouse_poll cancel_meets_completion(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(cancel_meets_completion, frame, cx);
    for (f->round = 0; f->round < 40; f->round++) {
        rouse_scope_open(&f->scope, ROUSE_NEVER);
        CHECK_EQ(rouse_scope_canceller(&f->scope, &f->canceller), 0);
        count_add(&ended, -count_get(&ended));
        for (int i = 0; i < TASKS; i++) {
            CHECK_EQ(nap_in(&f->scope, (uint64_t)i * 20 * ROUSE_NS_PER_US, 0), 0);
        }
        f->thread = thread_start(cancel_soon, f);
        AWAIT_SCOPE(&f->wait, &f->scope);
        CHECK_EQ(count_get(&ended), TASKS);
        CHECK(f->wait.output.error == 0 || f->wait.output.error == -ECANCELED);
        thread_join(f->thread);
        rouse_scope_canceller_drop(&f->canceller);
    }
    BODY_END();
}

// ---- Scopes in scopes ----

// Opens a scope of its own, fills it, and leaves it; its result is that of the scope.
struct nest {
    struct body body;
    uint64_t deadline_ns;
    int64_t result;  // of one of its tasks
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

// It may be dropped in the middle: then its tasks are handed up.
static void nest_end(void *frame)
{
    struct nest *f = frame;

    rouse_scope_drop(&f->scope);
    count_add(&ended, 1);
}

static rouse_poll nest(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(nest, frame, cx);
    rouse_scope_open(&f->scope, f->deadline_ns);
    for (int i = 0; i < TASKS; i++) {
        int err = nap_in(&f->scope, 3600 * ROUSE_NS_PER_S, 0);

        CHECK(err == 0 || err == -ECANCELED);  // the scope around it may be over already
    }
    if (f->result < 0) CHECK_EQ(nap_in(&f->scope, MS, f->result), 0);
    AWAIT_SCOPE(&f->wait, &f->scope);
    BODY_RETURN(f->wait.output.error);
    BODY_END();
}

struct cancel_comes_from_the_top_down {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_canceller canceller;
    struct rouse_scope_wait wait;
    pthread_t thread;
};

static rouse_poll cancel_comes_from_the_top_down(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(cancel_comes_from_the_top_down, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    CHECK_EQ(rouse_scope_canceller(&f->scope, &f->canceller), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(SPAWN_IN(&f->scope, nest, .body.end = nest_end, .deadline_ns = ROUSE_NEVER), 0);
    }
    wanted = 3 * TASKS;
    f->thread = thread_start(cancel_when_all_began, &f->canceller);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ECANCELED);
    CHECK_EQ(count_get(&went_on), 0);
    CHECK_EQ(count_get(&ended), 3 * TASKS + 3);
    thread_join(f->thread);
    rouse_scope_canceller_drop(&f->canceller);
    BODY_END();
}

struct inner_scope_fails_alone {
    struct body body;
    struct rouse_join_handle inner;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

// A scope beside it does not notice.
static rouse_poll inner_scope_fails_alone(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(inner_scope_fails_alone, frame, cx);
    CHECK_EQ(SPAWN(&f->inner, nest, .body.end = nest_end, .deadline_ns = ROUSE_NEVER,
                   .result = -EIO),
             0);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    CHECK_EQ(nap_in(&f->scope, 5 * MS, 0), 0);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, 0);
    CHECK(count_get(&went_on) >= 1);
    AWAIT(&f->inner.base);
    CHECK_EQ(joined(&f->inner), -EIO);
    CHECK_EQ(count_get(&ended), TASKS + 3);
    BODY_END();
}

struct deadline_ends_the_tasks {
    struct body body;
    uint64_t deadline_ns;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
};

static rouse_poll deadline_ends_the_tasks(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(deadline_ends_the_tasks, frame, cx);
    f->deadline_ns = rouse_deadline_after(100 * MS);
    rouse_scope_open(&f->scope, f->deadline_ns);
    many_nap_in(&f->scope, 3600 * ROUSE_NS_PER_S);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK(rouse_now_ns() >= f->deadline_ns);
    CHECK_EQ(f->wait.output.error, -ETIMEDOUT);
    CHECK_EQ(f->wait.output.why.reason, ROUSE_CANCEL_DEADLINE);
    CHECK_EQ(count_get(&ended), TASKS);
    CHECK_EQ(count_get(&went_on), 0);
    BODY_END();
}

struct expiry_is_that_of_one_scope {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
    struct rouse_join_handle inner;
};

static rouse_poll expiry_is_that_of_one_scope(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(expiry_is_that_of_one_scope, frame, cx);
    // The inner one's is its own, and the error of its task for the outer one.
    rouse_scope_open(&f->scope, rouse_deadline_after(3600 * ROUSE_NS_PER_S));
    CHECK_EQ(SPAWN_IN(&f->scope, nest, .body.end = nest_end,
                      .deadline_ns = rouse_deadline_after(3 * MS)),
             0);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ETIMEDOUT);
    CHECK_EQ(f->wait.output.why.reason, ROUSE_CANCEL_SIBLING);
    // The outer one's is a cancel for the inner one, whose task ends with that.
    rouse_scope_open(&f->scope, rouse_deadline_after(50 * MS));
    CHECK_EQ(SPAWN_ON(&(const struct body_target){.scope = &f->scope}, &f->inner, nest,
                      .body.end = nest_end, .deadline_ns = ROUSE_NEVER),
             0);
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, -ETIMEDOUT);
    CHECK_EQ(f->wait.output.why.reason, ROUSE_CANCEL_DEADLINE);
    AWAIT(&f->inner.base);
    CHECK_EQ(joined(&f->inner), -ECANCELED);
    BODY_END();
}

// ---- Dropped ----

// Fills a scope of its own and then waits outside it, for ever.
struct holder {
    struct body body;
    struct rouse_scope scope;
    struct rouse_sleep sleep;
};

static void holder_end(void *frame)
{
    rouse_scope_drop(&((struct holder *)frame)->scope);
}

static rouse_poll holder(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(holder, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    many_nap_in(&f->scope, 3600 * ROUSE_NS_PER_S);
    rouse_sleep_until_init(&f->sleep, ROUSE_NEVER);
    AWAIT(&f->sleep.base);
    BODY_END();
}

struct dropped_scope_hands_its_tasks_up {
    struct body body;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll dropped_scope_hands_its_tasks_up(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dropped_scope_hands_its_tasks_up, frame, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    CHECK_EQ(SPAWN_ON(&(const struct body_target){.scope = &f->scope}, &f->handle, holder,
                      .body.end = holder_end),
             0);
    while (count_get(&began) < TASKS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->handle);
    // The holder has dropped its scope and is gone; we wait for its tasks.
    AWAIT_SCOPE(&f->wait, &f->scope);
    CHECK_EQ(f->wait.output.error, 0);
    CHECK_EQ(count_get(&ended), TASKS);
    CHECK_EQ(count_get(&went_on), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    BODY_END();
}

struct scope_without_another_hands_its_tasks_to_the_host {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_sleep sleep;
};

static rouse_poll scope_without_another_hands_its_tasks_to_the_host(void *frame,
                                                                    struct rouse_context *cx)
{
    BODY_BEGIN(scope_without_another_hands_its_tasks_to_the_host, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, holder, .body.end = holder_end), 0);
    while (count_get(&began) < TASKS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_abort(&f->handle);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), -ECANCELED);
    while (count_get(&ended) < TASKS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    CHECK_EQ(count_get(&went_on), 0);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(leaving_waits_for_all)},
    {TEST(scope_without_tasks_costs_no_heap), .hosts = HOST_EXECUTOR},
    {TEST(first_error_ends_the_others)},
    {TEST(nothing_is_spawned_once_it_is_cancelled)},
    {TEST(another_thread_cancels_it)},
    {TEST(cancel_meets_completion)},
    {TEST(cancel_comes_from_the_top_down)},
    {TEST(inner_scope_fails_alone)},
    {TEST(deadline_ends_the_tasks)},
    {TEST(expiry_is_that_of_one_scope)},
    {TEST(dropped_scope_hands_its_tasks_up)},
    {TEST(scope_without_another_hands_its_tasks_to_the_host)},
    {0}};
