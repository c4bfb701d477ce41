// SPDX-License-Identifier: MIT
//
// The watch of src/chan, polled by hand with wakers that count: who sees which value, who waits for
// the next, and which end may go when. Then on plain threads, where each value carries a check sum,
// so that one that is torn shows.

#include <errno.h>
#include <rouse/ready.h>
#include <rouse/select.h>
#include <rouse/watch.h>
#include <sched.h>
#include <string.h>

#include "base/sanitizer.h"
#include "checked.h"
#include "claim.h"
#include "heap.h"
#include "live.h"
#include "panics.h"
#include "probe.h"

static struct rouse_watch_sender *tx;
static struct rouse_watch_receiver *rx[2];
static struct bell bells[2];

static void make(void)
{
    int initial = 100;

    memset(bells, 0, sizeof bells);
    if (rouse_watch_new(&tx, sizeof(int), &initial) < 0) abort();
    for (int i = 0; i < 2; i++) {
        if (rouse_watch_subscribe(tx, &rx[i]) < 0) abort();
    }
}

static void unmake(void)
{
    rouse_watch_receiver_free(rx[0]);
    rouse_watch_receiver_free(rx[1]);
    rouse_watch_sender_unref(tx);
}

static int send_now(int value)
{
    return rouse_watch_send(tx, &value);
}

static int value_of(struct rouse_watch_receiver *from)
{
    int value = 0;

    rouse_watch_read(from, &value);
    return value;
}

static bool is_clean(void)
{
    return live_allocations() == 0 && bells[0].shares == 0 && bells[1].shares == 0;
}

// ---- Values ----

static void latest_value_is_seen(void)
{
    make();
    claim(rouse_watch_try_changed(rx[0]) == -EAGAIN && value_of(rx[0]) == 100,
          "the initial value counts as seen, and can be read");
    claim(send_now(1) == 2 && send_now(2) == 2, "a send tells how many receivers there are");
    claim(rouse_watch_try_changed(rx[0]) == 0 && rouse_watch_try_changed(rx[0]) == 0,
          "a new value is new until it is read");
    claim(value_of(rx[0]) == 2 && rouse_watch_try_changed(rx[0]) == -EAGAIN,
          "a read sees the latest value");
    claim(rouse_watch_try_changed(rx[1]) == 0 && value_of(rx[1]) == 2,
          "each receiver has seen what it has read itself");
    (void)send_now(2);
    claim(rouse_watch_try_changed(rx[0]) == 0, "an equal value is a new one too");
    unmake();
    claim(is_clean(), "nothing is left");
}

static void receivers_come_and_go(void)
{
    struct rouse_watch_receiver *others[2];

    make();
    (void)send_now(1);
    if (rouse_watch_subscribe(tx, &others[0]) < 0) abort();
    if (rouse_watch_receiver_clone(rx[0], &others[1]) < 0) abort();
    claim(rouse_watch_receiver_count(tx) == 4, "receivers are counted");
    claim(rouse_watch_try_changed(others[0]) == -EAGAIN && value_of(others[0]) == 1,
          "who subscribes has seen the value as it is");
    claim(rouse_watch_try_changed(others[1]) == 0 && value_of(others[1]) == 1 &&
              rouse_watch_try_changed(rx[0]) == 0,
          "a clone has seen what its original has, and then goes its own way");
    rouse_watch_receiver_free(others[0]);
    rouse_watch_receiver_free(others[1]);
    rouse_watch_receiver_free(rx[0]);
    rouse_watch_receiver_free(rx[1]);
    claim(rouse_watch_receiver_count(tx) == 0 && send_now(2) == 0,
          "a value may be sent though nobody receives");
    if (rouse_watch_subscribe(tx, &rx[0]) < 0) abort();
    claim(value_of(rx[0]) == 2, "who comes then finds it");
    rouse_watch_receiver_free(rx[0]);
    rouse_watch_sender_unref(tx);
    claim(is_clean(), "nothing is left");
}

static void senders_go(void)
{
    make();
    claim(rouse_watch_sender_ref(tx) == tx, "a sender may be shared");
    rouse_watch_sender_unref(tx);
    claim(rouse_watch_try_changed(rx[0]) == -EAGAIN, "one of two may go");
    (void)send_now(1);
    rouse_watch_sender_unref(tx);
    claim(rouse_watch_try_changed(rx[0]) == 0 && value_of(rx[0]) == 1,
          "the last value is still new when the last sender has gone");
    claim(rouse_watch_try_changed(rx[0]) == -EPIPE && value_of(rx[0]) == 1,
          "then there is nothing new any more, but the value is there");
    rouse_watch_receiver_free(rx[0]);
    claim(value_of(rx[1]) == 1, "as long as there is a receiver");
    rouse_watch_receiver_free(rx[1]);
    claim(is_clean(), "nothing is left");
    rouse_watch_sender_unref(NULL);
    rouse_watch_receiver_free(NULL);
    claim(is_clean(), "no end is no end to give up");
}

static void sizes(void)
{
    static const size_t all[] = {0, 1, 7, 8, 9, 100};
    unsigned char sent[101];
    unsigned char received[101];
    bool same = true;

    memset(sent, 0x5a, sizeof sent);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        memset(received, 0, sizeof received);
        // From and to odd addresses.
        if (rouse_watch_new(&tx, all[i], sent + 1) < 0) abort();
        if (rouse_watch_subscribe(tx, &rx[0]) < 0) abort();
        rouse_watch_read(rx[0], received + 1);
        same = same && memcmp(sent + 1, received + 1, all[i]) == 0 && received[0] == 0 &&
               (all[i] == 100 || received[1 + all[i]] == 0);
        rouse_watch_receiver_free(rx[0]);
        rouse_watch_sender_unref(tx);
    }
    claim(same && is_clean(), "values of any size come through, no byte more or less");
    claim(rouse_watch_new(&tx, SIZE_MAX - 8, sent) == -ENOMEM, "nothing is that large");
}

static int make_without_memory(void *arg)
{
    return rouse_watch_new(&tx, sizeof(int), arg);
}

static int subscribe_without_memory(void *arg)
{
    return rouse_watch_subscribe(arg, &rx[0]);
}

static int clone_without_memory(void *arg)
{
    return rouse_watch_receiver_clone(arg, &rx[0]);
}

static void memory(void)
{
    struct rouse_watch_changed changed;
    int initial = 1;

    make();
    long before = heap_counted();

    for (int i = 0; i < 10; i++) {
        rouse_watch_changed_init(&changed, rx[0]);
        (void)bell_poll(&bells[0], &changed.base);
        (void)send_now(i);
        (void)bell_poll(&bells[0], &changed.base);
        (void)value_of(rx[0]);
    }
    claim(heap_counted() == before, "sending, waiting and reading allocates nothing");
    claim(live_without_memory(subscribe_without_memory, tx) == -ENOMEM &&
              live_without_memory(clone_without_memory, rx[1]) == -ENOMEM &&
              rouse_watch_receiver_count(tx) == 2,
          "without memory there is no receiver");
    unmake();
    claim(live_without_memory(make_without_memory, &initial) == -ENOMEM && is_clean(),
          "and no watch");
}

// ---- Waiting for another value ----

static void changes_are_waited_for(void)
{
    struct rouse_watch_changed changes[2];
    char text[80] = "";

    make();
    for (int i = 0; i < 2; i++) rouse_watch_changed_init(&changes[i], rx[i]);
    claim(bell_poll(&bells[0], &changes[0].base) == ROUSE_PENDING &&
              bell_poll(&bells[1], &changes[0].base) == ROUSE_PENDING && bells[0].shares == 0 &&
              bells[1].shares == 1,
          "of two wakers the last one counts");
    (void)rouse_future_describe(&changes[0].base, text, sizeof text);
    claim(strncmp(text, "a change of watch 0x", 20) == 0, "it says what it waits for");
    (void)bell_poll(&bells[0], &changes[1].base);
    (void)send_now(1);
    claim(bells[0].rings == 1 && bells[1].rings == 1 && bells[0].shares + bells[1].shares == 0,
          "a send wakes each receiver once");
    (void)send_now(2);
    claim(bells[0].rings == 1 && bells[1].rings == 1, "the next one nobody");
    for (int i = 0; i < 2; i++) {
        claim(bell_poll(&bells[i], &changes[i].base) == ROUSE_READY && changes[i].output == 0 &&
                  rouse_future_result(&changes[i].base) == 0 && value_of(rx[i]) == 2,
              "and they find the latest value");
        rouse_future_drop(&changes[i].base);
    }
    rouse_watch_changed_init(&changes[0], rx[0]);
    (void)send_now(3);
    claim(bell_poll(&bells[0], &changes[0].base) == ROUSE_READY && bells[0].shares == 0,
          "a value that is there already is not waited for");
    unmake();
    claim(is_clean(), "nothing is left");
}

static void close_ends_the_wait(void)
{
    struct rouse_watch_changed changed;

    make();
    rouse_watch_changed_init(&changed, rx[0]);
    (void)bell_poll(&bells[0], &changed.base);
    rouse_watch_sender_unref(tx);
    claim(bells[0].rings == 1 && bells[0].shares == 0 &&
              bell_poll(&bells[0], &changed.base) == ROUSE_READY && changed.output == -EPIPE &&
              rouse_future_result(&changed.base) == -EPIPE,
          "the last sender wakes who waits");
    rouse_watch_changed_init(&changed, rx[1]);
    claim(bell_poll(&bells[1], &changed.base) == ROUSE_READY && changed.output == -EPIPE &&
              bells[1].shares == 0,
          "and nobody waits after that");
    rouse_watch_receiver_free(rx[0]);
    rouse_watch_receiver_free(rx[1]);
    claim(is_clean(), "nothing is left");
}

static void wait_is_dropped(void)
{
    struct rouse_watch_changed changed;
    struct rouse_select select;
    struct rouse_borrow lent;
    struct probe winner;

    make();
    rouse_watch_changed_init(&changed, rx[0]);
    claim(rouse_future_cancel_kind(&changed.base) == ROUSE_CANCEL_TOTAL, "a wait is total");
    rouse_future_drop(&changed.base);
    rouse_watch_changed_init(&changed, rx[0]);
    (void)bell_poll(&bells[0], &changed.base);
    rouse_future_drop(&changed.base);
    (void)send_now(1);
    claim(bells[0].rings == 0 && bells[0].shares == 0, "dropped before the send it is not woken");
    claim(rouse_watch_try_changed(rx[0]) == 0 && value_of(rx[0]) == 1, "and has seen nothing");
    probe_init(&winner, "winner", 1, 0);
    rouse_watch_changed_init(&changed, rx[0]);
    rouse_borrow_init(&lent, &changed.base);
    rouse_select_init(&select, &winner.base, &lent.base, ROUSE_SELECT_BIASED);
    (void)bell_poll(&bells[0], &select.base);
    (void)send_now(2);
    claim(bell_poll(&bells[0], &select.base) == ROUSE_READY && select.output == 0 &&
              rouse_watch_try_changed(rx[0]) == 0,
          "a wait may lose with a value already there, and has seen nothing either");
    claim(value_of(rx[0]) == 2 && bell_poll(&bells[1], &changed.base) == ROUSE_PENDING,
          "if it was lent, and the value was read, it waits for the next");
    (void)send_now(3);
    claim(bells[1].rings == 1 && bell_poll(&bells[1], &changed.base) == ROUSE_READY &&
              changed.output == 0,
          "which ends it");
    rouse_future_drop(&select.base);
    unmake();
    claim(is_clean(), "nothing is left");
}

static void wait_spends_budget(void)
{
    struct rouse_watch_changed changed;
    struct rouse_waker waker = bell_waker(&bells[0]);
    struct rouse_context cx;

    make();
    rouse_context_init(&cx, &waker, NULL);
    rouse_watch_changed_init(&changed, rx[0]);
    (void)send_now(1);
    cx.budget = 0;
    claim(rouse_future_poll(&changed.base, &cx) == ROUSE_PENDING && bells[0].rings == 1,
          "a wait that finds the budget spent yields");
    cx.budget = 2;
    claim(rouse_future_poll(&changed.base, &cx) == ROUSE_READY && cx.budget == 1,
          "and spends one unit");
    (void)value_of(rx[0]);
    rouse_watch_changed_init(&changed, rx[0]);
    (void)rouse_future_poll(&changed.base, &cx);
    (void)rouse_future_poll(&changed.base, &cx);
    (void)send_now(2);
    claim(cx.budget == 0 && rouse_future_poll(&changed.base, &cx) == ROUSE_READY,
          "at its first poll only");
    unmake();
    claim(is_clean(), "nothing is left");
}

// ---- Waiting for no receiver ----

static void closed_waits(void)
{
    struct rouse_watch_closed closed[2];
    struct rouse_waker waker = bell_waker(&bells[0]);
    struct rouse_context cx;
    char text[80] = "";

    make();
    for (int i = 0; i < 2; i++) rouse_watch_closed_init(&closed[i], tx);
    claim(rouse_future_cancel_kind(&closed[0].base) == ROUSE_CANCEL_TOTAL,
          "a wait for the end is total");
    rouse_context_init(&cx, &waker, NULL);
    cx.budget = 0;
    claim(rouse_future_poll(&closed[0].base, &cx) == ROUSE_PENDING && bells[0].rings == 1,
          "it spends budget");
    (void)rouse_future_describe(&closed[0].base, text, sizeof text);
    claim(strncmp(text, "the receivers of watch 0x", 25) == 0, "and says what it waits for");
    bells[0].rings = 0;
    for (int i = 0; i < 2; i++) (void)bell_poll(&bells[i], &closed[i].base);
    rouse_watch_receiver_free(rx[0]);
    claim(bells[0].rings + bells[1].rings == 0 &&
              bell_poll(&bells[0], &closed[0].base) == ROUSE_PENDING,
          "a receiver that is not the last may go");
    rouse_future_drop(&closed[1].base);
    claim(bells[1].shares == 0, "who gives up takes its waker along");
    rouse_watch_receiver_free(rx[1]);
    claim(bells[0].rings == 1 && bells[1].rings == 0 &&
              bell_poll(&bells[0], &closed[0].base) == ROUSE_READY,
          "the last receiver wakes who waits for that");
    rouse_watch_closed_init(&closed[0], tx);
    claim(bell_poll(&bells[0], &closed[0].base) == ROUSE_READY && bells[0].shares == 0,
          "without a receiver nobody waits");
    rouse_watch_sender_unref(tx);
    claim(is_clean(), "nothing is left");
}

// ---- Misuse ----

static void free_while_waiting(void *arg)
{
    struct rouse_watch_changed changed;

    (void)arg;
    make();
    rouse_watch_changed_init(&changed, rx[0]);
    (void)bell_poll(&bells[0], &changed.base);
    rouse_watch_receiver_free(rx[0]);
}

static void wait_twice_at_once(void *arg)
{
    struct rouse_watch_changed changes[2];

    (void)arg;
    make();
    for (int i = 0; i < 2; i++) {
        rouse_watch_changed_init(&changes[i], rx[0]);
        (void)bell_poll(&bells[i], &changes[i].base);
    }
}

static void go_while_listening(void *arg)
{
    struct rouse_watch_closed closed;
    bool woken = arg != NULL;

    make();
    rouse_watch_closed_init(&closed, tx);
    (void)bell_poll(&bells[0], &closed.base);
    if (woken) rouse_watch_receiver_free(rx[0]);
    if (woken) rouse_watch_receiver_free(rx[1]);
    rouse_watch_sender_unref(tx);
}

static void misuse(void)
{
    claim(panics(free_while_waiting, NULL, "drop the future first"),
          "a receiver is not freed while somebody waits at it");
    claim(panics(wait_twice_at_once, NULL, "one future waits at a time"),
          "nor waited at twice at once");
    claim(panics(go_while_listening, NULL, "drop the future first"),
          "the last sender does not go while a wait for no receiver borrows it");
    claim(panics(go_while_listening, &bells, "drop the future first"),
          "also if that was woken, but has not ended");
}

// ---- Threads ----

enum { SENDERS = 2, VALUES = RS_TSAN ? 20000 : 200000 };

static void *send_many(void *arg)
{
    uint32_t sender = (uint32_t)(uintptr_t)arg;

    for (uint32_t i = 1; i <= VALUES; i++) {
        struct checked value = checked_of(sender, i);

        (void)rouse_watch_send(tx, &value);
        if (i % 64 == 0) sched_yield();
    }
    rouse_watch_sender_unref(tx);
    return NULL;
}

// Returns how much was wrong. Owns its receiver.
static void *watch_many(void *arg)
{
    struct rouse_watch_receiver *from = arg;
    uint32_t last[SENDERS] = {0};
    struct checked value = {0};
    intptr_t wrong = 0;
    int err;

    while ((err = rouse_watch_changed(from)) == 0) {
        rouse_watch_read(from, &value);
        bool is_whole = checked_is_whole(&value, SENDERS);

        wrong += !is_whole;
        if (!is_whole) continue;
        wrong += value.number <= last[value.sender];
        last[value.sender] = value.number;
    }
    rouse_watch_receiver_free(from);
    return (void *)(wrong + (err != -EPIPE) + (value.number != VALUES));
}

static void *await_closed(void *arg)
{
    int err = rouse_watch_closed(arg);

    rouse_watch_sender_unref(arg);
    return (void *)(intptr_t)err;
}

static void threads(void)
{
    struct checked initial = checked_of(0, 0);
    pthread_t watchers[2];
    pthread_t senders[SENDERS];
    int wrong = 0;

    if (rouse_watch_new(&tx, sizeof initial, &initial) < 0) abort();
    for (int i = 0; i < 2; i++) {
        if (rouse_watch_subscribe(tx, &rx[i]) < 0) abort();
        watchers[i] = live_thread(watch_many, rx[i]);
    }
    (void)rouse_watch_sender_ref(tx);
    for (uintptr_t i = 0; i < SENDERS; i++) senders[i] = live_thread(send_many, (void *)i);
    for (int i = 0; i < SENDERS; i++) (void)live_result(senders[i]);
    for (int i = 0; i < 2; i++) wrong += live_result(watchers[i]);
    claim(wrong == 0, "each receiver sees whole values, in order, and the last one");

    if (rouse_watch_new(&tx, sizeof initial, &initial) < 0) abort();
    if (rouse_watch_subscribe(tx, &rx[0]) < 0) abort();
    pthread_t waiter = live_thread(await_closed, tx);

    rouse_watch_receiver_free(rx[0]);
    claim(live_result(waiter) == 0, "a thread may wait for the receivers to go");
}

int main(void)
{
    heap_watch();
    latest_value_is_seen();
    receivers_come_and_go();
    senders_go();
    sizes();
    memory();
    changes_are_waited_for();
    close_ends_the_wait();
    wait_is_dropped();
    wait_spends_budget();
    closed_waits();
    misuse();
    threads();
    return claims_end();
}
