// SPDX-License-Identifier: MIT
//
// Locks and selects: an exchange to take, a read-modify-write to give back. Where a task waits, it
// stands in a list under a lock of its own, and is woken by whoever is before it.

#include <errno.h>

#include "bench.h"
#include "floor/floor.h"
#include "floor/loop.h"

enum { TASKS = 64, PERMITS = 8, ARMS = 3 };

static _Atomic uint32_t lock_word;

static inline void lock_take(_Atomic uint32_t *word)
{
    uint32_t unlocked = 0;

    // Acquire, with the release in lock_give(). Relaxed on failure, which there is none of.
    if (!atomic_compare_exchange_strong_explicit(word, &unlocked, 1, memory_order_acquire,
                                                 memory_order_relaxed)) {
        abort();  // nobody else is there
    }
}

// By a read-modify-write, since it has to see whether somebody waits.
static inline void lock_give(_Atomic uint32_t *word)
{
    // Release, with the acquire in lock_take().
    (void)atomic_fetch_and_explicit(word, 0, memory_order_release);
}

// A lock for whose end nobody waits asleep: given back by a store.
static inline void list_unlock(_Atomic uint32_t *word)
{
    // Release, with the acquire in lock_take().
    atomic_store_explicit(word, 0, memory_order_release);
}

// Not kept in a register: a user's data lies in memory.
static volatile uint64_t counter;

int floor_mutex(struct bench *bench)
{
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        lock_take(&lock_word);
        counter++;
        lock_give(&lock_word);
    }
    bench_stop(bench);
    return 0;
}

// ---- Locks that are held over a yield ----

static struct task_list waiting;

// Has the lock, or a permit, whenever it is polled: yields, counts, and hands over to the first who
// waits.
static enum loop_poll hold(struct task *self)
{
    if (self->step % 2 == 0) {
        self->step++;
        return LOOP_AGAIN;
    }
    self->step++;
    counter++;
    // One for the list of those who wait; the wake-up has another.
    lock_take(&lock_word);
    struct task *next = list_pop(&waiting);

    if (self->step < 2 * self->count) list_push(&waiting, self);
    list_unlock(&lock_word);
    if (next != NULL) loop_wake(next);
    return self->step < 2 * self->count ? LOOP_WAITS : LOOP_ENDED;
}

static enum loop_poll queue_up(struct task *self)
{
    self->poll = hold;
    list_push(&waiting, self);
    return LOOP_WAITS;
}

static int hand_over(struct bench *bench, size_t permits)
{
    uint64_t count = bench->n / TASKS;

    bench->n = count * TASKS;
    if (count == 0) return 0;
    bench_start(bench);
    for (size_t i = 0; i < TASKS; i++) loop_spawn(queue_up, NULL)->count = count;
    loop_run();
    for (size_t i = 0; i < permits; i++) loop_wake(list_pop(&waiting));
    loop_run();
    bench_stop(bench);
    return counter == bench->n ? 0 : -EIO;
}

int floor_mutex_held(struct bench *bench)
{
    return hand_over(bench, 1);
}

int floor_semaphore(struct bench *bench)
{
    return hand_over(bench, PERMITS);
}

// ---- Selects ----

// A notification: whether there is one, and who waits for it. A select waits for each of several.
struct arm {
    _Atomic uint32_t lock;
    bool told;
    struct task *waiter;
};

static struct arm arms[ARMS];

// True if it was told; else the task waits for it.
static bool arm_wait(struct arm *arm, struct task *task)
{
    lock_take(&arm->lock);
    bool told = arm->told;

    arm->told = false;
    arm->waiter = told ? NULL : task;
    list_unlock(&arm->lock);
    return told;
}

static void arm_leave(struct arm *arm)
{
    lock_take(&arm->lock);
    arm->waiter = NULL;
    list_unlock(&arm->lock);
}

static void arm_tell(struct arm *arm)
{
    lock_take(&arm->lock);
    struct task *waiter = arm->waiter;

    arm->told = true;
    list_unlock(&arm->lock);
    if (waiter != NULL) loop_wake(waiter);
}

// The arm that was told, after the others were left; ARMS: none was.
static size_t choose(struct task *task)
{
    size_t winner = 0;

    while (winner < ARMS && !arm_wait(&arms[winner], task)) winner++;
    if (winner == ARMS) return winner;
    for (size_t i = 0; i < ARMS; i++) {
        if (i != winner) arm_leave(&arms[i]);
    }
    return winner;
}

int floor_select3(struct bench *bench)
{
    bench_start(bench);
    for (uint64_t i = 0; i < bench->n; i++) {
        arm_tell(&arms[ARMS - 1]);
        if (choose(NULL) != ARMS - 1) return -EIO;
    }
    bench_stop(bench);
    return 0;
}

static struct arm answered;

static enum loop_poll choose_often(struct task *self)
{
    while (choose(self) < ARMS) {
        arm_tell(&answered);
        if (++self->step == self->count) return LOOP_ENDED;
    }
    return LOOP_WAITS;
}

static enum loop_poll tell_often(struct task *self)
{
    if (self->step == 0) arm_tell(&arms[self->step++ % ARMS]);
    while (arm_wait(&answered, self)) {
        if (self->step == self->count) return LOOP_ENDED;
        arm_tell(&arms[self->step++ % ARMS]);
    }
    return LOOP_WAITS;
}

int floor_select3_wait(struct bench *bench)
{
    bench_start(bench);
    loop_spawn(choose_often, NULL)->count = bench->n;
    loop_spawn(tell_often, NULL)->count = bench->n;
    loop_run();
    bench_stop(bench);
    return 0;
}
