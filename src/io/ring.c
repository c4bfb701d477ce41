// SPDX-License-Identifier: MIT
//
// Mapping the queues, and moving along them.

#include "io/ring.h"

#include <errno.h>
#include <rouse/clock.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/counters.h"
#include "base/sys.h"
#include "base/sys_message.h"

enum { NEEDED_FEATURES = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG };

static void *at(const struct rs_io_ring *ring, uint32_t offset)
{
    return (char *)ring->queues + offset;
}

static uint32_t word_at(const struct rs_io_ring *ring, uint32_t offset)
{
    return *(const uint32_t *)at(ring, offset);
}

static void find_words(struct rs_io_ring *ring, const struct io_uring_params *params)
{
    ring->sq_head = at(ring, params->sq_off.head);
    ring->sq_tail = at(ring, params->sq_off.tail);
    ring->sq_flags = at(ring, params->sq_off.flags);
    ring->sq_entries = word_at(ring, params->sq_off.ring_entries);
    ring->cq_head = at(ring, params->cq_off.head);
    ring->cq_tail = at(ring, params->cq_off.tail);
    ring->cq_mask = word_at(ring, params->cq_off.ring_mask);
    ring->cqes = at(ring, params->cq_off.cqes);
    // The queue is one of indices into the entries: each place keeps its own.
    uint32_t *indices = at(ring, params->sq_off.array);

    for (uint32_t i = 0; i < ring->sq_entries; i++) indices[i] = i;
}

static int map_queues(struct rs_io_ring *ring, const struct io_uring_params *params)
{
    const int protection = PROT_READ | PROT_WRITE;
    const int flags = MAP_SHARED | MAP_POPULATE;
    size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
    size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
    void *sqes;
    int err;

    ring->queues_size = sq_size > cq_size ? sq_size : cq_size;
    ring->sqes_size = params->sq_entries * sizeof(struct io_uring_sqe);
    err = rs_sys.mmap_file(&ring->queues, ring->queues_size, protection, flags, ring->fd,
                           IORING_OFF_SQ_RING);
    if (err < 0) return err;
    err = rs_sys.mmap_file(&sqes, ring->sqes_size, protection, flags, ring->fd, IORING_OFF_SQES);
    if (err < 0) {
        (void)rs_sys.munmap(ring->queues, ring->queues_size);
        return err;
    }
    ring->sqes = sqes;
    find_words(ring, params);
    return 0;
}

static void close_descriptor(struct rs_io_ring *ring)
{
    (void)rs_sys.close(ring->fd);
    rs_counter_add(RS_COUNTER_FDS, -1);
}

int rs_io_ring_open(struct rs_io_ring *ring, unsigned entries, uint32_t flags)
{
    struct io_uring_params params = {.flags = flags};
    int fd = rs_sys.io_uring_setup(entries, &params);
    int err = -ENOSYS;

    if (fd < 0) return fd;
    rs_counter_add(RS_COUNTER_FDS, 1);
    *ring = (struct rs_io_ring){.fd = fd, .flags = flags, .features = params.features};
    if ((params.features & NEEDED_FEATURES) == NEEDED_FEATURES) err = map_queues(ring, &params);
    if (err < 0) close_descriptor(ring);
    return err;
}

void rs_io_ring_close(struct rs_io_ring *ring)
{
    (void)rs_sys.munmap(ring->sqes, ring->sqes_size);
    (void)rs_sys.munmap(ring->queues, ring->queues_size);
    close_descriptor(ring);
}

struct io_uring_sqe *rs_io_ring_sqe(struct rs_io_ring *ring)
{
    // Acquire, with the kernel's release: it has read the entries before `head`.
    uint32_t head = atomic_load_explicit(ring->sq_head, memory_order_acquire);

    if (ring->prepared - head == ring->sq_entries) return NULL;
    struct io_uring_sqe *sqe = &ring->sqes[ring->prepared++ & (ring->sq_entries - 1)];

    memset(sqe, 0, sizeof *sqe);
    return sqe;
}

unsigned rs_io_ring_publish(struct rs_io_ring *ring)
{
    // Release, with the kernel's acquire: it sees the entries before the new tail.
    atomic_store_explicit(ring->sq_tail, ring->prepared, memory_order_release);
    // Relaxed: a count, which may be too high when another thread hands entries over.
    return ring->prepared - atomic_load_explicit(ring->sq_head, memory_order_relaxed);
}

int rs_io_ring_submit(const struct rs_io_ring *ring, unsigned count, unsigned wait_for,
                      uint64_t timeout_ns)
{
    bool deferred = (ring->flags & IORING_SETUP_DEFER_TASKRUN) != 0;
    // With deferred work only asking for events brings them to the queue.
    unsigned flags = wait_for > 0 || deferred ? IORING_ENTER_GETEVENTS : 0;

    if (wait_for == 0 || timeout_ns == ROUSE_NEVER) {
        return rs_sys_io_uring_enter(ring->fd, count, wait_for, flags);
    }
    struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / ROUSE_NS_PER_S),
                               .tv_nsec = (long)(timeout_ns % ROUSE_NS_PER_S)};

    return rs_sys.io_uring_enter(ring->fd, count, wait_for, flags, &timeout);
}

int rs_io_ring_enter(struct rs_io_ring *ring, unsigned wait_for, uint64_t timeout_ns)
{
    return rs_io_ring_submit(ring, rs_io_ring_publish(ring), wait_for, timeout_ns);
}

void rs_io_ring_withdraw(struct rs_io_ring *ring)
{
    // Acquire, with the kernel's release: what it has taken it has read. It reads the tail only
    // when it is entered, so the tail may go back.
    ring->prepared = atomic_load_explicit(ring->sq_head, memory_order_acquire);
    // Relaxed: what lies behind it is not published.
    atomic_store_explicit(ring->sq_tail, ring->prepared, memory_order_relaxed);
}

bool rs_io_ring_has_prepared(const struct rs_io_ring *ring)
{
    // Relaxed: who is told so while another thread hands over asks the kernel once more.
    return ring->prepared != atomic_load_explicit(ring->sq_head, memory_order_relaxed);
}

static bool has_queued(const struct rs_io_ring *ring)
{
    // Relaxed, the head: our own. Acquire, the tail, with the kernel's release: it has written the
    // entries before it.
    return atomic_load_explicit(ring->cq_head, memory_order_relaxed) !=
           atomic_load_explicit(ring->cq_tail, memory_order_acquire);
}

static bool has_overflown(const struct rs_io_ring *ring)
{
    // Relaxed: it only says that the kernel has to be asked.
    return (atomic_load_explicit(ring->sq_flags, memory_order_relaxed) & IORING_SQ_CQ_OVERFLOW) !=
           0;
}

bool rs_io_ring_has_next(const struct rs_io_ring *ring)
{
    return has_queued(ring) || has_overflown(ring);
}

const struct io_uring_cqe *rs_io_ring_peek(const struct rs_io_ring *ring)
{
    if (!has_queued(ring)) {
        if (!has_overflown(ring)) return NULL;
        // There is room now. What it says does not matter: there are completions then, or not.
        (void)rs_sys.io_uring_enter(ring->fd, 0, 0, IORING_ENTER_GETEVENTS, NULL);
        if (!has_queued(ring)) return NULL;
    }
    // Relaxed: our own.
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);

    return &ring->cqes[head & ring->cq_mask];
}

bool rs_io_ring_next(struct rs_io_ring *ring, struct io_uring_cqe *out)
{
    const struct io_uring_cqe *cqe = rs_io_ring_peek(ring);

    if (cqe == NULL) return false;
    *out = *cqe;
    // Relaxed: our own.
    uint32_t head = atomic_load_explicit(ring->cq_head, memory_order_relaxed);

    // Release, with the kernel's acquire: we have read the entry before it writes it again.
    atomic_store_explicit(ring->cq_head, head + 1, memory_order_release);
    return true;
}
