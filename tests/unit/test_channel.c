// SPDX-License-Identifier: MIT
//
// Channels, polled by hand: order, exact capacity, back-pressure, what a close means to either end,
// and that a drop at any moment loses nothing and keeps nothing. Each claim holds for a bounded
// channel, and where it makes sense for an unbounded one.

#include <errno.h>
#include <rouse.h>
#include <string.h>

#include "claim.h"
#include "hand_waker.h"

struct ends {
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
};

static struct ends make(size_t capacity)
{
    struct ends e = {0};

    if (rouse_channel_new(&e.tx, &e.rx, sizeof(uint64_t), capacity) < 0) claim(false, "a channel");
    return e;
}

static void unmake(struct ends *e)
{
    rouse_channel_sender_unref(e->tx);
    rouse_channel_receiver_unref(e->rx);
}

static int try_send(struct ends *e, uint64_t value)
{
    return rouse_channel_try_send(e->tx, &value);
}

// The next element; 1000 more than the error where there is none.
static uint64_t next(struct ends *e)
{
    uint64_t value = 0;
    int err = rouse_channel_try_receive(e->rx, &value);

    return err < 0 ? 1000 + (uint64_t)-err : value;
}

#define NONE (1000 + EAGAIN)
#define ENDED (1000 + EPIPE)

// ---- Order and capacity ----

static bool fills_up_exactly(size_t capacity)
{
    struct ends e = make(capacity);
    bool good = true;

    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < capacity; i++) good = good && try_send(&e, i) == 0;
        good = good && try_send(&e, 99) == -EAGAIN;
        good = good && rouse_channel_receiver_length(e.rx) == capacity;
        for (uint64_t i = 0; i < capacity; i++) good = good && next(&e) == i;
        good = good && next(&e) == NONE && rouse_channel_sender_length(e.tx) == 0;
    }
    good = good && rouse_channel_sender_capacity(e.tx) == capacity;
    unmake(&e);
    return good;
}

static bool keeps_order_for_long(size_t capacity)
{
    struct ends e = make(capacity);
    uint64_t random = 7;
    uint64_t sent = 0;
    uint64_t received = 0;
    bool good = true;

    while (received < 100000 && good) {
        if (claim_random(&random) % 2 == 0) {
            if (try_send(&e, sent) == 0) sent++;
        } else {
            uint64_t value = next(&e);

            if (value != NONE || received != sent) good = sent > received;
            if (sent > received) good = good && rouse_channel_receiver_length(e.rx) < capacity;
            if (value == received) received++;
        }
    }
    unmake(&e);
    return good;
}

static bool elements_of_any_size(size_t element_size)
{
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    unsigned char element[100];
    unsigned char got[100];
    bool good = true;

    for (size_t capacity = 3; good; capacity = ROUSE_CHANNEL_UNBOUNDED) {
        if (rouse_channel_new(&tx, &rx, element_size, capacity) < 0) return false;
        for (int i = 0; i < 3; i++) {
            memset(element, i + 1, sizeof element);
            good = good && rouse_channel_try_send(tx, element) == 0;
        }
        for (int i = 0; i < 3; i++) {
            memset(element, i + 1, sizeof element);
            memset(got, 0, sizeof got);
            good = good && rouse_channel_try_receive(rx, got) == 0;
            good = good && memcmp(element, got, element_size) == 0;
            good = good && (element_size == sizeof got || got[element_size] == 0);
        }
        rouse_channel_sender_unref(tx);
        rouse_channel_receiver_unref(rx);
        if (capacity == ROUSE_CHANNEL_UNBOUNDED) break;
    }
    return good;
}

static bool refuses_bad_capacities(void)
{
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;

    return rouse_channel_new(&tx, &rx, 8, 0) == -EINVAL &&
           rouse_channel_new(&tx, &rx, 8, ROUSE_CHANNEL_CAPACITY_MAX + 1) == -EINVAL;
}

static bool limits_an_unbounded_one(void)
{
    struct ends e;
    bool good = rouse_channel_new_with(
                    &e.tx, &e.rx,
                    &(struct rouse_channel_options){.size = sizeof(struct rouse_channel_options),
                                                    .element_size = 8,
                                                    .capacity = ROUSE_CHANNEL_UNBOUNDED,
                                                    .element_limit = 1000}) == 0;

    for (uint64_t i = 0; i < 1000; i++) good = good && try_send(&e, i) == 0;
    good = good && try_send(&e, 1) == -EAGAIN;
    for (uint64_t i = 0; i < 500; i++) good = good && next(&e) == i;
    for (uint64_t i = 0; i < 500; i++) good = good && try_send(&e, i) == 0;
    good = good && try_send(&e, 1) == -EAGAIN && rouse_channel_sender_length(e.tx) == 1000;
    good = good && rouse_channel_sender_capacity(e.tx) == ROUSE_CHANNEL_UNBOUNDED;
    unmake(&e);
    return good;
}

static bool receives_many(size_t capacity)
{
    struct ends e = make(capacity);
    uint64_t values[10];
    bool good = true;

    for (uint64_t i = 0; i < 15; i++) good = good && try_send(&e, i) == 0;
    good = good && rouse_channel_receive_many(e.rx, values, 10) == 10 && values[9] == 9;
    good = good && rouse_channel_receive_many(e.rx, values, 10) == 5 && values[4] == 14;
    unmake(&e);
    return good;
}

// ---- Waiting ----

static bool receivers_wait(size_t capacity)
{
    struct ends e = make(capacity);
    struct hand_waker hands[3] = {0};
    struct rouse_channel_receive receives[2];
    uint64_t values[2] = {0};
    bool good = true;

    for (int i = 0; i < 2; i++) {
        rouse_channel_receive_init(&receives[i], e.rx, &values[i]);
        good = good && hand_waker_poll(&hands[i], &receives[i].base) == ROUSE_PENDING;
    }
    // The last waker counts, and a poll keeps the place.
    good = good && hand_waker_poll(&hands[2], &receives[0].base) == ROUSE_PENDING;
    good = good && hand_waker_shares(&hands[0]) == 0;
    good = good && try_send(&e, 5) == 0;
    good = good && hand_waker_wakes(&hands[2]) == 1 && hand_waker_wakes(&hands[1]) == 0;
    good = good && hand_waker_poll(&hands[2], &receives[0].base) == ROUSE_READY && values[0] == 5;
    good = good && receives[0].output == 1;
    good = good && try_send(&e, 6) == 0 && hand_waker_wakes(&hands[1]) == 1;
    good = good && hand_waker_poll(&hands[1], &receives[1].base) == ROUSE_READY && values[1] == 6;
    good = good && hand_waker_shares(&hands[1]) == 0 && hand_waker_shares(&hands[2]) == 0;
    unmake(&e);
    return good;
}

// Somebody else takes the element that a receiver was woken for: it keeps its place.
static bool keeps_its_place(size_t capacity)
{
    struct ends e = make(capacity);
    struct hand_waker hands[2] = {0};
    struct rouse_channel_receive receives[2];
    uint64_t values[2] = {0};
    bool good = true;

    for (int i = 0; i < 2; i++) {
        rouse_channel_receive_init(&receives[i], e.rx, &values[i]);
        good = good && hand_waker_poll(&hands[i], &receives[i].base) == ROUSE_PENDING;
    }
    good = good && try_send(&e, 1) == 0 && hand_waker_wakes(&hands[0]) == 1 && next(&e) == 1;
    good = good && hand_waker_poll(&hands[0], &receives[0].base) == ROUSE_PENDING;
    good = good && try_send(&e, 2) == 0;
    good = good && hand_waker_wakes(&hands[0]) == 2 && hand_waker_wakes(&hands[1]) == 0;
    good = good && hand_waker_poll(&hands[0], &receives[0].base) == ROUSE_READY && values[0] == 2;
    rouse_future_drop(&receives[1].base);
    unmake(&e);
    return good && hand_waker_shares(&hands[1]) == 0;
}

static bool a_dropped_receive_hands_on(size_t capacity)
{
    struct ends e = make(capacity);
    struct hand_waker hands[2] = {0};
    struct rouse_channel_receive receives[2];
    uint64_t values[2] = {0};
    bool good = true;

    for (int i = 0; i < 2; i++) {
        rouse_channel_receive_init(&receives[i], e.rx, &values[i]);
        good = good && hand_waker_poll(&hands[i], &receives[i].base) == ROUSE_PENDING;
    }
    good = good && try_send(&e, 7) == 0 && hand_waker_wakes(&hands[0]) == 1;
    rouse_future_drop(&receives[0].base);
    good = good && hand_waker_wakes(&hands[1]) == 1;
    good = good && hand_waker_poll(&hands[1], &receives[1].base) == ROUSE_READY && values[1] == 7;
    good = good && values[0] == 0;
    unmake(&e);
    return good && hand_waker_shares(&hands[0]) == 0 && hand_waker_shares(&hands[1]) == 0;
}

struct senders {
    struct hand_waker hands[3];
    struct rouse_channel_send sends[3];
    uint64_t values[3];
};

// A full channel of one place, and three who wait to send 1, 2 and 3.
static bool senders_wait(struct ends *e, struct senders *s)
{
    bool good = try_send(e, 0) == 0;

    *s = (struct senders){0};
    for (int i = 0; i < 3; i++) {
        s->values[i] = (uint64_t)i + 1;
        rouse_channel_send_init(&s->sends[i], e->tx, &s->values[i]);
        good = good && hand_waker_poll(&s->hands[i], &s->sends[i].base) == ROUSE_PENDING;
    }
    return good;
}

static bool sent(struct senders *s, int i)
{
    return hand_waker_wakes(&s->hands[i]) == 1 &&
           hand_waker_poll(&s->hands[i], &s->sends[i].base) == ROUSE_READY &&
           s->sends[i].output == 0 && hand_waker_shares(&s->hands[i]) == 0;
}

static bool senders_are_served_in_order(void)
{
    struct ends e = make(1);
    struct senders s;
    bool good = senders_wait(&e, &s);

    good = good && next(&e) == 0;
    // The place is kept for the first of them, whoever comes.
    good = good && hand_waker_wakes(&s.hands[1]) == 0 && try_send(&e, 9) == -EAGAIN;
    good = good && sent(&s, 0) && next(&e) == 1 && sent(&s, 1) && next(&e) == 2 && sent(&s, 2);
    good = good && next(&e) == 3 && next(&e) == NONE;
    good = good && try_send(&e, 4) == 0 && next(&e) == 4;
    unmake(&e);
    return good;
}

static bool a_dropped_send_sends_nothing(void)
{
    struct ends e = make(1);
    struct senders s;
    bool good = senders_wait(&e, &s);

    rouse_future_drop(&s.sends[1].base);  // while it waits
    good = good && next(&e) == 0 && hand_waker_wakes(&s.hands[0]) == 1;
    rouse_future_drop(&s.sends[0].base);  // when the place is its own
    good = good && sent(&s, 2) && next(&e) == 3 && next(&e) == NONE;
    good = good && try_send(&e, 4) == 0;
    unmake(&e);
    return good && hand_waker_shares(&s.hands[0]) == 0 && hand_waker_shares(&s.hands[1]) == 0;
}

// All who wait give up: the channel is as if they had never come.
static bool nobody_waits_any_more(void)
{
    struct ends e = make(2);
    struct rouse_channel_permit permit;
    struct senders s;
    bool good = rouse_channel_reserve(e.tx, &permit) == 0 && senders_wait(&e, &s);

    for (int i = 0; i < 3; i++) rouse_future_drop(&s.sends[i].base);
    rouse_channel_permit_drop(&permit);
    good = good && try_send(&e, 5) == 0 && try_send(&e, 6) == -EAGAIN;
    good = good && next(&e) == 0 && next(&e) == 5 && next(&e) == NONE;
    unmake(&e);
    return good;
}

// ---- Places ----

static bool places_are_counted(void)
{
    struct ends e = make(2);
    struct rouse_channel_permit permits[2];
    uint64_t value = 1;
    bool good = rouse_channel_reserve(e.tx, &permits[0]) == 0;

    good = good && try_send(&e, 0) == 0 && try_send(&e, 9) == -EAGAIN;
    good = good && next(&e) == 0;  // a place that is not used yet holds nobody up
    good = good && rouse_channel_reserve(e.tx, &permits[1]) == 0 && try_send(&e, 9) == -EAGAIN;
    rouse_channel_permit_send(&permits[1], &value);
    rouse_channel_permit_drop(&permits[1]);  // was used
    good = good && next(&e) == 1;
    rouse_channel_permit_drop(&permits[0]);
    good = good && try_send(&e, 2) == 0 && try_send(&e, 3) == 0 && try_send(&e, 9) == -EAGAIN;
    unmake(&e);
    return good;
}

static bool a_place_given_back_serves_the_next(void)
{
    struct ends e = make(1);
    struct hand_waker hand = {0};
    struct rouse_channel_permit permit;
    struct rouse_channel_reserve reserve;
    uint64_t value = 8;
    bool good = rouse_channel_reserve(e.tx, &permit) == 0;

    rouse_channel_reserve_init(&reserve, e.tx);
    good = good && hand_waker_poll(&hand, &reserve.base) == ROUSE_PENDING;
    rouse_channel_permit_drop(&permit);
    good = good && hand_waker_wakes(&hand) == 1 && try_send(&e, 9) == -EAGAIN;
    good = good && hand_waker_poll(&hand, &reserve.base) == ROUSE_READY;
    permit = rouse_channel_reserve_take(&reserve);
    rouse_future_drop(&reserve.base);
    rouse_channel_permit_send(&permit, &value);
    good = good && next(&e) == 8;
    // One that is not taken out goes back with its future.
    rouse_channel_reserve_init(&reserve, e.tx);
    good = good && hand_waker_poll(&hand, &reserve.base) == ROUSE_READY;
    good = good && try_send(&e, 9) == -EAGAIN;
    rouse_future_drop(&reserve.base);
    good = good && try_send(&e, 9) == 0;
    unmake(&e);
    return good;
}

// ---- Closed ----

static bool receivers_drain(size_t capacity)
{
    struct ends e = make(capacity);
    struct hand_waker hand = {0};
    struct rouse_channel_receive receive;
    uint64_t value;
    bool good = try_send(&e, 1) == 0;

    rouse_channel_receiver_close(e.rx);
    good = good && try_send(&e, 2) == -EPIPE && rouse_channel_sender_is_closed(e.tx);
    good = good && next(&e) == 1 && next(&e) == ENDED && rouse_channel_receiver_is_closed(e.rx);
    unmake(&e);

    // The last sender goes while a receiver waits.
    e = make(capacity);
    rouse_channel_receive_init(&receive, e.rx, &value);
    (void)rouse_channel_sender_ref(e.tx);
    good = good && hand_waker_poll(&hand, &receive.base) == ROUSE_PENDING;
    rouse_channel_sender_unref(e.tx);
    good = good && hand_waker_wakes(&hand) == 0;
    rouse_channel_sender_unref(e.tx);
    good = good && hand_waker_wakes(&hand) == 1;
    good = good && hand_waker_poll(&hand, &receive.base) == ROUSE_READY;
    good = good && receive.output == -EPIPE && rouse_future_result(&receive.base) == -EPIPE;
    rouse_channel_receiver_unref(e.rx);
    return good;
}

static bool senders_learn(void)
{
    struct ends e = make(1);
    struct senders s;
    bool good = senders_wait(&e, &s);

    (void)rouse_channel_receiver_ref(e.rx);
    rouse_channel_receiver_unref(e.rx);
    good = good && hand_waker_wakes(&s.hands[0]) == 0;
    rouse_channel_receiver_unref(e.rx);
    for (int i = 0; i < 3; i++) {
        good = good && hand_waker_wakes(&s.hands[i]) == 1;
        good = good && hand_waker_poll(&s.hands[i], &s.sends[i].base) == ROUSE_READY;
        good = good && s.sends[i].output == -EPIPE;
    }
    good = good && try_send(&e, 1) == -EPIPE;
    rouse_channel_sender_unref(e.tx);
    return good;
}

// A place that was reserved before the close: receivers wait for what will come there.
static bool a_reserved_place_outlives_the_close(bool used)
{
    struct ends e = make(2);
    struct hand_waker hands[2] = {0};
    struct rouse_channel_receive receives[2];
    struct rouse_channel_permit permit;
    uint64_t values[2] = {0};
    uint64_t value = 3;
    bool good = rouse_channel_reserve(e.tx, &permit) == 0;

    rouse_channel_receiver_close(e.rx);
    good = good && next(&e) == NONE;
    for (int i = 0; i < 2; i++) {
        rouse_channel_receive_init(&receives[i], e.rx, &values[i]);
        good = good && hand_waker_poll(&hands[i], &receives[i].base) == ROUSE_PENDING;
    }
    if (used) rouse_channel_permit_send(&permit, &value);
    rouse_channel_permit_drop(&permit);
    for (int i = 0; i < 2; i++) {
        good = good && hand_waker_wakes(&hands[i]) == 1;
        good = good && hand_waker_poll(&hands[i], &receives[i].base) == ROUSE_READY;
    }
    good = good && receives[0].output == (used ? 1 : -EPIPE) && values[0] == (used ? 3 : 0);
    good = good && receives[1].output == -EPIPE;
    unmake(&e);
    return good;
}

static int dropped;
static uint64_t dropped_sum;

static void count_drop(void *element)
{
    uint64_t value;

    memcpy(&value, element, sizeof value);
    dropped++;
    dropped_sum += value;
}

// One that is the only receiver keeps account of where it is. So does the ring, for several.
static bool one_goes_on_where_several_were(size_t capacity)
{
    struct ends e = make(capacity);
    uint64_t sent = 0;
    uint64_t received = 0;
    bool good = true;

    for (int round = 0; round < 7; round++) {
        bool several = round % 2 == 1;

        if (several) (void)rouse_channel_receiver_ref(e.rx);
        for (int i = 0; i < 3; i++) good = good && try_send(&e, sent++) == 0;
        for (int i = 0; i < 3; i++) good = good && next(&e) == received++;
        if (several) rouse_channel_receiver_unref(e.rx);
    }
    good = good && rouse_channel_receiver_length(e.rx) == 0;
    unmake(&e);
    return good;
}

static bool drops_what_nobody_received(size_t capacity, bool sender_first)
{
    struct ends e;
    bool good = rouse_channel_new_with(
                    &e.tx, &e.rx,
                    &(struct rouse_channel_options){.size = sizeof(struct rouse_channel_options),
                                                    .element_size = 8,
                                                    .capacity = capacity,
                                                    .element_drop = count_drop}) == 0;

    dropped = 0;
    dropped_sum = 0;
    for (uint64_t i = 1; i <= 6; i++) good = good && try_send(&e, i) == 0;
    good = good && next(&e) == 1 && dropped == 0;
    if (sender_first) rouse_channel_sender_unref(e.tx);
    rouse_channel_receiver_unref(e.rx);
    good = good && dropped == 5 && dropped_sum == 20;
    if (!sender_first) rouse_channel_sender_unref(e.tx);
    return good && dropped == 5;
}

int main(void)
{
    const size_t unbounded = ROUSE_CHANNEL_UNBOUNDED;

    claim(fills_up_exactly(1) && fills_up_exactly(2) && fills_up_exactly(3) &&
              fills_up_exactly(8) && fills_up_exactly(1000),
          "a channel has as many places as it was made with");
    claim(keeps_order_for_long(1) && keeps_order_for_long(5) && keeps_order_for_long(unbounded),
          "elements come out in the order in which they went in");
    claim(elements_of_any_size(0) && elements_of_any_size(1) && elements_of_any_size(4) &&
              elements_of_any_size(8) && elements_of_any_size(13) && elements_of_any_size(16) &&
              elements_of_any_size(100),
          "an element of any size is copied whole, and no further");
    claim(refuses_bad_capacities(), "a channel without places, or with too many, is refused");
    claim(limits_an_unbounded_one(), "an unbounded channel may have a limit");
    claim(receives_many(20) && receives_many(unbounded), "many are received at once");
    claim(one_goes_on_where_several_were(3) && one_goes_on_where_several_were(unbounded),
          "a receiver that has become the only one goes on where several were");
    claim(receivers_wait(2) && receivers_wait(unbounded),
          "receivers wait in order, each with its last waker");
    claim(keeps_its_place(1) && keeps_its_place(unbounded),
          "a receiver whose element went to another keeps its place");
    claim(a_dropped_receive_hands_on(1) && a_dropped_receive_hands_on(unbounded),
          "a receive that is dropped after its wake wakes the next, and has taken nothing");
    claim(senders_are_served_in_order(), "senders are served in order, and not overtaken");
    claim(a_dropped_send_sends_nothing(), "a send that is dropped has sent nothing");
    claim(nobody_waits_any_more(), "senders that gave up leave no trace");
    claim(places_are_counted(), "reserved places count, and hold nobody up");
    claim(a_place_given_back_serves_the_next(), "a place that is given back goes to who waits");
    claim(receivers_drain(4) && receivers_drain(unbounded),
          "receivers get what is left, then the end");
    claim(senders_learn(), "senders learn that the receivers have gone");
    claim(a_reserved_place_outlives_the_close(true) && a_reserved_place_outlives_the_close(false),
          "a place that was reserved before the close may be used, and is waited for");
    claim(drops_what_nobody_received(8, true) && drops_what_nobody_received(8, false) &&
              drops_what_nobody_received(unbounded, true) &&
              drops_what_nobody_received(unbounded, false),
          "an element that nobody received is dropped, once");
    return claims_end();
}
