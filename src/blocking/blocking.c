// SPDX-License-Identifier: MIT
//
// Blocking calls as futures. Two forms over one job: inside a fiber's call the job lies on the
// fiber's stack and is waited for to its end; behind a `struct rouse_blocking` it lies on the heap
// and belongs to two, the future and the pool.
//
// Threads: one polls and drops, one of the pool runs. The outcome stands between them: setting it
// is the pool's last touch of a job on a stack.

#include <errno.h>
#include <rouse/assert.h>
#include <rouse/await.h>
#include <rouse/blocking.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/tls.h"
#include "blocking/blocking.h"
#include "blocking/pool.h"
#include "fiber/await.h"
#include "future/outcome.h"

// What both forms run and wait for.
struct call {
    struct rs_blocking_job job;
    rouse_blocking_function fn;
    void *arg;
    int err;  // once it has ended; 0: `result` is what fn returned
    int64_t result;
    struct rs_outcome outcome;
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
    call->result = err == 0 ? call->fn(call->arg) : 0;
    call->err = err;
    rs_outcome_set(&call->outcome);
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
    return rs_outcome_poll(&w->call->outcome, cx);
}

static void wait_drop(struct rouse_future *self)
{
    struct wait *w = ROUSE_CONTAINER_OF(self, struct wait, base);

    if (!w->submitted) return;
    w->left = !rs_blocking_job_take_back(&w->call->job);
    rs_outcome_forget(&w->call->outcome);
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
        err = rs_blocking_pool_submit(b->is_lookup ? pool->lookups : pool, &d->call.job);
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
    if (rs_outcome_poll(&d->call.outcome, cx) == ROUSE_PENDING) return ROUSE_PENDING;
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

    if (d == NULL) {
        arg_free(b->free_arg, b->arg);
        return;
    }
    b->job = NULL;
    rs_outcome_forget(&d->call.outcome);
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

void rs_blocking_lookup_init(struct rouse_blocking *blocking, rouse_blocking_function fn, void *arg,
                             void (*free_arg)(void *arg))
{
    rouse_blocking_init(blocking, fn, arg, free_arg);
    blocking->is_lookup = true;
}
