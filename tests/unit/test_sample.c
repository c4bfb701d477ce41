// SPDX-License-Identifier: MIT
//
// A sample of polls: what it says of all of them, and that a long one is always in it. The worker
// and its task are played.

#include <rouse/allocator.h>
#include <rouse/clock.h>
#include <stdlib.h>

#include "claim.h"
#include "sched/observe.h"
#include "sched/sched.h"
#include "task/task.h"

enum { POLLS = 200000, LONG_POLLS = 20 };

static struct rs_worker worker;
static struct rs_sched sched = {.workers = &worker, .worker_count = 1};
static struct rouse_task task = {.site = "here.c:1"};

struct sum {
    uint64_t records;
    uint64_t polls;   // that the records stand for
    uint64_t timed;   // of these, those of which the wake is known
    uint64_t chosen;  // after a wake that was not timed
};

static void add(const struct rs_trace_record *record, void *arg)
{
    struct sum *sum = arg;

    sum->records++;
    sum->polls += record->weight;
    sum->timed += rs_woken_is_timed(record->woken) ? record->weight : 0;
    sum->chosen += record->woken == RS_WOKEN_UNTIMED;
}

static void take(struct sum *sum)
{
    (void)rs_trace_ring_read(&worker.observations->lanes, UINT64_MAX, add, sum);
}

static void poll_once(uint64_t duration_ns, rouse_task_state end)
{
    rs_observe_poll_begin(&worker, &task);
    uint64_t until = rouse_now_ns() + duration_ns;

    while (duration_ns > 0 && rouse_now_ns() < until) continue;
    rs_observe_poll_end(&worker, &task, end);
}

// Wakes by `by`; or, where it is `&task`, by each poll itself.
enum waker { BY_WORKER, BY_THREAD, BY_ITSELF };

static struct sum polls(enum waker by)
{
    struct sum sum = {0};

    for (int i = 0; i < POLLS; i++) {
        if (by != BY_ITSELF) rs_observe_wake(&task, by == BY_WORKER ? &worker : NULL);
        poll_once(0, by == BY_ITSELF ? ROUSE_TASK_SCHEDULED : ROUSE_TASK_WAITING);
        if (i % 1000 == 0) take(&sum);
    }
    take(&sum);
    task.woken = 0;
    return sum;
}

static bool is_about(uint64_t value, uint64_t expected)
{
    return value > expected - expected / 20 && value < expected + expected / 20;
}

// A poll may turn out long because the machine does something else; few do.
static void samples(enum waker by, const char *text)
{
    struct sum sum = polls(by);

    printf("# %llu records for %llu polls\n", (unsigned long long)sum.records,
           (unsigned long long)sum.polls);
    claim(is_about(sum.polls, POLLS) && sum.records < POLLS / RS_SAMPLE_OF * 2, text);
    claim(is_about(sum.timed, sum.polls) && sum.chosen < sum.records / 10,
          "and the wake of each that is recorded was timed");
}

int main(void)
{
    struct sum sum = {0};

    sched.allocator = rouse_allocator_default();
    worker.sched = &sched;
    if (rs_observe_start(&sched, RS_OBSERVE_LANES) < 0) abort();
    sum = polls(BY_WORKER);
    claim(sum.records == POLLS && sum.polls == POLLS && sum.timed == POLLS,
          "without a sample each poll is recorded");

    if (rs_observe_start(&sched, RS_OBSERVE_SAMPLE) < 0) abort();
    samples(BY_WORKER, "records stand for all polls that a worker's wakes led to");
    samples(BY_THREAD, "for those that another thread's did");
    samples(BY_ITSELF, "and for those that the poll before them did");
    sum = (struct sum){0};
    for (int i = 0; i < LONG_POLLS; i++) {
        rs_observe_wake(&task, &worker);
        poll_once(RS_SAMPLE_LONG_NS, ROUSE_TASK_WAITING);
    }
    take(&sum);
    claim(sum.records == LONG_POLLS && sum.polls == LONG_POLLS, "a long poll is never left out");

    rs_observe_stop(&sched, RS_OBSERVE_SAMPLE);
    sum = polls(BY_WORKER);
    claim(sum.records == POLLS && sum.timed == POLLS, "nor is any, once there is no sample");
    rs_observe_end(&sched);
    return claims_end();
}
