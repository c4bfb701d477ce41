// SPDX-License-Identifier: MIT
//
// The broadcast channel, polled by hand with wakers that count: who gets which message, who lags
// and by how much, and which end may go when. Then on plain threads, where each message carries a
// check sum, so that one that is torn shows.

#include <errno.h>
#include <rouse/await.h>
#include <rouse/broadcast.h>
#include <rouse/select.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/sanitizer.h"
#include "checked.h"
#include "claim.h"
#include "heap.h"
#include "live.h"
#include "panics.h"
#include "probe.h"

static struct rouse_broadcast_sender *tx;
static struct rouse_broadcast_receiver *rx[2];
static struct bell bells[2];

static void make(size_t capacity)
{
    memset(bells, 0, sizeof bells);
    if (rouse_broadcast_new(&tx, capacity, sizeof(int)) < 0) abort();
    for (int i = 0; i < 2; i++) {
        if (rouse_broadcast_subscribe(tx, &rx[i]) < 0) abort();
    }
}

static int send_now(int value)
{
    return rouse_broadcast_send(tx, &value);
}

// The message, or a negative errno.
static int next_of(struct rouse_broadcast_receiver *from)
{
    int value = 0;
    int err = rouse_broadcast_try_receive(from, &value, NULL);

    return err < 0 ? err : value;
}

static void unmake(void)
{
    rouse_broadcast_receiver_free(rx[0]);
    rouse_broadcast_receiver_free(rx[1]);
    rouse_broadcast_sender_unref(tx);
}

static bool is_clean(void)
{
    return live_allocations() == 0 && bells[0].shares == 0 && bells[1].shares == 0;
}

// ---- Messages ----

static void all_get_all(void)
{
    make(4);
    claim(next_of(rx[0]) == -EAGAIN, "before the first message there is none");
    claim(send_now(1) == 2 && send_now(2) == 2, "a send tells how many receivers there are");
    claim(next_of(rx[0]) == 1 && next_of(rx[0]) == 2 && next_of(rx[0]) == -EAGAIN,
          "a receiver gets each message, in their order");
    claim(next_of(rx[1]) == 1 && next_of(rx[1]) == 2 && next_of(rx[1]) == -EAGAIN,
          "and so does the other");
    unmake();
    claim(is_clean(), "nothing is left");
}

static void a_receiver_begins_where_it_subscribes(void)
{
    struct rouse_broadcast_receiver *late;

    make(4);
    (void)send_now(1);
    if (rouse_broadcast_subscribe(tx, &late) < 0) abort();
    claim(rouse_broadcast_receiver_count(tx) == 3 && send_now(2) == 3 && next_of(late) == 2,
          "who comes later gets what comes later");
    rouse_broadcast_receiver_free(late);
    claim(rouse_broadcast_receiver_count(tx) == 2 && send_now(3) == 2,
          "who has gone does not count any more");
    unmake();
    claim(is_clean(), "nothing is left");
}

static void lag(void)
{
    uint64_t missed = 0;
    int value = 0;

    make(3);
    claim(rouse_broadcast_capacity(tx) == 4, "a capacity is rounded up to a power of two");
    for (int i = 0; i < 4; i++) (void)send_now(i);
    claim(next_of(rx[0]) == 0, "as many messages as the capacity are kept");
    for (int i = 4; i < 11; i++) (void)send_now(i);
    claim(rouse_broadcast_receiver_len(rx[0]) == 10, "those missed count as not received");
    claim(rouse_broadcast_try_receive(rx[0], &value, &missed) == -EOVERFLOW && missed == 6,
          "a receiver that lags is told how many messages are gone");
    claim(next_of(rx[0]) == 7 && next_of(rx[0]) == 8 && next_of(rx[0]) == 9 &&
              next_of(rx[0]) == 10 && next_of(rx[0]) == -EAGAIN,
          "once, and goes on with the oldest that is left");
    claim(rouse_broadcast_receiver_len(rx[0]) == 0, "until it has all of them");
    claim(rouse_broadcast_try_receive(rx[1], &value, &missed) == -EOVERFLOW && missed == 7 &&
              next_of(rx[1]) == 7,
          "each receiver has a place of its own");
    unmake();
    make(1);
    claim(rouse_broadcast_capacity(tx) == 1 && send_now(1) == 2 && next_of(rx[0]) == 1 &&
              send_now(2) == 2 && next_of(rx[0]) == 2,
          "one message may be enough");
    claim(next_of(rx[1]) == -EOVERFLOW && next_of(rx[1]) == 2, "or not");
    unmake();
    claim(is_clean(), "nothing is left");
}

// ---- Ends ----

static void senders_go(void)
{
    make(4);
    claim(rouse_broadcast_sender_ref(tx) == tx, "a sender may be shared");
    (void)send_now(1);
    (void)send_now(2);
    rouse_broadcast_sender_unref(tx);
    claim(!rouse_broadcast_receiver_is_closed(rx[0]) && send_now(3) == 2,
          "one of two senders may go");
    rouse_broadcast_sender_unref(tx);
    claim(rouse_broadcast_receiver_is_closed(rx[0]), "the last one closes the channel");
    claim(next_of(rx[0]) == 1 && next_of(rx[0]) == 2 && next_of(rx[0]) == 3,
          "receivers still get what was sent");
    claim(next_of(rx[0]) == -EPIPE && next_of(rx[0]) == -EPIPE, "and then that it is over");
    rouse_broadcast_receiver_free(rx[0]);
    claim(next_of(rx[1]) == 1 && live_allocations() > 0, "the last receiver keeps the messages");
    rouse_broadcast_receiver_free(rx[1]);
    claim(is_clean(), "nothing is left");
    rouse_broadcast_sender_unref(NULL);
    rouse_broadcast_receiver_free(NULL);
    claim(is_clean(), "no end is no end to give up");
}

static void receivers_go(void)
{
    struct rouse_broadcast_receiver *late;

    make(4);
    rouse_broadcast_receiver_free(rx[0]);
    rouse_broadcast_receiver_free(rx[1]);
    claim(send_now(1) == -EPIPE && rouse_broadcast_receiver_count(tx) == 0,
          "without a receiver a send fails");
    if (rouse_broadcast_subscribe(tx, &late) < 0) abort();
    claim(next_of(late) == -EAGAIN && send_now(2) == 1 && next_of(late) == 2,
          "until there is one again");
    rouse_broadcast_receiver_free(late);
    rouse_broadcast_sender_unref(tx);
    claim(is_clean(), "nothing is left");
}

// ---- Sizes and memory ----

static void sizes(void)
{
    static const size_t all[] = {0, 1, 7, 8, 9, 100};
    unsigned char sent[101];
    unsigned char received[101];
    bool same = true;

    memset(sent, 0x5a, sizeof sent);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        memset(received, 0, sizeof received);
        if (rouse_broadcast_new(&tx, 2, all[i]) < 0) abort();
        if (rouse_broadcast_subscribe(tx, &rx[0]) < 0) abort();
        // From and to odd addresses.
        for (int round = 0; round < 5; round++) {
            same = same && rouse_broadcast_send(tx, sent + 1) == 1 &&
                   rouse_broadcast_try_receive(rx[0], received + 1, NULL) == 0;
        }
        same = same && memcmp(sent + 1, received + 1, all[i]) == 0 && received[0] == 0 &&
               (all[i] == 100 || received[1 + all[i]] == 0);
        rouse_broadcast_receiver_free(rx[0]);
        rouse_broadcast_sender_unref(tx);
    }
    claim(same && is_clean(), "messages of any size come through, no byte more or less");
    claim(rouse_broadcast_new(&tx, 0, 8) == -EINVAL, "a channel has a capacity");
    claim(rouse_broadcast_new(&tx, SIZE_MAX, 8) == -ENOMEM &&
              rouse_broadcast_new(&tx, 8, SIZE_MAX) == -ENOMEM &&
              rouse_broadcast_new(&tx, SIZE_MAX / 8, 8) == -ENOMEM,
          "that there is memory for");
}

static int make_without_memory(void *arg)
{
    (void)arg;
    return rouse_broadcast_new(&tx, 4, 8);
}

static int subscribe_without_memory(void *arg)
{
    return rouse_broadcast_subscribe(arg, &rx[0]);
}

static void memory(void)
{
    struct rouse_broadcast_receive receive;
    int value;

    make(4);
    long before = heap_counted();

    for (int i = 0; i < 10; i++) {
        rouse_broadcast_receive_init(&receive, rx[0], &value);
        (void)bell_poll(&bells[0], &receive.base);
        (void)send_now(i);
        (void)bell_poll(&bells[0], &receive.base);
    }
    claim(heap_counted() == before, "sending and receiving allocates nothing");
    claim(live_without_memory(subscribe_without_memory, tx) == -ENOMEM &&
              rouse_broadcast_receiver_count(tx) == 2,
          "without memory there is no receiver");
    unmake();
    claim(live_without_memory(make_without_memory, NULL) == -ENOMEM && is_clean(),
          "and no channel");
}

// ---- Waiting ----

static void receives_wait(void)
{
    struct rouse_broadcast_receive receives[2];
    int values[2] = {0, 0};
    char text[80] = "";

    make(4);
    for (int i = 0; i < 2; i++) rouse_broadcast_receive_init(&receives[i], rx[i], &values[i]);
    claim(bell_poll(&bells[0], &receives[0].base) == ROUSE_PENDING &&
              bell_poll(&bells[1], &receives[0].base) == ROUSE_PENDING && bells[0].shares == 0 &&
              bells[1].shares == 1,
          "of two wakers the last one counts");
    (void)rouse_future_describe(&receives[0].base, text, sizeof text);
    claim(strncmp(text, "message 0 of broadcast 0x", 25) == 0, "it says what it waits for");
    claim(bell_poll(&bells[0], &receives[1].base) == ROUSE_PENDING, "several receivers may wait");
    (void)send_now(5);
    claim(bells[0].rings == 1 && bells[1].rings == 1 && bells[0].shares + bells[1].shares == 0,
          "a send wakes each of them once");
    (void)send_now(6);
    claim(bells[0].rings == 1 && bells[1].rings == 1, "the next one nobody");
    for (int i = 0; i < 2; i++) {
        claim(bell_poll(&bells[i], &receives[i].base) == ROUSE_READY && receives[i].output == 0 &&
                  rouse_future_result(&receives[i].base) == 0 && values[i] == 5,
              "and they end with the message");
        rouse_future_drop(&receives[i].base);
    }
    claim(next_of(rx[0]) == 6, "the next message is the next receive's");
    unmake();
    claim(is_clean(), "nothing is left");
}

static void receive_lags_while_it_waits(void)
{
    struct rouse_broadcast_receive receive;
    int value = 0;

    make(2);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    (void)bell_poll(&bells[0], &receive.base);
    for (int i = 0; i < 5; i++) (void)send_now(i);
    claim(bell_poll(&bells[0], &receive.base) == ROUSE_READY && receive.output == -EOVERFLOW &&
              receive.missed == 3 && rouse_future_result(&receive.base) == -EOVERFLOW,
          "who was woken and comes too late is told");
    claim(next_of(rx[0]) == 3, "and goes on");
    unmake();
}

static void receive_of_a_closed_channel(void)
{
    struct rouse_broadcast_receive receive;
    int value = 0;

    make(2);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_broadcast_sender_unref(tx);
    claim(bells[0].rings == 1 && bells[0].shares == 0 &&
              bell_poll(&bells[0], &receive.base) == ROUSE_READY && receive.output == -EPIPE,
          "the last sender wakes who waits");
    rouse_broadcast_receive_init(&receive, rx[1], &value);
    claim(bell_poll(&bells[1], &receive.base) == ROUSE_READY && receive.output == -EPIPE &&
              bells[1].shares == 0,
          "and nobody waits after that");
    rouse_broadcast_receiver_free(rx[0]);
    rouse_broadcast_receiver_free(rx[1]);
    claim(is_clean(), "nothing is left");
}

static void receive_is_dropped(void)
{
    struct rouse_broadcast_receive receive;
    struct rouse_select select;
    struct probe winner;
    int value = 0;

    make(2);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    claim(rouse_future_cancel_kind(&receive.base) == ROUSE_CANCEL_TOTAL, "a receive is total");
    rouse_future_drop(&receive.base);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_future_drop(&receive.base);
    (void)send_now(1);
    claim(bells[0].rings == 0 && bells[0].shares == 0, "dropped before the send it is not woken");
    claim(next_of(rx[0]) == 1, "and has taken nothing");
    probe_init(&winner, "winner", 1, 0);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    rouse_select_init(&select, &winner.base, &receive.base, ROUSE_SELECT_BIASED);
    (void)bell_poll(&bells[0], &select.base);
    (void)send_now(2);
    claim(bell_poll(&bells[0], &select.base) == ROUSE_READY && select.output == 0 &&
              bells[0].rings == 1,
          "a receive may lose with its message already there");
    rouse_future_drop(&select.base);
    claim(value == 0 && next_of(rx[0]) == 2, "it has taken nothing either");
    unmake();
    claim(is_clean(), "nothing is left");
}

// A receive that was woken, and whose message was then taken by another call.
static void receive_comes_too_late(void)
{
    struct rouse_broadcast_receive receive;
    int value = 0;

    make(2);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    (void)bell_poll(&bells[0], &receive.base);
    (void)send_now(1);
    claim(next_of(rx[0]) == 1 && bell_poll(&bells[1], &receive.base) == ROUSE_PENDING,
          "a receive whose message was taken waits for the next");
    (void)send_now(2);
    claim(bells[1].rings == 1 && bell_poll(&bells[1], &receive.base) == ROUSE_READY && value == 2,
          "which ends it");
    unmake();
    claim(is_clean(), "nothing is left");
}

static void receive_spends_budget(void)
{
    struct rouse_broadcast_receive receive;
    struct rouse_waker waker = bell_waker(&bells[0]);
    struct rouse_context cx;
    int value = 0;

    make(2);
    rouse_context_init(&cx, &waker, NULL);
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    (void)send_now(1);
    cx.budget = 0;
    claim(rouse_future_poll(&receive.base, &cx) == ROUSE_PENDING && bells[0].rings == 1,
          "a receive that finds the budget spent yields");
    cx.budget = 2;
    claim(rouse_future_poll(&receive.base, &cx) == ROUSE_READY && cx.budget == 1 && value == 1,
          "and spends one unit");
    rouse_broadcast_receive_init(&receive, rx[0], &value);
    (void)rouse_future_poll(&receive.base, &cx);
    (void)rouse_future_poll(&receive.base, &cx);
    (void)send_now(2);
    claim(cx.budget == 0 && rouse_future_poll(&receive.base, &cx) == ROUSE_READY && value == 2,
          "at its first poll only");
    unmake();
    claim(is_clean(), "nothing is left");
}

// More than fit into one batch of wakers.
static void a_hundred_wait(void)
{
    enum { COUNT = 200 };
    static struct rouse_broadcast_receiver *all[COUNT];
    static struct rouse_broadcast_receive receives[COUNT];
    static int values[COUNT];
    int right = 0;

    make(2);
    for (int i = 0; i < COUNT; i++) {
        if (rouse_broadcast_subscribe(tx, &all[i]) < 0) abort();
        rouse_broadcast_receive_init(&receives[i], all[i], &values[i]);
        (void)bell_poll(&bells[0], &receives[i].base);
    }
    claim(send_now(3) == COUNT + 2 && bells[0].rings == COUNT && bells[0].shares == 0,
          "a send wakes all of a crowd");
    for (int i = 0; i < COUNT; i++) {
        right += bell_poll(&bells[0], &receives[i].base) == ROUSE_READY && values[i] == 3;
        rouse_broadcast_receive_init(&receives[i], all[i], &values[i]);
        (void)bell_poll(&bells[0], &receives[i].base);
    }
    rouse_broadcast_sender_unref(tx);
    for (int i = 0; i < COUNT; i++) {
        right += bell_poll(&bells[0], &receives[i].base) == ROUSE_READY &&
                 receives[i].output == -EPIPE;
        rouse_broadcast_receiver_free(all[i]);
    }
    claim(right == 2 * COUNT && bells[0].rings == 2 * COUNT, "and so does the end");
    rouse_broadcast_receiver_free(rx[0]);
    rouse_broadcast_receiver_free(rx[1]);
    claim(is_clean(), "nothing is left");
}

// ---- Misuse ----

static void free_while_receiving(void *arg)
{
    struct rouse_broadcast_receive receive;

    make(2);
    rouse_broadcast_receive_init(&receive, rx[0], arg);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_broadcast_receiver_free(rx[0]);
}

static void receive_twice_at_once(void *arg)
{
    struct rouse_broadcast_receive receives[2];

    make(2);
    for (int i = 0; i < 2; i++) {
        rouse_broadcast_receive_init(&receives[i], rx[0], arg);
        (void)bell_poll(&bells[i], &receives[i].base);
    }
}

static void misuse(void)
{
    int value;

    claim(panics(free_while_receiving, &value, "drop the future first"),
          "a receiver is not freed while somebody waits at it");
    claim(panics(receive_twice_at_once, &value, "one future waits at a time"),
          "nor waited at twice at once");
}

// ---- Threads ----

enum { SENDERS = 2, MESSAGES = RS_TSAN ? 20000 : 200000 };

static void *send_many(void *arg)
{
    uint32_t sender = (uint32_t)(uintptr_t)arg;

    for (uint32_t i = 0; i < MESSAGES; i++) {
        struct checked m = checked_of(sender, i);

        if (rouse_broadcast_send(tx, &m) < 0) return (void *)1;
        if (i % 64 == 0) sched_yield();
    }
    rouse_broadcast_sender_unref(tx);
    return NULL;
}

// Returns how much was wrong.
static void *receive_many(void *arg)
{
    struct rouse_broadcast_receiver *from = arg;
    uint32_t next[SENDERS] = {0};
    uint64_t received = 0;
    uint64_t lost = 0;
    uint64_t missed = 0;
    intptr_t wrong = 0;
    struct checked m;
    int err;

    while ((err = rouse_broadcast_receive(from, &m, &missed)) != -EPIPE) {
        wrong += err != 0 && err != -EOVERFLOW;
        wrong += err == -EOVERFLOW && missed == 0;
        if (err == -EOVERFLOW) lost += missed;
        if (err != 0) continue;
        bool is_whole = checked_is_whole(&m, SENDERS);

        wrong += !is_whole;
        if (!is_whole) continue;
        wrong += m.number < next[m.sender];
        next[m.sender] = m.number + 1;
        received++;
    }
    return (void *)(wrong + (received + lost != (uint64_t)SENDERS * MESSAGES));
}

static void threads(void)
{
    pthread_t receivers[2];
    pthread_t senders[SENDERS];
    int failed = 0;
    int wrong = 0;

    if (rouse_broadcast_new(&tx, 16, sizeof(struct checked)) < 0) abort();
    for (int i = 0; i < 2; i++) {
        if (rouse_broadcast_subscribe(tx, &rx[i]) < 0) abort();
        receivers[i] = live_thread(receive_many, rx[i]);
    }
    (void)rouse_broadcast_sender_ref(tx);
    for (uintptr_t i = 0; i < SENDERS; i++) senders[i] = live_thread(send_many, (void *)i);
    for (int i = 0; i < SENDERS; i++) failed += live_result(senders[i]);
    for (int i = 0; i < 2; i++) wrong += live_result(receivers[i]);
    claim(failed == 0, "with a receiver there every send succeeds");
    claim(wrong == 0,
          "each receiver gets whole messages, in order, and knows of all it has missed");
    rouse_broadcast_receiver_free(rx[0]);
    rouse_broadcast_receiver_free(rx[1]);
}

int main(void)
{
    heap_watch();
    all_get_all();
    a_receiver_begins_where_it_subscribes();
    lag();
    senders_go();
    receivers_go();
    sizes();
    memory();
    receives_wait();
    receive_lags_while_it_waits();
    receive_of_a_closed_channel();
    receive_is_dropped();
    receive_comes_too_late();
    receive_spends_budget();
    a_hundred_wait();
    misuse();
    threads();
    return claims_end();
}
