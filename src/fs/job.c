// SPDX-License-Identifier: MIT
//
// Jobs and who executes them: see the header. The future's thread begins, polls and ends the work;
// a thread of the pool runs the job, or the thread that turns the driver learns of its end.

#include "fs/job.h"

#include <errno.h>
#include <rouse/error.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/rmw.h"

void *rs_fs_job_new(const struct rs_fs_job_ops *ops, size_t size, size_t extra)
{
    const struct rouse_allocator *allocator = rs_allocator_current();
    struct rs_fs_job *job = rs_alloc_uncleared(allocator, size + extra);

    if (job == NULL) return NULL;
    memset(job, 0, size);
    job->ops = ops;
    job->allocator = *allocator;
    job->size = size + extra;
    // Relaxed: nobody else knows it yet.
    atomic_store_explicit(&job->shares, 1, memory_order_relaxed);
    return job;
}

static struct rs_fs_job *job_ref(struct rs_fs_job *job)
{
    // Relaxed: the caller has a share, so the count cannot reach zero meanwhile.
    rs_fetch_add_32(&job->shares, 1, memory_order_relaxed);
    return job;
}

void rs_fs_job_unref(struct rs_fs_job *job)
{
    // Acquire, with the release below: the last one comes after everything that the other did to
    // the record. Only who has a share can make another, so one that is the only one stays that.
    if (atomic_load_explicit(&job->shares, memory_order_acquire) != 1 &&
        rs_fetch_sub_32(&job->shares, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct rouse_allocator allocator = job->allocator;

    if (job->ops->release != NULL) job->ops->release(job);
    rs_free(&allocator, job, job->size);
}

static int64_t run_in_pool(void *arg)
{
    struct rs_fs_job *job = arg;

    return job->ops->run(job);
}

static void unref_in_pool(void *arg)
{
    rs_fs_job_unref(arg);
}

// ---- The ring ----

// Operations that some ring has refused although the file did not, by code. Set only.
static _Atomic uint64_t refused_codes;

static uint64_t code_bit(unsigned code)
{
    _Static_assert(IORING_OP_LAST <= 64, "a bit for each operation");
    return (uint64_t)1 << code;
}

static bool is_fixed(const struct rs_op *op)
{
    return op->code == IORING_OP_READ_FIXED || op->code == IORING_OP_WRITE_FIXED;
}

static void ring_done(struct rs_op *op, int32_t result)
{
    struct rs_fs_job *job = ROUSE_CONTAINER_OF(op, struct rs_fs_job, op);

    job->ring_result = result;
    rs_outcome_set(&job->outcome);
    rs_fs_job_unref(job);
}

// Gives the job to the driver's ring. False: it is for the pool.
static bool ring_begin(struct rs_fs_job *job, struct rouse_driver *driver)
{
    if (job->ops->describe == NULL || !job->ops->describe(job)) return false;
    // Relaxed: a thread that does not know yet finds out by itself.
    uint64_t refused = atomic_load_explicit(&refused_codes, memory_order_relaxed);

    if ((refused & code_bit(job->op.code)) != 0) return false;
    if ((refused & (code_bit(IORING_OP_READ_FIXED) | code_bit(IORING_OP_WRITE_FIXED))) != 0) {
        job->op.may_fix = false;
    }
    job->op.done = ring_done;
    // Relaxed: nobody else knows the job yet.
    atomic_store_explicit(&job->shares, 2, memory_order_relaxed);
    if (rs_driver_submit(driver, &job->op) == 0) return true;
    rs_fs_job_unref(job);
    return false;
}

// True for what a ring may say where the file says something else: it does not know the operation,
// a restriction keeps it from it, or it has not the memory that it said it had.
static bool is_refusal(const struct rs_fs_job *job, int64_t result)
{
    if (result == -EFAULT) return is_fixed(&job->op);
    return result == -EACCES || result == -EPERM || result == -EINVAL || result == -ENOSYS ||
           result == -EOPNOTSUPP;
}

// True if the answer may be the ring's own, so that the pool has to be asked.
static bool is_of_the_ring(const struct rs_fs_job *job, int64_t result)
{
    return is_refusal(job, result) || result == -ECANCELED || result == -EAGAIN || result == -EINTR;
}

// The pool could do what the ring would not: from now on it always does, or, of registered memory,
// the ring by its other operation.
static void ring_is_wrong(const struct rs_fs_job *job)
{
    uint64_t bit = code_bit(job->op.code);

    // Relaxed: as above.
    if ((atomic_fetch_or_explicit(&refused_codes, bit, memory_order_relaxed) & bit) != 0) return;
    if (is_fixed(&job->op)) {
        rs_file_memory_log_refusal(job->ring_result);
        return;
    }
    rs_log(ROUSE_LOG_INFO, "files: the blocking pool does operation %u (io_uring refused it: %s)",
           job->op.code, rouse_strerror(job->ring_result));
}

// ---- The work ----

//     begun --> in the ring --> ended
//       |            | the ring's own answer
//       |            v
//       +------> in the pool --> ended
enum work_state { WORK_BEGUN, WORK_IN_RING, WORK_IN_POOL };

void rs_fs_work_begin(struct rouse_file_work *work, struct rs_fs_job *job)
{
    work->job = job;
    work->state = WORK_BEGUN;
}

static void work_to_pool(struct rouse_file_work *work, struct rs_fs_job *job)
{
    rouse_blocking_init(&work->blocking, run_in_pool, job_ref(job), unref_in_pool);
    work->state = WORK_IN_POOL;
}

static rouse_poll ring_poll(struct rouse_file_work *work, struct rouse_context *cx)
{
    struct rs_fs_job *job = work->job;

    if (rs_outcome_poll(&job->outcome, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    work->result = job->ring_result;
    return ROUSE_READY;
}

rouse_poll rs_fs_work_poll(struct rouse_file_work *work, struct rouse_context *cx)
{
    struct rs_fs_job *job = work->job;

    if (work->state == WORK_BEGUN) {
        if (ring_begin(job, rouse_context_driver(cx))) {
            work->state = WORK_IN_RING;
        } else {
            work_to_pool(work, job);
        }
    }
    if (work->state == WORK_IN_RING) {
        if (ring_poll(work, cx) == ROUSE_PENDING) return ROUSE_PENDING;
        if (!is_of_the_ring(job, work->result)) return ROUSE_READY;
        work_to_pool(work, job);
    }
    if (rouse_future_poll(&work->blocking.base, cx) == ROUSE_PENDING) return ROUSE_PENDING;
    work->result = rouse_future_result(&work->blocking.base);
    if (work->result >= 0 && is_refusal(job, job->ring_result)) ring_is_wrong(job);
    return ROUSE_READY;
}

void rs_fs_work_end(struct rouse_file_work *work)
{
    struct rs_fs_job *job = work->job;

    if (job == NULL) return;
    work->job = NULL;
    if (work->state == WORK_IN_POOL) rouse_future_drop(&work->blocking.base);
    if (work->state == WORK_IN_RING) {
        rs_outcome_forget(&job->outcome);
        rs_driver_cancel(&job->op);
    }
    rs_fs_job_unref(job);
}
