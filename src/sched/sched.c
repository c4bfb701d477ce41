// SPDX-License-Identifier: MIT
//
// What the workers of a scheduler share: spawning and scheduling from any thread, placement, the
// counts, and the phases of the end.

#include "sched/sched.h"

#include <errno.h>
#include <rouse/assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/choice.h"
#include "base/global_lock.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/tls.h"
#include "sched/observe.h"
#include "sched/usdt.h"
#include "task/task.h"

static struct rs_sched *registry;  // under RS_GLOBAL_SCHEDULERS
static uint32_t registered;        // so far; under the same

static struct rs_sched *sched_of(struct rouse_scheduler *base)
{
    return ROUSE_CONTAINER_OF(base, struct rs_sched, base);
}

static struct rs_worker *own_worker(const struct rs_sched *sched)
{
    struct rs_worker *worker = rs_tls.worker;

    return worker != NULL && worker->sched == sched ? worker : NULL;
}

// ---- Scheduling ----

void rs_sched_pin(struct rs_sched *sched)
{
    // Seq_cst, with rs_sched_deinit(): the scheduler is alive now, for the caller holds a task that
    // has not ended or a spawner; and stays until rs_sched_unpin().
    atomic_fetch_add_explicit(&sched->pins, 1, memory_order_seq_cst);
}

void rs_sched_unpin(struct rs_sched *sched)
{
    // Release, with the acquire in rs_sched_deinit(): nothing of it is touched after.
    atomic_fetch_sub_explicit(&sched->pins, 1, memory_order_release);
}

// Of a worker that was in the idle set.
static void call(struct rs_worker *worker)
{
    rs_seat_call(worker);
    rouse_driver_notify(worker->driver);
}

void rs_sched_submitted(struct rs_sched *sched)
{
    int index = rs_idle_pick(&sched->idle);

    if (index >= 0) call(&sched->workers[index]);
}

// Once it is pushed the task may be gone, and a new one may be of use to any worker: so we look
// before, and say so after.
void rs_sched_deliver(struct rs_sched *sched, struct rs_worker *to, struct rouse_task *task)
{
    bool is_pinned = (task->flags & RS_TASK_PINNED) != 0;

    (void)rs_inbox_push(&to->inbox, &task->link);
    // Release, with the acquire in the sentinel's take_arrivals(): who sees this sees the push.
    if (!is_pinned) atomic_store_explicit(&to->arrivals, true, memory_order_release);
    if (rs_idle_take(&sched->idle, to->index)) call(to);
}

static void schedule_foreign(struct rs_sched *sched, struct rouse_task *task)
{
    rs_sched_pin(sched);
    if ((task->flags & RS_TASK_PINNED) != 0) {
        rs_sched_deliver(sched, &sched->workers[task->worker], task);
    } else {
        rs_inject_push(&sched->inject, &task->link);
        rs_sched_submitted(sched);
    }
    rs_sched_unpin(sched);
}

static void sched_schedule(struct rouse_scheduler *base, struct rouse_task *task)
{
    struct rs_sched *sched = sched_of(base);
    struct rs_worker *worker = own_worker(sched);

    rs_usdt_wake(task);
    // The scheduler is alive, as in task_schedule().
    if (rs_sched_is_observed(sched)) rs_observe_wake(task, worker);
    if (worker == NULL) {
        schedule_foreign(sched, task);
    } else if ((task->flags & RS_TASK_PINNED) != 0 && task->worker != worker->index) {
        rs_sched_deliver(sched, &sched->workers[task->worker], task);
    } else {
        rs_worker_schedule(worker, task);
    }
}

// ---- Spawning ----

static bool is_away(const struct rs_worker *worker)
{
    // Relaxed: a hint. It may be back, or gone, by the time that the task is there.
    return atomic_load_explicit(&worker->away, memory_order_relaxed);
}

// A new fiber goes to the less loaded of two workers; but to another one only if that is worth a
// wake from core to core. Where there are many, those that are spawned one after another stay
// together, a few at a time: they often talk to each other, and none of them ever moves.
enum {
    PLACEMENT_SLACK = 4,
    PLACEMENT_FRACTION = 16,
    PLACEMENT_RUN_FRACTION = 4,
    PLACEMENT_RUN_MAX = 64,
};

static struct rs_worker *less_loaded(struct rs_sched *sched, struct rs_worker *worker)
{
    unsigned step = 1 + rs_random_below(sched->worker_count - 1);
    struct rs_worker *other = &sched->workers[(worker->index + step) % sched->worker_count];

    if (is_away(other)) return worker;
    uint32_t load = rs_worker_load(other);

    return rs_worker_load(worker) > load + PLACEMENT_SLACK + load / PLACEMENT_FRACTION
               ? other
               : worker;
}

static struct rs_worker *place(struct rs_sched *sched, struct rs_worker *worker)
{
    if (sched->worker_count == 1) return worker;
    if (worker->run_left > 0 && !is_away(worker->run_target)) {
        worker->run_left--;
        return worker->run_target;
    }
    uint32_t run = rs_worker_load(worker) / PLACEMENT_RUN_FRACTION;

    worker->run_left = run < PLACEMENT_RUN_MAX ? run : PLACEMENT_RUN_MAX;
    worker->run_target = less_loaded(sched, worker);
    return worker->run_target;
}

static void count_spawn(struct rs_sched *sched, struct rs_worker *worker)
{
    // Relaxed, all: see rs_sched_live(). A worker is the only writer of its own count.
    if (worker == NULL) {
        atomic_fetch_add_explicit(&sched->foreign_spawned, 1, memory_order_relaxed);
        return;
    }
    atomic_store_explicit(&worker->spawned,
                          atomic_load_explicit(&worker->spawned, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

// Whose a new task is to be, before anybody else sees it. NULL: nobody's in particular.
static struct rs_worker *target_choose(struct rs_sched *sched, struct rs_worker *worker,
                                       struct rouse_task *task,
                                       const struct rouse_task_attrs *attrs)
{
    unsigned pinned_to = attrs != NULL ? attrs->worker : 0;
    struct rs_worker *target = worker;

    if (pinned_to != 0 || (attrs != NULL && attrs->pinned)) {
        if (worker == NULL) target = &sched->workers[rs_random_below(sched->worker_count)];
        if (pinned_to != 0) target = &sched->workers[pinned_to - 1];
        task->flags |= RS_TASK_PINNED;
        task->worker = (uint8_t)target->index;
    } else if (worker != NULL && (task->flags & RS_TASK_FIBER) != 0) {
        target = place(sched, worker);
    }
    return target;
}

static void start(struct rs_sched *sched, struct rs_worker *worker, struct rs_worker *target,
                  struct rouse_task *task)
{
    rs_usdt_spawn(task);
    if (rs_sched_is_observed(sched)) rs_observe_wake(task, worker);
    if (worker == NULL) {
        schedule_foreign(sched, task);
    } else if (target != worker) {
        rs_inbox_count_placed(&target->inbox);
        rs_sched_deliver(sched, target, task);
    } else {
        rs_worker_push(worker, task);
    }
}

// 0 if one more task may be made, and then counted against the limit.
static int admit(struct rs_sched *sched, const struct rs_worker *worker)
{
    // Seq_cst, with rs_sched_close(): it waits for the pins of those who came before its store.
    if (worker == NULL &&
        atomic_load_explicit(&sched->phase, memory_order_seq_cst) != RS_PHASE_OPEN) {
        return -ECANCELED;
    }
    if (sched->task_limit == 0) return 0;
    // Relaxed, both: a limit, not an order.
    if (atomic_fetch_add_explicit(&sched->live, 1, memory_order_relaxed) <
        (int64_t)sched->task_limit) {
        return 0;
    }
    atomic_fetch_sub_explicit(&sched->live, 1, memory_order_relaxed);
    return -EAGAIN;
}

static int spawn_admitted(struct rs_sched *sched, struct rs_worker *worker,
                          struct rouse_join_handle *handle, const struct rouse_future_spec *spec,
                          const struct rouse_task_attrs *attrs, uint8_t flags)
{
    struct rouse_task *task;
    int err = worker != NULL
                  ? rs_task_new(&task, worker->heap, NULL, &sched->base, handle, spec, attrs)
                  : rs_task_new(&task, sched->foreign_heap, &sched->foreign_lock, &sched->base,
                                handle, spec, attrs);

    if (err < 0) {
        // Relaxed: a limit, not an order.
        if (sched->task_limit != 0) {
            atomic_fetch_sub_explicit(&sched->live, 1, memory_order_relaxed);
        }
        return err;
    }
    task->flags |= flags;
    struct rs_worker *target = target_choose(sched, worker, task, attrs);

    rs_task_publish(task);
    count_spawn(sched, worker);
    // A task that is spawned by a task during the shutdown has been asked to end already.
    if (rs_sched_is_closing(sched)) (void)rs_state_abort(&task->state);
    if (rs_sched_is_bared(sched)) (void)rs_state_bare(&task->state);
    start(sched, worker, target, task);
    return 0;
}

int rs_sched_spawn(struct rs_sched *sched, struct rouse_join_handle *handle,
                   const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs,
                   uint8_t flags)
{
    struct rs_worker *worker = own_worker(sched);

    if (attrs != NULL && attrs->worker > sched->worker_count) return -EINVAL;
    if (worker == NULL) rs_sched_pin(sched);
    int err = admit(sched, worker);
    if (err == 0) err = spawn_admitted(sched, worker, handle, spec, attrs, flags);
    if (worker == NULL) rs_sched_unpin(sched);
    return err;
}

int rs_sched_spawn_fiber(struct rs_sched *sched, struct rouse_join_handle *handle,
                         rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs)
{
    struct rs_fiber_start start;
    struct rouse_future_spec spec;
    int err = rs_fiber_spec(&spec, &start, fn, arg, attrs);

    return err < 0 ? err : rs_sched_spawn(sched, handle, &spec, attrs, RS_TASK_FIBER);
}

// ---- Counting, and the end ----

uint64_t rs_sched_spawned(const struct rs_sched *sched)
{
    // Relaxed, both: see rs_sched_live().
    uint64_t spawned = atomic_load_explicit(&sched->foreign_spawned, memory_order_relaxed);

    for (unsigned i = 0; i < sched->worker_count; i++) {
        spawned += atomic_load_explicit(&sched->workers[i].spawned, memory_order_relaxed);
    }
    return spawned;
}

uint64_t rs_sched_live(const struct rs_sched *sched)
{
    uint64_t ended = 0;

    // First what has ended, then what was spawned. Acquire, with the release of a worker that
    // counts a task as ended: then that task's own spawn, and all that it has spawned, are seen
    // below. So if the sums are equal, the tasks that were seen spawned are those that were seen
    // ended, and none of them has left another one behind.
    for (unsigned i = 0; i < sched->worker_count; i++) {
        ended += atomic_load_explicit(&sched->workers[i].ended, memory_order_acquire);
    }
    // For a task that no task has spawned the caller sees to it, by the pins, or by the spawners,
    // that its spawn is either seen or refused.
    return rs_sched_spawned(sched) - ended;
}

bool rs_sched_is_ended(const struct rs_sched *sched)
{
    // Acquire, with the release in rs_sched_end_if_done(): every task has ended.
    return atomic_load_explicit(&sched->phase, memory_order_acquire) >= RS_PHASE_ENDED;
}

bool rs_sched_is_stopped(const struct rs_sched *sched)
{
    // Relaxed: nothing is left to be seen. Who looks after the notify finds it.
    return atomic_load_explicit(&sched->phase, memory_order_relaxed) == RS_PHASE_STOPPED;
}

void rs_sched_notify_all(struct rs_sched *sched)
{
    for (unsigned i = 0; i < sched->worker_count; i++) {
        rouse_driver_notify(sched->workers[i].driver);
    }
}

void rs_sched_end_if_done(struct rs_sched *sched)
{
    uint32_t expected = RS_PHASE_CLOSING;

    // Waits for the pins, which are held for moments, and does not return: a wake or abort from
    // outside may still hold one while the last task ends, and nobody would come back to this.
    //
    // An addition of nothing, for its place in the order of changes. Acquire, with the release in
    // rs_sched_unpin(): a foreign spawn that was admitted is counted by now. Both, with the same
    // call by another worker: of two whose last tasks end at once, the later one sees the counts
    // of the earlier one.
    while (atomic_fetch_add_explicit(&sched->pins, 0, memory_order_acq_rel) != 0) {
        rs_cpu_relax();
    }
    if (rs_sched_live(sched) != 0) return;
    // Release, with the acquire in rs_sched_is_ended(): whoever sees it ended sees what the tasks
    // did. Relaxed on failure.
    if (!atomic_compare_exchange_strong_explicit(&sched->phase, &expected, RS_PHASE_ENDED,
                                                 memory_order_release, memory_order_relaxed)) {
        return;
    }
    (void)rs_sys.futex_wake((uint32_t *)&sched->phase, INT32_MAX);
}

void rs_sched_stop(struct rs_sched *sched)
{
    // Relaxed: the notify publishes it.
    atomic_store_explicit(&sched->phase, RS_PHASE_STOPPED, memory_order_relaxed);
    rs_sched_notify_all(sched);
}

static void abort_block(struct rs_block *block, void *arg)
{
    struct rouse_task *task = rs_task_of_block(block);

    (void)arg;
    if (rs_state_abort(&task->state)) task->scheduler->schedule(task->scheduler, task);
}

static void wait_for_pins(struct rs_sched *sched)
{
    // Seq_cst, with rs_sched_pin(): who pins after our store of the phase sees that.
    while (atomic_load_explicit(&sched->pins, memory_order_seq_cst) != 0) rs_cpu_relax();
}

void rs_sched_close(struct rs_sched *sched)
{
    uint32_t expected = RS_PHASE_OPEN;

    // Seq_cst, with admit(): a spawn either sees this, or is waited for below.
    if (!atomic_compare_exchange_strong_explicit(&sched->phase, &expected, RS_PHASE_CLOSING,
                                                 memory_order_seq_cst, memory_order_relaxed)) {
        return;
    }
    wait_for_pins(sched);
    // The workers ask the tasks in their own memory; these were spawned by other threads.
    rs_lock(&sched->foreign_lock);
    rs_heap_visit(sched->foreign_heap, abort_block, NULL);
    rs_unlock(&sched->foreign_lock);
    rs_sched_notify_all(sched);
}

void rs_sched_bare_block(struct rs_block *block, void *arg)
{
    struct rouse_task *task = rs_task_of_block(block);

    (void)arg;
    if (rs_state_bare(&task->state)) task->scheduler->schedule(task->scheduler, task);
}

void rs_sched_bare(struct rs_sched *sched)
{
    // Relaxed: a worker looks again after the notify, which publishes it.
    atomic_store_explicit(&sched->bared, true, memory_order_relaxed);
    rs_lock(&sched->foreign_lock);
    rs_heap_visit(sched->foreign_heap, rs_sched_bare_block, NULL);
    rs_unlock(&sched->foreign_lock);
    rs_sched_notify_all(sched);
}

bool rs_sched_is_bared(const struct rs_sched *sched)
{
    // Relaxed: stands for nothing but itself. A worker that spawns and does not see it yet breaks
    // the new task's shields with those of all others, when it does.
    return atomic_load_explicit(&sched->bared, memory_order_relaxed);
}

// ---- Made and freed ----

static const char *current_task_name(void)
{
    const struct rouse_context *cx = rs_tls.context;

    return cx != NULL && cx->task != NULL ? rouse_task_name(cx->task) : NULL;
}

static void registry_add(struct rs_sched *sched)
{
    rs_lock(rs_global_lock(RS_GLOBAL_SCHEDULERS));
    sched->number = ++registered;
    sched->next = registry;
    if (registry != NULL) registry->prev = sched;
    registry = sched;
    rs_unlock(rs_global_lock(RS_GLOBAL_SCHEDULERS));
}

static void registry_remove(struct rs_sched *sched)
{
    rs_lock(rs_global_lock(RS_GLOBAL_SCHEDULERS));
    if (sched->next != NULL) sched->next->prev = sched->prev;
    *(sched->prev != NULL ? &sched->prev->next : &registry) = sched->next;
    rs_unlock(rs_global_lock(RS_GLOBAL_SCHEDULERS));
}

void rs_sched_visit(void (*visit)(struct rs_sched *sched, void *arg), void *arg)
{
    rs_lock(rs_global_lock(RS_GLOBAL_SCHEDULERS));
    for (struct rs_sched *sched = registry; sched != NULL; sched = sched->next) visit(sched, arg);
    rs_unlock(rs_global_lock(RS_GLOBAL_SCHEDULERS));
}

struct task_visit {
    void (*visit)(struct rouse_task *task, void *arg);
    void *arg;
    struct rs_task_link **unowned;
};

static void visit_block(struct rs_block *block, void *arg)
{
    struct task_visit *v = arg;
    struct rouse_task *task = rs_task_of_block(block);

    // The state word of a free block says COMPLETE until another task is made there. So what we
    // have a share of is a task; but since the block was found, it may have become one that is
    // still being made.
    if (!rs_state_try_ref(&task->state)) return;
    if (rs_block_is_published(block)) v->visit(task, v->arg);
    if (rs_state_unref(&task->state)) {
        task->link.next = *v->unowned;
        *v->unowned = &task->link;
    }
}

void rs_sched_visit_tasks(struct rs_sched *sched, void (*visit)(struct rouse_task *task, void *arg),
                          void *arg, struct rs_task_link **unowned)
{
    struct task_visit v = {.visit = visit, .arg = arg, .unowned = unowned};

    for (unsigned i = 0; i < sched->worker_count; i++) {
        rs_heap_visit(sched->workers[i].heap, visit_block, &v);
    }
    rs_lock(&sched->foreign_lock);
    rs_heap_visit(sched->foreign_heap, visit_block, &v);
    rs_unlock(&sched->foreign_lock);
}

bool rs_sched_visit_some_tasks(struct rs_sched *sched, struct rs_task_cursor *cursor, size_t count,
                               void (*visit)(struct rouse_task *task, void *arg), void *arg,
                               struct rs_task_link **unowned)
{
    struct task_visit v = {.visit = visit, .arg = arg, .unowned = unowned};
    bool is_foreign = cursor->heap >= sched->worker_count;
    struct rs_heap *heap = is_foreign ? sched->foreign_heap : sched->workers[cursor->heap].heap;

    if (is_foreign) rs_lock(&sched->foreign_lock);
    size_t visited = rs_heap_visit_some(heap, cursor->block, count, visit_block, &v);
    if (is_foreign) rs_unlock(&sched->foreign_lock);
    cursor->block += visited;
    if (visited == count) return true;
    *cursor = (struct rs_task_cursor){.heap = is_foreign ? 0 : cursor->heap + 1};
    return !is_foreign;
}

void rs_sched_visit_task(struct rs_sched *sched, uintptr_t address,
                         void (*visit)(struct rouse_task *task, void *arg), void *arg,
                         struct rs_task_link **unowned)
{
    struct task_visit v = {.visit = visit, .arg = arg, .unowned = unowned};

    for (unsigned i = 0; i <= sched->worker_count; i++) {
        bool is_foreign = i == sched->worker_count;
        struct rs_heap *heap = is_foreign ? sched->foreign_heap : sched->workers[i].heap;
        struct rs_block *block = rs_heap_block_at(heap, address);

        if (block != NULL && rs_block_is_published(block)) visit_block(block, &v);
    }
}

static size_t workers_size(unsigned count)
{
    return (count * sizeof(struct rs_worker) + 4095) & ~(size_t)4095;
}

static void workers_deinit(struct rs_sched *sched, unsigned count)
{
    for (unsigned i = 0; i < count; i++) rs_worker_deinit(&sched->workers[i]);
    rs_pages_free(sched->allocator, sched->workers, workers_size(sched->worker_count));
}

static int workers_init(struct rs_sched *sched, const struct rs_sched_options *options)
{
    struct rs_worker_options worker = {.allocator = options->allocator,
                                       .reactor = options->reactor,
                                       .stack_size = options->stack_size,
                                       .spin_max_ns = options->spin_max_ns};

    sched->workers = rs_pages_alloc(options->allocator, workers_size(options->workers), 4096);
    if (sched->workers == NULL) return -ENOMEM;
    sched->worker_count = options->workers;
    for (unsigned i = 0; i < options->workers; i++) {
        int err = rs_worker_init(&sched->workers[i], sched, i, &worker);

        if (err == 0) continue;
        workers_deinit(sched, i);
        return err;
    }
    return 0;
}

static void pool_drained(void *data)
{
    // A virtual clock may jump now. A real one goes on, and no worker has to come for it.
    if (rs_clock_is_virtual()) rs_sched_notify_all(data);
}

static void pools_init(struct rs_sched *sched, const struct rs_sched_options *o)
{
    rs_blocking_pool_init(&sched->pool, o->allocator, o->blocking_threads, o->blocking_queue);
    rs_blocking_pool_init(&sched->lookups, o->allocator,
                          o->lookup_threads != 0 ? o->lookup_threads : RS_LOOKUP_THREADS_MAX,
                          o->lookup_queue != 0 ? o->lookup_queue : RS_LOOKUP_QUEUE_MAX);
    sched->pool.spin.max_ns = o->spin_max_ns;
    sched->lookups.spin.max_ns = o->spin_max_ns;
    sched->pool.drained = pool_drained;
    sched->pool.drained_data = sched;
    sched->pool.lookups = &sched->lookups;
    sched->lookups.drained = pool_drained;
    sched->lookups.drained_data = sched;
}

int rs_sched_init(struct rs_sched *sched, const struct rs_sched_options *options)
{
    rs_chaos_init();
    // Relaxed: a pointer to a function, the same each time.
    atomic_store_explicit(&rs_log_task_name, current_task_name, memory_order_relaxed);
    sched->base.schedule = sched_schedule;
    sched->allocator = options->allocator;
    sched->kind = options->kind;
    sched->task_limit = options->task_limit;
    // Relaxed: not shared yet.
    atomic_store_explicit(&sched->sentinel, -1, memory_order_relaxed);
    rs_inject_init(&sched->inject);
    rs_idle_init(&sched->idle);
    rs_solo_init(&sched->solo, options->no_solo);
    sched->foreign_heap = rs_heap_new(options->allocator);
    if (sched->foreign_heap == NULL) return -ENOMEM;
    int err = workers_init(sched, options);

    if (err < 0) goto no_workers;
    if (options->histograms) err = rs_observe_start(sched, RS_OBSERVE_TIMES);
    if (err < 0) goto no_observations;
    pools_init(sched, options);
    registry_add(sched);
    rs_insight_attach(sched);
    return 0;

no_observations:
    rs_observe_end(sched);
    workers_deinit(sched, sched->worker_count);
no_workers:
    rs_heap_close(sched->foreign_heap);
    return err;
}

size_t rs_sched_jobs(const struct rs_sched *sched)
{
    return rs_blocking_pool_jobs(&sched->pool) + rs_blocking_pool_jobs(&sched->lookups);
}

bool rs_sched_end_jobs(struct rs_sched *sched, uint64_t deadline_ns)
{
    rs_blocking_pool_close(&sched->pool);
    rs_blocking_pool_close(&sched->lookups);
    return rs_blocking_pool_wait(&sched->pool, deadline_ns) &&
           rs_blocking_pool_wait(&sched->lookups, deadline_ns);
}

static void pools_deinit(struct rs_sched *sched)
{
    rs_blocking_pool_deinit(&sched->lookups);
    rs_blocking_pool_deinit(&sched->pool);
}

void rs_sched_deinit(struct rs_sched *sched)
{
    rs_insight_detach(sched);
    registry_remove(sched);
    wait_for_pins(sched);
    pools_deinit(sched);
    rs_observe_end(sched);
    rs_seats_deinit(sched);
    workers_deinit(sched, sched->worker_count);
    rs_heap_close(sched->foreign_heap);
}

void rs_sched_discard(struct rs_sched *sched)
{
    registry_remove(sched);
    rs_monitor_forget(&sched->monitor);
    pools_deinit(sched);
    rs_observe_end(sched);
    rs_seats_deinit(sched);
    for (unsigned i = 0; i < sched->worker_count; i++) rs_worker_discard(&sched->workers[i]);
    rs_pages_free(sched->allocator, sched->workers, workers_size(sched->worker_count));
    rs_heap_discard(sched->foreign_heap);
}
