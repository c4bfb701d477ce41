// SPDX-License-Identifier: MIT
//
// The oneshot: one block that both ends share, with one state word. The ends are alike: each goes
// once (the sender with a value, or without), and each may wait for the other to go. So the word
// has the same three bits for either of them, and SENT.
//
//     0 --wait--> WAITS --the wait is dropped--> 0
//     |             |
//     | other goes  | other goes: it takes the waker ...
//     v             v
//    GONE          GONE, WAITS -- ... is done with the block, and wakes --> GONE, DONE, WAITS
//
// 1. While its WAITS is set, an end has left a waker in the block. If the other one is not GONE, it
//    may take the waker back; if it is, the waker is that one's, and the bit stays.
// 2. An end is done with the block when it is GONE, unless it found the other one waiting: then
//    when it is DONE. Whoever is done last frees the block: who goes as the second, if the first is
//    done; else the first, when it becomes DONE.
// 3. The value is written before the sender goes, and is the receiver's, with `taken`, from then on
//    until that goes.
//
// A pair whose value is there before anybody waits for it costs one read-modify-write, one that
// is waited for three.
//
//                 | may run at once with
//     send, free  | all of the other end
//     wait, drop  | all of the other end; on one end they come one after the other

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/oneshot.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/rmw.h"
#include "chan/element.h"
#include "fiber/direct.h"

enum side { SENDER = 0, RECEIVER = 1 };

enum { SENT = 1 << 0, GONE = 1 << 1, DONE = 1 << 2, WAITS = 1 << 3, SIDE_BITS = 3 };

struct oneshot {
    _Atomic uint32_t state;
    bool taken;
    const struct rouse_allocator *allocator;
    void (*drop)(void *element);
    size_t size;
    struct rouse_waker wakers[2];  // of each side
    _Alignas(max_align_t) unsigned char element[];
};

static uint32_t bit(enum side side, uint32_t flag)
{
    return flag << (SIDE_BITS * side);
}

static enum side other_of(enum side side)
{
    return side == SENDER ? RECEIVER : SENDER;
}

static struct oneshot *of_sender(const struct rouse_oneshot_sender *tx)
{
    return (struct oneshot *)(uintptr_t)tx;
}

static struct oneshot *of_receiver(const struct rouse_oneshot_receiver *rx)
{
    return (struct oneshot *)(uintptr_t)rx;
}

int rouse_oneshot_new(struct rouse_oneshot_sender **tx, struct rouse_oneshot_receiver **rx,
                      size_t element_size, void (*drop)(void *element))
{
    const struct rouse_allocator *allocator = rs_allocator_current();

    if (element_size > SIZE_MAX - sizeof(struct oneshot)) return -ENOMEM;
    struct oneshot *o = rs_alloc(allocator, sizeof *o + element_size);

    if (o == NULL) return -ENOMEM;
    o->allocator = allocator;
    o->drop = drop;
    o->size = element_size;
    *tx = (struct rouse_oneshot_sender *)o;
    *rx = (struct rouse_oneshot_receiver *)o;
    return 0;
}

// ---- An end goes ----

// The last use of the block. `sent`: there is a value that the receiver may not have taken.
static void oneshot_free(struct oneshot *o, bool sent)
{
    if (sent && !o->taken && o->drop != NULL) o->drop(o->element);
    rs_free(o->allocator, o, sizeof *o + o->size);
}

// The other side has gone before `side`: is it done with the block?
static inline bool is_other_done(uint32_t state, enum side side)
{
    return (state & bit(side, WAITS)) == 0 || (state & bit(other_of(side), DONE)) != 0;
}

// The other side waits for us to go: takes its waker, and wakes it.
static void wake_other(struct oneshot *o, enum side side)
{
    struct rouse_waker waker = o->wakers[other_of(side)];
    // Release, with the acquire in leave(): the other one frees the block after our use of it.
    // Acquire, with the release there: if it has gone by now, we free it after its use.
    uint32_t state = rs_fetch_or_32(&o->state, bit(side, DONE), memory_order_acq_rel);

    // If it is the sender that came later, it could not send: the value is its caller's.
    if ((state & bit(other_of(side), GONE)) != 0) {
        oneshot_free(o, side == SENDER && (state & SENT) != 0);
    }
    rouse_waker_wake(&waker);
}

// `side` goes, and leaves the flags `with` behind. False if the other side went before. Inline: for
// a given side all the bits are constants.
static inline bool leave(struct oneshot *o, enum side side, uint32_t with)
{
    enum side other = other_of(side);
    // Acquire, with the releases of the other side as it goes: we free the block after its use.
    uint32_t state = atomic_load_explicit(&o->state, memory_order_acquire);

    if ((state & bit(other, GONE)) == 0 || !is_other_done(state, side)) {
        // Release, with the acquire of whoever frees the block, and of a receiver that looks for
        // the value. Acquire, as above; and with the release in wait(), for the waker. None of the
        // bits is set yet, and an addition is one instruction where its old value is needed.
        state = rs_fetch_add_32(&o->state, bit(side, GONE) | with, memory_order_acq_rel);
    }
    if ((state & bit(other, GONE)) != 0) {
        if (is_other_done(state, side)) oneshot_free(o, (state & SENT) != 0);
        return false;
    }
    rouse_assert((state & bit(side, WAITS)) == 0,
                 "an end of a oneshot goes when nobody waits at it; drop the future first");
    if ((state & bit(other, WAITS)) != 0) wake_other(o, side);
    return true;
}

// ---- An end waits for the other to go ----

static bool is_gone(const struct oneshot *o, enum side side)
{
    // Acquire, with the release in leave(): the value is there.
    return (atomic_load_explicit(&o->state, memory_order_acquire) & bit(side, GONE)) != 0;
}

// Takes the waker back that `side` has left. False if the other side has gone: it has it.
static bool wait_end(struct oneshot *o, enum side side, struct rouse_waker *waker)
{
    // Relaxed, here and below: the waker is one that we have stored ourselves, and who finds that
    // the other side has gone looks at the state again, or does not use what it left.
    uint32_t state = atomic_load_explicit(&o->state, memory_order_relaxed);

    do {
        if ((state & bit(other_of(side), GONE)) != 0) return false;
    } while (!rs_compare_exchange_weak_32(&o->state, &state, state & ~bit(side, WAITS),
                                          memory_order_relaxed, memory_order_relaxed));
    *waker = o->wakers[side];
    return true;
}

// Leaves a waker for the other side. False if that has gone.
static bool wait_begin(struct oneshot *o, enum side side, const struct rouse_waker *waker)
{
    o->wakers[side] = rouse_waker_clone(waker);
    // Release, with the acquire in leave(): there the waker is seen. Acquire, with the release
    // there: if the other side went before, we see the value.
    uint32_t state = rs_fetch_or_32(&o->state, bit(side, WAITS), memory_order_acq_rel);

    rouse_assert((state & bit(side, WAITS)) == 0,
                 "at each end of a oneshot one future waits at a time; end the other one first");
    if ((state & bit(other_of(side), GONE)) == 0) return true;
    // It has not seen the waker, and does not look again. Relaxed: nobody else uses the word.
    atomic_store_explicit(&o->state, state, memory_order_relaxed);
    rouse_waker_drop(&o->wakers[side]);
    return false;
}

// The poll of whoever waits at `side`. True if the other side has gone.
static bool wait_poll(struct oneshot *o, enum side side, bool *registered, struct rouse_context *cx)
{
    const struct rouse_waker *waker = rouse_context_waker(cx);
    struct rouse_waker old = {0};

    if (is_gone(o, other_of(side))) return true;
    if (*registered) {
        // Who takes it only reads it.
        if (rouse_waker_will_wake(&o->wakers[side], waker)) return false;
        if (!wait_end(o, side, &old)) return is_gone(o, other_of(side));
    }
    *registered = wait_begin(o, side, waker);
    rouse_waker_drop(&old);
    return !*registered;
}

static void wait_drop(struct oneshot *o, enum side side, bool registered)
{
    struct rouse_waker waker;

    if (registered && wait_end(o, side, &waker)) rouse_waker_drop(&waker);
}

// ---- The sender ----

int rouse_oneshot_send(struct rouse_oneshot_sender *tx, const void *value)
{
    struct oneshot *o = of_sender(tx);

    rs_element_copy(o->element, value, o->size);
    return leave(o, SENDER, SENT) ? 0 : -EPIPE;
}

void rouse_oneshot_sender_free(struct rouse_oneshot_sender *tx)
{
    if (tx != NULL) (void)leave(of_sender(tx), SENDER, 0);
}

bool rouse_oneshot_sender_is_closed(const struct rouse_oneshot_sender *tx)
{
    return is_gone(of_sender(tx), RECEIVER);
}

static struct rouse_oneshot_closed *closed_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_oneshot_closed, base);
}

static rouse_poll closed_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_oneshot_closed *c = closed_of(self);

    if (!c->began && !rouse_context_spend(cx)) return ROUSE_PENDING;
    c->began = true;
    return wait_poll(of_sender(c->tx), SENDER, &c->registered, cx) ? ROUSE_READY : ROUSE_PENDING;
}

static void closed_drop(struct rouse_future *self)
{
    struct rouse_oneshot_closed *c = closed_of(self);

    wait_drop(of_sender(c->tx), SENDER, c->registered);
}

static int closed_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_oneshot_closed *c = (const struct rouse_oneshot_closed *)self;

    return snprintf(buf, size, "the receiver of oneshot %p to go", (const void *)c->tx);
}

static const struct rouse_future_vtable closed_ended = {.name = "oneshot closed"};
static const struct rouse_future_vtable closed_vtable = {
    .poll = closed_poll,
    .drop = closed_drop,
    .name = "oneshot closed",
    .describe = closed_describe,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &closed_ended};

void rouse_oneshot_closed_init(struct rouse_oneshot_closed *closed, struct rouse_oneshot_sender *tx)
{
    *closed = (struct rouse_oneshot_closed){.base.vtable = &closed_vtable, .tx = tx};
}

int rouse_oneshot_closed(struct rouse_oneshot_sender *tx)
{
    struct rouse_oneshot_closed closed;

    rouse_oneshot_closed_init(&closed, tx);
    return rouse_await(&closed.base);
}

// ---- The receiver ----

static bool has_value(const struct oneshot *o)
{
    // Relaxed: the caller has seen that the sender has gone.
    return (atomic_load_explicit(&o->state, memory_order_relaxed) & SENT) != 0 && !o->taken;
}

static void take(struct oneshot *o, void *out)
{
    o->taken = true;
    rs_element_copy(out, o->element, o->size);
}

int rouse_oneshot_try_receive(struct rouse_oneshot_receiver *rx, void *out)
{
    struct oneshot *o = of_receiver(rx);

    if (!is_gone(o, SENDER)) return -EAGAIN;
    if (!has_value(o)) return -EPIPE;
    take(o, out);
    return 0;
}

static struct rouse_oneshot_receive *receive_of(struct rouse_future *self)
{
    return ROUSE_CONTAINER_OF(self, struct rouse_oneshot_receive, base);
}

static rouse_poll receive_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_oneshot_receive *r = receive_of(self);
    struct oneshot *o = of_receiver(r->rx);

    if (!r->began && !rouse_context_spend(cx)) return ROUSE_PENDING;
    r->began = true;
    if (!wait_poll(o, RECEIVER, &r->registered, cx)) return ROUSE_PENDING;
    r->output = has_value(o) ? 0 : -EPIPE;
    return ROUSE_READY;
}

static bool receive_is_pending(const struct rouse_future *self)
{
    return !is_gone(of_receiver(((const struct rouse_oneshot_receive *)self)->rx), SENDER);
}

static void receive_drop(struct rouse_future *self)
{
    struct rouse_oneshot_receive *r = receive_of(self);

    wait_drop(of_receiver(r->rx), RECEIVER, r->registered);
}

static int64_t receive_result(const struct rouse_future *self)
{
    return ((const struct rouse_oneshot_receive *)self)->output;
}

static int receive_describe(const struct rouse_future *self, char *buf, size_t size)
{
    const struct rouse_oneshot_receive *r = (const struct rouse_oneshot_receive *)self;

    return snprintf(buf, size, "the value of oneshot %p", (const void *)r->rx);
}

static const struct rouse_future_vtable receive_ended = {.name = "oneshot receive",
                                                         .result = receive_result};
static const struct rouse_future_vtable receive_vtable = {
    .poll = receive_poll,
    .drop = receive_drop,
    .name = "oneshot receive",
    .describe = receive_describe,
    .is_pending = receive_is_pending,
    .cancel_kind = rouse_cancel_kind_total,
    .ended = &receive_ended};

void rouse_oneshot_receive_init(struct rouse_oneshot_receive *receive,
                                struct rouse_oneshot_receiver *rx)
{
    *receive = (struct rouse_oneshot_receive){.base.vtable = &receive_vtable, .rx = rx};
}

void rouse_oneshot_receive_take(struct rouse_oneshot_receive *receive, void *out)
{
    struct oneshot *o = of_receiver(receive->rx);

    rouse_assert(rouse_future_is_ended(&receive->base) && receive->output == 0 && has_value(o),
                 "only a receive that has ended well has a value, once; look at its output");
    take(o, out);
}

int rouse_oneshot_receive(struct rouse_oneshot_receiver *rx, void *out)
{
    struct rouse_oneshot_receive receive;

    if (ROUSE_LIKELY(rs_direct_may_try())) {
        int err = rouse_oneshot_try_receive(rx, out);

        if (err != -EAGAIN) {
            rs_direct_tried();
            return err;
        }
    }
    rouse_oneshot_receive_init(&receive, rx);
    int err = rouse_await(&receive.base);

    if (err < 0) return err;
    if (receive.output == 0) rouse_oneshot_receive_take(&receive, out);
    return receive.output;
}

void rouse_oneshot_receiver_free(struct rouse_oneshot_receiver *rx)
{
    if (rx != NULL) (void)leave(of_receiver(rx), RECEIVER, 0);
}
