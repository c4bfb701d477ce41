// SPDX-License-Identifier: MIT
//
// Wakes from plain threads: a thread writes a number into a letter box and wakes the task behind
// it, which answers with its square; or it spawns a task and blocks on it. The task has nothing
// else to do, so its worker is often about to sleep just then.

#include <errno.h>

#include "soak.h"

enum { BOXES = 2, SPAWN_ONE_IN = 16 };

struct box {
    struct rouse_waker_slot slot;
    _Atomic int64_t question;  // 0: none
    _Atomic int64_t answer;    // 0: none yet
    _Atomic bool closed;
    struct rouse_join_handle answering;
};

static struct box boxes[BOXES];
static struct rouse_runtime *runtime;
static _Atomic int64_t next_box;

struct answering {
    struct body body;
    struct box *box;
    struct rouse_poll_fn letter;
};

// Ready when the box is closed; answers what is in it.
static rouse_poll letter_poll(void *arg, struct rouse_context *cx)
{
    struct box *box = arg;

    rouse_waker_slot_register(&box->slot, rouse_context_waker(cx));
    // Relaxed: the wake publishes it.
    if (atomic_load_explicit(&box->closed, memory_order_relaxed)) return ROUSE_READY;
    // Relaxed: the thread asks again only after the answer, and reads that with acquire.
    int64_t question = atomic_exchange_explicit(&box->question, 0, memory_order_relaxed);

    // Release, with the acquire in ask().
    if (question != 0) {
        atomic_store_explicit(&box->answer, question * question, memory_order_release);
    }
    return ROUSE_PENDING;
}

static rouse_poll answering(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(answering, frame, cx);
    rouse_poll_fn_init(&f->letter, letter_poll, f->box);
    AWAIT(&f->letter.base);
    BODY_END();
}

struct greeting {
    struct body body;
    struct rouse_yield yield;
};

static rouse_poll greeting(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(greeting, frame, cx);
    rouse_yield_init(&f->yield);
    AWAIT(&f->yield.base);
    BODY_RETURN(42);
    BODY_END();
}

static void ask(struct box *box, int64_t question)
{
    uint64_t deadline = soak_bound();
    int64_t answer = 0;

    // Relaxed, both: published by the wake.
    atomic_store_explicit(&box->answer, 0, memory_order_relaxed);
    atomic_store_explicit(&box->question, question, memory_order_relaxed);
    rouse_waker_slot_wake(&box->slot);
    while (answer == 0 && rouse_now_ns() < deadline) {
        stress_nap(20 * ROUSE_NS_PER_US);
        // Acquire, with the release in letter_poll().
        answer = atomic_load_explicit(&box->answer, memory_order_acquire);
    }
    if (answer != question * question) soak_wrong("a foreign wake", answer);
}

static void spawn_and_block(void)
{
    const struct body_target target = {.runtime = runtime};
    struct rouse_join_handle handle;

    stress_must(SPAWN_ON(&target, &handle, greeting, .body.end = NULL), "spawn");
    stress_must(rouse_block_on(runtime, &handle.base), "block_on");
    if (handle.output != 42) soak_wrong("a task spawned by a thread", handle.output);
    rouse_future_drop(&handle.base);
}

static void *thread_main(void *arg)
{
    struct soak_actor *actor = arg;
    struct box *box = &boxes[stress_add(&next_box, 1) - 1];

    while (!soak_is_over()) {
        soak_operation_begin(actor);
        if (soak_below(actor, SPAWN_ONE_IN) == 0) {
            spawn_and_block();
        } else {
            ask(box, 1 + (int64_t)soak_below(actor, 1000000));
        }
        soak_operation_end(actor);
        if (soak_below(actor, 4) == 0) stress_nap(soak_below(actor, 2 * ROUSE_NS_PER_MS));
    }
    return NULL;
}

static void open_boxes(struct rouse_runtime *on)
{
    const struct body_target target = {.runtime = on};

    runtime = on;
    for (int i = 0; i < BOXES; i++) {
        stress_must(SPAWN_ON(&target, &boxes[i].answering, answering, .box = &boxes[i]), "spawn");
    }
}

static void close_boxes(struct rouse_runtime *on)
{
    for (int i = 0; i < BOXES; i++) {
        // Relaxed: published by the wake.
        atomic_store_explicit(&boxes[i].closed, true, memory_order_relaxed);
        rouse_waker_slot_wake(&boxes[i].slot);
        stress_must(rouse_block_on(on, &boxes[i].answering.base), "block_on");
        rouse_future_drop(&boxes[i].answering.base);
        rouse_waker_slot_deinit(&boxes[i].slot);
    }
}

const struct soak_load SOAK_LOAD(foreign) = {
    .name = "foreign",
    .actors = BOXES,
    .open = open_boxes,
    .close = close_boxes,
    .thread = thread_main};
