// SPDX-License-Identifier: MIT
//
// Notify, by hand: one and all, what is kept, cancel in every state; then with threads.

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

// More than are woken in one go.
enum { CROWD = 2 * RS_BATCH_SIZE + 22 };

static struct rouse_notify notify;

// A wait that is polled by hand.
struct turn {
    struct rouse_notify_wait wait;
    struct hand_waker hand;
};

static void begin(struct turn *t)
{
    *t = (struct turn){0};
    rouse_notify_wait_init(&t->wait, &notify);
}

static bool ends(struct turn *t)
{
    return hand_waker_poll(&t->hand, &t->wait.base) == ROUSE_READY;
}

static bool waits(struct turn *t)
{
    begin(t);
    return !ends(t);
}

static bool is_woken(struct turn *t)
{
    return hand_waker_take(&t->hand);
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->wait.base);
}

static bool keeps_one(void)
{
    struct turn t;
    bool kept = !waits(&t);

    drop(&t);
    return kept;
}

// ---- One ----

static void one(void)
{
    struct turn t[3];

    claim(waits(&t[0]) && waits(&t[1]) && waits(&t[2]), "a wait waits");
    rouse_notify_one(&notify);
    claim(is_woken(&t[0]) && !is_woken(&t[1]) && ends(&t[0]) && !ends(&t[1]),
          "one notification ends the first wait");
    rouse_notify_one(&notify);
    rouse_notify_one(&notify);
    claim(ends(&t[2]) && ends(&t[1]), "as many as there are end as many");
    claim(!keeps_one(), "and no more");
}

static void kept(void)
{
    rouse_notify_one(&notify);
    rouse_notify_one(&notify);
    claim(keeps_one(), "a notification without a wait is kept");
    claim(!keeps_one(), "but one only");
    rouse_notify_all(&notify);
    claim(!keeps_one(), "and none for all");
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;

    (void)waits(&t);
    claim(hand_waker_poll(&other, &t.wait.base) == ROUSE_PENDING && hand_waker_shares(&t.hand) == 0,
          "a poll gives the earlier waker back");
    rouse_notify_one(&notify);
    claim(hand_waker_take(&other) && !is_woken(&t) && hand_waker_shares(&other) == 0,
          "and the last one is woken");
    claim(ends(&t), "for a wait that has ended");
}

static void what_it_says(void)
{
    struct turn t;
    char text[80];

    (void)waits(&t);
    claim(rouse_future_describe(&t.wait.base, text, sizeof text) > 0 &&
              strstr(text, "a notification of ") == text,
          "a wait says for what");
    claim(rouse_future_cancel_kind(&t.wait.base) == ROUSE_CANCEL_TOTAL, "its cancel is total");
    drop(&t);
}

// ---- All ----

static void all(void)
{
    struct turn t[2];
    struct turn late;

    (void)(waits(&t[0]) && waits(&t[1]));
    begin(&late);
    rouse_notify_all(&notify);
    claim(is_woken(&t[0]) && is_woken(&t[1]) && ends(&t[0]) && ends(&t[1]),
          "a notification of all ends all waits");
    claim(!ends(&late), "that have begun with a poll");
    drop(&late);
}

static struct turn latecomer;

static void come_late(void *arg)
{
    (void)arg;
    (void)waits(&latecomer);
}

static void a_crowd(void)
{
    static struct turn crowd[CROWD];
    struct meddler meddler = {.meddle = come_late};
    struct turn first;
    int ended = 0;

    begin(&first);
    (void)meddler_poll(&meddler, &first.wait.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i]);
    rouse_notify_all(&notify);
    for (int i = 0; i < CROWD; i++) ended += is_woken(&crowd[i]) && ends(&crowd[i]);
    claim(ended == CROWD, "a crowd is told as a whole");
    claim(!is_woken(&latecomer) && !ends(&latecomer), "and not who comes meanwhile");
    drop(&latecomer);
    drop(&first);
}

static void come_late_and_notify(void *arg)
{
    come_late(arg);
    rouse_notify_one(&notify);
}

static void one_amid_all(void)
{
    static struct turn crowd[CROWD];
    struct meddler meddler = {.meddle = come_late_and_notify};
    struct turn first;

    begin(&first);
    (void)meddler_poll(&meddler, &first.wait.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i]);
    rouse_notify_all(&notify);
    claim(is_woken(&latecomer) && ends(&latecomer),
          "a notification of one is for who waits still when a crowd has been told");
    for (int i = 0; i < CROWD; i++) drop(&crowd[i]);
    drop(&first);
    claim(!keeps_one(), "it is used up");
}

// ---- Cancel ----

static void cancel(void)
{
    struct turn t[3];

    begin(&t[0]);
    drop(&t[0]);
    claim(!keeps_one(), "dropped before its first poll, a wait has done nothing");
    (void)(waits(&t[0]) && waits(&t[1]));
    drop(&t[0]);
    claim(!is_woken(&t[0]) && hand_waker_shares(&t[0].hand) == 0, "dropped, it is forgotten");
    rouse_notify_one(&notify);
    claim(is_woken(&t[1]), "and the next one is first");
    (void)waits(&t[2]);
    drop(&t[1]);
    claim(is_woken(&t[2]) && ends(&t[2]), "who is notified and dropped hands it on");
    (void)waits(&t[0]);
    rouse_notify_one(&notify);
    drop(&t[0]);
    claim(keeps_one(), "if nobody waits, it is kept");
    (void)waits(&t[0]);
    rouse_notify_all(&notify);
    drop(&t[0]);
    claim(!keeps_one(), "but not what was for all");
}

// ---- Threads ----

enum { THREADS = 4, ROUNDS = 2000 };

static struct rouse_notify answers;

static void *wait_and_answer(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (rouse_notify_wait(&notify) < 0) abort();
        rouse_notify_one(&answers);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[THREADS];

    rouse_notify_init(&notify);
    rouse_notify_init(&answers);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, wait_and_answer, NULL) != 0) exit(1);
    }
    for (int i = 0; i < THREADS * ROUNDS; i++) {
        rouse_notify_one(&notify);
        if (rouse_notify_wait(&answers) < 0) abort();
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(ids[i], NULL);
    claim(!keeps_one(), "each notification ends one wait of a thread");
}

int main(void)
{
    struct rouse_notify fresh = ROUSE_NOTIFY_INIT;

    (void)alarm(120);  // a lost wake-up is an end by signal
    heap_watch();
    notify = fresh;
    one();
    long before = heap_counted();

    kept();
    another_waker();
    what_it_says();
    all();
    a_crowd();
    one_amid_all();
    cancel();
    claim(heap_counted() == before, "all that allocates nothing");
    threads();
    return claims_end();
}
