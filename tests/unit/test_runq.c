// SPDX-License-Identifier: MIT
//
// The run queue: its moves one by one, then workers that push to, pop from and steal from each
// other while every task is counted. ThreadSanitizer checks that a task's contents arrive with it.

#include "sched/runq.h"

#include <pthread.h>
#include <stdlib.h>

#include "claim.h"

enum { CAPACITY = RS_RUNQ_CAPACITY, WORKERS = 4, TASKS_PER_WORKER = 250000 };

struct item {
    struct rs_task_link link;  // first, so a link is its item
    uint32_t contents;         // plain: whoever runs the task reads it
    _Atomic uint32_t runs;
};

static struct item items[2 * CAPACITY];

static bool is_item(const struct rs_task_link *task, uint64_t index)
{
    return task == &items[index % (2 * CAPACITY)].link;
}

static bool push_item(struct rs_runq *q, uint64_t index)
{
    return rs_runq_push(q, &items[index % (2 * CAPACITY)].link, true);
}

static bool fill(struct rs_runq *q, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (!push_item(q, i)) return false;
    }
    return rs_runq_length(q) == count && rs_runq_seems_empty(q) == (count == 0);
}

static bool pops_in_order_round_after_round(void)
{
    struct rs_runq q;

    rs_runq_init(&q);
    if (rs_runq_pop(&q) != NULL || !rs_runq_seems_empty(&q)) return false;
    for (uint64_t i = 0; i < 5 * CAPACITY; i++) {
        if (!push_item(&q, 2 * i) || !push_item(&q, 2 * i + 1)) return false;
        if (!is_item(rs_runq_pop(&q), 2 * i) || !is_item(rs_runq_pop(&q), 2 * i + 1)) return false;
    }
    return rs_runq_pop(&q) == NULL && rs_runq_length(&q) == 0;
}

static bool refuses_when_full(void)
{
    struct rs_runq q;

    rs_runq_init(&q);
    if (!fill(&q, CAPACITY) || push_item(&q, CAPACITY)) return false;
    return is_item(rs_runq_pop(&q), 0) && push_item(&q, CAPACITY) && !push_item(&q, 0);
}

static bool take_half_takes_the_older_half(void)
{
    struct rs_task_link *out[CAPACITY];
    struct rs_runq q;

    rs_runq_init(&q);
    if (rs_runq_take_half(&q, out, CAPACITY) != 0 || !fill(&q, CAPACITY)) return false;
    if (rs_runq_take_half(&q, out, CAPACITY) != CAPACITY / 2) return false;
    for (uint64_t i = 0; i < CAPACITY / 2; i++) {
        if (!is_item(out[i], i)) return false;
    }
    if (rs_runq_take_half(&q, out, 1) != 1 || !is_item(out[0], CAPACITY / 2)) return false;
    return rs_runq_length(&q) == CAPACITY / 2 - 1;
}

static bool steal_takes_half_rounded_up(void)
{
    for (uint64_t count = 0; count <= CAPACITY; count++) {
        struct rs_runq from;
        struct rs_runq to;
        uint64_t half = (count + 1) / 2;

        rs_runq_init(&from);
        rs_runq_init(&to);
        if (!fill(&from, count)) return false;

        struct rs_task_link *task = rs_runq_steal(&from, &to);

        if (count == 0 ? task != NULL : !is_item(task, 0)) return false;
        if (count > 0 && rs_runq_length(&to) != half - 1) return false;
        for (uint64_t i = 1; i < half; i++) {
            if (!is_item(rs_runq_pop(&to), i)) return false;
        }
        for (uint64_t i = half; i < count; i++) {
            if (!is_item(rs_runq_pop(&from), i)) return false;
        }
    }
    return true;
}

static bool steal_takes_no_more_than_fit(void)
{
    for (uint64_t space = 0; space < 2; space++) {
        struct rs_runq from;
        struct rs_runq to;

        rs_runq_init(&from);
        rs_runq_init(&to);
        if (!fill(&from, CAPACITY) || !fill(&to, CAPACITY - space)) return false;
        if (!is_item(rs_runq_steal(&from, &to), 0)) return false;
        // Of a half, the first needs no room.
        uint64_t half = CAPACITY / 2;
        uint64_t moved = half > space ? space : half - 1;
        if (rs_runq_length(&to) != CAPACITY - space + moved) return false;
        if (rs_runq_length(&from) != CAPACITY - 1 - moved) return false;
    }
    return true;
}

// What the workers of the stress share.
static struct rs_runq queues[WORKERS];
static struct item *tasks;
static _Atomic uint32_t tasks_run;

static void run(struct rs_task_link *task)
{
    struct item *item = (struct item *)(void *)task;

    if (item->contents == (uint32_t)(item - tasks)) {
        atomic_fetch_add_explicit(&item->runs, 1, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&tasks_run, 1, memory_order_relaxed);
}

// When full: runs the older half itself.
static void push_or_run(struct rs_runq *q, struct rs_task_link *task)
{
    struct rs_task_link *out[CAPACITY];

    while (!rs_runq_push(q, task, true)) {
        uint32_t count = rs_runq_take_half(q, out, CAPACITY);

        for (uint32_t i = 0; i < count; i++) {
            run(out[i]);
        }
    }
}

static bool pop_or_steal(unsigned me, uint64_t *random)
{
    struct rs_task_link *task = rs_runq_pop(&queues[me]);
    unsigned victim = (unsigned)(claim_random(random) % WORKERS);

    if (task == NULL && victim != me) task = rs_runq_steal(&queues[victim], &queues[me]);
    if (task == NULL) return false;
    run(task);
    return true;
}

static void *symmetric_worker(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t random = 1000 + me;
    struct item *mine = &tasks[me * TASKS_PER_WORKER];

    for (uint32_t i = 0; i < TASKS_PER_WORKER;) {
        uint32_t burst = (uint32_t)(claim_random(&random) % (2 * CAPACITY)) + 1;

        for (; burst > 0 && i < TASKS_PER_WORKER; burst--, i++) {
            mine[i].contents = (uint32_t)(&mine[i] - tasks);
            push_or_run(&queues[me], &mine[i].link);
        }
        for (uint64_t pops = claim_random(&random) % (2 * CAPACITY); pops > 0; pops--) {
            (void)pop_or_steal(me, &random);
        }
    }
    while (atomic_load_explicit(&tasks_run, memory_order_relaxed) < WORKERS * TASKS_PER_WORKER) {
        if (!pop_or_steal(me, &random)) sched_yield();
    }
    return NULL;
}

// Worker 0 only pushes, and pops a little; the others live by stealing.
static void *lopsided_worker(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t random = 2000 + me;

    for (uint32_t i = 0; me == 0 && i < WORKERS * TASKS_PER_WORKER; i++) {
        tasks[i].contents = i;
        push_or_run(&queues[0], &tasks[i].link);
        if (claim_random(&random) % 8 == 0) (void)pop_or_steal(0, &random);
    }
    while (atomic_load_explicit(&tasks_run, memory_order_relaxed) < WORKERS * TASKS_PER_WORKER) {
        if (!pop_or_steal(me, &random)) sched_yield();
    }
    return NULL;
}

static bool each_task_ran_once(void)
{
    for (uint32_t i = 0; i < WORKERS * TASKS_PER_WORKER; i++) {
        if (atomic_load_explicit(&tasks[i].runs, memory_order_relaxed) != 1) return false;
    }
    return true;
}

static bool stress(void *(*worker)(void *))
{
    pthread_t threads[WORKERS];
    bool good;

    tasks = calloc(WORKERS * TASKS_PER_WORKER, sizeof *tasks);
    if (tasks == NULL) return false;
    atomic_store_explicit(&tasks_run, 0, memory_order_relaxed);
    for (unsigned i = 0; i < WORKERS; i++) {
        rs_runq_init(&queues[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, worker, (void *)(uintptr_t)i) != 0) abort();
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    good = each_task_ran_once();
    for (unsigned i = 0; i < WORKERS; i++) {
        good = good && rs_runq_seems_empty(&queues[i]);
    }
    free(tasks);
    return good;
}

int main(void)
{
    claim(pops_in_order_round_after_round(), "pops in order of pushes, round after round");
    claim(refuses_when_full(), "refuses a push when full");
    claim(take_half_takes_the_older_half(), "take_half takes the older half, rounded up");
    claim(steal_takes_half_rounded_up(), "steal takes half, rounded up");
    claim(steal_takes_no_more_than_fit(), "steal takes no more than fit");
    claim(stress(symmetric_worker), "each task runs once when all push and steal");
    claim(stress(lopsided_worker), "each task runs once when one pushes and the others steal");
    return claims_end();
}
