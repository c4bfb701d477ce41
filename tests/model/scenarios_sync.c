// SPDX-License-Identifier: MIT
//
// Once, the condition variable and the barrier: no wake is lost, also against cancel, and what came
// before is seen.

#include <rouse/barrier.h>
#include <rouse/condition.h>
#include <rouse/once.h>

#include "wakers.h"

static int data;  // plain: ordered by what is waited for

static void begin(void)
{
    wakers_make();
    data = 0;
}

// ---- Once ----

static struct rouse_once once;
static struct rouse_once_enter enters[WAITERS];
static _Atomic int failures;  // to come

static void once_make(void)
{
    begin();
    once = (struct rouse_once)ROUSE_ONCE_INIT;
    // Relaxed: no thread has begun.
    atomic_store_explicit(&failures, 0, memory_order_relaxed);
    for (int i = 0; i < WAITERS; i++) rouse_once_enter_init(&enters[i], &once);
    model_name(&once.word, sizeof once.word, "once");
}

static void once_make_failing(void)
{
    once_make();
    // Relaxed: no thread has begun.
    atomic_store_explicit(&failures, 1, memory_order_relaxed);
}

// The first two wait for the one who sets up.
static void once_make_queue(void)
{
    once_make();
    (void)poll_with(&enters[3].base, &wakers[3], NULL);
    rouse_once_enter_take(&enters[3]);
    (void)poll_with(&enters[0].base, &wakers[0], NULL);
    (void)poll_with(&enters[1].base, &wakers[1], NULL);
}

static void once_call(void)
{
    struct rouse_once_enter *enter = &enters[model_self() - 1];

    wait_for(&enter->base, my_waker(), NULL);
    if (enter->output == 1) {
        // Relaxed: the turn orders it.
        bool fails = atomic_fetch_sub_explicit(&failures, 1, memory_order_relaxed) > 0;

        rouse_once_enter_take(enter);
        data++;
        rouse_once_leave(&once, !fails);
        return;
    }
    model_claim(data > 0, "what was done is seen");
}

// Sees it without a wait.
static void once_look(void)
{
    if (rouse_once_is_done(&once)) model_claim(data == 1, "what was done is seen by a look");
}

static void once_drop(void)
{
    rouse_future_drop(&enters[model_self() - 1].base);
}

static void once_fail(void)
{
    rouse_once_leave(&once, false);
}

static void once_check(void)
{
    model_claim(data == 1 && rouse_once_is_done(&once), "it is done once");
    wakers_check();
}

// The one who failed may have been the only one to try.
static void once_check_failing(void)
{
    model_claim(data == 2 && rouse_once_is_done(&once), "after a failure it is tried again");
    wakers_check();
}

// ---- Condition ----

static struct rouse_condition condition;
static struct rouse_mutex mutex;
static struct rouse_condition_wait condition_waits[WAITERS];
static struct rouse_mutex_lock locks[WAITERS];
static int items;  // plain: under the mutex

static void condition_make(void)
{
    begin();
    rouse_condition_init(&condition);
    rouse_mutex_init(&mutex);
    items = 0;
}

static void condition_wait_begin(int i)
{
    model_claim(rouse_mutex_try_lock(&mutex) == 0, "the mutex is free");
    rouse_condition_wait_init(&condition_waits[i], &condition, &mutex);
    (void)poll_with(&condition_waits[i].base, &wakers[i], NULL);
}

static void condition_make_queue(void)
{
    condition_make();
    condition_wait_begin(0);
    condition_wait_begin(1);
}

// Signalled, the first waits for the mutex, and another task behind it.
static void condition_make_relocking(void)
{
    condition_make();
    condition_wait_begin(0);
    model_claim(rouse_mutex_try_lock(&mutex) == 0, "the mutex is free");
    rouse_condition_signal(&condition);
    (void)poll_with(&condition_waits[0].base, &wakers[0], NULL);
    rouse_mutex_lock_init(&locks[1], &mutex);
    (void)poll_with(&locks[1].base, &wakers[1], NULL);
}

static void lock_on(void)
{
    wait_for(&locks[model_self() - 1].base, my_waker(), NULL);
    items++;
    rouse_mutex_unlock(&mutex);
}

static void unlock(void)
{
    rouse_mutex_unlock(&mutex);
}

static void lock(void)
{
    struct rouse_mutex_lock *l = &locks[model_self() - 1];

    rouse_mutex_lock_init(l, &mutex);
    wait_for(&l->base, my_waker(), NULL);
}

static void take_item(void)
{
    struct rouse_condition_wait *wait = &condition_waits[model_self() - 1];

    lock();
    while (items == 0) {
        rouse_condition_wait_init(wait, &condition, &mutex);
        wait_for(&wait->base, my_waker(), NULL);
    }
    items--;
    rouse_mutex_unlock(&mutex);
}

static void add_item(void)
{
    lock();
    items++;
    rouse_mutex_unlock(&mutex);
    rouse_condition_signal(&condition);
}

static void condition_wait_on(void)
{
    wait_for(&condition_waits[model_self() - 1].base, my_waker(), NULL);
    items++;
    rouse_mutex_unlock(&mutex);
}

static void condition_drop(void)
{
    rouse_future_drop(&condition_waits[model_self() - 1].base);
}

static void condition_look_and_drop(void)
{
    struct rouse_future *wait = &condition_waits[model_self() - 1].base;
    bool was_signalled = poll_with(wait, my_waker(), NULL) == ROUSE_READY;

    rouse_future_drop(wait);
    if (was_signalled) rouse_condition_signal(&condition);
}

static void condition_signal(void)
{
    rouse_condition_signal(&condition);
}

static void condition_broadcast(void)
{
    rouse_condition_broadcast(&condition);
}

static void condition_check(void)
{
    model_claim(mutex.word == 0 && condition.waiters.first == NULL, "nobody waits for anything");
    wakers_check();
}

// ---- Barrier ----

static struct rouse_barrier barrier;
static struct rouse_barrier_wait barrier_waits[WAITERS];
static int slots[WAITERS];  // plain: between two waits

static void barrier_make(void)
{
    begin();
    rouse_barrier_init(&barrier, 2);
    for (int i = 0; i < WAITERS; i++) slots[i] = 0;
}

// The first has come.
static void barrier_make_waiter(void)
{
    barrier_make();
    rouse_barrier_wait_init(&barrier_waits[0], &barrier);
    (void)poll_with(&barrier_waits[0].base, &wakers[0], NULL);
}

// All but one have come.
static void barrier_make_crowd(void)
{
    barrier_make();
    rouse_barrier_init(&barrier, 4);
    for (int i = 0; i < 3; i++) {
        rouse_barrier_wait_init(&barrier_waits[i], &barrier);
        (void)poll_with(&barrier_waits[i].base, &wakers[i], NULL);
    }
}

static int barrier_pass(void)
{
    struct rouse_barrier_wait *wait = &barrier_waits[model_self() - 1];

    rouse_barrier_wait_init(wait, &barrier);
    wait_for(&wait->base, my_waker(), NULL);
    return wait->output;
}

static void barrier_exchange(void)
{
    unsigned me = model_self() - 1;

    for (int i = 1; i <= 2; i++) {
        slots[me] = i;
        (void)barrier_pass();
        model_claim(slots[1 - me] == i, "what came before a barrier is seen after it");
        (void)barrier_pass();
    }
}

static void barrier_drop(void)
{
    rouse_future_drop(&barrier_waits[model_self() - 1].base);
}

// Is the last, or the first of the next two.
static void barrier_look_and_drop(void)
{
    struct rouse_barrier_wait *wait = &barrier_waits[model_self() - 1];

    rouse_barrier_wait_init(wait, &barrier);
    (void)poll_with(&wait->base, my_waker(), NULL);
    rouse_future_drop(&wait->base);
}

static void barrier_check(void)
{
    model_claim(barrier.waiting == 0 && barrier.waiters.first == NULL, "nobody is left");
    wakers_check();
}

const struct model_scenario model_sync_scenarios[] = {
    {.name = "once_two",
     .about = "one does it, the other sees it",
     .setup = once_make,
     .threads = {once_call, once_call, once_look},
     .check = once_check},
    {.name = "once_fails",
     .about = "what failed is tried by the next",
     .setup = once_make_failing,
     .threads = {once_call, once_call, once_call},
     .check = once_check_failing},
    {.name = "once_drop",
     .about = "a turn that is dropped is handed on",
     .setup = once_make_queue,
     .threads = {once_drop, once_call, once_fail},
     .check = once_check},
    {.name = "condition_items",
     .about = "no signal is lost between the look and the wait",
     .setup = condition_make,
     .threads = {take_item, add_item},
     .check = condition_check},
    {.name = "condition_two_takers",
     .about = "nor of two",
     .setup = condition_make,
     .threads = {take_item, take_item, add_item, add_item},
     .check = condition_check},
    {.name = "condition_drop",
     .about = "a signal for one that is dropped goes to the next",
     .setup = condition_make_queue,
     .threads = {condition_look_and_drop, condition_wait_on, condition_signal},
     .check = condition_check},
    {.name = "condition_drop_relocking",
     .about = "one that is dropped while it waits for the mutex leaves it to others",
     .setup = condition_make_relocking,
     .threads = {condition_drop, lock_on, unlock},
     .check = condition_check},
    {.name = "condition_broadcast",
     .about = "a broadcast ends all waits, one after the other",
     .setup = condition_make_queue,
     .threads = {condition_wait_on, condition_wait_on, condition_broadcast},
     .check = condition_check},
    {.name = "condition_broadcast_drop",
     .about = "also if one is dropped",
     .setup = condition_make_queue,
     .threads = {condition_drop, condition_wait_on, condition_broadcast},
     .check = condition_check},
    {.name = "barrier_again",
     .about = "two keep step",
     .setup = barrier_make,
     .threads = {barrier_exchange, barrier_exchange},
     .check = barrier_check},
    {.name = "barrier_drop",
     .about = "who is dropped has not come, or has been let through",
     .setup = barrier_make_waiter,
     .threads = {barrier_drop, barrier_look_and_drop, barrier_look_and_drop},
     .check = barrier_check},
    {.name = "barrier_crowd",
     .about = "who leaves while many are let through does not count for the next time",
     .setup = barrier_make_crowd,
     .threads = {barrier_drop, barrier_drop, barrier_drop, barrier_look_and_drop},
     .check = barrier_check},
    {.name = NULL},
};
