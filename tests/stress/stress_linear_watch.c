// SPDX-License-Identifier: MIT
//
// Watches are linearizable: what receivers read, see change and wait for while several threads
// send, subscribe, leave and close can be had from one value with a version, of which each receiver
// has seen one. A wait that goes on is woken when there is another.

#include <errno.h>

#include "linear_poll.h"

enum kind { NOTHING, SEND, GO, SUBSCRIBE, CLONE, LEAVE, READ, TRY, POLL, DROP, KINDS };

// ---- The model ----

struct model {
    uint8_t version;
    uint8_t value;
    uint8_t senders_gone;
    uint8_t seen[LINEAR_THREADS];  // versions
};
_Static_assert(sizeof(struct model) <= sizeof(struct linear_state), "a state has room for it");

static uint8_t senders;  // of a round

static int64_t look_at_model(const struct model *m, int thread)
{
    if (m->seen[thread] != m->version) return 0;
    return m->senders_gone == senders ? -EPIPE : -EAGAIN;
}

static int64_t model_apply(struct model *m, const struct linear_op *op)
{
    switch ((enum kind)op->kind) {
    case SEND:
        m->version++;
        m->value = (uint8_t)op->argument;
        return 0;
    case GO:
        m->senders_gone++;
        return 0;
    case SUBSCRIBE:
        m->seen[op->thread] = m->version;
        return 0;
    case LEAVE:
        m->seen[op->thread] = 0;
        return 0;
    case READ:
        m->seen[op->thread] = m->version;
        return m->value;
    case TRY:
    case POLL:
        return look_at_model(m, op->thread);
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
    static const char *const names[KINDS] = {"nothing", "send", "go",  "subscribe", "clone",
                                             "leave",   "read", "try", "poll",      "drop"};

    printf("%s(%lld) = %lld", names[op->kind], (long long)op->argument, (long long)op->result);
}

// ---- The watch ----

struct actor {
    struct rouse_watch_sender *tx;
    struct rouse_watch_receiver *rx;
    struct rouse_watch_changed changed;
    struct linear_wait wait;
};

static struct actor actors[LINEAR_THREADS];
static _Atomic int64_t sent;  // numbers the values of a round
static _Atomic int64_t lost_wakes;

static void make(int threads)
{
    int64_t initial = 0;

    stress_must(rouse_watch_new(&actors[0].tx, sizeof initial, &initial), "watch");
    for (int i = 1; i < threads; i++) actors[i].tx = rouse_watch_sender_ref(actors[0].tx);
    senders = (uint8_t)threads;
    (void)stress_add(&sent, -stress_get(&sent));
}

// All look before anybody goes, whose going wakes the others.
static void unmake(void)
{
    for (int i = 0; i < linear.threads; i++) {
        struct actor *a = &actors[i];

        if (linear_sleeps(&a->wait) && rouse_watch_try_changed(a->rx) != -EAGAIN) {
            (void)stress_add(&lost_wakes, 1);
        }
    }
    for (int i = 0; i < linear.threads; i++) {
        linear_give_up(&actors[i].wait, &actors[i].changed.base);
        rouse_watch_receiver_free(actors[i].rx);
        rouse_watch_sender_unref(actors[i].tx);
        actors[i].rx = NULL;
        actors[i].tx = NULL;
    }
}

static enum kind draw(const struct actor *a, uint64_t *random)
{
    uint64_t n = stress_below(random, 100);

    if (n < 5) return a->tx != NULL ? GO : NOTHING;
    if (n < 35) return a->tx != NULL ? SEND : NOTHING;
    if (a->rx == NULL) return a->tx != NULL ? SUBSCRIBE : NOTHING;
    if (n < 40) return LEAVE;
    if (n < 50) return a->wait.is_active ? DROP : CLONE;
    return n < 60 ? TRY : n < 75 ? READ : POLL;
}

static int64_t poll(struct actor *a)
{
    if (!a->wait.is_active) rouse_watch_changed_init(&a->changed, a->rx);
    return linear_poll(&a->wait, &a->changed.base) ? a->changed.output : -EAGAIN;
}

static int64_t read_value(struct actor *a)
{
    int64_t value = 0;

    rouse_watch_read(a->rx, &value);
    return value;
}

static int64_t leave(struct actor *a)
{
    linear_give_up(&a->wait, &a->changed.base);
    rouse_watch_receiver_free(a->rx);
    a->rx = NULL;
    return 0;
}

// The clone takes over.
static int64_t clone_receiver(struct actor *a)
{
    struct rouse_watch_receiver *original = a->rx;
    int err = rouse_watch_receiver_clone(original, &a->rx);

    rouse_watch_receiver_free(original);
    return err;
}

static int64_t act(const struct linear_op *op, struct actor *a)
{
    switch ((enum kind)op->kind) {
    case SEND:
        return rouse_watch_send(a->tx, &op->argument) < 0;
    case GO:
        rouse_watch_sender_unref(a->tx);
        a->tx = NULL;
        return 0;
    case SUBSCRIBE:
        return rouse_watch_subscribe(a->tx, &a->rx);
    case CLONE:
        return clone_receiver(a);
    case LEAVE:
        return leave(a);
    case READ:
        return read_value(a);
    case TRY:
        return rouse_watch_try_changed(a->rx);
    case POLL:
        return poll(a);
    case DROP:
        linear_give_up(&a->wait, &a->changed.base);
        return 0;
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

static const struct linear_object watch = {
    .apply = apply, .print = print, .make = make, .unmake = unmake, .run = run};

// ---- The search itself ----

static bool refuses(const struct linear_op *ops, int count)
{
    senders = 2;
    return !linear_holds(&watch, ops, count);
}

static void the_search_can_tell(void)
{
    const struct linear_op in_order[] = {{0, 1, 0, SUBSCRIBE, 0, 0},
                                         {2, 3, 1, SEND, 7, 0},
                                         {4, 5, 0, POLL, 0, 0},
                                         {6, 7, 0, READ, 0, 7}};
    const struct linear_op at_once[] = {
        {0, 1, 0, SUBSCRIBE, 0, 0}, {2, 5, 1, SEND, 7, 0}, {3, 4, 0, READ, 0, 0}};
    const struct linear_op stale[] = {
        {0, 1, 0, SUBSCRIBE, 0, 0}, {2, 3, 1, SEND, 7, 0}, {4, 5, 0, READ, 0, 0}};
    const struct linear_op unseen[] = {
        {0, 1, 0, SUBSCRIBE, 0, 0}, {2, 3, 1, SEND, 7, 0}, {4, 5, 0, TRY, 0, -EAGAIN}};
    const struct linear_op twice[] = {
        {0, 1, 1, SEND, 7, 0}, {2, 3, 0, SUBSCRIBE, 0, 0}, {4, 5, 0, TRY, 0, 0}};

    claim(!refuses(in_order, 4) && !refuses(at_once, 3), "the search finds an order");
    claim(refuses(stale, 3) && refuses(unseen, 3) && refuses(twice, 3),
          "it refuses an old value, a change that is not seen, and one that was known");
}

int main(int argc, char **argv)
{
    struct rouse_stats before;

    stress_begin(argc, argv);
    rouse_stats_get(&before);
    the_search_can_tell();
    claim(linear_rounds(&watch, "watch", stress_deadline(1)), "histories have an order");
    claim(stress_get(&lost_wakes) == 0, "no wake was lost");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
