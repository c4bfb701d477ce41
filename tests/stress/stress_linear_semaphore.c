// SPDX-License-Identifier: MIT
//
// The semaphore is linearizable: what several threads get out of tries, first polls, further polls,
// drops, releases and closes at the same time can be had from a plain count of permits and a queue,
// one after the other; first come, first served included.

#include <errno.h>

#include "linear_poll.h"

enum { PERMITS = 3 };

enum kind { TRY, POLL, LOOK, DROP, RELEASE, CLOSE, KINDS };
enum { WAITS = 1 };  // the result of a poll that is pending

// ---- The model ----

enum claim_state { NOTHING, QUEUED, GRANTED, REFUSED };

// How many permits are taken, who waits in which order, and each thread's future.
struct model {
    uint32_t taken;
    uint32_t wants[LINEAR_THREADS];
    uint8_t states[LINEAR_THREADS];
    uint8_t queue[LINEAR_THREADS];
    uint8_t waiting;
    uint8_t is_closed;
};
_Static_assert(sizeof(struct model) <= sizeof(struct linear_state), "a state has room for it");

static uint64_t permits_of_all;  // of a round

static bool fits(const struct model *m, uint64_t permits)
{
    return permits_of_all - m->taken >= permits;
}

static void model_serve(struct model *m)
{
    while (m->waiting > 0 && fits(m, m->wants[m->queue[0]])) {
        m->taken += m->wants[m->queue[0]];
        m->states[m->queue[0]] = GRANTED;
        m->waiting--;
        memmove(m->queue, m->queue + 1, m->waiting);
        m->queue[m->waiting] = 0;
    }
}

static void model_leave(struct model *m, int thread)
{
    uint8_t at = 0;

    while (m->queue[at] != thread) at++;
    m->waiting--;
    memmove(m->queue + at, m->queue + at + 1, (size_t)(m->waiting - at));
    m->queue[m->waiting] = 0;
}

static bool model_has(const struct model *m, uint64_t permits)
{
    return m->waiting == 0 && fits(m, permits);
}

static int64_t model_try(struct model *m, uint32_t permits)
{
    if (m->is_closed) return -EBADF;
    if (!model_has(m, permits)) return -EAGAIN;
    m->taken += permits;
    return 0;
}

static int64_t model_poll(struct model *m, int thread, uint32_t permits)
{
    m->wants[thread] = permits;
    m->states[thread] = m->is_closed ? REFUSED : GRANTED;
    if (m->is_closed) return -EBADF;
    if (model_has(m, permits)) {
        m->taken += permits;
        return 0;
    }
    m->states[thread] = QUEUED;
    m->queue[m->waiting++] = (uint8_t)thread;
    return WAITS;
}

static int64_t model_drop(struct model *m, int thread)
{
    if (m->states[thread] == QUEUED) model_leave(m, thread);
    if (m->states[thread] == GRANTED) m->taken -= m->wants[thread];
    m->states[thread] = NOTHING;
    model_serve(m);
    return 0;
}

static int64_t model_close(struct model *m)
{
    m->is_closed = 1;
    for (int i = 0; i < LINEAR_THREADS; i++) {
        if (m->states[i] == QUEUED) m->states[i] = REFUSED;
    }
    m->waiting = 0;
    memset(m->queue, 0, sizeof m->queue);
    return 0;
}

static int64_t model_apply(struct model *m, const struct linear_op *op)
{
    uint8_t state = m->states[op->thread];

    switch ((enum kind)op->kind) {
    case TRY:
        return model_try(m, (uint32_t)op->argument);
    case POLL:
        return model_poll(m, op->thread, (uint32_t)op->argument);
    case LOOK:
        return state == QUEUED ? WAITS : state == GRANTED ? 0 : -EBADF;
    case DROP:
        return model_drop(m, op->thread);
    case RELEASE:
        m->taken -= (uint32_t)op->argument;
        model_serve(m);
        return 0;
    default:
        return model_close(m);
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
    static const char *const names[KINDS] = {"try", "poll", "look", "drop", "release", "close"};

    printf("%s(%lld) = %lld", names[op->kind], (long long)op->argument, (long long)op->result);
}

// ---- The object ----

static struct rouse_semaphore semaphore;
static _Atomic int64_t broken;  // rounds after which it is not whole

// One thread's part.
struct actor {
    uint64_t held[LINEAR_EACH];  // to be released
    int held_count;
    struct rouse_semaphore_acquire acquire;
    struct linear_wait wait;
    uint64_t wanted;
    bool has_acquire;  // which has not been dropped, nor its permits taken
};

static struct actor actors[LINEAR_THREADS];

static void acquire_init(struct actor *a, uint64_t permits)
{
    a->wanted = permits;
    a->has_acquire = true;
    rouse_semaphore_acquire_init(&a->acquire, &semaphore, permits);
}

static int try_object(struct actor *a, uint64_t permits)
{
    int err = rouse_semaphore_try_acquire(&semaphore, permits);

    if (err == 0) a->held[a->held_count++] = permits;
    return err;
}

static void drop_acquire(struct actor *a)
{
    if (a->has_acquire) rouse_future_drop(&a->acquire.base);
    a->has_acquire = false;
}

static void make(int threads)
{
    (void)threads;
    rouse_semaphore_init(&semaphore, PERMITS);
    permits_of_all = PERMITS;
}

static void unmake(void)
{
    for (int i = 0; i < linear.threads; i++) {
        struct actor *a = &actors[i];

        drop_acquire(a);
        while (a->held_count > 0) rouse_semaphore_release(&semaphore, a->held[--a->held_count]);
    }
    if (rouse_semaphore_available(&semaphore) != permits_of_all ||
        semaphore.waiters.first != NULL) {
        (void)stress_add(&broken, 1);
    }
}

// ---- Operations ----

// What was taken last.
static void draw_release(struct linear_op *op, struct actor *a)
{
    op->kind = RELEASE;
    op->argument = (int64_t)a->held[--a->held_count];
}

static void draw_for_acquire(struct linear_op *op, struct actor *a, uint64_t *random)
{
    bool has_ended = rouse_future_is_ended(&a->acquire.base);

    if (has_ended && a->acquire.output == 0 && stress_below(random, 2) == 0) {
        rouse_semaphore_acquire_take(&a->acquire);
        a->held[a->held_count++] = a->wanted;
        a->has_acquire = false;
        draw_release(op, a);
    } else {
        op->kind = has_ended || stress_below(random, 3) == 0 ? DROP : LOOK;
    }
}

static void draw(struct linear_op *op, struct actor *a, uint64_t *random)
{
    uint64_t n = stress_below(random, 64);

    op->kind = n == 0 ? CLOSE : n < 48 ? POLL : TRY;
    if (op->kind == CLOSE) return;
    if (n < 20 && a->held_count > 0) {
        draw_release(op, a);
    } else if (n < 48 && a->has_acquire) {
        draw_for_acquire(op, a, random);
    } else {
        op->argument = 1 + (int64_t)stress_below(random, PERMITS);
    }
    if (op->kind == POLL) acquire_init(a, (uint64_t)op->argument);
}

static int64_t act(const struct linear_op *op, struct actor *a)
{
    switch ((enum kind)op->kind) {
    case TRY:
        return try_object(a, (uint64_t)op->argument);
    case POLL:
    case LOOK:
        return linear_poll(&a->wait, &a->acquire.base) ? a->acquire.output : WAITS;
    case DROP:
        drop_acquire(a);
        return 0;
    case RELEASE:
        rouse_semaphore_release(&semaphore, (uint64_t)op->argument);
        return 0;
    default:
        rouse_semaphore_close(&semaphore);
        return 0;
    }
}

static void run(struct linear_op *op, uint64_t *random)
{
    struct actor *a = &actors[op->thread];

    draw(op, a, random);
    linear_begin(op);
    int64_t result = act(op, a);

    linear_end(op, result);
}

static const struct linear_object semaphores = {
    .apply = apply, .print = print, .make = make, .unmake = unmake, .run = run};

// ---- The search itself ----

static bool refuses(const struct linear_op *ops, int count)
{
    permits_of_all = 1;
    return !linear_holds(&semaphores, ops, count);
}

static void the_search_can_tell(void)
{
    const struct linear_op twice[] = {{1, 2, 0, TRY, 1, 0}, {3, 4, 1, TRY, 1, 0}};
    const struct linear_op at_once[] = {
        {1, 2, 0, TRY, 1, 0}, {3, 6, 1, RELEASE, 1, 0}, {4, 5, 2, TRY, 1, 0}};
    const struct linear_op before[] = {
        {1, 2, 0, TRY, 1, 0}, {5, 6, 1, RELEASE, 1, 0}, {3, 4, 2, TRY, 1, 0}};
    const struct linear_op overtaken[] = {{1, 2, 0, POLL, 2, WAITS}, {3, 4, 1, TRY, 1, 0}};
    const struct linear_op came_later[] = {{1, 4, 0, POLL, 2, WAITS}, {2, 3, 1, TRY, 1, 0}};

    claim(refuses(twice, 2), "one permit that is taken twice is noticed");
    claim(!refuses(at_once, 3), "a permit may be taken while it is released");
    claim(refuses(before, 3), "but not before");
    claim(refuses(overtaken, 2), "one that overtakes is noticed");
    claim(!refuses(came_later, 2), "unless the other came later");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    the_search_can_tell();
    claim(linear_rounds(&semaphores, "semaphore", stress_deadline(1)), "semaphore");
    claim(stress_get(&broken) == 0, "whatever was taken is given back, and nobody is left");
    return claims_end();
}
