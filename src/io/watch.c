// SPDX-License-Identifier: MIT
//
// Growing the table of watches: a chunk at a time, its directory by doubling.

#include "io/watch.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/counters.h"

static int directory_grow(struct rs_watch_table *table, const struct rouse_allocator *allocator)
{
    uint32_t limit = table->chunk_limit == 0 ? 8 : table->chunk_limit * 2;
    struct rs_watch **chunks = rs_alloc(allocator, limit * sizeof chunks[0]);

    if (chunks == NULL) return -ENOMEM;
    if (table->chunks != NULL) {
        memcpy(chunks, table->chunks, table->chunk_count * sizeof chunks[0]);
        rs_free(allocator, table->chunks, table->chunk_limit * sizeof chunks[0]);
    }
    table->chunks = chunks;
    table->chunk_limit = limit;
    return 0;
}

static int table_grow(struct rs_watch_table *table, const struct rouse_allocator *allocator)
{
    if (table->chunk_count == table->chunk_limit && directory_grow(table, allocator) < 0) {
        return -ENOMEM;
    }
    struct rs_watch *chunk = rs_alloc(allocator, RS_WATCH_CHUNK * sizeof *chunk);

    if (chunk == NULL) return -ENOMEM;
    uint32_t first = table->chunk_count * RS_WATCH_CHUNK;

    table->chunks[table->chunk_count++] = chunk;
    for (uint32_t i = RS_WATCH_CHUNK; i-- > 0;) {
        chunk[i].generation = 1;
        chunk[i].next_free = table->free;
        table->free = first + i + 1;
    }
    return 0;
}

int rs_watch_take(struct rs_watch_table *table, const struct rouse_allocator *allocator,
                  uint32_t *index)
{
    if (table->free == 0) {
        int err = table_grow(table, allocator);

        if (err < 0) return err;
    }
    *index = table->free - 1;
    table->free = rs_watch_at(table, *index)->next_free;
    table->used++;
    rs_counter_add(RS_COUNTER_SOURCES, 1);
    return 0;
}

// Comes round after 2^32 owners of an index, and leaves 0 out, so that no key is 0.
static uint32_t generation_after(uint32_t generation)
{
    return generation == UINT32_MAX ? 1 : generation + 1;
}

void rs_watch_give_back(struct rs_watch_table *table, uint32_t index)
{
    struct rs_watch *watch = rs_watch_at(table, index);

    *watch = (struct rs_watch){.generation = generation_after(watch->generation),
                               .next_free = table->free};
    table->free = index + 1;
    table->used--;
    rs_counter_add(RS_COUNTER_SOURCES, -1);
}

void rs_watch_table_deinit(struct rs_watch_table *table, const struct rouse_allocator *allocator)
{
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        rs_free(allocator, table->chunks[i], RS_WATCH_CHUNK * sizeof *table->chunks[i]);
    }
    rs_free(allocator, table->chunks, table->chunk_limit * sizeof table->chunks[0]);
    *table = (struct rs_watch_table){0};
}
