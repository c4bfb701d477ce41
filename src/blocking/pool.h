// SPDX-License-Identifier: MIT
//
// A pool of threads for calls that block. It starts a thread when a job is queued and no thread is
// on its way to take it, up to a limit; a thread without work leaves after a while. The layer of
// the runtime is above: it owns a pool and shuts it down.
//
// 1. Everything in the pool changes under `lock`. No job is run or failed under it.
// 2. A job ends once: it is run, failed, or taken back. Which one is decided under `lock`, when it
//    leaves the queue.
// 3. While a job is queued, at least one thread that is neither idle nor past its last look at the
//    queue exists: it runs a job, or is on its way. So no job is stranded.
// 4. A thread joins the one that left before it, and rs_blocking_pool_wait() joins the last: when
//    it says true, no thread touches the pool any more.

#ifndef RS_BLOCKING_POOL_H
#define RS_BLOCKING_POOL_H

#include <pthread.h>
#include <rouse/allocator.h>
#include <rouse/clock.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/list.h"
#include "base/lock.h"
#include "base/spin.h"

struct rs_blocking_pool;

// A thread without work leaves after this time.
#define RS_BLOCKING_KEEP_ALIVE_NS (10 * ROUSE_NS_PER_S)

enum { RS_BLOCKING_THREADS_MAX = 512, RS_BLOCKING_QUEUE_MAX = 1 << 16 };

// Of the pool for look-ups of names. Resolvers answer, or are slow all at once; then a queue is of
// no use.
enum { RS_LOOKUP_THREADS_MAX = 16, RS_LOOKUP_QUEUE_MAX = 1024 };

// Embedded in whatever is to be run.
struct rs_blocking_job {
    struct rs_list link;  // under the pool's lock; in no list: it left the queue
    // Called once, by a pool thread, unless the job is taken back: `err` is 0 and it is to run now,
    // or it never will, because of `err`. The job's memory may go during the call.
    void (*run)(struct rs_blocking_job *job, int err);
    // Guards `pool`.
    struct rs_lock lock;
    struct rs_blocking_pool *pool;  // set while it may be queued: the pool is alive then
};

struct rs_blocking_pool {
    struct rs_lock lock;
    const struct rouse_allocator *allocator;  // for jobs that live on the heap
    uint64_t keep_alive_ns;                   // set before the first job
    // Called by a thread of the pool when no job is queued or runs any more; may be NULL. Set
    // before the first job.
    void (*drained)(void *data);
    void *drained_data;
    struct rs_spin spin;  // of a thread before it sleeps; `max_ns` is set before the first job
    // The one beside it, for look-ups of names; NULL: there is none. Set before the first job.
    struct rs_blocking_pool *lookups;

    struct rs_list queue;
    struct rs_list idle;  // threads that sleep, the one that came last first
    size_t queued;
    size_t queue_max;
    unsigned threads;  // started or being started, and not past their last look at the queue
    unsigned threads_max;
    unsigned coming;      // of these, woken, being started or spinning: they will look at the queue
    bool is_spinning;     // one of those that come
    _Atomic bool called;  // since it began to; read without the lock
    bool closed;
    bool has_left;  // `left` has ended, or is about to, and is to be joined
    pthread_t left;
    _Atomic uint32_t exits;  // bumped when the last thread leaves; the closer sleeps on it
    _Atomic size_t jobs;     // queued or running
};

// An empty pool, without threads. `allocator` must outlive the pool and its jobs.
void rs_blocking_pool_init(struct rs_blocking_pool *pool, const struct rouse_allocator *allocator,
                           unsigned threads_max, size_t queue_max);

// Queues `job`, whose `run` is set. Any thread.
//
// Errors: -ECANCELED once closed; -EAGAIN when the queue is full, or when no thread could be
// started and there is no other. The job was then not queued and `run` is not called.
int rs_blocking_pool_submit(struct rs_blocking_pool *pool, struct rs_blocking_job *job);

// Takes a submitted job back. False: it was started, or ended. Any thread, also when the pool of a
// job that ended is gone.
bool rs_blocking_job_take_back(struct rs_blocking_job *job);

// Jobs that are queued or running; one that has ended counts until its waker has been woken. Any
// thread.
size_t rs_blocking_pool_jobs(const struct rs_blocking_pool *pool);

struct rs_blocking_counts {
    size_t threads;
    size_t idle;  // of these, without a job
    size_t queued;
};

// A moment's view. Any thread.
struct rs_blocking_counts rs_blocking_pool_counts(struct rs_blocking_pool *pool);

// Fails the queued jobs with -ECANCELED, and all later ones; idle threads leave. A second call does
// nothing. Any thread.
void rs_blocking_pool_close(struct rs_blocking_pool *pool);

// After rs_blocking_pool_close(): waits until no job runs and no thread is left, at the latest
// until `deadline_ns`. Returns false if it came first; may be repeated. One thread at a time, and
// none of the pool's.
bool rs_blocking_pool_wait(struct rs_blocking_pool *pool, uint64_t deadline_ns);

// Ends a pool after a wait that returned true, or in a child after fork(), where its threads are
// not. Accepts an all-zero pool.
void rs_blocking_pool_deinit(struct rs_blocking_pool *pool);

// Where a thread without a pool of its own (rs_tls.pool is NULL) finds one: the default runtime's.
struct rs_blocking_pool_source {
    struct rs_blocking_pool *(*acquire)(void);  // alive until released; may return NULL
    void (*release)(struct rs_blocking_pool *pool);
};

// Set by the layer that knows runtimes; the same source each time. Any thread.
void rs_blocking_pool_set_default(const struct rs_blocking_pool_source *source);
const struct rs_blocking_pool_source *rs_blocking_pool_get_default(void);

#endif
