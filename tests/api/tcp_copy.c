// SPDX-License-Identifier: MIT
//
// Copying from connection to connection. A test is a proxy between two pairs of sockets: what a
// client sends arrives at the server behind it, by way of a copy between the two ends that the
// proxy has.
//
//     client ---- inner | copy | outer ---- server

#include <errno.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/tcp_copy.h>
#include <stdlib.h>
#include <string.h>

#include "harness/api.h"
#include "harness/pair.h"

enum { BULK = 1 << 20, PIPE_MAX = 64 << 10 };

// The two connections of a proxy, with what its ends are called here.
struct route {
    struct pair in;
    struct pair out;
    struct rouse_join both;
    struct rouse_tcp *client;
    struct rouse_tcp *inner;
    struct rouse_tcp *outer;
    struct rouse_tcp *server;
};

// In a body:
//
//     route_init(&f->route);
//     AWAIT(&f->route.both.base);
//     route_take(&f->route);
static void route_init(struct route *r)
{
    pair_init(&r->in);
    pair_init(&r->out);
    rouse_join_init(&r->both, &r->in.both.base, &r->out.both.base);
}

static void route_take(struct route *r)
{
    pair_take(&r->in);
    pair_take(&r->out);
    rouse_future_drop(&r->both.base);
    r->client = r->in.client;
    r->inner = r->in.server;
    r->outer = r->out.client;
    r->server = r->out.server;
}

static void route_free(struct route *r)
{
    pair_free(&r->in);
    pair_free(&r->out);
}

// ---- At the ends ----

static unsigned char bulk_byte(size_t place, int seed)
{
    place %= BULK;
    return (unsigned char)((place * 31 + place / 251) + (size_t)seed * 7);
}

// Writes a stretch of bytes, and the end of the stream; or the stretch again and again, until that
// fails.
struct source {
    struct body body;
    struct rouse_tcp *conn;
    int seed;
    bool is_endless;
    unsigned char *bytes;
    struct rouse_tcp_write_all write;
};

static void source_end(void *frame)
{
    free(((struct source *)frame)->bytes);
}

static rouse_poll source(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(source, frame, cx);
    f->bytes = malloc(BULK);
    for (size_t i = 0; i < BULK; i++) f->bytes[i] = bulk_byte(i, f->seed);
    do {
        rouse_tcp_write_all_init(&f->write, f->conn, f->bytes, BULK);
        AWAIT(&f->write.base);
    } while (f->is_endless && f->write.output == BULK);
    // The peer may have gone by now, without a look at all of it.
    if (f->write.output == BULK) (void)rouse_tcp_shutdown_write(f->conn);
    BODY_RETURN(f->write.output);
    BODY_END();
}

// Reads to the end of the stream, and says how much it was.
struct sink {
    struct body body;
    struct rouse_tcp *conn;
    int seed;
    int64_t count;
    struct rouse_tcp_read read;
    unsigned char bytes[8192];
};

static rouse_poll sink(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sink, frame, cx);
    for (;;) {
        rouse_tcp_read_init(&f->read, f->conn, f->bytes, sizeof f->bytes);
        AWAIT(&f->read.base);
        if (f->read.output <= 0) break;
        for (ssize_t i = 0; i < f->read.output; i++) {
            if (f->bytes[i] == bulk_byte((size_t)(f->count + i), f->seed)) continue;
            CHECK_EQ(f->bytes[i], bulk_byte((size_t)(f->count + i), f->seed));
            break;
        }
        f->count += f->read.output;
    }
    BODY_RETURN(f->read.output < 0 ? f->read.output : f->count);
    BODY_END();
}

// ---- One way ----

struct copy_moves_a_stream_and_leaves_the_receiver_open {
    struct body body;
    struct route route;
    struct rouse_tcp_copy copy;
    struct rouse_join_handle source;
    struct rouse_join_handle sink;
};

static rouse_poll copy_moves_a_stream_and_leaves_the_receiver_open(void *frame,
                                                                   struct rouse_context *cx)
{
    BODY_BEGIN(copy_moves_a_stream_and_leaves_the_receiver_open, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    CHECK_EQ(SPAWN(&f->source, source, .body.end = source_end, .conn = f->route.client), 0);
    CHECK_EQ(SPAWN(&f->sink, sink, .conn = f->route.server), 0);
    rouse_tcp_copy_init(&f->copy, f->route.inner, f->route.outer);
    CHECK_EQ(rouse_future_cancel_kind(&f->copy.base), ROUSE_CANCEL_TERMINAL);
    AWAIT(&f->copy.base);
    CHECK_EQ(f->copy.output, BULK);
    CHECK_EQ(rouse_future_result(&f->copy.base), BULK);
    CHECK_EQ(f->copy.taken, BULK);
    CHECK_EQ(f->copy.done, BULK);
    CHECK(f->copy.failed == NULL);
    AWAIT(&f->source.base);
    CHECK_EQ(joined(&f->source), BULK);
    // The end was not passed on: the receiver still waits, until it is told.
    CHECK_EQ(rouse_tcp_shutdown_write(f->route.outer), 0);
    AWAIT(&f->sink.base);
    CHECK_EQ(joined(&f->sink), BULK);
    route_free(&f->route);
    BODY_END();
}

// Copies again and again, and gives up each time when nothing has come for a moment.
struct copy_that_is_dropped_while_it_reads_loses_nothing {
    struct body body;
    struct route route;
    int dropped;
    int64_t count;
    struct rouse_tcp_copy copy;
    struct rouse_borrow borrow;
    struct rouse_timeout timeout;
    struct rouse_sleep sleep;
    struct rouse_tcp_write_all write;
    struct rouse_join_handle sink;
    unsigned char bytes[100];
};

static rouse_poll copy_that_is_dropped_while_it_reads_loses_nothing(void *frame,
                                                                    struct rouse_context *cx)
{
    BODY_BEGIN(copy_that_is_dropped_while_it_reads_loses_nothing, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    CHECK_EQ(SPAWN(&f->sink, sink, .conn = f->route.server), 0);
    while (f->dropped < 10) {
        for (size_t i = 0; i < sizeof f->bytes; i++) {
            f->bytes[i] = bulk_byte((size_t)f->count + i, 0);
        }
        f->count += (int64_t)sizeof f->bytes;
        rouse_tcp_write_all_init(&f->write, f->route.client, f->bytes, sizeof f->bytes);
        AWAIT(&f->write.base);
        rouse_tcp_copy_init(&f->copy, f->route.inner, f->route.outer);
        rouse_borrow_init(&f->borrow, &f->copy.base);
        // Lent, so that its counts can be looked at before it is dropped.
        rouse_timeout_init(&f->timeout, &f->borrow.base, rouse_deadline_after(MS));
        AWAIT(&f->timeout.base);
        CHECK_EQ(f->timeout.output, -ETIMEDOUT);
        rouse_future_drop(&f->copy.base);
        CHECK_EQ(f->copy.taken, f->copy.done);
        f->dropped++;
    }
    rouse_future_drop(&f->timeout.base);
    CHECK_EQ(rouse_tcp_shutdown_write(f->route.client), 0);
    rouse_tcp_copy_init(&f->copy, f->route.inner, f->route.outer);
    AWAIT(&f->copy.base);
    CHECK(f->copy.output >= 0);
    CHECK_EQ(rouse_tcp_shutdown_write(f->route.outer), 0);
    AWAIT(&f->sink.base);
    CHECK_EQ(joined(&f->sink), f->count);
    route_free(&f->route);
    BODY_END();
}

// Nobody reads at the far end, so the copy comes to wait there, with bytes on their way.
struct copy_that_is_dropped_while_it_writes_says_what_is_lost {
    struct body body;
    struct route route;
    uint64_t before;
    struct rouse_tcp_copy copy;
    struct rouse_borrow borrow;
    struct rouse_timeout timeout;
    struct rouse_join_handle source;
    struct rouse_join_handle sink;
};

static rouse_poll copy_that_is_dropped_while_it_writes_says_what_is_lost(void *frame,
                                                                         struct rouse_context *cx)
{
    BODY_BEGIN(copy_that_is_dropped_while_it_writes_says_what_is_lost, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    CHECK_EQ(SPAWN(&f->source, source, .body.end = source_end, .conn = f->route.client,
                   .is_endless = true),
             0);
    rouse_tcp_copy_init(&f->copy, f->route.inner, f->route.outer);
    do {
        f->before = f->copy.taken;
        rouse_borrow_init(&f->borrow, &f->copy.base);
        rouse_timeout_init(&f->timeout, &f->borrow.base, rouse_deadline_after(5 * MS));
        AWAIT(&f->timeout.base);
        CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    } while (f->copy.taken == f->copy.done || f->copy.taken > f->before);
    rouse_future_drop(&f->copy.base);
    CHECK(f->copy.taken > f->copy.done);
    CHECK(f->copy.taken - f->copy.done <= PIPE_MAX);
    // What was written arrives; what was on its way does not.
    f->before = f->copy.done;
    CHECK_EQ(rouse_tcp_shutdown_write(f->route.outer), 0);
    CHECK_EQ(SPAWN(&f->sink, sink, .conn = f->route.server), 0);
    AWAIT(&f->sink.base);
    CHECK_EQ(joined(&f->sink), f->before);
    rouse_tcp_close(f->route.inner);
    AWAIT(&f->source.base);
    rouse_future_drop(&f->source.base);
    route_free(&f->route);
    BODY_END();
}

struct close_ends_a_waiting_copy {
    struct body body;
    struct route route;
    struct rouse_tcp_copy_bidirectional copy;
    struct rouse_borrow borrow;
    struct rouse_timeout timeout;
};

static rouse_poll close_ends_a_waiting_copy(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(close_ends_a_waiting_copy, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    rouse_tcp_copy_bidirectional_init(&f->copy, f->route.inner, f->route.outer);
    rouse_borrow_init(&f->borrow, &f->copy.base);
    rouse_timeout_init(&f->timeout, &f->borrow.base, rouse_deadline_after(MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    rouse_tcp_close(f->route.outer);
    AWAIT(&f->copy.base);
    CHECK_EQ(f->copy.output, -EBADF);
    CHECK(f->copy.back.failed == f->route.outer);
    route_free(&f->route);
    BODY_END();
}

// ---- Both ways ----

struct both_ways_carry_bulk_at_once {
    struct body body;
    int next;
    struct route route;
    struct rouse_tcp_copy_bidirectional copy;
    struct rouse_join_handle handles[4];
};

static rouse_poll both_ways_carry_bulk_at_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(both_ways_carry_bulk_at_once, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    CHECK_EQ(SPAWN(&f->handles[0], source, .body.end = source_end, .conn = f->route.client,
                   .seed = 1),
             0);
    CHECK_EQ(SPAWN(&f->handles[1], source, .body.end = source_end, .conn = f->route.server,
                   .seed = 2),
             0);
    CHECK_EQ(SPAWN(&f->handles[2], sink, .conn = f->route.server, .seed = 1), 0);
    CHECK_EQ(SPAWN(&f->handles[3], sink, .conn = f->route.client, .seed = 2), 0);
    rouse_tcp_copy_bidirectional_init(&f->copy, f->route.inner, f->route.outer);
    AWAIT(&f->copy.base);
    CHECK_EQ(f->copy.output, 0);
    CHECK_EQ(f->copy.forth.done, BULK);
    CHECK_EQ(f->copy.back.done, BULK);
    for (f->next = 0; f->next < 4; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), BULK);
    }
    route_free(&f->route);
    BODY_END();
}

// Copies `inner` and `outer` as a task of its own, which says how it ended.
struct proxy {
    struct body body;
    struct rouse_tcp *inner;
    struct rouse_tcp *outer;
    struct rouse_tcp_copy_bidirectional copy;
};

static rouse_poll proxy(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(proxy, frame, cx);
    rouse_tcp_copy_bidirectional_init(&f->copy, f->inner, f->outer);
    CHECK_EQ(rouse_future_cancel_kind(&f->copy.base), ROUSE_CANCEL_TERMINAL);
    AWAIT(&f->copy.base);
    CHECK_EQ(rouse_future_result(&f->copy.base), f->copy.output);
    if (f->copy.output == 0) CHECK_EQ(f->copy.forth.done, f->copy.forth.taken);
    BODY_RETURN(f->copy.output);
    BODY_END();
}

struct end_of_one_stream_is_passed_on_while_the_other_goes_on {
    struct body body;
    struct route route;
    int round;
    struct rouse_tcp *first;   // who ends its stream
    struct rouse_tcp *second;  // and who answers after that
    struct rouse_join_handle proxy;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    char buf[16];
};

static rouse_poll end_of_one_stream_is_passed_on_while_the_other_goes_on(void *frame,
                                                                         struct rouse_context *cx)
{
    BODY_BEGIN(end_of_one_stream_is_passed_on_while_the_other_goes_on, frame, cx);
    for (f->round = 0; f->round < 2; f->round++) {
        route_init(&f->route);
        AWAIT(&f->route.both.base);
        route_take(&f->route);
        CHECK_EQ(SPAWN(&f->proxy, proxy, .inner = f->route.inner, .outer = f->route.outer), 0);
        f->first = f->round == 0 ? f->route.client : f->route.server;
        f->second = f->round == 0 ? f->route.server : f->route.client;
        rouse_tcp_write_all_init(&f->write, f->first, "question", 8);
        AWAIT(&f->write.base);
        CHECK_EQ(rouse_tcp_shutdown_write(f->first), 0);
        // More is asked for than comes: the end of the stream cuts it short.
        rouse_tcp_read_exact_init(&f->read, f->second, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, 8);
        CHECK_EQ(memcmp(f->buf, "question", 8), 0);
        rouse_tcp_write_all_init(&f->write, f->second, "answer", 6);
        AWAIT(&f->write.base);
        CHECK_EQ(rouse_tcp_shutdown_write(f->second), 0);
        rouse_tcp_read_exact_init(&f->read, f->first, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, 6);
        CHECK_EQ(memcmp(f->buf, "answer", 6), 0);
        AWAIT(&f->proxy.base);
        CHECK_EQ(joined(&f->proxy), 0);
        route_free(&f->route);
    }
    BODY_END();
}

struct reset_ends_both_ways_and_can_be_passed_on {
    struct body body;
    struct route route;
    int round;
    struct rouse_tcp *first;   // who resets
    struct rouse_tcp *second;  // who is to hear of it
    struct rouse_tcp *far;     // the proxy's end of that one
    struct rouse_join_handle proxy;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    char buf[8];
};

static rouse_poll reset_ends_both_ways_and_can_be_passed_on(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reset_ends_both_ways_and_can_be_passed_on, frame, cx);
    for (f->round = 0; f->round < 2; f->round++) {
        route_init(&f->route);
        AWAIT(&f->route.both.base);
        route_take(&f->route);
        CHECK_EQ(SPAWN(&f->proxy, proxy, .inner = f->route.inner, .outer = f->route.outer), 0);
        f->first = f->round == 0 ? f->route.client : f->route.server;
        f->second = f->round == 0 ? f->route.server : f->route.client;
        f->far = f->round == 0 ? f->route.outer : f->route.inner;
        // Something gets through first, so the proxy is at work.
        rouse_tcp_write_all_init(&f->write, f->first, "part", 4);
        AWAIT(&f->write.base);
        rouse_tcp_read_exact_init(&f->read, f->second, f->buf, 4);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, 4);
        rouse_tcp_reset(f->first);
        AWAIT(&f->proxy.base);
        CHECK_EQ(joined(&f->proxy), -ECONNRESET);
        rouse_tcp_reset(f->far);
        rouse_tcp_read_exact_init(&f->read, f->second, f->buf, 1);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, -ECONNRESET);
        route_free(&f->route);
    }
    BODY_END();
}

// The server answers, ends its stream and goes, without a look at what the client still sends.
struct what_a_peer_sent_arrives_although_it_listens_no_more {
    struct body body;
    struct route route;
    struct rouse_join_handle proxy;
    struct rouse_join_handle source;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    struct rouse_tcp_read first;
    char buf[16];
};

static rouse_poll what_a_peer_sent_arrives_although_it_listens_no_more(void *frame,
                                                                       struct rouse_context *cx)
{
    BODY_BEGIN(what_a_peer_sent_arrives_although_it_listens_no_more, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    rouse_tcp_write_all_init(&f->write, f->route.server, "answer", 6);
    AWAIT(&f->write.base);
    CHECK_EQ(rouse_tcp_shutdown_write(f->route.server), 0);
    rouse_tcp_close(f->route.server);
    CHECK_EQ(SPAWN(&f->proxy, proxy, .inner = f->route.inner, .outer = f->route.outer), 0);
    rouse_tcp_read_exact_init(&f->read, f->route.client, f->buf, sizeof f->buf);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 6);
    CHECK_EQ(memcmp(f->buf, "answer", 6), 0);
    // The client goes on, until the proxy has found out that nobody listens.
    CHECK_EQ(SPAWN(&f->source, source, .body.end = source_end, .conn = f->route.client), 0);
    AWAIT(&f->proxy.base);
    CHECK_EQ(joined(&f->proxy), -EPIPE);
    rouse_tcp_close(f->route.inner);
    AWAIT(&f->source.base);
    rouse_future_drop(&f->source.base);
    route_free(&f->route);
    BODY_END();
}

struct aborted_copy_leaves_the_connections_open {
    struct body body;
    struct route route;
    struct rouse_join_handle proxy;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    char buf[8];
};

static rouse_poll aborted_copy_leaves_the_connections_open(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_copy_leaves_the_connections_open, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    CHECK_EQ(SPAWN(&f->proxy, proxy, .inner = f->route.inner, .outer = f->route.outer), 0);
    rouse_tcp_write_all_init(&f->write, f->route.client, "one", 3);
    AWAIT(&f->write.base);
    rouse_tcp_read_exact_init(&f->read, f->route.server, f->buf, 3);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 3);
    rouse_abort(&f->proxy);
    AWAIT(&f->proxy.base);
    CHECK_EQ(joined(&f->proxy), -ECANCELED);
    // Another one goes on where it was.
    rouse_tcp_write_all_init(&f->write, f->route.client, "two", 3);
    AWAIT(&f->write.base);
    CHECK_EQ(SPAWN(&f->proxy, proxy, .inner = f->route.inner, .outer = f->route.outer), 0);
    rouse_tcp_read_exact_init(&f->read, f->route.server, f->buf, 3);
    AWAIT(&f->read.base);
    CHECK_EQ(memcmp(f->buf, "two", 3), 0);
    rouse_tcp_close(f->route.inner);
    AWAIT(&f->proxy.base);
    CHECK_EQ(joined(&f->proxy), -EBADF);
    route_free(&f->route);
    BODY_END();
}

// ---- The direct forms ----

#ifdef ROUSE_TEST_STYLE_FIBER
static int send_and_end(void *arg)
{
    struct rouse_tcp *conn = arg;

    CHECK_EQ(rouse_tcp_write_all(conn, "stream", 6), 6);
    CHECK_EQ(rouse_tcp_shutdown_write(conn), 0);
    return 0;
}

static int copy_for_ever(void *arg)
{
    const struct route *route = arg;
    uint64_t forth = 77, back = 77;
    int err = rouse_tcp_copy_bidirectional(route->inner, route->outer, &forth, &back);

    CHECK_EQ(forth, 0);
    CHECK_EQ(back, 0);
    return err;
}

struct direct_forms_copy {
    struct body body;
    struct route route;
    struct rouse_join_handle task;
    struct rouse_join_handle other;
    uint64_t forth;
    uint64_t back;
};

static rouse_poll direct_forms_copy(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_copy, frame, cx);
    route_init(&f->route);
    AWAIT(&f->route.both.base);
    route_take(&f->route);
    CHECK_EQ(rouse_spawn(&f->task, copy_for_ever, &f->route), 0);
    CHECK_EQ(rouse_sleep(MS), 0);
    CHECK_EQ(rouse_abort_and_wait(&f->task), -ECANCELED);
    CHECK_EQ(rouse_spawn(&f->task, send_and_end, f->route.client), 0);
    CHECK_EQ(rouse_tcp_copy(f->route.inner, f->route.outer), 6);
    CHECK_EQ(rouse_join(&f->task), 0);
    CHECK_EQ(rouse_spawn(&f->other, send_and_end, f->route.server), 0);
    CHECK_EQ(rouse_tcp_copy_bidirectional(f->route.inner, f->route.outer, &f->forth, &f->back), 0);
    CHECK_EQ(f->forth, 0);
    CHECK_EQ(f->back, 6);
    CHECK_EQ(rouse_join(&f->other), 0);
    route_free(&f->route);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(copy_moves_a_stream_and_leaves_the_receiver_open)},
    {TEST(copy_that_is_dropped_while_it_reads_loses_nothing)},
    {TEST(copy_that_is_dropped_while_it_writes_says_what_is_lost)},
    {TEST(close_ends_a_waiting_copy)},
    {TEST(both_ways_carry_bulk_at_once)},
    {TEST(end_of_one_stream_is_passed_on_while_the_other_goes_on)},
    {TEST(reset_ends_both_ways_and_can_be_passed_on)},
    {TEST(what_a_peer_sent_arrives_although_it_listens_no_more)},
    {TEST(aborted_copy_leaves_the_connections_open)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_copy)},
#endif
    {0}};
