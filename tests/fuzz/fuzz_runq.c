// SPDX-License-Identifier: MIT
//
// Run queues that push, pop, hand over halves and steal from each other, beside their model: plain
// arrays. One thread does all of it, so that each move must agree with the model at once; what
// threads do to each other, tests/model explores. A step is a byte that says what to do and where,
// and a byte that says how much, so that few bytes fill a queue of the real size.

#include <stdlib.h>
#include <string.h>

#include "sched/runq.h"

enum { CAPACITY = RS_RUNQ_CAPACITY, QUEUES = 3, TASKS = QUEUES * CAPACITY + 1 };

// The tasks of a queue, or those that are in none, as indices into `tasks`; oldest first.
struct list {
    uint32_t items[TASKS];
    uint32_t count;
};

static struct rs_task_link tasks[TASKS];
static struct rs_runq queues[QUEUES];
static struct list expected[QUEUES];
static struct list outside;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held) abort();
}

static void list_add(struct list *list, uint32_t item)
{
    list->items[list->count++] = item;
}

static uint32_t list_take_first(struct list *list)
{
    uint32_t item = list->items[0];

    list->count--;
    memmove(&list->items[0], &list->items[1], list->count * sizeof list->items[0]);
    return item;
}

// The model's side of a task that has left queue `q`: it must be the oldest one there.
static void leaves(unsigned q, const struct rs_task_link *task)
{
    must(expected[q].count > 0);

    uint32_t item = list_take_first(&expected[q]);

    must(task == &tasks[item]);
    list_add(&outside, item);
}

static void push(unsigned q)
{
    bool fits = expected[q].count < CAPACITY;

    must(rs_runq_push(&queues[q], &tasks[outside.items[0]], true) == fits);
    if (fits) list_add(&expected[q], list_take_first(&outside));
}

static void pop(unsigned q)
{
    const struct rs_task_link *task = rs_runq_pop(&queues[q]);

    must((task == NULL) == (expected[q].count == 0));
    if (task != NULL) leaves(q, task);
}

static void take_half(unsigned q, uint32_t max)
{
    struct rs_task_link *out[CAPACITY];
    uint32_t half = (expected[q].count + 1) / 2;
    uint32_t count = rs_runq_take_half(&queues[q], out, max);

    must(count == (half < max ? half : max));
    for (uint32_t i = 0; i < count; i++) {
        leaves(q, out[i]);
    }
}

static void steal(unsigned from, unsigned to)
{
    uint32_t space = CAPACITY - expected[to].count;
    uint32_t half = (expected[from].count + 1) / 2;
    const struct rs_task_link *task = rs_runq_steal(&queues[from], &queues[to]);

    must((task == NULL) == (half == 0));
    if (task == NULL) return;
    leaves(from, task);
    for (uint32_t i = 1; i < half && i <= space; i++) {
        list_add(&expected[to], list_take_first(&expected[from]));
    }
}

static void lengths_must_agree(void)
{
    uint32_t count = outside.count;

    for (unsigned q = 0; q < QUEUES; q++) {
        must(rs_runq_length(&queues[q]) == expected[q].count);
        must(rs_runq_seems_empty(&queues[q]) == (expected[q].count == 0));
        count += expected[q].count;
    }
    must(count == TASKS);
}

static void step(uint8_t code, uint32_t amount)
{
    unsigned q = (code >> 2) % QUEUES;
    unsigned other = (q + 1 + (code >> 7)) % QUEUES;

    switch (code & 3) {
    case 0:
        for (uint32_t i = 0; i <= amount; i++) {
            push(q);
        }
        break;
    case 1:
        for (uint32_t i = 0; i <= amount; i++) {
            pop(q);
        }
        break;
    case 2:
        take_half(q, amount % (CAPACITY + 1));
        break;
    default:
        steal(q, other);
        break;
    }
}

static void begin(void)
{
    outside.count = 0;
    for (uint32_t i = 0; i < TASKS; i++) {
        list_add(&outside, i);
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        rs_runq_init(&queues[q]);
        expected[q].count = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    begin();
    for (size_t i = 0; i + 1 < size; i += 2) {
        step(data[i], data[i + 1]);
        lengths_must_agree();
    }
    // What is left comes out in order, and then all tasks are outside, each of them once.
    for (unsigned q = 0; q < QUEUES; q++) {
        while (expected[q].count > 0) {
            pop(q);
        }
        pop(q);
    }
    lengths_must_agree();
    return 0;
}
