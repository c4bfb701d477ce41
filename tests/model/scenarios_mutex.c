// SPDX-License-Identifier: MIT
//
// The mutex: exclusion of a plain counter, cancel in every position, who may lock it once it is
// kept, and that its memory may go as soon as the last one to lock it has unlocked it. There is no
// driver, so nobody looks after those in front: each wake counts. The clock is virtual.

#include <errno.h>
#include <rouse/clock.h>

#include "sync/mutex.h"
#include "wait.h"

enum { LOCKERS = 4 };

struct locker {
    struct rouse_mutex_lock lock;
    struct model_waker waker;
    struct model_waker other;  // of a later poll
};

static struct rouse_mutex *mutex;
static struct locker lockers[LOCKERS];  // one for each thread
static int counter;                     // plain: under the mutex
static int parties;                     // the one who counts to this is the last

static void begin(void)
{
    rouse_clock_use_virtual(ROUSE_NS_PER_S);
    mutex = model_alloc(sizeof *mutex);
    rouse_mutex_init(mutex);
    counter = 0;
    for (unsigned i = 0; i < LOCKERS; i++) {
        lockers[i].waker = (struct model_waker){.thread = i + 1};
        lockers[i].other = (struct model_waker){.thread = i + 1};
        rouse_mutex_lock_init(&lockers[i].lock, mutex);
    }
    model_name(&mutex->word, sizeof mutex->word, "word");
    model_name(&mutex->waiters.lock, sizeof mutex->waiters.lock, "queue lock");
}

static struct locker *mine(void)
{
    return &lockers[model_self() - 1];
}

static bool look(struct locker *l)
{
    return poll_with(&l->lock.base, &l->waker, NULL) == ROUSE_READY;
}

static void check(void)
{
    for (int i = 0; i < LOCKERS; i++) {
        claim_dropped(&lockers[i].waker);
        claim_dropped(&lockers[i].other);
    }
}

static void check_free(void)
{
    model_claim(mutex->word == 0 && mutex->waiters.first == NULL, "a mutex is free in the end");
    model_free(mutex);
    check();
}

// Locked, and the first `count` wait, in order.
static void begin_locked(int count)
{
    begin();
    model_claim(rouse_mutex_try_lock(mutex) == 0, "a new mutex is free");
    for (int i = 0; i < count; i++) {
        model_claim(!look(&lockers[i]), "a locked mutex is waited for");
    }
}

static void make_two(void)
{
    begin();
    parties = 2;
}

static void make_three(void)
{
    begin();
    parties = 3;
}

static void make_queue(void)
{
    begin_locked(2);
    parties = 2;
}

// The first one has been woken in vain as often as he may: the mutex will be kept for him.
static void come_too_late(void)
{
    for (int i = 0; i < RS_MUTEX_VAIN_MAX; i++) {
        rouse_mutex_unlock(mutex);
        model_claim(rouse_mutex_try_lock(mutex) == 0, "at first who is there may lock it");
        model_claim(model_waker_take(&lockers[0].waker) && !look(&lockers[0]), "before who waits");
    }
}

static void make_due_queue(void)
{
    make_queue();
    come_too_late();
}

static void make_due_waiter(void)
{
    begin_locked(1);
    parties = 1;
    come_too_late();
}

// ---- Threads ----

static void count_and_unlock(void)
{
    bool last = ++counter == parties;

    rouse_mutex_unlock(mutex);
    if (last) model_free(mutex);
}

static void lock(void)
{
    wait_for(&mine()->lock.base, &mine()->waker, NULL);
    count_and_unlock();
}

// Its mutex is freed by the check.
static void lock_and_stay(void)
{
    wait_for(&mine()->lock.base, &mine()->waker, NULL);
    counter++;
    rouse_mutex_unlock(mutex);
}

static void unlock(void)
{
    rouse_mutex_unlock(mutex);
}

static void try_to_lock(void)
{
    if (rouse_mutex_try_lock(mutex) == 0) {
        counter++;
        rouse_mutex_unlock(mutex);
    }
}

static void try_twice(void)
{
    try_to_lock();
    try_to_lock();
}

static void drop(void)
{
    rouse_future_drop(&mine()->lock.base);
}

// Also if it has the lock.
static void look_and_drop(void)
{
    if (look(mine())) counter++;
    drop();
}

static void lock_with_other_waker(void)
{
    struct locker *l = mine();

    while (poll_with(&l->lock.base, &l->other, NULL) == ROUSE_PENDING) {
        while (!model_waker_take(&l->other)) model_park();
    }
    count_and_unlock();
}

// ---- Alone ----

// Kept for the first one, who is not there.
static void get_past(void)
{
    struct locker *third = &lockers[2];

    rouse_mutex_unlock(mutex);
    model_claim(rouse_mutex_try_lock(mutex) == -EAGAIN && !look(third), "a mutex is kept");
    rouse_clock_advance(ROUSE_NS_PER_MS);
    model_claim(look(third), "but not for longer than a millisecond");
    rouse_future_drop(&third->lock.base);
    model_claim(rouse_mutex_try_lock(mutex) == 0, "and not again before he has looked");
    model_claim(!look(&lockers[0]), "which he does");
    rouse_mutex_unlock(mutex);
    model_claim(rouse_mutex_try_lock(mutex) == -EAGAIN, "then it is kept again");
    rouse_clock_advance(ROUSE_NS_PER_MS);
    model_claim(rouse_mutex_try_lock(mutex) == 0, "and may be tried for after a while, too");
    rouse_future_drop(&lockers[0].lock.base);
    rouse_future_drop(&lockers[1].lock.base);
    rouse_mutex_unlock(mutex);
}

// Who comes after the heir has locked it does not wait for an heir.
static void come_after(void)
{
    rouse_mutex_unlock(mutex);
    model_claim(look(&lockers[0]) && !look(&lockers[1]), "the heir locks it, and the next waits");
    rouse_future_drop(&lockers[0].lock.base);
    model_claim(rouse_mutex_try_lock(mutex) == 0, "for whom it is not kept at once");
    rouse_mutex_unlock(mutex);
    model_claim(look(&lockers[1]), "and who then locks it");
    rouse_future_drop(&lockers[1].lock.base);
}

static void barge_in(void)
{
    come_too_late();
    rouse_mutex_unlock(mutex);
    model_claim(rouse_mutex_try_lock(mutex) == -EAGAIN, "later not");
    model_claim(look(&lockers[0]), "and who waits can");
    rouse_future_drop(&lockers[0].lock.base);
    rouse_future_drop(&lockers[1].lock.base);
}

const struct model_scenario model_mutex_scenarios[] = {
    {.name = "mutex_two",
     .about = "two exclude each other, and the last one may free the mutex",
     .setup = make_two,
     .threads = {lock, lock},
     .check = check},
    {.name = "mutex_three",
     .about = "three do, and none is left asleep",
     .setup = make_three,
     .threads = {lock, lock, lock},
     .check = check},
    {.name = "mutex_barge",
     .about = "who tries excludes those who wait, and they are woken all the same",
     .setup = make_two,
     .threads = {lock_and_stay, lock_and_stay, try_to_lock},
     .check = check_free},
    {.name = "mutex_queue",
     .about = "those who wait lock it one after the other",
     .setup = make_queue,
     .threads = {lock, lock, unlock},
     .check = check},
    {.name = "mutex_kept",
     .about = "so they do when it is kept for them",
     .setup = make_due_queue,
     .threads = {lock, lock, unlock},
     .check = check},
    {.name = "mutex_kept_for_one",
     .about = "or for the only one",
     .setup = make_due_waiter,
     .threads = {lock, unlock},
     .check = check},
    {.name = "mutex_kept_against_try",
     .about = "while others try",
     .setup = make_due_queue,
     .threads = {lock_and_stay, lock_and_stay, unlock, try_to_lock},
     .check = check_free},
    {.name = "mutex_queue_against_try",
     .about = "and so they do while others barge in before one that was woken",
     .setup = make_queue,
     .threads = {lock_and_stay, lock_and_stay, unlock, try_twice},
     .check = check_free},
    {.name = "mutex_drop",
     .about = "a waiter that is dropped when it is woken lets the next one be woken",
     .setup = make_queue,
     .threads = {drop, lock_and_stay, unlock},
     .check = check_free},
    {.name = "mutex_drop_heir",
     .about = "one that is dropped when the mutex is kept for it leaves it to the next",
     .setup = make_due_queue,
     .threads = {drop, lock_and_stay, unlock},
     .check = check_free},
    {.name = "mutex_drop_last",
     .about = "or for all, if there is none",
     .setup = make_due_waiter,
     .threads = {drop, lock_and_stay, unlock},
     .check = check_free},
    {.name = "mutex_look_and_drop",
     .about = "one that is dropped wherever it is loses nothing",
     .setup = make_queue,
     .threads = {look_and_drop, lock_and_stay, unlock},
     .check = check_free},
    {.name = "mutex_drop_against_barge",
     .about = "also while another has barged in",
     .setup = make_queue,
     .threads = {drop, lock_and_stay, unlock, try_to_lock},
     .check = check_free},
    {.name = "mutex_other_waker",
     .about = "of two wakers the last one is woken",
     .setup = make_due_waiter,
     .threads = {lock_with_other_waker, unlock},
     .check = check},
    {.name = "mutex_absent_heir",
     .about = "an heir who does not come is passed over",
     .setup = make_due_queue,
     .threads = {get_past},
     .check = check_free},
    {.name = "mutex_after_heir",
     .about = "an heir who has come is none any more",
     .setup = make_due_waiter,
     .threads = {come_after},
     .check = check_free},
    {.name = "mutex_patience",
     .about = "others may lock it first, so many times",
     .setup = make_queue,
     .threads = {barge_in},
     .check = check_free},
    {.name = NULL},
};
