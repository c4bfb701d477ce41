// SPDX-License-Identifier: MIT
//
// The inbox: order and the word about emptiness, then many pushers against the owner, where each
// task must arrive once and in its pusher's order, and the owner sleeps whenever the inbox is
// empty: only the pusher that found it so wakes it, so one wrong word would hang the test.

#include "sched/inbox.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>

#include "claim.h"

enum { PUSHERS = 3, TASKS_PER_PUSHER = 300000, PATIENCE_S = 20 };

struct item {
    struct rs_task_link link;  // first, so a link is its item
    uint32_t pusher;
    uint32_t number;
    uint32_t arrivals;  // the owner's
};

static struct rs_inbox inbox;
static struct item items[PUSHERS][TASKS_PER_PUSHER];
static sem_t wakes;

static bool first_in_first_out(void)
{
    rs_inbox_init(&inbox);
    for (int round = 0; round < 3; round++) {
        if (rs_inbox_take(&inbox) != NULL || !rs_inbox_seems_empty(&inbox)) return false;
        for (size_t i = 0; i < 100; i++) {
            if (rs_inbox_push(&inbox, &items[0][i].link) != (i == 0)) return false;
        }
        if (rs_inbox_seems_empty(&inbox)) return false;

        struct rs_task_link *task = rs_inbox_take(&inbox);

        for (size_t i = 0; i < 100; i++, task = task->next) {
            if (task != &items[0][i].link) return false;
        }
        if (task != NULL) return false;
    }
    return true;
}

static void *pusher(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg;

    for (uint32_t i = 0; i < TASKS_PER_PUSHER; i++) {
        items[me][i].pusher = me;
        items[me][i].number = i;
        if (rs_inbox_push(&inbox, &items[me][i].link)) sem_post(&wakes);
    }
    return NULL;
}

// Sleeps until woken; false if nobody does.
static bool sleep_patiently(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (sem_timedwait(&wakes, &until) != 0) {
        if (errno != EINTR) return false;
    }
    return true;
}

static bool own(void)
{
    uint32_t seen[PUSHERS] = {0};

    for (uint32_t arrived = 0; arrived < PUSHERS * TASKS_PER_PUSHER;) {
        struct rs_task_link *task = rs_inbox_take(&inbox);

        if (task == NULL && rs_inbox_seems_empty(&inbox) && !sleep_patiently()) return false;
        while (task != NULL) {
            struct item *item = (struct item *)(void *)task;

            task = task->next;
            if (item->number != seen[item->pusher]++) return false;
            if (++item->arrivals != 1) return false;
            arrived++;
        }
    }
    return rs_inbox_take(&inbox) == NULL;
}

static bool each_task_arrives_once_and_no_wake_is_lost(void)
{
    pthread_t threads[PUSHERS];
    bool good;

    rs_inbox_init(&inbox);
    if (sem_init(&wakes, 0, 0) != 0) return false;
    for (unsigned i = 0; i < PUSHERS; i++) {
        if (pthread_create(&threads[i], NULL, pusher, (void *)(uintptr_t)i) != 0) abort();
    }
    good = own();
    for (unsigned i = 0; i < PUSHERS; i++) {
        pthread_join(threads[i], NULL);
    }
    sem_destroy(&wakes);
    return good;
}

int main(void)
{
    claim(first_in_first_out(), "first in, first out; a push says whether it was empty");
    claim(each_task_arrives_once_and_no_wake_is_lost(),
          "each task arrives once, in its pusher's order, and no wake-up is lost");
    return claims_end();
}
