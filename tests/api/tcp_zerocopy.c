// SPDX-License-Identifier: MIT
//
// Writes without a copy: the bytes arrive, and the memory comes back once, however the write ends.
// Over loopback, where the kernel copies what it takes out of its queue; what the peer has no room
// for stays in the caller's memory.

#include <errno.h>
#include <rouse/sleep.h>
#include <rouse/tcp_zerocopy.h>
#include <rouse/unix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "conn.h"
#include "harness/pair.h"

// Memory that is lent. Given back, it is overwritten: what is sent later would show.
struct lent {
    struct gate back;
    _Atomic int releases;
    size_t size;
    unsigned char *bytes;
};

// More than the buffers of both ends hold.
enum { LENT_SIZE = 1 << 20, SEND_BUFFER = 64 << 10 };

static void pair_take_small(struct pair *pair)
{
    pair_take(pair);
    set_option(pair->client, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
}

static void lent_init(struct lent *lent, int stream, size_t size)
{
    *lent = (struct lent){.size = size, .bytes = malloc(size)};
    CHECK(lent->bytes != NULL);
    for (size_t i = 0; i < size; i++) lent->bytes[i] = bulk_byte(stream, i);
}

static void lent_release(void *arg)
{
    struct lent *lent = arg;

    memset(lent->bytes, 0xEE, lent->size);
    count_add(&lent->releases, 1);
    gate_open(&lent->back);
}

// Reads `size` bytes and the end of the stream.
struct taker {
    struct body body;
    struct rouse_tcp *conn;
    size_t done;
    int stream;
    struct rouse_tcp_read read;
    unsigned char buf[16384];
};

static rouse_poll taker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(taker, frame, cx);
    for (;;) {
        rouse_tcp_read_init(&f->read, f->conn, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        if (f->read.output <= 0) break;
        for (ssize_t i = 0; i < f->read.output; i++) {
            CHECK_EQ(f->buf[i], bulk_byte(f->stream, f->done + (size_t)i));
        }
        f->done += (size_t)f->read.output;
    }
    BODY_RETURN(f->read.output < 0 ? f->read.output : (int64_t)f->done);
    BODY_END();
}

// ---- As it should be ----

struct memory_is_back_when_the_write_has_ended {
    struct body body;
    struct pair pair;
    struct lent lent;
    struct rouse_join_handle taker;
    struct rouse_tcp_write_zerocopy write;
};

static rouse_poll memory_is_back_when_the_write_has_ended(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(memory_is_back_when_the_write_has_ended, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take_small(&f->pair);
    lent_init(&f->lent, 1, LENT_SIZE);
    CHECK_EQ(SPAWN(&f->taker, taker, .conn = f->pair.server, .stream = 1), 0);
    rouse_tcp_write_zerocopy_init(&f->write, f->pair.client, f->lent.bytes, LENT_SIZE, lent_release,
                                  &f->lent);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, LENT_SIZE);
    CHECK_EQ(f->write.done, LENT_SIZE);
    // The loopback interface copies what it passes on, and that is told.
    if (!far_is_there()) CHECK(f->write.copied);
    CHECK_EQ(count_get(&f->lent.releases), 1);
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    AWAIT(&f->taker.base);
    CHECK_EQ(joined(&f->taker), LENT_SIZE);
    free(f->lent.bytes);
    pair_free(&f->pair);
    BODY_END();
}

// Nothing can be lent to a Unix socket.
struct bytes_are_copied_where_the_kernel_refuses {
    struct body body;
    struct rouse_tcp *ends[2];
    struct lent lent;
    struct rouse_join_handle taker;
    struct rouse_tcp_write_zerocopy write;
};

static rouse_poll bytes_are_copied_where_the_kernel_refuses(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(bytes_are_copied_where_the_kernel_refuses, frame, cx);
    CHECK_EQ(rouse_unix_pair(f->ends), 0);
    lent_init(&f->lent, 1, BULK);
    CHECK_EQ(SPAWN(&f->taker, taker, .conn = f->ends[1], .stream = 1), 0);
    rouse_tcp_write_zerocopy_init(&f->write, f->ends[0], f->lent.bytes, BULK, lent_release,
                                  &f->lent);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, BULK);
    CHECK(f->write.copied);
    CHECK_EQ(count_get(&f->lent.releases), 1);
    rouse_tcp_unref(f->ends[0]);
    AWAIT(&f->taker.base);
    CHECK_EQ(joined(&f->taker), BULK);
    free(f->lent.bytes);
    rouse_tcp_unref(f->ends[1]);
    BODY_END();
}

// ---- Ended early ----

// How a write ends whose peer reads nothing.
enum ending { END_DROP, END_CLOSE, END_RESET, ENDINGS };

// Owns a write that is under way.
struct writer {
    struct body body;
    struct rouse_tcp *conn;
    struct lent *lent;
    struct rouse_tcp_write_zerocopy write;
};

static rouse_poll writer(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(writer, frame, cx);
    rouse_tcp_write_zerocopy_init(&f->write, f->conn, f->lent->bytes, f->lent->size, lent_release,
                                  f->lent);
    AWAIT(&f->write.base);
    BODY_RETURN(f->write.output);
    BODY_END();
}

struct memory_comes_back_however_a_write_ends {
    struct body body;
    int ending;
    struct pair pair;
    struct lent lent;
    struct gate_wait back;
    struct rouse_join_handle writer;
    struct rouse_join_handle taker;
    struct rouse_sleep sleep;
};

static rouse_poll memory_comes_back_however_a_write_ends(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(memory_comes_back_however_a_write_ends, frame, cx);
    for (f->ending = 0; f->ending < ENDINGS; f->ending++) {
        pair_init(&f->pair);
        AWAIT(&f->pair.both.base);
        pair_take_small(&f->pair);
        lent_init(&f->lent, 2, LENT_SIZE);
        CHECK_EQ(SPAWN(&f->writer, writer, .conn = f->pair.client, .lent = &f->lent), 0);
        rouse_sleep_init(&f->sleep, 5 * MS);
        AWAIT(&f->sleep.base);
        CHECK_EQ(count_get(&f->lent.releases), 0);
        if (f->ending == END_CLOSE) {
            rouse_tcp_close(f->pair.client);
        } else if (f->ending == END_RESET) {
            rouse_tcp_reset(f->pair.client);
        } else {
            rouse_abort(&f->writer);
        }
        CHECK_EQ(SPAWN(&f->taker, taker, .conn = f->pair.server, .stream = 2), 0);
        AWAIT(&f->writer.base);
        CHECK_EQ(joined(&f->writer), f->ending == END_DROP ? -ECANCELED : -EBADF);
        if (f->ending == END_DROP) CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
        gate_wait_init(&f->back, &f->lent.back);
        AWAIT(&f->back.base);
        AWAIT(&f->taker.base);
        int64_t taken = joined(&f->taker);

        CHECK(f->ending == END_RESET ? taken == -ECONNRESET : taken >= 0 && taken < LENT_SIZE);
        CHECK_EQ(count_get(&f->lent.releases), 1);
        free(f->lent.bytes);
        pair_free(&f->pair);
    }
    BODY_END();
}

struct write_that_was_never_tried_gives_its_memory_back {
    struct body body;
    struct rouse_tcp *ends[2];
    struct lent lent;
    struct rouse_tcp_write_zerocopy write;
};

static rouse_poll write_that_was_never_tried_gives_its_memory_back(void *frame,
                                                                   struct rouse_context *cx)
{
    BODY_BEGIN(write_that_was_never_tried_gives_its_memory_back, frame, cx);
    CHECK_EQ(rouse_unix_pair(f->ends), 0);
    lent_init(&f->lent, 1, BULK);
    rouse_tcp_write_zerocopy_init(&f->write, f->ends[0], f->lent.bytes, BULK, lent_release,
                                  &f->lent);
    rouse_future_drop(&f->write.base);
    CHECK_EQ(count_get(&f->lent.releases), 1);
    free(f->lent.bytes);
    rouse_tcp_unref(f->ends[0]);
    rouse_tcp_unref(f->ends[1]);
    BODY_END();
}

// The first is given up and its memory is out still: the second one does not wait for that.
struct write_behind_lent_memory_is_copied_and_comes_second {
    struct body body;
    struct pair pair;
    struct lent first;
    struct lent second;
    struct gate_wait back;
    size_t done;
    struct rouse_tcp_write_zerocopy write;
    struct rouse_timeout timeout;
    struct rouse_join_handle writer;
    struct rouse_tcp_read_exact read;
    unsigned char *in;
};

static rouse_poll write_behind_lent_memory_is_copied_and_comes_second(void *frame,
                                                                      struct rouse_context *cx)
{
    BODY_BEGIN(write_behind_lent_memory_is_copied_and_comes_second, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take_small(&f->pair);
    lent_init(&f->first, 3, LENT_SIZE);
    lent_init(&f->second, 4, BULK);
    rouse_tcp_write_zerocopy_init(&f->write, f->pair.client, f->first.bytes, LENT_SIZE,
                                  lent_release, &f->first);
    rouse_timeout_init(&f->timeout, &f->write.base, rouse_deadline_after(5 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    f->done = f->write.done;
    // qemu-user sends nothing without a copy: there it has come back.
    CHECK(count_get(&f->first.releases) == 0 || getenv("ROUSE_TEST_EMULATED") != NULL);
    CHECK_EQ(SPAWN(&f->writer, writer, .conn = f->pair.client, .lent = &f->second), 0);

    f->in = malloc(f->done + BULK);
    CHECK(f->in != NULL);
    rouse_tcp_read_exact_init(&f->read, f->pair.server, f->in, f->done + BULK);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, f->done + BULK);
    for (size_t i = 0; i < f->done; i++) CHECK_EQ(f->in[i], bulk_byte(3, i));
    for (size_t i = 0; i < BULK; i++) CHECK_EQ(f->in[f->done + i], bulk_byte(4, i));
    AWAIT(&f->writer.base);
    CHECK_EQ(joined(&f->writer), BULK);
    gate_wait_init(&f->back, &f->first.back);
    AWAIT(&f->back.base);
    CHECK_EQ(count_get(&f->first.releases), 1);
    CHECK_EQ(count_get(&f->second.releases), 1);
    free(f->in);
    free(f->first.bytes);
    free(f->second.bytes);
    pair_free(&f->pair);
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct direct_form_writes {
    struct body body;
    struct pair pair;
    struct lent lent;
    struct rouse_join_handle taker;
};

static rouse_poll direct_form_writes(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_form_writes, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take_small(&f->pair);
    lent_init(&f->lent, 5, BULK);
    CHECK_EQ(SPAWN(&f->taker, taker, .conn = f->pair.server, .stream = 5), 0);
    CHECK_EQ(rouse_tcp_write_zerocopy(f->pair.client, f->lent.bytes, BULK, lent_release, &f->lent),
             BULK);
    CHECK_EQ(count_get(&f->lent.releases), 1);
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    AWAIT(&f->taker.base);
    CHECK_EQ(joined(&f->taker), BULK);
    free(f->lent.bytes);
    pair_free(&f->pair);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(memory_is_back_when_the_write_has_ended)},
    {TEST(bytes_are_copied_where_the_kernel_refuses), .any_reactor = true},
    {TEST(memory_comes_back_however_a_write_ends)},
    {TEST(write_that_was_never_tried_gives_its_memory_back), .any_reactor = true},
    {TEST(write_behind_lent_memory_is_copied_and_comes_second), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_form_writes), .any_reactor = true},
#endif
    {0}};
