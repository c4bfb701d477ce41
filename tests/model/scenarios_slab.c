// SPDX-License-Identifier: MIT
//
// The memory of tasks: blocks that other threads free, a heap that is closed before its blocks are,
// and a visit meanwhile. What is written into a block shows whether its hand-over is ordered.

#include <string.h>

#include "model.h"
#include "task/slab.h"

enum { SIZE = 64 };

static struct rs_heap *heap;
static struct rs_block *blocks[3];
static int visited;

static struct rs_block *make(void)
{
    struct rs_block *block = rs_heap_alloc(heap, SIZE);

    model_claim(block != NULL, "there is memory");
    // The whole of it, behind the head.
    memset(block + 1, 1, SIZE - sizeof *block);
    rs_block_publish(block);
    return block;
}

static void begin(void)
{
    heap = rs_heap_new(&model_allocator);
    for (int i = 0; i < 3; i++) blocks[i] = make();
    visited = 0;
}

static void use_and_free(int index, struct rs_heap *here)
{
    memset(blocks[index] + 1, 2, SIZE - sizeof *blocks[index]);
    rs_heap_free(here, blocks[index]);
}

static void free_first(void)
{
    use_and_free(0, NULL);
}

static void free_second(void)
{
    use_and_free(1, NULL);
}

// Two at once, by a thread with a heap of its own.
static void free_both(void)
{
    struct rs_heap *mine = rs_heap_new(&model_allocator);

    use_and_free(0, mine);
    use_and_free(1, mine);
    rs_heap_close(mine);
}

// The last of them in a parcel that is not full.
static void free_all(void)
{
    struct rs_heap *mine = rs_heap_new(&model_allocator);

    for (int i = 0; i < 3; i++) use_and_free(i, mine);
    rs_heap_close(mine);
}

static void make_and_free(void)
{
    for (int i = 0; i < 3; i++) rs_heap_free(heap, make());
}

static void make_and_close(void)
{
    rs_heap_free(heap, make());
    rs_heap_close(heap);
}

static void own(void)
{
    struct rs_block *a = make();
    struct rs_block *b = make();

    rs_heap_free(heap, a);
    rs_heap_free(heap, b);
    use_and_free(2, heap);
}

static void own_and_close(void)
{
    rs_heap_free(heap, make());
    use_and_free(2, heap);
    rs_heap_close(heap);
}

static void close_first(void)
{
    rs_heap_close(heap);
    use_and_free(2, NULL);
}

static void count_block(struct rs_block *block, void *arg)
{
    (void)block;
    (void)arg;
    visited++;
}

static void visit(void)
{
    rs_heap_visit(heap, count_block, NULL);
}

// Of blocks that nobody frees.
static void read_block(struct rs_block *block, void *arg)
{
    (void)arg;
    model_claim(block->offset != 0 && *(const char *)(block + 1) == 1,
                "a block that is visited is complete");
    visited++;
}

static void visit_and_read(void)
{
    rs_heap_visit(heap, read_block, NULL);
}

static void begin_empty(void)
{
    heap = rs_heap_new(&model_allocator);
    visited = 0;
}

static void make_two(void)
{
    blocks[0] = make();
    blocks[1] = make();
}

static void check_open(void)
{
    visited = 0;
    rs_heap_visit(heap, count_block, NULL);
    model_claim(visited == 0, "every block has been freed");
    rs_heap_close(heap);
}

static void check_visited(void)
{
    model_claim(visited >= 1 && visited <= 5, "a visit sees what is there all the time");
    rs_heap_free(heap, blocks[1]);
    check_open();
}

static void check_read(void)
{
    model_claim(visited <= 2, "a block is visited once");
    for (int i = 0; i < 2; i++) rs_heap_free(heap, blocks[i]);
    check_open();
}

const struct model_scenario model_slab_scenarios[] = {
    {.name = "slab_visit_read",
     .about = "what a visit finds can be read",
     .setup = begin_empty,
     .threads = {make_two, visit_and_read},
     .check = check_read},
    {.name = "slab_remote",
     .about = "a block that another thread has freed is given out again",
     .setup = begin,
     .threads = {own, free_first, free_second},
     .check = check_open},
    {.name = "slab_close",
     .about = "a heap that is closed goes with its last block, whoever frees that",
     .setup = begin,
     .threads = {own_and_close, free_first, free_second}},
    {.name = "slab_outlives",
     .about = "blocks outlive the owner of their heap",
     .setup = begin,
     .threads = {close_first, free_first, free_second}},
    {.name = "slab_parcel",
     .about = "blocks that are handed over together are given out again",
     .setup = begin,
     .threads = {make_and_free, free_all},
     .check = check_open},
    {.name = "slab_parcel_close",
     .about = "a heap that is closed may go with a parcel, or with what comes after it",
     .setup = begin,
     .threads = {make_and_close, free_all}},
    {.name = "slab_parcels",
     .about = "two hand over at once",
     .setup = begin,
     .threads = {own, free_both},
     .check = check_open},
    {.name = "slab_visit",
     .about = "a visit while blocks come and go",
     .setup = begin,
     .threads = {own, free_first, visit},
     .check = check_visited},
    {.name = NULL},
};
