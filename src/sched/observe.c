// SPDX-License-Identifier: MIT
//
// Measuring polls and wakes: the side that writes, on the workers' threads and those that wake.

#include "sched/observe.h"

#include <errno.h>
#include <rouse/clock.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "sched/sched.h"
#include "task/task.h"

enum { PAGE = 4096, SITE_INTERVAL = 64, ID_USE_BITS = 20, ID_USE_MAX = (1 << ID_USE_BITS) - 1 };

static size_t observations_size(void)
{
    return (sizeof(struct rs_observations) + PAGE - 1) / PAGE * PAGE;
}

// What there is to write to, if there is not yet. A console begins while tasks run, one of which
// may be stuck in the program's allocator: so what it asks for comes from the system.
static int worker_prepare(struct rs_worker *worker, uint32_t what)
{
    bool by_console = (what & RS_OBSERVE_LANES) != 0;
    const struct rouse_allocator *allocator =
        by_console ? rouse_allocator_default() : worker->sched->allocator;

    if (worker->observations == NULL) {
        worker->observations = rs_pages_alloc(allocator, observations_size(), PAGE);
        if (worker->observations == NULL) return -ENOMEM;
        worker->observations->allocator = allocator;
    }
    int err = 0;

    if ((what & RS_OBSERVE_TRACE) != 0 && worker->observations->ring.records == NULL) {
        err = rs_trace_ring_init(&worker->observations->ring, worker->sched->allocator);
    }
    if (err == 0 && (what & RS_OBSERVE_LANES) != 0 && worker->observations->sites.records == NULL) {
        err = rs_trace_ring_init_small(&worker->observations->sites, rouse_allocator_default());
    }
    if (err == 0 && (what & RS_OBSERVE_LANES) != 0 && worker->observations->lanes.records == NULL) {
        err = rs_trace_ring_init_short(&worker->observations->lanes, rouse_allocator_default());
    }
    if (err == 0 && (what & RS_OBSERVE_NAMES) != 0 && worker->observations->names.records == NULL) {
        err = rs_trace_ring_init(&worker->observations->names, rouse_allocator_default());
    }
    return err;
}

int rs_observe_start(struct rs_sched *sched, uint32_t what)
{
    int err = 0;

    rs_lock(&sched->observe_lock);
    for (unsigned i = 0; i < sched->worker_count && err == 0; i++) {
        err = worker_prepare(&sched->workers[i], what);
    }
    rs_unlock(&sched->observe_lock);
    // Release, with the acquire in rs_observed(): what there is to write to is there.
    if (err == 0) atomic_fetch_or_explicit(&sched->observed, what, memory_order_release);
    return err;
}

void rs_observe_stop(struct rs_sched *sched, uint32_t what)
{
    // Relaxed: what is written to stays where it is. As a read-modify-write it goes on with the
    // releases of rs_observe_start().
    atomic_fetch_and_explicit(&sched->observed, ~what, memory_order_relaxed);
}

void rs_observe_end(struct rs_sched *sched)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_worker *worker = &sched->workers[i];

        if (worker->observations == NULL) continue;
        rs_trace_ring_deinit(&worker->observations->ring, sched->allocator);
        rs_trace_ring_deinit(&worker->observations->lanes, rouse_allocator_default());
        rs_trace_ring_deinit(&worker->observations->sites, rouse_allocator_default());
        rs_trace_ring_deinit(&worker->observations->names, rouse_allocator_default());
        rs_pages_free(worker->observations->allocator, worker->observations, observations_size());
        worker->observations = NULL;
    }
}

uint32_t rs_observed(const struct rs_sched *sched)
{
    // Acquire, with the release in rs_observe_start().
    return atomic_load_explicit(&sched->observed, memory_order_acquire);
}

uint64_t rs_task_id(const struct rouse_task *task)
{
    // Relaxed: whoever has the task knows that it is published, and it stays so.
    uint64_t use = atomic_load_explicit(&task->block.mark, memory_order_relaxed) / 2;

    // The bits of an address that are not always 0, and as many of the uses as there is room for.
    return (uint64_t)(uintptr_t)task / RS_SLAB_ALIGN << ID_USE_BITS | (use & ID_USE_MAX);
}

uintptr_t rs_task_id_address(uint64_t id)
{
    return (uintptr_t)(id >> ID_USE_BITS) * RS_SLAB_ALIGN;
}

static uint64_t woken_at(uint64_t now_ns, const struct rs_worker *by)
{
    return now_ns << RS_WOKEN_SHIFT | (by != NULL ? by->index : RS_WOKEN_OUTSIDE);
}

// ---- Samples ----
//
// Where there are very many polls, to record each of them would cost a server some percent. So the
// wake decides by chance whether the poll that it leads to is in the sample, and is timed only
// then; of others the poll decides. Not every so many: tasks take turns, and it would be the same
// ones.
//
// Whether a poll that is not in the sample was a long one the processor's counter tells, which is
// compared with the clock at those that are. It decides nothing else: where it misleads, a poll
// more is recorded, or one less.

static bool is_sampling(uint32_t what)
{
    return (what & ~(uint32_t)RS_OBSERVE_SAMPLE) == RS_OBSERVE_LANES &&
           (what & RS_OBSERVE_SAMPLE) != 0;
}

// True once in RS_SAMPLE_OF times. A linear congruential generator, with the constants of Numerical
// Recipes; its highest bits are the good ones.
static bool is_chosen(struct rs_observations *seen)
{
    seen->chance = seen->chance * UINT32_C(1664525) + UINT32_C(1013904223);
    return seen->chance < UINT32_MAX / RS_SAMPLE_OF;
}

// The clock is at `now_ns`.
static void compare_ticks(struct rs_observations *seen, uint64_t now_ns)
{
    uint64_t took_ns = now_ns - seen->ticks_ns;

    if (took_ns < (seen->long_ticks == 0 ? ROUSE_NS_PER_MS : ROUSE_NS_PER_S)) return;
    uint64_t ticks = rs_cpu_ticks();

    // The first time is before that by any amount.
    if (took_ns < 2 * ROUSE_NS_PER_S) {
        seen->long_ticks = (ticks - seen->ticks) * RS_SAMPLE_LONG_NS / took_ns;
    }
    seen->ticks = ticks;
    seen->ticks_ns = now_ns;
}

static uint64_t wake_of(uint32_t what, uint64_t now_ns, const struct rs_worker *by)
{
    if (is_sampling(what) && by != NULL && !is_chosen(by->observations)) return RS_WOKEN_UNTIMED;
    return woken_at(now_ns != 0 ? now_ns : rouse_now_ns(), by);
}

static uint8_t weight_of(struct rs_observations *seen, uint32_t what, uint64_t woken)
{
    if (!is_sampling(what)) return 1;
    if (woken == RS_WOKEN_UNTIMED) return 0;
    bool is_decided = woken != 0 && rs_woken_by(woken) != RS_WOKEN_OUTSIDE;

    return is_decided || is_chosen(seen) ? RS_SAMPLE_OF : 0;
}

void rs_observe_wake(struct rouse_task *task, const struct rs_worker *by)
{
    uint32_t what = by != NULL ? rs_observed(by->sched) : 0;

    task->woken = wake_of(what, 0, by);
}

// ---- Polls ----

static void text_copy(char *to, size_t size, const char *from)
{
    size_t length = strnlen(from, size - 1);

    memcpy(to, from, length);
    to[length] = '\0';
}

static struct rs_trace_record *record_begin(struct rs_trace_ring *ring, enum rs_trace_kind kind)
{
    struct rs_trace_record *record = rs_trace_ring_reserve(ring);

    if (record != NULL) record->kind = (uint8_t)kind;
    return record;
}

static uint32_t origin_of(const struct rouse_task *task)
{
    return (uint32_t)(uintptr_t)task->site;
}

static struct rs_trace_record *poll_record(struct rs_trace_ring *ring,
                                           const struct rouse_task *task, bool has_names)
{
    struct rs_trace_record *record = record_begin(ring, RS_TRACE_POLL);

    if (record == NULL) return NULL;
    // Relaxed: only we write it, in a poll.
    bool first = atomic_load_explicit(&task->since_ms, memory_order_relaxed) == 0;

    record->task = rs_task_id(task);
    record->woken = task->woken;
    record->flags = first ? RS_TRACE_FIRST : 0;
    record->origin = origin_of(task);
    if (!has_names) return record;
    text_copy(record->name, sizeof record->name, task->name != NULL ? task->name : task->site);
    text_copy(record->site, sizeof record->site, task->site);
    return record;
}

// Tells now and then what the sites are that short records have as numbers: at a task's first poll,
// unless the one told last was the same, and at one poll in so many. What is dropped comes again.
static void tell_site(struct rs_observations *seen, const struct rouse_task *task, bool first)
{
    bool again = ++seen->lane_count % SITE_INTERVAL == 0;

    if (!again && (!first || task->site == seen->site_told)) return;
    struct rs_trace_record *record = record_begin(&seen->sites, RS_TRACE_POLL);

    if (record == NULL) return;
    seen->site_told = task->site;
    record->origin = origin_of(task);
    text_copy(record->site, sizeof record->site, task->site);
    rs_trace_ring_commit(&seen->sites);
}

// Also where the record may be left out: its place is the next one's then.
static struct rs_trace_record *lane_begin(struct rs_observations *seen,
                                          const struct rouse_task *task)
{
    struct rs_trace_record *lane = poll_record(&seen->lanes, task, false);

    if (lane != NULL) tell_site(seen, task, (lane->flags & RS_TRACE_FIRST) != 0);
    return lane;
}

static uint32_t looks_of(const struct rs_worker *worker)
{
    // Relaxed: the worker's own.
    return atomic_load_explicit(&worker->looks, memory_order_relaxed);
}

static uint64_t begin_time(const struct rs_worker *worker)
{
    const struct rs_observations *seen = worker->observations;
    bool at_once = seen->end_ns != 0 && seen->end_looks == looks_of(worker);

    return at_once ? seen->end_ns : rouse_now_ns();
}

void rs_observe_poll_begin(struct rs_worker *worker, struct rouse_task *task)
{
    uint32_t what = rs_observed(worker->sched);
    struct rs_observed_poll poll = {0};

    if ((what & RS_OBSERVE_TRACE) != 0) {
        poll.record = poll_record(&worker->observations->ring, task, true);
    }
    if ((what & RS_OBSERVE_LANES) != 0) {
        poll.lane = lane_begin(worker->observations, task);
        poll.weight = weight_of(worker->observations, what, task->woken);
    }
    if ((what & RS_OBSERVE_NAMES) != 0) {
        poll.named = poll_record(&worker->observations->names, task, true);
    }
    if (is_sampling(what) && poll.weight == 0 && worker->observations->long_ticks != 0) {
        poll.begin_ticks = rs_cpu_ticks();
    } else {
        poll.begin_ns = begin_time(worker);
    }
    if ((what & RS_OBSERVE_TIMES) != 0 && rs_woken_is_timed(task->woken)) {
        rs_histogram_add(&worker->observations->latencies,
                         rs_woken_ago_ns(task->woken, poll.begin_ns));
    }
    task->woken = 0;
    worker->observations->poll = poll;
}

static void poll_record_end(struct rs_trace_ring *ring, struct rs_trace_record *record,
                            uint64_t begin_ns, uint64_t end_ns, rouse_task_state state)
{
    record->begin_ns = begin_ns;
    record->end_ns = end_ns;
    if (state == ROUSE_TASK_ENDED) record->flags |= RS_TRACE_ENDED;
    if (state == ROUSE_TASK_SCHEDULED) record->flags |= RS_TRACE_AGAIN;
    rs_trace_ring_commit(ring);
}

// Of one that is not in the sample.
static void unsampled_end(struct rs_worker *worker, const struct rs_observed_poll *poll,
                          struct rouse_task *task, rouse_task_state state)
{
    struct rs_observations *seen = worker->observations;
    uint64_t ticks = rs_cpu_ticks() - poll->begin_ticks;

    seen->end_ns = 0;
    if (state == ROUSE_TASK_SCHEDULED) task->woken = wake_of(rs_observed(worker->sched), 0, worker);
    // A core that is behind the one that the poll began on: as good as no time.
    if (ticks < seen->long_ticks || ticks > INT64_MAX || poll->lane == NULL) return;
    uint64_t now = rouse_now_ns();
    double times_long = (double)ticks / (double)seen->long_ticks;
    uint64_t took_ns = (uint64_t)(times_long * (double)RS_SAMPLE_LONG_NS);

    poll->lane->weight = 1;
    poll_record_end(&seen->lanes, poll->lane, now - took_ns, now, state);
}

void rs_observe_poll_end(struct rs_worker *worker, struct rouse_task *task, rouse_task_state state)
{
    struct rs_observations *seen = worker->observations;
    const struct rs_observed_poll *poll = &seen->poll;

    if (poll->begin_ticks != 0) {
        unsampled_end(worker, poll, task, state);
        return;
    }
    uint64_t now = rouse_now_ns();

    seen->end_ns = now;
    seen->end_looks = looks_of(worker);
    uint32_t what = rs_observed(worker->sched);

    if (is_sampling(what)) compare_ticks(seen, now);
    bool is_long = now - poll->begin_ns >= RS_SAMPLE_LONG_NS;

    if (state == ROUSE_TASK_SCHEDULED) task->woken = wake_of(what, now, worker);
    if ((what & RS_OBSERVE_TIMES) != 0) {
        rs_histogram_add(&seen->poll_times, now - poll->begin_ns);
    }
    if (poll->record != NULL) {
        poll_record_end(&seen->ring, poll->record, poll->begin_ns, now, state);
    }
    if (poll->lane != NULL && (is_long || poll->weight > 0)) {
        poll->lane->weight = is_long ? 1 : poll->weight;
        poll_record_end(&seen->lanes, poll->lane, poll->begin_ns, now, state);
    }
    if (poll->named != NULL) {
        poll_record_end(&seen->names, poll->named, poll->begin_ns, now, state);
    }
}

void rs_observe_gap(struct rs_worker *worker)
{
    if (rs_observed(worker->sched) != 0) worker->observations->end_ns = 0;
}

static void park_record(struct rs_trace_ring *ring, uint64_t begin_ns, uint64_t end_ns)
{
    struct rs_trace_record *record = record_begin(ring, RS_TRACE_PARK);

    if (record == NULL) return;
    record->begin_ns = begin_ns;
    record->end_ns = end_ns;
    rs_trace_ring_commit(ring);
}

void rs_observe_park(struct rs_worker *worker, uint64_t begin_ns, uint64_t end_ns)
{
    uint32_t what = rs_observed(worker->sched);

    if ((what & RS_OBSERVE_TRACE) != 0) park_record(&worker->observations->ring, begin_ns, end_ns);
    if ((what & RS_OBSERVE_NAMES) != 0) park_record(&worker->observations->names, begin_ns, end_ns);
}

static void steal_record(struct rs_trace_ring *ring, unsigned victim, uint32_t tasks)
{
    struct rs_trace_record *record = record_begin(ring, RS_TRACE_STEAL);

    if (record == NULL) return;
    record->begin_ns = rouse_now_ns();
    record->task = tasks;
    record->victim = (uint8_t)victim;
    rs_trace_ring_commit(ring);
}

void rs_observe_steal(struct rs_worker *worker, const struct rs_worker *victim, uint32_t tasks)
{
    rs_observe_gap(worker);
    uint32_t what = rs_observed(worker->sched);

    if ((what & RS_OBSERVE_TRACE) != 0) {
        steal_record(&worker->observations->ring, victim->index, tasks);
    }
    if ((what & RS_OBSERVE_LANES) != 0) {
        steal_record(&worker->observations->lanes, victim->index, tasks);
    }
    if ((what & RS_OBSERVE_NAMES) != 0) {
        steal_record(&worker->observations->names, victim->index, tasks);
    }
}
