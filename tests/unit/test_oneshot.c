// SPDX-License-Identifier: MIT
//
// The oneshot, polled by hand with wakers that count: every order in which its ends may send, wait,
// and go, each with a value that counts how often it is dropped. Then on plain threads. An
// unbalanced share, a block that stays, a value that is dropped twice or never show in the counts.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/oneshot.h>
#include <rouse/select.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "claim.h"
#include "heap.h"
#include "live.h"
#include "panics.h"
#include "probe.h"

static struct rouse_oneshot_sender *tx;
static struct rouse_oneshot_receiver *rx;
static struct bell bells[2];
static atomic_int dropped;

static void count_drop(void *element)
{
    (void)element;
    // Relaxed: read when all threads have ended.
    atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
}

static int drops(void)
{
    return atomic_exchange_explicit(&dropped, 0, memory_order_relaxed);
}

static void make(void)
{
    memset(bells, 0, sizeof bells);
    (void)drops();
    if (rouse_oneshot_new(&tx, &rx, sizeof(uint64_t), count_drop) < 0) abort();
}

static int send_now(uint64_t value)
{
    return rouse_oneshot_send(tx, &value);
}

// All that a pair owned has been given back.
static bool is_clean(void)
{
    return live_allocations() == 0 && bells[0].shares == 0 && bells[1].shares == 0;
}

// ---- Values ----

static void value_comes_through(void)
{
    uint64_t value = 0;

    make();
    claim(rouse_oneshot_try_receive(rx, &value) == -EAGAIN, "before the send there is nothing");
    claim(!rouse_oneshot_sender_is_closed(tx) && send_now(7) == 0, "a value can be sent");
    claim(rouse_oneshot_try_receive(rx, &value) == 0 && value == 7, "and is received");
    claim(rouse_oneshot_try_receive(rx, &value) == -EPIPE, "once");
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 0 && is_clean(), "a value that was taken is the receiver's to drop");
}

static void untaken_value_is_dropped_once(void)
{
    make();
    (void)send_now(7);
    claim(drops() == 0, "a value waits for its receiver");
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 1 && is_clean(), "and is dropped with it if nobody took it");
}

static void no_receiver_no_send(void)
{
    make();
    rouse_oneshot_receiver_free(rx);
    claim(rouse_oneshot_sender_is_closed(tx) && send_now(7) == -EPIPE,
          "without a receiver a send fails");
    claim(drops() == 0 && is_clean(), "and the value stays the sender's");
}

static void nobody_sends(void)
{
    uint64_t value = 3;

    make();
    rouse_oneshot_sender_free(tx);
    claim(rouse_oneshot_try_receive(rx, &value) == -EPIPE && value == 3,
          "a sender that goes without a value leaves -EPIPE");
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 0 && is_clean(), "and nothing to drop");
    make();
    rouse_oneshot_receiver_free(rx);
    rouse_oneshot_sender_free(tx);
    claim(drops() == 0 && is_clean(), "in the other order too");
    rouse_oneshot_sender_free(NULL);
    rouse_oneshot_receiver_free(NULL);
    claim(is_clean(), "no end is no end to free");
}

static void sizes(void)
{
    static const size_t all[] = {0, 1, 3, 8, 40, 100000};
    bool same = true;

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        unsigned char *sent = malloc(all[i] + 1);
        unsigned char *received = calloc(all[i] + 1, 1);

        if (sent == NULL || received == NULL) abort();
        memset(sent, 0x5a, all[i] + 1);
        if (rouse_oneshot_new(&tx, &rx, all[i], NULL) < 0) abort();
        same = same && rouse_oneshot_send(tx, sent) == 0 &&
               rouse_oneshot_try_receive(rx, received) == 0 &&
               memcmp(sent, received, all[i]) == 0 && received[all[i]] == 0;
        rouse_oneshot_receiver_free(rx);
        free(sent);
        free(received);
    }
    claim(same && live_allocations() == 0, "values of any size come through, no byte more or less");
    if (rouse_oneshot_new(&tx, &rx, 8, NULL) < 0) abort();
    (void)send_now(1);
    rouse_oneshot_receiver_free(rx);
    claim(live_allocations() == 0, "values that own nothing need no drop");
    claim(rouse_oneshot_new(&tx, &rx, SIZE_MAX - 8, NULL) == -ENOMEM, "nothing is that large");
}

static int make_without_memory(void *arg)
{
    (void)arg;
    return rouse_oneshot_new(&tx, &rx, 8, NULL);
}

static void memory(void)
{
    struct rouse_oneshot_receive receive;
    uint64_t value;

    make();
    long before = heap_counted();

    claim(live_allocations() == 1, "a pair is one allocation");
    rouse_oneshot_receive_init(&receive, rx);
    (void)bell_poll(&bells[0], &receive.base);
    (void)bell_poll(&bells[1], &receive.base);
    (void)send_now(1);
    (void)bell_poll(&bells[1], &receive.base);
    rouse_oneshot_receive_take(&receive, &value);
    rouse_oneshot_receiver_free(rx);
    claim(heap_counted() == before && live_allocations() == 0, "and nothing after that allocates");
    claim(live_without_memory(make_without_memory, NULL) == -ENOMEM,
          "without memory there is no pair");
}

// ---- Waiting for the value ----

static void receive_waits(void)
{
    struct rouse_oneshot_receive receive;
    char text[80] = "";
    uint64_t value = 0;

    make();
    rouse_oneshot_receive_init(&receive, rx);
    claim(bell_poll(&bells[0], &receive.base) == ROUSE_PENDING && bells[0].shares == 1,
          "a receive keeps one share of its waker");
    claim(bell_poll(&bells[0], &receive.base) == ROUSE_PENDING && bells[0].shares == 1,
          "also when it is polled again");
    (void)rouse_future_describe(&receive.base, text, sizeof text);
    claim(strncmp(text, "the value of oneshot 0x", 23) == 0, "it says what it waits for");
    claim(bell_poll(&bells[1], &receive.base) == ROUSE_PENDING && bells[0].shares == 0 &&
              bells[1].shares == 1,
          "of two wakers the last one counts");
    (void)send_now(9);
    claim(bells[0].rings == 0 && bells[1].rings == 1 && bells[1].shares == 0,
          "the send wakes it, once");
    claim(bell_poll(&bells[0], &receive.base) == ROUSE_READY && receive.output == 0 &&
              rouse_future_result(&receive.base) == 0,
          "and it ends");
    rouse_oneshot_receive_take(&receive, &value);
    claim(value == 9, "with the value");
    rouse_future_drop(&receive.base);
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 0 && is_clean(), "which is taken once");
}

static void receive_of_nothing(void)
{
    struct rouse_oneshot_receive receive;

    make();
    rouse_oneshot_receive_init(&receive, rx);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_oneshot_sender_free(tx);
    claim(bells[0].rings == 1 && bell_poll(&bells[0], &receive.base) == ROUSE_READY &&
              receive.output == -EPIPE && rouse_future_result(&receive.base) == -EPIPE,
          "a sender that goes ends the receive");
    rouse_oneshot_receiver_free(rx);
    make();
    rouse_oneshot_receive_init(&receive, rx);
    rouse_oneshot_sender_free(tx);
    claim(bell_poll(&bells[0], &receive.base) == ROUSE_READY && receive.output == -EPIPE &&
              bells[0].shares == 0,
          "one that had gone before, too");
    rouse_oneshot_receiver_free(rx);
    claim(is_clean(), "nothing is left");
}

static void receive_is_dropped(void)
{
    struct rouse_oneshot_receive receive;
    uint64_t value = 0;

    make();
    rouse_oneshot_receive_init(&receive, rx);
    claim(rouse_future_cancel_kind(&receive.base) == ROUSE_CANCEL_TOTAL, "a receive is total");
    rouse_future_drop(&receive.base);
    rouse_oneshot_receive_init(&receive, rx);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_future_drop(&receive.base);
    claim(bells[0].shares == 0, "dropped before the send it takes its waker along");
    rouse_oneshot_receive_init(&receive, rx);
    (void)bell_poll(&bells[0], &receive.base);
    (void)send_now(5);
    rouse_future_drop(&receive.base);
    rouse_oneshot_receive_init(&receive, rx);
    claim(bells[0].shares == 0 && bell_poll(&bells[0], &receive.base) == ROUSE_READY,
          "dropped after the send it leaves the value there");
    rouse_future_drop(&receive.base);
    claim(rouse_oneshot_try_receive(rx, &value) == 0 && value == 5,
          "and so does one that has ended, and whose value nobody took");
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 0 && is_clean(), "nothing is left");
}

static void receive_loses_a_select(void)
{
    struct rouse_oneshot_receive receive;
    struct rouse_select select;
    struct probe winner;
    uint64_t value = 0;

    make();
    probe_init(&winner, "winner", 1, 0);
    rouse_oneshot_receive_init(&receive, rx);
    rouse_select_init(&select, &winner.base, &receive.base, ROUSE_SELECT_BIASED);
    (void)bell_poll(&bells[0], &select.base);
    (void)send_now(6);
    claim(bell_poll(&bells[0], &select.base) == ROUSE_READY && select.output == 0,
          "a receive may lose with the value already there");
    rouse_future_drop(&select.base);
    claim(rouse_oneshot_try_receive(rx, &value) == 0 && value == 6, "it has taken nothing");
    rouse_oneshot_receiver_free(rx);
    claim(is_clean(), "and left nothing");
}

static void receive_spends_budget(void)
{
    struct rouse_oneshot_receive receive;
    struct rouse_waker waker = bell_waker(&bells[0]);
    struct rouse_context cx;

    make();
    rouse_context_init(&cx, &waker, NULL);
    rouse_oneshot_receive_init(&receive, rx);
    (void)send_now(1);
    cx.budget = 0;
    claim(rouse_future_poll(&receive.base, &cx) == ROUSE_PENDING && bells[0].rings == 1,
          "a receive that finds the budget spent yields");
    cx.budget = 2;
    claim(rouse_future_poll(&receive.base, &cx) == ROUSE_READY && cx.budget == 1,
          "and spends one unit");
    rouse_oneshot_receiver_free(rx);
    make();
    rouse_oneshot_receive_init(&receive, rx);
    cx.budget = 1;
    (void)rouse_future_poll(&receive.base, &cx);
    (void)rouse_future_poll(&receive.base, &cx);
    (void)send_now(1);
    claim(cx.budget == 0 && rouse_future_poll(&receive.base, &cx) == ROUSE_READY,
          "at its first poll only");
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 1 && is_clean(), "nothing is left");
}

// ---- Waiting for the receiver to go ----

static void closed_waits(void)
{
    struct rouse_oneshot_closed closed;
    char text[80] = "";

    make();
    rouse_oneshot_closed_init(&closed, tx);
    (void)rouse_future_describe(&closed.base, text, sizeof text);
    claim(strncmp(text, "the receiver of oneshot 0x", 26) == 0, "it says what it waits for");
    claim(bell_poll(&bells[0], &closed.base) == ROUSE_PENDING &&
              bell_poll(&bells[1], &closed.base) == ROUSE_PENDING && bells[0].shares == 0 &&
              bells[1].shares == 1,
          "a sender may wait for the receiver to go");
    rouse_oneshot_receiver_free(rx);
    claim(bells[1].rings == 1 && bells[1].shares == 0 &&
              bell_poll(&bells[1], &closed.base) == ROUSE_READY,
          "and is woken");
    claim(send_now(1) == -EPIPE && drops() == 0 && is_clean(),
          "a send then fails, with the value still the sender's");
    make();
    rouse_oneshot_closed_init(&closed, tx);
    rouse_oneshot_receiver_free(rx);
    claim(bell_poll(&bells[0], &closed.base) == ROUSE_READY && bells[0].shares == 0,
          "a receiver that has gone already ends it at once");
    rouse_oneshot_sender_free(tx);
    claim(is_clean(), "nothing is left");
}

static void closed_is_dropped(void)
{
    struct rouse_oneshot_closed closed;

    make();
    rouse_oneshot_closed_init(&closed, tx);
    claim(rouse_future_cancel_kind(&closed.base) == ROUSE_CANCEL_TOTAL, "a wait to go is total");
    (void)bell_poll(&bells[0], &closed.base);
    rouse_future_drop(&closed.base);
    claim(bells[0].shares == 0 && send_now(2) == 0, "a sender may wait in vain, and then send");
    rouse_oneshot_receiver_free(rx);
    claim(bells[0].rings == 0 && drops() == 1 && is_clean(), "nobody is woken any more");
    make();
    rouse_oneshot_closed_init(&closed, tx);
    (void)bell_poll(&bells[0], &closed.base);
    rouse_oneshot_receiver_free(rx);
    rouse_future_drop(&closed.base);
    rouse_oneshot_sender_free(tx);
    claim(bells[0].rings == 1 && is_clean(), "dropped after the receiver has gone it is over");
}

// Both ends wait, each for the other.
static void both_wait(void)
{
    struct rouse_oneshot_receive receive;
    struct rouse_oneshot_closed closed;
    uint64_t value = 0;

    make();
    rouse_oneshot_receive_init(&receive, rx);
    rouse_oneshot_closed_init(&closed, tx);
    (void)bell_poll(&bells[0], &receive.base);
    (void)bell_poll(&bells[1], &closed.base);
    rouse_future_drop(&closed.base);
    claim(send_now(8) == 0 && bells[0].rings == 1 && bells[1].rings == 0,
          "the one that acts wakes the other");
    (void)bell_poll(&bells[0], &receive.base);
    rouse_oneshot_receive_take(&receive, &value);
    rouse_oneshot_receiver_free(rx);
    claim(value == 8 && is_clean(), "and nothing is left");
}

// ---- From inside a waker ----

// Frees the other end from inside the wake that tells of it.
static void free_receiver_in_wake(void *data)
{
    bell_wake(data);
    rouse_oneshot_receiver_free(rx);
}

static void free_sender_in_wake(void *data)
{
    bell_wake(data);
    rouse_oneshot_sender_free(tx);
}

static struct rouse_waker hasty_clone(void *data);

static const struct rouse_waker_vtable hasty_vtables[2] = {
    {hasty_clone, free_sender_in_wake, bell_ring, bell_drop},
    {hasty_clone, free_receiver_in_wake, bell_ring, bell_drop}};

static struct rouse_waker hasty_clone(void *data)
{
    struct bell *bell = data;

    bell->shares++;
    return (struct rouse_waker){&hasty_vtables[bell - bells], bell};
}

static void poll_hasty(size_t side, struct rouse_future *future)
{
    struct rouse_waker waker = {&hasty_vtables[side], &bells[side]};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, NULL);
    (void)rouse_future_poll(future, &cx);
}

static void other_end_goes_inside_the_wake(void)
{
    struct rouse_oneshot_receive receive;
    struct rouse_oneshot_closed closed;

    make();
    rouse_oneshot_receive_init(&receive, rx);
    poll_hasty(1, &receive.base);
    claim(send_now(4) == 0 && drops() == 1 && is_clean(),
          "a receiver may be freed inside the wake of the send");
    make();
    rouse_oneshot_closed_init(&closed, tx);
    poll_hasty(0, &closed.base);
    rouse_oneshot_receiver_free(rx);
    claim(drops() == 0 && is_clean(), "and a sender inside that of the receiver's end");
}

// ---- Misuse ----

static void free_while_receiving(void *arg)
{
    struct rouse_oneshot_receive receive;

    (void)arg;
    make();
    rouse_oneshot_receive_init(&receive, rx);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_oneshot_receiver_free(rx);
}

static void receive_twice_at_once(void *arg)
{
    struct rouse_oneshot_receive receives[2];

    (void)arg;
    make();
    for (int i = 0; i < 2; i++) {
        rouse_oneshot_receive_init(&receives[i], rx);
        (void)bell_poll(&bells[i], &receives[i].base);
    }
}

static void take_twice(void *arg)
{
    struct rouse_oneshot_receive receive;
    uint64_t value;

    (void)arg;
    make();
    (void)send_now(1);
    rouse_oneshot_receive_init(&receive, rx);
    (void)bell_poll(&bells[0], &receive.base);
    rouse_oneshot_receive_take(&receive, &value);
    rouse_oneshot_receive_take(&receive, &value);
}

static void misuse(void)
{
    claim(panics(free_while_receiving, NULL, "drop the future first"),
          "an end is not freed while somebody waits at it");
    claim(panics(receive_twice_at_once, NULL, "one future waits at a time"),
          "nor waited at twice at once");
    claim(panics(take_twice, NULL, "only a receive that has ended well"),
          "nor is a value taken twice");
}

// ---- Threads ----

enum { ROUNDS = RS_TSAN ? 20000 : 100000 };

static struct rouse_oneshot_sender *_Atomic handed;

// Sends what it is handed, or frees it, or first waits for the receiver to go.
static void *send_what_is_handed(void *arg)
{
    long failed = 0;

    (void)arg;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct rouse_oneshot_sender *sender;

        // Acquire, with the release in hand_over().
        while ((sender = atomic_exchange_explicit(&handed, NULL, memory_order_acquire)) == NULL) {
            sched_yield();
        }
        if (round % 4 == 3) {
            rouse_oneshot_sender_free(sender);
        } else {
            failed += rouse_oneshot_send(sender, &round) < 0;
        }
    }
    return (void *)(intptr_t)failed;
}

static void hand_over(struct rouse_oneshot_sender *sender)
{
    struct rouse_oneshot_sender *expected = NULL;

    // Release, with the acquire in send_what_is_handed(). Relaxed on failure: tries again.
    while (!atomic_compare_exchange_strong_explicit(&handed, &expected, sender,
                                                    memory_order_release, memory_order_relaxed)) {
        expected = NULL;
        sched_yield();
    }
}

struct tally {
    long received;
    long empty;
    long wrong;
};

static void receive_round(uint64_t round, struct tally *tally)
{
    uint64_t value = 0;

    if (rouse_oneshot_new(&tx, &rx, sizeof value, count_drop) < 0) abort();
    hand_over(tx);
    if (round % 3 != 0) {
        int err = rouse_oneshot_receive(rx, &value);

        tally->received += err == 0;
        tally->empty += err == -EPIPE;
        tally->wrong += err == 0 ? value != round : round % 4 != 3;
    }
    rouse_oneshot_receiver_free(rx);
}

static void threads(void)
{
    int64_t before = live_allocations();  // the default runtime's
    struct tally tally = {0};

    (void)drops();
    pthread_t sender = live_thread(send_what_is_handed, NULL);

    for (uint64_t round = 0; round < ROUNDS; round++) receive_round(round, &tally);
    long sent = ROUNDS / 4 * 3 - live_result(sender);

    claim(tally.wrong == 0, "a thread receives what the other one has sent, or that it has not");
    claim(tally.received + drops() == sent, "each value is received or dropped, once");
    claim(tally.empty > 0 && live_allocations() == before, "and no block is left");
}

static void *receive_on_thread(void *arg)
{
    return (void *)(intptr_t)rouse_oneshot_receive(arg, NULL);
}

static void *await_closed_on_thread(void *arg)
{
    return (void *)(intptr_t)rouse_oneshot_closed(arg);
}

static void threads_sleep(void)
{
    if (rouse_oneshot_new(&tx, &rx, 0, NULL) < 0) abort();
    pthread_t thread = live_thread(receive_on_thread, rx);

    claim(rouse_oneshot_send(tx, NULL) == 0 && live_result(thread) == 0,
          "a value of no size is a signal");
    rouse_oneshot_receiver_free(rx);
    if (rouse_oneshot_new(&tx, &rx, 0, NULL) < 0) abort();
    thread = live_thread(await_closed_on_thread, tx);
    rouse_oneshot_receiver_free(rx);
    claim(live_result(thread) == 0 && rouse_oneshot_sender_is_closed(tx),
          "a thread may wait for the receiver to go");
    rouse_oneshot_sender_free(tx);
}

int main(void)
{
    heap_watch();
    value_comes_through();
    untaken_value_is_dropped_once();
    no_receiver_no_send();
    nobody_sends();
    sizes();
    memory();
    receive_waits();
    receive_of_nothing();
    receive_is_dropped();
    receive_loses_a_select();
    receive_spends_budget();
    closed_waits();
    closed_is_dropped();
    both_wait();
    other_end_goes_inside_the_wake();
    misuse();
    threads_sleep();
    threads();
    return claims_end();
}
