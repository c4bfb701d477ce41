// SPDX-License-Identifier: MIT
//
// A pair of tasks that wake each other, each run next when it is woken, beside one that yields: how
// often the pair runs before the other one has a turn, by the length of its polls.

#include <rouse.h>
#include <stdint.h>

#include "claim.h"
#include "sched/worker.h"

enum { ROUNDS = 2000, LONG_ROUNDS = 200, LEARNT = 100 };

static struct rouse_notify notify[2];
static uint64_t poll_ns;     // of each of the pair
static uint32_t rounds;      // still to go
static uint32_t polls;       // of the pair, so far
static uint32_t most_polls;  // between two turns of the other one, once LEARNT were over

static void work(void)
{
    uint64_t until = rouse_now_ns() + poll_ns;

    while (poll_ns > 0 && rouse_now_ns() < until) {
    }
}

static int toss(void *arg)
{
    size_t mine = *(size_t *)arg;

    while (rounds > 0) {
        if (rouse_notify_wait(&notify[mine]) < 0) return -1;
        work();
        polls++;
        rounds -= rounds > 0;
        rouse_notify_one(&notify[1 - mine]);
    }
    return 0;
}

static int stand_by(void *arg)
{
    (void)arg;
    while (rounds > 0) {
        uint32_t before = polls;

        if (rouse_yield() < 0) return -1;
        if (before >= LEARNT && polls - before > most_polls) most_polls = polls - before;
    }
    return 0;
}

// What was most of the pair's polls in a row, or 0 if something went wrong.
static uint32_t most_in_a_row(uint64_t length_ns, uint32_t count)
{
    static size_t indices[2] = {0, 1};
    struct rouse_join_handle pair[2];
    struct rouse_join_handle other;
    bool ended = true;

    poll_ns = length_ns;
    rounds = count;
    polls = 0;
    most_polls = 0;
    for (int i = 0; i < 2; i++) {
        rouse_notify_init(&notify[i]);
        if (rouse_spawn(&pair[i], toss, &indices[i]) < 0) return 0;
    }
    if (rouse_spawn(&other, stand_by, NULL) < 0) return 0;
    rouse_notify_one(&notify[0]);
    ended = rouse_join(&other) == 0;
    for (int i = 0; i < 2; i++) ended = rouse_join(&pair[i]) == 0 && ended;
    return ended ? most_polls : 0;
}

static int root(void *arg)
{
    (void)arg;
    // One more than from the slot: that which was in the queue when its turn came.
    uint32_t most = most_in_a_row(0, ROUNDS);

    claim(most >= RS_WORKER_SLOT_RUNS && most <= RS_WORKER_SLOT_RUNS_MAX + 1,
          "tasks that wake each other run some times in a row");
    most = most_in_a_row(50 * ROUSE_NS_PER_US, LONG_ROUNDS);
    claim(most >= 1 && most <= RS_WORKER_SLOT_RUNS + 1, "and fewer times where polls are long");
    return 0;
}

int main(void)
{
    struct rouse_runtime_options options = {.size = sizeof options, .workers = 1};

    claim(rouse_run_with(root, NULL, &options) == 0, "the program ends");
    return claims_end();
}
