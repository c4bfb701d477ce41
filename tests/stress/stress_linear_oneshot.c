// SPDX-License-Identifier: MIT
//
// Oneshots are linearizable: what the two ends see of each other while they send, receive, wait and
// go at the same time can be had from a value that is there or not, and two ends that are there or
// not. Each thread has the sender of one pair and the receiver of the next one's. An end that waits
// is woken when the other goes.

#include <errno.h>

#include "linear_poll.h"

enum kind { NOTHING, SEND, GO, IS_CLOSED, LISTEN, TRY, POLL, DROP, LEAVE, KINDS };

// ---- The model ----

struct pair {
    uint8_t value;  // 0: none, or taken
    uint8_t sender_gone;
    uint8_t receiver_gone;
};

struct model {
    struct pair pairs[LINEAR_THREADS];
};
_Static_assert(sizeof(struct model) <= sizeof(struct linear_state), "a state has room for it");

static int pairs;  // of a round

static int64_t send_to_model(struct pair *p, int64_t value)
{
    p->sender_gone = 1;
    if (p->receiver_gone != 0) return -EPIPE;
    p->value = (uint8_t)value;
    return 0;
}

static int64_t receive_from_model(struct pair *p)
{
    uint8_t value = p->value;

    if (p->sender_gone == 0) return -EAGAIN;
    p->value = 0;
    return value != 0 ? value : -EPIPE;
}

static int64_t model_apply(struct model *m, const struct linear_op *op)
{
    struct pair *mine = &m->pairs[op->thread];
    struct pair *next = &m->pairs[(op->thread + 1) % pairs];

    switch ((enum kind)op->kind) {
    case SEND:
        return send_to_model(mine, op->argument);
    case GO:
        mine->sender_gone = 1;
        return 0;
    case IS_CLOSED:
    case LISTEN:
        return mine->receiver_gone;
    case TRY:
    case POLL:
        return receive_from_model(next);
    case LEAVE:
        next->value = 0;
        next->receiver_gone = 1;
        return 0;
    default:
        return 0;
    }
}

static bool apply(struct linear_state *state, const struct linear_op *op)
{
    struct model m;

    memcpy(&m, state->bytes, sizeof m);
    bool good = model_apply(&m, op) == op->result;

    memcpy(state->bytes, &m, sizeof m);
    return good;
}

static void print(const struct linear_op *op)
{
    static const char *const names[KINDS] = {"nothing", "send", "go",   "is closed", "listen",
                                             "try",     "poll", "drop", "leave"};

    printf("%s(%lld) = %lld", names[op->kind], (long long)op->argument, (long long)op->result);
}

// ---- The oneshots ----

struct actor {
    struct rouse_oneshot_sender *tx;
    struct rouse_oneshot_receiver *rx;
    struct rouse_oneshot_closed closed;
    struct linear_wait listening;
    struct rouse_oneshot_receive receive;
    struct linear_wait receiving;
};

static struct actor actors[LINEAR_THREADS];
static _Atomic int64_t lost_wakes;

static void make(int threads)
{
    pairs = threads;
    for (int i = 0; i < threads; i++) {
        struct rouse_oneshot_receiver **rx = &actors[(i + threads - 1) % threads].rx;

        stress_must(rouse_oneshot_new(&actors[i].tx, rx, sizeof(int64_t), NULL), "oneshot");
    }
}

static int64_t try_receive(struct actor *a)
{
    int64_t value = 0;
    int err = rouse_oneshot_try_receive(a->rx, &value);

    return err < 0 ? err : value;
}

// All look before anybody goes, whose going wakes the other.
static void look_for_lost_wakes(struct actor *a)
{
    bool slept_on = linear_sleeps(&a->receiving) && try_receive(a) != -EAGAIN;

    if (linear_sleeps(&a->listening) && rouse_oneshot_sender_is_closed(a->tx)) slept_on = true;
    if (slept_on) (void)stress_add(&lost_wakes, 1);
}

static int64_t sender_go(struct actor *a)
{
    linear_give_up(&a->listening, &a->closed.base);
    rouse_oneshot_sender_free(a->tx);
    a->tx = NULL;
    return 0;
}

static int64_t receiver_go(struct actor *a)
{
    linear_give_up(&a->receiving, &a->receive.base);
    rouse_oneshot_receiver_free(a->rx);
    a->rx = NULL;
    return 0;
}

static void unmake(void)
{
    for (int i = 0; i < pairs; i++) look_for_lost_wakes(&actors[i]);
    for (int i = 0; i < pairs; i++) {
        (void)sender_go(&actors[i]);
        (void)receiver_go(&actors[i]);
    }
}

static enum kind draw(const struct actor *a, uint64_t *random)
{
    uint64_t n = stress_below(random, 100);

    if (n < 40) {
        if (a->tx == NULL) return NOTHING;
        return n < 15 ? SEND : n < 20 ? GO : n < 25 ? IS_CLOSED : LISTEN;
    }
    if (a->rx == NULL) return NOTHING;
    if (n < 50) return LEAVE;
    if (n < 60) return a->receiving.is_active ? DROP : TRY;
    return n < 70 ? TRY : POLL;
}

static int64_t send_value(struct actor *a, int64_t value)
{
    linear_give_up(&a->listening, &a->closed.base);
    int err = rouse_oneshot_send(a->tx, &value);

    a->tx = NULL;
    return err;
}

static int64_t listen_once(struct actor *a)
{
    if (!a->listening.is_active) rouse_oneshot_closed_init(&a->closed, a->tx);
    return linear_poll(&a->listening, &a->closed.base);
}

static int64_t poll(struct actor *a)
{
    int64_t value = 0;

    if (!a->receiving.is_active) rouse_oneshot_receive_init(&a->receive, a->rx);
    if (!linear_poll(&a->receiving, &a->receive.base)) return -EAGAIN;
    if (a->receive.output < 0) return a->receive.output;
    rouse_oneshot_receive_take(&a->receive, &value);
    return value;
}

static int64_t act(const struct linear_op *op, struct actor *a)
{
    switch ((enum kind)op->kind) {
    case SEND:
        return send_value(a, op->argument);
    case GO:
        return sender_go(a);
    case IS_CLOSED:
        return rouse_oneshot_sender_is_closed(a->tx);
    case LISTEN:
        return listen_once(a);
    case TRY:
        return try_receive(a);
    case POLL:
        return poll(a);
    case DROP:
        linear_give_up(&a->receiving, &a->receive.base);
        return 0;
    case LEAVE:
        return receiver_go(a);
    default:
        return 0;
    }
}

static void run(struct linear_op *op, uint64_t *random)
{
    struct actor *a = &actors[op->thread];

    op->kind = (int)draw(a, random);
    if (op->kind == SEND) op->argument = 1 + op->thread;
    linear_begin(op);
    int64_t result = act(op, a);

    linear_end(op, result);
}

static const struct linear_object oneshots = {
    .apply = apply, .print = print, .make = make, .unmake = unmake, .run = run};

// ---- The search itself ----

static bool refuses(const struct linear_op *ops, int count)
{
    pairs = 2;
    return !linear_holds(&oneshots, ops, count);
}

static void the_search_can_tell(void)
{
    const struct linear_op in_order[] = {{0, 1, 0, SEND, 1, 0}, {2, 3, 1, POLL, 0, 1}};
    const struct linear_op crossed[] = {
        {0, 3, 0, SEND, 1, 0}, {1, 2, 1, TRY, 0, -EAGAIN}, {4, 5, 1, LEAVE, 0, 0}};
    const struct linear_op unseen[] = {{0, 1, 0, SEND, 1, 0}, {2, 3, 1, TRY, 0, -EAGAIN}};
    const struct linear_op both[] = {{0, 2, 0, SEND, 1, -EPIPE}, {1, 3, 1, TRY, 0, 1}};
    const struct linear_op alone[] = {{0, 1, 1, LEAVE, 0, 0}, {2, 3, 0, LISTEN, 0, 0}};

    claim(!refuses(in_order, 2) && !refuses(crossed, 3), "the search finds an order");
    claim(refuses(unseen, 2) && refuses(both, 2) && refuses(alone, 2),
          "it refuses a value that is not seen, or both sent and not, and an end that has gone "
          "unseen");
}

int main(int argc, char **argv)
{
    struct rouse_stats before;

    stress_begin(argc, argv);
    rouse_stats_get(&before);
    the_search_can_tell();
    claim(linear_rounds(&oneshots, "oneshots", stress_deadline(1)), "histories have an order");
    claim(stress_get(&lost_wakes) == 0, "no wake was lost");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
