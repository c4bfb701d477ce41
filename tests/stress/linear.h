// SPDX-License-Identifier: MIT
//
// Linearizability: threads run random operations on one object at the same time, and each notes
// what it did, what it got, and when. Then a search looks for an order of all of them in which no
// operation comes before one that had ended when it began, and in which a plain model of the object
// gives the same results (Wing and Gong). If there is none, the object did something that no order
// explains.
//
// A program has a struct linear_object, and calls linear_rounds(). The operations never wait.
//
// An operation is over in some nanoseconds, and there may be fewer processors than threads. So a
// timer's signal hits now one thread, now another at any instruction, and makes it nap there.

#ifndef TESTS_STRESS_LINEAR_H
#define TESTS_STRESS_LINEAR_H

#include <sched.h>
#include <signal.h>

#include "base/cpu.h"
#include "stress.h"

enum { LINEAR_THREADS = 4, LINEAR_EACH = 6, LINEAR_OPS = LINEAR_THREADS * LINEAR_EACH };
enum { LINEAR_STATE_SIZE = 64, LINEAR_SEEN = 1 << 15 };

struct linear_op {
    uint64_t began;  // stamps of one counter
    uint64_t ended;
    int thread;
    int kind;  // what it is, is the object's affair
    int64_t argument;
    int64_t result;
};

// The model's state: equal states have equal bytes.
struct linear_state {
    unsigned char bytes[LINEAR_STATE_SIZE];
};

struct linear_object {
    // Applies an operation to the model. False if it cannot have this result in this state.
    bool (*apply)(struct linear_state *state, const struct linear_op *op);
    void (*print)(const struct linear_op *op);
    // The real thing: made before a round, and taken apart after it, by the main thread.
    void (*make)(int threads);
    void (*unmake)(void);
    // Draws an operation, of `op->thread`, and runs it between linear_begin() and linear_end().
    void (*run)(struct linear_op *op, uint64_t *random);
};

// ---- The search ----

struct linear_seen {
    uint32_t search;  // by number; another one's entry is free
    uint32_t done;
    struct linear_state state;
};

struct linear_search {
    const struct linear_object *object;
    const struct linear_op *ops;
    int count;
    uint32_t number;           // of this search
    struct linear_seen *seen;  // from where no order was found
};

// True if it was not there before. What the table has no room for is searched again.
static inline bool linear_see(struct linear_search *s, uint32_t done,
                              const struct linear_state *state)
{
    enum { PROBES = 16 };
    uint64_t hash = done * UINT64_C(0x9e3779b97f4a7c15);

    for (int i = 0; i < LINEAR_STATE_SIZE; i++) hash = (hash ^ state->bytes[i]) * 0x100000001b3;
    for (uint64_t i = hash >> 20; i < (hash >> 20) + PROBES; i++) {
        struct linear_seen *entry = &s->seen[i % LINEAR_SEEN];

        if (entry->search != s->number) {
            *entry = (struct linear_seen){s->number, done, *state};
            return true;
        }
        if (entry->done == done && memcmp(&entry->state, state, sizeof *state) == 0) return false;
    }
    return true;
}

// When the first of those that are left has ended: who began later comes later.
static inline uint64_t linear_first_end(const struct linear_search *s, uint32_t done)
{
    uint64_t first = UINT64_MAX;

    for (int i = 0; i < s->count; i++) {
        bool left = (done >> i & 1) == 0;

        if (left && s->ops[i].ended < first) first = s->ops[i].ended;
    }
    return first;
}

// True if what is not `done` has an order, from `state` on.
static inline bool linear_order(struct linear_search *s, uint32_t done,
                                const struct linear_state *state)
{
    if (done == (UINT32_C(1) << s->count) - 1) return true;
    if (done != 0 && !linear_see(s, done, state)) return false;
    uint64_t first_end = linear_first_end(s, done);

    for (int i = 0; i < s->count; i++) {
        struct linear_state next = *state;

        if ((done >> i & 1) != 0 || s->ops[i].began > first_end) continue;
        if (!s->object->apply(&next, &s->ops[i])) continue;
        if (linear_order(s, done | UINT32_C(1) << i, &next)) return true;
    }
    return false;
}

static inline bool linear_holds(const struct linear_object *object, const struct linear_op *ops,
                                int count)
{
    static struct linear_seen seen[LINEAR_SEEN];
    static const struct linear_state start;
    static uint32_t number;
    struct linear_search search = {object, ops, count, ++number, seen};

    return linear_order(&search, 0, &start);
}

// ---- The threads ----

static struct {
    const struct linear_object *object;
    _Atomic uint64_t clock;
    _Atomic int64_t round;  // that may be run
    _Atomic int64_t came;   // threads, to all rounds so far, so that they start together
    int64_t awaited;        // of them
    _Atomic int64_t ended;  // how many threads have run it
    int threads;            // of this round
    bool over;
    struct linear_op ops[LINEAR_OPS];
} linear;

// Acq_rel, both: an operation stays between its stamps, and sees what ended before it began.
static inline void linear_begin(struct linear_op *op)
{
    op->began = atomic_fetch_add_explicit(&linear.clock, 1, memory_order_acq_rel);
}

static inline void linear_end(struct linear_op *op, int64_t result)
{
    op->ended = atomic_fetch_add_explicit(&linear.clock, 1, memory_order_acq_rel);
    op->result = result;
}

static inline void linear_wait(const _Atomic int64_t *count, int64_t value)
{
    for (uint32_t spins = 1; stress_get(count) < value; spins++) {
        if (spins % 64 == 0) (void)sched_yield();
    }
}

static inline void linear_nap(int signal)
{
    const struct timespec moment = {.tv_nsec = 1000};

    (void)signal;
    (void)nanosleep(&moment, NULL);
}

// One for each thread, though the signal may go to another that runs.
static inline timer_t linear_timer(void)
{
    const struct sigaction nap = {.sa_handler = linear_nap, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;

    (void)sigaction(SIGUSR1, &nap, NULL);
    stress_must(timer_create(CLOCK_MONOTONIC, &event, &timer), "timer");
    return timer;
}

static inline void linear_disturb(timer_t timer, uint64_t *random)
{
    const struct itimerspec times = {.it_value.tv_nsec = 1 + (long)stress_below(random, 3000)};

    (void)timer_settime(timer, 0, &times, NULL);
}

// Waits for the others of the round, but only for those that run already.
static inline void linear_come(void)
{
    enum { SPINS_MAX = 500 };
    int64_t came = stress_add(&linear.came, 1);

    for (int i = 0; i < SPINS_MAX && came < linear.awaited; i++) {
        rs_cpu_relax();
        came = stress_get(&linear.came);
    }
}

static inline void linear_run_mine(int thread, uint64_t *random)
{
    for (int i = 0; i < LINEAR_EACH; i++) {
        struct linear_op *op = &linear.ops[thread * LINEAR_EACH + i];

        *op = (struct linear_op){.thread = thread};
        if (stress_below(random, 4) == 0) (void)sched_yield();
        linear.object->run(op, random);
    }
}

static inline void *linear_thread(void *arg)
{
    int thread = (int)(intptr_t)arg;
    uint64_t random = stress_stream(100 + (uint64_t)thread);
    timer_t timer = linear_timer();

    for (int64_t round = 1;; round++) {
        linear_wait(&linear.round, round);
        if (linear.over) break;
        if (stress_below(&random, 2) == 0) linear_disturb(timer, &random);
        if (thread < linear.threads) {
            linear_come();
            linear_run_mine(thread, &random);
        }
        (void)stress_add(&linear.ended, 1);
    }
    (void)timer_delete(timer);
    return NULL;
}

static inline void linear_print(int count)
{
    for (int i = 0; i < count; i++) {
        const struct linear_op *op = &linear.ops[i];

        printf("# thread %d, %llu to %llu: ", op->thread, (unsigned long long)op->began,
               (unsigned long long)op->ended);
        linear.object->print(op);
        printf("\n");
    }
}

// How many of them were not over before another one began.
static inline int linear_overlaps(int count)
{
    int overlaps = 0;

    for (int i = 0; i < count; i++) {
        overlaps += linear.ops[i].ended > linear.ops[i].began + 1;
    }
    return overlaps;
}

// SIG_BLOCK or SIG_UNBLOCK, on the calling thread.
static inline void linear_signal(int how)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGUSR1);
    (void)pthread_sigmask(how, &set, NULL);
}

// Runs and checks rounds until `deadline`, but one at least. True if each had an order.
static inline bool linear_rounds(const struct linear_object *object, const char *name,
                                 uint64_t deadline)
{
    pthread_t threads[LINEAR_THREADS];
    int64_t overlaps = 0;
    int64_t rounds = 0;
    bool good = true;

    linear.object = object;
    linear.over = false;
    linear.awaited = 0;
    atomic_store_explicit(&linear.came, 0, memory_order_release);
    atomic_store_explicit(&linear.round, 0, memory_order_release);
    atomic_store_explicit(&linear.ended, 0, memory_order_release);
    for (intptr_t i = 0; i < LINEAR_THREADS; i++) {
        threads[i] = stress_thread(linear_thread, (void *)i);
    }
    linear_signal(SIG_BLOCK);
    while (good && (rounds == 0 || rouse_now_ns() < deadline)) {
        linear.threads = 2 + (int)(rounds % (LINEAR_THREADS - 1));
        int count = linear.threads * LINEAR_EACH;

        rounds++;
        linear.awaited += linear.threads;
        object->make(linear.threads);
        (void)stress_add(&linear.round, 1);
        linear_wait(&linear.ended, rounds * LINEAR_THREADS);
        object->unmake();
        good = linear_holds(object, linear.ops, count);
        overlaps += linear_overlaps(count);
        if (!good) linear_print(count);
    }
    linear.over = true;
    (void)stress_add(&linear.round, 1);
    for (int i = 0; i < LINEAR_THREADS; i++) (void)pthread_join(threads[i], NULL);
    linear_signal(SIG_UNBLOCK);
    printf("# %s: %lld histories, in which %lld operations overlapped others\n", name,
           (long long)rounds, (long long)overlaps);
    return good;
}

#endif
