// SPDX-License-Identifier: MIT
//
// Thread-locals across a suspension. A compiler may look up where `errno` and a thread-local lie
// once, and use that after a call that suspends the fiber; so a fiber must come back on the thread
// that it left. Fibers wait in every way that another thread can end, on workers that steal, and
// compare what their own code takes for its thread-locals with a fresh look, and with the kernel's
// word for the thread. Built a second time with link-time optimization where there is one: the
// library's waits then are code that the compiler sees through.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "claim.h"

enum { WORKERS = 4, FIBERS = 64, ROUNDS = 200, WAYS = 4 };

static _Thread_local struct canary {
    long thread;  // the thread's own number, once it has run a fiber of ours
    int value;
} canary;

static _Atomic int threads_seen;

// Where the thread-locals of the running thread lie.
struct places {
    int *error;
    struct canary *canary;
    long thread;
};

// A function of its own, with an effect: its caller cannot know the answer from an earlier call.
__attribute__((noinline)) static struct places look(void)
{
    struct places places;

    __asm__ volatile("" ::: "memory");
    places = (struct places){.error = &errno, .canary = &canary, .thread = syscall(SYS_gettid)};
    return places;
}

static int child(void *arg)
{
    rouse_yield();
    return *(const int *)arg;
}

static int64_t job(void *arg)
{
    errno = ERANGE;  // the pool's thread has one of its own
    return *(const int *)arg;
}

// Suspends; what ends the wait may run on any worker, or on a thread of the pool.
static bool wait_in_some_way(int way)
{
    struct rouse_join_handle handle;
    int64_t result;
    int value = way;

    switch (way % WAYS) {
    case 0:
        rouse_yield();
        return true;
    case 1:
        return rouse_sleep(1000) == 0;
    case 2:
        return rouse_spawn(&handle, child, &value) == 0 && rouse_join(&handle) == value;
    default:
        return rouse_blocking(job, &value, &result) == 0 && result == value;
    }
}

static bool canary_is_ours(const struct places *now)
{
    if (canary.thread == 0) {
        canary.thread = now->thread;
        // Relaxed: read after all have been joined.
        atomic_fetch_add_explicit(&threads_seen, 1, memory_order_relaxed);
    }
    return canary.thread == now->thread;
}

static bool places_are_same(const struct places *a, const struct places *b)
{
    return a->error == b->error && a->canary == b->canary && a->thread == b->thread;
}

// 0, or the round in which something was not as it must be.
static int look_after_each_wait(void *arg)
{
    const int id = *(const int *)arg;
    const struct places first = look();

    for (int round = 1; round <= ROUNDS; round++) {
        errno = round;
        canary.value = id;
        if (!wait_in_some_way(id + round)) return round;

        struct places now = look();

        if (!places_are_same(&first, &now) || !canary_is_ours(&now)) return round;
        // Written by what this code takes for the address, read by the fresh one.
        errno = 1000 + round;
        canary.value = 1000 + id;
        if (*now.error != 1000 + round || now.canary->value != 1000 + id) return round;
    }
    return 0;
}

static int run_all(void *arg)
{
    static int ids[FIBERS];
    struct rouse_join_handle handles[FIBERS];
    int wrong = 0;

    (void)arg;
    for (int i = 0; i < FIBERS; i++) {
        ids[i] = i;
        if (rouse_spawn(&handles[i], look_after_each_wait, &ids[i]) < 0) return -ENOMEM;
    }
    for (int i = 0; i < FIBERS; i++) {
        int64_t round = rouse_join(&handles[i]);

        if (round == 0) continue;
        printf("# fiber %d, round %lld\n", i, (long long)round);
        wrong++;
    }
    return wrong;
}

int main(void)
{
    const struct rouse_runtime_options options = {.size = sizeof options, .workers = WORKERS};

    (void)alarm(60);  // a lost wake-up is an end by signal
    claim(rouse_run_with(run_all, NULL, &options) == 0,
          "a fiber finds errno and thread-locals where they were, after every kind of wait");
    claim(atomic_load_explicit(&threads_seen, memory_order_relaxed) > 1,
          "on more threads than one");
    return claims_end();
}
