// SPDX-License-Identifier: MIT
//
// The lock for readers and writers is linearizable: whoever several threads find to have it at the
// same time, by tries, polls, drops, unlocks and downgrades, can have had it together, one thing
// after the other. A try that fails and a poll that waits are always believed: whose turn it is
// changes in several steps. Instead, at the end of each round, those who wait are polled as they
// are woken, and all have to get the lock.

#include <errno.h>

#include "linear_poll.h"

enum kind { TRY_READ, TRY_WRITE, READ, WRITE, LOOK, DROP, UNLOCK_READ, UNLOCK_WRITE, DOWNGRADE };
enum { WAITS = 1 };  // the result of a poll that is pending

// ---- The model ----

enum claim { NONE, READS, WRITES };

// Who has the lock, and what each thread's future is, and wants.
struct model {
    uint8_t readers;
    uint8_t writers;
    uint8_t wants[LINEAR_THREADS];
    uint8_t has[LINEAR_THREADS];
};
_Static_assert(sizeof(struct model) <= sizeof(struct linear_state), "a state has room for it");

static bool model_lock(struct model *m, uint8_t what)
{
    if (m->writers > 0 || (what == WRITES && m->readers > 0)) return false;
    *(what == WRITES ? &m->writers : &m->readers) += 1;
    return true;
}

static bool model_unlock(struct model *m, uint8_t what)
{
    if (what != NONE) *(what == WRITES ? &m->writers : &m->readers) -= 1;
    return true;
}

// True if the future of the thread may have got this result.
static bool model_poll(struct model *m, const struct linear_op *op)
{
    if (op->result == WAITS) return true;
    m->has[op->thread] = m->wants[op->thread];
    return op->result == 0 && model_lock(m, m->has[op->thread]);
}

static bool model_apply(struct model *m, const struct linear_op *op)
{
    uint8_t has = m->has[op->thread];

    switch ((enum kind)op->kind) {
    case TRY_READ:
    case TRY_WRITE:
        return op->result == -EAGAIN || model_lock(m, op->kind == TRY_READ ? READS : WRITES);
    case READ:
    case WRITE:
        m->wants[op->thread] = op->kind == READ ? READS : WRITES;
        m->has[op->thread] = NONE;
        return model_poll(m, op);
    case LOOK:
        return model_poll(m, op);
    case DROP:
        m->has[op->thread] = NONE;
        return model_unlock(m, has);
    case DOWNGRADE:
        return model_unlock(m, WRITES) && model_lock(m, READS);
    default:
        return model_unlock(m, op->kind == UNLOCK_READ ? READS : WRITES);
    }
}

static bool apply(struct linear_state *state, const struct linear_op *op)
{
    struct model m;

    memcpy(&m, state->bytes, sizeof m);
    bool good = model_apply(&m, op);

    memcpy(state->bytes, &m, sizeof m);
    return good;
}

static void print(const struct linear_op *op)
{
    static const char *const names[] = {"try to read", "try to write", "read",
                                        "write",       "look",         "drop",
                                        "read unlock", "write unlock", "downgrade"};

    printf("%s = %lld", names[op->kind], (long long)op->result);
}

// ---- The object ----

static struct rouse_rwlock lock;
static _Atomic int64_t broken;  // rounds after which it is not free
static _Atomic int64_t stuck;   // rounds after which somebody was not woken

// One thread's part.
struct actor {
    union {
        struct rouse_future base;
        struct rouse_rwlock_read read;
        struct rouse_rwlock_write write;
    };
    struct linear_wait wait;
    uint8_t held[LINEAR_EACH];  // to be unlocked
    int held_count;
    bool has_future;  // which has not been dropped
};

static struct actor actors[LINEAR_THREADS];

static int64_t begin(struct actor *a, uint8_t what)
{
    if (what == READS) {
        rouse_rwlock_read_init(&a->read, &lock);
    } else {
        rouse_rwlock_write_init(&a->write, &lock);
    }
    a->has_future = true;
    return linear_poll(&a->wait, &a->base) ? 0 : WAITS;
}

static int64_t try_lock(struct actor *a, uint8_t what)
{
    int err = what == READS ? rouse_rwlock_try_read_lock(&lock)
                            : rouse_rwlock_try_write_lock(&lock);

    if (err == 0) a->held[a->held_count++] = what;
    return err;
}

static void drop(struct actor *a)
{
    if (a->has_future) rouse_future_drop(&a->base);
    a->has_future = false;
    a->wait.is_active = false;
}

static void unlock(uint8_t what)
{
    if (what == READS) {
        rouse_rwlock_read_unlock(&lock);
    } else {
        rouse_rwlock_write_unlock(&lock);
    }
}

static void make(int threads)
{
    (void)threads;
    rouse_rwlock_init(&lock);
}

// One of those who wait has been woken, or nobody waits.
static struct actor *woken(bool *anybody)
{
    struct actor *found = NULL;

    *anybody = false;
    for (int i = 0; i < linear.threads; i++) {
        if (!actors[i].wait.is_active) continue;
        *anybody = true;
        if (!linear_sleeps(&actors[i].wait)) found = &actors[i];
    }
    return found;
}

static void unmake(void)
{
    bool anybody = true;

    for (int i = 0; i < linear.threads; i++) {
        struct actor *a = &actors[i];

        if (!a->wait.is_active) drop(a);
        while (a->held_count > 0) unlock(a->held[--a->held_count]);
    }
    for (struct actor *a; (a = woken(&anybody)) != NULL;) {
        if (linear_poll(&a->wait, &a->base)) drop(a);
    }
    if (anybody) (void)stress_add(&stuck, 1);
    for (int i = 0; i < linear.threads; i++) drop(&actors[i]);
    if (rouse_rwlock_try_write_lock(&lock) != 0) {
        (void)stress_add(&broken, 1);
    } else {
        rouse_rwlock_write_unlock(&lock);
    }
}

// ---- Operations ----

static void draw_for_future(struct linear_op *op, struct actor *a, uint64_t *random)
{
    op->kind = a->wait.is_active && stress_below(random, 3) > 0 ? LOOK : DROP;
}

static void draw_unlock(struct linear_op *op, struct actor *a, uint64_t *random)
{
    uint8_t *last = &a->held[a->held_count - 1];

    op->kind = *last == READS ? UNLOCK_READ : UNLOCK_WRITE;
    if (*last == WRITES && stress_below(random, 2) == 0) {
        op->kind = DOWNGRADE;
        *last = READS;
    } else {
        a->held_count--;
    }
}

static void draw(struct linear_op *op, struct actor *a, uint64_t *random)
{
    uint64_t n = stress_below(random, 64);
    bool reads = stress_below(random, 3) > 0;

    if (n < 24 && a->held_count > 0) {
        draw_unlock(op, a, random);
    } else if (n < 52 && a->has_future) {
        draw_for_future(op, a, random);
    } else if (n < 52) {
        op->kind = reads ? READ : WRITE;
    } else {
        op->kind = reads ? TRY_READ : TRY_WRITE;
    }
}

static int64_t act(const struct linear_op *op, struct actor *a)
{
    switch ((enum kind)op->kind) {
    case TRY_READ:
        return try_lock(a, READS);
    case TRY_WRITE:
        return try_lock(a, WRITES);
    case READ:
        return begin(a, READS);
    case WRITE:
        return begin(a, WRITES);
    case LOOK:
        return linear_poll(&a->wait, &a->base) ? 0 : WAITS;
    case DROP:
        drop(a);
        return 0;
    case DOWNGRADE:
        rouse_rwlock_downgrade(&lock);
        return 0;
    default:
        unlock(op->kind == UNLOCK_READ ? READS : WRITES);
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

static const struct linear_object locks = {
    .apply = apply, .print = print, .make = make, .unmake = unmake, .run = run};

// ---- The search itself ----

static void the_search_can_tell(void)
{
    const struct linear_op both[] = {{1, 2, 0, TRY_READ, 0, 0}, {3, 4, 1, WRITE, 0, 0}};
    const struct linear_op together[] = {{1, 2, 0, TRY_READ, 0, 0}, {3, 4, 1, READ, 0, 0}};
    const struct linear_op after[] = {
        {1, 2, 0, TRY_WRITE, 0, 0}, {3, 6, 0, UNLOCK_WRITE, 0, 0}, {4, 5, 1, READ, 0, 0}};
    const struct linear_op before[] = {
        {1, 2, 0, TRY_WRITE, 0, 0}, {5, 6, 0, UNLOCK_WRITE, 0, 0}, {3, 4, 1, READ, 0, 0}};
    const struct linear_op twice[] = {
        {1, 2, 0, TRY_WRITE, 0, 0}, {3, 4, 0, DOWNGRADE, 0, 0}, {5, 6, 1, TRY_WRITE, 0, 0}};

    claim(!linear_holds(&locks, both, 2), "a writer beside a reader is noticed");
    claim(linear_holds(&locks, together, 2), "readers may read together");
    claim(linear_holds(&locks, after, 3), "a reader may come in while the writer unlocks");
    claim(!linear_holds(&locks, before, 3), "but not before");
    claim(!linear_holds(&locks, twice, 3), "who was the writer reads, and keeps writers out");
}

int main(int argc, char **argv)
{
    stress_begin(argc, argv);
    the_search_can_tell();
    claim(linear_rounds(&locks, "rwlock", stress_deadline(1)), "rwlock");
    claim(stress_get(&stuck) == 0, "whoever waits for a lock that becomes free is woken");
    claim(stress_get(&broken) == 0, "a lock that was unlocked by all is free");
    return claims_end();
}
