// SPDX-License-Identifier: MIT
//
// An io_uring by bare system calls: two queues shared with the kernel, and a ring of buffers from
// which it takes one for each receive. One thread makes it and uses it.
//
// Who writes what: we the submission queue's tail, the completion queue's head and the buffer
// ring's tail, each with release, once what stands before it may be read by the kernel; the kernel
// the other two indices. With DEFER_TASKRUN it does so only while we are in io_uring_enter().

#ifndef ROUSE_BENCH_IO_URING_H
#define ROUSE_BENCH_IO_URING_H

#include "common.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1u << 16)
#endif

enum {
    URING_SUBMISSIONS = 1024,
    URING_COMPLETIONS = 16384,
    URING_BUFFERS = 4096,
    URING_BUFFER_SIZE = 2048,
    URING_GROUP = 1,
};

struct uring {
    int fd;
    int enter_fd;  // its index among the registered ones
    unsigned submitted;
    unsigned sq_tail;
    _Atomic unsigned *sq_shared_tail;
    unsigned sq_mask;
    struct io_uring_sqe *sqes;
    unsigned cq_head;
    _Atomic unsigned *cq_shared_head;
    _Atomic unsigned *cq_shared_tail;
    unsigned cq_mask;
    struct io_uring_cqe *cqes;
    struct io_uring_buf_ring *buffers;
    unsigned short buffers_tail;
    unsigned buffers_free;  // in the ring, for the kernel to take
    char *memory;           // of the buffers
};

// --- the start -----------------------------------------------------------------------------------

static inline void *uring_map(int fd, size_t size, unsigned long long offset)
{
    int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED | MAP_POPULATE;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

    if (memory == MAP_FAILED) net_fail("mmap", errno);
    return memory;
}

static inline void uring_register(int fd, unsigned what, void *arg, unsigned count)
{
    if (syscall(__NR_io_uring_register, fd, what, arg, count) < 0) {
        net_fail("io_uring_register", errno);
    }
}

// Without NO_SQARRAY (before Linux 6.6) the queue of entries has an indirection, filled in once.
static inline int uring_setup(struct io_uring_params *params)
{
    const unsigned flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                           IORING_SETUP_CQSIZE;
    long fd;

    *params = (struct io_uring_params){.flags = flags | IORING_SETUP_NO_SQARRAY,
                                       .cq_entries = URING_COMPLETIONS};
    fd = syscall(__NR_io_uring_setup, URING_SUBMISSIONS, params);
    if (fd >= 0 || errno != EINVAL) return (int)fd;
    *params = (struct io_uring_params){.flags = flags, .cq_entries = URING_COMPLETIONS};
    return (int)syscall(__NR_io_uring_setup, URING_SUBMISSIONS, params);
}

static inline void uring_map_queues(struct uring *u, const struct io_uring_params *p)
{
    size_t sq_size = p->sq_off.array + p->sq_entries * sizeof(unsigned);
    size_t cq_size = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
    char *rings = uring_map(u->fd, sq_size > cq_size ? sq_size : cq_size, IORING_OFF_SQ_RING);

    u->sqes = uring_map(u->fd, p->sq_entries * sizeof *u->sqes, IORING_OFF_SQES);
    u->sq_shared_tail = (_Atomic unsigned *)(void *)(rings + p->sq_off.tail);
    u->sq_mask = p->sq_entries - 1;
    u->cq_shared_head = (_Atomic unsigned *)(void *)(rings + p->cq_off.head);
    u->cq_shared_tail = (_Atomic unsigned *)(void *)(rings + p->cq_off.tail);
    u->cq_mask = p->cq_entries - 1;
    u->cqes = (struct io_uring_cqe *)(void *)(rings + p->cq_off.cqes);
    if ((p->flags & IORING_SETUP_NO_SQARRAY) != 0) return;
    for (unsigned i = 0; i < p->sq_entries; i++) {
        ((unsigned *)(void *)(rings + p->sq_off.array))[i] = i;
    }
}

// A program of ours that cannot have what it is about ends here: there is nothing to measure.
static inline void uring_open(struct uring *u)
{
    struct io_uring_params params;
    struct io_uring_rsrc_update ring = {.offset = (unsigned)-1};

    *u = (struct uring){.fd = uring_setup(&params)};
    if (u->fd < 0) net_fail("io_uring_setup", errno);
    if ((params.features & IORING_FEAT_SINGLE_MMAP) == 0) net_fail("io_uring_setup", ENOSYS);
    uring_map_queues(u, &params);
    ring.data = (unsigned long long)u->fd;
    uring_register(u->fd, IORING_REGISTER_RING_FDS, &ring, 1);
    u->enter_fd = (int)ring.offset;
}

// --- entries -------------------------------------------------------------------------------------

static inline void uring_enter(struct uring *u, unsigned wait_for)
{
    unsigned flags = IORING_ENTER_REGISTERED_RING | (wait_for > 0 ? IORING_ENTER_GETEVENTS : 0);
    unsigned count = u->sq_tail - u->submitted;
    long taken;

    // Release, with the kernel's acquire: it reads entries up to here.
    atomic_store_explicit(u->sq_shared_tail, u->sq_tail, memory_order_release);
    taken = syscall(__NR_io_uring_enter, u->enter_fd, count, wait_for, flags, NULL, 0);
    if (taken < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) {
        net_fail("io_uring_enter", errno);
    }
    if (taken > 0) u->submitted += (unsigned)taken;
}

// The next free entry, all zero. The kernel copies entries when it takes them, so a queue that is
// full is empty after an enter.
static inline struct io_uring_sqe *uring_entry(struct uring *u)
{
    struct io_uring_sqe *entry;

    while (u->sq_tail - u->submitted > u->sq_mask) {
        uring_enter(u, 0);
    }
    entry = &u->sqes[u->sq_tail++ & u->sq_mask];
    memset(entry, 0, sizeof *entry);
    return entry;
}

// The next completion, or NULL. It is valid until uring_seen().
static inline const struct io_uring_cqe *uring_peek(const struct uring *u)
{
    // Acquire, with the kernel's release: completions before it may be read.
    unsigned tail = atomic_load_explicit(u->cq_shared_tail, memory_order_acquire);

    return tail == u->cq_head ? NULL : &u->cqes[u->cq_head & u->cq_mask];
}

static inline void uring_seen(struct uring *u)
{
    // Release, with the kernel's acquire: it may write there again.
    atomic_store_explicit(u->cq_shared_head, ++u->cq_head, memory_order_release);
}

// --- buffers -------------------------------------------------------------------------------------

static inline char *uring_buffer(const struct uring *u, unsigned id)
{
    return u->memory + (size_t)id * URING_BUFFER_SIZE;
}

static inline void uring_buffer_return(struct uring *u, unsigned id)
{
    struct io_uring_buf *buffer = &u->buffers->bufs[u->buffers_tail & (URING_BUFFERS - 1)];

    // Not as one struct: the ring's tail lies in the first one's unused member.
    buffer->addr = (uintptr_t)uring_buffer(u, id);
    buffer->len = URING_BUFFER_SIZE;
    buffer->bid = (unsigned short)id;
    u->buffers_free++;
    // Release, with the kernel's acquire: it reads buffers up to here.
    atomic_store_explicit((_Atomic unsigned short *)(void *)&u->buffers->tail, ++u->buffers_tail,
                          memory_order_release);
}

static inline void uring_buffers_open(struct uring *u)
{
    struct io_uring_buf_reg ring = {.ring_entries = URING_BUFFERS, .bgid = URING_GROUP};

    u->buffers = uring_map(-1, URING_BUFFERS * sizeof(struct io_uring_buf), 0);
    u->memory = uring_map(-1, (size_t)URING_BUFFERS * URING_BUFFER_SIZE, 0);
    ring.ring_addr = (uintptr_t)u->buffers;
    uring_register(u->fd, IORING_REGISTER_PBUF_RING, &ring, 1);
    for (unsigned i = 0; i < URING_BUFFERS; i++) {
        uring_buffer_return(u, i);
    }
}

#endif
