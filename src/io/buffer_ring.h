// SPDX-License-Identifier: MIT
//
// The buffers from which a ring takes one for each piece that it receives. They are lent ones: what
// a receive has filled leaves, as any lent buffer, and its place is filled with another.
//
// 1. A place, a buffer's id, is in the kernel's hands while it has a buffer, and free otherwise.
// 2. The kernel takes from its head up to `tail`, which we write; a completion names the place.
//
// Threads: one at a time.

#ifndef RS_IO_BUFFER_RING_H
#define RS_IO_BUFFER_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/inflow.h"

enum { RS_BUFFER_RING_SIZE = 128, RS_BUFFER_GROUP = 1 };

struct rs_buffer_ring {
    struct io_uring_buf_ring *entries;  // NULL: there is none
    uint16_t tail;
    uint16_t free_count;
    uint16_t free[RS_BUFFER_RING_SIZE];
    void *buffers[RS_BUFFER_RING_SIZE];
};

// Registers one without buffers for the ring `fd`.
//
// Errors: -ENOMEM; what the kernel said: -EINVAL where it is too old.
int rs_buffer_ring_open(struct rs_buffer_ring *ring, int fd);

// Gives the buffers back. `abandons`: the kernel may still write to them, so they are not.
void rs_buffer_ring_close(struct rs_buffer_ring *ring, bool abandons);

static inline unsigned rs_buffer_ring_room(const struct rs_buffer_ring *ring)
{
    return ring->free_count;
}

// Takes a lent buffer into a free place.
void rs_buffer_ring_put(struct rs_buffer_ring *ring, void *buffer);

// The buffer at `place`, which the kernel has filled: the caller has it now.
void *rs_buffer_ring_take(struct rs_buffer_ring *ring, unsigned place);

#endif
