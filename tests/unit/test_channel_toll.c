// SPDX-License-Identifier: MIT
//
// An unbounded channel with several senders and one receiver that get the same number of turns: its
// senders, who never wait, leave the receiver more of them, so that it keeps up.

#include <rouse.h>
#include <stdint.h>

#include "claim.h"

// Without a toll it is behind by three of four, in the end.
enum { SENDERS = 4, EACH = 50000, BEHIND_MAX = 8192 };

static int send_directly(void *arg)
{
    for (uint64_t i = 0; i < EACH; i++) {
        int err = rouse_channel_send(arg, &i);

        if (err < 0) return err;
    }
    rouse_channel_sender_unref(arg);
    return 0;
}

static int send_by_future(void *arg)
{
    struct rouse_channel_send send;

    for (uint64_t i = 0; i < EACH; i++) {
        rouse_channel_send_init(&send, arg, &i);
        if (rouse_await(&send.base) < 0 || send.output < 0) return -1;
    }
    rouse_channel_sender_unref(arg);
    return 0;
}

// How far the receiver was behind at most. More than any number if something went wrong.
static size_t behind(int (*sender)(void *arg))
{
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    size_t most = 0;
    size_t received = 0;
    uint64_t value;

    if (rouse_channel_new(&tx, &rx, sizeof value, ROUSE_CHANNEL_UNBOUNDED) < 0) return SIZE_MAX;
    for (int i = 0; i < SENDERS; i++) {
        if (rouse_spawn(NULL, sender, rouse_channel_sender_ref(tx)) < 0) return SIZE_MAX;
    }
    rouse_channel_sender_unref(tx);
    // One that finds nothing waits, and is run next when it is woken; so it has to be behind once.
    for (int i = 0; i < 4; i++) (void)rouse_yield();
    while (rouse_channel_receive(rx, &value) == 0) {
        size_t length = rouse_channel_receiver_length(rx);

        received++;
        if (length > most) most = length;
    }
    rouse_channel_receiver_unref(rx);
    return received == SENDERS * EACH ? most : SIZE_MAX;
}

static int root(void *arg)
{
    (void)arg;
    claim(behind(send_directly) <= BEHIND_MAX,
          "senders without a bound leave their receiver the turns to keep up");
    claim(behind(send_by_future) <= BEHIND_MAX, "and so do those that await a future");
    return 0;
}

int main(void)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};

    claim(rouse_run_with(root, NULL, &options) == 0, "the program ends");
    return claims_end();
}
