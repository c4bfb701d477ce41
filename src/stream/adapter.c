// SPDX-License-Identifier: MIT
//
// Streams over streams. None keeps a wait below it once it has an item, or has ended: a wait that
// nobody polls would keep what it is granted from others.

#include <rouse/assert.h>
#include <rouse/clock.h>
#include <rouse/stream.h>

// As `inner` ended.
static rouse_stream_poll end_as(struct rouse_stream *self, const struct rouse_stream *inner)
{
    self->error = inner->error;
    return ROUSE_STREAM_END;
}

// ---- Map ----

static rouse_stream_poll map_poll(struct rouse_stream *self, struct rouse_context *cx, void *item)
{
    struct rouse_map_stream *map = ROUSE_CONTAINER_OF(self, struct rouse_map_stream, base);
    rouse_stream_poll poll = rouse_stream_poll_next(map->inner, cx, map->inner_item);

    if (poll == ROUSE_STREAM_END) return end_as(self, map->inner);
    if (poll == ROUSE_STREAM_ITEM) map->fn(map->arg, map->inner_item, item);
    return poll;
}

static void map_withdraw(struct rouse_stream *self)
{
    rouse_stream_withdraw(ROUSE_CONTAINER_OF(self, struct rouse_map_stream, base)->inner);
}

static const struct rouse_stream_vtable map_vtable = {
    .poll_next = map_poll, .withdraw = map_withdraw, .name = "map stream"};

void rouse_map_stream_init(struct rouse_map_stream *map, struct rouse_stream *inner,
                           void *inner_item,
                           void (*fn)(void *arg, const void *inner_item, void *item), void *arg)
{
    *map = (struct rouse_map_stream){
        .base.vtable = &map_vtable, .inner = inner, .inner_item = inner_item, .fn = fn, .arg = arg};
}

// ---- Filter ----

static rouse_stream_poll filter_poll(struct rouse_stream *self, struct rouse_context *cx,
                                     void *item)
{
    struct rouse_filter_stream *filter = ROUSE_CONTAINER_OF(self, struct rouse_filter_stream, base);
    rouse_stream_poll poll;

    // Sources spend the poll's budget, so this ends although nothing is kept.
    do {
        poll = rouse_stream_poll_next(filter->inner, cx, item);
    } while (poll == ROUSE_STREAM_ITEM && !filter->keep(filter->arg, item));
    return poll == ROUSE_STREAM_END ? end_as(self, filter->inner) : poll;
}

static void filter_withdraw(struct rouse_stream *self)
{
    rouse_stream_withdraw(ROUSE_CONTAINER_OF(self, struct rouse_filter_stream, base)->inner);
}

static const struct rouse_stream_vtable filter_vtable = {
    .poll_next = filter_poll, .withdraw = filter_withdraw, .name = "filter stream"};

void rouse_filter_stream_init(struct rouse_filter_stream *filter, struct rouse_stream *inner,
                              bool (*keep)(void *arg, const void *item), void *arg)
{
    *filter = (struct rouse_filter_stream){
        .base.vtable = &filter_vtable, .inner = inner, .keep = keep, .arg = arg};
}

// ---- Take ----

static rouse_stream_poll take_poll(struct rouse_stream *self, struct rouse_context *cx, void *item)
{
    struct rouse_take_stream *take = ROUSE_CONTAINER_OF(self, struct rouse_take_stream, base);

    if (take->left == 0) return ROUSE_STREAM_END;
    rouse_stream_poll poll = rouse_stream_poll_next(take->inner, cx, item);

    if (poll == ROUSE_STREAM_ITEM) take->left--;
    return poll == ROUSE_STREAM_END ? end_as(self, take->inner) : poll;
}

static void take_withdraw(struct rouse_stream *self)
{
    rouse_stream_withdraw(ROUSE_CONTAINER_OF(self, struct rouse_take_stream, base)->inner);
}

static const struct rouse_stream_vtable take_vtable = {
    .poll_next = take_poll, .withdraw = take_withdraw, .name = "take stream"};

void rouse_take_stream_init(struct rouse_take_stream *take, struct rouse_stream *inner,
                            uint64_t count)
{
    *take = (struct rouse_take_stream){.base.vtable = &take_vtable, .inner = inner, .left = count};
}

// ---- Merge ----

static rouse_stream_poll merge_poll(struct rouse_stream *self, struct rouse_context *cx, void *item)
{
    struct rouse_merge_stream *merge = ROUSE_CONTAINER_OF(self, struct rouse_merge_stream, base);
    bool pending = false;

    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = (merge->first + i) % 2;
        rouse_stream_poll poll = rouse_stream_poll_next(merge->inner[at], cx, item);

        if (poll == ROUSE_STREAM_ITEM) {
            merge->first = 1 - at;
            rouse_stream_withdraw(merge->inner[1 - at]);
            return ROUSE_STREAM_ITEM;
        }
        if (poll == ROUSE_STREAM_PENDING) pending = true;
        if (self->error == 0) self->error = merge->inner[at]->error;
    }
    return pending ? ROUSE_STREAM_PENDING : ROUSE_STREAM_END;
}

static void merge_withdraw(struct rouse_stream *self)
{
    struct rouse_merge_stream *merge = ROUSE_CONTAINER_OF(self, struct rouse_merge_stream, base);

    rouse_stream_withdraw(merge->inner[0]);
    rouse_stream_withdraw(merge->inner[1]);
}

static const struct rouse_stream_vtable merge_vtable = {
    .poll_next = merge_poll, .withdraw = merge_withdraw, .name = "merge stream"};

void rouse_merge_stream_init(struct rouse_merge_stream *merge, struct rouse_stream *a,
                             struct rouse_stream *b)
{
    *merge = (struct rouse_merge_stream){.base.vtable = &merge_vtable, .inner = {a, b}};
}

// ---- Chunks ----

// True when the time of the chunk that has begun is over.
static bool chunk_is_due(struct rouse_chunk_stream *chunks, struct rouse_context *cx)
{
    if (!chunks->sleeps) rouse_sleep_until_init(&chunks->sleep, chunks->deadline_ns);
    chunks->sleeps = rouse_future_poll(&chunks->sleep.base, cx) == ROUSE_PENDING;
    return !chunks->sleeps;
}

static void chunk_withdraw(struct rouse_stream *self)
{
    struct rouse_chunk_stream *chunks = ROUSE_CONTAINER_OF(self, struct rouse_chunk_stream, base);

    rouse_stream_withdraw(chunks->inner);
    if (chunks->sleeps) rouse_future_drop(&chunks->sleep.base);
    chunks->sleeps = false;
}

static rouse_stream_poll chunk_poll(struct rouse_stream *self, struct rouse_context *cx, void *item)
{
    struct rouse_chunk_stream *chunks = ROUSE_CONTAINER_OF(self, struct rouse_chunk_stream, base);
    rouse_stream_poll poll = ROUSE_STREAM_ITEM;

    while (poll == ROUSE_STREAM_ITEM && chunks->count < chunks->count_max) {
        poll = rouse_stream_poll_next(chunks->inner, cx,
                                      chunks->items + chunks->count * chunks->item_size);
        if (poll != ROUSE_STREAM_ITEM) break;
        if (chunks->count++ == 0) chunks->deadline_ns = rouse_deadline_after(chunks->timeout_ns);
    }
    if (chunks->count == 0) return poll == ROUSE_STREAM_END ? end_as(self, chunks->inner) : poll;
    if (poll == ROUSE_STREAM_PENDING && !chunk_is_due(chunks, cx)) return ROUSE_STREAM_PENDING;
    chunk_withdraw(self);
    *(size_t *)item = chunks->count;
    chunks->count = 0;
    return ROUSE_STREAM_ITEM;
}

static const struct rouse_stream_vtable chunk_vtable = {
    .poll_next = chunk_poll, .withdraw = chunk_withdraw, .name = "chunk stream"};

void rouse_chunk_stream_init(struct rouse_chunk_stream *chunks, struct rouse_stream *inner,
                             void *items, size_t item_size, size_t count_max, uint64_t timeout_ns)
{
    rouse_assert(count_max > 0, "a chunk has room for one item at least");
    *chunks = (struct rouse_chunk_stream){
        .base.vtable = &chunk_vtable,
        .inner = inner,
        .items = (char *)items,
        .item_size = item_size,
        .count_max = count_max,
        .timeout_ns = timeout_ns};
}
