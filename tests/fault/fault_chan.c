// SPDX-License-Identifier: MIT
//
// Faults in what tells something to others: oneshots, broadcasts, watches, and a stream over a
// channel.

#include <errno.h>

#include "waits.h"

// ---- Oneshots ----

enum { ANSWERS = 8, MESSAGES = 8, LISTENERS = 3, FED = 20 };

static int answering_fiber(void *arg)
{
    int64_t answer = 42;

    (void)fault_note(rouse_yield());
    return rouse_oneshot_send(arg, &answer) < 0 ? -1 : 0;
}

// Asks, and waits for the answer. False if that was given up.
static bool ask_once(void)
{
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_receive receive;
    struct rouse_join_handle handle;
    int64_t answer = 0;

    if (fault_note(rouse_oneshot_new(&tx, &rx, sizeof answer, NULL)) < 0) return false;
    bool is_asked = fault_note(rouse_spawn(&handle, answering_fiber, tx)) == 0;

    if (!is_asked) rouse_oneshot_sender_free(tx);
    rouse_oneshot_receive_init(&receive, rx);
    bool is_answered = wait_for(&receive.base) == 0 && receive.output == 0;

    if (is_answered) rouse_oneshot_receive_take(&receive, &answer);
    if (is_answered && answer != 42) fault_broken("not the answer");
    if (is_answered && !is_asked) fault_broken("an answer of nobody");
    rouse_oneshot_receiver_free(rx);
    if (is_asked) (void)wait_joined(&handle);
    return is_answered;
}

static int oneshot_root(void *arg)
{
    (void)arg;
    for (int i = 0; i < ANSWERS; i++) {
        if (ask_once()) step_done();
    }
    return 0;
}

static bool oneshot_run(void)
{
    with_runtime(2, oneshot_root, NULL);
    return steps_are(ANSWERS);
}

// ---- Broadcasts ----

// Receives all messages in order, to the end.
static int hearing_fiber(void *arg)
{
    struct rouse_broadcast_receiver *rx = arg;
    struct rouse_broadcast_receive receive;
    int64_t message = 0;
    int64_t expected = 0;

    for (;;) {
        rouse_broadcast_receive_init(&receive, rx, &message);
        if (wait_for(&receive.base) < 0 || receive.output < 0) break;
        if (message != expected++) fault_broken("not the next message");
    }
    if (expected == MESSAGES && receive.output == -EPIPE) step_done();
    rouse_broadcast_receiver_free(rx);
    return 0;
}

// Spawns those who listen, as far as there is memory.
static int hearers_start(struct rouse_broadcast_sender *tx, struct rouse_join_handle *handles)
{
    struct rouse_broadcast_receiver *rx;
    int count = 0;

    for (int i = 0; i < LISTENERS; i++) {
        if (fault_note(rouse_broadcast_subscribe(tx, &rx)) < 0) continue;
        if (fault_note(rouse_spawn(&handles[count], hearing_fiber, rx)) == 0) {
            count++;
        } else {
            rouse_broadcast_receiver_free(rx);
        }
    }
    return count;
}

static int broadcast_root(void *arg)
{
    struct rouse_broadcast_sender *tx;
    struct rouse_join_handle handles[LISTENERS];

    (void)arg;
    if (fault_note(rouse_broadcast_new(&tx, MESSAGES, sizeof(int64_t))) < 0) return 0;
    int count = hearers_start(tx, handles);

    for (int64_t i = 0; i < MESSAGES; i++) {
        int heard = rouse_broadcast_send(tx, &i);

        // Who gave up has gone.
        if (heard > count || (heard < 0 && heard != -EPIPE)) fault_broken("not its receivers");
        (void)fault_note(rouse_yield());
    }
    rouse_broadcast_sender_unref(tx);
    for (int i = 0; i < count; i++) (void)wait_joined(&handles[i]);
    return 0;
}

static bool broadcast_run(void)
{
    with_runtime(2, broadcast_root, NULL);
    return steps_are(LISTENERS);
}

// ---- Watches ----

// Follows the value to the last one.
static int watching_fiber(void *arg)
{
    struct rouse_watch_receiver *rx = arg;
    struct rouse_watch_changed changed;
    int64_t value = 0;
    int64_t before = 0;

    for (;;) {
        rouse_watch_changed_init(&changed, rx);
        if (wait_for(&changed.base) < 0 || changed.output < 0) break;
        rouse_watch_read(rx, &value);
        if (value <= before) fault_broken("a value that is not newer");
        before = value;
    }
    if (value == MESSAGES && changed.output == -EPIPE) step_done();
    rouse_watch_receiver_free(rx);
    return 0;
}

static int watchers_start(struct rouse_watch_sender *tx, struct rouse_join_handle *handles)
{
    struct rouse_watch_receiver *rx;
    int count = 0;

    for (int i = 0; i < LISTENERS; i++) {
        if (fault_note(rouse_watch_subscribe(tx, &rx)) < 0) continue;
        if (fault_note(rouse_spawn(&handles[count], watching_fiber, rx)) == 0) {
            count++;
        } else {
            rouse_watch_receiver_free(rx);
        }
    }
    return count;
}

static int watch_root(void *arg)
{
    struct rouse_watch_sender *tx;
    struct rouse_join_handle handles[LISTENERS];
    int64_t value = 0;

    (void)arg;
    if (fault_note(rouse_watch_new(&tx, sizeof value, &value)) < 0) return 0;
    int count = watchers_start(tx, handles);

    while (value++ < MESSAGES) {
        (void)rouse_watch_send(tx, &value);
        (void)fault_note(rouse_yield());
    }
    rouse_watch_sender_unref(tx);
    for (int i = 0; i < count; i++) (void)wait_joined(&handles[i]);
    return 0;
}

static bool watch_run(void)
{
    with_runtime(2, watch_root, NULL);
    return steps_are(LISTENERS);
}

// ---- Streams ----

static int feeding_fiber(void *arg)
{
    for (uint64_t i = 1; i <= FED; i++) {
        if (fault_note(rouse_channel_send(arg, &i)) < 0) break;
    }
    rouse_channel_sender_unref(arg);
    return 0;
}

static bool is_even(void *arg, const void *item)
{
    (void)arg;
    return *(const uint64_t *)item % 2 == 0;
}

// Takes chunks of even numbers, in order, to the end.
static void take_chunks(struct rouse_stream *chunks, const uint64_t *items)
{
    struct rouse_stream_next next;
    uint64_t expected = 2;
    size_t count = 0;

    for (;;) {
        rouse_stream_next_init(&next, chunks, &count);
        if (wait_for(&next.base) < 0 || fault_note(next.output) <= 0) break;
        for (size_t i = 0; i < count; i++, expected += 2) {
            if (items[i] != expected) fault_broken("not the next item");
            step_done();
        }
    }
}

static int stream_root(void *arg)
{
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_stream fed;
    struct rouse_filter_stream even;
    struct rouse_chunk_stream chunks;
    struct rouse_join_handle handle;
    uint64_t items[3];

    (void)arg;
    if (fault_note(rouse_channel_new(&tx, &rx, sizeof items[0], 4)) < 0) return 0;
    bool is_fed = fault_note(rouse_spawn(&handle, feeding_fiber, tx)) == 0;

    if (!is_fed) rouse_channel_sender_unref(tx);
    rouse_channel_stream_init(&fed, rx);
    rouse_filter_stream_init(&even, &fed.base, is_even, NULL);
    rouse_chunk_stream_init(&chunks, &even.base, items, sizeof items[0], 3, ROUSE_NS_PER_MS);
    take_chunks(&chunks.base, items);
    rouse_channel_receiver_unref(rx);
    if (is_fed) (void)wait_joined(&handle);
    return 0;
}

static bool stream_run(void)
{
    with_runtime(2, stream_root, NULL);
    return steps_are(FED / 2);
}

const struct scenario fault_scenarios[] = {
    {.name = "oneshot", .run = oneshot_run},
    {.name = "broadcast", .run = broadcast_run},
    {.name = "watch", .run = watch_run},
    // Who sends to a stream that was given up is told so.
    {.name = "stream", .run = stream_run, .also = EPIPE},
    {.name = NULL},
};
