// SPDX-License-Identifier: MIT
//
// The scheduler: workers, the queues between them, and the counts that say when all is done. A
// runtime is a scheduler whose workers are threads; an executor is one whose only worker is the
// thread that runs it.

#ifndef RS_SCHED_SCHED_H
#define RS_SCHED_SCHED_H

#include <pthread.h>
#include <rouse/runtime.h>
#include <rouse/task.h>

#include "blocking/pool.h"
#include "fiber/fiber.h"
#include "sched/idle.h"
#include "sched/inject.h"
#include "sched/monitor.h"
#include "sched/seat.h"
#include "sched/solo.h"
#include "sched/worker.h"

// 1. Foreign spawns and wakes touch the scheduler between rs_sched_pin() and _unpin() only, and it
//    is not freed while pinned.
// 2. OPEN -> CLOSING: foreign spawns fail, every task is aborted. CLOSING -> ENDED: no task is
//    left; workers go on turning their drivers, for the blocking jobs that run still. ENDED ->
//    STOPPED: workers leave their loops. Never back.
enum rs_phase { RS_PHASE_OPEN = 0, RS_PHASE_CLOSING = 1, RS_PHASE_ENDED = 2, RS_PHASE_STOPPED = 3 };

struct rs_sched {
    struct rouse_scheduler base;
    const struct rouse_allocator *allocator;
    const char *kind;  // "runtime" or "executor", for the dump
    unsigned worker_count;
    struct rs_worker *workers;  // an array
    _Atomic uint32_t phase;
    _Atomic bool bared;         // the shutdown is out of time: shields do not hold
    _Atomic uint32_t pause;     // dumps that want the workers to stand still
    _Atomic uint32_t observed;  // what is measured of polls and wakes: see observe.h
    _Atomic int32_t sentinel;   // the idle worker that looks after busy ones, or -1
    size_t task_limit;          // 0: none
    _Atomic int64_t live;       // only kept when there is a limit
    _Atomic uint64_t foreign_spawned;
    struct rs_blocking_pool pool;
    struct rs_blocking_pool lookups;  // beside it
    struct rs_inject inject;
    struct rs_idle idle;
    struct rs_seats seats;
    struct rs_solo solo;
    // A worker looks around before it sleeps.
    _Alignas(RS_CACHE_LINE) _Atomic bool has_spinner;
    _Alignas(RS_CACHE_LINE) _Atomic uint32_t pins;  // foreign threads in schedule() or spawn
    struct rs_lock jump_lock;                       // of who lets a virtual clock jump
    _Atomic uint64_t quiet;                         // workers that see nothing to do; see worker.c
    struct rs_lock foreign_lock;
    struct rs_heap *foreign_heap;  // under foreign_lock
    struct rs_monitor monitor;     // a runtime's
    struct rs_lock observe_lock;   // of who makes what is measured into
    uint32_t number;               // no two of the process have had the same; from 1
    struct rs_sched *next_traced;  // see insight/trace.c
    bool is_traced;                // this and what follows: see insight/attach.c
    bool is_shown;
    bool has_console;
    struct rs_sched *next;  // in the registry
    struct rs_sched *prev;
};

// What a scheduler is made with.
struct rs_sched_options {
    const char *kind;
    unsigned workers;
    const struct rouse_allocator *allocator;
    const char *reactor;
    size_t task_limit;
    size_t stack_size;
    unsigned blocking_threads;
    size_t blocking_queue;
    unsigned lookup_threads;  // 0: the default, as for the queue
    size_t lookup_queue;
    bool histograms;
    uint64_t spin_max_ns;  // of workers and of the pool's threads; 0: they sleep at once
    bool no_solo;
};

int rs_sched_init(struct rs_sched *sched, const struct rs_sched_options *options);

// Frees what init made. Every task has ended and no worker runs.
void rs_sched_deinit(struct rs_sched *sched);

// In the child of a fork, where the workers' threads are not, and locks that they held are held for
// ever: closes descriptors and unmaps memory, takes no lock, runs nothing.
void rs_sched_discard(struct rs_sched *sched);

// Spawns on `sched` from any thread; `flags` are the task's.
int rs_sched_spawn(struct rs_sched *sched, struct rouse_join_handle *handle,
                   const struct rouse_future_spec *spec, const struct rouse_task_attrs *attrs,
                   uint8_t flags);
int rs_sched_spawn_fiber(struct rs_sched *sched, struct rouse_join_handle *handle,
                         rouse_fiber_function fn, void *arg, const struct rouse_task_attrs *attrs);

// Whether anything is measured of polls and wakes.
static inline bool rs_sched_is_observed(const struct rs_sched *sched)
{
    // Relaxed: who measures looks again.
    return ROUSE_UNLIKELY(atomic_load_explicit(&sched->observed, memory_order_relaxed) != 0);
}

// Keeps the scheduler from being freed while a thread that is none of its workers uses it. Whoever
// pins knows that it is alive: by a task that has not ended, or under the lock of a spawner, or of
// the default runtime.
void rs_sched_pin(struct rs_sched *sched);
void rs_sched_unpin(struct rs_sched *sched);

// Makes a sleeping worker look for work, unless one is searching already. After the task is
// visible in a queue that others can take from.
void rs_sched_submitted(struct rs_sched *sched);

// Gives a task to a worker that is not the caller's: one that is pinned to it, or a new one.
void rs_sched_deliver(struct rs_sched *sched, struct rs_worker *to, struct rouse_task *task);

// How many tasks have been spawned and not ended. Exact when it is 0; else a moment's view.
uint64_t rs_sched_live(const struct rs_sched *sched);

// How many have been spawned so far.
uint64_t rs_sched_spawned(const struct rs_sched *sched);

// OPEN -> CLOSING: asks every task to end. A second call does nothing.
void rs_sched_close(struct rs_sched *sched);
static inline bool rs_sched_is_closing(const struct rs_sched *sched)
{
    // Acquire, with the release half of rs_sched_close(): a task that is asked to end for it sees
    // what came before.
    return atomic_load_explicit(&sched->phase, memory_order_acquire) != RS_PHASE_OPEN;
}

// While CLOSING: breaks the shields behind which tasks go on waiting.
void rs_sched_bare(struct rs_sched *sched);
bool rs_sched_is_bared(const struct rs_sched *sched);

// For rs_heap_visit(): breaks the shields of the task in a block.
void rs_sched_bare_block(struct rs_block *block, void *arg);

// CLOSING -> ENDED, if no task is left.
void rs_sched_end_if_done(struct rs_sched *sched);
bool rs_sched_is_ended(const struct rs_sched *sched);

// Blocking jobs, look-ups included, that are queued or running.
size_t rs_sched_jobs(const struct rs_sched *sched);

// Fails the queued jobs, and all later ones; then waits for those that run, at the latest until
// `deadline_ns`. Returns false if it came first; may be repeated.
bool rs_sched_end_jobs(struct rs_sched *sched, uint64_t deadline_ns);

// ENDED -> STOPPED.
void rs_sched_stop(struct rs_sched *sched);
bool rs_sched_is_stopped(const struct rs_sched *sched);

// Makes every worker look again.
void rs_sched_notify_all(struct rs_sched *sched);

// Calls `visit` for every scheduler of the process, under the registry's lock.
void rs_sched_visit(void (*visit)(struct rs_sched *sched, void *arg), void *arg);

// Makes the workers stand still between two polls, until rs_sched_resume(). A worker that is still
// inside a poll after `timeout_ns` is left there. Any thread, also a worker.
void rs_sched_pause(struct rs_sched *sched, uint64_t timeout_ns);
void rs_sched_resume(struct rs_sched *sched);

// Calls `visit` for every task that has not ended. Between pause and resume; a worker that does not
// stand still may end its task meanwhile, but it is not freed during the call. Tasks whose last
// reference turned out to be the visit's are put into `*unowned`: for rs_tasks_free().
void rs_sched_visit_tasks(struct rs_sched *sched, void (*visit)(struct rouse_task *task, void *arg),
                          void *arg, struct rs_task_link **unowned);

// A place among a scheduler's tasks; all zero: the first.
struct rs_task_cursor {
    unsigned heap;
    size_t block;
};

// The same for the tasks in the next `count` blocks of memory, and moves the cursor behind them.
// False at the end: the cursor is at the first again.
bool rs_sched_visit_some_tasks(struct rs_sched *sched, struct rs_task_cursor *cursor, size_t count,
                               void (*visit)(struct rouse_task *task, void *arg), void *arg,
                               struct rs_task_link **unowned);

// The same for the task that lies at `address`, if there is one. Any number may be asked for. With
// or without pause: then only what is atomic may be read.
void rs_sched_visit_task(struct rs_sched *sched, uintptr_t address,
                         void (*visit)(struct rouse_task *task, void *arg), void *arg,
                         struct rs_task_link **unowned);

#endif
