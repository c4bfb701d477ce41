// SPDX-License-Identifier: MIT
//
// Blocking calls as futures. Two forms over one job: inside a fiber's call the job lies on the
// fiber's stack and is waited for to its end; behind a `struct rouse_blocking` it lies on the heap
// and belongs to two, the future and the pool.
//
// Threads: one polls and drops, one of the pool runs. They share what stands behind the job's lock.
//
// 1. `done` is set once, with the outcome, by whoever runs or fails the job. What it does with the
//    job's lock is its last touch of a job on a stack: the waker is taken out under it, and woken
//    after it.
// 2. A stored waker belongs to the last poll. It is cloned, woken and dropped without the lock.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/blocking.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/tls.h"
#include "blocking/pool.h"
#include "fiber/await.h"

// What both forms run and wait for.
struct call {
    struct rs_blocking_job job;
    rouse_blocking_function fn;
    void *arg;
    bool done;  // under the job's lock, as the rest
    int err;    // 0: `result` is what fn returned
    int64_t result;
    struct rouse_waker waker;  // of the last poll
};

// The pool for the jobs of this thread, alive until pool_release(); NULL if there is none.
static struct rs_blocking_pool *pool_acquire(void)
{
    const struct rs_blocking_pool_source *source = rs_blocking_pool_get_default();

    if (rs_tls.pool != NULL) return rs_tls.pool;
    return source != NULL ? source->acquire() : NULL;
}

static void pool_release(struct rs_blocking_pool *pool)
{
    if (pool != NULL && pool != rs_tls.pool) rs_blocking_pool_get_default()->release(pool);
}

static int call_submit(struct call *call)
{
    struct rs_blocking_pool *pool = pool_acquire();
    int err = pool != NULL ? rs_blocking_pool_submit(pool, &call->job) : -EAGAIN;

    pool_release(pool);
    return err;
}

// Runs the call, unless it failed, and publishes its outcome.
static void call_finish(struct call *call, int err)
{
    int64_t result = err == 0 ? call->fn(call->arg) : 0;
    struct rouse_waker waker;

    rs_lock(&call->job.lock);
    call->err = err;
    call->result = result;
    call->done = true;
    waker = call->waker;
    call->waker = (struct rouse_waker){0};
    rs_unlock(&call->job.lock);
    rouse_waker_wake(&waker);
}

static struct rouse_waker call_take_waker(struct call *call)
{
    struct rouse_waker waker;

    rs_lock(&call->job.lock);
    waker = call->waker;
    call->waker = (struct rouse_waker){0};
    rs_unlock(&call->job.lock);
    return waker;
}

// READY when it is done; else the waker of `cx` will be woken.
static rouse_poll call_poll(struct call *call, struct rouse_context *cx)
{
    const struct rouse_waker *waker = rouse_context_waker(cx);
    struct rouse_waker spare;
    bool done;

    rs_lock(&call->job.lock);
    done = call->done;
    bool stored = rouse_waker_will_wake(&call->waker, waker);
    rs_unlock(&call->job.lock);
    if (done) return ROUSE_READY;
    if (stored) return ROUSE_PENDING;

    spare = rouse_waker_clone(waker);
    rs_lock(&call->job.lock);
    done = call->done;
    if (!done) {
        struct rouse_waker old = call->waker;

        call->waker = spare;
        spare = old;
    }
    rs_unlock(&call->job.lock);
    rouse_waker_drop(&spare);
    return done ? ROUSE_READY : ROUSE_PENDING;
}

// The form that waits. Its first future gives up when it is dropped, if the job can be taken back;
// the second one waits on, shielded.

struct wait {
    struct rouse_future base;
    struct call *call;
    int err;  // why it was not submitted
    bool submitted;
    bool left;  // it was dropped while the job ran
};

static void fiber_run(struct rs_blocking_job *job, int err)
{
    call_finish(ROUSE_CONTAINER_OF(job, struct call, job), err);
}

static rouse_poll wait_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct wait *w = ROUSE_CONTAINER_OF(self, struct wait, base);

    if (!w->submitted) {
        w->err = call_submit(w->call);
        if (w->err < 0) return ROUSE_READY;
        w->submitted = true;
    }
    return call_poll(w->call, cx);
}

static void wait_drop(struct rouse_future *self)
{
    struct wait *w = ROUSE_CONTAINER_OF(self, struct wait, base);
    struct rouse_waker waker;

    if (!w->submitted) return;
    w->left = !rs_blocking_job_take_back(&w->call->job);
    waker = call_take_waker(w->call);
    rouse_waker_drop(&waker);
}

static const struct rouse_future_vtable wait_ended = {.name = "blocking call"};
static const struct rouse_future_vtable wait_vtable = {
    .poll = wait_poll, .drop = wait_drop, .name = "blocking call", .ended = &wait_ended};

static int run_in_pool(struct call *call)
{
    struct wait wait = {.base.vtable = &wait_vtable, .call = call};
    int err = rouse_await(&wait.base);

    if (err == 0) return wait.err < 0 ? wait.err : call->err;
    if (!wait.left) return err;
    // It began before the cancel came: it has `arg`, and us, until it ends.
    wait.base.vtable = &wait_vtable;
    rs_await_shielded(&wait.base);
    return call->err;
}

int rouse_blocking(rouse_blocking_function fn, void *arg, int64_t *out)
{
    struct call call = {.job.run = fiber_run, .fn = fn, .arg = arg};
    int err = 0;

    if (rs_tls.fiber == NULL) {
        rouse_assert(rs_tls.poll_depth == 0,
                     "a poll must not block; poll a struct rouse_blocking instead");
        call.result = fn(arg);
    } else {
        err = run_in_pool(&call);
    }
    if (err == 0 && out != NULL) *out = call.result;
    return err;
}

// The form that may be left behind.

struct detached {
    struct call call;
    struct rouse_allocator allocator;  // a copy: the runtime may be gone before the future
    void (*free_arg)(void *arg);
    _Atomic uint32_t shares;
};

static void arg_free(void (*free_arg)(void *arg), void *arg)
{
    if (free_arg != NULL) free_arg(arg);
}

static void detached_free(struct detached *d)
{
    struct rouse_allocator allocator = d->allocator;

    rs_free(&allocator, d, sizeof *d);
}

static void detached_unref(struct detached *d)
{
    // Release, with the acquire of the one that gives up the last share: it sees all that the other
    // did to the job and to `arg`.
    if (atomic_fetch_sub_explicit(&d->shares, 1, memory_order_acq_rel) != 1) return;
    arg_free(d->free_arg, d->call.arg);
    detached_free(d);
}

static void detached_run(struct rs_blocking_job *job, int err)
{
    struct call *call = ROUSE_CONTAINER_OF(job, struct call, job);

    call_finish(call, err);
    detached_unref(ROUSE_CONTAINER_OF(call, struct detached, call));
}

// Submits the job; one share is the future's, the other the pool's. On failure `arg` is freed.
static int blocking_submit(struct rouse_blocking *b)
{
    struct rs_blocking_pool *pool = pool_acquire();
    struct detached *d = NULL;
    int err = pool != NULL ? -ENOMEM : -EAGAIN;

    if (pool != NULL) d = rs_alloc(pool->allocator, sizeof *d);
    if (d != NULL) {
        *d = (struct detached){.call = {.job.run = detached_run, .fn = b->fn, .arg = b->arg},
                               .allocator = *pool->allocator,
                               .free_arg = b->free_arg};
        // Relaxed: nobody else knows it yet.
        atomic_store_explicit(&d->shares, 2, memory_order_relaxed);
        err = rs_blocking_pool_submit(pool, &d->call.job);
    }
    pool_release(pool);
    if (err < 0) {
        if (d != NULL) detached_free(d);
        arg_free(b->free_arg, b->arg);
        return err;
    }
    b->job = d;
    return 0;
}

static rouse_poll blocking_poll(struct rouse_future *self, struct rouse_context *cx)
{
    struct rouse_blocking *b = ROUSE_CONTAINER_OF(self, struct rouse_blocking, base);
    struct detached *d;

    if (b->job == NULL) {
        if (!rouse_context_spend(cx)) return ROUSE_PENDING;
        b->output = blocking_submit(b);
        if (b->output < 0) return ROUSE_READY;
    }
    d = b->job;
    if (call_poll(&d->call, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    b->output = d->call.err;
    b->result = d->call.result;
    b->job = NULL;
    detached_unref(d);
    return ROUSE_READY;
}

static void blocking_drop(struct rouse_future *self)
{
    struct rouse_blocking *b = ROUSE_CONTAINER_OF(self, struct rouse_blocking, base);
    struct detached *d = b->job;
    struct rouse_waker waker;

    if (d == NULL) {
        arg_free(b->free_arg, b->arg);
        return;
    }
    b->job = NULL;
    waker = call_take_waker(&d->call);
    rouse_waker_drop(&waker);
    if (rs_blocking_job_take_back(&d->call.job)) detached_unref(d);  // the pool's share
    detached_unref(d);
}

static int64_t blocking_result(const struct rouse_future *self)
{
    const struct rouse_blocking *b = (const struct rouse_blocking *)self;

    return b->output < 0 ? b->output : b->result;
}

static const struct rouse_future_vtable blocking_ended = {.name = "blocking",
                                                          .result = blocking_result};
static const struct rouse_future_vtable blocking_vtable = {
    .poll = blocking_poll,
    .drop = blocking_drop,
    .name = "blocking",
    .ended = &blocking_ended,
    .cancel_kind = rouse_cancel_kind_terminal};

void rouse_blocking_init(struct rouse_blocking *blocking, rouse_blocking_function fn, void *arg,
                         void (*free_arg)(void *arg))
{
    *blocking = (struct rouse_blocking){
        .base.vtable = &blocking_vtable, .fn = fn, .arg = arg, .free_arg = free_arg};
}
