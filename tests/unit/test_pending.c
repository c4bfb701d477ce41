// SPDX-License-Identifier: MIT
//
// What the futures that can tell say of themselves between polls: pending until what they wait for
// is there, before their first poll and after it. By hand, with a bell for a waker.

#include <errno.h>
#include <rouse.h>
#include <stdlib.h>

#include "claim.h"
#include "probe.h"

static struct bell bell;

static void must(int result)
{
    if (result < 0) abort();
}

// What a future waits for is made to happen.
typedef void happen(void *arg);

// True if `future` is pending and says so, polled or not, until it happens; and ends then.
static bool tells(struct rouse_future *future, bool polled, happen *happens, void *arg)
{
    bool told = rouse_future_is_pending(future);

    if (polled) {
        told &= bell_poll(&bell, future) == ROUSE_PENDING && rouse_future_is_pending(future);
    }
    happens(arg);
    told &= !rouse_future_is_pending(future) && bell_poll(&bell, future) == ROUSE_READY;
    told &= !rouse_future_is_pending(future);
    rouse_future_drop(future);
    return told;
}

// ---- Notify ----

static void tell_one(void *notify)
{
    rouse_notify_one(notify);
}

static void tell_all(void *notify)
{
    rouse_notify_all(notify);
}

static void a_notification(void)
{
    struct rouse_notify notify = ROUSE_NOTIFY_INIT;
    struct rouse_notify_wait wait;
    bool told = true;

    for (int polled = 0; polled < 2; polled++) {
        rouse_notify_wait_init(&wait, &notify);
        told &= tells(&wait.base, polled, tell_one, &notify);
    }
    rouse_notify_wait_init(&wait, &notify);
    told &= tells(&wait.base, true, tell_all, &notify);
    claim(told, "a wait for a notification tells");
}

static void nobody_has_waited(void)
{
    struct rouse_notify silent = ROUSE_NOTIFY_INIT;
    struct rouse_notify kept = ROUSE_NOTIFY_INIT;
    struct rouse_notify_wait waits[2];
    struct rouse_select select;

    rouse_notify_one(&kept);
    rouse_notify_wait_init(&waits[0], &silent);
    rouse_notify_wait_init(&waits[1], &kept);
    rouse_select_init(&select, &waits[0].base, &waits[1].base, ROUSE_SELECT_BIASED);
    claim(bell_poll(&bell, &select.base) == ROUSE_READY && select.output == 1 &&
              silent.arrivals == 0 && bell.shares == 0,
          "a select of one that is ready has waited for none");
    rouse_future_drop(&select.base);
}

// ---- Channels ----

static void send_one(void *tx)
{
    must(rouse_channel_try_send(tx, &(uint64_t){1}));
}

static void sender_goes(void *tx)
{
    rouse_channel_sender_unref(tx);
}

static void an_element(size_t capacity, const char *text)
{
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_receive receive;
    uint64_t element;
    bool told = rouse_channel_new(&tx, &rx, sizeof element, capacity) == 0;

    for (int polled = 0; told && polled < 2; polled++) {
        rouse_channel_receive_init(&receive, rx, &element);
        told = tells(&receive.base, polled, send_one, tx) && receive.output == 1;
    }
    rouse_channel_receive_init(&receive, rx, &element);
    told = told && tells(&receive.base, false, sender_goes, tx) && receive.output == -EPIPE;
    rouse_channel_receive_init(&receive, rx, &element);
    claim(told && !rouse_future_is_pending(&receive.base), text);
    rouse_channel_receiver_unref(rx);
}

static void send_value(void *tx)
{
    must(rouse_oneshot_send(tx, &(uint64_t){1}));
}

static void a_value(void)
{
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive receive;
    bool told = true;

    for (int polled = 0; polled < 2; polled++) {
        told &= rouse_oneshot_new(&tx, &rx, sizeof(uint64_t), NULL) == 0;
        rouse_oneshot_receive_init(&receive, rx);
        told &= tells(&receive.base, polled, send_value, tx) && receive.output == 0;
        rouse_oneshot_receiver_free(rx);
    }
    claim(told, "a receive from a oneshot tells");
}

static void write_value(void *tx)
{
    (void)rouse_watch_send(tx, &(uint64_t){1});
}

static void a_change(void)
{
    struct rouse_watch_sender *tx;
    struct rouse_watch_receiver *rx;
    struct rouse_watch_changed changed;
    uint64_t value = 0;
    bool told = rouse_watch_new(&tx, sizeof value, &value) == 0 &&
                rouse_watch_subscribe(tx, &rx) == 0;

    for (int polled = 0; told && polled < 2; polled++) {
        rouse_watch_changed_init(&changed, rx);
        told = tells(&changed.base, polled, write_value, tx) && changed.output == 0;
        rouse_watch_read(rx, &value);
    }
    claim(told, "a wait for a change of a watch tells");
    rouse_watch_receiver_free(rx);
    rouse_watch_sender_unref(tx);
}

// ---- Tasks ----

static int wait_and_return(void *notify)
{
    return rouse_notify_wait(notify);
}

static int join_tells(void *arg)
{
    struct rouse_notify notify = ROUSE_NOTIFY_INIT;
    struct rouse_join_handle handle;
    bool told = rouse_spawn(&handle, wait_and_return, &notify) == 0;

    (void)arg;
    told = told && rouse_future_is_pending(&handle.base);
    rouse_notify_one(&notify);
    while (rouse_future_is_pending(&handle.base)) (void)rouse_yield();
    claim(told && rouse_join(&handle) == 0, "a join handle tells");
    return 0;
}

int main(void)
{
    a_notification();
    nobody_has_waited();
    an_element(2, "a receive from a bounded channel tells");
    an_element(ROUSE_CHANNEL_UNBOUNDED, "a receive from one without a bound tells");
    a_value();
    a_change();
    must(rouse_run(join_tells, NULL));
    return claims_end();
}
