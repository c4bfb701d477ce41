// SPDX-License-Identifier: MIT
//
// Streams, polled by hand on the virtual clock: that each source and each adapter gives what it
// says, and that whatever is given up in between has lost nothing and waits nowhere. At last the
// direct forms, on a plain thread.

#include <errno.h>
#include <rouse.h>
#include <string.h>

#include "base/clock.h"
#include "claim.h"
#include "live.h"
#include "probe.h"
#include "tcp_pair.h"

enum { NONE = -1, OVER = -2, FAILED = -3 };

static struct rouse_driver *driver;
static struct bell bell;

// The items are of type uint64_t. What a poll gives; NONE if it is pending.
static int64_t poll_budgeted(struct rouse_stream *stream, uint32_t budget)
{
    struct rouse_waker waker = bell_waker(&bell);
    struct rouse_context cx;
    uint64_t item = 999;

    rouse_context_init(&cx, &waker, driver);
    cx.budget = budget;
    rouse_stream_poll poll = rouse_stream_poll_next(stream, &cx, &item);

    if (poll == ROUSE_STREAM_ITEM) return (int64_t)item;
    if (item != 999) return FAILED;  // written to without an item
    if (poll == ROUSE_STREAM_PENDING) return NONE;
    return stream->error == 0 ? OVER : FAILED;
}

static int64_t poll_next(struct rouse_stream *stream)
{
    return poll_budgeted(stream, UINT32_MAX);
}

// True if the next polls give just that.
static bool gives(struct rouse_stream *stream, const int64_t *expected, int count)
{
    for (int i = 0; i < count; i++) {
        int64_t got = poll_next(stream);

        if (got == expected[i]) continue;
        printf("# poll %d gives %lld\n", i, (long long)got);
        return false;
    }
    return true;
}

#define GIVES(stream, ...)                        \
    gives(stream, (const int64_t[]){__VA_ARGS__}, \
          (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

// Lets time go by, and timers fire.
static void wait_for(uint64_t ns)
{
    rs_clock_jump_to(rouse_now_ns() + ns);
    (void)rouse_driver_turn(driver, 0);
}

// ---- A channel with a stream over it ----

struct feed {
    struct rouse_channel_sender *tx;
    struct rouse_channel_receiver *rx;
    struct rouse_channel_stream stream;
};

static void feed_open(struct feed *feed)
{
    must(rouse_channel_new(&feed->tx, &feed->rx, sizeof(uint64_t), 64), "a channel");
    rouse_channel_stream_init(&feed->stream, feed->rx);
}

static void feed_send(struct feed *feed, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) must(rouse_channel_try_send(feed->tx, &i), "a send");
}

static void feed_end(struct feed *feed)
{
    rouse_channel_sender_unref(feed->tx);
    feed->tx = NULL;
}

static void feed_close(struct feed *feed)
{
    feed_end(feed);
    rouse_channel_receiver_unref(feed->rx);
}

// ---- Sources ----

static void over_a_channel(void)
{
    struct feed feed;
    uint64_t item = 0;

    feed_open(&feed);
    claim(GIVES(&feed.stream.base, NONE) && bell.shares == 1, "an empty channel is waited for");
    feed_send(&feed, 1, 2);
    claim(GIVES(&feed.stream.base, 1, 2, NONE), "elements come in order");
    rouse_stream_withdraw(&feed.stream.base);
    claim(bell.shares == 0, "a stream that is withdrawn waits nowhere");
    feed_send(&feed, 3, 3);
    claim(rouse_channel_try_receive(feed.rx, &item) == 0 && item == 3,
          "and keeps nothing from others");
    feed_send(&feed, 4, 4);
    claim(poll_budgeted(&feed.stream.base, 0) == NONE && poll_next(&feed.stream.base) == 4,
          "an item costs budget");
    feed_send(&feed, 5, 5);
    feed_end(&feed);
    claim(GIVES(&feed.stream.base, 5, OVER, OVER), "a closed channel is an end, which stays");
    feed_close(&feed);
}

static void over_an_interval(void)
{
    struct rouse_interval interval;
    struct rouse_interval_stream ticks;
    uint64_t start = rouse_now_ns();
    struct rouse_driver *kept = driver;

    rouse_interval_init(&interval, start + 100, 100, ROUSE_MISSED_BURST);
    rouse_interval_stream_init(&ticks, &interval);
    claim(GIVES(&ticks.base, NONE), "a tick is waited for");
    wait_for(250);
    claim(GIVES(&ticks.base, (int64_t)start + 100, (int64_t)start + 200, NONE),
          "ticks come as they were due");
    rouse_stream_withdraw(&ticks.base);
    claim(bell.shares == 0, "a tick that is given up waits nowhere");
    wait_for(50);
    claim(GIVES(&ticks.base, (int64_t)start + 300, NONE), "and comes when it is due");
    rouse_stream_withdraw(&ticks.base);
    driver = NULL;
    claim(GIVES(&ticks.base, FAILED, FAILED) && ticks.base.error == -ECANCELED,
          "an interval without a driver ends with an error, which stays");
    driver = kept;
}

// ---- Adapters ----

static void square(void *calls, const void *in, void *out)
{
    uint64_t n = *(const uint64_t *)in;

    ++*(int *)calls;
    *(uint64_t *)out = n * n;
}

static bool is_even(void *calls, const void *item)
{
    ++*(int *)calls;
    return *(const uint64_t *)item % 2 == 0;
}

static void one_by_one(void)
{
    struct feed feed;
    struct rouse_filter_stream even;
    struct rouse_map_stream squares;
    struct rouse_take_stream two;
    uint64_t inner = 0;
    int calls = 0;

    feed_open(&feed);
    rouse_filter_stream_init(&even, &feed.stream.base, is_even, &calls);
    rouse_map_stream_init(&squares, &even.base, &inner, square, &calls);
    rouse_take_stream_init(&two, &squares.base, 2);
    feed_send(&feed, 1, 3);
    claim(GIVES(&two.base, 4, NONE) && calls == 4, "filter and map call once for each item");
    rouse_stream_withdraw(&two.base);
    claim(bell.shares == 0, "a withdrawal goes through all of them");
    feed_send(&feed, 4, 8);
    claim(GIVES(&two.base, 16, OVER, OVER) && bell.shares == 0, "take ends after so many");
    claim(GIVES(&squares.base, 36, 64, NONE), "and leaves the rest");
    rouse_stream_withdraw(&squares.base);
    feed_send(&feed, 9, 9);
    feed_send(&feed, 9, 9);
    claim(poll_budgeted(&squares.base, 1) == NONE, "a filter that keeps nothing spends budget");
    feed_end(&feed);
    claim(GIVES(&squares.base, OVER), "adapters end with the stream under them");
    feed_close(&feed);
    rouse_take_stream_init(&two, &squares.base, 2);
    claim(GIVES(&two.base, OVER), "take ends earlier if there is no more");
}

static void merged(void)
{
    struct feed a;
    struct feed b;
    struct rouse_merge_stream both;

    feed_open(&a);
    feed_open(&b);
    rouse_merge_stream_init(&both, &a.stream.base, &b.stream.base);
    claim(GIVES(&both.base, NONE) && bell.shares == 2, "a merge waits for both");
    feed_send(&b, 11, 13);
    claim(GIVES(&both.base, 11) && bell.shares == 0, "with an item it waits for neither");
    feed_send(&a, 1, 3);
    claim(GIVES(&both.base, 1, 12, 2, 13, 3, NONE), "streams that are full take turns");
    feed_end(&a);
    feed_send(&b, 14, 14);
    claim(GIVES(&both.base, 14, NONE), "when one has ended the other goes on");
    feed_end(&b);
    claim(GIVES(&both.base, OVER, OVER) && bell.shares == 0, "it ends with the later one");
    feed_close(&a);
    feed_close(&b);
}

static void merge_with_an_error(void)
{
    struct feed feed;
    struct rouse_interval interval;
    struct rouse_interval_stream ticks;
    struct rouse_merge_stream both;
    struct rouse_driver *kept = driver;

    feed_open(&feed);
    rouse_interval_init(&interval, ROUSE_NEVER, 1, ROUSE_MISSED_SKIP);
    rouse_interval_stream_init(&ticks, &interval);
    rouse_merge_stream_init(&both, &ticks.base, &feed.stream.base);
    driver = NULL;
    feed_send(&feed, 1, 1);
    claim(GIVES(&both.base, 1), "an error of one does not end the other");
    feed_end(&feed);
    claim(GIVES(&both.base, FAILED) && both.base.error == -ECANCELED, "and is told at the end");
    driver = kept;
    feed_close(&feed);
}

// What a chunk holds, as one number; NONE and so on if there is none.
static int64_t chunk_next(struct rouse_chunk_stream *chunks)
{
    int64_t count = poll_next(&chunks->base);
    int64_t number = 0;

    if (count < 0) return count;
    for (int64_t i = 0; i < count; i++) {
        number = number * 10 + (int64_t)((const uint64_t *)(const void *)chunks->items)[i];
    }
    return number;
}

static void in_chunks(void)
{
    struct feed feed;
    struct rouse_chunk_stream chunks;
    uint64_t items[3];

    _Static_assert(sizeof(size_t) == sizeof(uint64_t), "poll_next() reads one for the other");
    feed_open(&feed);
    rouse_chunk_stream_init(&chunks, &feed.stream.base, items, sizeof items[0], 3, 1000);
    claim(chunk_next(&chunks) == NONE && bell.shares == 1, "no time runs before the first item");
    feed_send(&feed, 1, 4);
    claim(chunk_next(&chunks) == 123 && bell.shares == 0, "a full chunk comes at once");
    claim(chunk_next(&chunks) == NONE && bell.shares == 2, "one that is not waits for more");
    wait_for(600);
    rouse_stream_withdraw(&chunks.base);
    claim(bell.shares == 0, "given up, it waits nowhere");
    feed_send(&feed, 5, 5);
    claim(chunk_next(&chunks) == NONE, "and goes on with what it had");
    wait_for(399);
    claim(chunk_next(&chunks) == NONE, "until the time is over");
    wait_for(1);
    claim(chunk_next(&chunks) == 45 && bell.shares == 0, "which began with its first item");
    feed_send(&feed, 6, 6);
    feed_end(&feed);
    claim(chunk_next(&chunks) == 6 && chunk_next(&chunks) == OVER,
          "the end hands out what is there");
    feed_close(&feed);
}

// ---- The next item as a future, and the direct forms ----

static void next_as_a_future(void)
{
    struct feed feed;
    struct rouse_stream_next next;
    uint64_t item = 0;
    char text[64];

    feed_open(&feed);
    rouse_stream_next_init(&next, &feed.stream.base, &item);
    claim(bell_poll(&bell, &next.base) == ROUSE_PENDING && bell.shares == 1, "next waits");
    (void)rouse_future_describe(&next.base, text, sizeof text);
    claim(strstr(text, "next of channel stream") != NULL, "it says for which stream");
    claim(rouse_future_cancel_kind(&next.base) == ROUSE_CANCEL_TOTAL, "to drop it is total");
    rouse_future_drop(&next.base);
    claim(bell.shares == 0, "dropped, it waits nowhere");
    claim(GIVES(&feed.stream.base, NONE), "polled by hand, the stream waits again");
    feed_send(&feed, 7, 7);
    rouse_stream_next_init(&next, &feed.stream.base, &item);
    claim(bell_poll(&bell, &next.base) == ROUSE_READY && next.output == 1 && item == 7 &&
              rouse_future_result(&next.base) == 1,
          "the next one gets the item, in its own place");
    feed_close(&feed);
}

static int add_until_4(void *sum, void *item)
{
    *(uint64_t *)sum += *(uint64_t *)item;
    return *(uint64_t *)item == 4 ? -EDOM : 0;
}

static void direct_forms(void)
{
    struct feed feed;
    uint64_t item = 0;
    uint64_t sum = 0;

    feed_open(&feed);
    feed_send(&feed, 1, 5);
    claim(rouse_stream_next(&feed.stream.base, &item) == 1 && item == 1, "next is direct, too");
    claim(rouse_stream_for_each(&feed.stream.base, &item, add_until_4, &sum) == -EDOM && sum == 9,
          "for_each ends with an error of its function");
    feed_end(&feed);
    claim(rouse_stream_for_each(&feed.stream.base, &item, add_until_4, &sum) == 0 && sum == 14,
          "and at the end of the stream");
    claim(rouse_stream_next(&feed.stream.base, &item) == 0, "where next gives 0");
    feed_close(&feed);
}

static void over_a_listener(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_accept_stream connections;
    struct rouse_tcp *near;
    struct rouse_tcp *far = NULL;

    rouse_accept_stream_init(&connections, listener);
    must(rouse_tcp_connect(&near, &address), "connect");
    claim(rouse_stream_next(&connections.base, &far) == 1 && far != NULL, "a connection comes");
    rouse_tcp_unref(near);
    rouse_tcp_unref(far);
    claim(GIVES(&connections.base, NONE), "the next is waited for");
    rouse_stream_withdraw(&connections.base);
    claim(bell.shares == 0, "and given up");
    rouse_tcp_listener_close(listener);
    claim(rouse_stream_next(&connections.base, &far) == -EBADF, "a closed listener ends it");
    rouse_tcp_listener_unref(listener);
}

// ---- Without memory ----

static int next_directly(void *stream)
{
    uint64_t item;

    return rouse_stream_next(stream, &item);
}

static int waits_by_hand(void *stream)
{
    return poll_next(stream) == NONE;
}

static void without_memory(void)
{
    struct rouse_addr address;
    struct rouse_tcp_listener *listener = listen_anywhere(&address);
    struct rouse_accept_stream connections;
    struct rouse_tcp *near;
    struct feed feed;

    feed_open(&feed);
    feed_send(&feed, 1, 1);
    claim(live_without_memory(next_directly, &feed.stream.base) == -ENOMEM,
          "a thread that cannot wait is told so");
    claim(next_directly(&feed.stream.base) == 1, "and has lost nothing");
    feed_close(&feed);
    rouse_accept_stream_init(&connections, listener);
    must(rouse_tcp_connect(&near, &address), "connect");
    claim(live_without_memory(waits_by_hand, &connections.base),
          "a connection that there is no memory for is waited for");
    wait_for(ROUSE_NS_PER_S);
    int64_t item = poll_next(&connections.base);

    claim(item > 0, "and comes when there is");
    if (item > 0) rouse_tcp_unref((struct rouse_tcp *)(uintptr_t)item);
    rouse_stream_withdraw(&connections.base);
    rouse_tcp_unref(near);
    rouse_tcp_listener_unref(listener);
}

int main(void)
{
    rouse_clock_use_virtual(1000);
    if (rouse_driver_new(&driver, NULL) < 0) return 1;
    over_a_channel();
    over_an_interval();
    one_by_one();
    merged();
    merge_with_an_error();
    in_chunks();
    next_as_a_future();
    direct_forms();
    over_a_listener();
    without_memory();
    rouse_driver_free(driver);
    return claims_end();
}
