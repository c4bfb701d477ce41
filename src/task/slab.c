// SPDX-License-Identifier: MIT
//
// Slabs: carved on demand, so pages that no task has reached cost nothing. Each slab of a class is
// twice as large as the one before, until they may have huge pages: from there on a page fault is
// paid once for thousands of tasks, and what is not reached of the last page is little.
//
// `balance` of a slab counts, negative, the blocks that other threads have freed; `used` counts,
// for the owner, the blocks it has given out less those it has freed itself. Their sum is what is
// alive. Now and then the owner moves some of the one to the other, so that both stay small.
// Closing adds `used` and CLOSED to the balance; from then on whoever brings it down to CLOSED
// frees the slab. Before that it never gets near CLOSED, whatever the order in which a freed block
// is listed, counted and given out again.
//
// A thread that frees blocks of other heaps hands them over some dozens at a time: to the list of
// their heap by one compare-exchange, and to the balance of each slab by one subtraction. It does
// so before it sleeps at the latest.

#include "task/slab.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/counters.h"
#include "base/cpu.h"
#include "base/sys.h"
#include "base/tls.h"

// Tests settle and hand over more often.
#ifndef RS_SLAB_SETTLE_AT
#define RS_SLAB_SETTLE_AT (1u << 20)
#endif
#ifndef RS_SLAB_PARCEL_MAX
#define RS_SLAB_PARCEL_MAX 32
#endif

enum { CLOSED = 1 << 30, SMALL_STEP = RS_SLAB_ALIGN, SMALL_MAX = 1024, PAGE = 4096 };

// Blocks above SMALL_MAX; up to it, every multiple of SMALL_STEP is a class of its own.
static const uint32_t large_sizes[] = {1536,  2048,  3072,  4096,  6144,  8192,  12288,
                                       16384, 24576, 32768, 49152, 65536, 98304, 135168};

enum {
    SMALL_CLASSES = SMALL_MAX / SMALL_STEP,
    LARGE_CLASSES = sizeof large_sizes / sizeof large_sizes[0],
    CLASSES = SMALL_CLASSES + LARGE_CLASSES,
    SLAB_SIZE_MIN = 64 << 10,
    SLAB_SIZE_MAX = 16 << 20,  // that have huge pages
    HUGE_PAGE = 2 << 20,
    SLAB_BLOCKS_MIN = 8,
};
_Static_assert(RS_SLAB_BLOCK_MAX == 135168, "the last class is the largest block");

// Three lines: what all read, what the owner writes, what the others write.
struct slab {
    struct slab *next;  // in the directory; written once
    struct rs_heap *heap;
    uint32_t size;
    uint32_t block_size;
    uint32_t class;
    _Alignas(RS_CACHE_LINE) uint32_t used;            // owner only
    _Atomic uint32_t carved;                          // blocks made so far; the owner adds to it
    _Alignas(RS_CACHE_LINE) _Atomic int32_t balance;  // see above
};

// A free block. The head stays valid: an enumeration reads it.
struct free_block {
    struct rs_block head;
    struct free_block *next;
};

// Blocks of one class of another heap, on their way there.
struct parcel {
    struct rs_heap *to;
    uint32_t class;
    uint32_t count;
    struct free_block *first;
    struct free_block *last;
};

enum { SLAB_HEADER = (sizeof(struct slab) + RS_CACHE_LINE - 1) / RS_CACHE_LINE * RS_CACHE_LINE };

struct rs_heap {
    const struct rouse_allocator *allocator;
    _Atomic(struct slab *) slabs;  // the directory, newest first
    _Atomic uint32_t references;   // the owner's, and one for each slab
    struct free_block *free[CLASSES];
    struct slab *open[CLASSES];  // the slab that is being carved
    struct parcel parcel;        // not handed over yet
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

    rs_counter_add(RS_COUNTER_TASK_BYTES, -(int64_t)slab->size);
    rs_pages_free(heap->allocator, slab, slab->size);
    heap_unref(heap);
}

// Of the next slab of a class.
static uint32_t slab_size(const struct rs_heap *heap, uint32_t class)
{
    const struct slab *last = heap->open[class];
    uint32_t size = SLAB_HEADER + SLAB_BLOCKS_MIN * class_size(class);

    if (last != NULL && last->size <= SLAB_SIZE_MAX / 2) size = 2 * last->size;
    if (last != NULL && last->size > SLAB_SIZE_MAX / 2) size = SLAB_SIZE_MAX;
    if (size < SLAB_SIZE_MIN) size = SLAB_SIZE_MIN;
    return (size + PAGE - 1) / PAGE * PAGE;
}

static struct slab *slab_pages(struct rs_heap *heap, uint32_t size)
{
    if (size != SLAB_SIZE_MAX) return rs_pages_alloc(heap->allocator, size, PAGE);
    struct slab *slab = rs_pages_alloc(heap->allocator, size, HUGE_PAGE);

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
    rs_counter_add(RS_COUNTER_TASK_BYTES, size);
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
    // Acquire, with the release in parcel_push(): the blocks are no longer in use.
    return atomic_exchange_explicit(&heap->remote[class], NULL, memory_order_acquire);
}

// What others have freed is taken off `used`.
static void settle(struct slab *slab)
{
    // Relaxed, both: counts; they are acted upon only where they may be the last.
    int32_t freed = -atomic_load_explicit(&slab->balance, memory_order_relaxed);

    slab->used -= (uint32_t)freed;
    atomic_fetch_add_explicit(&slab->balance, freed, memory_order_relaxed);
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
    struct slab *slab = slab_of(block);

    if (ROUSE_UNLIKELY(++slab->used >= RS_SLAB_SETTLE_AT)) settle(slab);
    return block;
}

void rs_block_publish(struct rs_block *block)
{
    // Relaxed load: we are its only user. Release, with the acquire in rs_heap_visit().
    atomic_store_explicit(&block->mark,
                          atomic_load_explicit(&block->mark, memory_order_relaxed) + 1,
                          memory_order_release);
}

static void parcel_push(const struct parcel *parcel)
{
    _Atomic(struct free_block *) *list = &parcel->to->remote[parcel->class];
    // Relaxed: the compare-exchange decides.
    struct free_block *newest = atomic_load_explicit(list, memory_order_relaxed);

    do {
        parcel->last->next = newest;
        // Release, with the acquire in take_back(). Only ever emptied as a whole, so a head that
        // compares equal is the same list.
    } while (!atomic_compare_exchange_weak_explicit(list, &newest, parcel->first,
                                                    memory_order_release, memory_order_relaxed));
}

// First the blocks are listed, and then counted: their slabs, and the heap with them, stay until
// the last is. How many of which slab is found out before: once listed they may be given out again.
static void parcel_hand_over(struct parcel *parcel)
{
    struct slab *slabs[RS_SLAB_PARCEL_MAX];
    int32_t counts[RS_SLAB_PARCEL_MAX];
    struct free_block *block = parcel->first;
    int runs = 0;

    for (uint32_t i = 0; i < parcel->count; i++, block = block->next) {
        struct slab *slab = slab_of(&block->head);

        if (runs == 0 || slabs[runs - 1] != slab) {
            slabs[runs] = slab;
            counts[runs++] = 0;
        }
        counts[runs - 1]++;
    }
    parcel_push(parcel);
    for (int i = 0; i < runs; i++) {
        // Acq_rel: whoever frees the slab does so after all other uses of it.
        if (atomic_fetch_sub_explicit(&slabs[i]->balance, counts[i], memory_order_acq_rel) ==
            CLOSED + counts[i]) {
            slab_free(slabs[i]);
        }
    }
    parcel->count = 0;
}

void rs_heap_flush(struct rs_heap *heap)
{
    if (heap->parcel.count > 0) parcel_hand_over(&heap->parcel);
}

static void free_remotely(struct rs_heap *here, struct slab *slab, struct free_block *block)
{
    struct parcel single = {.count = 0};
    struct parcel *parcel = here != NULL ? &here->parcel : &single;

    if (parcel->count > 0 && (parcel->to != slab->heap || parcel->class != slab->class)) {
        parcel_hand_over(parcel);
    }
    if (parcel->count == 0) {
        *parcel = (struct parcel){.to = slab->heap, .class = slab->class, .last = block};
    }
    block->next = parcel->first;
    parcel->first = block;
    parcel->count++;
    if (here == NULL || parcel->count == RS_SLAB_PARCEL_MAX) parcel_hand_over(parcel);
}

void rs_heap_free(struct rs_heap *here, struct rs_block *head)
{
    struct free_block *block = ROUSE_CONTAINER_OF(head, struct free_block, head);
    struct slab *slab = slab_of(head);

    // Relaxed: the block is ours alone until it is listed.
    atomic_store_explicit(&head->mark, atomic_load_explicit(&head->mark, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    if (here != slab->heap) {
        free_remotely(here, slab, block);
        return;
    }
    slab->used--;
    block->next = here->free[slab->class];
    here->free[slab->class] = block;
}

void rs_heap_close(struct rs_heap *heap)
{
    if (heap == NULL) return;
    rs_heap_flush(heap);
    // Relaxed: we are the owner.
    struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_relaxed);

    while (slab != NULL) {
        struct slab *next = slab->next;
        int32_t used = (int32_t)slab->used;

        // Acq_rel: as in parcel_hand_over().
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

        rs_counter_add(RS_COUNTER_TASK_BYTES, -(int64_t)slab->size);
        rs_pages_free(heap->allocator, slab, slab->size);
        slab = next;
    }
    rs_pages_free(heap->allocator, heap, (sizeof *heap + PAGE - 1) / PAGE * PAGE);
}

bool rs_heap_contains(const struct rs_heap *heap, const struct rs_block *block)
{
    // Acquire, with the release in slab_new().
    const struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_acquire);

    for (; slab != NULL; slab = slab->next) {
        if ((uintptr_t)block - (uintptr_t)slab < slab->size) return true;
    }
    return false;
}

static struct rs_block *block_of(const struct slab *slab, size_t index)
{
    return (struct rs_block *)(void *)((char *)(uintptr_t)slab + SLAB_HEADER +
                                       index * slab->block_size);
}

struct rs_block *rs_heap_block_at(const struct rs_heap *heap, uintptr_t address)
{
    // Acquire, with the release in slab_new().
    const struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_acquire);

    while (slab != NULL && address - (uintptr_t)slab >= slab->size) slab = slab->next;
    if (slab == NULL || address - (uintptr_t)slab < SLAB_HEADER) return NULL;
    size_t offset = address - (uintptr_t)slab - SLAB_HEADER;
    // Relaxed: as in rs_heap_visit_some().
    uint32_t carved = atomic_load_explicit(&slab->carved, memory_order_relaxed);
    bool begins = offset % slab->block_size == 0 && offset / slab->block_size < carved;

    return begins ? block_of(slab, offset / slab->block_size) : NULL;
}

size_t rs_block_size(const struct rs_block *block)
{
    return slab_of(block)->block_size;
}

size_t rs_heap_visit_some(struct rs_heap *heap, size_t begin, size_t count,
                          void (*visit)(struct rs_block *block, void *arg), void *arg)
{
    // Acquire, with the release in slab_new().
    const struct slab *slab = atomic_load_explicit(&heap->slabs, memory_order_acquire);
    size_t visited = 0;

    for (; slab != NULL && visited < count; slab = slab->next) {
        // Relaxed: the mark of a block that has been carved is 0 until the block is published.
        size_t carved = atomic_load_explicit(&slab->carved, memory_order_relaxed);
        size_t i = begin < carved ? begin : carved;

        begin -= i;
        for (; i < carved && visited < count; i++, visited++) {
            if (rs_block_is_published(block_of(slab, i))) visit(block_of(slab, i), arg);
        }
    }
    return visited;
}

void rs_heap_visit(struct rs_heap *heap, void (*visit)(struct rs_block *block, void *arg),
                   void *arg)
{
    (void)rs_heap_visit_some(heap, 0, SIZE_MAX, visit, arg);
}
