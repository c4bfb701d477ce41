// SPDX-License-Identifier: MIT
//
// What two threads share all the time: a lock, a count of readers, permits that are handed on in
// order. Here the least is not instructions, but the way of a line of memory from core to core.

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "base/cpu.h"
#include "bench.h"
#include "floor/floor.h"
#include "floor/loop.h"

enum { THREADS = 2, TASKS = 64, PERMITS = 8, LINE = 128 };

static _Atomic int absent;
static void *(*part)(void *index);

// On a processor of its own, and not before the other one is there.
static void *run_part(void *index)
{
    cpu_set_t set;
    int skipped = *(int *)index;

    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
            if (!CPU_ISSET(cpu, &set) || skipped-- > 0) continue;
            CPU_ZERO(&set);
            CPU_SET(cpu, &set);
            (void)sched_setaffinity(0, sizeof set, &set);
            break;
        }
    }
    // Relaxed, both: they only meet.
    (void)atomic_fetch_sub_explicit(&absent, 1, memory_order_relaxed);
    while (atomic_load_explicit(&absent, memory_order_relaxed) > 0) rs_cpu_relax();
    return part(index);
}

// Runs a part on each of two threads.
static int on_two(struct bench *bench, void *(*what)(void *index))
{
    static int indices[THREADS] = {0, 1};
    pthread_t threads[THREADS];
    int started = 0;

    part = what;
    absent = THREADS;
    bench_start(bench);
    while (started < THREADS &&
           pthread_create(&threads[started], NULL, run_part, &indices[started]) == 0) {
        started++;
    }
    if (started < THREADS) abort();  // one would wait for the other
    for (int i = 0; i < THREADS; i++) (void)pthread_join(threads[i], NULL);
    bench_stop(bench);
    return 0;
}

static uint64_t rounds;  // of each thread, or of each task

// ---- A lock, and readers ----

static _Alignas(LINE) _Atomic uint32_t word;
static volatile uint64_t counter;  // beside the word, as in a program

static void spin_lock(_Atomic uint32_t *lock)
{
    uint32_t unlocked = 0;

    // Acquire, with the release of whoever had it before. Relaxed: only looks.
    while (!atomic_compare_exchange_weak_explicit(lock, &unlocked, 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
        while (atomic_load_explicit(lock, memory_order_relaxed) != 0) rs_cpu_relax();
        unlocked = 0;
    }
}

static void *count_locked(void *index)
{
    (void)index;
    for (uint64_t i = 0; i < rounds; i++) {
        spin_lock(&word);
        counter++;
        // By a read-modify-write, since it has to see whether somebody waits. Release: as above.
        (void)atomic_fetch_and_explicit(&word, 0, memory_order_release);
    }
    return NULL;
}

static void *read_counted(void *index)
{
    uint64_t sum = 0;

    (void)index;
    for (uint64_t i = 0; i < rounds; i++) {
        // Acquire and release: as if somebody wrote.
        (void)atomic_fetch_add_explicit(&word, 1, memory_order_acquire);
        sum += counter;
        (void)atomic_fetch_sub_explicit(&word, 1, memory_order_release);
    }
    return sum == 0 ? NULL : index;
}

int floor_shared_mutex(struct bench *bench)
{
    rounds = bench->n / THREADS;
    bench->n = rounds * THREADS;
    int err = on_two(bench, count_locked);

    return err < 0 || counter == bench->n ? err : -EIO;
}

int floor_shared_rwlock(struct bench *bench)
{
    rounds = bench->n / THREADS;
    bench->n = rounds * THREADS;
    return on_two(bench, read_counted);
}

// ---- Permits ----

// Tasks that are ready on a thread, each of which has a permit; and those that the other thread has
// woken. A task stays with its thread.
struct side {
    _Alignas(LINE) _Atomic(struct task *) woken;
    _Alignas(LINE) struct task_list ready;
    int alive;
};

static struct side sides[THREADS];
static struct task tasks[TASKS];
static _Alignas(LINE) _Atomic uint32_t waiting_lock;
static struct task_list waiting;

static void ready_push(struct side *mine, struct task *task)
{
    struct side *home = task->arg;

    if (home == mine) {
        list_push(&mine->ready, task);
        return;
    }
    // Relaxed: only a guess for the exchange.
    task->next = atomic_load_explicit(&home->woken, memory_order_relaxed);
    // Release, with the acquire in ready_take(): the link.
    while (!atomic_compare_exchange_weak_explicit(&home->woken, &task->next, task,
                                                  memory_order_release, memory_order_relaxed)) {
    }
}

static struct task *ready_take(struct side *mine)
{
    struct task *task = list_pop(&mine->ready);

    // Relaxed: a look. Acquire, with the release in ready_push().
    if (task != NULL || atomic_load_explicit(&mine->woken, memory_order_relaxed) == NULL) {
        return task;
    }
    task = atomic_exchange_explicit(&mine->woken, NULL, memory_order_acquire);
    while (task != NULL) {
        struct task *next = task->next;

        list_push(&mine->ready, task);
        task = next;
    }
    return list_pop(&mine->ready);
}

// Waits again, and gives its permit to the first who does, which may be itself, under one lock.
static void hand_on(struct side *mine, struct task *task)
{
    bool again = ++task->count < rounds;

    spin_lock(&waiting_lock);
    if (again) list_push(&waiting, task);
    struct task *next = list_pop(&waiting);

    // Release, with the acquire in spin_lock().
    atomic_store_explicit(&waiting_lock, 0, memory_order_release);
    mine->alive -= !again;
    if (next == NULL) return;
    // Acquire and release: see loop.h. One that was just put there may still be in its poll.
    if (atomic_fetch_or_explicit(&next->state, TASK_SCHEDULED, memory_order_acq_rel) == 0) {
        ready_push(mine, next);
    }
}

// A poll yields with the permit, or hands it on.
static void poll_one(struct side *mine, struct task *task)
{
    // Acquire and release, here and below: see loop.h.
    (void)atomic_fetch_xor_explicit(&task->state, TASK_SCHEDULED | TASK_RUNNING,
                                    memory_order_acq_rel);
    if (task->step++ % 2 == 0) {
        (void)atomic_fetch_xor_explicit(&task->state, TASK_SCHEDULED | TASK_RUNNING,
                                        memory_order_acq_rel);
        list_push(&mine->ready, task);
        return;
    }
    hand_on(mine, task);
    uint32_t before =
        atomic_fetch_and_explicit(&task->state, ~(uint32_t)TASK_RUNNING, memory_order_acq_rel);

    if ((before & TASK_SCHEDULED) != 0) list_push(&mine->ready, task);
}

static void *hold_permits(void *index)
{
    struct side *mine = &sides[*(int *)index];

    while (mine->alive > 0) {
        struct task *task = ready_take(mine);

        if (task != NULL) {
            poll_one(mine, task);
        } else {
            rs_cpu_relax();
        }
    }
    return NULL;
}

int floor_shared_semaphore(struct bench *bench)
{
    rounds = bench->n / TASKS;
    bench->n = rounds * TASKS;
    if (rounds == 0) return -ENOTSUP;
    for (int i = 0; i < TASKS; i++) {
        struct side *home = &sides[i % THREADS];

        tasks[i] = (struct task){.state = i < PERMITS ? TASK_SCHEDULED : 0, .arg = home};
        list_push(i < PERMITS ? &home->ready : &waiting, &tasks[i]);
        home->alive++;
    }
    return on_two(bench, hold_permits);
}
