// SPDX-License-Identifier: MIT
//
// Scopes: their tasks, errors, cancels and ends.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sanitizer.h"
#include "base/sys.h"
#include "claim.h"
#include "panics.h"
#include "scope/record.h"

#define MS ROUSE_NS_PER_MS

static atomic_int started;
static atomic_int ended;

static void reset(void)
{
    // Relaxed, here and below: counts; joins order them.
    atomic_store_explicit(&started, 0, memory_order_relaxed);
    atomic_store_explicit(&ended, 0, memory_order_relaxed);
}

static int ended_now(void)
{
    return atomic_load_explicit(&ended, memory_order_relaxed);
}

static void one_ended(void)
{
    atomic_fetch_add_explicit(&ended, 1, memory_order_relaxed);
}

static void until_started(int count)
{
    while (atomic_load_explicit(&started, memory_order_relaxed) < count) (void)rouse_sleep(MS);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&started, 1, memory_order_relaxed);
    int err = rouse_sleep(ROUSE_NEVER);
    one_ended();
    return err;
}

static int wait_shortly(void *arg)
{
    (void)arg;
    int err = rouse_sleep(2 * MS);
    one_ended();
    return err;
}

static int fail_soon(void *arg)
{
    (void)arg;
    (void)rouse_sleep(MS);
    one_ended();
    return -EIO;
}

static void spawn(struct rouse_scope *scope, rouse_fiber_function fn, void *arg)
{
    if (rouse_scope_spawn(scope, NULL, fn, arg) < 0) exit(1);
}

static void an_empty_scope(void)
{
    struct rouse_scope scope;
    struct rouse_stats before;
    struct rouse_stats after;

    rouse_stats_get(&before);
    rouse_scope_open(&scope, ROUSE_NEVER);
    rouse_stats_get(&after);
    claim(rouse_scope_wait(&scope, NULL) == 0 && after.allocations == before.allocations,
          "a scope without tasks costs no heap");
}

static void all_end(void)
{
    struct rouse_scope scope;

    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < 50; i++) spawn(&scope, wait_shortly, NULL);
    claim(rouse_scope_wait(&scope, NULL) == 0 && ended_now() == 50,
          "leaving a scope waits for its tasks");
}

static void the_first_error(void)
{
    struct rouse_scope scope;
    struct rouse_scope_result result;
    struct rouse_task_attrs attrs = {.size = sizeof attrs, .name = "culprit"};

    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < 50; i++) spawn(&scope, wait_for_ever, NULL);
    if (rouse_scope_spawn_at(&scope, NULL, fail_soon, NULL, &attrs) < 0) exit(1);
    claim(rouse_sleep(ROUSE_NEVER) == -ECANCELED, "an error ends the waits of the scope's fiber");
    claim(rouse_cancel_info().reason == ROUSE_CANCEL_SIBLING && rouse_cancel_info().cause == -EIO,
          "which is told why");
    claim(rouse_scope_spawn(&scope, NULL, wait_for_ever, NULL) == -ECANCELED,
          "no task is spawned into a cancelled scope");
    claim(rouse_scope_wait(&scope, &result) == -EIO && ended_now() == 51,
          "the first error ends the others, and is the scope's");
    claim(result.why.origin != NULL && strcmp(result.why.origin, "culprit") == 0,
          "it says which task it was");
    claim(rouse_sleep(0) == 0, "after the scope waits succeed again");
}

static void cancelled_by_its_owner(void)
{
    struct rouse_scope scope;
    struct rouse_scope_result result;

    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < 20; i++) spawn(&scope, wait_for_ever, NULL);
    rouse_scope_cancel(&scope, "enough");
    claim(rouse_scope_wait(&scope, &result) == -ECANCELED && ended_now() == 20,
          "a cancel ends all tasks");
    claim(result.why.reason == ROUSE_CANCEL_SCOPE && strcmp(result.why.origin, "enough") == 0,
          "and the scope tells the reason");
}

static void out_of_time(void)
{
    struct rouse_scope scope;

    reset();
    rouse_scope_open(&scope, rouse_deadline_after(50 * MS));
    for (int i = 0; i < 20; i++) spawn(&scope, wait_for_ever, NULL);
    claim(rouse_scope_wait(&scope, NULL) == -ETIMEDOUT && ended_now() == 20,
          "a scope's deadline ends its tasks, while it is being left");
    rouse_scope_open(&scope, rouse_deadline_after(50 * MS));
    spawn(&scope, wait_for_ever, NULL);
    claim(rouse_sleep(ROUSE_NEVER) == -ETIMEDOUT, "and the waits of its own fiber");
    claim(rouse_scope_wait(&scope, NULL) == -ETIMEDOUT, "before that");
}

// Nobody has waited, so nobody has felt the deadline.
static void out_of_time_at_once(void)
{
    struct rouse_scope scope;

    reset();
    rouse_scope_open(&scope, rouse_deadline_after(0));
    claim(rouse_scope_spawn(&scope, NULL, wait_for_ever, NULL) == -ECANCELED,
          "a scope whose deadline has passed takes no task");
    claim(rouse_scope_wait(&scope, NULL) == -ETIMEDOUT && ended_now() == 0, "and says why");
}

static int nest(void *arg)
{
    struct rouse_scope scope;
    intptr_t depth = (intptr_t)arg;

    rouse_scope_open(&scope, ROUSE_NEVER);
    spawn(&scope, wait_for_ever, NULL);
    if (depth > 0) spawn(&scope, nest, (void *)(depth - 1));
    int err = rouse_scope_wait(&scope, NULL);
    one_ended();
    return err;
}

static void nested(void)
{
    struct rouse_scope scope;

    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    spawn(&scope, nest, (void *)10);
    until_started(11);
    rouse_scope_cancel(&scope, NULL);
    claim(rouse_scope_wait(&scope, NULL) == -ECANCELED && ended_now() == 22,
          "a cancel goes down through nested scopes");
}

static void an_inner_scope_only(void)
{
    struct rouse_scope outer;
    struct rouse_scope inner;

    reset();
    rouse_scope_open(&outer, ROUSE_NEVER);
    spawn(&outer, wait_shortly, NULL);
    rouse_scope_open(&inner, ROUSE_NEVER);
    spawn(&inner, fail_soon, NULL);
    claim(rouse_scope_wait(&inner, NULL) == -EIO, "an inner scope fails by itself");
    claim(rouse_scope_wait(&outer, NULL) == 0, "and the outer one does not");
}

static void an_outer_scope_reaches_in(void)
{
    struct rouse_scope outer;
    struct rouse_scope inner;

    reset();
    rouse_scope_open(&outer, ROUSE_NEVER);
    spawn(&outer, fail_soon, NULL);
    rouse_scope_open(&inner, ROUSE_NEVER);
    spawn(&inner, wait_for_ever, NULL);
    claim(rouse_scope_wait(&inner, NULL) == -ECANCELED, "an outer cancel ends an inner scope");
    claim(rouse_scope_wait(&outer, NULL) == -EIO && ended_now() == 2, "and the outer error stays");
}

// ---- Deadlines that come while the owner does not feel them ----

static int64_t block_until_ended(void *arg)
{
    int *waited = arg;

    while (ended_now() == 0 && *waited < 5000) {
        (void)usleep(1000);
        ++*waited;
    }
    return 0;
}

static void out_of_time_elsewhere(void)
{
    struct rouse_scope scope;
    struct rouse_shield shield;
    int waited = 0;

    reset();
    rouse_scope_open(&scope, rouse_deadline_after(50 * MS));
    spawn(&scope, wait_for_ever, NULL);
    rouse_shield_enter(&shield, rouse_deadline_after(10000 * MS));
    while (ended_now() == 0 && rouse_sleep(MS) == 0) continue;
    claim(ended_now() == 1 && rouse_shield_leave(&shield) == 0,
          "a scope's deadline ends its tasks while its fiber is shielded");
    claim(rouse_scope_wait(&scope, NULL) == -ETIMEDOUT, "which finds out when it leaves");

    reset();
    // Late enough for the job to begin, which could be taken back before that.
    rouse_scope_open(&scope, rouse_deadline_after(200 * MS));
    spawn(&scope, wait_for_ever, NULL);
    int err = rouse_blocking(block_until_ended, &waited, NULL);
    claim(err == 0 ? ended_now() == 1 : err == -ETIMEDOUT,
          "and while its fiber waits for a blocking job");
    claim(rouse_scope_wait(&scope, NULL) == -ETIMEDOUT, "which cannot be cancelled itself");
}

static void two_reasons(void)
{
    struct rouse_scope scope;
    struct rouse_scope_result result;
    struct rouse_shield shield;

    reset();
    rouse_scope_open(&scope, rouse_deadline_after(50 * MS));
    rouse_scope_cancel(&scope, "first");
    rouse_shield_enter(&shield, rouse_deadline_after(10000 * MS));
    (void)rouse_sleep(10 * MS);
    (void)rouse_shield_leave(&shield);
    claim(rouse_cancel_info().reason == ROUSE_CANCEL_SCOPE && rouse_sleep(0) == -ECANCELED,
          "of two reasons the first one counts");
    claim(rouse_scope_wait(&scope, &result) == -ECANCELED &&
              result.why.reason == ROUSE_CANCEL_SCOPE && strcmp(result.why.origin, "first") == 0,
          "for the result, too");
    rouse_scope_open(&scope, rouse_deadline_after(MS));
    (void)rouse_sleep(10000 * MS);
    rouse_scope_cancel(&scope, "second");
    claim(rouse_scope_wait(&scope, &result) == -ETIMEDOUT &&
              result.why.reason == ROUSE_CANCEL_DEADLINE,
          "the other way round as well");
}

static void cancelled_without_tasks(void)
{
    struct rouse_scope scope;
    struct rouse_scope_result result;
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, 0);
    rouse_scope_open(&scope, ROUSE_NEVER);
    (void)rouse_sleep(10000 * MS);
    claim(rouse_scope_wait(&scope, &result) == -ECANCELED &&
              result.why.reason == ROUSE_CANCEL_DEADLINE,
          "a scope without tasks tells, too, why it was cancelled from outside");
    (void)rouse_deadline_leave(&deadline);
    rouse_scope_drop(&scope);
    claim(rouse_sleep(0) == 0, "a drop after the wait does nothing");
}

// ---- Without memory ----

static atomic_int records_to_refuse;

// Stands in for malloc from before the first thread.
static void *refuse_a_record(size_t size)
{
    if (size == sizeof(struct rs_scope_record) &&
        atomic_load_explicit(&records_to_refuse, memory_order_relaxed) > 0) {
        atomic_fetch_sub_explicit(&records_to_refuse, 1, memory_order_relaxed);
        return NULL;
    }
    return rs_sys_real.malloc(size);
}

static void without_memory(void)
{
    struct rouse_scope outer;
    struct rouse_scope inner;

    reset();
    rouse_scope_open(&outer, ROUSE_NEVER);
    rouse_scope_open(&inner, ROUSE_NEVER);
    atomic_store_explicit(&records_to_refuse, 1, memory_order_relaxed);
    int err = rouse_scope_spawn(&inner, NULL, wait_for_ever, NULL);
    claim(err == -ENOMEM && atomic_load_explicit(&records_to_refuse, memory_order_relaxed) == 0,
          "a scope has no task while the one around it has no memory");
    spawn(&inner, wait_for_ever, NULL);
    rouse_scope_cancel(&outer, NULL);
    claim(rouse_scope_wait(&inner, NULL) == -ECANCELED && ended_now() == 1,
          "once it has, a cancel comes through");
    (void)rouse_scope_wait(&outer, NULL);
}

static int in_order(void *arg)
{
    (void)arg;
    an_empty_scope();
    all_end();
    the_first_error();
    cancelled_by_its_owner();
    out_of_time();
    out_of_time_at_once();
    nested();
    an_inner_scope_only();
    an_outer_scope_reaches_in();
    out_of_time_elsewhere();
    two_reasons();
    cancelled_without_tasks();
    return 0;
}

// ---- From elsewhere ----

static int64_t cancel_from_outside(void *arg)
{
    struct rouse_scope_canceller *canceller = arg;

    rouse_scope_canceller_cancel(canceller, "from the pool");
    rouse_scope_canceller_drop(canceller);
    return 0;
}

static int from_elsewhere(void *arg)
{
    struct rouse_scope scope;
    struct rouse_scope_result result;
    struct rouse_scope_canceller canceller;

    (void)arg;
    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < 20; i++) spawn(&scope, wait_for_ever, NULL);
    if (rouse_scope_canceller(&scope, &canceller) < 0) exit(1);
    struct rouse_scope_canceller copy = canceller;
    if (rouse_blocking(cancel_from_outside, &copy, NULL) < 0) exit(1);
    claim(rouse_scope_wait(&scope, &result) == -ECANCELED &&
              strcmp(result.why.origin, "from the pool") == 0 && ended_now() == 20,
          "a scope is cancelled by another thread");
    return 0;
}

// ---- In a frame ----

struct frame {
    struct rouse_async async;
    struct rouse_scope scope;
    struct rouse_scope_wait wait;
    int *error;
};

static rouse_poll frame_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = ROUSE_CONTAINER_OF(self, struct frame, async.base);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    rouse_scope_open(&f->scope, ROUSE_NEVER);
    spawn(&f->scope, wait_for_ever, NULL);
    spawn(&f->scope, f->error != NULL ? fail_soon : wait_for_ever, NULL);
    rouse_scope_wait_init(&f->wait, &f->scope);
    ROUSE_AWAIT(&f->wait.base);
    *f->error = f->wait.output.error;
    ROUSE_ASYNC_END();
}

static void frame_drop(struct rouse_future *self)
{
    struct frame *f = ROUSE_CONTAINER_OF(self, struct frame, async.base);

    rouse_async_cancel(&f->async);
    rouse_scope_drop(&f->scope);
}

static const struct rouse_future_vtable frame_vtable = {.poll = frame_poll, .drop = frame_drop};

static void frame_init(struct rouse_future *storage, void *arg)
{
    struct frame *f = ROUSE_CONTAINER_OF(storage, struct frame, async.base);

    rouse_async_init(&f->async, &frame_vtable);
    f->scope.record = NULL;
    f->scope.entered = false;
    f->error = arg;
}

static int in_frames(void *arg)
{
    struct rouse_scope scope;
    struct rouse_join_handle handle;
    int error = 0;
    struct rouse_future_spec waits = {
        .size = sizeof(struct frame), .init = frame_init, .arg = &error};
    struct rouse_future_spec is_dropped = {.size = sizeof(struct frame), .init = frame_init};

    (void)arg;
    reset();
    if (rouse_spawn_future(&handle, &waits) < 0) exit(1);
    (void)rouse_join(&handle);
    claim(error == -EIO && ended_now() == 2, "a frame awaits its scope");
    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    if (rouse_scope_spawn_future(&scope, &handle, &is_dropped) < 0) exit(1);
    until_started(2);
    rouse_abort(&handle);
    rouse_detach(&handle);
    claim(rouse_scope_wait(&scope, NULL) == 0 && ended_now() == 2,
          "the tasks of a dropped scope are cancelled, and waited for by the scope around it");
    return 0;
}

// ---- Many ----

// ThreadSanitizer takes a fiber for a thread, of which it has room for 8,128.
enum { MANY = RS_TSAN ? 5000 : 10000 };

static int many(void *arg)
{
    struct rouse_scope scope;

    (void)arg;
    reset();
    rouse_scope_open(&scope, ROUSE_NEVER);
    for (int i = 0; i < MANY; i++) spawn(&scope, wait_for_ever, NULL);
    until_started(MANY);
    rouse_scope_cancel(&scope, NULL);
    claim(rouse_scope_wait(&scope, NULL) == -ECANCELED && ended_now() == MANY,
          "thousands of fibers end with their scope");
    return 0;
}

// ---- Tasks of another executor, turned by a fiber ----

static struct rouse_task *queued;

static void queue_one(struct rouse_scheduler *self, struct rouse_task *task)
{
    (void)self;
    queued = task;
}

static rouse_poll ask(void *arg, struct rouse_context *cx)
{
    bool *cancelled = arg;

    (void)cx;
    *cancelled = rouse_is_cancelled();
    return ROUSE_READY;
}

static void ask_init(struct rouse_future *storage, void *arg)
{
    rouse_poll_fn_init((struct rouse_poll_fn *)storage, ask, arg);
}

static int alone(void *arg)
{
    static struct rouse_scheduler scheduler = {.schedule = queue_one};
    bool cancelled = true;
    struct rouse_future_spec spec = {
        .size = sizeof(struct rouse_poll_fn), .init = ask_init, .arg = &cancelled};
    struct rouse_deadline deadline;

    (void)arg;
    without_memory();
    rouse_deadline_enter(&deadline, 0);
    (void)rouse_sleep(10000 * MS);
    if (rouse_task_spawn(&scheduler, NULL, &spec, NULL) < 0) exit(1);
    (void)rouse_task_run(queued, NULL);
    claim(rouse_is_cancelled() && !cancelled,
          "a fiber's deadline is not that of tasks that it runs by hand");
    (void)rouse_deadline_leave(&deadline);
    return 0;
}

// ---- Misuse ----

static int await_its_own(void *arg)
{
    struct rouse_scope scope;
    struct rouse_scope_wait wait;

    (void)arg;
    rouse_scope_open(&scope, ROUSE_NEVER);
    rouse_scope_wait_init(&wait, &scope);
    return rouse_await(&wait.base);
}

static int64_t spawn_elsewhere(void *arg)
{
    return rouse_scope_spawn(arg, NULL, wait_for_ever, NULL);
}

static int lend(void *arg)
{
    struct rouse_scope scope;

    (void)arg;
    rouse_scope_open(&scope, ROUSE_NEVER);
    return rouse_blocking(spawn_elsewhere, &scope, NULL);
}

static void run_in_child(void *arg)
{
    (void)rouse_run(*(rouse_fiber_function *)arg, NULL);
}

static void misuse(void)
{
    rouse_fiber_function own = await_its_own;
    rouse_fiber_function lent = lend;

    if (child_is_emulated()) {
        claim(true, "misuse is stopped # SKIP an emulated child cannot run it");
        return;
    }
    claim(panics(run_in_child, &own, "leave it with rouse_scope_wait()"),
          "a fiber does not await its own scope as a future");
    claim(panics(run_in_child, &lent, "until its first task"),
          "nor has another thread spawn its first task");
}

static void run(rouse_fiber_function fn, unsigned workers)
{
    if (rouse_run_with(fn, NULL,
                       &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                       .workers = workers}) != 0) {
        exit(1);
    }
}

int main(void)
{
    struct rouse_stats before;
    struct rouse_stats after;

    misuse();  // first: ThreadSanitizer wants children of processes without threads
    rs_sys.malloc = refuse_a_record;
    rouse_stats_get(&before);
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        run(in_order, workers);
        run(from_elsewhere, workers);
        run(in_frames, workers);
        run(many, workers);
    }
    run(alone, 1);
    rouse_stats_get(&after);
    claim(after.allocations == before.allocations && after.task_records == before.task_records &&
              after.timers == before.timers,
          "nothing is left");
    return claims_end();
}
