// SPDX-License-Identifier: MIT
//
// Channels of one and two places, and unbounded ones: sends, receives, cancels and closes at once.
// An element is the address of a plain number that was written before the send and is read after
// the receive. Each thread gives up its ends itself, and the last one frees the channel.

#include <errno.h>
#include <rouse/channel.h>

#include "base/tls.h"
#include "wait.h"

enum { NUMBERS = 5 };

static struct rouse_channel_sender *tx;
static struct rouse_channel_receiver *rx;
static int numbers[NUMBERS];
static struct model_waker wakers[MODEL_THREADS_MAX];
static _Atomic int received;  // relaxed: only counted
static struct rouse_channel_permit permit;

// With `senders` and `receivers` shares.
static void make(size_t capacity, int senders, int receivers)
{
    rs_tls.allocator = &model_allocator;
    model_claim(rouse_channel_new(&tx, &rx, sizeof(int *), capacity) == 0, "a channel can be made");
    for (int i = 1; i < senders; i++) (void)rouse_channel_sender_ref(tx);
    for (int i = 1; i < receivers; i++) (void)rouse_channel_receiver_ref(rx);
    for (int i = 0; i < NUMBERS; i++) numbers[i] = 0;
    for (unsigned i = 0; i < MODEL_THREADS_MAX; i++) wakers[i] = (struct model_waker){.thread = i};
    // Relaxed: nobody else is there yet.
    atomic_store_explicit(&received, 0, memory_order_relaxed);
}

static void make_1_1_1(void)
{
    make(1, 1, 1);
}

static void make_1_2_1(void)
{
    make(1, 2, 1);
}

// Of nobody who waits for it: it unparks the first thread.
enum { SPARE_WAKER = MODEL_THREADS_MAX - 1 };

static void make_with_spare_waker(void)
{
    make(1, 1, 1);
    wakers[SPARE_WAKER].thread = 1;
}

static void make_2_1_2(void)
{
    make(2, 1, 2);
}

static void make_2_2_1(void)
{
    make(2, 2, 1);
}

static void make_2_2_2(void)
{
    make(2, 2, 2);
}

static void make_unbounded_1_1(void)
{
    make(ROUSE_CHANNEL_UNBOUNDED, 1, 1);
}

static void make_unbounded_2_1(void)
{
    make(ROUSE_CHANNEL_UNBOUNDED, 2, 1);
}

static void make_unbounded_1_2(void)
{
    make(ROUSE_CHANNEL_UNBOUNDED, 1, 2);
}

static void claim_wakers(void)
{
    for (unsigned i = 0; i < MODEL_THREADS_MAX; i++) claim_dropped(&wakers[i]);
}

// ---- Threads ----

static int send_number(int i)
{
    struct rouse_channel_send send;
    int *element = &numbers[i];

    numbers[i] = 10 + i;
    rouse_channel_send_init(&send, tx, &element);
    wait_for(&send.base, &wakers[model_self()], NULL);
    return send.output;
}

static void count(const int *element)
{
    model_claim(*element == 10 + (int)(element - numbers), "what was written is seen");
    atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
}

// True if there was one.
static bool receive_one(void)
{
    struct rouse_channel_receive receive;
    int *element = NULL;

    rouse_channel_receive_init(&receive, rx, &element);
    wait_for(&receive.base, &wakers[model_self()], NULL);
    if (receive.output == -EPIPE) return false;
    model_claim(receive.output == 1, "one is received");
    count(element);
    return true;
}

static void send_1(void)
{
    model_claim(send_number(0) == 0, "it is sent");
    rouse_channel_sender_unref(tx);
}

static void send_another(void)
{
    model_claim(send_number(1) == 0, "it is sent");
    rouse_channel_sender_unref(tx);
}

static void send_2(void)
{
    model_claim(send_number(0) == 0, "it is sent");
    model_claim(send_number(1) == 0, "it is sent");
    rouse_channel_sender_unref(tx);
}

static void send_3(void)
{
    for (int i = 0; i < 3; i++) model_claim(send_number(i) == 0, "it is sent");
    rouse_channel_sender_unref(tx);
}

static void receive_1(void)
{
    model_claim(receive_one(), "one is there");
    rouse_channel_receiver_unref(rx);
}

static void receive_to_end(void)
{
    while (receive_one()) continue;
    rouse_channel_receiver_unref(rx);
}

// Gives up when it would have to wait, or after its first wake.
static void poll_once_or_drop(void)
{
    struct rouse_channel_receive receive;
    int *element = NULL;

    rouse_channel_receive_init(&receive, rx, &element);
    if (poll_with(&receive.base, &wakers[model_self()], NULL) == ROUSE_READY) {
        if (receive.output == 1) count(element);
    } else {
        rouse_future_drop(&receive.base);
        model_claim(element == NULL, "a receive that was dropped has taken nothing");
    }
}

static void receive_or_drop(void)
{
    poll_once_or_drop();
    rouse_channel_receiver_unref(rx);
}

static void drop_and_receive_to_end(void)
{
    poll_once_or_drop();
    receive_to_end();
}

static void receive_and_drop_and_receive(void)
{
    model_claim(receive_one(), "one is there");
    drop_and_receive_to_end();
}

// The wake is for the waker of the last poll.
static void receive_with_another_waker(void)
{
    struct rouse_channel_receive receive;
    int *element = NULL;

    rouse_channel_receive_init(&receive, rx, &element);
    if (poll_with(&receive.base, &wakers[SPARE_WAKER], NULL) == ROUSE_PENDING) {
        wait_for(&receive.base, &wakers[model_self()], NULL);
    }
    model_claim(receive.output == 1, "one is there");
    count(element);
    rouse_channel_receiver_unref(rx);
}

// As a task does whose select has two of them.
static void receive_by_two_futures(void)
{
    struct rouse_channel_receive receives[2];
    int *elements[2] = {NULL, NULL};
    int pending = 2;

    for (int i = 0; i < 2; i++) rouse_channel_receive_init(&receives[i], rx, &elements[i]);
    for (;;) {
        for (int i = 0; i < 2; i++) {
            if (elements[i] != NULL) continue;
            if (poll_with(&receives[i].base, &wakers[model_self()], NULL) == ROUSE_READY) {
                model_claim(receives[i].output == 1, "one is there for each");
                count(elements[i]);
                pending--;
            }
        }
        if (pending == 0) break;
        model_park();
    }
    rouse_channel_receiver_unref(rx);
}

static void send_or_drop(void)
{
    struct rouse_channel_send send;
    int *element = &numbers[0];

    numbers[0] = 10;
    rouse_channel_send_init(&send, tx, &element);
    if (poll_with(&send.base, &wakers[model_self()], NULL) == ROUSE_PENDING) {
        rouse_future_drop(&send.base);
        // What did not happen is not received.
        atomic_fetch_add_explicit(&received, 1, memory_order_relaxed);
    }
    rouse_channel_sender_unref(tx);
}

static void send_5(void)
{
    for (int i = 0; i < 5; i++) model_claim(send_number(i) == 0, "it is sent");
    rouse_channel_sender_unref(tx);
}

static void send_or_fail(void)
{
    int err = send_number(0);

    model_claim(err == 0 || err == -EPIPE, "it is sent, or the receiver has gone");
    err = send_number(1);
    model_claim(err == 0 || err == -EPIPE, "it is sent, or the receiver has gone");
    rouse_channel_sender_unref(tx);
}

static void close_and_drain(void)
{
    rouse_channel_receiver_close(rx);
    while (receive_one()) continue;
    rouse_channel_receiver_unref(rx);
}

static void go_away(void)
{
    rouse_channel_receiver_unref(rx);
}

static void reserve_first(void)
{
    make(1, 2, 1);
    model_claim(rouse_channel_try_reserve(tx, &permit) == 0, "there is a place");
}

static void give_place_back(void)
{
    rouse_channel_permit_drop(&permit);
    rouse_channel_sender_unref(tx);
}

static void use_place(void)
{
    int *element = &numbers[2];

    numbers[2] = 12;
    rouse_channel_permit_send(&permit, &element);
    rouse_channel_sender_unref(tx);
}

static void try_both(void)
{
    unsigned me = model_self() - 1;
    int *element = &numbers[me];

    numbers[me] = 10 + (int)me;
    model_claim(rouse_channel_try_send(tx, &element) == 0, "there is a place for each of the two");
    element = NULL;
    if (rouse_channel_try_receive(rx, &element) == 0) count(element);
    rouse_channel_sender_unref(tx);
    rouse_channel_receiver_unref(rx);
}

static void send_and_receive_and_send(void)
{
    int *element = &numbers[0];

    numbers[0] = 10;
    model_claim(rouse_channel_try_send(tx, &element) == 0, "there is a place");
    model_claim(rouse_channel_try_receive(rx, &element) == 0, "there is an element");
    model_claim(rouse_channel_try_send(tx, &element) == 0, "there is a place again");
    rouse_channel_sender_unref(tx);
    rouse_channel_receiver_unref(rx);
}

// The second time as a receiver that is the only one does, if it is within a chunk.
static void send_and_receive_twice(void)
{
    int *element = &numbers[0];

    numbers[0] = 10;
    for (int i = 0; i < 2; i++) {
        model_claim(rouse_channel_try_send(tx, &element) == 0, "it is sent");
        model_claim(rouse_channel_try_receive(rx, &element) == 0, "there is an element");
    }
    rouse_channel_sender_unref(tx);
    rouse_channel_receiver_unref(rx);
}

static void look_from_here(void)
{
    model_claim(rouse_channel_sender_length(tx) <= 1, "no more than there ever are");
    rouse_channel_sender_unref(tx);
}

// At two: what has been received may be seen late.
static void look_at_two_from_here(void)
{
    model_claim(rouse_channel_sender_length(tx) <= 2, "no more than were sent");
    rouse_channel_sender_unref(tx);
}

static void look_at_length(void)
{
    model_claim(rouse_channel_receiver_length(rx) <= 1, "no more than there ever are");
    rouse_channel_receiver_unref(rx);
}

// ---- Checks ----

static void check_received(int wanted)
{
    model_claim(atomic_load_explicit(&received, memory_order_relaxed) == wanted,
                "each element is received once");
    claim_wakers();
}

static void check_1(void)
{
    check_received(1);
}

static void check_2(void)
{
    check_received(2);
}

static void check_3(void)
{
    check_received(3);
}

static void check_5(void)
{
    check_received(5);
}

const struct model_scenario model_channel_scenarios[] = {
    {.name = "channel_handover",
     .about = "three elements through one place",
     .setup = make_1_1_1,
     .threads = {send_3, receive_to_end},
     .check = check_3},
    {.name = "channel_two_senders",
     .about = "two senders wait for one place",
     .setup = make_1_2_1,
     .threads = {send_1, send_another, receive_to_end},
     .check = check_2},
    {.name = "channel_two_receivers",
     .about = "two receivers wait for two elements",
     .setup = make_2_1_2,
     .threads = {send_2, receive_1, receive_1},
     .check = check_2},
    {.name = "channel_slot_again",
     .about = "a slot is filled again while another receiver takes from the next",
     .setup = make_2_1_2,
     .threads = {send_3, receive_to_end, receive_to_end},
     .check = check_3},
    {.name = "channel_two_each",
     .about = "two senders, two receivers who wait for the end",
     .setup = make_2_2_2,
     .threads = {send_1, send_another, receive_to_end, receive_to_end},
     .check = check_2},
    {.name = "channel_receive_dropped",
     .about = "a receive that is dropped loses no element and keeps no wake",
     .setup = make_2_1_2,
     .threads = {send_1, receive_or_drop, receive_to_end},
     .check = check_1},
    {.name = "channel_listen_dropped",
     .about = "the only receiver drops a receive, and comes again",
     .setup = make_1_1_1,
     .threads = {send_1, drop_and_receive_to_end},
     .check = check_1},
    {.name = "channel_listen_waker",
     .about = "the only receiver waits with another waker from its second poll on",
     .setup = make_with_spare_waker,
     .threads = {send_1, receive_with_another_waker},
     .check = check_1},
    {.name = "channel_listen_twice",
     .about = "two futures of the only receiver wait",
     .setup = make_1_1_1,
     .threads = {send_2, receive_by_two_futures},
     .check = check_2},
    {.name = "channel_listen_closed",
     .about = "the place for which a closed channel waits is given back",
     .setup = reserve_first,
     .threads = {give_place_back, send_or_fail, close_and_drain},
     .check = claim_wakers},
    {.name = "channel_send_dropped",
     .about = "a send that is dropped keeps no place",
     .setup = make_1_2_1,
     .threads = {send_or_drop, send_another, receive_to_end},
     .check = check_2},
    {.name = "channel_closed",
     .about = "a close ends the waits of senders, and what was sent is received",
     .setup = make_1_1_1,
     .threads = {send_or_fail, close_and_drain},
     .check = claim_wakers},
    {.name = "channel_left",
     .about = "the receiver goes while a sender waits",
     .setup = make_1_1_1,
     .threads = {send_or_fail, go_away},
     .check = claim_wakers},
    {.name = "channel_place_given_back",
     .about = "a place that is given back is seen by who waits for it",
     .setup = reserve_first,
     .threads = {give_place_back, send_1, receive_to_end},
     .check = check_1},
    {.name = "channel_place_used",
     .about = "a place that is used late, while the channel is closed",
     .setup = reserve_first,
     .threads = {use_place, send_or_fail, close_and_drain},
     .check = claim_wakers},
    {.name = "channel_tries",
     .about = "tries from two sides",
     .setup = make_2_2_2,
     .threads = {try_both, try_both},
     .check = claim_wakers},
    {.name = "channel_length",
     .about = "the length is looked at while elements come and go",
     .setup = make_2_1_2,
     .threads = {send_and_receive_and_send, look_at_length},
     .check = claim_wakers},
    {.name = "channel_length_alone",
     .about = "the length is looked at while an only receiver takes elements",
     .setup = make_2_2_1,
     .threads = {send_and_receive_and_send, look_from_here},
     .check = claim_wakers},
    {.name = "channel_unbounded",
     .about = "three elements without a bound",
     .setup = make_unbounded_1_1,
     .threads = {send_3, receive_to_end},
     .check = check_3},
    {.name = "channel_unbounded_chunks",
     .about = "elements enough that a chunk is used again",
     .setup = make_unbounded_1_1,
     .threads = {send_5, receive_to_end},
     .check = check_5},
    {.name = "channel_unbounded_length",
     .about = "the length is looked at while elements come and go, without a bound",
     .setup = make_unbounded_2_1,
     .threads = {send_1, look_from_here, receive_1},
     .check = check_1},
    {.name = "channel_unbounded_length_alone",
     .about = "the same while an only receiver takes elements",
     .setup = make_unbounded_2_1,
     .threads = {send_and_receive_twice, look_at_two_from_here},
     .check = claim_wakers},
    {.name = "channel_unbounded_two_senders",
     .about = "two senders without a bound",
     .setup = make_unbounded_2_1,
     .threads = {send_1, send_another, receive_to_end},
     .check = check_2},
    {.name = "channel_unbounded_two_receivers",
     .about = "two receivers, of whom one may be alone in the end",
     .setup = make_unbounded_1_2,
     .threads = {send_2, receive_to_end, receive_to_end},
     .check = check_2},
    {.name = "channel_unbounded_dropped",
     .about = "a receive that is dropped, without a bound",
     .setup = make_unbounded_1_2,
     .threads = {send_1, receive_or_drop, receive_to_end},
     .check = check_1},
    {.name = "channel_unbounded_listen_dropped",
     .about = "the only receiver drops a receive, and comes again, without a bound",
     .setup = make_unbounded_1_1,
     .threads = {send_1, drop_and_receive_to_end},
     .check = check_1},
    {.name = "channel_unbounded_listen_again",
     .about = "the same after another element",
     .setup = make_unbounded_1_1,
     .threads = {send_2, receive_and_drop_and_receive},
     .check = check_2},
    {.name = "channel_unbounded_left",
     .about = "the receiver goes while elements are sent without a bound",
     .setup = make_unbounded_1_1,
     .threads = {send_or_fail, go_away},
     .check = claim_wakers},
    {.name = NULL},
};
