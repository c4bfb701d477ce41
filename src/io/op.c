// SPDX-License-Identifier: MIT
//
// The ring of a driver: see op.h. All of this runs on the thread that turns the driver, but for
// rs_driver_cancel(), and for the end.
//
// The ring asks for nothing but cooperative task work: without it the kernel would interrupt the
// worker's computing for each completion; with more, with deferred task work or a single issuer, an
// executor could not move to another thread, and a ring that may not be entered any more would keep
// the completions of what it has begun. This one posts them all the same.

#include "io/op.h"

#include <errno.h>
#include <poll.h>
#include <rouse/error.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sys.h"
#include "io/driver.h"

#ifndef RS_OPS_ENTRIES
#define RS_OPS_ENTRIES 64
#endif

enum {
    ENTRIES = RS_OPS_ENTRIES,
    // As many as the completion queue takes, which has twice the entries, with a cancel for each.
    IN_FLIGHT_MAX = ENTRIES,
};

// What a cancel's own completion carries; no record lies there.
enum { CANCEL_TAG = 0 };

// Long enough to cost nothing, short enough for a driver that goes.
static const struct timespec end_wait = {.tv_nsec = 20000000};

static atomic_bool refusal_logged;

void rs_ops_init(struct rs_ops *ops, bool allowed)
{
    *ops = (struct rs_ops){.allowed = allowed};
    rs_list_init(&ops->cancels);
}

// ---- Opening and refusal ----

// From now on the pool does it. What is in flight ends as it would have.
static void refuse(struct rs_ops *ops, int err, const char *when)
{
    ops->allowed = false;
    // Relaxed: at worst a line comes twice.
    if (atomic_exchange_explicit(&refusal_logged, true, memory_order_relaxed)) return;
    rs_log(ROUSE_LOG_INFO,
           "files: the blocking pool reads and writes them (io_uring was refused %s: %s)", when,
           rouse_strerror(err));
}

static int ring_open(struct rs_io_ring *ring)
{
    int err = rs_io_ring_open(ring, ENTRIES, IORING_SETUP_COOP_TASKRUN);

    // Kernels before 5.19.
    return err == -EINVAL ? rs_io_ring_open(ring, ENTRIES, 0) : err;
}

int rs_ops_watch(const struct rs_ops *ops, struct rs_backend *backend)
{
    if (ops->state != RS_OPS_OPEN) return 0;
    return backend->ops->watch(backend, ops->ring.fd, RS_OPS_KEY, RS_WATCH_NONE,
                               ROUSE_READABLE | RS_WATCH_EDGE);
}

static bool ops_open(struct rouse_driver *driver)
{
    struct rs_ops *ops = &driver->ops;
    int err = ring_open(&ops->ring);

    if (err == 0) {
        rs_driver_lock(driver);
        ops->state = RS_OPS_OPEN;
        err = rs_ops_watch(ops, rs_reactor_get(&driver->reactor));
        rs_driver_unlock(driver);
        if (err < 0) rs_io_ring_close(&ops->ring);
    }
    if (err < 0) {
        ops->state = RS_OPS_REFUSED;
        refuse(ops, err, "at the start");
    }
    return err == 0;
}

// True if the calling thread may give operations to the driver's ring.
static bool ops_are_ours(struct rouse_driver *driver)
{
    struct rs_ops *ops = &driver->ops;

    // A clock that stands still is not to jump while the kernel works for us.
    if (rs_tls.driver != driver || !ops->allowed || rs_clock_is_virtual()) return false;
    return ops->state == RS_OPS_OPEN || (ops->state == RS_OPS_CLOSED && ops_open(driver));
}

// True for what another call may mend.
static bool is_passing(int err)
{
    return err == -EAGAIN || err == -EBUSY || err == -EINTR;
}

// Hands the one entry that was prepared to the kernel. 0, or an error: then it is out of the queue
// again.
static int enter(struct rs_ops *ops)
{
    int taken = rs_io_ring_enter(&ops->ring, 0, 0);

    if (taken == 1) return ops->in_flight++, 0;
    if (taken == 0) taken = -EAGAIN;
    rs_io_ring_withdraw(&ops->ring);
    if (!is_passing(taken)) refuse(ops, taken, "half-way");
    return taken;
}

// ---- Cancelling ----

// Asks the kernel to cancel an operation, or all of them, for NULL. 0, or an error, as enter().
static int cancel_now(struct rs_ops *ops, const struct rs_op *op)
{
    struct io_uring_sqe *sqe = rs_io_ring_sqe(&ops->ring);

    if (sqe == NULL) return -EAGAIN;
    sqe->opcode = IORING_OP_ASYNC_CANCEL;
    sqe->fd = -1;
    sqe->addr = (uint64_t)(uintptr_t)op;
    sqe->cancel_flags = op == NULL ? IORING_ASYNC_CANCEL_ANY : 0;
    sqe->user_data = CANCEL_TAG;
    return enter(ops);
}

// What could not be handed over stays for the next turn, which is to come without a sleep before
// it.
static void cancel_later(struct rouse_driver *driver, struct rs_op *op)
{
    rs_driver_lock(driver);
    // Somebody may have cancelled it once more.
    if (rs_list_is_empty(&op->cancel)) rs_list_push_front(&driver->ops.cancels, &op->cancel);
    rs_driver_unlock(driver);
    rouse_driver_notify(driver);
}

// Where the ring may not be entered any more there is nothing to be done: what was to be cancelled
// ends by itself.
static void cancel_queued(struct rouse_driver *driver)
{
    struct rs_ops *ops = &driver->ops;
    int err = 0;

    while (!is_passing(err)) {
        rs_driver_lock(driver);
        struct rs_list *link = rs_list_pop_front(&ops->cancels);
        rs_driver_unlock(driver);
        if (link == NULL) return;
        // Only this thread ends operations, so the record is there.
        struct rs_op *op = ROUSE_CONTAINER_OF(link, struct rs_op, cancel);

        err = ops->allowed ? cancel_now(ops, op) : 0;
        if (is_passing(err)) cancel_later(driver, op);
    }
}

void rs_driver_cancel(struct rs_op *op)
{
    // Relaxed: a record of a driver is never given back, so it may be locked; whether it is still
    // the home is seen under the lock.
    struct rouse_driver *home = atomic_load_explicit(&op->home, memory_order_relaxed);

    if (home == NULL) return;
    rs_driver_lock(home);
    bool in_flight = atomic_load_explicit(&op->home, memory_order_relaxed) == home;

    if (in_flight && rs_list_is_empty(&op->cancel)) {
        rs_list_push_back(&home->ops.cancels, &op->cancel);
    }
    rs_driver_unlock(home);
    if (!in_flight) return;
    // The owner sees to it at its next turn: at once, if it sleeps.
    rouse_driver_notify(home);
}

// ---- Submitting and reaping ----

static void op_fill(struct io_uring_sqe *sqe, const struct rs_op *op)
{
    sqe->opcode = op->code;
    sqe->fd = op->fd;
    sqe->off = op->offset;
    sqe->addr = (uint64_t)(uintptr_t)op->address;
    sqe->len = op->length;
    sqe->fsync_flags = op->flags;
    sqe->buf_index = op->buffer;
    sqe->user_data = (uint64_t)(uintptr_t)op;
}

// Makes it one on registered memory, if all of its memory is.
static void op_fix(struct rs_ops *ops, struct rs_op *op)
{
    if (!op->may_fix || (op->code != IORING_OP_READ && op->code != IORING_OP_WRITE)) return;
    int buffer = rs_file_memory_find(&ops->memory, ops->ring.fd, op->address, op->length);

    if (buffer < 0) return;
    op->code = op->code == IORING_OP_READ ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
    op->buffer = (uint16_t)buffer;
}

static void op_set_home(struct rouse_driver *driver, struct rs_op *op, struct rouse_driver *home)
{
    rs_driver_lock(driver);
    rs_list_remove(&op->cancel);
    // Relaxed: under the lock; see rs_driver_cancel().
    atomic_store_explicit(&op->home, home, memory_order_relaxed);
    rs_driver_unlock(driver);
}

int rs_driver_submit(struct rouse_driver *driver, struct rs_op *op)
{
    struct rs_ops *ops = &driver->ops;

    if (driver == NULL || !ops_are_ours(driver) || ops->in_flight >= IN_FLIGHT_MAX) return -EAGAIN;
    struct io_uring_sqe *sqe = rs_io_ring_sqe(&ops->ring);

    if (sqe == NULL) return -EAGAIN;
    op_fix(ops, op);
    op_fill(sqe, op);
    rs_list_init(&op->cancel);
    op_set_home(driver, op, driver);
    if (enter(ops) < 0) {
        op_set_home(driver, op, NULL);
        return -EAGAIN;
    }
    (void)rs_ops_reap(driver);
    return 0;
}

int rs_ops_reap(struct rouse_driver *driver)
{
    struct rs_ops *ops = &driver->ops;
    struct io_uring_cqe cqe;
    int ended = 0;

    // A done() that submits comes back here; what it has reaped is gone from the queue then.
    while (ops->in_flight > 0 && rs_io_ring_next(&ops->ring, &cqe)) {
        ops->in_flight--;
        if (cqe.user_data == CANCEL_TAG) continue;
        struct rs_op *op = (struct rs_op *)(uintptr_t)cqe.user_data;

        op_set_home(driver, op, NULL);
        op->done(op, cqe.res);
        ended++;
    }
    if (ops->in_flight > 0) cancel_queued(driver);
    return ended;
}

// ---- The end ----

void rs_ops_close(struct rouse_driver *driver)
{
    struct rs_ops *ops = &driver->ops;
    int cancelled = ops->allowed ? -EAGAIN : 0;

    if (ops->state != RS_OPS_OPEN) return;
    // A done() begins nothing more.
    ops->allowed = false;
    // The kernel has memory of ours until then.
    while (ops->in_flight > 0) {
        struct pollfd entry = {.fd = ops->ring.fd, .events = POLLIN};

        if (is_passing(cancelled)) cancelled = cancel_now(ops, NULL);
        if (rs_ops_reap(driver) > 0 || ops->in_flight == 0) continue;
        (void)rs_sys.ppoll(&entry, 1, &end_wait);
    }
    struct rs_backend *backend = rs_reactor_get(&driver->reactor);

    (void)backend->ops->watch(backend, ops->ring.fd, RS_OPS_KEY, ROUSE_READABLE | RS_WATCH_EDGE,
                              RS_WATCH_NONE);
    rs_io_ring_close(&ops->ring);
    ops->memory = (struct rs_file_memory){0};
    ops->state = RS_OPS_CLOSED;
}

void rs_ops_discard(struct rs_ops *ops)
{
    if (ops->state == RS_OPS_OPEN) rs_io_ring_close(&ops->ring);
}
