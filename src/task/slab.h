// SPDX-License-Identifier: MIT
//
// Memory for tasks: size classes in slabs. A heap has one owner thread, which allocates and mostly
// frees; other threads free onto a list that the owner takes back when it runs out. Every slab is
// in a directory that only grows, so all live tasks can be enumerated without any cost to a spawn.
//
// A heap outlives its owner: it is closed, not freed, and each slab goes with its last block, the
// heap with its last slab. So a waker may be dropped long after its runtime is gone.

#ifndef RS_TASK_SLAB_H
#define RS_TASK_SLAB_H

#include <rouse/allocator.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// What each block is aligned to, and at the least its size is a multiple of.
enum { RS_SLAB_ALIGN = 16 };

// The largest block, with its header.
#define RS_SLAB_BLOCK_MAX ((size_t)(132 << 10))

struct rs_heap;

// The head of every block; the owner of the block puts it first in its struct.
struct rs_block {
    _Atomic uint32_t mark;  // generation * 2 + 1 while live: from publish to free
    uint32_t offset;        // from the start of its slab
};

// A heap for tasks; NULL without memory.
struct rs_heap *rs_heap_new(const struct rouse_allocator *allocator);

// The owner is gone; blocks may live on. Nothing may be allocated any more.
void rs_heap_close(struct rs_heap *heap);

// In the child of a fork: unmaps everything, whatever is alive in it.
void rs_heap_discard(struct rs_heap *heap);

// Owner only. A block of at least `size` bytes, its head filled in, the rest not zeroed; NULL
// without memory, or above RS_SLAB_BLOCK_MAX. It must be published before it is freed.
void *rs_heap_alloc(struct rs_heap *heap, size_t size);

// Says that what is in the block is complete: from here on a visit finds it. Whoever allocated it.
void rs_block_publish(struct rs_block *block);

// Whether the block is live: in a visit, still so, or again.
static inline bool rs_block_is_published(const struct rs_block *block)
{
    // Acquire, with the release in rs_block_publish().
    return atomic_load_explicit(&block->mark, memory_order_acquire) % 2 == 1;
}

// Frees a block of any heap. Any thread: `here` is the heap that it owns, or NULL. A block of
// another heap is back there after a rs_heap_flush() of `here` at the latest.
void rs_heap_free(struct rs_heap *here, struct rs_block *block);

// Hands over what was freed here and belongs elsewhere. The owner, before it sleeps.
void rs_heap_flush(struct rs_heap *heap);

// Whether the heap has ever given out a block there: then there is one, live or free. Any thread,
// while the heap is not closed.
bool rs_heap_contains(const struct rs_heap *heap, const struct rs_block *block);

// The block that begins at `address`, live or free; NULL: none of the heap's does. Any thread,
// while the heap is not closed.
struct rs_block *rs_heap_block_at(const struct rs_heap *heap, uintptr_t address);

// What a block was made for, or a little more.
size_t rs_block_size(const struct rs_block *block);

// Calls `visit` for every published block that is there from start to end, and perhaps for some
// that come or go meanwhile. Any thread, while the heap is not closed.
void rs_heap_visit(struct rs_heap *heap, void (*visit)(struct rs_block *block, void *arg),
                   void *arg);

// The same for `count` blocks, published or not, from the one with number `begin` on; 0 is one of
// the newest slab. Returns how many there were: less than `count` at the end of the heap. New slabs
// move the numbers.
size_t rs_heap_visit_some(struct rs_heap *heap, size_t begin, size_t count,
                          void (*visit)(struct rs_block *block, void *arg), void *arg);

#endif
