// SPDX-License-Identifier: MIT
//
// How evenly those who wait are served: 64 tasks that want the same thing all the time, and hold it
// across a yield. A wait is one that has to: what could be had at once, which a mutex allows to
// whoever comes by, is counted apart. For each kind of thing, how many of the tries were waits,
// their median, the 99th percentile of the task that was served worst, and what the one is to the
// other: in time, and in turns, that is how often others got it meanwhile. Time has in it what else
// the machine does; turns have not.
//
// Readers and writers are two kinds that take turns, and each is compared with its own.
//
//     bench_fairness [WORKERS]      default 1

#include <rouse.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 64, TRIES = 20000, PERMITS = 8 };

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

static int try_mutex(unsigned task)
{
    (void)task;
    return rouse_mutex_try_lock(&mutex);
}

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

static int try_permit(unsigned task)
{
    (void)task;
    return rouse_semaphore_try_acquire(&semaphore, 1);
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

static bool is_other(unsigned task)
{
    return task % 10 == 0;
}

static int try_rwlock(unsigned task)
{
    return is_other(task) ? rouse_rwlock_try_write_lock(&rwlock)
                          : rouse_rwlock_try_read_lock(&rwlock);
}

static int want_rwlock(unsigned task)
{
    return is_other(task) ? rouse_rwlock_write_lock(&rwlock) : rouse_rwlock_read_lock(&rwlock);
}

static void leave_rwlock(unsigned task)
{
    if (is_other(task)) {
        rouse_rwlock_write_unlock(&rwlock);
    } else {
        rouse_rwlock_read_unlock(&rwlock);
    }
}

// A place in a channel, for a consumer that is slower than they are.
static int try_place(unsigned task)
{
    return rouse_channel_try_send(tx, &(uint64_t){task});
}

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
    const char *other;  // what every tenth task is, if not all want the same
    int (*try)(unsigned task);
    int (*want)(unsigned task);
    void (*leave)(unsigned task);
} things[] = {
    {"mutex", NULL, try_mutex, want_mutex, leave_mutex},
    {"semaphore of 8", NULL, try_permit, want_permit, leave_permit},
    {"rwlock, to read", "rwlock, to write", try_rwlock, want_rwlock, leave_rwlock},
    {"place in a channel", NULL, try_place, want_place, leave_place},
};

// ---- Who wants it ----

enum measure { IN_TIME, IN_TURNS, MEASURES };

struct one {
    const struct thing *thing;
    unsigned index;
    unsigned tries;
    unsigned waits;
    uint64_t lengths[MEASURES][TRIES];
};

static struct one ones[TASKS];
static uint64_t all[TASKS * TRIES];
static _Atomic uint64_t turns;
static struct rouse_barrier start;
static atomic_bool over;  // one has tried often enough: the others are fewer from now on

// Relaxed, here and below: a count, and an end; nothing else goes by them.
static uint64_t turns_now(void)
{
    return atomic_load_explicit(&turns, memory_order_relaxed);
}

static void want_once(struct one *one)
{
    uint64_t start_ns = rouse_now_ns();
    uint64_t start_turns = turns_now();

    if (one->thing->try(one->index) < 0) {
        must(one->thing->want(one->index), one->thing->name);
        one->lengths[IN_TIME][one->waits] = rouse_now_ns() - start_ns;
        one->lengths[IN_TURNS][one->waits++] = turns_now() - start_turns;
    }
    atomic_fetch_add_explicit(&turns, 1, memory_order_relaxed);
    must(rouse_yield(), "yield");
    one->thing->leave(one->index);
}

static int want_often(void *arg)
{
    struct one *one = arg;

    one->tries = 0;
    one->waits = 0;
    must(rouse_barrier_wait(&start), "start");
    while (one->tries < TRIES && !atomic_load_explicit(&over, memory_order_relaxed)) {
        want_once(one);
        one->tries++;
    }
    atomic_store_explicit(&over, true, memory_order_relaxed);
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

// Some of the tasks.
struct group {
    struct one *ones[TASKS];
    unsigned count;
};

static struct group group_of(const struct thing *thing, bool others)
{
    struct group group = {.count = 0};

    for (unsigned t = 0; t < TASKS; t++) {
        if (thing->other == NULL || is_other(t) == others) group.ones[group.count++] = &ones[t];
    }
    return group;
}

// What the waits were like by one measure, whose unit is so many of what was recorded.
static void report_by(const struct group *group, enum measure measure, double unit,
                      const char *name)
{
    uint64_t worst = 0;
    size_t waits = 0;

    for (unsigned t = 0; t < group->count; t++) {
        uint64_t *lengths = group->ones[t]->lengths[measure];
        unsigned count = group->ones[t]->waits;

        if (count == 0) continue;
        memcpy(&all[waits], lengths, count * sizeof(uint64_t));
        waits += count;
        qsort(lengths, count, sizeof(uint64_t), by_value);
        if (lengths[count * 99 / 100] > worst) worst = lengths[count * 99 / 100];
    }
    if (waits == 0) return;
    qsort(all, waits, sizeof(uint64_t), by_value);
    uint64_t median = all[waits / 2];

    printf("; %s: median %.1f, worst p99 %.1f, ratio %.2f", name, (double)median / unit,
           (double)worst / unit, (double)worst / (double)median);
}

static void report(const char *name, const struct group *group)
{
    size_t tries = 0;
    size_t waits = 0;

    for (unsigned t = 0; t < group->count; t++) {
        tries += group->ones[t]->tries;
        waits += group->ones[t]->waits;
    }
    // One of the others was done before these began: the machine had something else to do.
    if (tries == 0) {
        printf("%-18s not tried\n", name);
        return;
    }
    printf("%-18s %5.1f %% wait", name, 100.0 * (double)waits / (double)tries);
    report_by(group, IN_TIME, 1e3, "us");
    report_by(group, IN_TURNS, 1, "turns");
    printf("\n");
}

static void measure(const struct thing *thing)
{
    struct rouse_join_handle handles[TASKS];
    struct rouse_join_handle consumer;

    must(rouse_channel_new(&tx, &rx, sizeof(uint64_t), PERMITS), "channel");
    must(rouse_spawn(&consumer, consume, NULL), "spawn");
    rouse_barrier_init(&start, TASKS);
    atomic_store_explicit(&over, false, memory_order_relaxed);
    for (unsigned t = 0; t < TASKS; t++) {
        ones[t].thing = thing;
        ones[t].index = t;
        must(rouse_spawn(&handles[t], want_often, &ones[t]), "spawn");
    }
    for (int t = 0; t < TASKS; t++) must(rouse_join(&handles[t]), "join");
    rouse_channel_sender_unref(tx);
    must(rouse_join(&consumer), "join");
    rouse_channel_receiver_unref(rx);

    struct group group = group_of(thing, false);

    report(thing->name, &group);
    if (thing->other == NULL) return;
    group = group_of(thing, true);
    report(thing->other, &group);
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
