// SPDX-License-Identifier: MIT
//
// The injection queue: order and lengths, then many producers and consumers at once, where each
// task must arrive once, and a consumer must see each producer's tasks in order.

#include "sched/inject.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "claim.h"

enum { PRODUCERS = 3, CONSUMERS = 3, TASKS_PER_PRODUCER = 300000, BATCH_MAX = 17 };

struct item {
    struct rs_task_link link;  // first, so a link is its item
    uint32_t producer;
    uint32_t number;
    _Atomic uint32_t arrivals;
};

static struct rs_inject queue;
static struct item items[PRODUCERS][TASKS_PER_PRODUCER];
static _Atomic uint32_t tasks_arrived;
static _Atomic uint32_t disorders;

static bool first_in_first_out(void)
{
    rs_inject_init(&queue);
    if (rs_inject_pop(&queue) != NULL || !rs_inject_seems_empty(&queue)) return false;
    for (size_t i = 0; i < 100; i++) {
        rs_inject_push(&queue, &items[0][i].link);
        if (rs_inject_length(&queue) != i + 1) return false;
    }
    for (size_t i = 0; i < 100; i++) {
        if (rs_inject_seems_empty(&queue)) return false;
        if (rs_inject_pop(&queue) != &items[0][i].link) return false;
    }
    return rs_inject_pop(&queue) == NULL && rs_inject_seems_empty(&queue);
}

// Links items `first` .. `last` of producer `p` and pushes them as one batch.
static void push_batch(uint32_t p, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        items[p][i].link.next = &items[p][i + 1].link;
    }
    rs_inject_push_batch(&queue, &items[p][first].link, &items[p][last].link, last - first + 1);
}

static bool batches_keep_their_order(void)
{
    struct rs_task_link *out[10];

    rs_inject_init(&queue);
    push_batch(0, 0, 4);
    rs_inject_push(&queue, &items[0][5].link);
    push_batch(0, 6, 11);
    if (rs_inject_length(&queue) != 12) return false;
    if (rs_inject_pop_batch(&queue, out, 0) != 0) return false;
    if (rs_inject_pop_batch(&queue, out, 10) != 10) return false;
    for (size_t i = 0; i < 10; i++) {
        if (out[i] != &items[0][i].link) return false;
    }
    return rs_inject_pop_batch(&queue, out, 10) == 2 && out[1] == &items[0][11].link &&
           rs_inject_length(&queue) == 0 && rs_inject_pop_batch(&queue, out, 10) == 0;
}

static void *produce(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;
    uint64_t random = 100 + me;

    for (uint32_t first = 0; first < TASKS_PER_PRODUCER;) {
        uint32_t count = (uint32_t)(claim_random(&random) % BATCH_MAX) + 1;

        if (count > TASKS_PER_PRODUCER - first) count = TASKS_PER_PRODUCER - first;
        for (uint32_t i = first; i < first + count; i++) {
            items[me][i].producer = me;
            items[me][i].number = i;
        }
        if (count == 1) {
            rs_inject_push(&queue, &items[me][first].link);
        } else {
            push_batch(me, first, first + count - 1);
        }
        first += count;
    }
    return NULL;
}

// `seen` holds one more than the last number from each producer.
static void arrive(struct rs_task_link *task, uint32_t seen[PRODUCERS])
{
    struct item *item = (struct item *)(void *)task;

    if (item->number < seen[item->producer]) {
        atomic_fetch_add_explicit(&disorders, 1, memory_order_relaxed);
    }
    seen[item->producer] = item->number + 1;
    atomic_fetch_add_explicit(&item->arrivals, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&tasks_arrived, 1, memory_order_relaxed);
}

static void *consume(void *arg)
{
    uint64_t random = 200 + (uint64_t)(uintptr_t)arg;
    uint32_t seen[PRODUCERS] = {0};
    const uint32_t all = PRODUCERS * TASKS_PER_PRODUCER;

    while (atomic_load_explicit(&tasks_arrived, memory_order_relaxed) < all) {
        struct rs_task_link *out[BATCH_MAX];
        uint32_t max = (uint32_t)(claim_random(&random) % BATCH_MAX) + 1;
        uint32_t count = rs_inject_pop_batch(&queue, out, max);

        for (uint32_t i = 0; i < count; i++) {
            arrive(out[i], seen);
        }
        if (count == 0) sched_yield();
    }
    return NULL;
}

static bool each_task_arrives_once_in_order(void)
{
    pthread_t threads[PRODUCERS + CONSUMERS];

    rs_inject_init(&queue);
    for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++) {
        void *(*role)(void *) = i < PRODUCERS ? produce : consume;

        if (pthread_create(&threads[i], NULL, role, (void *)(uintptr_t)i) != 0) abort();
    }
    for (unsigned i = 0; i < PRODUCERS + CONSUMERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (uint32_t p = 0; p < PRODUCERS; p++) {
        for (uint32_t i = 0; i < TASKS_PER_PRODUCER; i++) {
            if (atomic_load_explicit(&items[p][i].arrivals, memory_order_relaxed) != 1) {
                return false;
            }
        }
    }
    return atomic_load_explicit(&disorders, memory_order_relaxed) == 0 &&
           rs_inject_length(&queue) == 0;
}

int main(void)
{
    claim(first_in_first_out(), "first in, first out, and the length is right");
    claim(batches_keep_their_order(), "batches keep their order among single tasks");
    claim(each_task_arrives_once_in_order(),
          "with many producers and consumers each task arrives once, in its producer's order");
    return claims_end();
}
