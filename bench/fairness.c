// SPDX-License-Identifier: MIT
//
// How evenly those who wait are served: 64 tasks that want the same thing all the time, and hold it
// across a yield. For each kind of thing, the median of all waits, the 99th percentile of the task
// that was served worst, and what the one is to the other.
//
//     bench_fairness [WORKERS]      default 1

#include <rouse.h>
#include <stdio.h>
#include <stdlib.h>

enum { TASKS = 64, WAITS = 2000, PERMITS = 8 };

static struct rouse_mutex mutex;
static struct rouse_rwlock rwlock;
static struct rouse_semaphore semaphore;
static struct rouse_channel_sender *tx;
static struct rouse_channel_receiver *rx;

static void must(int64_t result, const char *what)
{
    if (result >= 0) return;
    printf("%s: %s\n", what, rouse_strerror((int)result));
    exit(1);
}

// ---- What is wanted ----

static int want_mutex(unsigned task)
{
    (void)task;
    return rouse_mutex_lock(&mutex);
}

static void leave_mutex(unsigned task)
{
    (void)task;
    rouse_mutex_unlock(&mutex);
}

static int want_permit(unsigned task)
{
    (void)task;
    return rouse_semaphore_acquire(&semaphore, 1);
}

static void leave_permit(unsigned task)
{
    (void)task;
    rouse_semaphore_release(&semaphore, 1);
}

// Every tenth task writes.
static int want_rwlock(unsigned task)
{
    return task % 10 == 0 ? rouse_rwlock_write_lock(&rwlock) : rouse_rwlock_read_lock(&rwlock);
}

static void leave_rwlock(unsigned task)
{
    if (task % 10 == 0) {
        rouse_rwlock_write_unlock(&rwlock);
    } else {
        rouse_rwlock_read_unlock(&rwlock);
    }
}

// A place in a channel, for a consumer that is slower than they are.
static int want_place(unsigned task)
{
    return rouse_channel_send(tx, &(uint64_t){task});
}

static void leave_place(unsigned task)
{
    (void)task;
}

static const struct thing {
    const char *name;
    int (*want)(unsigned task);
    void (*leave)(unsigned task);
} things[] = {
    {"mutex", want_mutex, leave_mutex},
    {"semaphore of 8", want_permit, leave_permit},
    {"rwlock, 1 in 10 writes", want_rwlock, leave_rwlock},
    {"place in a channel", want_place, leave_place},
};

// ---- Who wants it ----

struct one {
    const struct thing *thing;
    unsigned index;
    uint64_t waits_ns[WAITS];
};

static struct one ones[TASKS];
static uint64_t all_ns[TASKS * WAITS];

static int want_often(void *arg)
{
    struct one *one = arg;

    for (int i = 0; i < WAITS; i++) {
        uint64_t start_ns = rouse_now_ns();

        must(one->thing->want(one->index), one->thing->name);
        one->waits_ns[i] = rouse_now_ns() - start_ns;
        must(rouse_yield(), "yield");
        one->thing->leave(one->index);
    }
    return 0;
}

static int consume(void *arg)
{
    uint64_t element;

    (void)arg;
    while (rouse_channel_receive(rx, &element) == 0) must(rouse_yield(), "yield");
    return 0;
}

// ---- How they were served ----

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void report(const struct thing *thing)
{
    uint64_t worst_ns = 0;

    for (int t = 0; t < TASKS; t++) {
        for (int i = 0; i < WAITS; i++) all_ns[t * WAITS + i] = ones[t].waits_ns[i];
        qsort(ones[t].waits_ns, WAITS, sizeof(uint64_t), by_value);
        uint64_t p99_ns = ones[t].waits_ns[WAITS * 99 / 100];

        if (p99_ns > worst_ns) worst_ns = p99_ns;
    }
    qsort(all_ns, TASKS * WAITS, sizeof(uint64_t), by_value);
    uint64_t median_ns = all_ns[TASKS * WAITS / 2];

    printf("%-24s median %8.1f us, p99 of the least lucky task %8.1f us, ratio %.2f\n", thing->name,
           (double)median_ns / 1e3, (double)worst_ns / 1e3, (double)worst_ns / (double)median_ns);
}

static void measure(const struct thing *thing)
{
    struct rouse_join_handle handles[TASKS];
    struct rouse_join_handle consumer;

    must(rouse_channel_new(&tx, &rx, sizeof(uint64_t), PERMITS), "channel");
    must(rouse_spawn(&consumer, consume, NULL), "spawn");
    for (unsigned t = 0; t < TASKS; t++) {
        ones[t].thing = thing;
        ones[t].index = t;
        must(rouse_spawn(&handles[t], want_often, &ones[t]), "spawn");
    }
    for (int t = 0; t < TASKS; t++) must(rouse_join(&handles[t]), "join");
    rouse_channel_sender_unref(tx);
    must(rouse_join(&consumer), "join");
    rouse_channel_receiver_unref(rx);
    report(thing);
}

static int root(void *arg)
{
    (void)arg;
    rouse_mutex_init(&mutex);
    rouse_rwlock_init(&rwlock);
    rouse_semaphore_init(&semaphore, PERMITS);
    for (size_t i = 0; i < sizeof things / sizeof things[0]; i++) measure(&things[i]);
    return 0;
}

int main(int argc, char **argv)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};

    if (argc > 1) options.workers = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2 || options.workers == 0) {
        printf("usage: bench_fairness [WORKERS]\n");
        return 2;
    }
    must(rouse_run_with(root, NULL, &options), "run");
    return 0;
}
