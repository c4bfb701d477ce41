// SPDX-License-Identifier: MIT
//
// Broadcasts are linearizable: what receivers get, miss and wait for while several threads send,
// subscribe, leave and close can be had from a plain sequence of messages, of which each receiver
// has a position. A receive that waits is woken when there is something for it.

#include <errno.h>

#include "linear_poll.h"

enum kind { NOTHING, SEND, GO, SUBSCRIBE, LEAVE, TRY, POLL, DROP, COUNT, KINDS };
enum { MISSED = -1000 };  // and as many less as were missed

// ---- The model ----

struct sequence {
    uint8_t tail;
    uint8_t senders_gone;
    uint8_t receivers;
    uint8_t listens[LINEAR_THREADS];
    uint8_t positions[LINEAR_THREADS];
    uint8_t messages[LINEAR_OPS];
};
_Static_assert(sizeof(struct sequence) <= sizeof(struct linear_state), "a state has room for it");

static uint8_t capacity;
static uint8_t senders;  // of a round

static int64_t send_to_model(struct sequence *s, const struct linear_op *op)
{
    if (s->receivers == 0) return -EPIPE;
    s->messages[s->tail++] = (uint8_t)op->argument;
    return 0;
}

static int64_t receive_from_model(struct sequence *s, uint8_t *position)
{
    if (*position == s->tail) return s->senders_gone == senders ? -EPIPE : -EAGAIN;
    if (s->tail - *position > capacity) {
        int missed = s->tail - capacity - *position;

        *position = s->tail - capacity;
        return MISSED - missed;
    }
    return s->messages[(*position)++];
}

static int64_t listen_to_model(struct sequence *s, int thread, bool listens)
{
    s->listens[thread] = listens;
    s->positions[thread] = listens ? s->tail : 0;
    s->receivers = (uint8_t)(s->receivers + (listens ? 1 : -1));
    return 0;
}

static int64_t sequence_apply(struct sequence *s, const struct linear_op *op)
{
    switch ((enum kind)op->kind) {
    case SEND:
        return send_to_model(s, op);
    case GO:
        s->senders_gone++;
        return 0;
    case SUBSCRIBE:
        return listen_to_model(s, op->thread, true);
    case LEAVE:
        return listen_to_model(s, op->thread, false);
    case TRY:
    case POLL:
        return receive_from_model(s, &s->positions[op->thread]);
    case COUNT:
        return s->receivers;
    default:
        return 0;
    }
}

static bool apply(struct linear_state *state, const struct linear_op *op)
{
    struct sequence s;

    memcpy(&s, state->bytes, sizeof s);
    bool good = sequence_apply(&s, op) == op->result;

    memcpy(state->bytes, &s, sizeof s);
    return good;
}

static void print(const struct linear_op *op)
{
    static const char *const names[KINDS] = {"nothing", "send", "go",   "subscribe", "leave",
                                             "try",     "poll", "drop", "count"};

    printf("%s(%lld) = %lld", names[op->kind], (long long)op->argument, (long long)op->result);
}

// ---- The broadcast ----

struct actor {
    struct rouse_broadcast_sender *tx;
    struct rouse_broadcast_receiver *rx;
    struct rouse_broadcast_receive receive;
    struct linear_wait wait;
    int64_t message;
};

static struct actor actors[LINEAR_THREADS];
static _Atomic int64_t sent;  // numbers the messages of a round
static _Atomic int64_t lost_wakes;

static void make(int threads)
{
    stress_must(rouse_broadcast_new(&actors[0].tx, capacity, sizeof(int64_t)), "broadcast");
    for (int i = 1; i < threads; i++) actors[i].tx = rouse_broadcast_sender_ref(actors[0].tx);
    senders = (uint8_t)threads;
    (void)stress_add(&sent, -stress_get(&sent));
}

// A receive that sleeps has nothing to receive.
static void look_for_lost_wake(struct actor *a)
{
    if (linear_sleeps(&a->wait) &&
        rouse_broadcast_try_receive(a->rx, &a->message, NULL) != -EAGAIN) {
        (void)stress_add(&lost_wakes, 1);
    }
}

// All look before anybody goes, whose going wakes the others.
static void unmake(void)
{
    for (int i = 0; i < linear.threads; i++) look_for_lost_wake(&actors[i]);
    for (int i = 0; i < linear.threads; i++) {
        linear_give_up(&actors[i].wait, &actors[i].receive.base);
        rouse_broadcast_receiver_free(actors[i].rx);
        rouse_broadcast_sender_unref(actors[i].tx);
        actors[i].rx = NULL;
        actors[i].tx = NULL;
    }
}

static enum kind draw(const struct actor *a, uint64_t *random)
{
    uint64_t n = stress_below(random, 100);

    if (n < 5) return a->tx != NULL ? COUNT : NOTHING;
    if (n < 10) return a->tx != NULL ? GO : NOTHING;
    if (n < 40) return a->tx != NULL ? SEND : NOTHING;
    if (a->rx == NULL) return a->tx != NULL ? SUBSCRIBE : NOTHING;
    if (n < 45) return LEAVE;
    if (n < 55 && a->wait.is_active) return DROP;
    return n < 75 ? TRY : POLL;
}

static int64_t received(int err, const struct actor *a, uint64_t missed)
{
    return err == -EOVERFLOW ? MISSED - (int64_t)missed : err < 0 ? err : a->message;
}

static int64_t poll(struct actor *a)
{
    if (!a->wait.is_active) rouse_broadcast_receive_init(&a->receive, a->rx, &a->message);
    if (!linear_poll(&a->wait, &a->receive.base)) return -EAGAIN;
    return received(a->receive.output, a, a->receive.missed);
}

static int64_t leave(struct actor *a)
{
    linear_give_up(&a->wait, &a->receive.base);
    rouse_broadcast_receiver_free(a->rx);
    a->rx = NULL;
    return 0;
}

static int64_t act(const struct linear_op *op, struct actor *a)
{
    uint64_t missed = 0;

    switch ((enum kind)op->kind) {
    case SEND:
        return rouse_broadcast_send(a->tx, &op->argument) < 0 ? -EPIPE : 0;
    case GO:
        rouse_broadcast_sender_unref(a->tx);
        a->tx = NULL;
        return 0;
    case SUBSCRIBE:
        return rouse_broadcast_subscribe(a->tx, &a->rx);
    case LEAVE:
        return leave(a);
    case TRY: {
        int err = rouse_broadcast_try_receive(a->rx, &a->message, &missed);

        return received(err, a, missed);
    }
    case POLL:
        return poll(a);
    case DROP:
        linear_give_up(&a->wait, &a->receive.base);
        return 0;
    case COUNT:
        return (int64_t)rouse_broadcast_receiver_count(a->tx);
    default:
        return 0;
    }
}

static void run(struct linear_op *op, uint64_t *random)
{
    struct actor *a = &actors[op->thread];

    op->kind = (int)draw(a, random);
    if (op->kind == SEND) op->argument = stress_add(&sent, 1);
    linear_begin(op);
    int64_t result = act(op, a);

    linear_end(op, result);
}

static const struct linear_object broadcast = {
    .apply = apply, .print = print, .make = make, .unmake = unmake, .run = run};

// ---- The search itself ----

static bool refuses(const struct linear_op *ops, int count)
{
    capacity = 1;
    senders = 2;
    return !linear_holds(&broadcast, ops, count);
}

static void the_search_can_tell(void)
{
    const struct linear_op in_order[] = {
        {0, 1, 0, SUBSCRIBE, 0, 0}, {2, 3, 1, SEND, 1, 0}, {4, 5, 0, TRY, 0, 1}};
    const struct linear_op unseen[] = {
        {0, 1, 0, SUBSCRIBE, 0, 0}, {2, 3, 1, SEND, 1, 0}, {4, 5, 0, POLL, 0, -EAGAIN}};
    const struct linear_op missed[] = {{0, 1, 0, SUBSCRIBE, 0, 0},
                                       {2, 3, 1, SEND, 1, 0},
                                       {4, 5, 1, SEND, 2, 0},
                                       {6, 7, 0, TRY, 0, MISSED - 1},
                                       {8, 9, 0, TRY, 0, 2}};
    const struct linear_op overtaken[] = {{0, 1, 0, SUBSCRIBE, 0, 0},
                                          {2, 3, 1, SEND, 1, 0},
                                          {4, 5, 1, SEND, 2, 0},
                                          {6, 7, 0, TRY, 0, 2}};
    const struct linear_op nobody[] = {{0, 1, 1, SEND, 1, 0}};

    claim(!refuses(in_order, 3) && !refuses(missed, 5), "the search finds an order");
    claim(refuses(unseen, 3) && refuses(overtaken, 4) && refuses(nobody, 1),
          "it refuses what was not seen, or skipped in silence, or sent to nobody");
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"one message is kept", "two messages are kept"};
    struct rouse_stats before;

    stress_begin(argc, argv);
    rouse_stats_get(&before);
    the_search_can_tell();
    for (int i = 0; i < 2; i++) {
        capacity = (uint8_t)(i + 1);
        claim(linear_rounds(&broadcast, names[i], stress_deadline(1.0 / 2)), names[i]);
    }
    claim(stress_get(&lost_wakes) == 0, "no wake was lost");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
