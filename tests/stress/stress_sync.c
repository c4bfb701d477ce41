// SPDX-License-Identifier: MIT
//
// Locks taken and given back at random, with chaos on, by fibers and plain threads: waited for,
// tried, given up at a deadline, as losers of selects, by aborts, and polled by hand once and then
// left in the queue for a while. Each counts what it did under a lock, and so does a plain counter
// under that lock; in the end they agree, and every lock is free.

#include <errno.h>

#include "stress.h"

enum { FIBERS = 8, THREADS = 3, ROUNDS = 6000, PERMITS = 5, PAUSE_MAX_NS = 100000 };

// What one does, and did.
struct actor {
    uint64_t random;
    int64_t locked;
    int64_t written;
    int64_t pushed;
    int64_t popped;
    int64_t given_up;
};

static struct rouse_runtime *runtime;
static struct rouse_mutex mutex;
static struct rouse_rwlock rwlock;
static struct rouse_semaphore semaphore;
static struct rouse_condition filled;
static int64_t locked;  // these under the mutex
static int64_t items;
static int64_t twins[2];    // under the lock for readers and writers
static _Atomic int64_t in;  // permits taken
static _Atomic int64_t wrong;
static _Atomic int64_t children;  // what aborted ones locked

static bool chance(struct actor *a, uint64_t of)
{
    return stress_below(&a->random, of) == 0;
}

static uint64_t soon(struct actor *a)
{
    return rouse_deadline_after(stress_below(&a->random, PAUSE_MAX_NS));
}

// ---- Under a lock ----

static void pause_fiber(struct actor *a)
{
    if (chance(a, 4)) (void)rouse_yield();
    if (chance(a, 16)) (void)rouse_sleep(stress_below(&a->random, PAUSE_MAX_NS));
}

static void count_locked(struct actor *a)
{
    a->locked++;
    locked++;
}

static void enter_and_leave(uint64_t permits)
{
    if (stress_add(&in, (int64_t)permits) > PERMITS) (void)stress_add(&wrong, 1);
    (void)stress_add(&in, -(int64_t)permits);
    rouse_semaphore_release(&semaphore, permits);
}

static void look_at_twins(void)
{
    if (twins[0] != twins[1]) (void)stress_add(&wrong, 1);
}

static void push_item(struct actor *a)
{
    items++;
    a->pushed++;
    rouse_mutex_unlock(&mutex);
    rouse_condition_signal(&filled);
}

// ---- Either ----

static void ignore(void *data)
{
    (void)data;
}

static struct rouse_waker nobody(void *data);

static const struct rouse_waker_vtable nobody_vtable = {
    .clone = nobody, .wake = ignore, .wake_by_ref = ignore, .drop = ignore};

static struct rouse_waker nobody(void *data)
{
    return (struct rouse_waker){.vtable = &nobody_vtable, .data = data};
}

static rouse_poll poll_for_nobody(struct rouse_future *future)
{
    struct rouse_waker waker = nobody(NULL);
    struct rouse_context cx;

    rouse_context_init(&cx, &waker, NULL);
    return rouse_future_poll(future, &cx);
}

static void try_all(struct actor *a)
{
    uint64_t permits = 1 + stress_below(&a->random, PERMITS);

    if (rouse_mutex_try_lock(&mutex) == 0) {
        count_locked(a);
        rouse_mutex_unlock(&mutex);
    }
    if (rouse_rwlock_try_read_lock(&rwlock) == 0) {
        look_at_twins();
        rouse_rwlock_read_unlock(&rwlock);
    }
    if (rouse_semaphore_try_acquire(&semaphore, permits) == 0) enter_and_leave(permits);
}

// Queued, granted or not, and dropped after a while.
static void leave_queued(struct actor *a, void (*pause)(struct actor *a))
{
    struct rouse_mutex_lock lock;
    struct rouse_semaphore_acquire acquire;

    rouse_mutex_lock_init(&lock, &mutex);
    if (poll_for_nobody(&lock.base) == ROUSE_READY) count_locked(a);
    rouse_semaphore_acquire_init(&acquire, &semaphore, 1 + stress_below(&a->random, PERMITS));
    (void)poll_for_nobody(&acquire.base);
    pause(a);
    rouse_future_drop(&acquire.base);
    rouse_future_drop(&lock.base);
}

// ---- Fibers ----

static void lock_in_fiber(struct actor *a)
{
    if (rouse_mutex_lock(&mutex) < 0) return;
    count_locked(a);
    pause_fiber(a);
    rouse_mutex_unlock(&mutex);
}

static void lock_until(struct actor *a)
{
    struct rouse_mutex_lock lock;

    rouse_mutex_lock_init(&lock, &mutex);
    if (rouse_await_until(&lock.base, soon(a)) < 0) {
        a->given_up++;
        return;
    }
    count_locked(a);
    rouse_mutex_unlock(&mutex);
}

static void lock_or_sleep(struct actor *a)
{
    struct rouse_mutex_lock lock;
    struct rouse_sleep sleep;
    struct rouse_select select;

    rouse_mutex_lock_init(&lock, &mutex);
    rouse_sleep_until_init(&sleep, soon(a));
    rouse_select_init(&select, &lock.base, &sleep.base, ROUSE_SELECT_FAIR);
    stress_must(rouse_await(&select.base), "select");
    if (select.output == 0) {
        count_locked(a);
    } else {
        a->given_up++;
    }
    rouse_future_drop(&select.base);
    rouse_future_drop(&lock.base);  // and unlocks it
}

static void read_and_write(struct actor *a)
{
    struct rouse_deadline deadline;

    rouse_deadline_enter(&deadline, chance(a, 2) ? soon(a) : ROUSE_NEVER);
    if (chance(a, 3)) {
        if (rouse_rwlock_write_lock(&rwlock) == 0) {
            a->written++;
            twins[0]++;
            pause_fiber(a);
            twins[1]++;
            rouse_rwlock_downgrade(&rwlock);
            look_at_twins();
            rouse_rwlock_read_unlock(&rwlock);
        }
    } else if (rouse_rwlock_read_lock(&rwlock) == 0) {
        look_at_twins();
        pause_fiber(a);
        look_at_twins();
        rouse_rwlock_read_unlock(&rwlock);
    }
    a->given_up += rouse_deadline_leave(&deadline) < 0;
}

static void enter(struct actor *a)
{
    struct rouse_semaphore_acquire acquire;
    uint64_t permits = 1 + stress_below(&a->random, PERMITS);

    rouse_semaphore_acquire_init(&acquire, &semaphore, permits);
    if (rouse_await_until(&acquire.base, soon(a)) < 0) {
        a->given_up++;
        return;
    }
    enter_and_leave(permits);
}

// Takes an item, or gives up.
static void pop_item(struct actor *a)
{
    struct rouse_deadline deadline;
    int err = 0;

    if (rouse_mutex_lock(&mutex) < 0) return;
    rouse_deadline_enter(&deadline, soon(a));
    while (items == 0 && err == 0) err = rouse_condition_wait(&filled, &mutex);
    (void)rouse_deadline_leave(&deadline);
    if (err == 0) {
        items--;
        a->popped++;
    } else {
        a->given_up++;
    }
    rouse_mutex_unlock(&mutex);
}

static int lock_in_child(void *arg)
{
    (void)arg;
    if (rouse_mutex_lock(&mutex) < 0) return 0;
    locked++;
    (void)stress_add(&children, 1);
    (void)rouse_yield();
    rouse_mutex_unlock(&mutex);
    return 0;
}

static void abort_child(struct actor *a)
{
    struct rouse_join_handle handle;

    stress_must(rouse_spawn(&handle, lock_in_child, NULL), "spawn");
    (void)rouse_sleep(stress_below(&a->random, PAUSE_MAX_NS));
    (void)rouse_abort_and_wait(&handle);
}

static int fiber_main(void *arg)
{
    static void (*const acts[])(struct actor * a) = {lock_in_fiber, lock_in_fiber,  lock_until,
                                                     lock_or_sleep, read_and_write, enter,
                                                     pop_item,      try_all,        abort_child};
    struct actor *a = arg;

    for (int i = 0; i < ROUNDS; i++) {
        acts[stress_below(&a->random, sizeof acts / sizeof acts[0])](a);
        if (chance(a, 3) && rouse_mutex_lock(&mutex) == 0) push_item(a);
        if (chance(a, 16)) leave_queued(a, pause_fiber);
    }
    return 0;
}

// ---- Threads ----

static void pause_thread(struct actor *a)
{
    stress_nap(stress_below(&a->random, PAUSE_MAX_NS));
}

static void lock_in_thread(struct actor *a)
{
    struct rouse_mutex_lock lock;

    rouse_mutex_lock_init(&lock, &mutex);
    stress_must(rouse_block_on(runtime, &lock.base), "lock");
    count_locked(a);
    if (chance(a, 2)) {
        push_item(a);
    } else {
        rouse_mutex_unlock(&mutex);
    }
}

static void write_in_thread(struct actor *a)
{
    struct rouse_rwlock_write write;

    rouse_rwlock_write_init(&write, &rwlock);
    stress_must(rouse_block_on(runtime, &write.base), "write");
    a->written++;
    twins[0]++;
    twins[1]++;
    rouse_rwlock_write_unlock(&rwlock);
}

static void *thread_main(void *arg)
{
    struct actor *a = arg;

    for (int i = 0; i < ROUNDS; i++) {
        lock_in_thread(a);
        try_all(a);
        if (chance(a, 8)) write_in_thread(a);
        if (chance(a, 16)) leave_queued(a, pause_thread);
    }
    return NULL;
}

// ---- All of it ----

static void run(struct actor *actors)
{
    struct rouse_join_handle handles[FIBERS];
    pthread_t threads[THREADS];

    for (int i = 0; i < FIBERS + THREADS; i++) {
        actors[i] = (struct actor){.random = stress_stream((uint64_t)i)};
        if (i >= FIBERS) continue;
        stress_must(rouse_runtime_spawn(runtime, &handles[i], fiber_main, &actors[i], NULL),
                    "spawn");
    }
    for (int i = 0; i < THREADS; i++) threads[i] = stress_thread(thread_main, &actors[FIBERS + i]);
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    for (int i = 0; i < FIBERS; i++) {
        stress_must(rouse_block_on(runtime, &handles[i].base), "join");
        rouse_future_drop(&handles[i].base);
    }
}

static void judge(const struct actor *actors)
{
    struct actor sum = {.locked = stress_get(&children)};

    for (int i = 0; i < FIBERS + THREADS; i++) {
        sum.locked += actors[i].locked;
        sum.written += actors[i].written;
        sum.pushed += actors[i].pushed;
        sum.popped += actors[i].popped;
        sum.given_up += actors[i].given_up;
    }
    printf("# %lld times locked, %lld written, %lld items, %lld times given up, %lld by aborted\n",
           (long long)sum.locked, (long long)sum.written, (long long)sum.pushed,
           (long long)sum.given_up, (long long)stress_get(&children));
    claim(sum.given_up > 0 && sum.popped > 0, "some waits were given up, some not");
    claim(locked == sum.locked, "a mutex excludes");
    claim(twins[0] == sum.written && twins[1] == sum.written && stress_get(&wrong) == 0,
          "so does a writer, and a semaphore limits");
    claim(items == sum.pushed - sum.popped, "no item is lost");
    claim(rouse_mutex_try_lock(&mutex) == 0 && rouse_rwlock_try_write_lock(&rwlock) == 0 &&
              rouse_semaphore_available(&semaphore) == PERMITS,
          "every lock is free in the end");
}

int main(int argc, char **argv)
{
    static struct actor actors[FIBERS + THREADS];
    struct rouse_stats before;
    char seed[32];

    stress_begin(argc, argv);
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)stress_seed);
    (void)setenv("ROUSE_CHAOS", seed, 0);
    rouse_stats_get(&before);
    rouse_mutex_init(&mutex);
    rouse_rwlock_init(&rwlock);
    rouse_semaphore_init(&semaphore, PERMITS);
    rouse_condition_init(&filled);
    runtime = stress_runtime(2);
    run(actors);
    rouse_runtime_free(runtime);
    judge(actors);
    claim(stress_is_clean(&before), "nothing is left");
    return claims_end();
}
