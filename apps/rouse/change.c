// SPDX-License-Identifier: MIT
//
// See change.h. Counts only grow; where one has not, what it counted is another thing, and there is
// no change to be told.
#include "change.h"

#include <rouse/clock.h>
#include <string.h>

void change_init(struct change *change, const struct snapshot *now, const struct snapshot *before)
{
    bool follows = before != NULL && before->pid == now->pid && before->time_ns < now->time_ns &&
                   before->uptime_ns <= now->uptime_ns;

    *change = (struct change){.now = now, .before = follows ? before : NULL};
    change->duration_ns = follows ? now->time_ns - before->time_ns : now->uptime_ns;
    if (change->duration_ns == 0) change->duration_ns = 1;
}

static const struct snapshot_scheduler *scheduler_before(const struct change *change,
                                                         const struct snapshot_scheduler *now)
{
    if (change->before == NULL) return NULL;
    for (unsigned i = 0; i < change->before->scheduler_count; i++) {
        const struct snapshot_scheduler *scheduler = &change->before->schedulers[i];

        if (strcmp(scheduler->name, now->name) == 0) return scheduler;
    }
    return NULL;
}

static uint64_t grown(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

static double per_second(const struct change *change, uint64_t count)
{
    return (double)count * (double)ROUSE_NS_PER_S / (double)change->duration_ns;
}

struct change_worker change_of_worker(const struct change *change,
                                      const struct snapshot_scheduler *scheduler, unsigned worker)
{
    static const struct snapshot_worker none;
    const struct snapshot_worker *now = &change->now->workers[scheduler->worker_first + worker];
    const struct snapshot_worker *before = &none;
    const struct snapshot_scheduler *earlier = scheduler_before(change, scheduler);

    if (earlier != NULL && worker < earlier->worker_count) {
        before = &change->before->workers[earlier->worker_first + worker];
    }
    double busy = (double)grown(now->busy_ns, before->busy_ns) / (double)change->duration_ns;

    // The two clocks are read one after the other, so it may be a little more than all.
    return (struct change_worker){
        .busy = busy < 1 ? busy : 1,
        .polls_per_s = per_second(change, grown(now->poll_count, before->poll_count)),
        .steals_per_s = per_second(change, grown(now->steal_count, before->steal_count)),
    };
}

static void histogram_grown(struct rouse_histogram *out, const struct rouse_histogram *now,
                            const struct rouse_histogram *before)
{
    *out = (struct rouse_histogram){.size = sizeof *out};
    for (unsigned i = 0; i < ROUSE_HISTOGRAM_BUCKETS; i++) {
        out->buckets[i] = grown(now->buckets[i], before == NULL ? 0 : before->buckets[i]);
        out->count += out->buckets[i];
    }
}

void change_of_poll_time(const struct change *change, const struct snapshot_scheduler *scheduler,
                         struct rouse_histogram *out)
{
    const struct snapshot_scheduler *earlier = scheduler_before(change, scheduler);

    histogram_grown(out, &scheduler->poll_time, earlier == NULL ? NULL : &earlier->poll_time);
}

void change_of_schedule_latency(const struct change *change,
                                const struct snapshot_scheduler *scheduler,
                                struct rouse_histogram *out)
{
    const struct snapshot_scheduler *earlier = scheduler_before(change, scheduler);

    histogram_grown(out, &scheduler->schedule_latency,
                    earlier == NULL ? NULL : &earlier->schedule_latency);
}
