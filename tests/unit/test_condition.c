// SPDX-License-Identifier: MIT
//
// The condition variable, by hand: signals, cancel in every state, whose the mutex is; then in
// fibers that are aborted, and with threads.

#include <errno.h>
#include <pthread.h>
#include <rouse.h>
#include <stdatomic.h>
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

static struct rouse_condition condition;
static struct rouse_mutex mutex;

// A wait that is polled by hand.
struct turn {
    struct rouse_condition_wait wait;
    struct hand_waker hand;
};

// With the mutex locked.
static void begin(struct turn *t)
{
    *t = (struct turn){0};
    if (rouse_mutex_try_lock(&mutex) < 0) exit(1);
    rouse_condition_wait_init(&t->wait, &condition, &mutex);
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

static bool is_locked(void)
{
    return rouse_mutex_is_locked(&mutex);
}

// ---- Signals ----

static void signals(void)
{
    struct turn t[3];

    rouse_condition_signal(&condition);
    claim(waits(&t[0]), "a signal without a wait is lost");
    claim(!is_locked(), "a wait unlocks the mutex");
    (void)(waits(&t[1]) && waits(&t[2]));
    rouse_condition_signal(&condition);
    claim(is_woken(&t[0]) && !is_woken(&t[1]), "a signal is for the one who has waited longest");
    claim(ends(&t[0]) && is_locked(), "who has the mutex then");
    rouse_condition_broadcast(&condition);
    claim(is_woken(&t[1]) && is_woken(&t[2]), "a broadcast is for all");
    claim(!ends(&t[1]) && !ends(&t[2]), "who have to wait for the mutex");
    drop(&t[0]);
    claim(!is_locked() && is_woken(&t[1]) && ends(&t[1]),
          "an ended wait that is dropped unlocks it");
    rouse_condition_wait_take(&t[1].wait);
    drop(&t[1]);
    claim(is_locked(), "not if the lock was taken over");
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[2]) && ends(&t[2]), "one after the other");
    drop(&t[2]);
    claim(!is_locked(), "and it is unlocked in the end");
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;

    (void)waits(&t);
    claim(hand_waker_poll(&other, &t.wait.base) == ROUSE_PENDING && hand_waker_shares(&t.hand) == 0,
          "a poll gives the earlier waker back");
    rouse_condition_signal(&condition);
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
              strstr(text, "a signal of condition ") == text,
          "a wait says for what");
    claim(rouse_future_cancel_kind(&t.wait.base) == ROUSE_CANCEL_TERMINAL,
          "its cancel is terminal");
    rouse_condition_signal(&condition);
    if (rouse_mutex_try_lock(&mutex) < 0) exit(1);
    claim(!ends(&t) && rouse_future_describe(&t.wait.base, text, sizeof text) > 0 &&
              strstr(text, "mutex ") == text,
          "and that it is the mutex, when it is");
    drop(&t);
    rouse_mutex_unlock(&mutex);
}

static struct turn latecomer;

static void come_late_and_signal(void *arg)
{
    (void)arg;
    (void)waits(&latecomer);
    rouse_condition_signal(&condition);
}

static void a_signal_amid_a_broadcast(void)
{
    static struct turn crowd[CROWD];
    struct meddler meddler = {.meddle = come_late_and_signal};
    struct turn first;

    begin(&first);
    (void)meddler_poll(&meddler, &first.wait.base);
    for (int i = 0; i < CROWD; i++) (void)waits(&crowd[i]);
    rouse_condition_broadcast(&condition);
    claim(is_woken(&latecomer) && ends(&latecomer),
          "a signal is for who waits still when a crowd has been told");
    drop(&latecomer);
    drop(&first);
    for (int i = 0; i < CROWD; i++) drop(&crowd[i]);
    claim(!is_locked(), "and the mutex is free after that");
}

// ---- Cancel ----

static void cancel(void)
{
    struct turn t[3];

    begin(&t[0]);
    claim(is_locked(), "before its first poll the mutex is still locked");
    drop(&t[0]);
    claim(!is_locked(), "and unlocked by a drop then");
    (void)(waits(&t[0]) && waits(&t[1]) && waits(&t[2]));
    drop(&t[0]);
    rouse_condition_signal(&condition);
    claim(!is_woken(&t[0]) && is_woken(&t[1]), "one that is dropped gets no signal");
    drop(&t[1]);
    claim(is_woken(&t[2]), "one that is signalled and dropped hands it on");
    (void)waits(&t[0]);
    if (rouse_mutex_try_lock(&mutex) < 0) exit(1);
    claim(!ends(&t[2]), "signalled, it waits for the mutex");
    drop(&t[2]);
    claim(is_woken(&t[0]) && is_locked(), "and dropped there it hands the signal on, too");
    rouse_mutex_unlock(&mutex);
    claim(ends(&t[0]), "nothing is lost");
    drop(&t[0]);
    (void)(waits(&t[0]) && waits(&t[1]));
    rouse_condition_broadcast(&condition);
    (void)waits(&t[2]);
    drop(&t[0]);
    claim(!is_woken(&t[2]), "a broadcast is not handed on");
    drop(&t[1]);
    drop(&t[2]);
    claim(!is_locked(), "and the mutex is free after that");
}

// ---- In fibers ----

// Relaxed, all: the mutex, or the join, orders what comes with it.
static atomic_bool has_begun;

static int wait_and_unlock(void *arg)
{
    bool *had_it = arg;

    if (rouse_mutex_lock(&mutex) < 0) return -EIO;
    atomic_store_explicit(&has_begun, true, memory_order_relaxed);
    int err = rouse_condition_wait(&condition, &mutex);

    *had_it = is_locked();
    rouse_mutex_unlock(&mutex);
    return err;
}

static int wait_when_cancelled(void *arg)
{
    bool *had_it = arg;

    if (rouse_mutex_lock(&mutex) < 0) return -EIO;
    atomic_store_explicit(&has_begun, true, memory_order_relaxed);
    if (rouse_sleep(ROUSE_NEVER) != -ECANCELED) return -EIO;
    int err = rouse_condition_wait(&condition, &mutex);

    *had_it = is_locked();
    rouse_mutex_unlock(&mutex);
    return err;
}

// Until it has had the mutex.
static void start(struct rouse_join_handle *handle, rouse_fiber_function fn, bool *had_it)
{
    *had_it = false;
    atomic_store_explicit(&has_begun, false, memory_order_relaxed);
    if (rouse_spawn(handle, fn, had_it) < 0) exit(1);
    while (!atomic_load_explicit(&has_begun, memory_order_relaxed)) {
        (void)rouse_sleep(ROUSE_NS_PER_MS);
    }
}

// Until it has given it up to wait: we have the mutex then.
static void start_wait(struct rouse_join_handle *handle, bool *had_it)
{
    start(handle, wait_and_unlock, had_it);
    if (rouse_mutex_lock(&mutex) < 0) exit(1);
}

static int fibers(void *arg)
{
    struct rouse_join_handle handle;
    bool had_it;

    (void)arg;
    start_wait(&handle, &had_it);
    rouse_mutex_unlock(&mutex);
    claim(rouse_abort_and_wait(&handle) == -ECANCELED && had_it && !is_locked(),
          "a wait that is cancelled has the mutex again");
    start(&handle, wait_when_cancelled, &had_it);
    claim(rouse_abort_and_wait(&handle) == -ECANCELED && had_it && !is_locked(),
          "so has one in a fiber that was cancelled before");
    start_wait(&handle, &had_it);
    rouse_abort(&handle);
    (void)rouse_sleep(2 * ROUSE_NS_PER_MS);
    claim(!had_it, "it waits for the mutex if another has it");
    rouse_mutex_unlock(&mutex);
    claim(rouse_join(&handle) == -ECANCELED && had_it, "in spite of its cancel");
    return 0;
}

// ---- Threads ----

enum { THREADS = 4, ITEMS = 4000 };

static int items;  // under the mutex, as the next ones
static int taken;

static void *take_items(void *arg)
{
    (void)arg;
    for (int i = 0; i < ITEMS; i++) {
        if (rouse_mutex_lock(&mutex) < 0) abort();
        while (items == 0) {
            if (rouse_condition_wait(&condition, &mutex) < 0) abort();
        }
        items--;
        taken++;
        rouse_mutex_unlock(&mutex);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[THREADS];

    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, take_items, NULL) != 0) exit(1);
    }
    for (int i = 0; i < THREADS * ITEMS; i++) {
        if (rouse_mutex_lock(&mutex) < 0) abort();
        items++;
        rouse_mutex_unlock(&mutex);
        rouse_condition_signal(&condition);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(ids[i], NULL);
    claim(items == 0 && taken == THREADS * ITEMS, "threads that wait for items get each of them");
}

static void take_early(void *arg)
{
    struct turn t;

    (void)arg;
    begin(&t);
    rouse_condition_wait_take(&t.wait);
}

int main(void)
{
    struct rouse_condition fresh = ROUSE_CONDITION_INIT;

    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(take_early, NULL, "await it first"), "a take before the end is stopped");
    heap_watch();
    long before = heap_counted();

    condition = fresh;
    signals();
    another_waker();
    what_it_says();
    a_signal_amid_a_broadcast();
    cancel();
    claim(heap_counted() == before, "all that allocates nothing");
    if (rouse_run(fibers, NULL) != 0) return 1;
    rouse_condition_init(&condition);
    rouse_mutex_init(&mutex);
    threads();
    return claims_end();
}
