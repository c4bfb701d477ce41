// SPDX-License-Identifier: MIT
//
// A stream is a future's sibling with many results: elements of a channel, ticks, connections. One
// asks for the next item, again and again, until the stream ends; adapters lie between. Streams lie
// in the caller's storage, allocate nothing, and are used by one task at a time.
//
//     struct rouse_channel_stream numbers;
//     struct rouse_filter_stream even;
//     struct rouse_take_stream ten;
//
//     rouse_channel_stream_init(&numbers, rx);
//     rouse_filter_stream_init(&even, &numbers.base, is_even, NULL);
//     rouse_take_stream_init(&ten, &even.base, 10);
//     while ((err = rouse_stream_next(&ten.base, &number)) > 0) print(number);
//
// A stream owns no items: what it has got it hands out in the same poll, and only after a poll that
// was pending does it wait anywhere. So it may be left at any time, and gone on with; a drop of the
// wait for the next item loses nothing.

#ifndef ROUSE_STREAM_H
#define ROUSE_STREAM_H

#include <rouse/channel.h>
#include <rouse/future.h>
#include <rouse/sleep.h>
#include <rouse/tcp.h>

ROUSE_EXTERN_C_BEGIN

// A value, as rouse_poll is.
typedef enum rouse_stream_poll {
    ROUSE_STREAM_PENDING = 0,  // not yet: the context's waker will be woken
    ROUSE_STREAM_ITEM = 1,     // there is an item
    ROUSE_STREAM_END = 2,      // there will be no other one
} rouse_stream_poll;

// What a stream begins with. Set by the init functions; `error` may be read once it has ended.
struct rouse_stream {
    const struct rouse_stream_vtable *vtable;
    int error;  // why it ended: 0, or a negative errno
    bool ended;
};

struct rouse_stream_vtable {
    // Writes the next item to `item`, only in a poll that returns ROUSE_STREAM_ITEM; another poll
    // may be given another place. Pending as a future is. With ROUSE_STREAM_END it sets `error`.
    rouse_stream_poll (*poll_next)(struct rouse_stream *self, struct rouse_context *cx, void *item);
    // Waits for nothing any more, until the next poll; loses nothing.
    void (*withdraw)(struct rouse_stream *self);
    const char *name;
};

/// Polls for the next item. At an end that was told before, says so again.
///
/// Threads: one at a time; which one may change between polls.
static inline rouse_stream_poll rouse_stream_poll_next(struct rouse_stream *stream,
                                                       struct rouse_context *cx, void *item)
{
    rouse_stream_poll poll = ROUSE_STREAM_END;

    if (!stream->ended) poll = stream->vtable->poll_next(stream, cx, item);
    stream->ended = poll == ROUSE_STREAM_END;
    return poll;
}

/// Takes back what the last poll registered, as the drop of a future does; the stream goes on with
/// the next poll. To be called before the storage of a stream goes that was polled by hand.
///
/// Threads: whoever may poll it. Never blocks.
static inline void rouse_stream_withdraw(struct rouse_stream *stream)
{
    if (!stream->ended) stream->vtable->withdraw(stream);
}

// ---- Used ----

// Ends with the next item, or with the stream.
struct rouse_stream_next {
    struct rouse_future base;
    struct rouse_stream *stream;
    void *item;
    int output;  // 1: an item; 0: the stream has ended; or its error
};

/// Waits for the next item, which goes to `item`.
///
/// Errors:  as the stream.
/// Owns:    `stream` and `item` are borrowed.
/// Threads: any, one at a time.
/// Cancel:  total: the item is the next one's.
ROUSE_API void rouse_stream_next_init(struct rouse_stream_next *next, struct rouse_stream *stream,
                                      void *item);

/// Waits for the next item. Returns 1 for an item, 0 at the end.
///
/// Errors:  as the stream; -ECANCELED; on a plain thread also -ENOMEM.
/// Threads: a fiber or a plain thread.
/// Cancel:  total.
ROUSE_API ROUSE_NODISCARD int rouse_stream_next(struct rouse_stream *stream, void *item);

/// Calls `fn(arg, item)` for each item, until it returns a negative errno. `fn` may wait; `item` is
/// the caller's storage for one.
///
/// Errors:  what `fn` returned; else as rouse_stream_next(); 0: the stream has ended.
/// Threads: a fiber or a plain thread.
/// Cancel:  total, for the wait; `fn` sees to itself.
ROUSE_API ROUSE_NODISCARD int rouse_stream_for_each(struct rouse_stream *stream, void *item,
                                                    int (*fn)(void *arg, void *item), void *arg);

// ---- Sources ----

// The elements of a channel.
struct rouse_channel_stream {
    struct rouse_stream base;
    struct rouse_channel_receiver *receiver;
    struct rouse_channel_receive receive;
    bool waits;
};

/// The elements that are received, until the channel is closed and empty.
///
/// Errors:  none: a closed channel is the end.
/// Owns:    `receiver` is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_channel_stream_init(struct rouse_channel_stream *stream,
                                         struct rouse_channel_receiver *receiver);

// The ticks of an interval: items are of type uint64_t.
struct rouse_interval_stream {
    struct rouse_stream base;
    struct rouse_interval *interval;
    struct rouse_interval_tick tick;
    bool waits;
};

/// The times for which the ticks of the interval were due, without an end.
///
/// Errors:  -ECANCELED: polled where there is no driver.
/// Owns:    `interval` is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_interval_stream_init(struct rouse_interval_stream *stream,
                                          struct rouse_interval *interval);

// Connections: items are of type `struct rouse_tcp *`.
struct rouse_accept_stream {
    struct rouse_stream base;
    struct rouse_tcp_listener *listener;
    struct rouse_tcp_accept accept;
    bool waits;
};

/// The connections that are accepted; each is the caller's, who owes it an unref.
///
/// Errors:  as rouse_tcp_accept_init().
/// Owns:    `listener` is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_accept_stream_init(struct rouse_accept_stream *stream,
                                        struct rouse_tcp_listener *listener);

// ---- Adapters ----

struct rouse_map_stream {
    struct rouse_stream base;
    struct rouse_stream *inner;
    void *inner_item;
    void (*fn)(void *arg, const void *inner_item, void *item);
    void *arg;
};

/// What `fn` makes of each item. `inner_item` is the caller's storage for one of `inner`.
///
/// Errors:  as `inner`.
/// Owns:    all is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_map_stream_init(
    struct rouse_map_stream *map, struct rouse_stream *inner, void *inner_item,
    void (*fn)(void *arg, const void *inner_item, void *item), void *arg);

struct rouse_filter_stream {
    struct rouse_stream base;
    struct rouse_stream *inner;
    bool (*keep)(void *arg, const void *item);
    void *arg;
};

/// The items that `keep` says true of. What the others own it has to release.
///
/// Errors:  as `inner`.
/// Owns:    all is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_filter_stream_init(struct rouse_filter_stream *filter,
                                        struct rouse_stream *inner,
                                        bool (*keep)(void *arg, const void *item), void *arg);

struct rouse_take_stream {
    struct rouse_stream base;
    struct rouse_stream *inner;
    uint64_t left;
};

/// The first `count` items; `inner` may be gone on with afterwards.
///
/// Errors:  as `inner`.
/// Owns:    `inner` is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_take_stream_init(struct rouse_take_stream *take, struct rouse_stream *inner,
                                      uint64_t count);

struct rouse_merge_stream {
    struct rouse_stream base;
    struct rouse_stream *inner[2];
    uint32_t first;  // which is polled first: not the one that had the last item
};

/// The items of both, as they come; ends when both have ended. Neither starves the other.
///
/// Errors:  the first of the two.
/// Owns:    both are borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_merge_stream_init(struct rouse_merge_stream *merge, struct rouse_stream *a,
                                       struct rouse_stream *b);

// Items are of type size_t: how many of the chunk's items there are.
struct rouse_chunk_stream {
    struct rouse_stream base;
    struct rouse_stream *inner;
    char *items;  // the caller's
    size_t item_size;
    size_t count_max;
    size_t count;  // of a chunk that is not full yet
    uint64_t timeout_ns;
    uint64_t deadline_ns;  // of that chunk
    struct rouse_sleep sleep;
    bool sleeps;
};

/// Collects items in the array `items`, until there are `count_max` > 0 of them, or `timeout_ns`
/// have passed since the first. An item of this stream is their number, a size_t; they are the
/// caller's until the next poll.
///
/// Units:   nanoseconds; `item_size` in bytes.
/// Errors:  as `inner`, once what came before has been handed out. Polled where there is no driver
///          it does not wait for more.
/// Owns:    all is borrowed.
/// Threads: any, one at a time.
ROUSE_API void rouse_chunk_stream_init(struct rouse_chunk_stream *chunks,
                                       struct rouse_stream *inner, void *items, size_t item_size,
                                       size_t count_max, uint64_t timeout_ns);

ROUSE_EXTERN_C_END

#endif
