// SPDX-License-Identifier: MIT
//
// What all futures share, and the smallest of them: each contract line of future.h and ready.h is
// a claim, polled by hand with a waker that counts. Misuse is shown in a child process.

#include <rouse/future.h>
#include <rouse/ready.h>
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

static void ask_result(void *future)
{
    (void)rouse_future_result(future);
}

static void future_ends_exactly_once(void)
{
    struct probe p;

    probe_init(&p, "a", 1, 7);
    claim(!rouse_future_is_ended(&p.base), "a new future has not ended");
    claim(bell_poll(&bell, &p.base) == ROUSE_PENDING && !rouse_future_is_ended(&p.base),
          "a pending future has not ended");
    claim(panics(ask_result, &p.base, "only an ended future has a result"),
          "the result of a future that has not ended panics with the cure");
    claim(bell_poll(&bell, &p.base) == ROUSE_READY && rouse_future_is_ended(&p.base),
          "a ready future has ended");
    claim(rouse_future_result(&p.base) == 7, "its result is its output in the common form");
    claim(panics(poll_it, &p.base, "polled after its end: \"probe\""),
          "a poll after ready panics with the future's name");
    rouse_future_drop(&p.base);
    claim(p.releases == 1 && p.drops == 0, "a drop after the end releases the output");
    rouse_future_drop(&p.base);
    claim(p.releases == 1 && p.drops == 0, "a second drop does nothing");
    claim(probe_outputs == 0, "nothing is left");
}

static void dropped_future_has_ended(void)
{
    struct probe p;

    probe_init(&p, "a", PROBE_NEVER, 0);
    rouse_future_drop(&p.base);
    claim(p.drops == 1 && p.polls == 0, "a drop before the first poll ends it");
    claim(rouse_future_is_ended(&p.base), "a dropped future has ended");
    rouse_future_drop(&p.base);
    claim(p.drops == 1, "a second drop of a dropped future does nothing");
    claim(panics(poll_it, &p.base, "polled after its end: \"dropped future\""),
          "a poll after a drop panics and says that it was dropped");
    claim(rouse_future_result(&p.base) == 0, "a dropped future has no error");
}

static rouse_poll anonymous_poll(struct rouse_future *self, struct rouse_context *cx)
{
    (void)self;
    (void)cx;
    return ROUSE_READY;
}

static void vtable_may_leave_everything_out(void)
{
    static const struct rouse_future_vtable vtable = {.poll = anonymous_poll};
    struct rouse_future future = {&vtable};
    char text[16];

    claim(rouse_future_describe(&future, text, sizeof text) == 6 && strcmp(text, "future") == 0,
          "a future without a name is called future");
    claim(bell_poll(&bell, &future) == ROUSE_READY && rouse_future_is_ended(&future),
          "without a vtable for its end it gets the common one");
    claim(rouse_future_result(&future) == 0, "a future without a result cannot fail");
    claim(panics(poll_it, &future, "polled after its end: \"future\""),
          "its late poll panics all the same");
    rouse_future_drop(&future);
    claim(rouse_future_is_ended(&future), "it needs no drop function");
}

static void context_hands_over_what_it_was_given(void)
{
    struct rouse_driver *driver = (struct rouse_driver *)(void *)&bell;  // never followed
    struct rouse_waker waker = bell_waker(&bell);
    struct rouse_context cx;

    bell = (struct bell){0};
    rouse_context_init(&cx, &waker, driver);
    claim(rouse_waker_will_wake(rouse_context_waker(&cx), &waker) && bell.shares == 0,
          "a context borrows the waker and clones nothing");
    claim(rouse_context_driver(&cx) == driver, "a context has the driver it was given");
    claim(rouse_context_task(&cx) == NULL, "outside tasks there is no task");
}

static void budget_is_spent_unit_by_unit(void)
{
    struct rouse_waker waker = bell_waker(&bell);
    struct rouse_context cx;
    bool spent = true;

    bell = (struct bell){0};
    rouse_context_init(&cx, &waker, NULL);
    for (int i = 0; i < 100000; i++) {
        spent &= rouse_context_spend(&cx);
    }
    claim(spent && bell.rings == 0, "a context made by hand has a budget without end");
    cx.budget = 3;
    claim(rouse_context_spend(&cx) && rouse_context_spend(&cx) && rouse_context_spend(&cx) &&
              bell.rings == 0,
          "a budget of three can be spent three times");
    claim(!rouse_context_spend(&cx) && bell.rings == 1, "then it yields: the waker is woken");
    claim(!rouse_context_spend(&cx) && bell.rings == 2, "and again at each further try");
}

static void empty_waker_does_nothing(void)
{
    struct rouse_waker empty = {0};
    struct rouse_waker clone = rouse_waker_clone(&empty);
    struct rouse_waker ring = bell_waker(&bell);

    rouse_waker_wake_by_ref(&empty);
    rouse_waker_wake(&clone);
    rouse_waker_drop(&empty);
    claim(empty.vtable == NULL && clone.vtable == NULL, "the empty waker can be used and is inert");
    claim(!rouse_waker_will_wake(&empty, &ring), "the empty waker is not like another one");
}

static void waker_keeps_count(void)
{
    struct rouse_waker first = bell_waker(&bell);
    struct rouse_waker second;

    bell = (struct bell){.shares = 1};
    second = rouse_waker_clone(&first);
    claim(bell.shares == 2 && rouse_waker_will_wake(&first, &second),
          "a clone is another share of the same");
    rouse_waker_wake_by_ref(&first);
    claim(bell.rings == 1 && bell.shares == 2, "a wake by reference keeps the share");
    rouse_waker_wake(&first);
    claim(bell.rings == 2 && bell.shares == 1, "a wake gives it up");
    rouse_waker_wake(&first);
    rouse_waker_drop(&first);
    claim(bell.rings == 2 && bell.shares == 1, "a waker that was used up is empty");
    rouse_waker_drop(&second);
    claim(bell.rings == 2 && bell.shares == 0, "a drop gives up the share without a wake");
}

static void ready_is_ready(void)
{
    struct rouse_ready ready;

    rouse_ready_init(&ready);
    claim(bell_poll(&bell, &ready.base) == ROUSE_READY, "ready is ready at its first poll");
    claim(panics(poll_it, &ready.base, "polled after its end: \"ready\""),
          "ready cannot be polled twice");
    rouse_ready_init(&ready);
    rouse_future_drop(&ready.base);
    claim(rouse_future_is_ended(&ready.base), "ready may be dropped before its poll");
}

static void pending_is_pending(void)
{
    struct rouse_pending pending;
    bool ready = false;

    bell = (struct bell){0};
    rouse_pending_init(&pending);
    for (int i = 0; i < 1000; i++) {
        ready |= bell_poll(&bell, &pending.base) == ROUSE_READY;
    }
    claim(!ready && bell.rings == 0 && bell.shares == 0, "pending never ends and wakes nobody");
    rouse_future_drop(&pending.base);
    claim(rouse_future_is_ended(&pending.base), "pending ends when dropped");
    claim(panics(poll_it, &pending.base, "dropped future"), "and is not polled again");
}

static rouse_poll count_down(void *arg, struct rouse_context *cx)
{
    int *left = arg;

    rouse_waker_wake_by_ref(rouse_context_waker(cx));
    return --*left == 0 ? ROUSE_READY : ROUSE_PENDING;
}

static void poll_fn_calls_its_function(void)
{
    struct rouse_poll_fn poll_fn;
    int left = 2;

    bell = (struct bell){0};
    rouse_poll_fn_init(&poll_fn, count_down, &left);
    claim(bell_poll(&bell, &poll_fn.base) == ROUSE_PENDING && left == 1 && bell.rings == 1,
          "poll_fn passes on the argument and the context");
    claim(bell_poll(&bell, &poll_fn.base) == ROUSE_READY && left == 0,
          "poll_fn is ready when its function says so");
    claim(panics(poll_it, &poll_fn.base, "polled after its end: \"poll_fn\""),
          "poll_fn calls it no more after its end");
    left = 1;
    rouse_poll_fn_init(&poll_fn, count_down, &left);
    rouse_future_drop(&poll_fn.base);
    rouse_future_drop(&poll_fn.base);
    claim(left == 1, "a dropped poll_fn never calls its function");
}

static void yield_is_pending_once(void)
{
    struct rouse_yield yield;

    bell = (struct bell){0};
    rouse_yield_init(&yield);
    claim(bell_poll(&bell, &yield.base) == ROUSE_PENDING && bell.rings == 1,
          "yield is pending at its first poll and has woken its task");
    claim(bell_poll(&bell, &yield.base) == ROUSE_READY && bell.rings == 1,
          "yield is ready at its second");
    claim(panics(poll_it, &yield.base, "polled after its end: \"yield\""),
          "yield cannot be polled after that");
    rouse_yield_init(&yield);
    (void)bell_poll(&bell, &yield.base);
    rouse_future_drop(&yield.base);
    claim(rouse_future_is_ended(&yield.base) && bell.shares == 0, "yield keeps no waker");
}

static void borrow_forwards_polls_and_ignores_drops(void)
{
    struct rouse_borrow borrow;
    struct probe p;
    char text[32];

    bell = (struct bell){0};
    probe_init(&p, "lent", 2, -5);
    rouse_borrow_init(&borrow, &p.base);
    rouse_future_describe(&borrow.base, text, sizeof text);
    claim(strcmp(text, "probe lent") == 0, "a borrow describes what it borrows");
    claim(bell_poll(&bell, &borrow.base) == ROUSE_PENDING && p.polls == 1,
          "a borrow forwards the poll");
    rouse_future_drop(&borrow.base);
    rouse_future_drop(&borrow.base);
    claim(p.drops == 0 && bell.shares == 1, "dropping it leaves what it borrowed alive, in place");
    rouse_borrow_init(&borrow, &p.base);
    claim(bell_poll(&bell, &borrow.base) == ROUSE_PENDING &&
              bell_poll(&bell, &borrow.base) == ROUSE_READY,
          "it can be borrowed again and go on");
    claim(rouse_future_result(&borrow.base) == -5, "a borrow has the result of what it borrowed");
    claim(panics(poll_it, &borrow.base, "polled after its end: \"borrow\""),
          "an ended borrow is not polled");
    rouse_future_drop(&borrow.base);
    claim(p.releases == 0 && probe_outputs == 1, "nor does an ended borrow release the output");
    rouse_future_drop(&p.base);
    claim(p.releases == 1 && probe_outputs == 0, "the owner does");
}

static void describe_of_small_futures_truncates(void)
{
    struct rouse_yield yield;
    char text[8];

    rouse_yield_init(&yield);
    for (size_t size = 0; size <= 6; size++) {
        memset(text, '#', sizeof text);
        claim(rouse_future_describe(&yield.base, size == 0 ? NULL : text, size) == 5 &&
                  text[size] == '#' && (size == 0 || strlen(text) == (size <= 5 ? size - 1 : 5)) &&
                  strncmp(text, "yield", size == 0 ? 0 : size - 1) == 0,
              "describe writes as snprintf does: never past the end, and the whole length back");
    }
    rouse_future_drop(&yield.base);
}

static void nothing_allocates(void)
{
    struct rouse_ready ready;
    struct rouse_yield yield;
    struct rouse_borrow borrow;
    struct rouse_pending pending;
    struct rouse_poll_fn poll_fn;
    int left = 1;
    long before = heap_counted();

    rouse_ready_init(&ready);
    (void)bell_poll(&bell, &ready.base);
    rouse_yield_init(&yield);
    rouse_borrow_init(&borrow, &yield.base);
    (void)bell_poll(&bell, &borrow.base);
    (void)bell_poll(&bell, &borrow.base);
    rouse_future_drop(&borrow.base);
    rouse_pending_init(&pending);
    (void)bell_poll(&bell, &pending.base);
    rouse_future_drop(&pending.base);
    rouse_poll_fn_init(&poll_fn, count_down, &left);
    (void)bell_poll(&bell, &poll_fn.base);
    claim(heap_counted() == before, "the smallest futures allocate nothing");

    void *memory = rs_sys.malloc(1);

    claim(heap_counted() > before, "an allocation would have been counted");
    free(memory);
}

int main(void)
{
    heap_watch();
    future_ends_exactly_once();
    dropped_future_has_ended();
    vtable_may_leave_everything_out();
    context_hands_over_what_it_was_given();
    budget_is_spent_unit_by_unit();
    empty_waker_does_nothing();
    waker_keeps_count();
    ready_is_ready();
    pending_is_pending();
    poll_fn_calls_its_function();
    yield_is_pending_once();
    borrow_forwards_polls_and_ignores_drops();
    describe_of_small_futures_truncates();
    nothing_allocates();
    return claims_end();
}
