// SPDX-License-Identifier: MIT
//
// The event count, by hand: keys and notifications, cancel in every state; then a condition that
// threads look at without a lock.

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

static struct rouse_event_count count;

// A wait that is polled by hand.
struct turn {
    struct rouse_event_count_wait wait;
    struct hand_waker hand;
};

static void begin(struct turn *t, uint64_t key)
{
    *t = (struct turn){0};
    rouse_event_count_wait_init(&t->wait, &count, key);
}

static bool ends(struct turn *t)
{
    return hand_waker_poll(&t->hand, &t->wait.base) == ROUSE_READY;
}

static bool waits(struct turn *t)
{
    begin(t, rouse_event_count_key(&count));
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

static void keys(void)
{
    struct turn t[3];
    uint64_t key = rouse_event_count_key(&count);

    claim(key == rouse_event_count_key(&count), "without a notification keys are the same");
    rouse_event_count_notify(&count);
    claim(key != rouse_event_count_key(&count), "and after one they are not");
    begin(&t[0], key);
    claim(ends(&t[0]), "a wait with an old key ends at once");
    claim(waits(&t[0]) && waits(&t[1]), "with a new one it waits, and others beside it");
    key = rouse_event_count_key(&count);
    rouse_event_count_notify(&count);
    claim(is_woken(&t[0]) && is_woken(&t[1]) && ends(&t[0]) && ends(&t[1]),
          "a notification ends all waits");
    begin(&t[2], key);
    claim(ends(&t[2]), "also those that have not begun, with a key from before");
    claim(waits(&t[2]), "not with one from after it");
    drop(&t[2]);
}

static void cancel(void)
{
    struct turn t[2];

    begin(&t[0], rouse_event_count_key(&count));
    drop(&t[0]);
    (void)waits(&t[0]);
    (void)waits(&t[1]);
    drop(&t[0]);
    rouse_event_count_notify(&count);
    claim(!is_woken(&t[0]) && hand_waker_shares(&t[0].hand) == 0 && is_woken(&t[1]),
          "one that is dropped is forgotten, and the other notified");
    drop(&t[1]);
    (void)waits(&t[0]);
    drop(&t[0]);
    claim(waits(&t[1]), "the last one that is dropped does not end later waits");
    rouse_event_count_notify(&count);
    claim(is_woken(&t[1]) && ends(&t[1]), "nor keep them from being notified");
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;

    (void)waits(&t);
    claim(hand_waker_poll(&other, &t.wait.base) == ROUSE_PENDING && hand_waker_shares(&t.hand) == 0,
          "a poll gives the earlier waker back");
    rouse_event_count_notify(&count);
    claim(hand_waker_take(&other) && !is_woken(&t) && hand_waker_shares(&other) == 0,
          "and the last one is woken");
    drop(&t);
}

static void what_it_says(void)
{
    struct turn t;
    char text[80];

    (void)waits(&t);
    claim(rouse_future_describe(&t.wait.base, text, sizeof text) > 0 &&
              strstr(text, "a notification of event count ") == text,
          "a wait says for what");
    claim(rouse_future_cancel_kind(&t.wait.base) == ROUSE_CANCEL_TOTAL, "its cancel is total");
    drop(&t);
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

    begin(&first, rouse_event_count_key(&count));
    (void)meddler_poll(&meddler, &first.wait.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i]);
    rouse_event_count_notify(&count);
    for (int i = 0; i < CROWD; i++) ended += is_woken(&crowd[i]) && ends(&crowd[i]);
    claim(ended == CROWD, "a crowd is notified as a whole");
    claim(!is_woken(&latecomer), "without who comes meanwhile");
    rouse_event_count_notify(&count);
    claim(is_woken(&latecomer) && ends(&latecomer), "who is notified by the next one");
    drop(&first);
}

// ---- Threads ----

enum { THREADS = 4, ROUNDS = 2000 };

static _Atomic int level;

static void *wait_for_levels(void *arg)
{
    for (int i = 1; i <= ROUNDS; i++) {
        for (;;) {
            uint64_t key = rouse_event_count_key(&count);

            // Relaxed: the event count orders it.
            if (atomic_load_explicit(&level, memory_order_relaxed) >= i) break;
            if (rouse_event_count_wait(&count, key) < 0) abort();
        }
    }
    return arg;
}

static void threads(void)
{
    pthread_t ids[THREADS];

    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, wait_for_levels, NULL) != 0) exit(1);
    }
    for (int i = 0; i < ROUNDS; i++) {
        // Relaxed: as above.
        (void)atomic_fetch_add_explicit(&level, 1, memory_order_relaxed);
        rouse_event_count_notify(&count);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(ids[i], NULL);
    claim(true, "threads that wait for a condition see each change of it");
}

int main(void)
{
    struct rouse_event_count fresh = ROUSE_EVENT_COUNT_INIT;

    (void)alarm(120);  // a lost wake-up is an end by signal
    heap_watch();
    count = fresh;
    keys();
    long before = heap_counted();

    cancel();
    another_waker();
    what_it_says();
    a_crowd();
    claim(heap_counted() == before, "all that allocates nothing");
    threads();
    return claims_end();
}
