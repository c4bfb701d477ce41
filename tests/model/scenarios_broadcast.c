// SPDX-License-Identifier: MIT
//
// The broadcast channel: senders that overtake receivers, receivers that wait, give up, come and
// go, and the last sender's end. A message has two words, so that one that is torn shows, and
// stands for plain memory that was written before it was sent.

#include <errno.h>
#include <rouse/broadcast.h>
#include <stdatomic.h>

#include "model.h"
#include "wait.h"

enum { MESSAGES = 2, RECEIVERS = 3 };

struct message {
    uint64_t number;
    uint64_t again;
};

static struct rouse_broadcast_sender *tx;
static struct rouse_broadcast_receiver *rx[RECEIVERS];
static struct model_waker wakers[RECEIVERS][2];
static int made[MESSAGES];  // by number

static void make(size_t capacity, int receivers)
{
    model_claim(rouse_broadcast_new(&tx, capacity, sizeof(struct message)) == 0, "there is memory");
    for (int i = 0; i < RECEIVERS; i++) {
        rx[i] = NULL;
        wakers[i][0] = wakers[i][1] =
            (struct model_waker){.thread = (unsigned)i + 2, .publishes = true};
        if (i >= receivers) continue;
        model_claim(rouse_broadcast_subscribe(tx, &rx[i]) == 0, "there is memory");
    }
    for (int i = 0; i < MESSAGES; i++) made[i] = 0;
}

static void make_one(void)
{
    make(1, 1);
}

static void make_two(void)
{
    make(2, 1);
}

static void make_for_two(void)
{
    make(1, 2);
}

static void make_for_three(void)
{
    make(1, 3);
}

// For two senders in threads 1 and 2; the receiver is thread 3.
static void make_shared(void)
{
    make(2, 1);
    (void)rouse_broadcast_sender_ref(tx);
    wakers[0][0].thread = 3;
}

// For a receiver that comes later.
static void make_empty(void)
{
    make(2, 0);
}

// ---- Senders ----

static int send_number(uint64_t number)
{
    struct message message = {number, number};

    made[number] = 7;
    return rouse_broadcast_send(tx, &message);
}

static void go(void)
{
    rouse_broadcast_sender_unref(tx);
}

static void send_all(void)
{
    for (uint64_t i = 0; i < MESSAGES; i++) (void)send_number(i);
    go();
}

static void send_one(void)
{
    (void)send_number(0);
    go();
}

// The channel stays open: only the message can wake who waits.
static void send_and_stay(void)
{
    (void)send_number(0);
}

static void send_other(void)
{
    (void)send_number(1);
    go();
}

// ---- Receivers ----

struct count {
    uint64_t received;
    uint64_t missed;
    uint64_t last;  // the number of the last message, plus 1
};

static void look_at(const struct message *message, struct count *count)
{
    model_claim(message->number == message->again, "a message comes in one piece");
    model_claim(made[message->number] == 7, "who receives a message sees what came before it");
    count->received++;
    count->last = message->number + 1;
}

static void note(const struct rouse_broadcast_receive *receive, const struct message *message,
                 struct count *count)
{
    if (receive->output == 0) look_at(message, count);
    if (receive->output != -EOVERFLOW) return;
    model_claim(receive->missed > 0, "who lags has missed something");
    count->missed += receive->missed;
}

// Receives to the end, and goes.
static struct count drain(int i)
{
    struct rouse_broadcast_receive receive;
    struct message message;
    struct count count = {0};

    do {
        rouse_broadcast_receive_init(&receive, rx[i], &message);
        wait_woken(&receive.base, &wakers[i][0]);
        note(&receive, &message, &count);
    } while (receive.output != -EPIPE);
    rouse_broadcast_receiver_free(rx[i]);
    return count;
}

static void drain_all(void)
{
    struct count count = drain(0);

    model_claim(count.received + count.missed == MESSAGES,
                "a receiver gets each message, or hears that it has missed it");
    model_claim(count.last == MESSAGES, "the last message is not missed");
}

static void drain_shared(void)
{
    struct count count = drain(0);

    model_claim(count.received == MESSAGES && count.missed == 0,
                "what the channel has room for is not missed");
}

// Receives one message, and goes.
static void receive_one(int i)
{
    struct rouse_broadcast_receive receive;
    struct message message;
    struct count count = {0};

    rouse_broadcast_receive_init(&receive, rx[i], &message);
    wait_woken(&receive.base, &wakers[i][0]);
    note(&receive, &message, &count);
    rouse_broadcast_receiver_free(rx[i]);
    model_claim(count.received == 1, "each receiver gets the message");
}

static void receive_first(void)
{
    receive_one(0);
}

static void receive_second(void)
{
    receive_one(1);
}

static void receive_third(void)
{
    receive_one(2);
}

// Begins to wait, and gives up; the message is still to come, or there.
static void give_up_and_go(void)
{
    struct rouse_broadcast_receive receive;
    struct message message;

    rouse_broadcast_receive_init(&receive, rx[0], &message);
    (void)poll_with(&receive.base, &wakers[0][0], NULL);
    rouse_future_drop(&receive.base);
    rouse_broadcast_receiver_free(rx[0]);
}

// Receives until there is nothing now, and goes.
static void try_all(void)
{
    struct message message;
    uint64_t missed;
    int err = 0;

    while (err == 0) {
        err = rouse_broadcast_try_receive(rx[0], &message, &missed);
        if (err != -EOVERFLOW) continue;
        err = rouse_broadcast_try_receive(rx[0], &message, &missed);
        model_claim(err != -EAGAIN, "who has missed something finds what is left");
    }
    rouse_broadcast_receiver_free(rx[0]);
}

static void drain_nothing(void)
{
    model_claim(drain(0).received == 0, "without a message there is none");
}

// Polls once, gives up, and looks at what is there; goes, or receives all of it.
static void give_up(void)
{
    struct rouse_broadcast_receive receive;
    struct message message;
    struct count count = {0};

    rouse_broadcast_receive_init(&receive, rx[0], &message);
    if (poll_with(&receive.base, &wakers[0][0], NULL) == ROUSE_READY) {
        note(&receive, &message, &count);
    }
    rouse_future_drop(&receive.base);
    if (model_choose(2) == 0) {
        rouse_broadcast_receiver_free(rx[0]);
        return;
    }
    struct count rest = drain(0);

    model_claim(count.received + count.missed + rest.received + rest.missed == MESSAGES,
                "a receive that is dropped has taken nothing");
}

static void receive_with_two_wakers(void)
{
    struct rouse_broadcast_receive receive;
    struct message message;
    struct count count = {0};

    rouse_broadcast_receive_init(&receive, rx[0], &message);
    if (poll_with(&receive.base, &wakers[0][0], NULL) == ROUSE_PENDING) {
        while (poll_with(&receive.base, &wakers[0][1], NULL) == ROUSE_PENDING) {
            // The first one may have been woken in vain; the second has to be.
            while (!model_waker_take(&wakers[0][1])) model_park();
        }
    }
    note(&receive, &message, &count);
    rouse_broadcast_receiver_free(rx[0]);
    model_claim(count.received == 1, "the message comes");
}

// Comes while a message is sent: gets it, or does not, but all that follows.
static void subscribe_and_drain(void)
{
    model_claim(rouse_broadcast_subscribe(tx, &rx[0]) == 0, "there is memory");
    go();
    struct count count = drain(0);

    model_claim(count.missed == 0 && count.received <= MESSAGES, "nothing is missed");
}

static void make_late(void)
{
    make_empty();
    (void)rouse_broadcast_sender_ref(tx);
}

static void check(void)
{
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

const struct model_scenario model_broadcast_scenarios[] = {
    {.name = "broadcast_receive",
     .about = "a receiver that keeps up gets each message",
     .setup = make_two,
     .threads = {send_all, drain_shared},
     .check = check},
    {.name = "broadcast_lag",
     .about = "a receiver that is overtaken is told, and gets nothing torn",
     .setup = make_one,
     .threads = {send_all, drain_all},
     .check = check},
    {.name = "broadcast_missed",
     .about = "who has missed messages goes on with one that is there",
     .setup = make_one,
     .threads = {send_all, try_all},
     .check = check},
    {.name = "broadcast_two_receivers",
     .about = "a message is for each receiver",
     .setup = make_for_two,
     .threads = {send_and_stay, receive_first, receive_second},
     .check = check_and_go},
    {.name = "broadcast_crowd",
     .about = "a message wakes more than are woken in one go",
     .setup = make_for_three,
     .threads = {send_and_stay, receive_first, receive_second, receive_third},
     .check = check_and_go},
    {.name = "broadcast_leave",
     .about = "who gives up takes nobody else out of the crowd",
     .setup = make_for_three,
     .threads = {send_and_stay, give_up_and_go, receive_second, receive_third},
     .check = check_and_go},
    {.name = "broadcast_two_senders",
     .about = "messages of two senders are one sequence, and the last of them closes",
     .setup = make_shared,
     .threads = {send_one, send_other, drain_shared},
     .check = check},
    {.name = "broadcast_close",
     .about = "a sender that goes wakes who waits",
     .setup = make_one,
     .threads = {go, drain_nothing},
     .check = check},
    {.name = "broadcast_give_up",
     .about = "a receive that is dropped has taken nothing",
     .setup = make_one,
     .threads = {send_all, give_up},
     .check = check},
    {.name = "broadcast_wakers",
     .about = "the waker of the last poll is the one that counts",
     .setup = make_one,
     .threads = {send_and_stay, receive_with_two_wakers},
     .check = check_and_go},
    {.name = "broadcast_subscribe",
     .about = "a receiver that comes while messages are sent begins at one of them",
     .setup = make_late,
     .threads = {send_all, subscribe_and_drain},
     .check = check},
    {.name = NULL},
};
