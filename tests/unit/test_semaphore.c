// SPDX-License-Identifier: MIT
//
// The semaphore, by hand: order and weights, cancel in every state, close; then with threads.

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "claim.h"
#include "hand_waker.h"
#include "heap.h"
#include "io/batch.h"
#include "meddler.h"
#include "panics.h"

// More than are woken in one go.
enum { CROWD = 2 * RS_BATCH_SIZE + 22 };

// An acquire that is polled by hand.
struct turn {
    struct rouse_semaphore_acquire acquire;
    struct hand_waker hand;
};

static struct rouse_semaphore semaphore;

static void begin(struct turn *t, uint64_t permits)
{
    *t = (struct turn){0};
    rouse_semaphore_acquire_init(&t->acquire, &semaphore, permits);
}

static bool ends(struct turn *t)
{
    return hand_waker_poll(&t->hand, &t->acquire.base) == ROUSE_READY;
}

static bool gets_it(struct turn *t)
{
    return ends(t) && t->acquire.output == 0;
}

static bool is_refused(struct turn *t)
{
    return ends(t) && t->acquire.output == -EBADF &&
           rouse_future_result(&t->acquire.base) == -EBADF;
}

static bool is_woken(struct turn *t)
{
    return hand_waker_take(&t->hand);
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->acquire.base);
}

static bool is_gone(struct turn *t)
{
    return hand_waker_shares(&t->hand) == 0;
}

static bool waits(struct turn *t, uint64_t permits)
{
    begin(t, permits);
    return !ends(t);
}

static bool has(uint64_t permits)
{
    return rouse_semaphore_available(&semaphore) == permits && semaphore.waiters.first == NULL &&
           (semaphore.word & 3) == 0;
}

// ---- Acquire and release ----

static void none_at_once(void)
{
    struct turn queued;
    struct turn none;

    rouse_semaphore_init(&semaphore, 0);
    (void)waits(&queued, 1);
    begin(&none, 0);
    claim(gets_it(&none) && rouse_semaphore_try_acquire(&semaphore, 0) == 0,
          "who wants no permit has it at once, whoever waits");
    rouse_semaphore_release(&semaphore, 1);
    claim(gets_it(&queued), "and takes nothing from those who do");
    drop(&queued);
    drop(&none);
    claim(has(1), "nor leaves anything");
}

static void permits(void)
{
    struct rouse_semaphore three = ROUSE_SEMAPHORE_INIT(3);
    struct turn t;

    semaphore = three;
    claim(has(3), "it has its permits to begin with");
    claim(rouse_semaphore_try_acquire(&semaphore, 4) == -EAGAIN && has(3), "not more");
    claim(rouse_semaphore_try_acquire(&semaphore, 2) == 0 && has(1), "a try takes some of them");
    begin(&t, 1);
    claim(gets_it(&t) && has(0), "an acquire takes what is there at once");
    rouse_semaphore_acquire_take(&t.acquire);
    drop(&t);
    claim(has(0), "and its taker keeps them");
    rouse_semaphore_release(&semaphore, 5);
    claim(has(5), "more may be added");
    begin(&t, 0);
    claim(gets_it(&t) && has(5), "none is there always");
    drop(&t);
}

static void the_order(void)
{
    struct turn many;
    struct turn few;
    struct turn more;

    rouse_semaphore_init(&semaphore, 2);
    claim(waits(&many, 3) && rouse_semaphore_available(&semaphore) == 2,
          "who wants more than there is waits");
    claim(waits(&few, 1) && rouse_semaphore_try_acquire(&semaphore, 1) == -EAGAIN,
          "and is not overtaken by those who want few");
    claim(waits(&more, 2), "however many come");
    rouse_semaphore_release(&semaphore, 2);
    claim(is_woken(&many) && is_woken(&few) && !is_woken(&more),
          "a release serves as many as it can, in order");
    claim(gets_it(&many) && gets_it(&few) && !ends(&more), "and only them");
    rouse_semaphore_release(&semaphore, 1);
    claim(!is_woken(&more) && rouse_semaphore_available(&semaphore) == 1, "permits are saved up");
    rouse_semaphore_release(&semaphore, 1);
    claim(is_woken(&more) && gets_it(&more) && has(0), "for the first in the queue");
    drop(&many);
    drop(&few);
    drop(&more);
    claim(has(6), "dropped without a take, they all go back");
}

static void a_crowd(void)
{
    static struct turn crowd[CROWD];
    int served = 0;

    rouse_semaphore_init(&semaphore, 0);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i], 1);
    rouse_semaphore_release(&semaphore, CROWD - 1);
    for (int i = 0; i < CROWD; i++) served += is_woken(&crowd[i]) && gets_it(&crowd[i]);
    claim(served == CROWD - 1 && !ends(&crowd[CROWD - 1]), "one release serves a crowd");
    for (int i = 0; i < CROWD; i++) drop(&crowd[i]);
    claim(has(CROWD - 1), "and gets it all back");
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;

    rouse_semaphore_init(&semaphore, 0);
    (void)waits(&t, 1);
    claim(hand_waker_poll(&other, &t.acquire.base) == ROUSE_PENDING && is_gone(&t),
          "a poll gives the earlier waker back");
    rouse_semaphore_release(&semaphore, 1);
    claim(hand_waker_take(&other) && !is_woken(&t) && hand_waker_shares(&other) == 0,
          "and the last one is woken");
    drop(&t);
}

static void what_it_says(void)
{
    struct turn t;
    char text[80];

    rouse_semaphore_init(&semaphore, 1);
    (void)waits(&t, 2);
    claim(rouse_future_describe(&t.acquire.base, text, sizeof text) > 0 &&
              strstr(text, "2 permits of semaphore") == text && strstr(text, "has 1") != NULL,
          "an acquire that waits says for how many");
    claim(rouse_future_cancel_kind(&t.acquire.base) == ROUSE_CANCEL_TOTAL, "its cancel is total");
    drop(&t);
}

// ---- Cancel ----

static void drop_unpolled(void)
{
    struct turn t;

    rouse_semaphore_init(&semaphore, 1);
    begin(&t, 1);
    drop(&t);
    claim(has(1), "dropped before its first poll, an acquire has done nothing");
}

static void drop_queued(void)
{
    struct turn many;
    struct turn few;

    rouse_semaphore_init(&semaphore, 1);
    (void)(waits(&many, 2) && waits(&few, 1));
    drop(&many);
    claim(is_gone(&many) && !is_woken(&many), "dropped in the queue, it wakes nobody by itself");
    claim(is_woken(&few) && gets_it(&few), "but makes room for those behind who want less");
    drop(&few);
    claim(has(1), "and no permit is lost");
}

static void drop_granted(void)
{
    struct turn t[2];

    rouse_semaphore_init(&semaphore, 0);
    (void)(waits(&t[0], 2) && waits(&t[1], 1));
    rouse_semaphore_release(&semaphore, 2);
    claim(is_woken(&t[0]) && !is_woken(&t[1]), "granted to the first");
    drop(&t[0]);
    claim(is_woken(&t[1]) && gets_it(&t[1]) && has(1),
          "who is dropped before it looks, permits go to the next");
    drop(&t[1]);
    claim(has(2), "and who drops what it has not taken gives it back");
}

// ---- Close ----

static void closing(void)
{
    struct turn granted;
    struct turn queued;
    struct turn late;

    rouse_semaphore_init(&semaphore, 0);
    (void)(waits(&granted, 1) && waits(&queued, 1));
    rouse_semaphore_release(&semaphore, 1);
    rouse_semaphore_close(&semaphore);
    claim(is_woken(&queued) && is_refused(&queued), "a close ends those who wait");
    begin(&late, 0);
    claim(is_refused(&late) && rouse_semaphore_try_acquire(&semaphore, 0) == -EBADF,
          "and all who come");
    claim(gets_it(&granted), "but not who was served before");
    drop(&granted);
    drop(&queued);
    drop(&late);
    rouse_semaphore_release(&semaphore, 2);
    rouse_semaphore_close(&semaphore);
    claim(rouse_semaphore_available(&semaphore) == 3 && (semaphore.word & 1) == 0,
          "permits come back afterwards, too");
}

static void release_one(void *arg)
{
    rouse_semaphore_release(arg, 1);
}

// The first one of many to be woken by a close gives a permit back.
static void a_release_amid_a_close(void)
{
    static struct turn crowd[CROWD];
    struct meddler meddler = {.meddle = release_one, .arg = &semaphore};
    struct turn first;
    int refused = 0;

    rouse_semaphore_init(&semaphore, 0);
    begin(&first, 1);
    (void)meddler_poll(&meddler, &first.acquire.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i], 1);
    rouse_semaphore_close(&semaphore);
    for (int i = 0; i < CROWD; i++) refused += is_woken(&crowd[i]) && is_refused(&crowd[i]);
    claim(refused == CROWD && rouse_semaphore_available(&semaphore) == 1,
          "once it is closed nobody is served, while a crowd is being told");
    drop(&first);
    for (int i = 0; i < CROWD; i++) drop(&crowd[i]);
}

static void drop_next(void *arg)
{
    drop(arg);
}

// The same with an acquire that is dropped, when the one at the head could be served.
static void a_drop_amid_a_close(void)
{
    static struct turn crowd[CROWD];
    struct meddler meddler = {.meddle = drop_next, .arg = &crowd[CROWD - 1]};
    struct turn first;

    rouse_semaphore_init(&semaphore, 1);
    begin(&first, 2);
    (void)meddler_poll(&meddler, &first.acquire.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i], i == RS_BATCH_SIZE - 1 ? 1 : 2);
    rouse_semaphore_close(&semaphore);
    claim(is_refused(&crowd[RS_BATCH_SIZE - 1]) && rouse_semaphore_available(&semaphore) == 1,
          "nor by a drop");
    drop(&first);
    for (int i = 0; i < CROWD; i++) drop(&crowd[i]);
}

struct leavers {
    struct turn *turns;
    int count;
};

static void leave_and_release(void *arg)
{
    struct leavers *leavers = arg;

    for (int i = 0; i < leavers->count; i++) drop(&leavers->turns[i]);
    rouse_semaphore_release(&semaphore, 1);
}

// The last to wait leave before a close comes to them.
static void all_leave_amid_a_close(void)
{
    static struct turn crowd[CROWD];
    struct leavers leavers = {.turns = crowd, .count = CROWD};
    struct meddler meddler = {.meddle = leave_and_release, .arg = &leavers};
    struct turn first;

    rouse_semaphore_init(&semaphore, 0);
    begin(&first, 1);
    (void)meddler_poll(&meddler, &first.acquire.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i], 1);
    rouse_semaphore_close(&semaphore);
    claim(rouse_semaphore_available(&semaphore) == 1, "a close that finds nobody left ends");
    drop(&first);
}

// ---- Threads ----

enum { THREADS = 4, ROUNDS = 3000 };

static _Atomic int inside;
static _Atomic int most;

static void enter_and_leave(void)
{
    // Relaxed: counts only.
    int now = atomic_fetch_add_explicit(&inside, 1, memory_order_relaxed) + 1;

    if (now > atomic_load_explicit(&most, memory_order_relaxed)) {
        atomic_store_explicit(&most, now, memory_order_relaxed);
    }
    atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
}

static void *visit(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (rouse_semaphore_acquire(&semaphore, 1) < 0) abort();
        enter_and_leave();
        rouse_semaphore_release(&semaphore, 1);
    }
    return NULL;
}

static void *wait_for_close(void *arg)
{
    *(int *)arg = rouse_semaphore_acquire(&semaphore, 10);
    return NULL;
}

static void threads(void)
{
    pthread_t ids[THREADS];
    int output = 0;

    rouse_semaphore_init(&semaphore, 2);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, visit, NULL) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(ids[i], NULL);
    claim(has(2) && most <= 2, "of plain threads as many pass as there are permits");
    if (pthread_create(&ids[0], NULL, wait_for_close, &output) != 0) exit(1);
    rouse_semaphore_close(&semaphore);
    (void)pthread_join(ids[0], NULL);
    claim(output == -EBADF, "a close ends a thread's wait");
}

// ---- Cost and misuse ----

static void cost(void)
{
    struct turn t[2];
    long before = heap_counted();

    rouse_semaphore_init(&semaphore, 0);
    (void)(waits(&t[0], 1) && waits(&t[1], 1));
    rouse_semaphore_release(&semaphore, 1);
    (void)ends(&t[0]);
    drop(&t[0]);
    drop(&t[1]);
    claim(heap_counted() == before, "a semaphore allocates nothing");
}

static void release_too_many(void *arg)
{
    (void)arg;
    rouse_semaphore_init(&semaphore, ROUSE_SEMAPHORE_PERMITS_MAX);
    rouse_semaphore_release(&semaphore, 1);
}

static void take_refused(void *arg)
{
    struct turn t;

    (void)arg;
    rouse_semaphore_init(&semaphore, 0);
    rouse_semaphore_close(&semaphore);
    begin(&t, 1);
    (void)ends(&t);
    rouse_semaphore_acquire_take(&t.acquire);
}

int main(void)
{
    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(release_too_many, NULL, "release what was acquired"),
          "more than the most permits are not accepted");
    claim(panics(take_refused, NULL, "look at its output"), "nor a take of none");
    heap_watch();
    permits();
    none_at_once();
    the_order();
    a_crowd();
    another_waker();
    what_it_says();
    drop_unpolled();
    drop_queued();
    drop_granted();
    closing();
    a_release_amid_a_close();
    a_drop_amid_a_close();
    all_leave_amid_a_close();
    cost();
    threads();
    return claims_end();
}
