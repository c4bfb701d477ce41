// SPDX-License-Identifier: MIT
//
// Tasks: wakes, aborts, joins and ends at once, on real records and futures. What a wake is about
// is relaxed, so that only the state word can order it.

#include <errno.h>
#include <stdatomic.h>

#include "executor.h"
#include "model.h"

struct future {
    struct rouse_future base;
};

static struct executor executor;
static struct rouse_task *task;
static struct rouse_join_handle handle;
static struct rouse_abort_handle abort_handle;
static struct rouse_waker waker;  // of the task: a share
static struct rouse_waker_slot slot;
static struct model_waker joiner;
static struct model_waker other_joiner;
static _Atomic int condition;
static int wanted;    // what the future waits for
static int result;    // of the future
static int polls;     // plain: the poll's
static int drops;     // plain: whoever ends the future
static int releases;  // plain: whoever releases its output
static int joined;
static int reason;  // plain: written before an abort

static int seen(void)
{
    // Relaxed: whatever orders it is the task's.
    return atomic_load_explicit(&condition, memory_order_relaxed);
}

static void raise(void)
{
    // Relaxed: as above.
    (void)atomic_fetch_add_explicit(&condition, 1, memory_order_relaxed);
}

// ---- The future ----

static rouse_poll wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    polls++;
    return seen() >= wanted ? ROUSE_READY : ROUSE_PENDING;
}

// The same, with a waker slot between.
static rouse_poll register_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    polls++;
    rouse_waker_slot_register(&slot, rouse_context_waker(cx));
    return seen() >= wanted ? ROUSE_READY : ROUSE_PENDING;
}

// Clones more wakers in a poll than it has in hand, drops more than it may have there, and leaves
// one for another thread: at the last poll too, which ends it.
static rouse_poll clone_poll(struct rouse_future *self, struct rouse_context *cx)
{
    enum { CLONES = 2 * RS_TASK_HAND_MAX };
    struct rouse_waker clones[CLONES];

    (void)self;
    polls++;
    for (int i = 0; i < CLONES; i++) clones[i] = rouse_waker_clone(rouse_context_waker(cx));
    rouse_waker_slot_register(&slot, &clones[0]);
    for (int i = 0; i < CLONES; i++) rouse_waker_drop(&clones[i]);
    return seen() >= wanted ? ROUSE_READY : ROUSE_PENDING;
}

// Looks for itself whether it is to end, as a fiber does.
static rouse_poll watch_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    if (rs_state_is_cancelled(&cx->task->state)) {
        model_claim(reason == 1, "who sees the request sees what led to it");
        return ROUSE_READY;
    }
    return seen() >= wanted ? ROUSE_READY : ROUSE_PENDING;
}

// Only an abort drops a task's future.
static void future_drop(struct rouse_future *self)
{
    (void)self;
    model_claim(reason == 1, "who is aborted sees what led to it");
    drops++;
}

static void output_drop(struct rouse_future *self)
{
    (void)self;
    releases++;
}

static int64_t future_result(const struct rouse_future *self)
{
    (void)self;
    return result;
}

static const struct rouse_future_vtable ended = {.drop = output_drop, .result = future_result};
static const struct rouse_future_vtable wait_vtable = {
    .poll = wait_poll, .drop = future_drop, .ended = &ended};
static const struct rouse_future_vtable register_vtable = {
    .poll = register_poll, .drop = future_drop, .ended = &ended};
static const struct rouse_future_vtable clone_vtable = {
    .poll = clone_poll, .drop = future_drop, .ended = &ended};

static const struct rouse_future_vtable watch_vtable = {
    .poll = watch_poll, .drop = future_drop, .ended = &ended};

static void watch_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &watch_vtable;
}

static rouse_poll raise_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    raise();
    rouse_waker_wake_by_ref(&waker);
    return ROUSE_READY;
}

static const struct rouse_future_vtable raise_vtable = {.poll = raise_poll};

static void raise_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &raise_vtable;
}

static const struct rouse_future_vtable outputless_vtable = {.poll = wait_poll};

static void outputless_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &outputless_vtable;
}

static void wait_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &wait_vtable;
}

static void register_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &register_vtable;
}

static void clone_init(struct rouse_future *storage, void *arg)
{
    (void)arg;
    storage->vtable = &clone_vtable;
}

// ---- Set up ----

static void begin(rouse_init_function init, struct rouse_join_handle *with, int wants)
{
    executor_init(&executor, 1);
    slot = (struct rouse_waker_slot){0};
    joiner = (struct model_waker){.thread = 2};
    other_joiner = (struct model_waker){.thread = 2};
    // Relaxed: before the threads.
    atomic_store_explicit(&condition, 0, memory_order_relaxed);
    wanted = wants;
    result = 42;
    polls = drops = releases = joined = reason = 0;
    task = executor_spawn(&executor, with, sizeof(struct future), init);
    model_name(task, sizeof *task, "task");
    model_name(&condition, sizeof condition, "condition");
    struct rouse_waker borrowed = rs_task_waker(task);

    waker = rouse_waker_clone(&borrowed);
}

static void begin_waiting(void)
{
    begin(wait_init, NULL, 1);
}

// Another task raises it and wakes, in a poll of its own.
static void begin_waiting_for_a_task(void)
{
    begin_waiting();
    (void)executor_spawn(&executor, NULL, sizeof(struct future), raise_init);
}

static void begin_waiting_for_two(void)
{
    begin(wait_init, NULL, 2);
}

static void begin_registering(void)
{
    begin(register_init, NULL, 2);
}

static void begin_cloning(void)
{
    begin(clone_init, NULL, 1);
}

static void begin_joined(void)
{
    begin(wait_init, &handle, 1);
    abort_handle = rouse_abort_handle(&handle);
}

static void begin_watching(void)
{
    begin(watch_init, &handle, 1);
    abort_handle = rouse_abort_handle(&handle);
}

static void begin_ready(void)
{
    begin(wait_init, &handle, 0);
    abort_handle = rouse_abort_handle(&handle);
}

// Nobody but the handle has a share.
static void begin_unshared(void)
{
    begin(wait_init, &handle, 0);
    rouse_waker_drop(&waker);
}

static void begin_unwoken(void)
{
    begin(wait_init, &handle, 1000);
    abort_handle = rouse_abort_handle(&handle);
}

// ---- Threads ----

static void run(void)
{
    executor_run(&executor);
}

static void run_and_close(void)
{
    executor_run(&executor);
    executor_close(&executor);
}

// The second task gets the first one's memory, if that is free by then.
static void run_and_run_another(void)
{
    executor_run(&executor);
    task = executor_spawn(&executor, NULL, sizeof(struct future), outputless_init);
    executor_run(&executor);
}

static void raise_and_wake(void)
{
    raise();
    rouse_waker_wake_by_ref(&waker);
}

static void wake_for_nothing(void)
{
    rouse_waker_wake_by_ref(&waker);
}

static void raise_and_wake_slot(void)
{
    raise();
    rouse_waker_slot_wake(&slot);
}

static void raise_and_give_up(void)
{
    raise();
    rouse_waker_wake(&waker);
}

// A thread that polls nothing has none in hand.
static void clone_and_give_up(void)
{
    struct rouse_waker clone = rouse_waker_clone(&waker);

    rouse_waker_drop(&waker);
    raise();
    rouse_waker_wake(&clone);
}

static void abort_it(void)
{
    reason = 1;
    rouse_abort_handle_abort(&abort_handle);
}

// As a shutdown that is out of time.
static void bare_it(void)
{
    reason = 1;
    if (rs_state_bare(&task->state)) task->scheduler->schedule(task->scheduler, task);
}

static void abort_and_give_up(void)
{
    reason = 1;
    rouse_abort_handle_abort(&abort_handle);
    rouse_abort_handle_drop(&abort_handle);
}

static void join_with(struct model_waker *with)
{
    struct rouse_waker borrowed = model_waker_of(with);
    struct rouse_context cx;

    rouse_context_init(&cx, &borrowed, NULL);
    while (rouse_future_poll(&handle.base, &cx) == ROUSE_PENDING) {
        do {
            model_park();
        } while (!model_waker_take(with));
        model_relax();
    }
    joined = (int)handle.output;
    rouse_future_drop(&handle.base);
}

static void join(void)
{
    join_with(&joiner);
}

// The handle changes hands: its second waker counts.
static void join_twice(void)
{
    struct rouse_waker borrowed = model_waker_of(&joiner);
    struct rouse_context cx;

    rouse_context_init(&cx, &borrowed, NULL);
    if (rouse_future_poll(&handle.base, &cx) == ROUSE_PENDING) {
        join_with(&other_joiner);
    } else {
        joined = (int)handle.output;
        rouse_future_drop(&handle.base);
    }
}

static void poll_and_detach(void)
{
    struct rouse_waker borrowed = model_waker_of(&joiner);
    struct rouse_context cx;

    rouse_context_init(&cx, &borrowed, NULL);
    if (rouse_future_poll(&handle.base, &cx) == ROUSE_READY) joined = (int)handle.output;
    rouse_future_drop(&handle.base);
}

// ---- Checks ----

static void check_ended(void)
{
    rouse_waker_drop(&waker);
    rouse_waker_slot_deinit(&slot);
    executor_close(&executor);
    model_claim(drops == 0 && releases == 1, "the future ended, and its output was released");
}

static void check_given_up(void)
{
    model_claim(drops + releases == 1, "the future ended once");
}

static void check_handles(void)
{
    rouse_waker_drop(&waker);
    rouse_abort_handle_drop(&abort_handle);
    executor_close(&executor);
    model_claim(drops + releases == 1, "the future was dropped, or its output was released: once");
    // Relaxed: the threads have ended.
    model_claim(atomic_load_explicit(&joiner.shares, memory_order_relaxed) == 0 &&
                    atomic_load_explicit(&other_joiner.shares, memory_order_relaxed) == 0,
                "the joiner's wakers are given up");
}

static void check_joined(void)
{
    check_handles();
    model_claim(joined == (drops == 0 ? 42 : -ECANCELED), "a join gives the task's own end");
}

static void check_two_ended(void)
{
    executor_close(&executor);
    model_claim(joined == 42 && releases == 1,
                "the first task's result was seen, and then released");
}

static void check_watched(void)
{
    rouse_future_drop(&handle.base);
    check_handles();
}

const struct model_scenario model_task_scenarios[] = {
    {.name = "task_wake",
     .about = "a wake at any moment is followed by a poll that sees what it is about",
     .setup = begin_waiting,
     .threads = {run, raise_and_wake},
     .check = check_ended},
    {.name = "task_wake_by_task",
     .about = "a task that wakes another has not woken itself",
     .setup = begin_waiting_for_a_task,
     .threads = {run},
     .check = check_ended},
    {.name = "task_redundant_wake",
     .about = "a wake of a task that is scheduled already publishes, too",
     .setup = begin_waiting,
     .threads = {run, raise_and_wake, wake_for_nothing},
     .check = check_ended},
    {.name = "task_two_wakes",
     .about = "of two wakes with news none is lost",
     .setup = begin_waiting_for_two,
     .threads = {run, raise_and_wake, raise_and_wake},
     .check = check_ended},
    {.name = "task_slot",
     .about = "nor through a waker slot that the task registers in at every poll",
     .setup = begin_registering,
     .threads = {run, raise_and_wake_slot, raise_and_wake_slot},
     .check = check_ended},
    {.name = "task_last_share",
     .about = "a waker may be the last that knows of a task and its heap",
     .setup = begin_waiting,
     .threads = {run_and_close, raise_and_give_up},
     .check = check_given_up},
    {.name = "task_hand",
     .about = "shares that polls have in hand are those of no other thread, and go with the task",
     .setup = begin_cloning,
     .threads = {run, clone_and_give_up, raise_and_wake_slot},
     .check = check_ended},
    {.name = "task_join",
     .about = "a join sees the result, whenever it looks",
     .setup = begin_joined,
     .threads = {run, join, raise_and_wake},
     .check = check_joined},
    {.name = "task_join_twice",
     .about = "a join that is polled with another waker is woken by that",
     .setup = begin_joined,
     .threads = {run, join_twice, raise_and_wake},
     .check = check_joined},
    {.name = "task_join_reuse",
     .about = "a task's memory is not used again before its join is done with it",
     .setup = begin_unshared,
     .threads = {run_and_run_another, join},
     .check = check_two_ended},
    {.name = "task_join_ready",
     .about = "a join of a task that ends at once",
     .setup = begin_ready,
     .threads = {run, join},
     .check = check_joined},
    {.name = "task_detach",
     .about = "a handle that is dropped while the task ends: one of them releases the output",
     .setup = begin_ready,
     .threads = {run, poll_and_detach},
     .check = check_handles},
    {.name = "task_abort",
     .about = "an abort against a wake: one end, and the join tells which",
     .setup = begin_joined,
     .threads = {run, join, raise_and_wake, abort_it},
     .check = check_joined},
    {.name = "task_abort_waiting",
     .about = "an abort is enough to end a task that nobody wakes",
     .setup = begin_unwoken,
     .threads = {run, join, abort_it},
     .check = check_joined},
    {.name = "task_abort_watched",
     .about = "a task that looks whether it is to end learns why",
     .setup = begin_watching,
     .threads = {run, abort_it, raise_and_wake},
     .check = check_watched},
    {.name = "task_bare",
     .about = "breaking a task's shields is an abort, too",
     .setup = begin_unwoken,
     .threads = {run, join, bare_it},
     .check = check_joined},
    {.name = "task_abort_late",
     .about = "an abort handle outlives its task",
     .setup = begin_ready,
     .threads = {run, join, abort_and_give_up},
     .check = check_joined},
    {.name = NULL},
};
