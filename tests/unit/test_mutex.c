// SPDX-License-Identifier: MIT
//
// The mutex, by hand on a virtual clock: order, cancel in every state, who may barge and for how
// often and how long, for whom it is kept; then with tasks and threads.

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
#include "sync/mutex.h"

#define MS ROUSE_NS_PER_MS

// A lock that is polled by hand.
struct turn {
    struct rouse_mutex_lock lock;
    struct hand_waker hand;
};

static struct rouse_mutex mutex;

static void begin(struct turn *t)
{
    *t = (struct turn){0};
    rouse_mutex_lock_init(&t->lock, &mutex);
}

static bool locks(struct turn *t)
{
    return hand_waker_poll(&t->hand, &t->lock.base) == ROUSE_READY;
}

static bool is_woken(struct turn *t)
{
    return hand_waker_take(&t->hand);
}

static void drop(struct turn *t)
{
    rouse_future_drop(&t->lock.base);
}

// True if nothing of it is left anywhere.
static bool is_gone(struct turn *t)
{
    return hand_waker_shares(&t->hand) == 0;
}

// A locked mutex, for which `count` wait.
static bool queue_up(struct turn *turns, int count)
{
    bool pending = true;

    rouse_mutex_init(&mutex);
    bool locked = rouse_mutex_try_lock(&mutex) == 0;

    for (int i = 0; i < count; i++) {
        begin(&turns[i]);
        pending = pending && !locks(&turns[i]);
    }
    return locked && pending;
}

// The first one is woken, and comes too late, as often as it may. The mutex is locked.
static bool comes_too_late(struct turn *first)
{
    bool late = true;

    for (int i = 0; i < RS_MUTEX_VAIN_MAX; i++) {
        rouse_mutex_unlock(&mutex);
        late = late && is_woken(first) && rouse_mutex_try_lock(&mutex) == 0 && !locks(first);
    }
    return late;
}

// Free, and nobody waits.
static bool is_idle(void)
{
    if (rouse_mutex_is_locked(&mutex) || rouse_mutex_try_lock(&mutex) != 0) return false;
    rouse_mutex_unlock(&mutex);
    return mutex.word == 0 && mutex.waiters.first == NULL;
}

// ---- Lock and unlock ----

static void a_free_mutex(void)
{
    struct rouse_mutex fresh = ROUSE_MUTEX_INIT;
    struct turn t;

    mutex = fresh;
    claim(is_idle(), "an initialized mutex is free");
    begin(&t);
    claim(locks(&t) && rouse_mutex_is_locked(&mutex), "a lock of a free mutex ends at once");
    claim(rouse_mutex_try_lock(&mutex) == -EAGAIN, "a try does not wait");
    rouse_mutex_lock_take(&t.lock);
    drop(&t);
    claim(rouse_mutex_is_locked(&mutex), "a lock that was taken over outlives its future");
    rouse_mutex_unlock(&mutex);
    claim(is_idle() && is_gone(&t), "and ends by an unlock");
}

static void the_order(void)
{
    struct turn t[3];
    bool in_order = queue_up(t, 3);

    for (int i = 0; i < 3; i++) {
        rouse_mutex_unlock(&mutex);
        for (int j = 0; j < 3; j++) in_order = in_order && is_woken(&t[j]) == (i == j);
        in_order = in_order && locks(&t[i]) && is_gone(&t[i]);
    }
    rouse_mutex_unlock(&mutex);
    claim(in_order && is_idle(), "an unlock wakes one, in the order of arrival");
}

static void another_waker(void)
{
    struct hand_waker other = {0};
    struct turn t;

    (void)queue_up(&t, 1);
    claim(hand_waker_poll(&other, &t.lock.base) == ROUSE_PENDING && is_gone(&t),
          "a poll gives the earlier waker back");
    rouse_mutex_unlock(&mutex);
    claim(hand_waker_take(&other) && !is_woken(&t) && hand_waker_shares(&other) == 0,
          "and the last one is woken");
    drop(&t);
    claim(is_idle(), "a drop leaves nothing");
}

static void what_it_says(void)
{
    struct turn t;
    char text[80];

    (void)queue_up(&t, 1);
    claim(rouse_future_describe(&t.lock.base, text, sizeof text) > 0 &&
              strncmp(text, "mutex ", 6) == 0,
          "a waiting lock describes itself");
    claim(rouse_future_cancel_kind(&t.lock.base) == ROUSE_CANCEL_TOTAL, "its cancel is total");
    drop(&t);
}

// ---- Cancel ----

static void drop_unpolled(void)
{
    struct turn t;

    rouse_mutex_init(&mutex);
    begin(&t);
    drop(&t);
    claim(is_idle(), "dropped before its first poll, a lock has done nothing");
}

static void drop_queued(void)
{
    struct turn t[3];

    (void)queue_up(t, 3);
    drop(&t[1]);
    claim(is_gone(&t[1]) && !is_woken(&t[0]) && !is_woken(&t[2]),
          "dropped in the queue, it wakes nobody");
    drop(&t[0]);
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[2]) && locks(&t[2]), "and those behind move up");
    rouse_mutex_unlock(&mutex);
    claim(is_idle(), "to the last");
}

static void drop_woken(void)
{
    struct turn t[2];

    (void)queue_up(t, 2);
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[0]), "the first is woken");
    drop(&t[0]);
    claim(is_woken(&t[1]) && locks(&t[1]), "and dropped, the next is");
    rouse_mutex_unlock(&mutex);

    (void)queue_up(t, 2);
    rouse_mutex_unlock(&mutex);
    claim(rouse_mutex_try_lock(&mutex) == 0, "a free mutex is locked by whoever is there");
    drop(&t[0]);
    claim(!is_woken(&t[1]), "but not while another holds the mutex");
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[1]) && locks(&t[1]), "whose unlock does it then");
    rouse_mutex_unlock(&mutex);
}

static void drop_heir(void)
{
    struct turn t[3];

    (void)queue_up(t, 3);
    (void)comes_too_late(&t[0]);
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[0]) && rouse_mutex_try_lock(&mutex) == -EAGAIN, "kept for the first");
    drop(&t[0]);
    claim(is_woken(&t[1]) && rouse_mutex_try_lock(&mutex) == -EAGAIN && !locks(&t[2]),
          "who is dropped, it is kept for the second");
    claim(locks(&t[1]), "who locks it");
    drop(&t[1]);
    drop(&t[2]);
    claim(is_idle() && is_gone(&t[2]), "the last heir that is dropped leaves it free for all");
}

static void drop_ended(void)
{
    struct turn t[2];

    (void)queue_up(t, 2);
    rouse_mutex_unlock(&mutex);
    claim(locks(&t[0]), "locked by the first");
    drop(&t[0]);
    claim(is_woken(&t[1]) && locks(&t[1]), "who drops the untaken lock, which unlocks it");
    drop(&t[1]);
    claim(is_idle(), "as does the last");
}

// ---- Fairness ----

static void barging(void)
{
    struct turn t;

    (void)queue_up(&t, 1);
    claim(comes_too_late(&t), "some times others may be faster");
    rouse_mutex_unlock(&mutex);
    claim(rouse_mutex_try_lock(&mutex) == -EAGAIN && !rouse_mutex_is_locked(&mutex),
          "after that the mutex is kept for the one who waits");
    claim(is_woken(&t) && locks(&t), "who gets it");
    rouse_mutex_unlock(&mutex);
    claim(is_idle(), "and it is for all again");
}

// One that was woken is on its way: whoever barges in meanwhile wakes nobody.
static void barging_before_a_look(void)
{
    struct turn t[2];
    bool quiet = true;

    (void)queue_up(t, 2);
    rouse_mutex_unlock(&mutex);
    bool woken = is_woken(&t[0]);

    for (int i = 0; i < 2 * RS_MUTEX_VAIN_MAX; i++) {
        quiet = quiet && rouse_mutex_try_lock(&mutex) == 0;
        rouse_mutex_unlock(&mutex);
        quiet = quiet && !is_woken(&t[0]) && !is_woken(&t[1]);
    }
    claim(woken && quiet, "one that was woken is not woken again before it looks");
    claim(locks(&t[0]), "and gets the mutex when it does");
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[1]) && locks(&t[1]), "as does the next");
    rouse_mutex_unlock(&mutex);
}

// Where tasks wait for their turn on a worker for longer than that, it must go on all the same.
static void a_late_heir(void)
{
    struct turn t[3];

    (void)queue_up(t, 3);
    (void)comes_too_late(&t[0]);
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[0]) && !locks(&t[2]) && !is_woken(&t[1]), "the mutex is kept for the first");
    rouse_clock_advance(MS - 1);
    claim(!locks(&t[2]), "for a millisecond from the first look on");
    rouse_clock_advance(1);
    claim(locks(&t[2]), "then for whoever looks");
    claim(!locks(&t[0]), "and not for the first any more");
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[0]) && !locks(&t[1]) && locks(&t[0]), "who is the next heir again");
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t[1]) && locks(&t[1]), "and then the second is");
    rouse_mutex_unlock(&mutex);
    claim(is_idle(), "to the end");
}

// The one for whom it is kept is not polled any more.
static void an_absent_heir(void)
{
    struct turn t;
    struct turn late;

    (void)queue_up(&t, 1);
    (void)comes_too_late(&t);
    rouse_mutex_unlock(&mutex);
    begin(&late);
    claim(!locks(&late), "kept for one who is not there");
    rouse_clock_advance(MS);
    claim(locks(&late), "a mutex goes to who comes after a millisecond");
    drop(&late);
    claim(rouse_mutex_try_lock(&mutex) == 0, "and to all until that one has looked");
    claim(!locks(&t), "in vain once more");
    rouse_mutex_unlock(&mutex);
    claim(rouse_mutex_try_lock(&mutex) == -EAGAIN, "then it is kept again");
    rouse_clock_advance(MS);
    claim(rouse_mutex_try_lock(&mutex) == 0, "and goes to who tries after a millisecond, too");
    rouse_mutex_unlock(&mutex);
    drop(&t);
    claim(is_idle(), "nothing is left of it");
}

// ---- The patrol ----

// Turns until the clock stands at `until_ns`.
static void turn_until(struct rouse_driver *driver, uint64_t until_ns)
{
    while (rouse_now_ns() < until_ns) {
        rouse_clock_advance(until_ns - rouse_now_ns());
        (void)rouse_driver_turn(driver, 0);
    }
}

static void a_patrol_by_hand(void)
{
    struct rouse_driver *driver;
    struct turn t[2];

    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    (void)queue_up(t, 2);
    (void)hand_waker_poll_under(&t[1].hand, &t[1].lock.base, driver);
    rouse_mutex_unlock(&mutex);
    claim(!is_woken(&t[1]), "the second one is not woken");
    turn_until(driver, rouse_now_ns() + MS);
    claim(is_woken(&t[1]) &&
              hand_waker_poll_under(&t[1].hand, &t[1].lock.base, driver) == ROUSE_READY,
          "but looks after the first within a millisecond, also if it had no driver at first");
    rouse_mutex_unlock(&mutex);
    drop(&t[0]);
    rouse_driver_free(driver);
    claim(is_idle() && is_gone(&t[0]) && is_gone(&t[1]), "nothing is left of the patrol");
}

static void an_old_waiter(void)
{
    struct rouse_driver *driver;
    struct turn t;

    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    (void)queue_up(&t, 1);
    (void)hand_waker_poll_under(&t.hand, &t.lock.base, driver);
    turn_until(driver, rouse_now_ns() + MS);
    (void)is_woken(&t);
    (void)hand_waker_poll_under(&t.hand, &t.lock.base, driver);
    rouse_mutex_unlock(&mutex);
    claim(is_woken(&t) && rouse_mutex_try_lock(&mutex) == 0,
          "one who has waited for a millisecond is woken, and others may still be faster");
    claim(hand_waker_poll_under(&t.hand, &t.lock.base, driver) == ROUSE_PENDING, "but once");
    rouse_mutex_unlock(&mutex);
    claim(rouse_mutex_try_lock(&mutex) == -EAGAIN, "then the mutex is kept for him");
    claim(is_woken(&t) && locks(&t), "and who then locks it");
    rouse_mutex_unlock(&mutex);
    rouse_driver_free(driver);
    claim(is_idle(), "to the end");
}

static void patience(void)
{
    struct rouse_driver *driver;
    struct turn t;
    int looks = 0;

    if (rouse_driver_new(&driver, NULL) < 0) exit(1);
    (void)queue_up(&t, 1);
    (void)hand_waker_poll_under(&t.hand, &t.lock.base, driver);
    for (int i = 0; i < 1000; i++) {
        turn_until(driver, rouse_now_ns() + MS);
        if (!is_woken(&t)) continue;
        (void)hand_waker_poll_under(&t.hand, &t.lock.base, driver);
        looks++;
    }
    claim(looks >= 10 && looks <= 20, "who waits for long looks ever more seldom, but looks");
    rouse_mutex_unlock(&mutex);
    drop(&t);
    rouse_driver_free(driver);
}

static int lock_and_unlock(void *arg)
{
    int err = rouse_mutex_lock(&mutex);

    (void)arg;
    if (err == 0) rouse_mutex_unlock(&mutex);
    return err;
}

// The mutex is held for `held_ns` while one that nobody polls, and then a task, wait for it. The
// task gets it after twice that time at most.
static bool task_gets_past(uint64_t held_ns)
{
    struct rouse_join_handle handle;
    struct turn dead;

    (void)queue_up(&dead, 1);
    if (rouse_spawn(&handle, lock_and_unlock, NULL) < 0) return false;
    (void)rouse_sleep(held_ns);
    uint64_t start_ns = rouse_now_ns();

    rouse_mutex_unlock(&mutex);
    bool locked = rouse_join(&handle) == 0 && rouse_now_ns() - start_ns <= held_ns + 2 * MS;

    drop(&dead);
    return locked && is_idle();
}

static int tasks(void *arg)
{
    (void)arg;
    claim(task_gets_past(MS / 2), "a task gets past a waiter that was woken and is not polled");
    claim(task_gets_past(10 * MS), "and past one for whom the mutex is kept");
    return 0;
}

// ---- Threads ----

enum { THREADS = 4, ROUNDS = 5000 };

static int counter;  // plain: under the mutex

static void *add(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (rouse_mutex_lock(&mutex) < 0) abort();
        counter++;
        rouse_mutex_unlock(&mutex);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t ids[THREADS];

    rouse_mutex_init(&mutex);
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&ids[i], NULL, add, NULL) != 0) exit(1);
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(ids[i], NULL);
    claim(counter == THREADS * ROUNDS && is_idle(), "plain threads exclude each other");
}

// ---- Cost and misuse ----

static void cost(void)
{
    struct turn t[2];
    long before = heap_counted();

    (void)queue_up(t, 2);
    rouse_mutex_unlock(&mutex);
    (void)locks(&t[0]);
    drop(&t[0]);
    (void)locks(&t[1]);
    drop(&t[1]);
    claim(heap_counted() == before, "a mutex allocates nothing");
}

static void unlock_free(void *arg)
{
    (void)arg;
    rouse_mutex_init(&mutex);
    rouse_mutex_unlock(&mutex);
}

static void take_early(void *arg)
{
    struct turn t;

    (void)arg;
    begin(&t);
    rouse_mutex_lock_take(&t.lock);
}

int main(void)
{
    (void)alarm(120);  // a lost wake-up is an end by signal
    claim(panics(unlock_free, NULL, "lock it first"), "an unlock of a free mutex is stopped");
    claim(panics(take_early, NULL, "await it first"), "so is a take before the end");
    rouse_clock_use_virtual(ROUSE_NS_PER_S);
    heap_watch();
    a_free_mutex();
    the_order();
    another_waker();
    what_it_says();
    drop_unpolled();
    drop_queued();
    drop_woken();
    drop_heir();
    drop_ended();
    barging();
    barging_before_a_look();
    a_late_heir();
    an_absent_heir();
    a_patrol_by_hand();
    an_old_waiter();
    patience();
    cost();
    if (rouse_run_with(tasks, NULL,
                       &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                       .workers = 1}) != 0) {
        return 1;
    }
    threads();
    return claims_end();
}
