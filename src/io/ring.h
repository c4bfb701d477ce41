// SPDX-License-Identifier: MIT
//
// A pair of io_uring queues, by raw system calls: what goes in, what comes out, and no policy. It
// needs a kernel from 5.11 (timeouts of io_uring_enter()); what else the caller relies on it looks
// up in `features`, or asks for by flags and tries without them.
//
// Threads: one at a time, but for rs_io_ring_submit() and rs_io_ring_has_next(), which touch only
// what the kernel shares and what never changes. Whether the kernel takes a submission from a
// second thread is another question: see IORING_SETUP_SINGLE_ISSUER.

#ifndef RS_IO_RING_H
#define RS_IO_RING_H

#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// In memory that the kernel shares:
//
// 1. We write `sq_tail` and the entries from it on, up to `sq_head` plus their number; the kernel
//    writes `sq_head`. What lies between them is the kernel's to read.
// 2. The kernel writes `cq_tail` and the entries before it; we write `cq_head`. What lies between
//    them is ours to read.
// 3. Both flag words are the kernel's.
struct rs_io_ring {
    int fd;
    uint32_t flags;     // that it was set up with: IORING_SETUP_*
    uint32_t features;  // of the kernel: IORING_FEAT_*
    uint32_t prepared;  // `sq_tail` once what was prepared is published

    _Atomic uint32_t *sq_head;
    _Atomic uint32_t *sq_tail;
    _Atomic uint32_t *sq_flags;
    uint32_t sq_entries;  // a power of two
    struct io_uring_sqe *sqes;

    _Atomic uint32_t *cq_head;
    _Atomic uint32_t *cq_tail;
    uint32_t cq_mask;
    struct io_uring_cqe *cqes;

    void *queues;  // the mapping that all but `sqes` points into
    size_t queues_size;
    size_t sqes_size;
};

// Makes the queues in the caller's memory, for `entries` submissions (rounded up to a power of two)
// and twice as many completions. `flags` are those of io_uring_setup().
//
// Errors: -ENOSYS where the kernel is too old; -EINVAL for a flag it does not know; -EPERM, -ENOMEM
// and others: what it said. Nothing is left behind then.
int rs_io_ring_open(struct rs_io_ring *ring, unsigned entries, uint32_t flags);

// Gives everything back. The kernel cancels what is under way, but not before this returns.
void rs_io_ring_close(struct rs_io_ring *ring);

// The next submission entry, zeroed, for the caller to fill; NULL while the queue is full.
struct io_uring_sqe *rs_io_ring_sqe(struct rs_io_ring *ring);

// Shows the kernel all that was prepared. Returns how many entries it has not taken yet.
unsigned rs_io_ring_publish(struct rs_io_ring *ring);

// Hands over up to `count` published entries, then waits until there are `wait_for` completions (0:
// not at all) or `timeout_ns` have passed (ROUSE_NEVER: no limit). Any thread.
//
// Returns the number of entries taken. It may come back early.
//
// Errors: -ETIME, -EINTR after a wait; -EAGAIN, -EBUSY: the kernel lacks memory, or wants
//         completions taken first; others for good. What was not taken stays published.
int rs_io_ring_submit(const struct rs_io_ring *ring, unsigned count, unsigned wait_for,
                      uint64_t timeout_ns);

// rs_io_ring_submit() of all that was prepared.
int rs_io_ring_enter(struct rs_io_ring *ring, unsigned wait_for, uint64_t timeout_ns);

// Takes back what was prepared and not taken by the kernel. Not while another thread hands over.
void rs_io_ring_withdraw(struct rs_io_ring *ring);

// True if the kernel has yet to take what was prepared.
bool rs_io_ring_has_prepared(const struct rs_io_ring *ring);

// True if rs_io_ring_next() would return something, or would have to ask the kernel. Any thread.
bool rs_io_ring_has_next(const struct rs_io_ring *ring);

// The next completion, which stays where it is; NULL if there is none. Those that did not fit into
// the queue are fetched first.
const struct io_uring_cqe *rs_io_ring_peek(const struct rs_io_ring *ring);

// Takes the next completion; false if there is none.
bool rs_io_ring_next(struct rs_io_ring *ring, struct io_uring_cqe *out);

#endif
