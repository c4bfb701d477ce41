// SPDX-License-Identifier: MIT
//
// Once, by hand: one does it, the others wait; failure, and whose turn is next; then in fibers and
// with threads.

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "hand_waker.h"
#include "heap.h"
#include "panics.h"

static struct rouse_once once;

// An enter that is polled by hand.
struct turn {
    struct rouse_once_enter enter;
    struct hand_waker hand;
};

enum outcome { WAITS = -1, IS_DONE = 0, HAS_TURN = 1 };

static enum outcome look(struct turn *t)
{
    if (hand_waker_poll(&t->hand, &t->enter.base) == ROUSE_PENDING) return WAITS;
    return rouse_future_result(&t->enter.base) == 1 ? HAS_TURN : IS_DONE;
}

static void begin(struct turn *t)
{
    *t = (struct turn){0};
    rouse_once_enter_init(&t->enter, &once);
}

static enum outcome enter(struct turn *t)
{
    begin(t);
    return look(t);
}

static bool is_woken(struct turn *t)
{
    return hand_waker_take(&t->hand);
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->enter.base);
}

static void renew(void)
{
    once = (struct rouse_once)ROUSE_ONCE_INIT;
}

static void done(void)
{
    struct turn t[3];

    renew();
    claim(!rouse_once_is_done(&once) && enter(&t[0]) == HAS_TURN, "the first one does it");
    claim(enter(&t[1]) == WAITS && enter(&t[2]) == WAITS, "the others wait for him");
    rouse_once_enter_take(&t[0].enter);
    drop(&t[0]);
    claim(!is_woken(&t[1]), "also when he has taken the turn over");
    rouse_once_leave(&once, true);
    claim(rouse_once_is_done(&once) && is_woken(&t[1]) && is_woken(&t[2]), "then it is done");
    claim(look(&t[1]) == IS_DONE && look(&t[2]) == IS_DONE, "for all who waited");
    claim(enter(&t[0]) == IS_DONE, "and all who come");
    drop(&t[0]);
    drop(&t[1]);
    claim(rouse_once_is_done(&once), "for good");
}

static void failed(void)
{
    struct turn t[3];

    renew();
    (void)enter(&t[0]);
    (void)enter(&t[1]);
    (void)enter(&t[2]);
    rouse_once_enter_take(&t[0].enter);
    rouse_once_leave(&once, false);
    claim(!rouse_once_is_done(&once) && is_woken(&t[1]) && !is_woken(&t[2]),
          "if he fails it is the next one's turn");
    claim(enter(&t[0]) == WAITS, "before those who come later");
    claim(look(&t[1]) == HAS_TURN && look(&t[2]) == WAITS, "alone");
    drop(&t[1]);
    claim(is_woken(&t[2]) && look(&t[2]) == HAS_TURN, "an untaken turn that is dropped goes on");
    drop(&t[2]);
    claim(is_woken(&t[0]), "and on");
    drop(&t[0]);
    claim(enter(&t[1]) == HAS_TURN, "and at last to who comes first");
    drop(&t[1]);
}

static void cancel(void)
{
    struct turn t[3];

    renew();
    begin(&t[0]);
    drop(&t[0]);
    claim(enter(&t[0]) == HAS_TURN, "dropped before its first poll, an enter has done nothing");
    (void)enter(&t[1]);
    (void)enter(&t[2]);
    drop(&t[1]);
    claim(!is_woken(&t[1]) && hand_waker_shares(&t[1].hand) == 0, "dropped, it is forgotten");
    drop(&t[0]);
    claim(is_woken(&t[2]), "and passed over");
    (void)enter(&t[1]);
    drop(&t[2]);
    claim(is_woken(&t[1]) && look(&t[1]) == HAS_TURN,
          "one whose turn it is hands it on if it is dropped before it looks");
    drop(&t[1]);
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t[2];

    renew();
    (void)enter(&t[0]);
    (void)enter(&t[1]);
    claim(hand_waker_poll(&other, &t[1].enter.base) == ROUSE_PENDING &&
              hand_waker_shares(&t[1].hand) == 0,
          "a poll gives the earlier waker back");
    drop(&t[0]);
    claim(hand_waker_take(&other) && !is_woken(&t[1]) && hand_waker_shares(&other) == 0,
          "and the last one is woken");
    drop(&t[1]);
}

static void what_it_says(void)
{
    struct turn t[2];
    char text[80];

    renew();
    (void)enter(&t[0]);
    (void)enter(&t[1]);
    claim(rouse_future_describe(&t[1].enter.base, text, sizeof text) > 0 &&
              strstr(text, "once ") == text,
          "an enter says what it waits for");
    claim(rouse_future_cancel_kind(&t[1].enter.base) == ROUSE_CANCEL_TOTAL, "its cancel is total");
    drop(&t[1]);
    drop(&t[0]);
}

// ---- Calls ----

// What is done: it fails as often as `failures` says.
struct job {
    int failures;
    int calls;
    int sum;  // plain: what is done is seen
};

static int work(void *arg)
{
    struct job *job = arg;

    job->calls++;
    (void)rouse_yield();
    if (job->failures-- > 0) return -EIO;
    job->sum += 40 + 2;
    return 7;
}

static struct job job;

static int call(void *arg)
{
    (void)arg;
    return rouse_once_call(&once, work, &job);
}

static int wait_and_fail(void *arg)
{
    (void)arg;
    return rouse_sleep(ROUSE_NEVER);
}

static int call_to_be_aborted(void *arg)
{
    return rouse_once_call(&once, wait_and_fail, arg);
}

static int fibers(void *arg)
{
    struct rouse_join_handle handles[4];
    int failures = 0;

    (void)arg;
    renew();
    job = (struct job){.failures = 2};
    for (int i = 0; i < 4; i++) {
        if (rouse_spawn(&handles[i], call, NULL) < 0) exit(1);
    }
    for (int i = 0; i < 4; i++) failures += rouse_join(&handles[i]) == -EIO;
    claim(failures == 2 && job.calls == 3 && job.sum == 42,
          "what fails is tried again by the next, until it is done");
    renew();
    job = (struct job){0};
    if (rouse_spawn(&handles[0], call_to_be_aborted, NULL) < 0 || rouse_sleep(1000000) < 0 ||
        rouse_spawn(&handles[1], call, NULL) < 0 || rouse_spawn(&handles[2], call, NULL) < 0 ||
        rouse_sleep(1000000) < 0) {
        exit(1);
    }
    claim(rouse_abort_and_wait(&handles[1]) == -ECANCELED && job.calls == 0,
          "a call that waits can be cancelled");
    claim(rouse_abort_and_wait(&handles[0]) == -ECANCELED && rouse_join(&handles[2]) == 0 &&
              job.sum == 42,
          "one that is cancelled at work gives the turn to the next");
    return 0;
}

enum { THREADS = 4 };

static void *call_on_thread(void *arg)
{
    if (rouse_once_call(&once, work, &job) < 0 || job.sum != 42) abort();
    return arg;
}

static void threads(void)
{
    pthread_t ids[THREADS];

    renew();
    job = (struct job){0};
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, call_on_thread, NULL) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(ids[i], NULL);
    claim(job.calls == 1 && rouse_once_is_done(&once), "of threads, one does it, and all see it");
}

// ---- Misuse ----

static void leave_early(void *arg)
{
    (void)arg;
    renew();
    rouse_once_leave(&once, true);
}

static void take_done(void *arg)
{
    struct turn t;

    (void)arg;
    renew();
    (void)enter(&t);
    rouse_once_leave(&once, true);
    (void)enter(&t);
    rouse_once_enter_take(&t.enter);
}

int main(void)
{
    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(leave_early, NULL, "enter first"), "a leave without a turn is stopped");
    claim(panics(take_done, NULL, "look at the output"), "so is a take without one");
    heap_watch();
    long before = heap_counted();

    done();
    failed();
    cancel();
    another_waker();
    what_it_says();
    claim(heap_counted() == before, "all that allocates nothing");
    if (rouse_run(fibers, NULL) != 0) return 1;
    threads();
    return claims_end();
}
