// SPDX-License-Identifier: MIT
//
// Wakers from end to end: a wake is never lost, whenever it comes (during the poll, before the
// thread sleeps, twice, from eight threads), and does no harm after the end of the task. The waker
// under test is handed to whoever wakes through a future that gives clones away.

#include <rouse/error.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>

#include "harness/api.h"

// Pending until `ready`; at each poll it does something with its waker.
struct giver {
    struct rouse_future base;
    void (*give)(struct giver *giver, const struct rouse_waker *waker);
    _Atomic bool ready;
    _Atomic int polls;
    struct rouse_waker kept;
};

static rouse_poll giver_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct giver *g = ROUSE_CONTAINER_OF(self, struct giver, base);

    count_add(&g->polls, 1);
    if (atomic_load_explicit(&g->ready, memory_order_acquire)) return ROUSE_READY;
    g->give(g, rouse_context_waker(cx));
    return ROUSE_PENDING;
}

static const struct rouse_future_vtable giver_vtable = {.poll = giver_poll, .name = "giver"};

static void giver_init(struct giver *g,
                       void (*give)(struct giver *giver, const struct rouse_waker *waker))
{
    *g = (struct giver){.base.vtable = &giver_vtable, .give = give};
}

static void make_ready(struct giver *g)
{
    // Release, with the acquire in giver_poll().
    atomic_store_explicit(&g->ready, true, memory_order_release);
}

static void wake_by_ref(struct giver *g, const struct rouse_waker *waker)
{
    make_ready(g);
    rouse_waker_wake_by_ref(waker);
}

static void wake_clone(struct giver *g, const struct rouse_waker *waker)
{
    struct rouse_waker clone = rouse_waker_clone(waker);

    CHECK(rouse_waker_will_wake(&clone, waker));
    make_ready(g);
    rouse_waker_wake(&clone);
}

static void wake_often(struct giver *g, const struct rouse_waker *waker)
{
    for (int i = 0; i < 5; i++) {
        rouse_waker_wake_by_ref(waker);
    }
    wake_clone(g, waker);
}

struct wake_during_the_poll_polls_again {
    struct body body;
    struct giver giver;
};

static rouse_poll wake_during_the_poll_polls_again(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(wake_during_the_poll_polls_again, frame, cx);
    giver_init(&f->giver, wake_by_ref);
    AWAIT(&f->giver.base);
    CHECK_EQ(count_get(&f->giver.polls), 2);
    giver_init(&f->giver, wake_clone);
    AWAIT(&f->giver.base);
    CHECK_EQ(count_get(&f->giver.polls), 2);
    giver_init(&f->giver, wake_often);
    AWAIT(&f->giver.base);
    CHECK_EQ(count_get(&f->giver.polls), 2);
    BODY_END();
}

// ---- Wakes from another thread ----

static void *wake_at_once(void *arg)
{
    struct giver *g = arg;

    make_ready(g);
    rouse_waker_wake(&g->kept);
    return NULL;
}

static void *wake_after_a_nap(void *arg)
{
    struct giver *g = arg;

    nap_ns(2 * MS);
    return wake_at_once(g);
}

static pthread_t waking_thread;

static void give_to_thread(struct giver *g, const struct rouse_waker *waker)
{
    g->kept = rouse_waker_clone(waker);
    waking_thread = thread_start(wake_at_once, g);
}

static void give_to_thread_and_linger(struct giver *g, const struct rouse_waker *waker)
{
    give_to_thread(g, waker);
    busy_ns(300 * ROUSE_NS_PER_US);  // the wake most likely comes during this poll
}

static void give_to_slow_thread(struct giver *g, const struct rouse_waker *waker)
{
    g->kept = rouse_waker_clone(waker);
    waking_thread = thread_start(wake_after_a_nap, g);
}

struct wake_from_a_thread_always_arrives {
    struct body body;
    int round;
    struct giver giver;
};

static rouse_poll wake_from_a_thread_always_arrives(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(wake_from_a_thread_always_arrives, frame, cx);
    for (f->round = 0; f->round < 60; f->round++) {
        giver_init(&f->giver, f->round % 3 == 0   ? give_to_thread
                              : f->round % 3 == 1 ? give_to_thread_and_linger
                                                  : give_to_slow_thread);
        AWAIT(&f->giver.base);
        thread_join(waking_thread);
        CHECK_EQ(count_get(&f->giver.polls), 2);
    }
    BODY_END();
}

// ---- Wakes from eight threads ----

enum { THREADS = 8, WAKES = 2000 };

// Counts the wakes that were published; eight threads add to it and wake.
struct counting {
    struct rouse_future base;
    struct rouse_waker waker;  // shared by the threads, given away once
    _Atomic int published;
    int seen;
    int polls;
    pthread_t threads[THREADS];
};

static void *publish(void *arg)
{
    struct counting *c = arg;
    struct rouse_waker own = rouse_waker_clone(&c->waker);

    for (int i = 0; i < WAKES; i++) {
        // Relaxed: the wake publishes it; that is what is tested.
        atomic_fetch_add_explicit(&c->published, 1, memory_order_relaxed);
        rouse_waker_wake_by_ref(&own);
        if (i % 256 == 0) nap_ns(100 * ROUSE_NS_PER_US);
    }
    rouse_waker_drop(&own);
    return NULL;
}

static rouse_poll counting_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct counting *c = ROUSE_CONTAINER_OF(self, struct counting, base);

    if (c->polls++ == 0) {
        c->waker = rouse_waker_clone(rouse_context_waker(cx));
        for (int i = 0; i < THREADS; i++) {
            c->threads[i] = thread_start(publish, c);
        }
    }
    // Relaxed: see publish().
    c->seen = atomic_load_explicit(&c->published, memory_order_relaxed);
    return c->seen == THREADS * WAKES ? ROUSE_READY : ROUSE_PENDING;
}

static const struct rouse_future_vtable counting_vtable = {.poll = counting_poll,
                                                           .name = "counting"};

static struct counting counting;

struct wakes_from_eight_threads_are_all_seen {
    struct body body;
};

static rouse_poll wakes_from_eight_threads_are_all_seen(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(wakes_from_eight_threads_are_all_seen, frame, cx);
    counting.base.vtable = &counting_vtable;
    AWAIT(&counting.base);
    for (int i = 0; i < THREADS; i++) {
        thread_join(counting.threads[i]);
    }
    rouse_waker_drop(&counting.waker);
    CHECK_EQ(counting.seen, THREADS * WAKES);
    BODY_END();
}

// ---- Wakes after the end ----

static struct rouse_waker leftover;

static void keep_and_go_on(struct giver *g, const struct rouse_waker *waker)
{
    leftover = rouse_waker_clone(waker);
    make_ready(g);
    rouse_waker_wake_by_ref(waker);
}

struct short_lived {
    struct body body;
    struct giver giver;
};

static rouse_poll short_lived(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(short_lived, frame, cx);
    giver_init(&f->giver, keep_and_go_on);
    AWAIT(&f->giver.base);
    BODY_RETURN(4);
    BODY_END();
}

static void *wake_leftover(void *unused)
{
    rouse_waker_wake_by_ref(&leftover);
    rouse_waker_wake(&leftover);
    return unused;
}

struct wake_after_the_end_does_nothing {
    struct body body;
    struct rouse_join_handle handle;
    struct rouse_waker clone;
};

static rouse_poll wake_after_the_end_does_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(wake_after_the_end_does_nothing, frame, cx);
    CHECK_EQ(SPAWN(&f->handle, short_lived, .body.end = NULL), 0);
    AWAIT(&f->handle.base);
    CHECK_EQ(joined(&f->handle), 4);
    f->clone = rouse_waker_clone(&leftover);
    rouse_waker_wake_by_ref(&f->clone);
    thread_join(thread_start(wake_leftover, NULL));
    rouse_waker_drop(&f->clone);
    BODY_END();
}

// The waker outlives task and runtime.
static void wake_after_the_runtime_is_gone_does_nothing(void)
{
    static const struct body_type type = BODY(short_lived);
    struct host host;

    host_open(&host, test_now()->host, &(struct host_options){0});
    CHECK_EQ(host_run(&host, STYLE, &type), 4);
    host_close(&host);
    struct rouse_waker clone = rouse_waker_clone(&leftover);

    CHECK(rouse_waker_will_wake(&clone, &leftover));
    rouse_waker_wake(&clone);
    thread_join(thread_start(wake_leftover, NULL));
}

// ---- Needless wakes ----

static rouse_poll leave_waker(void *arg, struct rouse_context *cx)
{
    (void)arg;
    leftover = rouse_waker_clone(rouse_context_waker(cx));
    return ROUSE_READY;
}

static void *pester(void *unused)
{
    for (int i = 0; i < 100; i++) {
        rouse_waker_wake_by_ref(&leftover);
        nap_ns(50 * ROUSE_NS_PER_US);
    }
    return unused;
}

struct needless_wakes_change_nothing {
    struct body body;
    uint64_t deadline_ns;
    pthread_t thread;
    struct rouse_poll_fn leave;
    struct rouse_sleep sleep;
};

static rouse_poll needless_wakes_change_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(needless_wakes_change_nothing, frame, cx);
    rouse_poll_fn_init(&f->leave, leave_waker, NULL);
    AWAIT(&f->leave.base);
    f->thread = thread_start(pester, NULL);
    f->deadline_ns = rouse_deadline_after(8 * MS);
    rouse_sleep_until_init(&f->sleep, f->deadline_ns);
    AWAIT(&f->sleep.base);
    CHECK(rouse_now_ns() >= f->deadline_ns);
    CHECK_EQ(f->sleep.output, 0);
    thread_join(f->thread);
    rouse_waker_drop(&leftover);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(wake_during_the_poll_polls_again), .exact = true},
    {TEST(wake_from_a_thread_always_arrives), .exact = true},
    {TEST(wakes_from_eight_threads_are_all_seen)},
    {TEST(wake_after_the_end_does_nothing)},
    {PLAIN(wake_after_the_runtime_is_gone_does_nothing), .hosts = HOST_ALL},
    {TEST(needless_wakes_change_nothing)},
    {0}};
