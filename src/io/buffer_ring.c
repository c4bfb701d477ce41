// SPDX-License-Identifier: MIT
//
// A ring of provided buffers, as the kernel calls them. While they lie there they count as cached,
// not as lent.

#include "io/buffer_ring.h"

#include <rouse/assert.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "base/counters.h"
#include "base/global_lock.h"
#include "base/sys.h"

enum { ENTRIES_SIZE = RS_BUFFER_RING_SIZE * sizeof(struct io_uring_buf) };
_Static_assert((RS_BUFFER_RING_SIZE & (RS_BUFFER_RING_SIZE - 1)) == 0, "the tail wraps");

int rs_buffer_ring_open(struct rs_buffer_ring *ring, int fd)
{
    void *pages;
    int err = rs_sys.mmap(&pages, ENTRIES_SIZE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS);

    if (err < 0) return err;
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)pages,
                                            .ring_entries = RS_BUFFER_RING_SIZE,
                                            .bgid = RS_BUFFER_GROUP};

    err = rs_sys.io_uring_register(fd, IORING_REGISTER_PBUF_RING, &registration, 1);
    if (err < 0) {
        (void)rs_sys.munmap(pages, ENTRIES_SIZE);
        return err;
    }
    *ring = (struct rs_buffer_ring){.entries = pages, .free_count = RS_BUFFER_RING_SIZE};
    for (uint16_t i = 0; i < RS_BUFFER_RING_SIZE; i++) ring->free[i] = i;
    return 0;
}

// Kept for ever, where they can be found by who looks for leaks. Their notes are not the kernel's.
static struct rs_inflow abandoned;  // under RS_GLOBAL_ORPHANS

void rs_buffer_ring_close(struct rs_buffer_ring *ring, bool abandons)
{
    struct rs_inflow all = {0};

    if (ring->entries == NULL) return;
    rs_lock(rs_global_lock(RS_GLOBAL_ORPHANS));
    for (unsigned i = 0; i < RS_BUFFER_RING_SIZE; i++) {
        if (ring->buffers[i] == NULL) continue;
        rs_inflow_append(abandons ? &abandoned : &all, rs_buffer_ring_take(ring, i), 0);
    }
    rs_unlock(rs_global_lock(RS_GLOBAL_ORPHANS));
    rs_inflow_free(&all);
    if (!abandons) (void)rs_sys.munmap(ring->entries, ENTRIES_SIZE);
    ring->entries = NULL;
}

void rs_buffer_ring_put(struct rs_buffer_ring *ring, void *buffer)
{
    rouse_assert(ring->free_count > 0, "a buffer ring has no room; ask before putting more");
    uint16_t place = ring->free[--ring->free_count];
    struct io_uring_buf *entry = &ring->entries->bufs[ring->tail & (RS_BUFFER_RING_SIZE - 1)];

    // Member by member: the tail lies in the first one's last, which is not used.
    entry->addr = (uintptr_t)buffer;
    entry->len = RS_INFLOW_SIZE;
    entry->bid = place;
    ring->buffers[place] = buffer;
    ring->tail++;
    // Release, with the kernel's acquire: it sees the entries before the new tail.
    atomic_store_explicit((_Atomic uint16_t *)&ring->entries->tail, ring->tail,
                          memory_order_release);
    rs_counter_add(RS_COUNTER_BUFFERS, -1);
    rs_counter_add(RS_COUNTER_BUFFERS_CACHED, 1);
}

void *rs_buffer_ring_take(struct rs_buffer_ring *ring, unsigned place)
{
    void *buffer = ring->buffers[place];

    rouse_assert(buffer != NULL, "the kernel has filled a buffer that it was not given");
    ring->buffers[place] = NULL;
    ring->free[ring->free_count++] = (uint16_t)place;
    rs_counter_add(RS_COUNTER_BUFFERS, 1);
    rs_counter_add(RS_COUNTER_BUFFERS_CACHED, -1);
    return buffer;
}
