// SPDX-License-Identifier: MIT
//
// What the tests of channels send: items that say who sent them and when; a body that sends them,
// and a ledger of what came.

#ifndef TESTS_API_PRODUCER_H
#define TESTS_API_PRODUCER_H

#include <rouse/channel.h>
#include <rouse/ready.h>

#include "harness/api.h"

enum { PRODUCERS = 4 };

struct item {
    int32_t producer;
    int32_t number;  // 0, 1, 2, ... of this producer
};

static const size_t capacities[] = {1, 2, 1024, ROUSE_CHANNEL_UNBOUNDED};
enum { CAPACITIES = sizeof capacities / sizeof capacities[0] };

static inline void channel_new(struct rouse_channel_sender **tx, struct rouse_channel_receiver **rx,
                               size_t capacity)
{
    CHECK_EQ(rouse_channel_new(tx, rx, sizeof(struct item), capacity), 0);
}

// Gives up both ends.
static inline void channel_unref(struct rouse_channel_sender *tx, struct rouse_channel_receiver *rx)
{
    rouse_channel_sender_unref(tx);
    rouse_channel_receiver_unref(rx);
}

// ---- What came ----

struct ledger {
    int32_t next[PRODUCERS];
    int count;
};

// Of a receiver that is the only one: nothing is missing in between.
static inline void ledger_add(struct ledger *ledger, const struct item *item)
{
    CHECK_WITHIN(item->producer, 0, PRODUCERS - 1);
    CHECK_EQ(item->number, ledger->next[item->producer]);
    ledger->next[item->producer]++;
    ledger->count++;
}

// Of one among several: what is missing went to the others.
static inline void ledger_add_some(struct ledger *ledger, const struct item *item)
{
    CHECK_WITHIN(item->producer, 0, PRODUCERS - 1);
    CHECK(item->number >= ledger->next[item->producer]);
    ledger->next[item->producer] = item->number + 1;
    ledger->count++;
}

// ---- Who sends ----

// Sends `count` items, with a turn for others before each `pause`th; stops where it fails, with
// that result. Owns its share of the sending end.
struct producer {
    struct body body;
    struct rouse_channel_sender *tx;
    struct item item;
    int count;
    int pause;  // 0: never
    struct rouse_channel_send send;
    struct rouse_yield yield;
};

static rouse_poll producer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(producer, frame, cx);
    for (; f->item.number < f->count; f->item.number++) {
        if (f->pause > 0 && f->item.number % f->pause == 0) {
            rouse_yield_init(&f->yield);
            AWAIT(&f->yield.base);
        }
        rouse_channel_send_init(&f->send, f->tx, &f->item);
        AWAIT(&f->send.base);
        if (f->send.output < 0) BODY_RETURN(f->send.output);
    }
    BODY_END();
}

static void producer_end(void *frame)
{
    rouse_channel_sender_unref(((struct producer *)frame)->tx);
}

// Spawns a body `producer` with a share of `tx_` of its own; the rest as SPAWN().
#define SPAWN_PRODUCER(handle, tx_, ...)                              \
    CHECK_EQ(SPAWN((handle), producer, .body.end = producer_end,      \
                   .tx = rouse_channel_sender_ref(tx_), __VA_ARGS__), \
             0)

#endif
