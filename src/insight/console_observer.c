// SPDX-License-Identifier: MIT
//
// Watching: see console_observer.h.

#include "insight/console_observer.h"

#include <rouse/clock.h>

#include "sched/observe.h"

// Of each worker, in a second: from so many polls on a sample of them will do, and so few have to
// be seen each.
enum { SAMPLE_FROM = 20000, SAMPLE_UP_TO = 5000 };

// So long it takes to see how many there are.
#define JUDGE_NS (5 * ROUSE_NS_PER_MS)

// What belongs to the console alone; and how much of it.
#define LANES ((uint32_t)RS_OBSERVE_LANES | (uint32_t)RS_OBSERVE_NAMES)

const struct rs_watched_sched *rs_observer_sched(const struct rs_observer *observer,
                                                 const struct rs_sched *sched)
{
    for (int i = 0; i < RS_OBSERVER_SCHEDS_MAX; i++) {
        if (observer->scheds[i].number == sched->number) return &observer->scheds[i];
    }
    return NULL;
}

// The scheduler's place, or a free one, or NULL.
static struct rs_watched_sched *place_of(struct rs_observer *observer, const struct rs_sched *sched)
{
    struct rs_watched_sched *free_one = NULL;

    for (int i = 0; i < RS_OBSERVER_SCHEDS_MAX; i++) {
        struct rs_watched_sched *place = &observer->scheds[i];

        if (place->number == sched->number) return place;
        if (place->number == 0 && free_one == NULL) free_one = place;
    }
    if (free_one != NULL) *free_one = (struct rs_watched_sched){.number = sched->number};
    return free_one;
}

// ---- Records ----

struct reading {
    struct rs_observer *observer;
    struct rs_watched_sched *seen;
    const struct rs_worker *worker;
};

static void note(struct rouse_histogram *histogram, uint64_t duration_ns, unsigned times)
{
    histogram->buckets[rouse_histogram_bucket(duration_ns)] += times;
}

// ROUSE_NEVER if it is not known: a wake while nobody watched was not noted, and what stands in its
// place may be that of long ago.
static uint64_t ready_ns(const struct rs_observer *observer, const struct rs_trace_record *poll)
{
    uint64_t ago_ns = rs_woken_ago_ns(poll->woken, poll->begin_ns);

    return !rs_woken_is_timed(poll->woken) || ago_ns > poll->begin_ns - observer->since_ns
               ? ROUSE_NEVER
               : ago_ns;
}

static void take_poll(struct reading *r, const struct rs_trace_record *record)
{
    uint64_t duration = record->end_ns - record->begin_ns;
    uint64_t ready = ready_ns(r->observer, record);

    rs_counts_add(&r->observer->counts, record, ready);
    rs_lanes_add_run(&r->observer->lanes,
                     &(struct rs_lane_run){.task = record->task,
                                           .begin_ns = record->begin_ns,
                                           .duration_ns = duration,
                                           .scheduler = r->worker->sched->number,
                                           .worker = r->worker->index,
                                           .origin = record->origin});
    rs_lanes_add_lost(&r->observer->lanes, record->weight - 1u);
    r->seen->polls += record->weight;
    note(&r->seen->poll_times, duration, record->weight);
    if (ready != ROUSE_NEVER) note(&r->seen->latencies, ready, record->weight);
}

static void take_record(const struct rs_trace_record *record, void *arg)
{
    struct reading *r = arg;

    if (record->kind == RS_TRACE_POLL) take_poll(r, record);
    if (record->kind == RS_TRACE_STEAL) {
        rs_lanes_add_steal(&r->observer->lanes,
                           &(struct rs_lane_steal){.at_ns = record->begin_ns,
                                                   .tasks = record->task,
                                                   .scheduler = r->worker->sched->number,
                                                   .thief = (uint16_t)r->worker->index,
                                                   .victim = record->victim});
    }
}

static void take_site(const struct rs_trace_record *record, void *arg)
{
    const struct reading *r = arg;

    rs_lanes_add_site(&r->observer->lanes, record->origin, record->site);
}

static void take_named(const struct rs_trace_record *record, void *arg)
{
    const struct reading *r = arg;

    if (r->observer->tap != NULL) r->observer->tap(r->worker, record, r->observer->tap_arg);
}

static void ignore_record(const struct rs_trace_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

// Empties a ring, if there is one. Returns how many records were dropped since the last time.
static uint64_t empty(struct rs_trace_ring *ring, uint64_t *dropped,
                      void (*visit)(const struct rs_trace_record *record, void *arg), void *arg)
{
    uint64_t before = *dropped;

    if (ring->records == NULL) return 0;
    (void)rs_trace_ring_read(ring, ring->capacity, visit, arg);
    *dropped = rs_trace_ring_dropped(ring);
    return *dropped - before;
}

// What was left in the rings when it was last switched off is of another time.
static void discard(struct rs_sched *sched, struct rs_watched_sched *seen)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_observations *told = sched->workers[i].observations;

        (void)empty(&told->lanes, &seen->workers[i].dropped, ignore_record, NULL);
        (void)empty(&told->names, &seen->workers[i].unnamed, ignore_record, NULL);
    }
}

static void drain(struct rs_observer *observer, struct rs_sched *sched,
                  struct rs_watched_sched *seen)
{
    struct reading reading = {.observer = observer, .seen = seen};

    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_observations *told = sched->workers[i].observations;

        uint64_t untold = 0;

        reading.worker = &sched->workers[i];
        (void)empty(&told->sites, &untold, take_site, &reading);
        uint64_t lost = empty(&told->lanes, &seen->workers[i].dropped, take_record, &reading);

        rs_lanes_add_lost(&observer->lanes, lost);
        seen->polls += lost;
        observer->unnamed += empty(&told->names, &seen->workers[i].unnamed, take_named, &reading);
    }
}

// Whether a sample will do, by how many polls there were.
static void judge(struct rs_sched *sched, struct rs_watched_sched *seen)
{
    uint64_t now_ns = rouse_now_ns();
    uint64_t took_ns = now_ns - seen->judged_ns;
    bool is_sample = (rs_observed(sched) & RS_OBSERVE_SAMPLE) != 0;

    if (took_ns < JUDGE_NS) return;
    uint64_t rate = seen->polls * ROUSE_NS_PER_S / took_ns / sched->worker_count;

    if (!is_sample && rate >= SAMPLE_FROM) (void)rs_observe_start(sched, RS_OBSERVE_SAMPLE);
    if (is_sample && rate <= SAMPLE_UP_TO) rs_observe_stop(sched, RS_OBSERVE_SAMPLE);
    seen->judged_ns = now_ns;
    seen->polls = 0;
}

// Switches a scheduler on that has been made since the last look, or is to tell more. Without
// memory it is tried again, and shows nothing.
static void read_records(struct rs_observer *observer, struct rs_sched *sched,
                         struct rs_watched_sched *seen)
{
    uint32_t now = rs_observed(sched) & LANES;

    if (now != observer->what) {
        bool is_new = (now & RS_OBSERVE_LANES) == 0;

        if (rs_observe_start(sched, observer->what) < 0) return;
        rs_observe_stop(sched, LANES & ~observer->what);
        if (is_new) discard(sched, seen);
    }
    drain(observer, sched, seen);
    judge(sched, seen);
}

// ---- Workers ----

static void look_at_worker(struct rs_watched_worker *seen, const struct rs_worker *worker,
                           uint64_t now_ns)
{
    int64_t polls = rs_counters_get(&worker->counters, RS_COUNTER_POLLS);
    // Relaxed: two looks with the same count are of one poll.
    bool is_polling = atomic_load_explicit(&worker->current, memory_order_relaxed) != NULL;

    if (!is_polling) {
        seen->since_ns = 0;
    } else if (seen->since_ns == 0 || seen->polls != polls) {
        seen->since_ns = now_ns;
    }
    seen->polls = polls;
}

static void look_at_sched(struct rs_sched *sched, void *arg)
{
    struct rs_observer *observer = arg;
    struct rs_watched_sched *seen = place_of(observer, sched);
    uint64_t now_ns = rouse_now_ns();

    if (seen == NULL) return;
    if (observer->is_on) read_records(observer, sched, seen);
    seen->is_met = true;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        look_at_worker(&seen->workers[i], &sched->workers[i], now_ns);
    }
}

void rs_observer_look(struct rs_observer *observer)
{
    for (int i = 0; i < RS_OBSERVER_SCHEDS_MAX; i++) observer->scheds[i].is_met = false;
    rs_sched_visit(look_at_sched, observer);
    rs_lanes_end_round(&observer->lanes);
    for (int i = 0; i < RS_OBSERVER_SCHEDS_MAX; i++) {
        if (!observer->scheds[i].is_met) observer->scheds[i].number = 0;
    }
}

// ---- On and off ----

static void switch_off(struct rs_sched *sched, void *arg)
{
    (void)arg;
    rs_observe_stop(sched, LANES | (uint32_t)RS_OBSERVE_SAMPLE);
}

void rs_observer_set(struct rs_observer *observer, bool on, bool has_names)
{
    if (on && !observer->is_on) observer->since_ns = rouse_now_ns();
    observer->what = LANES & ((uint32_t)RS_OBSERVE_LANES | (has_names ? RS_OBSERVE_NAMES : 0u));
    if (!on && observer->is_on) {
        rs_sched_visit(switch_off, NULL);
        rs_counts_free(&observer->counts);
        observer->since_ns = 0;
    }
    observer->is_on = on;
}

void rs_observer_free(struct rs_observer *observer)
{
    rs_observer_set(observer, false, false);
}
