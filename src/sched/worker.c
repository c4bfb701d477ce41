// SPDX-License-Identifier: MIT
//
// A worker's queues, and its loop.
//
// No wake-up is lost. A submitter pushes, then reads the idle set. We announce the sleep to the
// driver, enter the idle set by a seq_cst read-modify-write, and look at every queue once more. One
// of the two comes first: either the submitter sees us and notifies the driver, or we see its task.
// What a worker does not submit, it owes to nobody but itself: see share.c.

#include "sched/worker.h"

#include <errno.h>
#include <rouse/clock.h>
#include <unistd.h>

#include "base/choice.h"
#include "base/number.h"
#include "base/sys.h"
#include "base/tls.h"
#include "fiber/poll.h"
#include "sched/observe.h"
#include "sched/sched.h"
#include "sched/usdt.h"
#include "task/poll.h"

int rs_worker_init(struct rs_worker *worker, struct rs_sched *sched, unsigned index,
                   const struct rs_worker_options *options)
{
    worker->sched = sched;
    worker->index = index;
    worker->alone = sched->worker_count == 1;
    // Relaxed: not shared yet.
    atomic_store_explicit(&worker->cpu, -1, memory_order_relaxed);
    worker->polls_awake = -1;  // it has not slept yet
    worker->slot_runs_max = RS_WORKER_SLOT_RUNS;
    worker->spin.max_ns = options->spin_max_ns;
    rs_share_init(worker);
    rs_runq_init(&worker->runq);
    rs_inbox_init(&worker->inbox);
    rs_hand_init(&worker->hand);
    worker->heap = rs_heap_new(options->allocator);
    if (worker->heap == NULL) return -ENOMEM;

    int err = rouse_driver_new(&worker->driver,
                               &(struct rouse_driver_options){.size = sizeof(struct rouse_driver),
                                                              .allocator = options->allocator,
                                                              .reactor = options->reactor});
    if (err < 0) goto no_driver;
    err = rs_fiber_host_init(&worker->fibers, options->allocator, options->stack_size);
    if (err < 0) goto no_fibers;
    worker->context = (struct rouse_context){.driver = worker->driver};
    worker->number = rs_number_take();
    return 0;

no_fibers:
    rouse_driver_free(worker->driver);
no_driver:
    rs_heap_close(worker->heap);
    return err;
}

void rs_worker_deinit(struct rs_worker *worker)
{
    rs_number_give_back(worker->number);
    rouse_driver_free(worker->driver);
    rs_fiber_host_deinit(&worker->fibers);
    rs_buffer_pool_deinit(&worker->buffers);
    rs_overflow_stack_deinit(&worker->signal_stack);
    rs_heap_close(worker->heap);
}

void rs_worker_discard(struct rs_worker *worker)
{
    rs_number_give_back(worker->number);
    rs_counters_forget(&worker->counters);
    rs_driver_discard(worker->driver);
    rs_stack_pool_discard(&worker->fibers.stacks);
    rs_buffer_pool_deinit(&worker->buffers);
    rs_overflow_stack_deinit(&worker->signal_stack);
    rs_heap_discard(worker->heap);
}

// After how many polls the next look is due, by the length of those since the last one. At most
// twice as many as last time: of long polls and short ones, those few may all have been short.
static uint32_t look_interval(const struct rs_worker *w, uint64_t now)
{
    uint64_t polls = w->tick - w->looked_tick;
    uint64_t took_ns = now - w->looked_ns;
    bool often = took_ns < RS_WORKER_LOOK_OFTEN_NS;
    uint64_t most = often ? RS_WORKER_LOOK_INTERVAL_MAX : RS_WORKER_LOOK_INTERVAL;
    uint64_t fit = often ? most : polls * RS_WORKER_LOOK_NS / took_ns;

    if (most > 2 * w->look_interval) most = 2 * w->look_interval;
    if (fit > most) return (uint32_t)most;
    return fit > 0 ? (uint32_t)fit : 1;
}

static uint32_t slot_runs_max(const struct rs_worker *w, uint64_t now)
{
    uint64_t polls = w->tick - w->looked_tick;
    uint64_t fit = polls * RS_WORKER_SLOT_NS / (now - w->looked_ns + 1);

    if (fit < RS_WORKER_SLOT_RUNS) return RS_WORKER_SLOT_RUNS;
    return fit < RS_WORKER_SLOT_RUNS_MAX ? (uint32_t)fit : RS_WORKER_SLOT_RUNS_MAX;
}

// The driver has been asked just now. The next look is due in so many polls.
static void worker_looked(struct rs_worker *w, uint64_t now, uint32_t interval)
{
    // Relaxed, all: only this thread writes it, and the sentinel compares two readings; `away` is a
    // hint for those who place tasks.
    uint32_t looks = atomic_load_explicit(&w->looks, memory_order_relaxed);

    atomic_store_explicit(&w->looks, looks + 1, memory_order_relaxed);
    atomic_store_explicit(&w->away, false, memory_order_relaxed);
    w->looked_ns = now;
    w->now_ms = (uint32_t)(now / ROUSE_NS_PER_MS);
    w->looked_tick = w->tick;
    w->look_interval = interval;
    w->next_look = w->tick + interval;
}

void rs_worker_enter(struct rs_worker *worker)
{
    worker->stack_end = (uintptr_t)__builtin_frame_address(0);
    // Release, with the acquire in rs_worker_probe(): whether it may be sent a signal.
    atomic_store_explicit(&worker->tid, (int32_t)gettid(), memory_order_release);
    rs_counters_enter(&worker->counters);
    rs_tls.worker = worker;
    rs_tls.number = worker->number;
    rs_tls.heap = worker->heap;
    rs_tls.fibers = &worker->fibers;
    rs_tls.buffers = &worker->buffers;
    rs_tls.allocator = worker->sched->allocator;
    rs_tls.pool = &worker->sched->pool;
    worker->has_rested = true;
    rs_biased_favour(&worker->hand.lock);
    worker_looked(worker, rouse_now_ns(), RS_WORKER_LOOK_INTERVAL);
    rs_busy_begin(&worker->busy, worker->looked_ns);
    rs_seat_take(worker, worker->looked_ns, worker->looked_ns);
    rs_driver_keep(worker->driver);
}

void rs_worker_leave(struct rs_worker *worker)
{
    rs_busy_end(&worker->busy, rouse_now_ns());
    rs_driver_unkeep(worker->driver);
    rs_biased_disown(&worker->hand.lock);
    // Relaxed: a probe that comes too late finds out.
    atomic_store_explicit(&worker->tid, 0, memory_order_relaxed);
    rs_tls.pool = NULL;
    rs_tls.allocator = NULL;
    rs_tls.buffers = NULL;
    rs_tls.fibers = NULL;
    rs_tls.heap = NULL;
    rs_tls.worker = NULL;
    rs_tls.number = 0;
    rs_counters_leave();
}

// A counter that only this worker writes.
static void count(_Atomic uint64_t *counter)
{
    // Relaxed load: ours. Release, with the acquire in rs_sched_live(): who sees a task counted as
    // ended sees its spawn, and those of the tasks that it spawned, counted.
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
                          memory_order_release);
}

// ---- Putting tasks in ----

static bool is_pinned(const struct rs_worker *w, const struct rouse_task *task)
{
    return w->alone || (task->flags & RS_TASK_PINNED) != 0;
}

// The ring is full: some of its older half go where all workers see them. Few enough for the stack
// of a fiber, that has spawned one too many.
enum { OVERFLOW_MAX = 128 };

static void overflow(struct rs_worker *w)
{
    struct rs_task_link *taken[OVERFLOW_MAX];
    uint32_t count_taken = rs_runq_take_half(&w->runq, taken, OVERFLOW_MAX);

    if (count_taken == 0) return;  // thieves were faster: there is room
    rs_counters_add(&w->counters, RS_COUNTER_OVERFLOWS, 1);
    for (uint32_t i = 0; i + 1 < count_taken; i++) taken[i]->next = taken[i + 1];
    taken[count_taken - 1]->next = NULL;
    rs_inject_push_batch(&w->sched->inject, taken[0], taken[count_taken - 1], count_taken);
    rs_sched_submitted(w->sched);
}

static void runq_push(struct rs_worker *w, struct rs_task_link *link)
{
    bool due = rs_share_is_due(w);

    while (!rs_runq_push(&w->runq, link, due)) overflow(w);
    // What is due at one time is shared when all of it is there.
    if (due && !w->in_driver) rs_share_offer(w);
}

// At the back.
static void queue_push(struct rs_worker *w, struct rs_task_link *link)
{
    if (is_pinned(w, rs_task_of_link(link))) {
        rs_pinned_push(&w->pinned, link);
    } else {
        runq_push(w, link);
    }
}

void rs_worker_push(struct rs_worker *w, struct rouse_task *task)
{
    if (!w->alone) rs_share_spawned(w);
    queue_push(w, &task->link);
}

// To be run next, before what was to be.
static struct rs_task_link *slot_exchange(struct rs_worker *w, struct rouse_task *task)
{
    if (is_pinned(w, task)) {
        struct rs_task_link *before = w->pinned.slot;

        w->pinned.slot = &task->link;
        return before;
    }
    return rs_hand_exchange_slot(&w->hand, &task->link);
}

// As chaos may have it: into the queue of all.
static bool shared(struct rs_worker *w, struct rouse_task *task)
{
    if (!rs_chaos(RS_CHAOS_SHARE) || (task->flags & RS_TASK_PINNED) != 0) return false;
    rs_inject_push(&w->sched->inject, &task->link);
    rs_sched_submitted(w->sched);
    return true;
}

// Woken during its poll.
static void queue_push_again(struct rs_worker *w, struct rouse_task *task)
{
    if (!shared(w, task)) queue_push(w, &task->link);
}

void rs_worker_schedule(struct rs_worker *w, struct rouse_task *task)
{
    if (shared(w, task)) return;
    // What the driver wakes has no partner here that would wait for it, or leave it a warm cache.
    if (rs_tls.context == NULL || rs_chaos(RS_CHAOS_REQUEUE)) {
        queue_push(w, &task->link);
        return;
    }
    struct rs_task_link *before = slot_exchange(w, task);

    if (before != NULL) queue_push(w, before);
}

// ---- Taking tasks out ----

static struct rs_task_link *slot_take(struct rs_worker *w)
{
    struct rs_task_link *link = w->pinned.slot;

    w->pinned.slot = NULL;
    if (link != NULL || !rs_hand_has_slot(&w->hand)) return link;
    return rs_hand_exchange_slot(&w->hand, NULL);
}

static void inbox_drain(struct rs_worker *w)
{
    struct rs_task_link *link = rs_inbox_take(&w->inbox);

    while (link != NULL) {
        struct rs_task_link *next = link->next;

        queue_push(w, link);
        link = next;
    }
}

// Of fewer tasks, the caches still have what they need.
enum { COLD_MIN = 64 };

static void driver_has_woken(struct rs_worker *w, int count)
{
    w->cold = count >= COLD_MIN ? (uint32_t)count : 0;
}

static void look_at_driver(struct rs_worker *w)
{
    w->in_driver = true;
    driver_has_woken(w, rs_driver_poll(w->driver));
    w->in_driver = false;

    uint64_t now = rouse_now_ns();

    if (!w->alone) {
        rs_solo_look(w, now);
        rs_share_measure(w, now);
        rs_seat_look(w, now);
        if (!w->has_rested) rs_sentinel_release(w);
    }
    w->slot_runs_max = slot_runs_max(w, now);
    worker_looked(w, now, look_interval(w, now));
}

static struct rs_task_link *runq_pop(struct rs_worker *w)
{
    struct rs_task_link *link = rs_hand_take(&w->hand);

    if (link != NULL) return link;
    uint32_t fit = rs_share_hand_size(w);

    // An exchange that finds nothing holds up the next poll as long as one that finds something.
    if (rs_runq_length(&w->runq) > 0) {
        link = fit > 1 ? rs_hand_fill(&w->hand, &w->runq, fit) : rs_runq_pop(&w->runq);
    }
    if (link == NULL) w->ran_dry = true;
    return link;
}

// Of a queued task: its fiber, if that has begun.
static const struct rs_fiber *fiber_of(const struct rs_task_link *link)
{
    const struct rouse_task *task = rs_task_of_link((struct rs_task_link *)(uintptr_t)link);
    const struct rs_fiber_root *root =
        ROUSE_CONTAINER_OF(rs_task_future(task), struct rs_fiber_root, base);

    if ((task->flags & RS_TASK_FIBER) == 0 || root->base.vtable != &rs_fiber_vtable) return NULL;
    return root->fiber;
}

// From the task of a fiber to where that goes on it is three steps, of which each finds its address
// in what the one before has fetched. So those that are next in the queue are fetched, each a step
// further the nearer it is. Nobody but us takes them out. (Inline, since gcc takes a call of what
// only fetches for one without an effect.)
__attribute__((always_inline)) static inline void fetch_fibers(const struct rs_task_link *next)
{
    const struct rs_fiber *fiber;

    if (next == NULL) return;
    if ((fiber = fiber_of(next)) != NULL) {
        __builtin_prefetch(fiber->coroutine.sp, 1);
        __builtin_prefetch((const char *)fiber->coroutine.sp + RS_CACHE_LINE, 1);
    }
    next = next->next;
    if (next == NULL) return;
    if ((fiber = fiber_of(next)) != NULL) {
        __builtin_prefetch(fiber, 1);
        __builtin_prefetch((const char *)fiber + RS_CACHE_LINE, 1);
    }
    next = next->next;
    rs_task_link_prefetch(next);
    __builtin_prefetch((const void *)((uintptr_t)next + 2 * RS_CACHE_LINE), 1);
}

// Out of line: it takes registers that the usual way then need not save.
__attribute__((noinline)) static void popped_cold(struct rs_worker *w)
{
    w->cold--;
    fetch_fibers(w->pinned.first);
}

// The fibers of a lone worker that yield or wake each other are near, and mostly lie in the order
// in which they run, so that the processor fetches them itself. Those that several workers have
// taken from one another lie in any order; and those that the driver has woken, many at once, have
// been away.
static inline struct rs_task_link *pinned_pop(struct rs_worker *w)
{
    struct rs_task_link *link = rs_pinned_pop(&w->pinned);

    if (!w->alone) {
        fetch_fibers(w->pinned.first);
    } else if (ROUSE_UNLIKELY(w->cold > 0)) {
        popped_cold(w);
    }
    return link;
}

// The pinned queue and the stealable one in turn.
static struct rs_task_link *queue_take(struct rs_worker *w)
{
    struct rs_task_link *link;

    if (w->alone) return pinned_pop(w);
    w->turn_pinned = !w->turn_pinned;
    if (w->turn_pinned) {
        link = pinned_pop(w);
        return link != NULL ? link : runq_pop(w);
    }
    link = runq_pop(w);
    return link != NULL ? link : pinned_pop(w);
}

static struct rs_task_link *local_take(struct rs_worker *w)
{
    struct rs_task_link *link = NULL;

    if (ROUSE_UNLIKELY(!rs_inbox_seems_empty(&w->inbox))) inbox_drain(w);
    if (w->slot_runs < w->slot_runs_max) link = slot_take(w);
    if (link != NULL) {
        w->slot_runs++;
        return link;
    }
    w->slot_runs = 0;
    link = queue_take(w);
    return link != NULL ? link : slot_take(w);
}

// Takes a share of the injection queue: one to run, the others into the ring.
static struct rs_task_link *inject_take(struct rs_worker *w)
{
    struct rs_inject *q = &w->sched->inject;
    struct rs_task_link *taken[RS_RUNQ_CAPACITY / 2];
    size_t share = rs_inject_length(q) / w->sched->worker_count + 1;
    uint32_t room = RS_RUNQ_CAPACITY - rs_runq_length(&w->runq);

    if (share > room) share = room;
    if (share > RS_RUNQ_CAPACITY / 2) share = RS_RUNQ_CAPACITY / 2;
    uint32_t count_taken = rs_inject_pop_batch(q, taken, share > 0 ? (uint32_t)share : 1);

    for (uint32_t i = 1; i < count_taken; i++) queue_push(w, taken[i]);
    return count_taken > 0 ? taken[0] : NULL;
}

static void steal_counted(struct rs_worker *w, const struct rs_worker *victim, uint32_t tasks)
{
    rs_usdt_steal(w->index, victim->index, tasks);
    if (rs_sched_is_observed(w->sched)) rs_observe_steal(w, victim, tasks);
    rs_counters_add(&w->counters, RS_COUNTER_STEALS, tasks);
    rs_counters_add(&w->counters, RS_COUNTER_STEAL_OPERATIONS, 1);
}

static struct rs_task_link *steal(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    unsigned start = rs_random_below(sched->worker_count);

    for (unsigned i = 0; i < sched->worker_count; i++) {
        struct rs_worker *victim = &sched->workers[(start + i) % sched->worker_count];

        if (victim == w || !rs_share_has_surplus(victim)) continue;
        uint64_t before = rs_runq_pushed(&w->runq);
        struct rs_task_link *link = rs_runq_steal(&victim->runq, &w->runq);

        if (link != NULL) {
            steal_counted(w, victim, 1 + (uint32_t)(rs_runq_pushed(&w->runq) - before));
            return link;
        }
    }
    return NULL;
}

static struct rs_task_link *search(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    unsigned limit = (sched->worker_count + 1) / 2;

    if (w->alone) return NULL;
    if (!w->searching && !rs_idle_search_begin(&sched->idle, limit)) return NULL;
    w->searching = true;
    return steal(w);
}

static void search_end(struct rs_worker *w)
{
    if (ROUSE_LIKELY(!w->searching)) return;
    w->searching = false;
    // The last searcher to find work wakes the next one: there may be more.
    if (rs_idle_search_end(&w->sched->idle)) rs_sched_submitted(w->sched);
}

// The next task, cheapest source first. Now and then the driver and the shared queue go first, so
// that a worker that keeps itself busy cannot starve them.
static struct rs_task_link *worker_next(struct rs_worker *w)
{
    struct rs_task_link *link = NULL;

    if (ROUSE_UNLIKELY(++w->tick == w->next_look) || rs_chaos(RS_CHAOS_TURN)) {
        look_at_driver(w);
        link = inject_take(w);
    }
    if (link == NULL && rs_chaos(RS_CHAOS_STEAL)) link = search(w);
    if (link == NULL) link = local_take(w);
    if (ROUSE_UNLIKELY(link == NULL)) {
        link = inject_take(w);
        if (link == NULL) link = search(w);
    }
    if (link != NULL) search_end(w);
    return link;
}

// ---- Running ----

// A dump wants to read what tasks wait for: no poll begins until it is done.
static void stand_still(struct rs_worker *w)
{
    _Atomic uint32_t *pause = &w->sched->pause;
    uint32_t dumps;

    // Relaxed: poll_begin() looks again.
    while ((dumps = atomic_load_explicit(pause, memory_order_relaxed)) != 0) {
        (void)rs_sys.futex_wait((uint32_t *)pause, dumps, NULL);
    }
    if (rs_sched_is_observed(w->sched)) rs_observe_gap(w);
}

static inline void poll_begin(struct rs_worker *w, struct rouse_task *task)
{
    for (;;) {
        // Relaxed: for a dump, which pauses us and then lets a membarrier order this store before
        // the load below; and for the sentinel, which looks twice.
        atomic_store_explicit(&w->current, task, memory_order_relaxed);
        // Acquire, with the release in rs_sched_resume(): a dump that came and went while we slept
        // is done reading what the poll will write.
        if (ROUSE_LIKELY(atomic_load_explicit(&w->sched->pause, memory_order_acquire) == 0)) {
            return;
        }
        // Release: as in poll_end().
        atomic_store_explicit(&w->current, NULL, memory_order_release);
        stand_still(w);
    }
}

static void poll_end(struct rs_worker *w)
{
    // Release, with the acquire in is_still(): a dump that finds us out of it sees what it did.
    atomic_store_explicit(&w->current, NULL, memory_order_release);
    rs_counters_add(&w->counters, RS_COUNTER_POLLS, 1);
    // Relaxed: a hint for placement.
    atomic_store_explicit(&w->fibers_live, (uint32_t)w->fibers.stacks.in_use, memory_order_relaxed);
}

static void task_ended(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;

    count(&w->ended);
    // Relaxed: a limit, not an order.
    if (sched->task_limit != 0) atomic_fetch_sub_explicit(&sched->live, 1, memory_order_relaxed);
    if (ROUSE_UNLIKELY(rs_sched_is_closing(sched))) rs_sched_end_if_done(sched);
}

// In their callers, whatever a probe looks like: see probe.h.
RS_USDT_INLINE void run_begin(struct rs_worker *w, struct rouse_task *task)
{
    rs_chaos_delay();
    poll_begin(w, task);
    task->worker = (uint8_t)w->index;
    rs_usdt_poll_start(task);
}

RS_USDT_INLINE void run_end(struct rs_worker *w, struct rouse_task *task, rouse_task_state state)
{
    rs_usdt_poll_end(task, state);
    poll_end(w);
    if (state == ROUSE_TASK_SCHEDULED) {
        if ((w->context.again & 2) != 0) {
            rs_counters_add(&w->counters, RS_COUNTER_BUDGET_YIELDS, 1);
        }
        queue_push_again(w, task);
    } else if (state == ROUSE_TASK_ENDED) {
        task_ended(w);
    }
}

// What a poll has spent of its budget, of a task that may move.
static inline void count_spent(struct rs_worker *w)
{
    w->spent += RS_TASK_BUDGET - w->context.budget;
}

__attribute__((noinline)) static void run_future(struct rs_worker *w, struct rouse_task *task)
{
    run_begin(w, task);
    rouse_task_state state = rs_task_poll(task, &w->context, w->now_ms);

    count_spent(w);
    run_end(w, task, state);
}

__attribute__((noinline)) static void run_observed_future(struct rs_worker *w,
                                                          struct rouse_task *task)
{
    run_begin(w, task);
    rs_observe_poll_begin(w, task);
    rouse_task_state state = rs_task_poll(task, &w->context, w->now_ms);

    rs_observe_poll_end(w, task, state);
    count_spent(w);
    run_end(w, task, state);
}

// The same pointer, but the compiler cannot know.
static inline void *copy_of(void *pointer)
{
    __asm__("" : "+r"(pointer));
    return pointer;
}

// In the frame of the loop: see fiber/poll.h. A switch leaves the compiler no registers, so what
// lives across one lies in memory, everywhere. Here that is copies, and the loop goes on with the
// worker that this returns.
__attribute__((always_inline)) static inline struct rs_worker *run_fiber(
    struct rs_worker *w, struct rouse_task *task, bool is_observed)
{
    struct rs_worker *kept = copy_of(w);

    task = copy_of(task);
    run_begin(kept, task);
    if (is_observed) rs_observe_poll_begin(kept, task);
    struct rouse_context *outer = rs_task_poll_enter(task, &kept->context);
    bool ended = rs_fiber_poll(task, &kept->context);
    rouse_task_state state = rs_task_poll_leave(task, &kept->context, outer, ended, kept->now_ms);
    if (is_observed) rs_observe_poll_end(kept, task, state);
    run_end(kept, task, state);
    return copy_of(kept);
}

// A poll that is measured, here as well: a fiber's would be mispredicted elsewhere, and seem to
// take longer than it does.
__attribute__((always_inline)) static inline struct rs_worker *run_observed(struct rs_worker *w,
                                                                            struct rouse_task *task)
{
    if ((task->flags & RS_TASK_FIBER) != 0) return run_fiber(w, task, true);
    run_observed_future(w, task);
    return w;
}

// Returns `w`.
__attribute__((always_inline)) static inline struct rs_worker *run_task(struct rs_worker *w,
                                                                        struct rs_task_link *link)
{
    struct rouse_task *task = rs_task_of_link(link);

    if (rs_sched_is_observed(w->sched)) return run_observed(w, task);
    if ((task->flags & RS_TASK_FIBER) != 0) return run_fiber(w, task, false);
    run_future(w, task);
    return w;
}

// ---- Resting ----

bool rs_worker_has_work(const struct rs_worker *w)
{
    const struct rs_sched *sched = w->sched;

    if (!rs_inbox_seems_empty(&w->inbox) || !rs_inject_seems_empty(&sched->inject)) return true;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if (rs_share_has_surplus(&sched->workers[i])) return true;
    }
    return !rs_pinned_is_empty(&w->pinned) || !w->hand.is_empty || rs_hand_has_slot(&w->hand) ||
           !rs_runq_seems_empty(&w->runq);
}

static uint32_t queued(const struct rs_worker *w)
{
    // Relaxed: a hint.
    return rs_runq_length(&w->runq) + atomic_load_explicit(&w->pinned.length, memory_order_relaxed);
}

uint32_t rs_worker_queue_depth(const struct rs_worker *w)
{
    // Relaxed: a moment's view.
    return queued(w) + rs_hand_has_slot(&w->hand);
}

uint32_t rs_worker_load(const struct rs_worker *w)
{
    // Relaxed: a hint.
    return queued(w) + atomic_load_explicit(&w->fibers_live, memory_order_relaxed) +
           rs_inbox_placed(&w->inbox);
}

// A worker may sit on an event that the kernel has given it, and still seem to sleep. So each of
// them has to come and see for itself that there is none, which is its bit in `quiet`. One that has
// run a task takes back its own bit before, and those of the others, to whom it may have sent
// something, when it comes again.
static uint64_t quiet_bit(const struct rs_worker *w)
{
    return UINT64_C(1) << w->index;
}

static void quiet_end(struct rs_worker *w)
{
    w->has_run = true;
    // Relaxed: by the time that we seem to sleep again, our bit is gone.
    atomic_fetch_and_explicit(&w->sched->quiet, ~quiet_bit(w), memory_order_relaxed);
}

// Call with the lock of the jump held, under which alone bits are set, having found nothing. False
// if others have not come yet: they are notified, so that they do.
static bool quiet_begin(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    bool all = true;

    // Relaxed, both: a read-modify-write sees whether one of the others has run meanwhile.
    if (w->has_run) atomic_store_explicit(&sched->quiet, 0, memory_order_relaxed);
    uint64_t quiet = quiet_bit(w) |
                     atomic_fetch_or_explicit(&sched->quiet, quiet_bit(w), memory_order_relaxed);

    w->has_run = false;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if ((quiet >> i & 1) != 0) continue;
        all = false;
        rouse_driver_notify(sched->workers[i].driver);
    }
    return all;
}

// On a virtual clock: true if nothing can happen any more before the next deadline, which then is
// in `*next`. What one worker has woken on behalf of others may lie where only that one sees it; it
// has notified itself then, under the lock that we hold.
static bool nothing_is_left(struct rs_worker *w, uint64_t *next)
{
    struct rs_sched *sched = w->sched;
    uint64_t all = (UINT64_C(1) << sched->worker_count) - 1;
    int woken = 0;

    if (rs_idle_sleepers(&sched->idle) != all) return false;
    if (rs_sched_jobs(sched) > 0) return false;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        if (!rs_driver_is_asleep(sched->workers[i].driver)) return false;
        woken += rs_driver_poll(sched->workers[i].driver);
    }
    if (woken > 0 || rs_worker_has_work(w)) {
        rouse_driver_notify(w->driver);  // we were about to sleep, and have queued it ourselves
        return false;
    }
    if (!quiet_begin(w)) return false;
    *next = ROUSE_NEVER;
    for (unsigned i = 0; i < sched->worker_count; i++) {
        uint64_t deadline = rs_driver_next_deadline(sched->workers[i].driver);

        if (deadline < *next) *next = deadline;
    }
    return *next != ROUSE_NEVER;
}

// Lets time jump to the next deadline. One worker at a time: of two that both find everybody
// asleep, one may just have taken a timer out of its wheel and not woken its task yet.
static void virtual_clock_jump(struct rs_worker *w)
{
    struct rs_sched *sched = w->sched;
    uint64_t next;

    rs_lock(&sched->jump_lock);
    if (nothing_is_left(w, &next)) {
        rs_clock_jump_to(next);
        for (unsigned i = 0; i < sched->worker_count; i++) {
            if (rs_driver_next_deadline(sched->workers[i].driver) <= next) {
                rouse_driver_notify(sched->workers[i].driver);
            }
        }
    }
    rs_unlock(&sched->jump_lock);
}

static void leave_idle_set(void *worker)
{
    struct rs_worker *w = worker;

    w->searching = !rs_idle_leave(&w->sched->idle, w->index);
}

static void has_woken(void *worker)
{
    leave_idle_set(worker);
    rs_seat_give_up(worker);
}

// Between two sleeps.
static uint64_t awake_end(struct rs_worker *w)
{
    uint64_t now = rouse_now_ns();

    rs_counters_add(&w->counters, RS_COUNTER_PARKS, 1);
    if (rs_counters_get(&w->counters, RS_COUNTER_POLLS) == w->polls_awake) {
        rs_counters_add(&w->counters, RS_COUNTER_NOOPS, 1);
    }
    rs_busy_end(&w->busy, now);
    rs_usdt_park(w->index);
    return now;
}

static void awake_begin(struct rs_worker *w)
{
    w->polls_awake = rs_counters_get(&w->counters, RS_COUNTER_POLLS);
    // The polls to come are taken to be like those before.
    worker_looked(w, rouse_now_ns(), w->look_interval);
    rs_busy_begin(&w->busy, w->looked_ns);
    rs_usdt_unpark(w->index);
}

static void worker_sleep(struct rs_worker *w)
{
    uint64_t until = rs_sentinel_claim(w);
    uint64_t begin = awake_end(w);
    uint64_t alarm = rs_burst_promise(w, begin, until);

    rs_seat_look(w, begin);
    if (rs_clock_is_virtual()) virtual_clock_jump(w);
    rs_seat_keep(w, begin);
    w->in_driver = true;
    driver_has_woken(w, rs_driver_sleep(w->driver, alarm, has_woken, w));
    w->in_driver = false;
    rs_share_offer(w);
    rs_monitor_note(&w->sched->monitor);
    awake_begin(w);
    rs_seat_take(w, begin, w->looked_ns);
    rs_worker_learn(w, begin);
    if (rs_sched_is_observed(w->sched)) rs_observe_park(w, begin, w->looked_ns);
    w->ran_dry = true;
    if (until != ROUSE_NEVER) rs_sentinel_look(w);
    rs_burst_come(w);
}

// Sleeps, in the driver, until there may be work. May return for no reason: the caller loops.
static void worker_rest(struct rs_worker *w, bool (*done)(void *arg), void *arg)
{
    struct rs_idle *idle = &w->sched->idle;

    w->has_rested = true;
    rs_heap_flush(w->heap);
    rs_buffer_pool_rest(&w->buffers);
    rs_driver_prepare_sleep(w->driver);
    rs_chaos_delay();
    rs_idle_enter(idle, w->index, w->searching);
    rs_chaos_delay();
    if (rs_worker_has_work(w) || done(arg) || rs_chaos(RS_CHAOS_AWAKE)) {
        rs_driver_cancel_sleep(w->driver);
        leave_idle_set(w);
        w->has_spun = false;
    } else {
        worker_sleep(w);
    }
}

// A worker that wakes to work while others sleep sees to it that one of them keeps an eye on it.
// And so it does at each look: that one may have fallen asleep for good.
__attribute__((always_inline)) static inline struct rs_worker *worker_run_one(
    struct rs_worker *w, struct rs_task_link *link)
{
    if (ROUSE_UNLIKELY(w->has_rested)) {
        w->has_rested = false;
        rs_sentinel_release(w);
    }
    if (ROUSE_UNLIKELY(!w->has_run)) quiet_end(w);
    return run_task(w, link);
}

static void abort_block(struct rs_block *block, void *arg)
{
    struct rouse_task *task = rs_task_of_block(block);

    (void)arg;
    if (rs_state_abort(&task->state)) task->scheduler->schedule(task->scheduler, task);
}

// Asks the tasks in this worker's memory to end, once. They may be run by others meanwhile, and
// freed: then the bits go to a free block, which only we could put to a new use.
static void abort_own_tasks(struct rs_worker *w)
{
    if (!w->aborted) {
        w->aborted = true;
        rs_heap_visit(w->heap, abort_block, NULL);
        rs_sched_end_if_done(w->sched);
    }
    if (!w->bared && rs_sched_is_bared(w->sched)) {
        w->bared = true;
        rs_heap_visit(w->heap, rs_sched_bare_block, NULL);
    }
}

void rs_worker_run(struct rs_worker *w, bool (*done)(void *arg), void *arg)
{
    for (;;) {
        struct rs_task_link *link = worker_next(w);

        if (ROUSE_UNLIKELY(rs_sched_is_closing(w->sched))) abort_own_tasks(w);
        if (link != NULL) {
            w = worker_run_one(w, link);
        } else if (done(arg)) {
            break;
        } else if (!rs_worker_spin(w)) {
            worker_rest(w, done, arg);
        }
    }
    search_end(w);
    rs_sentinel_release(w);
}

// Enough to be worth a call, few enough for the caller's loop to stay responsive.
enum { TURN_POLLS_MAX = 256 };

void rs_worker_part(struct rs_worker *w)
{
    rs_heap_flush(w->heap);
    rs_buffer_pool_rest(&w->buffers);
    rs_driver_prepare_sleep(w->driver);
    rs_idle_enter(&w->sched->idle, w->index, w->searching);
    w->searching = false;
    w->parted = true;
}

void rs_worker_turn(struct rs_worker *w)
{
    rs_driver_cancel_sleep(w->driver);
    if (w->parted) w->searching = !rs_idle_leave(&w->sched->idle, w->index);
    look_at_driver(w);
    for (int i = 0; i < TURN_POLLS_MAX; i++) {
        struct rs_task_link *link = worker_next(w);

        if (link == NULL) break;
        w = run_task(w, link);
    }
    if (!rs_worker_has_work(w)) rs_driver_prepare_crowd(w->driver);
    rs_worker_part(w);
    rs_driver_set_alarm(w->driver, rs_worker_has_work(w));
}
