// SPDX-License-Identifier: MIT
//
// Slabs: carved on demand, so pages that no task has reached cost nothing. Each slab of a class is
// twice as large as the one before, up to the size of a huge page: from there on a page fault is
// paid once for thousands of tasks.
//
// `balance` of a slab counts, negative, the blocks that other threads have freed and the owner has
// not taken back; `used` counts, for the owner, the blocks it has given out and not got back. Their
// sum is what is alive. Closing adds `used` and CLOSED to the balance; from then on whoever brings
// it down to CLOSED frees the slab. Before that it never gets near CLOSED, whatever the order in
// which a freed block is listed, counted and taken back.

#include "task/slab.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/sys.h"
#include "base/tls.h"

enum { CLOSED = 1 << 30, SMALL_STEP = RS_SLAB_ALIGN, SMALL_MAX = 1024, PAGE = 4096 };

// Blocks above SMALL_MAX; up to it, every multiple of SMALL_STEP is a class of its own.
static const uint32_t large_sizes[] = {1536,  2048,  3072,  4096,  6144,  8192,  12288,
                                       16384, 24576, 32768, 49152, 65536, 98304, 135168};

enum {
    SMALL_CLASSES = SMALL_MAX / SMALL_STEP,
    LARGE_CLASSES = sizeof large_sizes / sizeof large_sizes[0],
    CLASSES = SMALL_CLASSES + LARGE_CLASSES,
    SLAB_SIZE_MIN = 64 << 10,
    SLAB_SIZE_HUGE = 2 << 20,
    SLAB_BLOCKS_MIN = 8,
};
_Static_assert(RS_SLAB_BLOCK_MAX == 135168, "the last class is the largest block");

struct slab {
    struct slab *next;  // in the directory; written once
    struct rs_heap *heap;
    uint32_t size;
    uint32_t block_size;
    uint32_t class;
    uint32_t used;            // owner only
    _Atomic uint32_t carved;  // blocks made so far; only grows, by the owner
    _Atomic int32_t balance;  // see above
};

// A free block. The head stays valid: an enumeration reads it.
struct free_block {
    struct rs_block head;
    struct free_block *next;
};

enum { SLAB_HEADER = (sizeof(struct slab) + RS_CACHE_LINE - 1) / RS_CACHE_LINE * RS_CACHE_LINE };

struct rs_heap {
    const struct rouse_allocator *allocator;
    _Atomic(struct slab *) slabs;  // the directory, newest first
    _Atomic uint32_t references;   // the owner's, and one for each slab
    struct free_block *free[CLASSES];
    struct slab *open[CLASSES];  // the slab that is being carved
    // Freed by other threads, by class.
    _Alignas(RS_CACHE_LINE) _Atomic(struct free_block *) remote[CLASSES];
};

static uint32_t class_of(size_t size)
{
    if (size <= SMALL_MAX) return (uint32_t)((size + SMALL_STEP - 1) / SMALL_STEP) - 1;
    for (uint32_t i = 0; i < LARGE_CLASSES; i++) {
        if (size <= large_sizes[i]) return SMALL_CLASSES + i;
    }
    return CLASSES;
}

static uint32_t class_size(uint32_t class)
{
    return class < SMALL_CLASSES ? (class + 1) * SMALL_STEP : large_sizes[class - SMALL_CLASSES];
}

struct rs_heap *rs_heap_new(const struct rouse_allocator *allocator)
{
    struct rs_heap *heap = rs_pages_alloc(allocator, (sizeof *heap + PAGE - 1) / PAGE * PAGE, PAGE);

    if (heap == NULL) return NULL;
    heap->allocator = allocator;
    // Relaxed: not shared yet.
    atomic_store_explicit(&heap->references, 1, memory_order_relaxed);
    return heap;
}

static void heap_unref(struct rs_heap *heap)
{
    // Acq_rel: the last one frees after everything the others did.
    if (atomic_fetch_sub_explicit(&heap->references, 1, memory_order_acq_rel) != 1) return;
    rs_pages_free(heap->allocator, heap, (sizeof *heap + PAGE - 1) / PAGE * PAGE);
}

static void slab_free(struct slab *slab)
{
    struct rs_heap *heap = slab->heap;

    rs_pages_free(heap->allocator, slab, slab->size);
    heap_unref(heap);
}

// Of the next slab of a class.
static uint32_t slab_size(const struct rs_heap *heap, uint32_t class)
{
    const struct slab *last = heap->open[class];
    uint32_t size = SLAB_HEADER + SLAB_BLOCKS_MIN * class_size(class);

    if (last != NULL && last->size <= SLAB_SIZE_HUGE / 2) size = 2 * last->size;
    if (last != NULL && last->size > SLAB_SIZE_HUGE / 2) size = SLAB_SIZE_HUGE;
    if (size < SLAB_SIZE_MIN) size = SLAB_SIZE_MIN;
    return (size + PAGE - 1) / PAGE * PAGE;
}

static struct slab *slab_pages(struct rs_heap *heap, uint32_t size)
{
    if (size != SLAB_SIZE_HUGE) return rs_pages_alloc(heap->allocator, size, PAGE);
    struct slab *slab = rs_pages_alloc(heap->allocator, size, SLAB_SIZE_HUGE);

    // A hint: without it there are more page faults.
    if (slab != NULL) (void)rs_sys.madvise(slab, size, MADV_HUGEPAGE);
    return slab;
}

static struct slab *slab_new(struct rs_heap *heap, uint32_t class)
{
    uint32_t block_size = class_size(class);
    uint32_t size = slab_size(heap, class);
    struct slab *slab = slab_pages(heap, size);

    if (slab == NULL) return NULL;
    slab->heap = heap;
    slab->size = size;
    slab->block_size = block_size;
    slab->class = class;
    // Relaxed: the owner is its only writer.
    slab->next = atomic_load_explicit(&heap->slabs, memory_order_relaxed);
    // Relaxed: the owner's own reference keeps the heap.
    atomic_fetch_add_explicit(&heap->references, 1, memory_order_relaxed);
    // Release, with the acquire in rs_heap_visit(): the slab is complete.
    atomic_store_explicit(&heap->slabs, slab, memory_order_release);
    return slab;
}

static struct rs_block *carve(struct rs_heap *heap, uint32_t class)
{
    struct slab *slab = heap->open[class];
    // Relaxed: the owner is its only writer.
    uint32_t carved = slab != NULL ? atomic_load_explicit(&slab->carved, memory_order_relaxed) : 0;

    if (slab == NULL || SLAB_HEADER + (carved + 1) * slab->block_size > slab->size) {
        slab = slab_new(heap, class);
        if (slab == NULL) return NULL;
        heap->open[class] = slab;
        carved = 0;
    }
    uint32_t offset = SLAB_HEADER + carved * slab->block_size;
    struct rs_block *block = (struct rs_block *)(void *)((char *)slab + offset);

    block->offset = offset;
    // Relaxed: a visitor looks at the mark, which says when there is more to see.
    atomic_store_explicit(&slab->carved, carved + 1, memory_order_relaxed);
    return block;
}

static struct slab *slab_of(const struct rs_block *block)
{
    return (struct slab *)(void *)((char *)(uintptr_t)block - block->offset);
}

// Takes back what other threads have freed. Owner only.
static struct free_block *take_back(struct rs_heap *heap, uint32_t class)
{
    // Relaxed: only to see whether there is anything.
    if (atomic_load_explicit(&heap->remote[class], memory_order_relaxed) == NULL) return NULL;
    // Acquire, with the release in free_remotely(): the blocks are no longer in use.
    struct free_block *list =
        atomic_exchange_explicit(&heap->remote[class], NULL, memory_order_acquire);

    for (struct free_block *block = list; block != NULL; block = block->next) {
        struct slab *slab = slab_of(&block->head);

        slab->used--;
        // Relaxed: a count; the free's own decrement may come before or after.
        atomic_fetch_add_explicit(&slab->balance, 1, memory_order_relaxed);
    }
    return list;
}

void *rs_heap_alloc(struct rs_heap *heap, size_t size)
{
    uint32_t class = class_of(size);
    struct rs_block *block;

    if (class >= CLASSES) return NULL;
    if (heap->free[class] == NULL) heap->free[class] = take_back(heap, class);
    if (heap->free[class] != NULL) {
        block = &heap->free[class]->head;
        heap->free[class] = heap->free[class]->next;
    } else {
        block = carve(heap, class);
        if (block == NULL) return NULL;
    }
    slab_of(block)->used++;
    return block;
}

void rs_block_publish(struct rs_block *block)
{
    // Relaxed load: we are its only user. Release, with the acquire in rs_heap_visit().
    atomic_store_explicit(&block->mark,
                          atomic_load_explicit(&block->mark, memory_order_relaxed) + 1,
                          memory_order_release);
}

static void free_remotely(struct slab *slab, struct free_block *block)
{
    struct rs_heap *heap = slab->heap;
    // Relaxed: the compare-exchange decides.
    struct free_block *newest =
        atomic_load_explicit(&heap->remote[slab->class], memory_order_relaxed);

    do {
        block->next = newest;
        // Release, with the acquire in take_back(). Only ever emptied as a whole, so a head that
        // compares equal is the same list.
    } while (!atomic_compare_exchange_weak_explicit(&heap->remote[slab->class], &newest, block,
                                                    memory_order_release, memory_order_relaxed));
    // Acq_rel: whoever frees the slab does so after all other uses of it.
    if (atomic_fetch_sub_explicit(&slab->balance, 1, memory_order_acq_rel) == CLOSED + 1) {
        slab_free(slab);
    }
}

void rs_heap_free(struct rs_heap *here, struct rs_block *head)
{
    struct free_block *block = ROUSE_CONTAINER_OF(head, struct free_block, head);
    struct slab *slab = slab_of(head);

    // Relaxed: the block is ours alone until it is listed.
    atomic_store_explicit(&head->mark, atomic_load_explicit(&head->mark, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (here != slab->heap) {
        free_remotely(slab, block);
        return;
    }
    slab->used--;
    block->next = here->free[slab->class];
    here->free[slab->class] = block;
}

void rs_heap_close(struct rs_heap *heap)
{
    if (heap == NULL) return;
    // Relaxed: we are the owner.
    struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_relaxed);

    while (slab != NULL) {
        struct slab *next = slab->next;
        int32_t used = (int32_t)slab->used;

        // Acq_rel: as in free_remotely().
        if (atomic_fetch_add_explicit(&slab->balance, used + CLOSED, memory_order_acq_rel) + used ==
            0) {
            slab_free(slab);
        }
        slab = next;
    }
    heap_unref(heap);
}

void rs_heap_discard(struct rs_heap *heap)
{
    // Relaxed: the child has one thread.
    struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_relaxed);

    while (slab != NULL) {
        struct slab *next = slab->next;

        rs_pages_free(heap->allocator, slab, slab->size);
        slab = next;
    }
    rs_pages_free(heap->allocator, heap, (sizeof *heap + PAGE - 1) / PAGE * PAGE);
}

void rs_heap_visit(struct rs_heap *heap, void (*visit)(struct rs_block *block, void *arg),
                   void *arg)
{
    // Acquire, with the release in slab_new().
    struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_acquire);

    for (; slab != NULL; slab = slab->next) {
        // Relaxed: the mark of a block that has been carved is 0 until the block is published.
        uint32_t carved = atomic_load_explicit(&slab->carved, memory_order_relaxed);

        for (uint32_t i = 0; i < carved; i++) {
            struct rs_block *block =
                (struct rs_block *)(void *)((char *)slab + SLAB_HEADER + i * slab->block_size);

            if (rs_block_is_published(block)) visit(block, arg);
        }
    }
}
