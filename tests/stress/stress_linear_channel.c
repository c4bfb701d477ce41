// SPDX-License-Identifier: MIT
//
// Channels are linearizable: what several threads get out of try_send, try_receive, places that are
// reserved, close and length at the same time can be had from a plain queue one after the other.
// Nobody waits, so a try fails for no reason but that the channel is full, empty or closed.

#include <errno.h>

#include "linear.h"

enum kind { SEND, RECEIVE, RESERVE, USE, GIVE_BACK, LENGTH, CLOSE, KINDS };

// ---- The model ----

struct queue {
    uint8_t count;
    uint8_t reserved;
    uint8_t closed;
    uint8_t elements[LINEAR_OPS];
};
_Static_assert(sizeof(struct queue) <= sizeof(struct linear_state), "a state has room for it");

static size_t capacity;

static void append(struct queue *q, int64_t element)
{
    q->elements[q->count++] = (uint8_t)element;
}

// Takes the first out. What is behind the last stays 0, so that equal queues have equal bytes.
static int64_t take(struct queue *q)
{
    int64_t element = q->elements[0];

    q->count--;
    for (int i = 0; i < q->count; i++) q->elements[i] = q->elements[i + 1];
    q->elements[q->count] = 0;
    return element;
}

static int64_t send_to_model(struct queue *q, int64_t element)
{
    if (q->closed != 0) return -EPIPE;
    if ((size_t)q->count + q->reserved >= capacity) return -EAGAIN;
    append(q, element);
    return 0;
}

static int64_t reserve_in_model(struct queue *q)
{
    if (capacity == ROUSE_CHANNEL_UNBOUNDED) return -EINVAL;
    if (q->closed != 0) return -EPIPE;
    if ((size_t)q->count + q->reserved >= capacity) return -EAGAIN;
    q->reserved++;
    return 0;
}

static int64_t receive_from_model(struct queue *q)
{
    if (q->count > 0) return take(q);
    return q->closed != 0 && q->reserved == 0 ? -EPIPE : -EAGAIN;
}

static int64_t queue_apply(struct queue *q, const struct linear_op *op)
{
    switch ((enum kind)op->kind) {
    case SEND:
        return send_to_model(q, op->argument);
    case RECEIVE:
        return receive_from_model(q);
    case RESERVE:
        return reserve_in_model(q);
    case USE:
        q->reserved--;
        append(q, op->argument);
        return 0;
    case GIVE_BACK:
        q->reserved--;
        return 0;
    case LENGTH:
        return q->count;
    default:
        q->closed = 1;
        return 0;
    }
}

static bool apply(struct linear_state *state, const struct linear_op *op)
{
    struct queue q;

    memcpy(&q, state->bytes, sizeof q);
    bool good = queue_apply(&q, op) == op->result;

    memcpy(state->bytes, &q, sizeof q);
    return good;
}

static void print(const struct linear_op *op)
{
    static const char *const names[KINDS] = {"try_send",  "try_receive", "try_reserve", "use",
                                             "give back", "length",      "close"};

    printf("%s(%lld) = %lld", names[op->kind], (long long)op->argument, (long long)op->result);
}

// ---- The channel ----

static struct rouse_channel_sender *tx;
static struct rouse_channel_receiver *rx;
static bool one_receiver;
static _Atomic int64_t sent;  // numbers the elements of a round

struct place {
    struct rouse_channel_permit permit;
    bool is_mine;
};
static struct place places[LINEAR_THREADS];

static void make(int threads)
{
    stress_must(rouse_channel_new(&tx, &rx, sizeof(int64_t), capacity), "channel");
    for (int i = 1; i < threads && !one_receiver; i++) (void)rouse_channel_receiver_ref(rx);
    (void)stress_add(&sent, -stress_get(&sent));
}

static void unmake(void)
{
    for (int i = 0; i < LINEAR_THREADS; i++) {
        if (places[i].is_mine) rouse_channel_permit_drop(&places[i].permit);
        places[i].is_mine = false;
    }
    rouse_channel_sender_unref(tx);
    for (int i = 0; i < linear.threads && (i == 0 || !one_receiver); i++) {
        rouse_channel_receiver_unref(rx);
    }
}

static enum kind draw(const struct linear_op *op, uint64_t *random)
{
    uint64_t n = stress_below(random, 100);
    bool may_receive = !one_receiver || op->thread == 0;

    if (n < 10) return LENGTH;
    if (n < 13 && may_receive) return CLOSE;
    if (places[op->thread].is_mine) return n < 70 ? USE : GIVE_BACK;
    if (n < 28) return RESERVE;
    if (one_receiver) return op->thread == 0 ? RECEIVE : SEND;
    return n < 64 ? SEND : RECEIVE;
}

static int64_t receive(void)
{
    int64_t element = 0;
    int err = rouse_channel_try_receive(rx, &element);

    return err < 0 ? err : element;
}

static int64_t reserve(struct place *place)
{
    int err = rouse_channel_try_reserve(tx, &place->permit);

    place->is_mine = err == 0;
    return err;
}

static int64_t act(const struct linear_op *op, struct place *place)
{
    switch ((enum kind)op->kind) {
    case SEND:
        return rouse_channel_try_send(tx, &op->argument);
    case RECEIVE:
        return receive();
    case RESERVE:
        return reserve(place);
    case USE:
        rouse_channel_permit_send(&place->permit, &op->argument);
        place->is_mine = false;
        return 0;
    case GIVE_BACK:
        rouse_channel_permit_drop(&place->permit);
        place->is_mine = false;
        return 0;
    case LENGTH:
        return (int64_t)rouse_channel_sender_length(tx);
    default:
        rouse_channel_receiver_close(rx);
        return 0;
    }
}

static void run(struct linear_op *op, uint64_t *random)
{
    op->kind = (int)draw(op, random);
    if (op->kind == SEND || op->kind == USE) op->argument = stress_add(&sent, 1);
    linear_begin(op);
    int64_t result = act(op, &places[op->thread]);

    linear_end(op, result);
}

static const struct linear_object channel = {
    .apply = apply, .print = print, .make = make, .unmake = unmake, .run = run};

// ---- The search itself ----

static bool refuses(const struct linear_op *ops, int count)
{
    capacity = 2;
    return !linear_holds(&channel, ops, count);
}

static void the_search_can_tell(void)
{
    const struct linear_op in_order[] = {
        {0, 1, 0, SEND, 1, 0}, {2, 3, 0, SEND, 2, 0}, {4, 5, 1, RECEIVE, 0, 1}};
    const struct linear_op swapped[] = {
        {0, 1, 0, SEND, 1, 0}, {2, 3, 0, SEND, 2, 0}, {4, 5, 1, RECEIVE, 0, 2}};
    const struct linear_op at_once[] = {
        {0, 2, 0, SEND, 1, 0}, {1, 3, 1, SEND, 2, 0}, {4, 5, 1, RECEIVE, 0, 2}};
    const struct linear_op twice[] = {
        {0, 1, 0, SEND, 1, 0}, {2, 4, 0, RECEIVE, 0, 1}, {3, 5, 1, RECEIVE, 0, 1}};
    const struct linear_op unseen[] = {{0, 1, 0, SEND, 1, 0}, {2, 3, 1, RECEIVE, 0, -EAGAIN}};
    const struct linear_op not_full[] = {{0, 1, 0, SEND, 1, 0}, {2, 3, 1, SEND, 2, -EAGAIN}};

    claim(!refuses(in_order, 3) && !refuses(at_once, 3), "the search finds an order");
    claim(refuses(swapped, 3) && refuses(twice, 3), "it refuses what came in no order, or twice");
    claim(refuses(unseen, 2) && refuses(not_full, 2), "it refuses a try that failed for no reason");
}

int main(int argc, char **argv)
{
    static const size_t capacities[] = {1, 2, ROUSE_CHANNEL_UNBOUNDED};
    static const char *const names[] = {"one place", "two places", "unbounded"};
    struct rouse_stats before;
    char text[96];

    stress_begin(argc, argv);
    rouse_stats_get(&before);
    the_search_can_tell();
    for (int i = 0; i < 6; i++) {
        capacity = capacities[i / 2];
        one_receiver = i % 2 == 0;
        (void)snprintf(text, sizeof text, "%s, %s", names[i / 2],
                       one_receiver ? "one receiver" : "many receivers");
        claim(linear_rounds(&channel, text, stress_deadline(1.0 / 6)), text);
    }
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
