// SPDX-License-Identifier: MIT
//
// TCP over the loopback interface: echo, ends of streams, closes under waiters, queues of waiters,
// cancelled reads. Servers and clients are tasks of one process; the listener's port is picked by
// the system.

#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/ready.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/api.h"
#include "harness/pair.h"

static struct rouse_tcp_listener *listener;
static struct rouse_addr address;

static void open_listener(void)
{
    listen_anywhere(&listener, &address);
}

static void close_listener(void)
{
    rouse_tcp_listener_unref(listener);
    listener = NULL;
}

// ---- Echo ----

enum { CLIENTS = 20, ROUNDS = 10, MESSAGE = 300 };

static _Atomic int served;

struct server_side {
    struct body body;
    struct rouse_tcp *conn;  // owned
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    char buf[128];
};

static void server_side_end(void *frame)
{
    struct server_side *f = frame;

    rouse_tcp_unref(f->conn);
    count_add(&served, 1);
}

static rouse_poll server_side(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(server_side, frame, cx);
    for (;;) {
        rouse_tcp_read_init(&f->read, f->conn, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        CHECK(f->read.output >= 0);
        if (f->read.output == 0) break;
        rouse_tcp_write_all_init(&f->write, f->conn, f->buf, (size_t)f->read.output);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, f->read.output);
        CHECK_EQ(f->write.done, f->read.output);
    }
    BODY_END();
}

struct acceptor {
    struct body body;
    struct rouse_tcp_accept accept;
};

static rouse_poll acceptor(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(acceptor, frame, cx);
    for (;;) {
        rouse_tcp_accept_init(&f->accept, listener);
        AWAIT(&f->accept.base);
        if (f->accept.output < 0) break;
        CHECK_EQ(SPAWN(NULL, server_side, .body.end = server_side_end,
                       .conn = rouse_tcp_accept_take(&f->accept)),
                 0);
    }
    BODY_RETURN(f->accept.output);
    BODY_END();
}

struct client {
    struct body body;
    int number;
    int round;
    struct rouse_tcp *conn;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    char sent[MESSAGE];
    char received[MESSAGE];
};

static rouse_poll client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(client, frame, cx);
    rouse_tcp_connect_init(&f->connect, &address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, 0);
    f->conn = rouse_tcp_connect_take(&f->connect);
    for (f->round = 0; f->round < ROUNDS; f->round++) {
        memset(f->sent, f->number * 16 + f->round, sizeof f->sent);
        rouse_tcp_write_all_init(&f->write, f->conn, f->sent, sizeof f->sent);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, MESSAGE);
        rouse_tcp_read_exact_init(&f->read, f->conn, f->received, sizeof f->received);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, MESSAGE);
        CHECK_EQ(memcmp(f->sent, f->received, MESSAGE), 0);
    }
    rouse_tcp_unref(f->conn);
    BODY_END();
}

struct echo_gives_back_what_was_sent {
    struct body body;
    int next;
    struct rouse_join_handle acceptor;
    struct rouse_join_handle clients[CLIENTS];
    struct rouse_sleep sleep;
};

static rouse_poll echo_gives_back_what_was_sent(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(echo_gives_back_what_was_sent, frame, cx);
    open_listener();
    CHECK_EQ(SPAWN(&f->acceptor, acceptor, .body.end = NULL), 0);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_EQ(SPAWN(&f->clients[i], client, .number = i), 0);
    }
    for (f->next = 0; f->next < CLIENTS; f->next++) {
        AWAIT(&f->clients[f->next].base);
        CHECK_EQ(joined(&f->clients[f->next]), 0);
    }
    while (count_get(&served) < CLIENTS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_tcp_listener_close(listener);
    AWAIT(&f->acceptor.base);
    CHECK_EQ(joined(&f->acceptor), -EBADF);
    close_listener();
    BODY_END();
}

// ---- Ends of streams ----

struct half_closed_stream_still_flows_the_other_way {
    struct body body;
    struct pair pair;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    struct rouse_tcp_read end;
    char buf[16];
};

static rouse_poll half_closed_stream_still_flows_the_other_way(void *frame,
                                                               struct rouse_context *cx)
{
    BODY_BEGIN(half_closed_stream_still_flows_the_other_way, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    rouse_tcp_write_all_init(&f->write, f->pair.client, "question", 8);
    AWAIT(&f->write.base);
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    // More is asked for than comes: the end of the stream cuts it short.
    rouse_tcp_read_exact_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 8);
    CHECK_EQ(memcmp(f->buf, "question", 8), 0);
    rouse_tcp_read_init(&f->end, f->pair.server, f->buf, sizeof f->buf);
    AWAIT(&f->end.base);
    CHECK_EQ(f->end.output, 0);

    rouse_tcp_write_all_init(&f->write, f->pair.server, "answer", 6);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, 6);
    rouse_tcp_read_exact_init(&f->read, f->pair.client, f->buf, 6);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 6);
    CHECK_EQ(memcmp(f->buf, "answer", 6), 0);
    rouse_tcp_write_all_init(&f->write, f->pair.client, "more", 4);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, -EPIPE);
    pair_free(&f->pair);
    BODY_END();
}

struct writing_to_a_peer_that_is_gone_fails_without_a_signal {
    struct body body;
    struct pair pair;
    struct rouse_tcp_write_all write;
};

static rouse_poll writing_to_a_peer_that_is_gone_fails_without_a_signal(void *frame,
                                                                        struct rouse_context *cx)
{
    BODY_BEGIN(writing_to_a_peer_that_is_gone_fails_without_a_signal, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    rouse_tcp_unref(f->pair.client);
    do {
        rouse_tcp_write_all_init(&f->write, f->pair.server, "x", 1);
        AWAIT(&f->write.base);
    } while (f->write.output == 1);
    CHECK(f->write.output == -EPIPE || f->write.output == -ECONNRESET);
    CHECK_EQ(rouse_future_result(&f->write.base), f->write.output);
    rouse_tcp_unref(f->pair.server);
    BODY_END();
}

// ---- Closes ----

// Reads one byte, with room for more: a short read shows that nothing is left, so it hands no turn
// on. Says when it waits for it. Its read is polled by a function, so it must not be
// aborted.
struct reader {
    struct body body;
    struct rouse_tcp *conn;
    int number;
    _Atomic int *order;
    bool waits;
    struct rouse_tcp_read read;
    struct rouse_poll_fn poll_read;
    char buf[2];
};

static _Atomic int reading;

static rouse_poll poll_read(void *arg, struct rouse_context *cx)
{
    struct reader *f = arg;
    rouse_poll poll = rouse_future_poll(&f->read.base, cx);

    if (poll == ROUSE_PENDING && !f->waits) {
        f->waits = true;
        count_add(&reading, 1);
    }
    return poll;
}

static rouse_poll reader(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reader, frame, cx);
    rouse_tcp_read_init(&f->read, f->conn, f->buf, sizeof f->buf);
    rouse_poll_fn_init(&f->poll_read, poll_read, f);
    AWAIT(&f->poll_read.base);
    if (f->read.output == 1 && f->order != NULL) CHECK_EQ(count_add(f->order, 1), f->number);
    BODY_RETURN(f->read.output);
    BODY_END();
}

struct close_ends_a_waiting_read {
    struct body body;
    struct pair pair;
    struct rouse_join_handle reader;
    struct rouse_sleep sleep;
    struct rouse_tcp_read late;
    char buf[4];
};

static rouse_poll close_ends_a_waiting_read(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(close_ends_a_waiting_read, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(SPAWN(&f->reader, reader, .conn = f->pair.server), 0);
    while (count_get(&reading) == 0) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_tcp_close(f->pair.server);
    AWAIT(&f->reader.base);
    CHECK_EQ(joined(&f->reader), -EBADF);

    // The peer sees the end; the object itself can still be asked, and says that it is closed.
    rouse_tcp_read_init(&f->late, f->pair.client, f->buf, sizeof f->buf);
    AWAIT(&f->late.base);
    CHECK_EQ(f->late.output, 0);
    rouse_tcp_read_init(&f->late, f->pair.server, f->buf, sizeof f->buf);
    AWAIT(&f->late.base);
    CHECK_EQ(f->late.output, -EBADF);
    CHECK_EQ(rouse_tcp_try_read(f->pair.server, f->buf, sizeof f->buf), -EBADF);
    CHECK_EQ(rouse_tcp_try_write(f->pair.server, f->buf, sizeof f->buf), -EBADF);
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.server), -EBADF);
    rouse_tcp_close(f->pair.server);
    pair_free(&f->pair);
    BODY_END();
}

// Fills the socket until nothing more goes in, and waits there.
struct filler {
    struct body body;
    struct rouse_tcp *conn;
    struct rouse_tcp_write write;
    char buf[4096];
};

static _Atomic int64_t filled;

static rouse_poll filler(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(filler, frame, cx);
    do {
        rouse_tcp_write_init(&f->write, f->conn, f->buf, sizeof f->buf);
        AWAIT(&f->write.base);
        // Relaxed: only to see that it stands still.
        atomic_fetch_add_explicit(&filled, f->write.output, memory_order_relaxed);
    } while (f->write.output > 0);
    BODY_RETURN(f->write.output);
    BODY_END();
}

struct close_ends_a_waiting_write {
    struct body body;
    struct pair pair;
    int64_t before;
    struct rouse_join_handle filler;
    struct rouse_sleep sleep;
};

static rouse_poll close_ends_a_waiting_write(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(close_ends_a_waiting_write, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(SPAWN(&f->filler, filler, .conn = f->pair.server), 0);
    do {
        f->before = atomic_load_explicit(&filled, memory_order_relaxed);
        rouse_sleep_init(&f->sleep, 10 * MS);
        AWAIT(&f->sleep.base);
    } while (f->before == 0 || f->before != atomic_load_explicit(&filled, memory_order_relaxed));
    rouse_tcp_close(f->pair.server);
    AWAIT(&f->filler.base);
    CHECK_EQ(joined(&f->filler), -EBADF);
    pair_free(&f->pair);
    BODY_END();
}

struct shares_keep_a_connection_until_the_last {
    struct body body;
    struct pair pair;
    struct rouse_tcp *share;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read read;
    char buf[4];
};

static rouse_poll shares_keep_a_connection_until_the_last(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(shares_keep_a_connection_until_the_last, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    f->share = rouse_tcp_ref(f->pair.server);
    CHECK(f->share == f->pair.server);
    rouse_tcp_unref(f->pair.server);
    rouse_tcp_unref(NULL);
    rouse_tcp_write_all_init(&f->write, f->share, "ok", 2);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, 2);
    rouse_tcp_unref(f->share);
    rouse_tcp_read_init(&f->read, f->pair.client, f->buf, sizeof f->buf);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 2);
    rouse_tcp_read_init(&f->read, f->pair.client, f->buf, sizeof f->buf);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    rouse_tcp_unref(f->pair.client);
    BODY_END();
}

// ---- Queues of waiters ----

enum { READERS = 4 };

struct several_readers_are_served_in_order {
    struct body body;
    int next;
    _Atomic int order;
    struct pair pair;
    struct rouse_join_handle readers[READERS];
    struct rouse_tcp_write_all write;
    struct rouse_sleep sleep;
};

static rouse_poll several_readers_are_served_in_order(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(several_readers_are_served_in_order, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    for (f->next = 0; f->next < READERS; f->next++) {
        CHECK_EQ(SPAWN(&f->readers[f->next], reader, .conn = f->pair.server, .number = f->next + 1,
                       .order = &f->order),
                 0);
        // Each stands in the queue before the next one comes.
        while (count_get(&reading) <= f->next) {
            rouse_sleep_init(&f->sleep, MS);
            AWAIT(&f->sleep.base);
        }
    }
    for (f->next = 0; f->next < READERS; f->next++) {
        rouse_tcp_write_all_init(&f->write, f->pair.client, "x", 1);
        AWAIT(&f->write.base);
        AWAIT(&f->readers[f->next].base);
        CHECK_EQ(joined(&f->readers[f->next]), 1);
    }
    pair_free(&f->pair);
    BODY_END();
}

static _Atomic int accepting;
static _Atomic int accepted;

// Accepts one connection and closes it.
struct single_acceptor {
    struct body body;
    struct rouse_tcp_accept accept;
};

static rouse_poll single_acceptor(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(single_acceptor, frame, cx);
    rouse_tcp_accept_init(&f->accept, listener);
    count_add(&accepting, 1);
    AWAIT(&f->accept.base);
    if (f->accept.output == 0) {
        rouse_tcp_unref(rouse_tcp_accept_take(&f->accept));
        count_add(&accepted, 1);
    }
    BODY_RETURN(f->accept.output);
    BODY_END();
}

enum { ACCEPTORS = 5 };

struct several_acceptors_get_one_connection_each {
    struct body body;
    int next;
    int left;  // acceptors that will get nothing
    struct rouse_join_handle acceptors[ACCEPTORS];
    struct rouse_tcp_connect connects[ACCEPTORS - 1];
    struct rouse_future *arms[ACCEPTORS - 1];
    struct rouse_join_all all;
    struct rouse_sleep sleep;
};

static rouse_poll several_acceptors_get_one_connection_each(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(several_acceptors_get_one_connection_each, frame, cx);
    open_listener();
    for (int i = 0; i < ACCEPTORS; i++) {
        CHECK_EQ(SPAWN(&f->acceptors[i], single_acceptor, .body.end = NULL), 0);
    }
    while (count_get(&accepting) < ACCEPTORS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    // One waiter is aborted while connections come: it takes one all the same, or hands on what it
    // would have been given.
    rouse_abort(&f->acceptors[0]);
    for (int i = 0; i < ACCEPTORS - 1; i++) {
        rouse_tcp_connect_init(&f->connects[i], &address);
        f->arms[i] = &f->connects[i].base;
    }
    rouse_join_all_init(&f->all, f->arms, ACCEPTORS - 1);
    AWAIT(&f->all.base);
    while (count_get(&accepted) < ACCEPTORS - 1) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    AWAIT(&f->acceptors[0].base);
    f->left = f->acceptors[0].output == 0;
    CHECK(f->left == 1 || f->acceptors[0].output == -ECANCELED);
    rouse_future_drop(&f->acceptors[0].base);
    rouse_tcp_listener_close(listener);
    for (f->next = 1; f->next < ACCEPTORS; f->next++) {
        AWAIT(&f->acceptors[f->next].base);
        CHECK(f->acceptors[f->next].output == 0 || f->acceptors[f->next].output == -EBADF);
        f->left -= joined(&f->acceptors[f->next]) == -EBADF;
    }
    CHECK_EQ(f->left, 0);
    CHECK_EQ(count_get(&accepted), ACCEPTORS - 1);
    rouse_future_drop(&f->all.base);
    close_listener();
    BODY_END();
}

struct closing_a_listener_ends_waiting_accepts {
    struct body body;
    int next;
    struct rouse_join_handle acceptors[ACCEPTORS];
    struct rouse_addr unused;
    struct rouse_tcp_connect connect;
    struct rouse_sleep sleep;
};

static rouse_poll closing_a_listener_ends_waiting_accepts(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(closing_a_listener_ends_waiting_accepts, frame, cx);
    open_listener();
    for (int i = 0; i < ACCEPTORS; i++) {
        CHECK_EQ(SPAWN(&f->acceptors[i], single_acceptor, .body.end = NULL), 0);
    }
    while (count_get(&accepting) < ACCEPTORS) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_tcp_listener_close(listener);
    for (f->next = 0; f->next < ACCEPTORS; f->next++) {
        AWAIT(&f->acceptors[f->next].base);
        CHECK_EQ(joined(&f->acceptors[f->next]), -EBADF);
    }
    CHECK_EQ(rouse_tcp_listener_address(listener, &f->unused), -EBADF);
    rouse_tcp_connect_init(&f->connect, &address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, -ECONNREFUSED);
    CHECK(rouse_tcp_connect_take(&f->connect) == NULL);
    rouse_future_drop(&f->connect.base);
    close_listener();
    BODY_END();
}

// ---- Cancelled operations ----

enum { STREAM = 2000 };

// Writes a counting stream in dribs and drabs.
struct dribbler {
    struct body body;
    struct rouse_tcp *conn;
    int sent;
    int burst;
    uint8_t buf[64];
    struct rouse_tcp_write_all write;
    struct rouse_sleep sleep;
};

static rouse_poll dribbler(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(dribbler, frame, cx);
    while (f->sent < STREAM) {
        f->burst = 1 + f->sent * 7 % 60;
        if (f->burst > STREAM - f->sent) f->burst = STREAM - f->sent;
        for (int i = 0; i < f->burst; i++) {
            f->buf[i] = (uint8_t)(f->sent + i);
        }
        rouse_tcp_write_all_init(&f->write, f->conn, f->buf, (size_t)f->burst);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, f->burst);
        f->sent += f->burst;
        rouse_sleep_init(&f->sleep, (uint64_t)(f->sent % 3) * 300 * ROUSE_NS_PER_US);
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

struct cancelled_reads_lose_no_byte {
    struct body body;
    int received;
    int cancelled;
    struct pair pair;
    struct rouse_join_handle dribbler;
    struct rouse_tcp_read read;
    struct rouse_timeout timeout;
    uint8_t buf[17];
};

static void check_counting(const uint8_t *bytes, ssize_t count, int first)
{
    for (ssize_t i = 0; i < count; i++) {
        CHECK_EQ(bytes[i], (uint8_t)(first + i));
    }
}

static rouse_poll cancelled_reads_lose_no_byte(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(cancelled_reads_lose_no_byte, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(SPAWN(&f->dribbler, dribbler, .conn = f->pair.client), 0);
    while (f->received < STREAM) {
        rouse_tcp_read_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
        rouse_timeout_init(&f->timeout, &f->read.base, rouse_deadline_after(100 * ROUSE_NS_PER_US));
        AWAIT(&f->timeout.base);
        if (f->timeout.output == 0) {
            CHECK(f->read.output > 0);
            check_counting(f->buf, f->read.output, f->received);
            f->received += (int)f->read.output;
        } else {
            f->cancelled++;
        }
        rouse_future_drop(&f->timeout.base);
    }
    CHECK(f->cancelled > 0);
    AWAIT(&f->dribbler.base);
    CHECK_EQ(joined(&f->dribbler), 0);
    CHECK_EQ(rouse_tcp_try_read(f->pair.server, f->buf, sizeof f->buf), -EAGAIN);
    pair_free(&f->pair);
    BODY_END();
}

struct connection_that_nobody_took_is_closed {
    struct body body;
    struct pair pair;
    struct rouse_tcp_read read;
    char buf[1];
};

static rouse_poll connection_that_nobody_took_is_closed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(connection_that_nobody_took_is_closed, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    f->pair.client = rouse_tcp_connect_take(&f->pair.connect);
    rouse_future_drop(&f->pair.both.base);
    rouse_tcp_read_init(&f->read, f->pair.client, f->buf, 1);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, 0);
    rouse_tcp_unref(f->pair.client);
    // Neither side taken, and operations dropped before their first poll.
    rouse_tcp_accept_init(&f->pair.accept, f->pair.listener);
    rouse_future_drop(&f->pair.accept.base);
    rouse_tcp_connect_init(&f->pair.connect, &f->pair.address);
    rouse_future_drop(&f->pair.connect.base);
    pair_unlisten(&f->pair);
    BODY_END();
}

// ---- Both ways at once ----

enum { BULK = 1 << 20 };

struct sender {
    struct body body;
    struct rouse_tcp *conn;
    char *bytes;
    struct rouse_tcp_write_all write;
};

static rouse_poll sender(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sender, frame, cx);
    rouse_tcp_write_all_init(&f->write, f->conn, f->bytes, BULK);
    AWAIT(&f->write.base);
    BODY_RETURN(f->write.output);
    BODY_END();
}

struct receiver {
    struct body body;
    struct rouse_tcp *conn;
    char *bytes;
    struct rouse_tcp_read_exact read;
};

static rouse_poll receiver(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(receiver, frame, cx);
    rouse_tcp_read_exact_init(&f->read, f->conn, f->bytes, BULK);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.done, BULK);
    BODY_RETURN(f->read.output);
    BODY_END();
}

struct both_directions_carry_bulk_at_once {
    struct body body;
    int next;
    struct pair pair;
    char *bytes[4];
    struct rouse_join_handle handles[4];
};

static rouse_poll both_directions_carry_bulk_at_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(both_directions_carry_bulk_at_once, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    for (int i = 0; i < 4; i++) {
        f->bytes[i] = malloc(BULK);
        for (int k = 0; k < BULK; k++) {
            f->bytes[i][k] = (char)(i < 2 ? k * (i + 3) >> 3 : 0);
        }
    }
    CHECK_EQ(SPAWN(&f->handles[0], sender, .conn = f->pair.client, .bytes = f->bytes[0]), 0);
    CHECK_EQ(SPAWN(&f->handles[1], sender, .conn = f->pair.server, .bytes = f->bytes[1]), 0);
    CHECK_EQ(SPAWN(&f->handles[2], receiver, .conn = f->pair.server, .bytes = f->bytes[2]), 0);
    CHECK_EQ(SPAWN(&f->handles[3], receiver, .conn = f->pair.client, .bytes = f->bytes[3]), 0);
    for (f->next = 0; f->next < 4; f->next++) {
        AWAIT(&f->handles[f->next].base);
        CHECK_EQ(joined(&f->handles[f->next]), BULK);
    }
    CHECK_EQ(memcmp(f->bytes[0], f->bytes[2], BULK), 0);
    CHECK_EQ(memcmp(f->bytes[1], f->bytes[3], BULK), 0);
    for (int i = 0; i < 4; i++) {
        free(f->bytes[i]);
    }
    pair_free(&f->pair);
    BODY_END();
}

struct sendfile_sends_a_stretch_of_a_file {
    struct body body;
    int fd;
    struct pair pair;
    struct rouse_tcp_sendfile send;
    struct rouse_tcp_read_exact read;
    char buf[200];
};

static int file_of_digits(void)
{
    char path[] = "/tmp/rouse-api-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(write(fd, "0123456789", 10), 10);
    }
    return fd;
}

static rouse_poll sendfile_sends_a_stretch_of_a_file(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(sendfile_sends_a_stretch_of_a_file, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    f->fd = file_of_digits();
    rouse_tcp_sendfile_init(&f->send, f->pair.server, f->fd, 15, 20);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 20);
    CHECK_EQ(f->send.done, 20);
    rouse_tcp_read_exact_init(&f->read, f->pair.client, f->buf, 20);
    AWAIT(&f->read.base);
    CHECK_EQ(memcmp(f->buf, "56789012345678901234", 20), 0);
    // A file that ends before.
    rouse_tcp_sendfile_init(&f->send, f->pair.server, f->fd, 95, 100);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 5);
    CHECK_EQ(close(f->fd), 0);
    pair_free(&f->pair);
    BODY_END();
}

// ---- The direct forms ----

#ifdef ROUSE_TEST_STYLE_FIBER
static int serve_directly(void *arg)
{
    struct rouse_tcp *conn;
    char buf[8];
    size_t done = 0;
    struct iovec parts[2] = {{buf, 3}, {buf + 3, 5}};

    (void)arg;
    CHECK_EQ(rouse_tcp_accept(listener, &conn), 0);
    CHECK_EQ(rouse_tcp_read_exact(conn, buf, 4, &done), 4);
    CHECK_EQ(done, 4);
    CHECK_EQ(rouse_tcp_write_all(conn, buf, 4), 4);
    CHECK_EQ(rouse_tcp_readv(conn, parts, 2), 8);
    CHECK_EQ(rouse_tcp_writev_all(conn, parts, 2), 8);
    CHECK_EQ(rouse_tcp_read(conn, buf, sizeof buf), 0);
    rouse_tcp_unref(conn);
    return 1;
}

struct direct_forms_read_and_write {
    struct body body;
    struct rouse_join_handle server;
    struct rouse_tcp *conn;
    struct rouse_addr ours;
    struct rouse_addr theirs;
    char buf[8];
};

static rouse_poll direct_forms_read_and_write(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_read_and_write, frame, cx);
    open_listener();
    CHECK_EQ(rouse_spawn(&f->server, serve_directly, NULL), 0);
    CHECK_EQ(rouse_tcp_connect(&f->conn, &address), 0);
    CHECK_EQ(rouse_tcp_peer_address(f->conn, &f->theirs), 0);
    CHECK(rouse_addr_equal(&f->theirs, &address));
    CHECK_EQ(rouse_tcp_local_address(f->conn, &f->ours), 0);
    CHECK(!rouse_addr_equal(&f->ours, &f->theirs));
    CHECK_EQ(rouse_tcp_set_nodelay(f->conn, false), 0);
    CHECK_EQ(rouse_tcp_set_nodelay(f->conn, true), 0);
    CHECK_EQ(rouse_tcp_set_keepalive(f->conn, 10, 5, 3), 0);
    CHECK_EQ(rouse_tcp_try_read(f->conn, f->buf, 8), -EAGAIN);
    CHECK_EQ(rouse_tcp_write_all(f->conn, "ping", 4), 4);
    CHECK_EQ(rouse_tcp_read_exact(f->conn, f->buf, 4, NULL), 4);
    CHECK_EQ(memcmp(f->buf, "ping", 4), 0);
    CHECK_EQ(rouse_tcp_write(f->conn, "abcdefgh", 8), 8);
    CHECK_EQ(rouse_tcp_read_exact(f->conn, f->buf, 8, NULL), 8);
    CHECK_EQ(memcmp(f->buf, "abcdefgh", 8), 0);
    rouse_tcp_unref(f->conn);
    CHECK_EQ(rouse_join(&f->server), 1);
    close_listener();
    BODY_END();
}

static int accept_for_ever(void *arg)
{
    struct rouse_tcp *conn;

    (void)arg;
    return rouse_tcp_accept(listener, &conn);
}

struct aborted_fiber_leaves_its_accept {
    struct body body;
    struct rouse_join_handle server;
};

static rouse_poll aborted_fiber_leaves_its_accept(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(aborted_fiber_leaves_its_accept, frame, cx);
    open_listener();
    CHECK_EQ(rouse_spawn(&f->server, accept_for_ever, NULL), 0);
    CHECK_EQ(rouse_sleep(2 * MS), 0);
    CHECK_EQ(rouse_abort_and_wait(&f->server), -ECANCELED);
    close_listener();
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(echo_gives_back_what_was_sent)},
    {TEST(half_closed_stream_still_flows_the_other_way)},
    {TEST(writing_to_a_peer_that_is_gone_fails_without_a_signal)},
    {TEST(close_ends_a_waiting_read)},
    {TEST(close_ends_a_waiting_write)},
    {TEST(shares_keep_a_connection_until_the_last)},
    {TEST(several_readers_are_served_in_order)},
    {TEST(several_acceptors_get_one_connection_each)},
    {TEST(closing_a_listener_ends_waiting_accepts)},
    {TEST(cancelled_reads_lose_no_byte)},
    {TEST(connection_that_nobody_took_is_closed)},
    {TEST(both_directions_carry_bulk_at_once)},
    {TEST(sendfile_sends_a_stretch_of_a_file)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_read_and_write)},
    {TEST(aborted_fiber_leaves_its_accept)},
#endif
    {0}};
