// SPDX-License-Identifier: MIT
//
// The oneshot: each end sends, waits, gives up waiting and goes, in every order against the other.
// The value and the block are plain memory, so what orders them is the oneshot's word, and for who
// was woken the wake.

#include <errno.h>
#include <rouse/oneshot.h>
#include <stdatomic.h>

#include "model.h"
#include "wait.h"

static struct rouse_oneshot_sender *tx;
static struct rouse_oneshot_receiver *rx;
static struct model_waker sender_waker;
static struct model_waker receiver_wakers[2];
static int made;  // what the value points to: what follows it must be seen as well
static int result_of_send;
static int result_of_receive;
static _Atomic int drops;

static void count_drop(void *element)
{
    model_claim(**(int **)element == 7, "who drops a value sees what it owns");
    // Relaxed: only counted.
    atomic_fetch_add_explicit(&drops, 1, memory_order_relaxed);
}

static void make(void)
{
    made = 0;
    result_of_send = -EPIPE;
    result_of_receive = -EPIPE;
    atomic_store_explicit(&drops, 0, memory_order_relaxed);
    sender_waker = (struct model_waker){.thread = 1, .publishes = true};
    receiver_wakers[0] = (struct model_waker){.thread = 2, .publishes = true};
    receiver_wakers[1] = (struct model_waker){.thread = 2, .publishes = true};
    model_claim(rouse_oneshot_new(&tx, &rx, sizeof(int *), count_drop) == 0, "there is memory");
    model_name(tx, 4, "state");
}

// ---- What a sender does ----

static void send_value(void)
{
    int *value = &made;

    made = 7;
    result_of_send = rouse_oneshot_send(tx, &value);
}

static void go_without(void)
{
    rouse_oneshot_sender_free(tx);
}

static void wait_until_closed(void)
{
    struct rouse_oneshot_closed closed;

    rouse_oneshot_closed_init(&closed, tx);
    wait_woken(&closed.base, &sender_waker);
    model_claim(rouse_oneshot_sender_is_closed(tx), "the wait is over when the receiver has gone");
    if (model_choose(2) == 0) {
        go_without();
    } else {
        send_value();
        model_claim(result_of_send == -EPIPE, "then nothing can be sent");
    }
}

// Waits for the receiver to go, and gives up, before the send or without one.
static void give_up_and_send(void)
{
    struct rouse_oneshot_closed closed;

    rouse_oneshot_closed_init(&closed, tx);
    (void)poll_with(&closed.base, &sender_waker, NULL);
    rouse_future_drop(&closed.base);
    send_value();
}

// ---- What a receiver does ----

static void take(struct rouse_oneshot_receive *receive)
{
    int *value = NULL;

    result_of_receive = receive->output;
    if (receive->output < 0) return;
    rouse_oneshot_receive_take(receive, &value);
    model_claim(value == &made && *value == 7, "the value is the one that was sent");
}

static void go(void)
{
    rouse_oneshot_receiver_free(rx);
}

static void receive(void)
{
    struct rouse_oneshot_receive receive;

    rouse_oneshot_receive_init(&receive, rx);
    wait_woken(&receive.base, &receiver_wakers[0]);
    take(&receive);
    go();
}

static void receive_with_two_wakers(void)
{
    struct rouse_oneshot_receive receive;

    rouse_oneshot_receive_init(&receive, rx);
    if (poll_with(&receive.base, &receiver_wakers[0], NULL) == ROUSE_PENDING) {
        while (poll_with(&receive.base, &receiver_wakers[1], NULL) == ROUSE_PENDING) {
            // The first one may have been woken in vain; the second has to be.
            while (!model_waker_take(&receiver_wakers[1])) model_park();
        }
    }
    take(&receive);
    go();
}

// Gives up after a poll, perhaps one that has ended; then looks once more, or not.
static void give_up_and_go(void)
{
    struct rouse_oneshot_receive receive;
    int *value;

    rouse_oneshot_receive_init(&receive, rx);
    (void)poll_with(&receive.base, &receiver_wakers[0], NULL);
    rouse_future_drop(&receive.base);
    if (model_choose(2) == 1) {
        int err = rouse_oneshot_try_receive(rx, &value);

        if (err == 0) model_claim(*value == 7, "the value is the one that was sent");
        if (err == 0) result_of_receive = 0;
    }
    go();
}

static void give_up_and_receive(void)
{
    struct rouse_oneshot_receive receive_first;

    rouse_oneshot_receive_init(&receive_first, rx);
    (void)poll_with(&receive_first.base, &receiver_wakers[0], NULL);
    rouse_future_drop(&receive_first.base);
    receive();
}

// ---- After it ----

static void check(void)
{
    int received = result_of_receive == 0;

    model_claim(received + atomic_load_explicit(&drops, memory_order_relaxed) ==
                    (result_of_send == 0),
                "a value that was sent is received or dropped, once");
    claim_dropped(&sender_waker);
    claim_dropped(&receiver_wakers[0]);
    claim_dropped(&receiver_wakers[1]);
}

static void check_received(void)
{
    check();
    model_claim(result_of_receive == 0, "a receiver that waits gets the value");
}

static void check_nothing(void)
{
    check();
    model_claim(result_of_receive == -EPIPE, "a receiver hears that there will be none");
}

const struct model_scenario model_oneshot_scenarios[] = {
    {.name = "oneshot_receive",
     .about = "a value is received by who waits for it",
     .setup = make,
     .threads = {send_value, receive},
     .check = check_received},
    {.name = "oneshot_nothing",
     .about = "a sender that goes without a value wakes who waits for it",
     .setup = make,
     .threads = {go_without, receive},
     .check = check_nothing},
    {.name = "oneshot_wakers",
     .about = "the waker of the last poll is the one that counts",
     .setup = make,
     .threads = {send_value, receive_with_two_wakers},
     .check = check_received},
    {.name = "oneshot_go",
     .about = "a value that comes while its receiver goes is dropped, or not sent",
     .setup = make,
     .threads = {send_value, go},
     .check = check},
    {.name = "oneshot_both_go",
     .about = "of two ends that go the last one frees the block",
     .setup = make,
     .threads = {go_without, go},
     .check = check},
    {.name = "oneshot_give_up",
     .about = "a receive that is dropped has taken nothing, and leaves nothing",
     .setup = make,
     .threads = {send_value, give_up_and_go},
     .check = check},
    {.name = "oneshot_give_up_and_receive",
     .about = "the next receive finds the value",
     .setup = make,
     .threads = {send_value, give_up_and_receive},
     .check = check_received},
    {.name = "oneshot_closed",
     .about = "a sender hears that its receiver has gone",
     .setup = make,
     .threads = {wait_until_closed, go},
     .check = check},
    {.name = "oneshot_closed_give_up",
     .about = "a sender that listened sends all the same",
     .setup = make,
     .threads = {give_up_and_send, receive},
     .check = check_received},
    {.name = "oneshot_all_give_up",
     .about = "both ends wait, give up and go",
     .setup = make,
     .threads = {give_up_and_send, give_up_and_go},
     .check = check},
    {.name = "oneshot_closed_against_receive",
     .about = "both ends wait, and the receiver goes",
     .setup = make,
     .threads = {wait_until_closed, give_up_and_go},
     .check = check},
    {.name = NULL},
};
