// SPDX-License-Identifier: MIT
//
// Reading without a buffer of one's own: waiting until there is something to read, and reads that
// are lent a buffer when there is. What is lent is counted; the leak oracle looks at it too.

#include <errno.h>
#include <rouse/buffer.h>
#include <rouse/sleep.h>
#include <rouse/stats.h>
#include <rouse/task.h>
#include <rouse/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "harness/api.h"
#include "harness/pair.h"

static int64_t buffers_lent(void)
{
    struct rouse_stats stats;

    rouse_stats_get(&stats);
    return stats.buffers;
}

// ---- Readable ----

struct readable_tells_of_data_and_of_the_end {
    struct body body;
    struct pair pair;
    struct rouse_tcp_readable readable;
    struct rouse_timeout timeout;
    struct rouse_tcp_write_all write;
    char buf[8];
};

static rouse_poll readable_tells_of_data_and_of_the_end(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(readable_tells_of_data_and_of_the_end, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    rouse_tcp_readable_init(&f->readable, f->pair.server);
    rouse_timeout_init(&f->timeout, &f->readable.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(rouse_tcp_try_read(f->pair.server, f->buf, sizeof f->buf), -EAGAIN);

    rouse_tcp_write_all_init(&f->write, f->pair.client, "data", 4);
    AWAIT(&f->write.base);
    rouse_tcp_readable_init(&f->readable, f->pair.server);
    AWAIT(&f->readable.base);
    CHECK_EQ(f->readable.output, 0);
    CHECK_EQ(rouse_future_result(&f->readable.base), 0);
    // It has taken nothing, and says so again.
    rouse_tcp_readable_init(&f->readable, f->pair.server);
    AWAIT(&f->readable.base);
    CHECK_EQ(rouse_tcp_try_read(f->pair.server, f->buf, sizeof f->buf), 4);
    CHECK_EQ(memcmp(f->buf, "data", 4), 0);

    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    rouse_tcp_readable_init(&f->readable, f->pair.server);
    AWAIT(&f->readable.base);
    CHECK_EQ(f->readable.output, 0);
    CHECK_EQ(rouse_tcp_try_read(f->pair.server, f->buf, sizeof f->buf), 0);
    pair_free(&f->pair);
    BODY_END();
}

// Waits first, then takes by a try; the peer writes one byte after the other.
struct taker {
    struct body body;
    struct rouse_tcp *conn;
    int count;
    struct rouse_tcp_readable readable;
    char byte;
};

static rouse_poll taker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(taker, frame, cx);
    for (;;) {
        rouse_tcp_readable_init(&f->readable, f->conn);
        AWAIT(&f->readable.base);
        if (f->readable.output < 0) break;
        ssize_t got = rouse_tcp_try_read(f->conn, &f->byte, 1);

        if (got == 0) break;
        CHECK(got == 1 || got == -EAGAIN);
        if (got == 1) f->count++;
    }
    BODY_RETURN(f->readable.output < 0 ? f->readable.output : f->count);
    BODY_END();
}

enum { TAKERS = 3, BYTES = 50 };

struct several_takers_miss_no_byte {
    struct body body;
    struct pair pair;
    int next;
    int64_t sum;
    struct rouse_join_handle takers[TAKERS];
    struct rouse_tcp_write_all write;
    struct rouse_sleep sleep;
};

static rouse_poll several_takers_miss_no_byte(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(several_takers_miss_no_byte, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    for (f->next = 0; f->next < TAKERS; f->next++) {
        CHECK_EQ(SPAWN(&f->takers[f->next], taker, .conn = f->pair.server), 0);
    }
    for (f->next = 0; f->next < BYTES; f->next++) {
        rouse_tcp_write_all_init(&f->write, f->pair.client, "x", 1);
        AWAIT(&f->write.base);
        if (f->next % 10 == 0) {
            rouse_sleep_init(&f->sleep, 200 * ROUSE_NS_PER_US);
            AWAIT(&f->sleep.base);
        }
    }
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    for (f->next = 0; f->next < TAKERS; f->next++) {
        AWAIT(&f->takers[f->next].base);
        f->sum += joined(&f->takers[f->next]);
    }
    CHECK_EQ(f->sum, BYTES);
    pair_free(&f->pair);
    BODY_END();
}

struct close_ends_a_wait_for_data {
    struct body body;
    struct pair pair;
    struct rouse_join_handle taker;
    struct rouse_sleep sleep;
    struct rouse_tcp_read_pooled read;
};

static rouse_poll close_ends_a_wait_for_data(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(close_ends_a_wait_for_data, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(SPAWN(&f->taker, taker, .conn = f->pair.server), 0);
    rouse_sleep_init(&f->sleep, MS);
    AWAIT(&f->sleep.base);
    rouse_tcp_close(f->pair.server);
    AWAIT(&f->taker.base);
    CHECK_EQ(joined(&f->taker), -EBADF);
    rouse_tcp_read_pooled_init(&f->read, f->pair.server);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, -EBADF);
    CHECK(rouse_tcp_read_pooled_take(&f->read) == NULL);
    pair_free(&f->pair);
    BODY_END();
}

// ---- Pooled ----

struct pooled_read_lends_a_buffer_only_for_data {
    struct body body;
    struct pair pair;
    int64_t lent;
    struct rouse_tcp_read_pooled read;
    struct rouse_timeout timeout;
    struct rouse_tcp_write_all write;
    void *data;
};

static rouse_poll pooled_read_lends_a_buffer_only_for_data(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(pooled_read_lends_a_buffer_only_for_data, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    f->lent = buffers_lent();
    rouse_tcp_read_pooled_init(&f->read, f->pair.server);
    rouse_timeout_init(&f->timeout, &f->read.base, rouse_deadline_after(2 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(buffers_lent(), f->lent);

    rouse_tcp_write_all_init(&f->write, f->pair.client, "data", 4);
    AWAIT(&f->write.base);
    rouse_tcp_read_pooled_init(&f->read, f->pair.server);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 4);
    CHECK_EQ(rouse_future_result(&f->read.base), 4);
    CHECK_EQ(buffers_lent(), f->lent + 1);
    f->data = rouse_tcp_read_pooled_take(&f->read);
    CHECK(rouse_tcp_read_pooled_take(&f->read) == NULL);
    CHECK_EQ(memcmp(f->data, "data", 4), 0);
    rouse_future_drop(&f->read.base);
    CHECK_EQ(buffers_lent(), f->lent + 1);
    rouse_buffer_free(f->data);
    CHECK_EQ(buffers_lent(), f->lent);

    // One that nobody takes goes back with the future.
    rouse_tcp_write_all_init(&f->write, f->pair.client, "more", 4);
    AWAIT(&f->write.base);
    rouse_tcp_read_pooled_init(&f->read, f->pair.server);
    AWAIT(&f->read.base);
    CHECK_EQ(buffers_lent(), f->lent + 1);
    rouse_future_drop(&f->read.base);
    CHECK_EQ(buffers_lent(), f->lent);

    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    rouse_tcp_read_pooled_init(&f->read, f->pair.server);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    CHECK(f->read.data == NULL);
    CHECK_EQ(buffers_lent(), f->lent);
    pair_free(&f->pair);
    BODY_END();
}

// Buffers travel: read by tasks of all workers, given back by whoever checks them last.
enum { STREAM = 1 << 20 };

static unsigned char stream_byte(size_t place)
{
    return (unsigned char)(place * 7 + place / 253);
}

struct stream_writer {
    struct body body;
    struct rouse_tcp *conn;
    size_t place;
    size_t i;
    struct rouse_tcp_write_all write;
    unsigned char piece[5000];
};

static rouse_poll stream_writer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(stream_writer, frame, cx);
    while (f->place < STREAM) {
        size_t size = STREAM - f->place < sizeof f->piece ? STREAM - f->place : sizeof f->piece;

        for (f->i = 0; f->i < size; f->i++) f->piece[f->i] = stream_byte(f->place + f->i);
        f->place += size;
        rouse_tcp_write_all_init(&f->write, f->conn, f->piece, size);
        AWAIT(&f->write.base);
        CHECK(f->write.output > 0);
    }
    CHECK_EQ(rouse_tcp_shutdown_write(f->conn), 0);
    BODY_END();
}

// Checks a buffer, and gives it back on the worker it happens to run on.
struct checker {
    struct body body;
    void *data;
    size_t place;
    ssize_t size;
};

static void checker_end(void *frame)
{
    rouse_buffer_free(((struct checker *)frame)->data);
}

static rouse_poll checker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(checker, frame, cx);
    const unsigned char *data = f->data;

    for (ssize_t i = 0; i < f->size; i++) CHECK_EQ(data[i], stream_byte(f->place + (size_t)i));
    BODY_END();
}

struct pooled_stream_arrives_whole {
    struct body body;
    struct pair pair;
    size_t place;
    struct rouse_join_handle writer;
    struct rouse_tcp_read_pooled read;
};

static rouse_poll pooled_stream_arrives_whole(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(pooled_stream_arrives_whole, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(SPAWN(&f->writer, stream_writer, .conn = f->pair.client), 0);
    for (;;) {
        rouse_tcp_read_pooled_init(&f->read, f->pair.server);
        AWAIT(&f->read.base);
        CHECK_WITHIN(f->read.output, 0, ROUSE_BUFFER_SIZE);
        if (f->read.output == 0) break;
        CHECK_EQ(SPAWN(NULL, checker, .body.end = checker_end,
                       .data = rouse_tcp_read_pooled_take(&f->read), .place = f->place,
                       .size = f->read.output),
                 0);
        f->place += (size_t)f->read.output;
    }
    CHECK_EQ(f->place, STREAM);
    AWAIT(&f->writer.base);
    CHECK_EQ(joined(&f->writer), 0);
    pair_free(&f->pair);
    BODY_END();
}

// ---- The direct forms ----

#ifdef ROUSE_TEST_STYLE_FIBER
struct direct_forms_wait_and_read {
    struct body body;
    struct pair pair;
    void *data;
};

static rouse_poll direct_forms_wait_and_read(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_wait_and_read, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(rouse_tcp_write_all(f->pair.client, "data", 4), 4);
    CHECK_EQ(rouse_tcp_readable(f->pair.server), 0);
    CHECK_EQ(rouse_tcp_read_pooled(f->pair.server, &f->data), 4);
    CHECK_EQ(memcmp(f->data, "data", 4), 0);
    rouse_buffer_free(f->data);
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    CHECK_EQ(rouse_tcp_read_pooled(f->pair.server, &f->data), 0);
    CHECK(f->data == NULL);
    rouse_tcp_close(f->pair.client);
    CHECK_EQ(rouse_tcp_readable(f->pair.client), -EBADF);
    pair_free(&f->pair);
    BODY_END();
}

static int wait_for_data(void *conn)
{
    return rouse_tcp_readable(conn);
}

static int read_for_ever(void *conn)
{
    void *data;
    ssize_t count = rouse_tcp_read_pooled(conn, &data);

    CHECK(data == NULL);
    return (int)count;
}

struct aborted_fibers_leave_their_waits {
    struct body body;
    struct pair pair;
    struct rouse_join_handle waiter;
    struct rouse_join_handle reader;
};

static rouse_poll aborted_fibers_leave_their_waits(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_fibers_leave_their_waits, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(rouse_spawn(&f->waiter, wait_for_data, f->pair.server), 0);
    CHECK_EQ(rouse_spawn(&f->reader, read_for_ever, f->pair.client), 0);
    CHECK_EQ(rouse_sleep(MS), 0);
    CHECK_EQ(rouse_abort_and_wait(&f->waiter), -ECANCELED);
    CHECK_EQ(rouse_abort_and_wait(&f->reader), -ECANCELED);
    pair_free(&f->pair);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(readable_tells_of_data_and_of_the_end)},
    {TEST(several_takers_miss_no_byte)},
    {TEST(close_ends_a_wait_for_data)},
    {TEST(pooled_read_lends_a_buffer_only_for_data)},
    {TEST(pooled_stream_arrives_whole)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_wait_and_read)},
    {TEST(aborted_fibers_leave_their_waits)},
#endif
    {0}};
