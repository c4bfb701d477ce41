// SPDX-License-Identifier: MIT
//
// Rounds of a channel under chaos: fibers, async frames and plain threads send and receive in every
// form there is, give up by timeouts and selects, hold places and give them back, and are aborted.
// Each element that was reported sent arrives once, or is dropped once where all receivers had
// gone; one that was not reported sent does neither; and each receiver sees what one sender sent in
// its order.

#include <errno.h>

#include "stress.h"

enum { ACTORS = 8, ATTEMPTS = 120, MANY = 8, PAUSE_MAX_NS = 60000 };
enum kind { FIBER, FRAME, THREAD, KINDS };

struct element {
    int32_t actor;
    int32_t number;
    int32_t unused[2];
};

// What became of an element.
struct fate {
    bool sent;             // as its sender was told
    _Atomic int64_t came;  // how often it was received
    _Atomic int64_t dropped;
};

struct actor {
    int number;
    enum kind kind;
    bool is_sender;
    bool closes;  // after some receives
    uint64_t random;
    int attempts;
    int32_t seen[ACTORS];  // the last number of each sender, plus 1
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct element element;  // to be sent
    struct element elements[MANY];
    struct rouse_join_handle handle;
    pthread_t thread;
};

static struct rouse_runtime *runtime;
static struct actor actors[ACTORS];
static struct fate fates[ACTORS][ATTEMPTS];
static _Atomic int64_t disordered;
static int64_t totals[5];  // elements sent, received, dropped, wrong; attempts to send

static bool one_in(struct actor *a, uint64_t n)
{
    return stress_below(&a->random, n) == 0;
}

static uint64_t soon(struct actor *a)
{
    return rouse_deadline_after(one_in(a, 8) ? 0 : stress_below(&a->random, PAUSE_MAX_NS));
}

// ---- What is noted ----

static void next_element(struct actor *a)
{
    a->element = (struct element){.actor = a->number, .number = a->attempts++};
}

static void note_sent(const struct actor *a)
{
    fates[a->number][a->element.number].sent = true;
}

static void note_received(struct actor *a, ssize_t count)
{
    for (ssize_t i = 0; i < count; i++) {
        const struct element *e = &a->elements[i];

        if (e->number < a->seen[e->actor]) (void)stress_add(&disordered, 1);
        a->seen[e->actor] = e->number + 1;
        (void)stress_add(&fates[e->actor][e->number].came, 1);
    }
    if (count > 0 && a->closes && one_in(a, 40)) rouse_channel_receiver_close(a->rx);
}

static void note_dropped(void *element)
{
    struct element e;

    memcpy(&e, element, sizeof e);
    (void)stress_add(&fates[e.actor][e.number].dropped, 1);
}

// ---- Fibers and plain threads ----

// A moment with nothing to do. 0 or -ECANCELED.
static int rest(struct actor *a)
{
    if (a->kind == FIBER) return one_in(a, 2) ? rouse_yield() : rouse_sleep(soon(a) % 20000);
    stress_nap(stress_below(&a->random, 20000));
    return 0;
}

static int use_place(struct actor *a, struct rouse_channel_permit *permit)
{
    int err = one_in(a, 3) ? rest(a) : 0;

    if (err < 0 || one_in(a, 4)) {
        rouse_channel_permit_drop(permit);
        return err < 0 ? err : -EAGAIN;
    }
    rouse_channel_permit_send(permit, &a->element);
    return 0;
}

static int send_by_place(struct actor *a, bool waits)
{
    struct rouse_channel_permit permit;
    int err = waits ? rouse_channel_reserve(a->tx, &permit)
                    : rouse_channel_try_reserve(a->tx, &permit);

    return err < 0 ? err : use_place(a, &permit);
}

static int reserve_in_time(struct actor *a)
{
    struct rouse_channel_reserve reserve;
    struct rouse_channel_permit permit;

    rouse_channel_reserve_init(&reserve, a->tx);
    int err = rouse_await_until(&reserve.base, soon(a));

    if (err == 0) err = reserve.output;
    if (err < 0) return err;
    if (one_in(a, 4)) {
        rouse_future_drop(&reserve.base);  // with the place
        return -EAGAIN;
    }
    permit = rouse_channel_reserve_take(&reserve);
    rouse_future_drop(&reserve.base);
    return use_place(a, &permit);
}

static int send_in_time(struct actor *a)
{
    struct rouse_channel_send send;

    rouse_channel_send_init(&send, a->tx, &a->element);
    int err = rouse_await_until(&send.base, soon(a));

    return err < 0 ? err : send.output;
}

static int send_once(struct actor *a)
{
    uint64_t way = stress_below(&a->random, 8);

    if (way < 2) return rouse_channel_send(a->tx, &a->element);
    if (way < 4) return rouse_channel_try_send(a->tx, &a->element);
    if (way == 4) return send_in_time(a);
    if (way == 5) return reserve_in_time(a);
    return send_by_place(a, way == 6);
}

static int send_all(struct actor *a)
{
    while (a->attempts < ATTEMPTS) {
        next_element(a);
        int err = send_once(a);

        if (err == 0) note_sent(a);
        if (err == -EPIPE || err == -ECANCELED) return err;
        if (err < 0 && rest(a) < 0) return -ECANCELED;
    }
    return 0;
}

static ssize_t receive_in_time(struct actor *a, bool by_select)
{
    struct rouse_channel_receive receive;
    struct rouse_select select;
    struct rouse_sleep sleep;
    int err;

    rouse_channel_receive_many_init(&receive, a->rx, a->elements,
                                    1 + stress_below(&a->random, MANY));
    if (by_select) {
        rouse_sleep_until_init(&sleep, soon(a));
        rouse_select_init(&select, &receive.base, &sleep.base,
                          one_in(a, 2) ? ROUSE_SELECT_FAIR : ROUSE_SELECT_BIASED);
        err = rouse_await(&select.base);
        if (err == 0 && select.output == 1) err = -ETIMEDOUT;
    } else {
        err = rouse_await_until(&receive.base, soon(a));
    }
    return err < 0 ? err : receive.output;
}

static ssize_t one_if(int err)
{
    return err < 0 ? err : 1;
}

static ssize_t receive_once(struct actor *a)
{
    uint64_t way = stress_below(&a->random, 6);

    if (way == 0) return one_if(rouse_channel_receive(a->rx, a->elements));
    if (way == 1) return one_if(rouse_channel_try_receive(a->rx, a->elements));
    if (way < 4) {
        return rouse_channel_receive_many(a->rx, a->elements, 1 + stress_below(&a->random, MANY));
    }
    return receive_in_time(a, way == 4);
}

static int receive_all(struct actor *a)
{
    for (;;) {
        ssize_t count = receive_once(a);

        note_received(a, count);
        if (count == -EPIPE || count == -ECANCELED) return (int)count;
        if (count < 0 && rest(a) < 0) return -ECANCELED;
    }
}

// Gives up its end, so that the others see that it has gone.
static void leave(struct actor *a)
{
    rouse_channel_sender_unref(a->tx);
    rouse_channel_receiver_unref(a->rx);
}

static int act(void *arg)
{
    struct actor *a = arg;
    int err = a->is_sender ? send_all(a) : receive_all(a);

    leave(a);
    return err;
}

static void *act_on_thread(void *arg)
{
    (void)act(arg);
    return NULL;
}

// ---- Frames ----

struct frame {
    struct rouse_async async;
    struct actor *actor;
    int64_t result;
    struct rouse_channel_send send;
    struct rouse_channel_receive receive;
    struct rouse_timeout timeout;
};

static uint64_t some_deadline(struct actor *a)
{
    return one_in(a, 2) ? ROUSE_NEVER : soon(a);
}

static void begin_send(struct frame *f)
{
    struct actor *a = f->actor;

    next_element(a);
    rouse_channel_send_init(&f->send, a->tx, &a->element);
    rouse_timeout_init(&f->timeout, &f->send.base, some_deadline(a));
}

static void end_send(struct frame *f)
{
    f->result = f->timeout.output < 0 ? f->timeout.output : f->send.output;
    if (f->result == 0) note_sent(f->actor);
}

static void begin_receive(struct frame *f)
{
    struct actor *a = f->actor;

    rouse_channel_receive_many_init(&f->receive, a->rx, a->elements,
                                    1 + stress_below(&a->random, MANY));
    rouse_timeout_init(&f->timeout, &f->receive.base, some_deadline(a));
}

static void end_receive(struct frame *f)
{
    f->result = f->timeout.output < 0 ? f->timeout.output : f->receive.output;
    note_received(f->actor, f->result);
}

static rouse_poll frame_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct frame *f = ROUSE_CONTAINER_OF(self, struct frame, async.base);

    ROUSE_ASYNC_BEGIN(&f->async, cx);
    while (f->actor->is_sender && f->result != -EPIPE && f->actor->attempts < ATTEMPTS) {
        begin_send(f);
        ROUSE_AWAIT(&f->timeout.base);
        end_send(f);
    }
    while (!f->actor->is_sender && f->result != -EPIPE) {
        begin_receive(f);
        ROUSE_AWAIT(&f->timeout.base);
        end_receive(f);
    }
    leave(f->actor);
    ROUSE_ASYNC_END();
}

static void frame_drop(struct rouse_future *self)
{
    struct frame *f = ROUSE_CONTAINER_OF(self, struct frame, async.base);

    rouse_async_cancel(&f->async);
    leave(f->actor);
}

static const struct rouse_future_vtable frame_vtable = {
    .poll = frame_poll, .drop = frame_drop, .name = "actor"};

static void frame_init(struct rouse_future *storage, void *arg)
{
    struct frame *f = ROUSE_CONTAINER_OF(storage, struct frame, async.base);

    rouse_async_init(&f->async, &frame_vtable);
    f->actor = arg;
    f->result = 0;
}

// ---- A round ----

// The first one sends and the second one receives; what the others do is drawn.
static void cast(struct actor *a, int number, uint64_t *random)
{
    *a = (struct actor){.number = number,
                        .kind = (enum kind)stress_below(random, KINDS),
                        .is_sender = number != 1 && stress_below(random, 2) == 0,
                        .closes = stress_below(random, 16) == 0,
                        .random = stress_stream(claim_random(random))};
    if (number == 0) a->is_sender = true;
    for (int i = 0; i < ATTEMPTS; i++) {
        struct fate *fate = &fates[number][i];

        fate->sent = false;
        (void)stress_add(&fate->came, -stress_get(&fate->came));
        (void)stress_add(&fate->dropped, -stress_get(&fate->dropped));
    }
}

static void start(struct actor *a)
{
    struct rouse_future_spec spec = {.size = sizeof(struct frame), .init = frame_init, .arg = a};

    if (a->kind == FIBER) {
        stress_must(rouse_runtime_spawn(runtime, &a->handle, act, a, NULL), "spawn");
    } else if (a->kind == FRAME) {
        stress_must(rouse_runtime_spawn_future(runtime, &a->handle, &spec, NULL), "spawn");
    } else {
        a->thread = stress_thread(act_on_thread, a);
    }
}

static void finish(struct actor *a)
{
    if (a->kind == THREAD) {
        (void)pthread_join(a->thread, NULL);
        return;
    }
    stress_must(rouse_block_on(runtime, &a->handle.base), "join");
    rouse_future_drop(&a->handle.base);
}

static void make_channel(uint64_t *random)
{
    static const size_t capacities[] = {1, 2, 7, 1024, ROUSE_CHANNEL_UNBOUNDED};
    const struct rouse_channel_options options = {.size = sizeof options,
                                                  .element_size = sizeof(struct element),
                                                  .capacity = capacities[stress_below(random, 5)],
                                                  .element_drop = note_dropped};
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;

    stress_must(rouse_channel_new_with(&tx, &rx, &options), "channel");
    for (int i = 0; i < ACTORS; i++) {
        cast(&actors[i], i, random);
        if (actors[i].is_sender) {
            actors[i].tx = rouse_channel_sender_ref(tx);
        } else {
            actors[i].rx = rouse_channel_receiver_ref(rx);
        }
    }
    rouse_channel_sender_unref(tx);
    rouse_channel_receiver_unref(rx);
}

static bool all_receivers_may_leave(void)
{
    for (int i = 0; i < ACTORS; i++) {
        if (!actors[i].is_sender && actors[i].kind == THREAD) return false;
    }
    return true;
}

// Adds to the totals.
static void judge(void)
{
    bool may_drop = all_receivers_may_leave();

    for (int i = 0; i < ACTORS * ATTEMPTS; i++) {
        struct fate *fate = &fates[i / ATTEMPTS][i % ATTEMPTS];
        int64_t came = stress_get(&fate->came);
        int64_t dropped = stress_get(&fate->dropped);

        totals[0] += fate->sent;
        totals[1] += came;
        totals[2] += dropped;
        totals[3] += came + dropped != fate->sent || (dropped > 0 && !may_drop);
    }
    for (int i = 0; i < ACTORS; i++) totals[4] += actors[i].attempts;
}

static void one_round(uint64_t *random)
{
    uint64_t aborts = stress_below(random, 4);

    make_channel(random);
    for (int i = 0; i < ACTORS; i++) start(&actors[i]);
    while (aborts-- > 0) {
        struct actor *a = &actors[stress_below(random, ACTORS)];

        stress_nap(stress_below(random, 2 * PAUSE_MAX_NS));
        if (a->kind != THREAD) rouse_abort(&a->handle);
    }
    for (int i = 0; i < ACTORS; i++) finish(&actors[i]);
    judge();
}

int main(int argc, char **argv)
{
    struct rouse_stats before;
    uint64_t random;
    char text[160];
    int64_t rounds = 0;

    stress_begin(argc, argv);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)stress_seed);
    (void)setenv("ROUSE_CHAOS", text, 0);
    rouse_stats_get(&before);
    runtime = stress_runtime(2);
    random = stress_stream(0);
    for (uint64_t end = stress_deadline(1); rounds == 0 || rouse_now_ns() < end; rounds++) {
        one_round(&random);
    }
    rouse_runtime_free(runtime);
    rouse_runtime_free(rouse_runtime_default());  // plain threads have waited on it
    (void)snprintf(text, sizeof text,
                   "%lld rounds: of %lld attempts to send %lld did, %lld came, %lld were dropped",
                   (long long)rounds, (long long)totals[4], (long long)totals[0],
                   (long long)totals[1], (long long)totals[2]);
    claim(totals[0] > 0 && totals[0] == totals[1] + totals[2], text);
    claim(totals[3] == 0, "what was sent came once, and what was not never");
    claim(stress_get(&disordered) == 0, "each receiver saw each sender's elements in their order");
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
