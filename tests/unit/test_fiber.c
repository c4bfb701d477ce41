// SPDX-License-Identifier: MIT
//
// Fibers without memory for their stacks: they wait for another fiber to end, or for memory to come
// back, and run in the end. A chain of fibers, each of which waits for the next, is long enough to
// need many stacks; an allocator refuses them for a while. Time may leap while they wait.

#include <errno.h>
#include <rouse.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "claim.h"

enum { CHAIN = 3000, STACKS_SIZE_MIN = 100 << 10 };

static atomic_bool refuses;

static void *chosen_alloc(void *data, size_t size)
{
    const struct rouse_allocator *real = rouse_allocator_default();

    (void)data;
    return real->alloc(real->data, size);
}

static void chosen_free(void *data, void *memory, size_t size)
{
    const struct rouse_allocator *real = rouse_allocator_default();

    (void)data;
    real->free(real->data, memory, size);
}

// What is large is for stacks, or for tasks: those come in powers of two.
static void *chosen_pages_alloc(void *data, size_t size, size_t align)
{
    const struct rouse_allocator *real = rouse_allocator_default();

    (void)data;
    // Relaxed: sooner or later.
    if (size >= STACKS_SIZE_MIN && (size & (size - 1)) != 0 &&
        atomic_load_explicit(&refuses, memory_order_relaxed)) {
        return NULL;
    }
    return real->pages_alloc(real->data, size, align);
}

static void chosen_pages_free(void *data, void *pages, size_t size)
{
    const struct rouse_allocator *real = rouse_allocator_default();

    (void)data;
    real->pages_free(real->data, pages, size);
}

static const struct rouse_allocator chosen = {.alloc = chosen_alloc,
                                              .free = chosen_free,
                                              .pages_alloc = chosen_pages_alloc,
                                              .pages_free = chosen_pages_free};

static int chain(void *arg)
{
    intptr_t left = (intptr_t)arg;
    struct rouse_join_handle next;

    if (left == 0) return 0;
    int err = rouse_spawn(&next, chain, (void *)(left - 1));
    if (err < 0) return err;
    int64_t result = rouse_join(&next);
    return result < 0 ? (int)result : (int)result + 1;
}

static void refuse(bool on)
{
    atomic_store_explicit(&refuses, on, memory_order_relaxed);
}

static atomic_int warnings;

static void count_warning(void *data, const struct rouse_log_record *record)
{
    (void)data;
    (void)record;
    // Relaxed: a count orders nothing.
    atomic_fetch_add_explicit(&warnings, 1, memory_order_relaxed);
}

static int warnings_get(void)
{
    return atomic_load_explicit(&warnings, memory_order_relaxed);
}

// Waits until a fiber starves, and then for some of its retries.
static void let_starve(int warnings_before)
{
    const struct timespec pause = {.tv_nsec = 50000000};

    do {
        (void)nanosleep(&pause, NULL);
    } while (warnings_get() == warnings_before);
    (void)nanosleep(&pause, NULL);
}

static void memory_comes_back(unsigned workers, const char *text)
{
    struct rouse_runtime *runtime;
    struct rouse_join_handle first;
    int before = warnings_get();

    refuse(false);
    if (rouse_runtime_new(
            &runtime, &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                      .workers = workers,
                                                      .allocator = &chosen}) < 0) {
        exit(1);
    }
    refuse(true);
    if (rouse_runtime_spawn(runtime, &first, chain, (void *)CHAIN, NULL) < 0) exit(1);
    let_starve(before);
    refuse(false);
    claim(rouse_block_on(runtime, &first.base) == 0 && first.output == CHAIN, text);
    rouse_future_drop(&first.base);
    rouse_runtime_free(runtime);
}

static void memory_stays_away(void)
{
    struct rouse_runtime *runtime;
    struct rouse_join_handle first;
    int before = warnings_get();

    refuse(false);
    if (rouse_runtime_new(
            &runtime, &(struct rouse_runtime_options){.size = sizeof(struct rouse_runtime_options),
                                                      .workers = 1,
                                                      .allocator = &chosen}) < 0) {
        exit(1);
    }
    refuse(true);
    if (rouse_runtime_spawn(runtime, &first, chain, (void *)CHAIN, NULL) < 0) exit(1);
    let_starve(before);
    rouse_runtime_free(runtime);
    claim(rouse_future_is_ended(&first.base) == false, "a shutdown ends a chain that starves");
    rouse_detach(&first);
}

// While it leaps, the clock is 30 ms later at each look: as it is to a thread that is kept from
// running between two looks.
static atomic_bool leaps;
static _Atomic int64_t leapt_ns;

static int leaping_clock(clockid_t clock, struct timespec *out)
{
    const int64_t second = 1000000000;
    int err = rs_sys_real.clock_gettime(clock, out);

    // Relaxed, all: numbers that order nothing.
    if (atomic_load_explicit(&leaps, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&leapt_ns, 30000000, memory_order_relaxed);
    }
    int64_t ns = out->tv_nsec + atomic_load_explicit(&leapt_ns, memory_order_relaxed);
    out->tv_sec += ns / second;
    out->tv_nsec = ns % second;
    return err;
}

static void time_is_over_before_it_is_waited_for(void)
{
    atomic_store_explicit(&leaps, true, memory_order_relaxed);
    memory_comes_back(1, "one whose next try is due before it is waited for runs, too");
    atomic_store_explicit(&leaps, false, memory_order_relaxed);
}

int main(void)
{
    struct rouse_stats before;
    struct rouse_stats after;
    (void)alarm(200);  // fibers that starve for ever are an end by signal
    rs_sys.clock_gettime = leaping_clock;
    rouse_log_set_hook(count_warning, NULL, ROUSE_LOG_WARN);
    rouse_stats_get(&before);
    memory_comes_back(1, "a starved fiber that all others wait for runs when memory is back");
    memory_comes_back(2, "so it is with two workers");
    claim(warnings_get() <= 4, "a warning says that a fiber starves, not each retry");
    memory_stays_away();
    time_is_over_before_it_is_waited_for();
    rouse_stats_get(&after);
    claim(after.timers == before.timers && after.stacks == before.stacks &&
              after.task_records == before.task_records,
          "nothing is left");
    return claims_end();
}
