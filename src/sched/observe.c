// SPDX-License-Identifier: MIT
//
// Measuring polls and wakes: the side that writes, on the workers' threads and those that wake.

#include "sched/observe.h"

#include <errno.h>
#include <rouse/clock.h>
#include <string.h>

#include "base/alloc.h"
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

void rs_observe_wake(struct rouse_task *task, const struct rs_worker *by)
{
    task->woken = woken_at(rouse_now_ns(), by);
}

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

struct rs_observed_poll rs_observe_poll_begin(struct rs_worker *worker, struct rouse_task *task)
{
    uint32_t what = rs_observed(worker->sched);
    struct rs_observed_poll poll = {0};

    if ((what & RS_OBSERVE_TRACE) != 0) {
        poll.record = poll_record(&worker->observations->ring, task, true);
    }
    if ((what & RS_OBSERVE_LANES) != 0) {
        poll.lane = poll_record(&worker->observations->lanes, task, false);
        if (poll.lane != NULL) {
            tell_site(worker->observations, task, (poll.lane->flags & RS_TRACE_FIRST) != 0);
        }
    }
    if ((what & RS_OBSERVE_NAMES) != 0) {
        poll.named = poll_record(&worker->observations->names, task, true);
    }
    poll.begin_ns = begin_time(worker);
    if ((what & RS_OBSERVE_TIMES) != 0 && task->woken != 0) {
        rs_histogram_add(&worker->observations->latencies,
                         rs_woken_ago_ns(task->woken, poll.begin_ns));
    }
    task->woken = 0;
    return poll;
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

void rs_observe_poll_end(struct rs_worker *worker, const struct rs_observed_poll *poll,
                         struct rouse_task *task, rouse_task_state state)
{
    struct rs_observations *seen = worker->observations;
    uint64_t now = rouse_now_ns();

    seen->end_ns = now;
    seen->end_looks = looks_of(worker);
    if (state == ROUSE_TASK_SCHEDULED) task->woken = woken_at(now, worker);
    if ((rs_observed(worker->sched) & RS_OBSERVE_TIMES) != 0) {
        rs_histogram_add(&seen->poll_times, now - poll->begin_ns);
    }
    if (poll->record != NULL) {
        poll_record_end(&seen->ring, poll->record, poll->begin_ns, now, state);
    }
    if (poll->lane != NULL) {
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
