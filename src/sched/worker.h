// SPDX-License-Identifier: MIT
//
// A worker: a thread's queues, driver, stacks and task memory, and the loop over them.
//
// Where a runnable task waits:
//
//     runq      stealable tasks; thieves take half
//     hand      the next few of them, where polls are short; and in its slot the one that a task
//               here woke last: run next, at most 3 in a row
//     pinned    tasks that only this worker may run, with a slot of their own: where there is no
//               other worker, all of them
//     inbox     pinned tasks, new ones placed here, and what is given to a worker that is to run
//               alone, from other threads
//
// 1. Only the worker's own thread touches what is not atomic, and only it runs its loop.
// 2. `current` is the task in a poll from before that until after it. RS_COUNTER_POLLS of
//    `counters` grows with each. What a worker has counted stays when its thread leaves the loop.

#ifndef RS_SCHED_WORKER_H
#define RS_SCHED_WORKER_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/counters.h"
#include "base/cpu.h"
#include "base/spin.h"
#include "fiber/fiber.h"
#include "fiber/overflow.h"
#include "io/buffer.h"
#include "io/driver.h"
#include "sched/busy.h"
#include "sched/hand.h"
#include "sched/idle.h"
#include "sched/inbox.h"
#include "sched/pinned.h"
#include "sched/runq.h"
#include "task/slab.h"

struct rs_observations;
struct rs_sched;

// How many tasks from the slot run in a row before the queues get a turn: a pair that wakes each
// other has warm caches, but must not keep the others out. Where polls are short, as many as take
// SLOT_NS.
enum { RS_WORKER_SLOT_RUNS = 3, RS_WORKER_SLOT_RUNS_MAX = 31 };
#define RS_WORKER_SLOT_NS (4 * ROUSE_NS_PER_US)
// Every so many polls the injection queue goes first, and the driver is asked: neither may starve
// behind a worker that keeps itself busy. Prime, so as not to fall into step with a program. Where
// polls are so short that this is too often, four times as many; where they are long, as many as
// take LOOK_NS, or each.
enum { RS_WORKER_LOOK_INTERVAL = 61, RS_WORKER_LOOK_INTERVAL_MAX = 4 * RS_WORKER_LOOK_INTERVAL };
#define RS_WORKER_LOOK_OFTEN_NS (10 * ROUSE_NS_PER_US)
#define RS_WORKER_LOOK_NS (500 * ROUSE_NS_PER_US)

struct rs_worker {
    struct rs_sched *sched;
    unsigned index;
    uint8_t number;    // among all workers of the process; 0: it has none
    bool alone;        // there is no other worker
    bool searching;    // counted in the idle set
    bool threaded;     // `thread` runs it
    bool turn_pinned;  // whose turn it is: the pinned queue's, or the stealable one's
    bool aborted;      // its tasks have been asked to end
    bool bared;        // and their shields broken
    bool parted;       // between two turns: in the idle set
    bool has_run;      // a task, since it last looked whether a virtual clock may jump
    bool has_rested;   // since its last poll
    bool has_spun;     // in vain, since its last poll, and has not slept since
    bool is_sentinel;
    bool in_driver;       // which may wake many tasks: others are told when it is done
    int64_t polls_awake;  // how many there were when it last woke
    uint64_t sentinel_period_ns;
    uint32_t sentinel_quiet;                 // looks in a row at workers that did nothing
    uint32_t sentinel_seen[RS_WORKERS_MAX];  // the others' looks at their drivers, at the last one
    uint32_t tick;
    uint64_t spent;                // of the budgets of its polls
    uint32_t slot_runs;            // from the slot, since the queues had a turn
    uint32_t slot_runs_max;        // by the length of polls as of the last look
    uint32_t next_look;            // the tick of the next look at the driver
    uint32_t look_interval;        // in ticks, as of the last one
    uint32_t looked_tick;          // when that was
    uint64_t looked_ns;            // the clock as of then
    uint32_t now_ms;               // the same, for the dump
    uint32_t offer_every;          // stealable tasks queued, others are told: see share.c
    uint32_t spawned_from;         // the most of that once a task has been spawned
    uint32_t unoffered;            // those queued since
    uint64_t wanted_ns;            // since when it wants the processor where it is: see seat.c
    uint64_t moved_ns;             // when it last tried to go to another
    bool ran_dry;                  // the stealable queue was empty since the last look
    uint64_t dry_ns;               // when it was last known to have been
    struct rs_worker *run_target;  // where the next fibers go that it spawns
    uint32_t run_left;             // how many of them
    struct rs_spin spin;           // before it sleeps
    pthread_t thread;
    bool has_signal_stack;  // so it may be sent a signal, for a probe
    uintptr_t stack_end;    // above the loop's frame
    struct rouse_driver *driver;
    struct rs_heap *heap;
    struct rs_pinned pinned;
    uint32_t cold;  // of `pinned`, as many have left the caches: see pinned_pop()
    struct rs_hand hand;
    struct rouse_context context;
    struct rs_fiber_host fibers;
    struct rs_buffer_pool buffers;
    struct rs_counters counters;
    struct rs_observations *observations;  // see observe.h
    struct rs_overflow_stack signal_stack;
    struct rouse_driver *burst;  // whose timers it has promised to help with, or NULL
    uint64_t burst_ns;           // when they are due
    uint32_t burst_vain;         // after it came in vain the last times, so many bursts pass
    uint32_t burst_passes;       // and so many of these are left
    bool keeps_seat;             // it is allowed no other processor while it sleeps
    cpu_set_t allowed;           // what it was allowed before
    // Read by others now and then.
    _Alignas(RS_CACHE_LINE) _Atomic uint64_t spawned;  // by this worker; on any worker
    _Atomic uint64_t ended;                            // on this worker
    _Atomic uint64_t operations;                       // of its polls, as of its last look
    _Atomic uint32_t fibers_live;
    _Atomic uint32_t looks;                // at the driver, so far
    _Atomic(struct rouse_task *) current;  // NULL between polls
    _Atomic uint32_t share_from;           // as many stealable tasks are worth another worker
    _Atomic bool arrivals;                 // the inbox may hold tasks for any worker
    _Atomic bool away;                     // the sentinel stands in for it
    _Atomic int32_t tid;                   // of the thread that runs the loop; 0: none does
    _Atomic int32_t cpu;                   // where the thread was seen last; negative: nowhere
    _Atomic uint64_t called_ns;            // when somebody was about to wake it last
    struct rs_busy busy;
    struct rs_inbox inbox;
    struct rs_runq runq;
};

struct rs_worker_options {
    const struct rouse_allocator *allocator;
    const char *reactor;
    size_t stack_size;
    uint64_t spin_max_ns;
};

int rs_worker_init(struct rs_worker *worker, struct rs_sched *sched, unsigned index,
                   const struct rs_worker_options *options);
void rs_worker_deinit(struct rs_worker *worker);

// In the child of a fork: closes and unmaps, and runs nothing.
void rs_worker_discard(struct rs_worker *worker);

// Makes the calling thread the worker's, until rs_worker_leave().
void rs_worker_enter(struct rs_worker *worker);
void rs_worker_leave(struct rs_worker *worker);

// The loop: runs tasks and sleeps in the driver until the scheduler has stopped, or `done` says so
// when there is nothing to run.
void rs_worker_run(struct rs_worker *worker, bool (*done)(void *arg), void *arg);

// Runs what is ready, handles events, does not sleep.
void rs_worker_turn(struct rs_worker *worker);

// From here to the next turn, or run, the worker sleeps in its caller's loop: a notify makes the
// driver's descriptor readable. Any thread, before the first turn; then the worker's.
void rs_worker_part(struct rs_worker *worker);

// Puts a task that was woken into the worker's own queues: what a task has woken is run next.
void rs_worker_schedule(struct rs_worker *worker, struct rouse_task *task);

// Puts a new task at the back of the worker's own queues.
void rs_worker_push(struct rs_worker *worker, struct rouse_task *task);

// How much the worker has on its hands, to place fibers by.
uint32_t rs_worker_load(const struct rs_worker *worker);

// How many tasks wait in its queues, or did a moment ago, but for the inbox. Any thread.
uint32_t rs_worker_queue_depth(const struct rs_worker *worker);

// True if there may be something to run, seen from any thread.
bool rs_worker_has_work(const struct rs_worker *worker);

// As many at most, so that who has a backlog is soon helped.
enum { RS_SHARE_OFFER_EVERY_MAX = 64 };

// Whether a stealable task that is queued now has to be announced to others: it is one of so many.
// The queue's push must then be seq_cst, and rs_share_offer() follow.
static inline bool rs_share_is_due(struct rs_worker *w)
{
    w->unoffered++;
    if (w->unoffered < w->offer_every && w->unoffered < RS_SHARE_OFFER_EVERY_MAX) return false;
    w->unoffered = 0;
    return true;
}

// How many stealable tasks may be taken in hand, out of thieves' reach: a part of what is worth
// nobody's coming.
static inline uint32_t rs_share_hand_size(const struct rs_worker *w)
{
    return w->offer_every / 8;
}

void rs_share_init(struct rs_worker *worker);
// Wakes another worker, if one sleeps and there is work for two.
void rs_share_offer(struct rs_worker *worker);
// A task was spawned here: what it will cost nobody knows.
void rs_share_spawned(struct rs_worker *worker);
// At each look at the driver: how long polls take decides how much work is worth another worker.
void rs_share_measure(struct rs_worker *worker, uint64_t now_ns);
// For thieves: whether to steal from the worker.
bool rs_share_has_surplus(const struct rs_worker *worker);

// Looks around for a while, if that is likely to pay; at most once between a poll and a sleep.
// Returns whether there is something to do. See spin.c.
bool rs_worker_spin(struct rs_worker *worker);
// The same, whether or not it has paid lately.
bool rs_worker_look_around(struct rs_worker *worker);
// It has slept from `begin_ns` until its last look.
void rs_worker_learn(struct rs_worker *worker, uint64_t begin_ns);

// For a worker that is about to sleep until `until_ns`: until when instead, if it can help another
// one with its timers before. After the sleep, and the look that ends it, it comes. See burst.c.
uint64_t rs_burst_promise(struct rs_worker *worker, uint64_t now_ns, uint64_t until_ns);
void rs_burst_come(struct rs_worker *worker);

// Looks after busy workers from an idle one, when its sleep has run out: see sentinel.c.
uint64_t rs_sentinel_claim(struct rs_worker *worker);
void rs_sentinel_look(struct rs_worker *worker);
// Before the first poll after a rest, and at each look at the driver that comes after that.
void rs_sentinel_release(struct rs_worker *worker);

#endif
