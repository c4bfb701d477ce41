// SPDX-License-Identifier: MIT
//
// Notify and the event count: no notification is lost, also against cancel, and each publishes what
// came before it.

#include <rouse/event_count.h>
#include <rouse/notify.h>

#include "wakers.h"

static int data;  // plain: ordered by what is waited for

static void begin(void)
{
    wakers_make();
    data = 0;
}

// ---- Notify ----

static struct rouse_notify *notify;
static struct rouse_notify_wait waits[WAITERS];

static void notify_make(void)
{
    begin();
    notify = model_alloc(sizeof *notify);
    rouse_notify_init(notify);
    for (int i = 0; i < WAITERS; i++) rouse_notify_wait_init(&waits[i], notify);
}

static void notify_queue(int count)
{
    notify_make();
    for (int i = 0; i < count; i++) (void)poll_with(&waits[i].base, &wakers[i], NULL);
}

static void notify_queue_one(void)
{
    notify_queue(1);
}

static void notify_queue_two(void)
{
    notify_queue(2);
}

static void notify_queue_three(void)
{
    notify_queue(3);
}

static void notify_wait(void)
{
    wait_for(&waits[model_self() - 1].base, my_waker(), NULL);
}

static void notify_wait_and_read(void)
{
    notify_wait();
    model_claim(data == 1, "what came before a notification is seen");
}

static void notify_wait_otherwise(void)
{
    struct model_waker *waker = &others[model_self() - 1];

    while (poll_with(&waits[model_self() - 1].base, waker, NULL) == ROUSE_PENDING) {
        while (!model_waker_take(waker)) model_park();
    }
}

static void notify_drop(void)
{
    rouse_future_drop(&waits[model_self() - 1].base);
}

static void notify_one(void)
{
    rouse_notify_one(notify);
}

static void notify_write_and_one(void)
{
    data = 1;
    rouse_notify_one(notify);
}

static void notify_all(void)
{
    rouse_notify_all(notify);
}

static void notify_check(void)
{
    model_claim(notify->waiters.first == NULL && !notify->kept, "each notification ends one wait");
    model_free(notify);
    wakers_check();
}

// One notification for one of two, the other of which was dropped. If the drop took it, it is kept.
static void notify_check_kept(void)
{
    model_claim(notify->waiters.first == NULL && notify->kept, "a notification is not lost");
    model_free(notify);
    wakers_check();
}

static void notify_check_none(void)
{
    model_claim(notify->waiters.first == NULL, "nobody waits");
    model_free(notify);
    wakers_check();
}

// ---- Event count ----

static struct rouse_event_count *count;
static struct rouse_event_count_wait event_waits[WAITERS];
static _Atomic int condition_holds;

static void event_make(void)
{
    begin();
    count = model_alloc(sizeof *count);
    *count = (struct rouse_event_count)ROUSE_EVENT_COUNT_INIT;
    // Relaxed: no thread has begun.
    atomic_store_explicit(&condition_holds, 0, memory_order_relaxed);
    model_name(&count->word, sizeof count->word, "word");
    model_name(&condition_holds, sizeof condition_holds, "condition");
}

// The second thread's wait is in the queue.
static void event_make_waiter(void)
{
    event_make();
    rouse_event_count_wait_init(&event_waits[1], count, rouse_event_count_key(count));
    (void)poll_with(&event_waits[1].base, &wakers[1], NULL);
}

// Those of the first three threads are: more than are woken in one go.
static void event_make_crowd(void)
{
    event_make();
    for (int i = 0; i < 3; i++) {
        rouse_event_count_wait_init(&event_waits[i], count, rouse_event_count_key(count));
        (void)poll_with(&event_waits[i].base, &wakers[i], NULL);
    }
}

static void event_wait_for(int wanted)
{
    struct rouse_event_count_wait *wait = &event_waits[model_self() - 1];

    for (;;) {
        uint64_t key = rouse_event_count_key(count);

        // Relaxed: the event count orders it.
        if (atomic_load_explicit(&condition_holds, memory_order_relaxed) >= wanted) return;
        rouse_event_count_wait_init(wait, count, key);
        wait_for(&wait->base, my_waker(), NULL);
    }
}

static void event_wait_for_one(void)
{
    event_wait_for(1);
}

static void event_wait_for_two(void)
{
    event_wait_for(2);
}

static void event_wait_for_three(void)
{
    event_wait_for(3);
}

// Its wait is in the queue; it may be there again before the others have been told.
static void event_wait_again(void)
{
    wait_for(&event_waits[model_self() - 1].base, my_waker(), NULL);
    event_wait_for_two();
}

static void event_notify(void)
{
    // Relaxed: as in event_wait_for().
    (void)atomic_fetch_add_explicit(&condition_holds, 1, memory_order_relaxed);
    rouse_event_count_notify(count);
}

static void event_notify_twice(void)
{
    event_notify();
    event_notify();
}

static void event_drop(void)
{
    rouse_future_drop(&event_waits[model_self() - 1].base);
}

// Without a look at the condition.
static void event_wait_and_read(void)
{
    rouse_event_count_wait_init(&event_waits[0], count, 0);
    wait_for(&event_waits[0].base, my_waker(), NULL);
    model_claim(data == 1, "what came before a notification is seen after a wait");
}

static void event_write_and_notify(void)
{
    data = 1;
    rouse_event_count_notify(count);
}

static void event_check(void)
{
    model_claim(count->waiters.first == NULL, "nobody waits");
    model_free(count);
    wakers_check();
}

const struct model_scenario model_notify_scenarios[] = {
    {.name = "notify_first_wait",
     .about = "a notification ends a wait that just begins",
     .setup = notify_make,
     .threads = {notify_wait_and_read, notify_write_and_one},
     .check = notify_check},
    {.name = "notify_two",
     .about = "of two notifications none is lost",
     .setup = notify_queue_two,
     .threads = {notify_wait, notify_wait, notify_one, notify_one},
     .check = notify_check},
    {.name = "notify_drop",
     .about = "one that is notified and dropped hands it on",
     .setup = notify_queue_two,
     .threads = {notify_drop, notify_wait, notify_one},
     .check = notify_check},
    {.name = "notify_drop_only",
     .about = "or keeps it, if nobody waits",
     .setup = notify_queue_one,
     .threads = {notify_drop, notify_one},
     .check = notify_check_kept},
    {.name = "notify_all_against_drop",
     .about = "a notification of all ends all waits but one that is dropped",
     .setup = notify_queue_two,
     .threads = {notify_drop, notify_wait, notify_all},
     .check = notify_check},
    {.name = "notify_one_and_all",
     .about = "notifications of one and of all at once",
     .setup = notify_queue_two,
     .threads = {notify_wait, notify_wait, notify_one, notify_all},
     .check = notify_check_none},
    {.name = "notify_crowd",
     .about = "a notification of all ends many waits, in as many goes as it takes",
     .setup = notify_queue_three,
     .threads = {notify_drop, notify_wait, notify_wait, notify_all, notify_one},
     .check = notify_check_none},
    {.name = "notify_other_waker",
     .about = "of two wakers the last one is woken",
     .setup = notify_queue_one,
     .threads = {notify_wait_otherwise, notify_one},
     .check = notify_check},
    {.name = "event_count_one",
     .about = "a wait sees the condition, or its notification",
     .setup = event_make,
     .threads = {event_wait_for_one, event_notify},
     .check = event_check},
    {.name = "event_count_two",
     .about = "of two notifications none is lost",
     .setup = event_make,
     .threads = {event_wait_for_two, event_notify, event_notify},
     .check = event_check},
    {.name = "event_count_three",
     .about = "nor of three, one of which comes late to the queue",
     .setup = event_make,
     .threads = {event_wait_for_three, event_notify, event_notify_twice},
     .check = event_check},
    {.name = "event_count_both_wait",
     .about = "a notification ends all waits",
     .setup = event_make,
     .threads = {event_wait_for_one, event_wait_for_one, event_notify},
     .check = event_check},
    {.name = "event_count_drop",
     .about = "beside one that is dropped",
     .setup = event_make_waiter,
     .threads = {event_wait_for_one, event_drop, event_notify},
     .check = event_check},
    {.name = "event_count_crowd",
     .about =
         "a notification ends many waits, in as many goes as it takes, and the next one others",
     .setup = event_make_crowd,
     .threads = {event_wait_again, event_wait_again, event_wait_again, event_notify_twice},
     .check = event_check},
    {.name = "event_count_publishes",
     .about = "a wait that ends sees what came before the notification",
     .setup = event_make,
     .threads = {event_wait_and_read, event_write_and_notify},
     .check = event_check},
    {.name = NULL},
};
