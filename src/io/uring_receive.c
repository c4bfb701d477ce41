// SPDX-License-Identifier: MIT
//
// Receiving ahead: a stream that somebody has waited to read has a receive in the kernel that goes
// on, and takes a buffer for each piece. What has come waits in the watch's chain for the next
// read. Off unless ROUSE_URING_RECV=multishot; the life of a receive is drawn in docs/io_uring.md.
//
// Threads: as in uring.c; all under its lock.
//
// 1. While a receive is in the kernel, or something has come and is not read, nobody else may
//    receive from the descriptor: bytes would overtake each other. So who reads asks here, until
//    it hears -ENODATA.
// 2. A completion counts only if it bears the generation of the watch's receive. The buffer of one
//    that does not goes back to the kernel at once: its bytes were for a stream that is closed.
// 3. Ends are for good: a stream whose reader lags, or that finds no buffer, is polled from then
//    on. So what a stream holds is bounded: by HELD_MAX and what the kernel does until the cancel.
// 4. A buffer's memory is given back only when no receive is in the kernel; else it is abandoned.

#include <errno.h>
#include <rouse/clock.h>
#include <rouse/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "io/buffer.h"
#include "io/uring.h"

enum {
    HELD_MAX = 8,
    REFILL = 32,  // in one round
    HALT_ROUNDS = 200,
};

#define HALT_ROUND_NS (10 * ROUSE_NS_PER_MS)

static atomic_bool refusal_logged;

// ---- Refusal ----

static bool is_refusal(int result)
{
    return result == -EINVAL || result == -EPERM || result == -EACCES || result == -ENOSYS ||
           result == -EOPNOTSUPP;
}

// No receive begins from now on.
static void refuse(struct rs_uring *b, int err, const char *when)
{
    b->receives = false;
    // Relaxed: at worst a line comes twice.
    if (atomic_exchange_explicit(&refusal_logged, true, memory_order_relaxed)) return;
    rs_log(ROUSE_LOG_INFO,
           "io_uring: streams are polled and then read (to receive ahead was refused %s: %s)", when,
           rouse_strerror(err));
}

// ---- Entries ----

static bool prepare_receive(struct rs_uring *b, int fd, uint64_t tag)
{
    struct io_uring_sqe *sqe = rs_io_ring_sqe(&b->ring);

    if (sqe == NULL) return false;
    sqe->opcode = IORING_OP_RECV;
    sqe->fd = fd;
    // Who begins has just found it empty.
    sqe->ioprio = IORING_RECV_MULTISHOT | IORING_RECVSEND_POLL_FIRST;
    sqe->flags = IOSQE_BUFFER_SELECT;
    sqe->buf_group = RS_BUFFER_GROUP;
    sqe->user_data = tag;
    b->receiving++;
    return true;
}

static uint64_t receive_tag(uint32_t fd, uint32_t generation)
{
    return rs_uring_tag(fd | RS_URING_TAG_RECEIVE, generation);
}

bool rs_uring_receive_hand_over(struct rs_uring *b, uint32_t fd)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];

    if (watch->receive_armed != 0 && watch->receive != RS_URING_RECEIVE_ARMED) {
        if (!rs_uring_prepare_cancel(b, receive_tag(fd, watch->receive_armed), 0)) return false;
        watch->receive_armed = 0;
    }
    if (watch->receive != RS_URING_RECEIVE_WANTED) return true;
    uint32_t generation = rs_uring_generation_after(watch->receive_generation);

    if (!prepare_receive(b, (int)fd, receive_tag(fd, generation))) return false;
    watch->receive_generation = generation;
    watch->receive_armed = generation;
    watch->receive = RS_URING_RECEIVE_ARMED;
    return true;
}

// ---- Beginning and end of one ----

bool rs_uring_receive_begin(struct rs_uring *b, uint32_t fd)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];

    if (rs_uring_is_receiving(watch)) return true;
    // A receive for who had the number before may be about to be cancelled: by one entry, later.
    if (!b->receives || b->failed != 0 || !rs_inflow_is_empty(&watch->inflow) ||
        watch->receive_armed != 0) {
        return false;
    }
    watch->receive = RS_URING_RECEIVE_WANTED;
    watch->receive_error = 0;
    b->has_received = true;
    return true;
}

// From now on it is polled: arming that reports what is there.
static void over(struct rs_uring *b, uint32_t fd)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];

    watch->receive = RS_URING_RECEIVE_OVER;
    watch->generation = rs_uring_generation_after(watch->generation);
    rs_uring_list_add(b, fd);
}

static void end(struct rs_uring *b, uint32_t fd)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];

    if (watch->receive == RS_URING_RECEIVE_WANTED) over(b, fd);
    if (watch->receive != RS_URING_RECEIVE_ARMED) return;
    watch->receive = RS_URING_RECEIVE_ENDING;
    rs_uring_list_add(b, fd);
}

void rs_uring_receive_drop(struct rs_uring *b, uint32_t fd, struct rs_inflow *out)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];
    bool in_kernel = watch->receive == RS_URING_RECEIVE_ARMED ||
                     watch->receive == RS_URING_RECEIVE_ENDING;

    *out = watch->inflow;
    watch->inflow.first = NULL;
    watch->held = 0;
    watch->receive_error = 0;
    watch->receive = RS_URING_RECEIVE_NONE;
    watch->receive_generation = rs_uring_generation_after(watch->receive_generation);
    // It cannot be cancelled, and would keep the end of the stream from the peer.
    if (in_kernel && b->failed != 0) (void)rs_sys.shutdown((int)fd, SHUT_RDWR);
}

// ---- Completions ----

// The last completion of a receive had `result`.
static void ended(struct rs_uring *b, uint32_t fd, int result)
{
    struct rs_uring_watch *watch = &b->table.watches[fd];
    bool asked_for = watch->receive == RS_URING_RECEIVE_ENDING;

    watch->receive_armed = 0;
    // The queue of completions was full, or the thread that armed it has exited.
    if ((result > 0 || result == -ECANCELED) && !asked_for && b->receives && b->failed == 0) {
        watch->receive = RS_URING_RECEIVE_WANTED;
        rs_uring_list_add(b, fd);
        return;
    }
    if (is_refusal(result)) {
        refuse(b, result, "half-way");
    } else if (result < 0 && result != -ECANCELED && result != -ENOBUFS && result != -ENOMEM &&
               result != -EINTR && result != -EAGAIN && result != -EBADF) {
        watch->receive_error = result;
    }
    over(b, fd);
}

// A buffer has come, unless its reader is gone.
static void arrived(struct rs_uring *b, struct rs_uring_watch *watch,
                    const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_BUFFER) == 0) return;
    void *buffer = rs_buffer_ring_take(&b->buffers, cqe->flags >> IORING_CQE_BUFFER_SHIFT);

    if (watch == NULL || cqe->res <= 0) {
        rs_buffer_ring_put(&b->buffers, buffer);
        return;
    }
    rs_inflow_append(&watch->inflow, buffer, (size_t)cqe->res);
    watch->held++;
}

static uint32_t ready_of(const struct io_uring_cqe *cqe, bool last)
{
    if (!last || cqe->res > 0) return ROUSE_READABLE;
    return cqe->res == 0 ? ROUSE_READABLE | ROUSE_HANGUP : ROUSE_READABLE | ROUSE_ERROR;
}

bool rs_uring_receive_complete(struct rs_uring *b, const struct io_uring_cqe *cqe,
                               struct rs_event *event)
{
    uint32_t fd = (uint32_t)cqe->user_data & ~RS_URING_TAG_RECEIVE;
    uint32_t generation = (uint32_t)(cqe->user_data >> 32);
    struct rs_uring_watch *watch = &b->table.watches[fd];
    bool last = (cqe->flags & IORING_CQE_F_MORE) == 0;
    bool counts = rs_uring_receive_counts(watch, generation);

    if (last) b->receiving--;
    if (last && watch->receive_armed == generation) watch->receive_armed = 0;
    arrived(b, counts ? watch : NULL, cqe);
    if (!counts) return false;
    if (last) {
        ended(b, fd, cqe->res);
    } else if (watch->receive == RS_URING_RECEIVE_ENDING) {
        // The cancel has missed it while it ran.
        watch->receive_armed = generation;
        rs_uring_list_add(b, fd);
    } else if (watch->held >= HELD_MAX) {
        end(b, fd);
    }
    *event = (struct rs_event){.key = watch->key, .ready = ready_of(cqe, last)};
    return true;
}

// ---- Reading ----

// 1: there is something to read, an error maybe; else what a read gives.
static int state_of(const struct rs_uring_watch *watch)
{
    if (!rs_inflow_is_empty(&watch->inflow) || watch->receive_error != 0) return 1;
    return rs_uring_is_receiving(watch) ? -EAGAIN : -ENODATA;
}

static ssize_t read_from(struct rs_uring_watch *watch, struct rs_inflow_read *read)
{
    ssize_t result = watch->receive_error;
    unsigned emptied;

    if (rs_inflow_is_empty(&watch->inflow)) {
        if (read->bytes_only) return -EAGAIN;
        watch->receive_error = 0;
        return result;
    }
    result = rs_inflow_read(&watch->inflow, read, &emptied);
    watch->held = (uint16_t)(watch->held - emptied);
    return result;
}

static ssize_t uring_receive_read(struct rs_backend *backend, int fd, struct rs_inflow_read *read)
{
    struct rs_uring *b = rs_uring_of(backend);
    ssize_t result = -ENODATA;

    rs_lock(&b->lock);
    if ((size_t)fd < b->table.count) result = state_of(&b->table.watches[fd]);
    if (result > 0 && read != NULL) result = read_from(&b->table.watches[fd], read);
    rs_unlock(&b->lock);
    return result;
}

static void uring_receive_end(struct rs_backend *backend, int fd)
{
    struct rs_uring *b = rs_uring_of(backend);

    rs_lock(&b->lock);
    if ((size_t)fd < b->table.count) end(b, (uint32_t)fd);
    rs_uring_settle(b);
    rs_unlock(&b->lock);
}

static int uring_receive_leave(struct rs_backend *backend, int fd, struct rs_inflow *out)
{
    struct rs_uring *b = rs_uring_of(backend);
    int error = 0;

    out->first = NULL;
    rs_lock(&b->lock);
    if ((size_t)fd < b->table.count) {
        struct rs_uring_watch *watch = &b->table.watches[fd];
        // It could not be ended, and may have taken bytes that nobody will see.
        bool lost = rs_uring_is_receiving(watch) && watch->receive != RS_URING_RECEIVE_WANTED;

        error = lost ? -EIO : watch->receive_error;
        rs_uring_receive_drop(b, (uint32_t)fd, out);
    }
    rs_unlock(&b->lock);
    return error;
}

// ---- Buffers ----

void rs_uring_receive_refill(struct rs_uring *b)
{
    void *spare[REFILL];
    unsigned count;
    unsigned got;

    // It changes with the opening and the close only.
    if (b->buffers.entries == NULL) return;
    do {
        rs_lock(&b->lock);
        count = b->receives && b->has_received ? rs_buffer_ring_room(&b->buffers) : 0;
        rs_unlock(&b->lock);
        if (count > REFILL) count = REFILL;
        for (got = 0; got < count; got++) {
            spare[got] = rs_buffer_take();
            // Without memory there are fewer. A stream that finds none is polled.
            if (spare[got] == NULL) break;
        }
        if (got == 0) return;
        rs_lock(&b->lock);
        // Another thread may have been faster.
        while (got > 0 && rs_buffer_ring_room(&b->buffers) > 0) {
            rs_buffer_ring_put(&b->buffers, spare[--got]);
        }
        rs_unlock(&b->lock);
        for (unsigned i = 0; i < got; i++) rouse_buffer_free(spare[i]);
    } while (count == REFILL && got == 0);
}

// ---- The end of all ----

// Entries that the kernel has not taken will never complete. While nobody hands any over.
static void forget_untaken(struct rs_uring *b)
{
    // Acquire, with the kernel's release: what it has taken it has read.
    uint32_t i = atomic_load_explicit(b->ring.sq_head, memory_order_acquire);

    for (; i != b->ring.prepared; i++) {
        const struct io_uring_sqe *sqe = &b->ring.sqes[i & (b->ring.sq_entries - 1)];

        if (sqe->opcode != IORING_OP_RECV) continue;
        struct rs_uring_watch *watch =
            &b->table.watches[(uint32_t)sqe->user_data & ~RS_URING_TAG_RECEIVE];

        b->receiving--;
        if (rs_uring_receive_counts(watch, (uint32_t)(sqe->user_data >> 32))) {
            watch->receive = RS_URING_RECEIVE_OVER;
            watch->receive_armed = 0;
        }
    }
    rs_io_ring_withdraw(&b->ring);
}

// All that is in the kernel, polls too. A second way is tried where the first is closed. False if
// both are.
static bool cancel_everything(struct rs_uring *b)
{
    struct io_uring_sync_cancel_reg all = {
        .fd = -1, .flags = IORING_ASYNC_CANCEL_ANY, .timeout = {.tv_sec = -1, .tv_nsec = -1}};
    bool prepared =
        rs_uring_prepare_cancel(b, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);

    if (rs_uring_enter(b, 0, 0) > 0 && prepared) return true;
    // Who sleeps in the ring leaves it.
    rs_notifier_kick(&b->notifier);
    return rs_sys.io_uring_register(b->ring.fd, IORING_REGISTER_SYNC_CANCEL, &all, 1) >= 0;
}

void rs_uring_receive_halt(struct rs_uring *b)
{
    const struct timespec round = {.tv_nsec = (long)HALT_ROUND_NS};

    b->receives = false;
    for (uint32_t fd = 0; fd < b->table.count; fd++) {
        if (rs_uring_is_receiving(&b->table.watches[fd])) end(b, fd);
    }
    if (b->receiving == 0 || !b->ring_open) return;
    bool cancelled = cancel_everything(b);

    for (int i = 0; i < HALT_ROUNDS; i++) {
        if (b->failed != 0 && b->entered == 0) forget_untaken(b);
        rs_uring_take_back(b);
        if (b->receiving == 0 || (!cancelled && b->entered == 0)) return;
        // Not a wait of the ring's, which may be refused. The kernel ends them in the thread that
        // armed them, which may have to be interrupted.
        struct pollfd entry = {.fd = b->ring.fd, .events = POLLIN};

        rs_unlock(&b->lock);
        (void)rs_sys.ppoll(&entry, 1, &round);
        rs_lock(&b->lock);
    }
}

static void uring_receive_halt(struct rs_backend *backend)
{
    struct rs_uring *b = rs_uring_of(backend);

    rs_lock(&b->lock);
    rs_uring_receive_halt(b);
    rs_unlock(&b->lock);
}

static int uring_receive_fd(struct rs_backend *backend)
{
    struct rs_uring *b = rs_uring_of(backend);

    rs_lock(&b->lock);
    int fd = b->receiving > 0 && b->ring_open ? b->ring.fd : -1;

    rs_unlock(&b->lock);
    return fd;
}

void rs_uring_receive_close(struct rs_uring *b)
{
    for (uint32_t fd = 0; fd < b->table.count; fd++) rs_inflow_free(&b->table.watches[fd].inflow);
    rs_buffer_ring_close(&b->buffers, b->receiving > 0);
}

// ---- The beginning ----

static bool is_wanted(void)
{
    const char *name = getenv("ROUSE_URING_RECV");

    return name != NULL && strcmp(name, "multishot") == 0;
}

// Waits for the next completion of the receive that probes. Returns its result.
static int probe_next(struct rs_uring *b)
{
    struct io_uring_cqe cqe;
    int err = rs_io_ring_enter(&b->ring, 1, ROUSE_NEVER);

    if (err < 0) return err;
    if (!rs_io_ring_next(&b->ring, &cqe)) return -EIO;
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) b->receiving--;
    arrived(b, NULL, &cqe);
    if (cqe.res > 0 && b->receiving == 0) return -EINVAL;
    return cqe.res;
}

// Receives a byte, and then the end, from a pair that nobody else has.
static int try_receive(struct rs_uring *b, const int fds[2])
{
    if (rs_sys.send(fds[1], "", 1, MSG_NOSIGNAL) != 1) return -EIO;
    if (!prepare_receive(b, fds[0], RS_URING_TAG_CANCEL)) return -EAGAIN;
    int result = probe_next(b);

    if (result <= 0) return result < 0 ? result : -EIO;
    // Not before: of a Unix stream, some kernels tell of an end that is there already only once.
    result = rs_sys.shutdown(fds[1], SHUT_WR);
    return result < 0 ? result : probe_next(b);
}

static int probe(struct rs_uring *b)
{
    void *buffer = rs_buffer_take();
    int fds[2];

    if (buffer == NULL) return -ENOMEM;
    rs_buffer_ring_put(&b->buffers, buffer);
    int err = rs_sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);

    if (err < 0) return err;
    err = try_receive(b, fds);
    if (err < 0) forget_untaken(b);
    (void)rs_sys.close(fds[0]);
    (void)rs_sys.close(fds[1]);
    return err;
}

void rs_uring_receive_open(struct rs_uring *b)
{
    if (!is_wanted()) return;
    int err = rs_buffer_ring_open(&b->buffers, b->ring.fd);

    if (err == 0) err = probe(b);
    b->receives = err == 0;
    if (err < 0) refuse(b, err, "at the start");
}

const struct rs_receive_ops rs_uring_receive_ops = {
    .read = uring_receive_read,
    .end = uring_receive_end,
    .leave = uring_receive_leave,
    .halt = uring_receive_halt,
    .fd = uring_receive_fd,
};
