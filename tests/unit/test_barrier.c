// SPDX-License-Identifier: MIT
//
// The barrier, by hand: all go on together, again and again; who leaves has not come; then with
// threads.

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

static struct rouse_barrier barrier;

// A wait that is polled by hand.
struct turn {
    struct rouse_barrier_wait wait;
    struct hand_waker hand;
};

static void begin(struct turn *t)
{
    *t = (struct turn){0};
    rouse_barrier_wait_init(&t->wait, &barrier);
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

// True if it ends the wait of all.
static bool is_last(struct turn *t)
{
    begin(t);
    return ends(t) && t->wait.output == 1 && rouse_future_result(&t->wait.base) == 1;
}

static bool goes_on(struct turn *t)
{
    return hand_waker_take(&t->hand) && ends(t) && t->wait.output == 0;
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->wait.base);
}

static void all_together(void)
{
    struct turn t[3];
    bool again = true;

    rouse_barrier_init(&barrier, 3);
    for (int i = 0; i < 3; i++) {
        again = again && waits(&t[0]) && waits(&t[1]) && !goes_on(&t[0]) && is_last(&t[2]) &&
                goes_on(&t[0]) && goes_on(&t[1]);
    }
    claim(again, "all go on when the last has come, again and again");
    rouse_barrier_init(&barrier, 1);
    claim(is_last(&t[0]) && is_last(&t[1]), "one alone never waits");
}

// Two times at once: those of the first have not been polled yet.
static void overlapping(void)
{
    struct turn first[2];
    struct turn second[2];

    rouse_barrier_init(&barrier, 2);
    claim(waits(&first[0]) && is_last(&first[1]) && waits(&second[0]) && is_last(&second[1]),
          "the next time may begin before all have gone on");
    claim(goes_on(&second[0]) && goes_on(&first[0]), "and both end");
}

static void leaving(void)
{
    struct turn t[3];

    rouse_barrier_init(&barrier, 2);
    begin(&t[0]);
    drop(&t[0]);
    claim(waits(&t[1]), "one that is dropped before its first poll has not come");
    drop(&t[1]);
    claim(waits(&t[0]) && !hand_waker_take(&t[0].hand) && hand_waker_shares(&t[1].hand) == 0,
          "nor has one that is dropped while it waits");
    claim(is_last(&t[1]), "as many as there have to be");
    drop(&t[0]);
    drop(&t[1]);
    claim(waits(&t[0]) && is_last(&t[1]), "one that is dropped after the last came does not count "
                                          "for the next time");
    drop(&t[0]);
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;
    struct turn last;

    rouse_barrier_init(&barrier, 2);
    (void)waits(&t);
    claim(hand_waker_poll(&other, &t.wait.base) == ROUSE_PENDING && hand_waker_shares(&t.hand) == 0,
          "a poll gives the earlier waker back");
    claim(is_last(&last) && hand_waker_take(&other) && !hand_waker_take(&t.hand) &&
              hand_waker_shares(&other) == 0,
          "and the last one is woken");
    drop(&t);
}

static void what_it_says(void)
{
    struct turn t;
    char text[80];

    rouse_barrier_init(&barrier, 2);
    (void)waits(&t);
    claim(rouse_future_describe(&t.wait.base, text, sizeof text) > 0 &&
              strstr(text, "the others at barrier ") == text,
          "a wait says for whom");
    claim(rouse_future_cancel_kind(&t.wait.base) == ROUSE_CANCEL_TOTAL, "its cancel is total");
    drop(&t);
}

// ---- A crowd ----

static struct turn crowd[CROWD];
static struct turn latecomer;

static void leave_and_come(void *arg)
{
    (void)arg;
    drop(&crowd[CROWD - 1]);
    (void)waits(&latecomer);
}

// The first of the crowd is woken; then one leaves who has still to be, and one comes.
static void leaving_amid_the_crowd(void)
{
    struct meddler meddler = {.meddle = leave_and_come};
    struct turn first;
    struct turn last;
    int gone = 0;

    rouse_barrier_init(&barrier, CROWD + 2);
    begin(&first);
    (void)meddler_poll(&meddler, &first.wait.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i]);
    claim(is_last(&last), "a crowd waits for its last");
    for (int i = 0; i < CROWD - 1; i++) gone += goes_on(&crowd[i]);
    claim(gone == CROWD - 1, "and goes on as a whole");
    claim(!goes_on(&latecomer) && barrier.waiting == 1,
          "who comes meanwhile waits for the next time, and who leaves does not change it");
    drop(&latecomer);
    drop(&first);
}

// ---- Threads ----

enum { THREADS = 4, ROUNDS = 1000 };

static int steps[THREADS];  // plain: between two barriers

static void *step(void *arg)
{
    int *mine = arg;
    int lasts = 0;

    for (int i = 0; i < ROUNDS; i++) {
        ++*mine;
        int result = rouse_barrier_wait(&barrier);

        if (result < 0) abort();
        lasts += result;
        for (int j = 0; j < THREADS; j++) {
            if (steps[j] != i + 1) abort();
        }
        if (rouse_barrier_wait(&barrier) < 0) abort();
    }
    return (void *)(intptr_t)lasts;
}

static void threads(void)
{
    pthread_t ids[THREADS];
    intptr_t lasts = 0;

    rouse_barrier_init(&barrier, THREADS);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, step, &steps[i]) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) {
        void *mine;

        (void)pthread_join(ids[i], &mine);
        lasts += (intptr_t)mine;
    }
    claim(lasts == ROUNDS, "threads keep step, and one of them is the last each time");
}

static void for_nobody(void *arg)
{
    (void)arg;
    rouse_barrier_init(&barrier, 0);
}

int main(void)
{
    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(for_nobody, NULL, "for one task at least"), "a barrier for nobody is refused");
    heap_watch();
    long before = heap_counted();

    all_together();
    overlapping();
    leaving();
    another_waker();
    what_it_says();
    leaving_amid_the_crowd();
    claim(heap_counted() == before, "all that allocates nothing");
    threads();
    return claims_end();
}
