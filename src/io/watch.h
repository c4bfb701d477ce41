// SPDX-License-Identifier: MIT
//
// The table of watched descriptors of one driver, under its lock. A watch's key, as the kernel has
// it, is {generation, index}: an event that was under way for an earlier owner of the index is told
// apart and thrown away.

#ifndef RS_IO_WATCH_H
#define RS_IO_WATCH_H

#include <rouse/allocator.h>
#include <stdint.h>

struct rs_source;

struct rs_watch {
    struct rs_source *source;  // NULL: free
    uint32_t generation;       // never 0; bumped when freed
    union {
        uint32_t interest;   // what the back end has been told
        uint32_t next_free;  // of a free one: 1 + index of the next one; 0: none
    };
};
_Static_assert(sizeof(struct rs_watch) <= 16, "each idle connection has one");

enum { RS_WATCH_CHUNK = 256 };

// Chunks never move and are kept until the driver goes, so an index stays valid.
struct rs_watch_table {
    struct rs_watch **chunks;
    uint32_t chunk_count;
    uint32_t chunk_limit;  // room in `chunks`
    uint32_t free;         // 1 + index of the first free one; 0: none
    uint32_t used;
};

// 0, or -ENOMEM.
int rs_watch_take(struct rs_watch_table *table, const struct rouse_allocator *allocator,
                  uint32_t *index);
void rs_watch_give_back(struct rs_watch_table *table, uint32_t index);
void rs_watch_table_deinit(struct rs_watch_table *table, const struct rouse_allocator *allocator);

static inline struct rs_watch *rs_watch_at(const struct rs_watch_table *table, uint32_t index)
{
    return &table->chunks[index / RS_WATCH_CHUNK][index % RS_WATCH_CHUNK];
}

static inline uint64_t rs_watch_key(const struct rs_watch_table *table, uint32_t index)
{
    return (uint64_t)rs_watch_at(table, index)->generation << 32 | index;
}

// Says that the watch of a key will be looked for. (Inline in any case: gcc takes a call of what
// only fetches for one without an effect.)
__attribute__((always_inline)) static inline void rs_watch_fetch(const struct rs_watch_table *table,
                                                                 uint64_t key)
{
    uint32_t index = (uint32_t)key;

    if (index < table->chunk_count * RS_WATCH_CHUNK) __builtin_prefetch(rs_watch_at(table, index));
}

// The watch a key belongs to; NULL if it has been given back since.
static inline struct rs_watch *rs_watch_find(const struct rs_watch_table *table, uint64_t key)
{
    uint32_t index = (uint32_t)key;

    if (index >= table->chunk_count * RS_WATCH_CHUNK) return NULL;
    struct rs_watch *watch = rs_watch_at(table, index);
    return watch->source != NULL && watch->generation == key >> 32 ? watch : NULL;
}

#endif
