// SPDX-License-Identifier: MIT
//
// The watch: senders that replace the value under a reader, receivers that wait for another one,
// give up, come and go, and ends that wait for each other. A value has two words, so that one that
// is torn shows, and stands for plain memory that was written before it was sent.

#include <errno.h>
#include <rouse/watch.h>
#include <stdatomic.h>

#include "model.h"
#include "wait.h"

enum { VALUES = 3, RECEIVERS = 2 };

struct value {
    uint64_t number;
    uint64_t again;
};

static struct rouse_watch_sender *tx;
static struct rouse_watch_receiver *rx[RECEIVERS];
static struct model_waker wakers[RECEIVERS][2];
static struct model_waker sender_waker;
static int made[VALUES];  // by number

static void send_number(uint64_t number)
{
    struct value value = {number, number};

    made[number] = 7;
    (void)rouse_watch_send(tx, &value);
}

static void make(int receivers)
{
    struct value initial = {0, 0};

    for (int i = 0; i < VALUES; i++) made[i] = 0;
    made[0] = 7;
    model_claim(rouse_watch_new(&tx, sizeof initial, &initial) == 0, "there is memory");
    sender_waker = (struct model_waker){.thread = 1};
    for (int i = 0; i < RECEIVERS; i++) {
        rx[i] = NULL;
        wakers[i][0] = wakers[i][1] =
            (struct model_waker){.thread = (unsigned)i + 2, .publishes = true};
        if (i >= receivers) continue;
        model_claim(rouse_watch_subscribe(tx, &rx[i]) == 0, "there is memory");
    }
}

static void make_one(void)
{
    make(1);
}

static void make_two(void)
{
    make(2);
}

// For two senders in threads 1 and 2; the receiver is thread 3.
static void make_shared(void)
{
    make(1);
    (void)rouse_watch_sender_ref(tx);
    wakers[0][0].thread = 3;
}

// For a receiver that comes later.
static void make_late(void)
{
    make(0);
    (void)rouse_watch_sender_ref(tx);
}

// ---- Senders ----

static void go(void)
{
    rouse_watch_sender_unref(tx);
}

// The watch stays open: only the value can wake who waits.
static void send_and_stay(void)
{
    send_number(1);
}

static void send_and_go(void)
{
    send_number(1);
    go();
}

static void send_other_and_go(void)
{
    send_number(2);
    go();
}

static void send_two_and_go(void)
{
    send_number(1);
    send_number(2);
    go();
}

static void wait_until_closed(void)
{
    struct rouse_watch_closed closed;

    rouse_watch_closed_init(&closed, tx);
    wait_for(&closed.base, &sender_waker, NULL);
    model_claim(rouse_watch_receiver_count(tx) == 0, "the wait is over when all have gone");
    go();
}

static void give_up_closed(void)
{
    struct rouse_watch_closed closed;

    rouse_watch_closed_init(&closed, tx);
    (void)poll_with(&closed.base, &sender_waker, NULL);
    rouse_future_drop(&closed.base);
    go();
}

// ---- Receivers ----

static uint64_t look(int i)
{
    struct value value;

    rouse_watch_read(rx[i], &value);
    model_claim(value.number == value.again, "a value is read in one piece");
    model_claim(made[value.number] == 7, "who reads a value sees what came before it");
    return value.number;
}

static void leave(int i)
{
    rouse_watch_receiver_free(rx[i]);
}

static void leave_first(void)
{
    leave(0);
}

static void leave_second(void)
{
    leave(1);
}

static int change(int i)
{
    struct rouse_watch_changed changed;

    rouse_watch_changed_init(&changed, rx[i]);
    wait_woken(&changed.base, &wakers[i][0]);
    return changed.output;
}

static void see_one(int i)
{
    model_claim(change(i) == 0 && look(i) == 1, "who waits sees the value");
    model_claim(rouse_watch_try_changed(rx[i]) == -EAGAIN, "once");
    leave(i);
}

static void see_one_first(void)
{
    see_one(0);
}

static void see_one_second(void)
{
    see_one(1);
}

// Sees values until there are no more, and goes. Returns the last one.
static uint64_t see_all(int i)
{
    uint64_t last = 0;

    while (change(i) == 0) last = look(i);
    model_claim(look(i) == last, "when all senders have gone the last value has been seen");
    leave(i);
    return last;
}

static void see_last(void)
{
    model_claim(see_all(0) == 2, "the last value is seen");
}

static void see_either(void)
{
    model_claim(see_all(0) != 0, "one of two values is the last one");
}

static void see_none(void)
{
    model_claim(see_all(0) == 0, "nothing changes");
}

static void read_twice(void)
{
    uint64_t first = look(0);
    uint64_t second = look(0);

    model_claim(first <= second, "a receiver does not go back");
    leave(0);
}

static void see_with_two_wakers(void)
{
    struct rouse_watch_changed changed;

    rouse_watch_changed_init(&changed, rx[0]);
    if (poll_with(&changed.base, &wakers[0][0], NULL) == ROUSE_PENDING) {
        while (poll_with(&changed.base, &wakers[0][1], NULL) == ROUSE_PENDING) {
            // The first one may have been woken in vain; the second has to be.
            while (!model_waker_take(&wakers[0][1])) model_park();
        }
    }
    model_claim(changed.output == 0 && look(0) == 1, "the value comes");
    leave(0);
}

// Waits, gives up, and goes; or goes on.
static void give_up(void)
{
    struct rouse_watch_changed changed;

    rouse_watch_changed_init(&changed, rx[0]);
    (void)poll_with(&changed.base, &wakers[0][0], NULL);
    rouse_future_drop(&changed.base);
    if (model_choose(2) == 0) {
        leave(0);
    } else {
        see_last();
    }
}

// Comes while values are sent; its clone takes over.
static void subscribe_and_see(void)
{
    struct rouse_watch_receiver *original;

    model_claim(rouse_watch_subscribe(tx, &original) == 0, "there is memory");
    model_claim(rouse_watch_receiver_clone(original, &rx[0]) == 0, "there is memory");
    rouse_watch_receiver_free(original);
    go();
    while (change(0) == 0) (void)look(0);
    model_claim(look(0) == 2, "the last value is there");
    leave(0);
}

static struct rouse_watch_changed waiting;
static rouse_poll waited;

// Comes while a value is sent, and waits.
static void subscribe_and_wait(void)
{
    model_claim(rouse_watch_subscribe(tx, &rx[0]) == 0, "there is memory");
    rouse_watch_changed_init(&waiting, rx[0]);
    waited = poll_with(&waiting.base, &wakers[0][0], NULL);
}

static void check(void)
{
    claim_dropped(&sender_waker);
    for (int i = 0; i < RECEIVERS; i++) {
        claim_dropped(&wakers[i][0]);
        claim_dropped(&wakers[i][1]);
    }
}

static void check_and_go(void)
{
    check();
    go();
}

static void check_waiting(void)
{
    if (waited == ROUSE_PENDING && !model_waker_take(&wakers[0][0])) {
        model_claim(rouse_watch_try_changed(rx[0]) == -EAGAIN,
                    "who waits and was not woken knows the value");
    }
    rouse_future_drop(&waiting.base);
    leave(0);
    check_and_go();
    go();
}

const struct model_scenario model_watch_scenarios[] = {
    {.name = "watch_changed",
     .about = "a value wakes each receiver that waits for it",
     .setup = make_two,
     .threads = {send_and_stay, see_one_first, see_one_second},
     .check = check_and_go},
    {.name = "watch_last",
     .about = "of the values of a sender the last one is seen",
     .setup = make_one,
     .threads = {send_two_and_go, see_last},
     .check = check},
    {.name = "watch_two_senders",
     .about = "values of two senders are one sequence, and the last of them closes",
     .setup = make_shared,
     .threads = {send_and_go, send_other_and_go, see_either},
     .check = check},
    {.name = "watch_read",
     .about = "a value is read in one piece while it is replaced",
     .setup = make_one,
     .threads = {send_two_and_go, read_twice},
     .check = check},
    {.name = "watch_go",
     .about = "a sender that goes wakes who waits",
     .setup = make_one,
     .threads = {go, see_none},
     .check = check},
    {.name = "watch_wakers",
     .about = "the waker of the last poll is the one that counts",
     .setup = make_one,
     .threads = {send_and_stay, see_with_two_wakers},
     .check = check_and_go},
    {.name = "watch_give_up",
     .about = "a wait that is dropped has seen nothing, and leaves nothing",
     .setup = make_one,
     .threads = {send_two_and_go, give_up},
     .check = check},
    {.name = "watch_closed",
     .about = "the last receiver wakes a sender that waits for that",
     .setup = make_two,
     .threads = {wait_until_closed, leave_first, leave_second},
     .check = check},
    {.name = "watch_closed_give_up",
     .about = "a sender that listened and goes leaves nothing",
     .setup = make_one,
     .threads = {give_up_closed, leave_first},
     .check = check},
    {.name = "watch_subscribe",
     .about = "a receiver that comes while values are sent sees the last one",
     .setup = make_late,
     .threads = {send_two_and_go, subscribe_and_see},
     .check = check},
    {.name = "watch_subscribe_and_wait",
     .about = "a receiver that came while a value was written is woken when it is there",
     .setup = make_late,
     .threads = {send_and_stay, subscribe_and_wait},
     .check = check_waiting},
    {.name = NULL},
};
