// SPDX-License-Identifier: MIT
//
// The memory of tasks: what a visit sees, blocks that go home from other threads, and a heap that
// outlives its owner for as long as one block does.

#include "task/slab.h"

#include <pthread.h>
#include <rouse.h>
#include <stdlib.h>
#include <string.h>

#include "base/tls.h"
#include "claim.h"

static int visited;

static void count_block(struct rs_block *block, void *arg)
{
    (void)block;
    (void)arg;
    visited++;
}

static int visit(struct rs_heap *heap)
{
    visited = 0;
    rs_heap_visit(heap, count_block, NULL);
    return visited;
}

static int64_t page_bytes(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.page_bytes;
}

static struct rs_heap *heap_new(void)
{
    struct rs_heap *heap = rs_heap_new(rouse_allocator_default());

    if (heap == NULL) exit(1);
    return heap;
}

static void seen_from_publish_to_free(void)
{
    struct rs_heap *heap = heap_new();

    for (size_t size = 24; size <= RS_SLAB_BLOCK_MAX; size = size * 3 / 2) {
        struct rs_block *block = rs_heap_alloc(heap, size);

        if (block == NULL || visit(heap) != 0) break;
        memset((char *)block + sizeof *block, 0x55, size - sizeof *block);
        rs_block_publish(block);
        if (visit(heap) != 1) break;
        rs_heap_free(heap, block);
    }
    claim(visit(heap) == 0, "a visit sees a block from its publication to its end");
    claim(rs_heap_alloc(heap, RS_SLAB_BLOCK_MAX + 1) == NULL, "there is a largest block");
    rs_heap_close(heap);
}

// ---- Parts of a heap, and single blocks ----

enum { PARTS_BLOCKS = 5000, PART = 7 };

// Visits all of it, a few at a time.
static int visit_in_parts(struct rs_heap *heap)
{
    size_t begin = 0;
    size_t count;

    visited = 0;
    do {
        count = rs_heap_visit_some(heap, begin, PART, count_block, NULL);
        begin += count;
    } while (count == PART);
    return visited;
}

static bool is_found(const struct rs_heap *heap, struct rs_block *block)
{
    uintptr_t address = (uintptr_t)block;

    return rs_heap_block_at(heap, address) == block &&
           rs_heap_block_at(heap, address + 16) != block &&
           rs_heap_block_at(heap, address + 1) == NULL &&
           rs_heap_block_at(heap, address - 1) == NULL;
}

static void seen_in_parts(void)
{
    static struct rs_block *parts[PARTS_BLOCKS];
    struct rs_heap *heap = heap_new();
    bool all_found = true;

    for (size_t i = 0; i < PARTS_BLOCKS; i++) {
        struct rs_block *block = rs_heap_alloc(heap, 100 + i % 3 * 300);

        if (block == NULL) exit(1);
        rs_block_publish(block);
        all_found &= is_found(heap, block) && rs_block_size(block) >= 100 + i % 3 * 300;
        if (i % 2 == 0) rs_heap_free(heap, block);
        parts[i] = block;
    }
    claim(visit_in_parts(heap) == visit(heap), "parts of a heap make the whole");
    claim(rs_heap_visit_some(heap, SIZE_MAX / 2, PART, count_block, NULL) == 0,
          "behind its end there is nothing");
    claim(all_found, "a block is found where it begins, and nowhere else");
    claim(rs_heap_block_at(heap, 0) == NULL && rs_heap_block_at(heap, UINTPTR_MAX) == NULL &&
              rs_heap_block_at(heap, (uintptr_t)heap) == NULL,
          "elsewhere there is none");
    for (size_t i = 1; i < PARTS_BLOCKS; i += 2) rs_heap_free(heap, parts[i]);
    claim(visit_in_parts(heap) == 0, "when all are free a visit sees none");
    rs_heap_close(heap);
}

enum { BLOCKS = 2000 };

static struct rs_block *blocks[BLOCKS];

static void *free_half(void *arg)
{
    for (int i = (int)(intptr_t)arg; i < BLOCKS; i += 2) rs_heap_free(NULL, blocks[i]);
    return NULL;
}

// Two threads free what a third has made.
static void free_all_remotely(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, free_half, (void *)1) != 0) exit(1);
    (void)free_half(NULL);
    (void)pthread_join(thread, NULL);
}

static void make_all(struct rs_heap *heap)
{
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = rs_heap_alloc(heap, 200);
        if (blocks[i] == NULL) exit(1);
        rs_block_publish(blocks[i]);
    }
}

static void taken_back_from_other_threads(void)
{
    struct rs_heap *heap = heap_new();

    make_all(heap);
    int64_t before = page_bytes();
    free_all_remotely();
    claim(visit(heap) == 0, "blocks are freed by other threads");
    for (int round = 0; round < 5; round++) {
        make_all(heap);
        free_all_remotely();
    }
    claim(page_bytes() == before, "and used again: five times as many need no more memory");
    rs_heap_close(heap);
}

static void outlives_its_owner(void)
{
    int64_t before = page_bytes();
    struct rs_heap *heap = heap_new();

    make_all(heap);
    rs_heap_close(heap);
    claim(page_bytes() > before, "blocks outlive their heap's owner");
    free_all_remotely();
    claim(page_bytes() == before, "with the last one all is given back");
}

int main(void)
{
    seen_from_publish_to_free();
    seen_in_parts();
    taken_back_from_other_threads();
    outlives_its_owner();
    return claims_end();
}
