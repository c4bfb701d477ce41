// SPDX-License-Identifier: MIT
//
// Linearizability of the semaphore and of the lock for readers and writers. Four threads do a few
// random operations each, all of which return at once: tries, first polls, further polls, drops,
// releases, closes. When each began and ended is recorded, and a search (Wing and Gong) looks for
// an order of all of them that fits these times, and in which one after the other would have
// returned the same; first come, first served included.

#include <errno.h>
#include <sched.h>

#include "stress.h"

enum { THREADS = 4, OPERATIONS = 6, HISTORIES = 12000, PERMITS = 3, SEEN_MAX = 1 << 14 };

enum kind { TRY, POLL, LOOK, DROP, RELEASE, CLOSE };
enum { WAITS = 1 };  // the result of a poll that is pending

struct operation {
    enum kind kind;
    uint64_t permits;
    int result;
    uint64_t begun;
    uint64_t ended;
};

// What the threads of one history did.
struct history {
    struct operation operations[THREADS][OPERATIONS];
    uint64_t permits;  // at first
};

// ---- What it should do ----

enum claim_state { NOTHING, QUEUED, GRANTED, REFUSED };

// The object, if there were one thread: how many permits, who waits in which order, and each
// thread's future. All of it is compared as bytes.
struct spec {
    uint64_t permits;
    uint64_t wants[THREADS];
    uint8_t states[THREADS];
    uint8_t queue[THREADS];
    uint8_t waiting;
    uint8_t is_closed;
    uint8_t done[THREADS];  // operations, for the search
    uint8_t unused[2];
};
_Static_assert(sizeof(struct spec) == 8 * (1 + THREADS + 2), "there are no bytes in between");

static void spec_serve(struct spec *s)
{
    while (s->waiting > 0 && s->wants[s->queue[0]] <= s->permits) {
        s->permits -= s->wants[s->queue[0]];
        s->states[s->queue[0]] = GRANTED;
        s->waiting--;
        memmove(s->queue, s->queue + 1, s->waiting);
        s->queue[s->waiting] = 0;
    }
}

static void spec_leave(struct spec *s, int thread)
{
    uint8_t at = 0;

    while (s->queue[at] != thread) at++;
    s->waiting--;
    memmove(s->queue + at, s->queue + at + 1, (size_t)(s->waiting - at));
    s->queue[s->waiting] = 0;
}

static bool spec_has(const struct spec *s, uint64_t permits)
{
    return s->waiting == 0 && s->permits >= permits;
}

static int spec_poll(struct spec *s, int thread, uint64_t permits)
{
    s->wants[thread] = permits;
    s->states[thread] = s->is_closed ? REFUSED : GRANTED;
    if (s->is_closed) return -EBADF;
    if (spec_has(s, permits)) {
        s->permits -= permits;
        return 0;
    }
    s->states[thread] = QUEUED;
    s->queue[s->waiting++] = (uint8_t)thread;
    return WAITS;
}

static int spec_drop(struct spec *s, int thread)
{
    if (s->states[thread] == QUEUED) spec_leave(s, thread);
    if (s->states[thread] == GRANTED) s->permits += s->wants[thread];
    s->states[thread] = NOTHING;
    spec_serve(s);
    return 0;
}

static int spec_close(struct spec *s)
{
    s->is_closed = 1;
    for (int i = 0; i < THREADS; i++) {
        if (s->states[i] == QUEUED) s->states[i] = REFUSED;
    }
    s->waiting = 0;
    memset(s->queue, 0, sizeof s->queue);
    return 0;
}

static int spec_do(struct spec *s, int thread, const struct operation *op)
{
    switch (op->kind) {
    case TRY:
        if (s->is_closed) return -EBADF;
        if (!spec_has(s, op->permits)) return -EAGAIN;
        s->permits -= op->permits;
        return 0;
    case POLL:
        return spec_poll(s, thread, op->permits);
    case LOOK:
        return s->states[thread] == QUEUED ? WAITS : s->states[thread] == GRANTED ? 0 : -EBADF;
    case DROP:
        return spec_drop(s, thread);
    case RELEASE:
        s->permits += op->permits;
        spec_serve(s);
        return 0;
    case CLOSE:
        return spec_close(s);
    }
    return 0;
}

// ---- The search ----

// States from which there is no way on.
static struct spec seen[SEEN_MAX];
static uint32_t seen_in[SEEN_MAX];  // the history
static uint32_t history_number;

// True if it was there already.
static bool see(const struct spec *s)
{
    uint64_t words[sizeof *s / 8];
    uint64_t mixed = history_number;

    memcpy(words, s, sizeof *s);
    for (size_t i = 0; i < sizeof *s / 8; i++) {
        mixed = (mixed ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        mixed ^= mixed >> 29;
    }
    size_t at = mixed % SEEN_MAX;
    bool was_there = seen_in[at] == history_number && memcmp(&seen[at], s, sizeof *s) == 0;

    seen[at] = *s;
    seen_in[at] = history_number;
    return was_there;
}

// Operations that have begun before this ended may come next.
static uint64_t first_end(const struct history *h, const struct spec *s)
{
    uint64_t first = UINT64_MAX;

    for (int i = 0; i < THREADS; i++) {
        if (s->done[i] == OPERATIONS) continue;
        uint64_t ended = h->operations[i][s->done[i]].ended;

        if (ended < first) first = ended;
    }
    return first;
}

// True if the rest of the history fits. The depth is the number of operations.
static bool fits(const struct history *h, const struct spec *s)
{
    uint64_t end = first_end(h, s);

    if (end == UINT64_MAX) return true;
    if (see(s)) return false;
    for (int i = 0; i < THREADS; i++) {
        if (s->done[i] == OPERATIONS) continue;
        const struct operation *op = &h->operations[i][s->done[i]];
        struct spec next = *s;

        if (op->begun > end || spec_do(&next, i, op) != op->result) continue;
        next.done[i]++;
        if (fits(h, &next)) return true;
    }
    return false;
}

static bool is_linearizable(const struct history *h)
{
    struct spec s;

    memset(&s, 0, sizeof s);
    s.permits = h->permits;
    history_number++;
    return fits(h, &s);
}

// ---- What it does ----

// The object of this history, one of them.
static bool is_rwlock;
static struct rouse_semaphore semaphore;
static struct rouse_rwlock rwlock;
static _Atomic uint64_t ticks;

// One thread's part.
struct actor {
    int number;
    uint64_t random;
    struct operation *operations;
    int count;
    uint64_t held[OPERATIONS];  // to be released
    int held_count;
    struct rouse_semaphore_acquire acquire;
    uint64_t wanted;
    bool is_active;  // the acquire
};

// Lets another thread go on, now and then: wakers are cloned, woken and dropped amid operations.
static void pause_somewhere(struct actor *a)
{
    if (stress_below(&a->random, 3) == 0) (void)sched_yield();
}

static struct rouse_waker nobody_clone(void *data);

// On any thread: the pause is not drawn from its actor.
static void nobody_ignore(void *data)
{
    (void)data;
    (void)sched_yield();
}

static const struct rouse_waker_vtable nobody_vtable = {.clone = nobody_clone,
                                                        .wake = nobody_ignore,
                                                        .wake_by_ref = nobody_ignore,
                                                        .drop = nobody_ignore};

static struct rouse_waker nobody_clone(void *data)
{
    pause_somewhere(data);
    return (struct rouse_waker){.vtable = &nobody_vtable, .data = data};
}

static int poll_once(struct actor *a)
{
    struct rouse_waker waker = {.vtable = &nobody_vtable, .data = a};
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, NULL);
    if (rouse_future_poll(&a->acquire.base, &cx) == ROUSE_PENDING) return WAITS;
    return a->acquire.output;
}

static void acquire_init(struct actor *a, uint64_t permits)
{
    a->wanted = permits;
    a->is_active = true;
    if (!is_rwlock) {
        rouse_semaphore_acquire_init(&a->acquire, &semaphore, permits);
    } else if (permits == 1) {
        rouse_rwlock_read_init(&a->acquire, &rwlock);
    } else {
        rouse_rwlock_write_init(&a->acquire, &rwlock);
    }
}

static int try_object(uint64_t permits)
{
    if (!is_rwlock) return rouse_semaphore_try_acquire(&semaphore, permits);
    return permits == 1 ? rouse_rwlock_try_read_lock(&rwlock)
                        : rouse_rwlock_try_write_lock(&rwlock);
}

static void release_object(uint64_t permits)
{
    if (!is_rwlock) {
        rouse_semaphore_release(&semaphore, permits);
    } else if (permits == 1) {
        rouse_rwlock_read_unlock(&rwlock);
    } else if (permits == ROUSE_RWLOCK_READERS_MAX) {
        rouse_rwlock_write_unlock(&rwlock);
    } else {
        rouse_rwlock_downgrade(&rwlock);
    }
}

static int do_object(struct actor *a, const struct operation *op)
{
    switch (op->kind) {
    case TRY:
        return try_object(op->permits);
    case POLL:
    case LOOK:
        return poll_once(a);
    case DROP:
        rouse_future_drop(&a->acquire.base);
        return 0;
    case RELEASE:
        release_object(op->permits);
        return 0;
    case CLOSE:
        rouse_semaphore_close(&semaphore);
        return 0;
    }
    return 0;
}

// Takes the time before and after.
static int record(struct actor *a, enum kind kind, uint64_t permits)
{
    struct operation *op = &a->operations[a->count++];

    *op = (struct operation){.kind = kind, .permits = permits};
    // Seq_cst: of two operations one of which has ended before the other began, all threads agree.
    op->begun = atomic_fetch_add_explicit(&ticks, 1, memory_order_seq_cst);
    pause_somewhere(a);
    op->result = do_object(a, op);
    pause_somewhere(a);
    op->ended = atomic_fetch_add_explicit(&ticks, 1, memory_order_seq_cst);
    return op->result;
}

static uint64_t any_permits(struct actor *a)
{
    if (!is_rwlock) return 1 + stress_below(&a->random, PERMITS);
    return stress_below(&a->random, 3) == 0 ? ROUSE_RWLOCK_READERS_MAX : 1;
}

static void release_last(struct actor *a)
{
    uint64_t *last = &a->held[a->held_count - 1];

    if (is_rwlock && *last > 1 && stress_below(&a->random, 2) == 0) {
        (void)record(a, RELEASE, *last - 1);
        *last = 1;
        return;
    }
    a->held_count--;
    (void)record(a, RELEASE, *last);
}

static void act_on_acquire(struct actor *a)
{
    bool has_ended = rouse_future_is_ended(&a->acquire.base);

    if (has_ended && a->acquire.output == 0 && stress_below(&a->random, 2) == 0) {
        rouse_semaphore_acquire_take(&a->acquire);
        a->held[a->held_count++] = a->wanted;
        a->is_active = false;
        release_last(a);
    } else if (has_ended || stress_below(&a->random, 3) == 0) {
        (void)record(a, DROP, 0);
        a->is_active = false;
    } else {
        (void)record(a, LOOK, 0);
    }
}

static void act(struct actor *a)
{
    uint64_t draw = stress_below(&a->random, 16);

    if (draw == 0 && !is_rwlock && stress_below(&a->random, 4) == 0) {
        (void)record(a, CLOSE, 0);
    } else if (draw < 5 && a->held_count > 0) {
        release_last(a);
    } else if (draw < 12 && a->is_active) {
        act_on_acquire(a);
    } else if (draw < 12) {
        acquire_init(a, any_permits(a));
        (void)record(a, POLL, a->wanted);
    } else {
        uint64_t permits = any_permits(a);

        if (record(a, TRY, permits) == 0) a->held[a->held_count++] = permits;
    }
    pause_somewhere(a);
}

// ---- Histories ----

static struct history history;
static struct actor actors[THREADS];
static pthread_barrier_t gate;
static _Atomic int64_t ready;

static void *actor_main(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < HISTORIES; i++) {
        (void)pthread_barrier_wait(&gate);
        // All at once, as far as there are processors.
        (void)stress_add(&ready, 1);
        while (stress_get(&ready) < THREADS) (void)sched_yield();
        while (a->count < OPERATIONS) act(a);
        (void)pthread_barrier_wait(&gate);
    }
    return NULL;
}

static void history_begin(int number)
{
    is_rwlock = number % 2 == 1;
    rouse_semaphore_init(&semaphore, PERMITS);
    rouse_rwlock_init(&rwlock);
    history.permits = is_rwlock ? ROUSE_RWLOCK_READERS_MAX : PERMITS;
    atomic_store_explicit(&ready, 0, memory_order_relaxed);  // the barrier publishes it
    for (int i = 0; i < THREADS; i++) {
        actors[i].operations = history.operations[i];
        actors[i].count = 0;
        actors[i].held_count = 0;
        actors[i].is_active = false;
    }
}

static void history_end(void)
{
    for (int i = 0; i < THREADS; i++) {
        if (actors[i].is_active) rouse_future_drop(&actors[i].acquire.base);
        while (actors[i].held_count > 0) release_object(actors[i].held[--actors[i].held_count]);
    }
}

static bool is_whole(void)
{
    const struct rouse_semaphore *s = is_rwlock ? &rwlock.semaphore : &semaphore;

    return rouse_semaphore_available(s) == history.permits && s->waiters.first == NULL;
}

static void history_print(void)
{
    static const char *const names[] = {"try", "poll", "look", "drop", "release", "close"};

    printf("# of a %s:\n", is_rwlock ? "rwlock" : "semaphore");
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < OPERATIONS; j++) {
            const struct operation *op = &history.operations[i][j];

            printf("# thread %d, %llu to %llu: %s(%llu) = %d\n", i, (unsigned long long)op->begun,
                   (unsigned long long)op->ended, names[op->kind], (unsigned long long)op->permits,
                   op->result);
        }
    }
}

// Operations that overlapped with one of another thread.
static int64_t overlaps(void)
{
    int64_t count = 0;

    for (int i = 0; i < THREADS * OPERATIONS; i++) {
        const struct operation *op = &history.operations[i / OPERATIONS][i % OPERATIONS];

        count += op->ended - op->begun > 1;
    }
    return count;
}

// ---- The search itself ----

static void history_make(struct history *h, const struct operation operations[3])
{
    memset(h, 0, sizeof *h);
    h->permits = 1;
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < OPERATIONS; j++) {
            // Nothing, at the end.
            h->operations[i][j] = (struct operation){
                .kind = RELEASE, .begun = 100, .ended = 200 + (uint64_t)(i * OPERATIONS + j)};
        }
        if (i < 3) h->operations[i][0] = operations[i];
    }
}

// A search that accepts everything would be no test.
static void the_search(void)
{
    struct history h;

    history_make(
        &h, (struct operation[]){{TRY, 1, 0, 1, 2}, {TRY, 1, 0, 3, 4}, {TRY, 1, -EAGAIN, 5, 6}});
    claim(!is_linearizable(&h), "one permit that is taken twice is noticed");
    history_make(&h,
                 (struct operation[]){{TRY, 1, 0, 1, 2}, {RELEASE, 1, 0, 3, 6}, {TRY, 1, 0, 4, 5}});
    claim(is_linearizable(&h), "a permit may be taken while it is released");
    history_make(&h,
                 (struct operation[]){{TRY, 1, 0, 1, 2}, {RELEASE, 1, 0, 5, 6}, {TRY, 1, 0, 3, 4}});
    claim(!is_linearizable(&h), "but not before");
    history_make(&h, (struct operation[]){
                         {POLL, 2, WAITS, 1, 2}, {TRY, 1, 0, 3, 4}, {TRY, 1, -EAGAIN, 5, 6}});
    claim(!is_linearizable(&h), "one that overtakes is noticed");
    history_make(&h, (struct operation[]){
                         {POLL, 2, WAITS, 1, 4}, {TRY, 1, 0, 2, 3}, {TRY, 1, -EAGAIN, 5, 6}});
    claim(is_linearizable(&h), "if it came later");
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS];
    int64_t overlapping = 0;
    int wrong = 0;
    char text[96];

    stress_begin(argc, argv);
    the_search();
    (void)pthread_barrier_init(&gate, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++) {
        actors[i] = (struct actor){.number = i, .random = stress_stream((uint64_t)i)};
        threads[i] = stress_thread(actor_main, &actors[i]);
    }
    for (int i = 0; i < HISTORIES; i++) {
        history_begin(i);
        (void)pthread_barrier_wait(&gate);
        (void)pthread_barrier_wait(&gate);
        overlapping += overlaps();
        bool fine = is_linearizable(&history);

        history_end();
        if (fine && is_whole()) continue;
        if (wrong++ == 0) history_print();
    }
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    (void)snprintf(text, sizeof text,
                   "%d histories, with %lld overlapping operations, have an order", HISTORIES,
                   (long long)overlapping);
    claim(wrong == 0 && overlapping > 0, text);
    return claims_end();
}
