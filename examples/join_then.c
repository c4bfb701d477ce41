// SPDX-License-Identifier: MIT
//
// Combinators allocate nothing. Two timers of 100 ms take about 100 ms under a join, which waits
// for both at once, and about 200 ms under a then, which makes the second one when the first has
// ended. The heap allocations meanwhile are counted by a hook: the executor is given an allocator
// that counts, and everything that waits here runs on that executor.

#include <rouse.h>
#include <stdatomic.h>
#include <stdio.h>

#define PAUSE_NS (100 * ROUSE_NS_PER_MS)

// ---- The hook: the default allocator, with a count of blocks and of stretches of pages ----

static atomic_ulong allocations;

static unsigned long allocations_so_far(void)
{
    return atomic_load_explicit(&allocations, memory_order_relaxed);
}

static void *counting_alloc(void *data, size_t size)
{
    const struct rouse_allocator *inner = data;

    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return inner->alloc(inner->data, size);
}

static void counting_free(void *data, void *memory, size_t size)
{
    const struct rouse_allocator *inner = data;

    inner->free(inner->data, memory, size);
}

static void *counting_pages_alloc(void *data, size_t size, size_t align)
{
    const struct rouse_allocator *inner = data;

    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return inner->pages_alloc(inner->data, size, align);
}

static void counting_pages_free(void *data, void *pages, size_t size)
{
    const struct rouse_allocator *inner = data;

    inner->pages_free(inner->data, pages, size);
}

// ---- What is counted ----

// Waits for a future and prints what that took. Returns -1 if anything was allocated.
static int await_and_count(const char *name, struct rouse_future *future)
{
    unsigned long before = allocations_so_far();
    uint64_t start_ns = rouse_now_ns();
    int err = rouse_await(future);
    uint64_t end_ns = rouse_now_ns();
    unsigned long count = allocations_so_far() - before;

    if (err < 0) return err;
    printf("%s: %.3f s, %lu heap allocations\n", name,
           (double)(end_ns - start_ns) / (double)ROUSE_NS_PER_S, count);
    return count == 0 ? 0 : -1;
}

static int join_two(void)
{
    struct rouse_sleep a, b;
    struct rouse_join join;

    rouse_sleep_init(&a, PAUSE_NS);
    rouse_sleep_init(&b, PAUSE_NS);
    rouse_join_init(&join, &a.base, &b.base);
    return await_and_count("join", &join.base);
}

static struct rouse_future *sleep_again(void *arg, struct rouse_future *first)
{
    struct rouse_sleep *second = arg;

    (void)first;
    rouse_sleep_init(second, PAUSE_NS);
    return &second->base;
}

static int then_one_more(void)
{
    struct rouse_sleep first, second;
    struct rouse_then then;

    rouse_sleep_init(&first, PAUSE_NS);
    rouse_then_init(&then, &first.base, sleep_again, &second);
    return await_and_count("then", &then.base);
}

static int both(void *arg)
{
    int *result = arg;
    int join = join_two();
    int then = then_one_more();

    *result = join < 0 ? join : then;
    return 0;
}

int main(void)
{
    const struct rouse_allocator *inner = rouse_allocator_default();
    struct rouse_allocator counting = {.data = (void *)(uintptr_t)inner,
                                       .alloc = counting_alloc,
                                       .free = counting_free,
                                       .pages_alloc = counting_pages_alloc,
                                       .pages_free = counting_pages_free};
    struct rouse_executor_options options = {.size = sizeof options, .allocator = &counting};
    struct rouse_executor *executor;
    struct rouse_spawner *spawner;
    int result = 0;
    int err = rouse_executor_new(&executor, &spawner, &options);

    if (err < 0) goto failed;
    err = rouse_spawner_spawn(spawner, NULL, both, &result);
    rouse_spawner_drop(spawner);
    rouse_executor_run(executor);  // until `both` has returned
    rouse_executor_free(executor);
    if (err == 0) err = result;
    printf("counted by the executor's allocator, which made %lu in all\n", allocations_so_far());
failed:
    if (err < 0) fprintf(stderr, "join_then: %s\n", rouse_strerror(err));
    return err < 0;
}
