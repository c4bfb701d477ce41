// SPDX-License-Identifier: MIT
//
// Async frames, polled by hand over probes: awaits in a row, in loops and in branches, an early
// return, frames that await frames, and a drop at every place where a frame can stand.

#include <rouse/async.h>
#include <rouse/join.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "heap.h"
#include "panics.h"
#include "probe.h"

static struct bell bell;

static void poll_it(void *future)
{
    (void)bell_poll(&bell, future);
}

// Awaits a, then b once for each of `rounds`, then c unless told to stop; owns a resource from
// the beginning to its end.
struct walk {
    struct rouse_async async;
    int rounds;
    bool stop_early;
    int steps;  // awaits that have ended
    int owned;  // 1 until released
    struct probe a;
    struct probe b;
    struct probe c;
    int64_t output;
};

static rouse_poll walk_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct walk *w = ROUSE_CONTAINER_OF(self, struct walk, async.base);

    ROUSE_ASYNC_BEGIN(&w->async, cx);
    probe_init(&w->a, "a", 1, 1);
    ROUSE_AWAIT(&w->a.base);
    w->steps++;
    rouse_future_drop(&w->a.base);

    while (w->rounds-- > 0) {
        probe_init(&w->b, "b", 1, 10);
        ROUSE_AWAIT(&w->b.base);
        w->steps++;
        w->output += w->b.result;
        rouse_future_drop(&w->b.base);
    }
    if (w->stop_early) {
        w->owned--;
        ROUSE_ASYNC_RETURN();
    }
    probe_init(&w->c, "c", 1, 100);
    ROUSE_AWAIT(&w->c.base);
    w->steps++;
    w->output += w->c.result;
    rouse_future_drop(&w->c.base);
    w->owned--;
    ROUSE_ASYNC_END();
}

static void walk_drop(struct rouse_future *self)
{
    struct walk *w = ROUSE_CONTAINER_OF(self, struct walk, async.base);

    rouse_async_cancel(&w->async);
    w->owned--;
}

static int64_t walk_result(const struct rouse_future *self)
{
    return ((const struct walk *)self)->output;
}

static const struct rouse_future_vtable walk_ended = {.name = "walk", .result = walk_result};
static const struct rouse_future_vtable walk_vtable = {
    .poll = walk_poll,
    .drop = walk_drop,
    .name = "walk",
    .describe = rouse_async_describe,
    .ended = &walk_ended};

static void walk_init(struct walk *w, int rounds, bool stop_early)
{
    *w = (struct walk){.rounds = rounds, .stop_early = stop_early, .owned = 1};
    rouse_async_init(&w->async, &walk_vtable);
}

static int polls_to_the_end(struct rouse_future *future)
{
    int polls = 1;

    while (bell_poll(&bell, future) == ROUSE_PENDING) {
        polls++;
    }
    return polls;
}

static void frame_walks_to_its_end(void)
{
    struct walk w;

    walk_init(&w, 3, false);
    claim(polls_to_the_end(&w.async.base) == 6 && w.steps == 5,
          "a frame goes on at the await where it stopped, also in a loop");
    claim(w.output == 130 && rouse_future_result(&w.async.base) == 130,
          "what lives in it survives, and makes its result");
    claim(w.owned == 0 && probe_outputs == 0 && bell.shares == 0, "nothing is left behind");
    claim(panics(poll_it, &w.async.base, "polled after its end: \"walk\""),
          "a poll after its end panics with its name");
    rouse_future_drop(&w.async.base);
    claim(w.owned == 0, "a drop after its end does nothing");
}

static void frame_may_return_early(void)
{
    struct walk w;

    walk_init(&w, 0, true);
    claim(polls_to_the_end(&w.async.base) == 2 && w.steps == 1 && w.owned == 0,
          "a frame may return early, and a loop may run no round");
    rouse_future_drop(&w.async.base);
    claim(w.owned == 0 && probe_outputs == 0, "with nothing left");
}

static void frame_ends_at_any_drop(void)
{
    bool clean = true;
    struct walk w;

    for (int polls = 0; polls <= 6; polls++) {
        bool ready = false;

        walk_init(&w, 3, false);
        for (int i = 0; i < polls; i++) {
            ready = bell_poll(&bell, &w.async.base) == ROUSE_READY;
        }
        clean &= ready == (polls == 6);
        rouse_future_drop(&w.async.base);
        clean &= w.owned == 0 && bell.shares == 0 && probe_outputs == 0;
        rouse_future_drop(&w.async.base);
        clean &= w.owned == 0 && w.a.drops + w.b.drops + w.c.drops == (polls % 6 != 0);
    }
    claim(clean, "dropped before its start or at any await, it ends that await once and no other");
    walk_init(&w, 1, false);
    (void)bell_poll(&bell, &w.async.base);
    rouse_future_drop(&w.async.base);
    claim(panics(poll_it, &w.async.base, "\"dropped future\""), "and is not polled again");
}

static void frame_says_what_it_waits_for(void)
{
    char text[16];
    struct walk w;

    walk_init(&w, 0, false);
    claim(rouse_future_describe(&w.async.base, text, sizeof text) == 4 && strcmp(text, "walk") == 0,
          "before its start a frame describes itself by its name");
    (void)bell_poll(&bell, &w.async.base);
    claim(rouse_future_describe(&w.async.base, text, sizeof text) == 7 &&
              strcmp(text, "probe a") == 0,
          "then by what it awaits");
    claim(rouse_future_describe(&w.async.base, text, 6) == 7 && strcmp(text, "probe") == 0,
          "cut to the size of the buffer");
    claim(rouse_future_describe(&w.async.base, NULL, 0) == 7, "or only measured");
    rouse_future_drop(&w.async.base);
}

static void last_waker_reaches_the_await(void)
{
    struct bell second = {0};
    struct walk w;

    bell = (struct bell){0};
    walk_init(&w, 0, false);
    (void)bell_poll(&bell, &w.async.base);
    w.a.pending = 1;
    (void)bell_poll(&second, &w.async.base);
    claim(bell.shares == 0 && second.shares == 1, "the await keeps the waker of the last poll");
    rouse_future_drop(&w.async.base);
    claim(second.shares == 0, "until it is dropped");
}

// A frame that runs two walks at once, after a probe of its own, and has no drop of its own.
struct outer {
    struct rouse_async async;
    struct probe first;
    struct walk left;
    struct walk right;
    struct rouse_join both;
};

static rouse_poll outer_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct outer *o = ROUSE_CONTAINER_OF(self, struct outer, async.base);

    ROUSE_ASYNC_BEGIN(&o->async, cx);
    probe_init(&o->first, "first", 1, 0);
    ROUSE_AWAIT(&o->first.base);
    rouse_future_drop(&o->first.base);
    walk_init(&o->left, 1, false);
    walk_init(&o->right, 2, true);
    rouse_join_init(&o->both, &o->left.async.base, &o->right.async.base);
    ROUSE_AWAIT(&o->both.base);
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable outer_vtable = {.poll = outer_poll,
                                                        .drop = rouse_async_drop,
                                                        .name = "outer",
                                                        .describe = rouse_async_describe};

static void frames_await_frames(void)
{
    bool clean = true;
    struct outer o;
    char text[64];

    for (int polls = 0; polls <= 6; polls++) {
        bool ready = false;

        o = (struct outer){0};
        rouse_async_init(&o.async, &outer_vtable);
        for (int i = 0; i < polls && !ready; i++) {
            ready = bell_poll(&bell, &o.async.base) == ROUSE_READY;
        }
        if (polls == 3) {
            rouse_future_describe(&o.async.base, text, sizeof text);
            claim(strcmp(text, "join(probe b, probe b)") == 0,
                  "a frame describes the leaves below it");
        }
        rouse_future_drop(&o.async.base);
        clean &= o.left.owned == 0 && o.right.owned == 0;
        clean &= bell.shares == 0 && probe_outputs == 0;
    }
    claim(clean, "frames in frames end with the outermost, wherever they stand");
    claim(o.left.output == 110 && o.right.output == 20 && rouse_future_is_ended(&o.async.base),
          "and run to their own ends");
}

static void corrupt_frame_panics(void)
{
    struct walk w;

    walk_init(&w, 0, false);
    w.async.resume = 1;
    claim(panics(poll_it, &w.async.base, "resume point 1 is no await"),
          "a resume point that is no await panics");
    rouse_future_drop(&w.async.base);
}

// A frame that awaits what is ready at once never stops.
struct hurry {
    struct rouse_async async;
    struct probe p;
    int left;
};

static rouse_poll hurry_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct hurry *h = ROUSE_CONTAINER_OF(self, struct hurry, async.base);

    ROUSE_ASYNC_BEGIN(&h->async, cx);
    while (h->left > 0) {
        probe_init(&h->p, "p", 0, 0);
        ROUSE_AWAIT(&h->p.base);
        rouse_future_drop(&h->p.base);
        h->left--;
    }
    ROUSE_ASYNC_END();
}

static const struct rouse_future_vtable hurry_vtable = {
    .poll = hurry_poll, .drop = rouse_async_drop, .name = "hurry"};

static void ready_awaits_do_not_stop_it(void)
{
    struct hurry h = {.left = 100000};

    bell = (struct bell){0};
    rouse_async_init(&h.async, &hurry_vtable);
    claim(bell_poll(&bell, &h.async.base) == ROUSE_READY && h.left == 0 && bell.rings == 0,
          "awaits that are ready at once run through in one poll, on a flat stack");
}

static void frames_allocate_nothing(void)
{
    long before = heap_counted();
    struct outer o = {0};

    rouse_async_init(&o.async, &outer_vtable);
    (void)polls_to_the_end(&o.async.base);
    rouse_future_drop(&o.async.base);
    rouse_async_init(&o.async, &outer_vtable);
    (void)bell_poll(&bell, &o.async.base);
    (void)bell_poll(&bell, &o.async.base);
    rouse_future_drop(&o.async.base);
    claim(heap_counted() == before, "frames allocate nothing");
}

int main(void)
{
    heap_watch();
    frame_walks_to_its_end();
    frame_may_return_early();
    frame_ends_at_any_drop();
    frame_says_what_it_waits_for();
    last_waker_reaches_the_await();
    frames_await_frames();
    corrupt_frame_panics();
    ready_awaits_do_not_stop_it();
    frames_allocate_nothing();
    return claims_end();
}
