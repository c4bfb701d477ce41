// SPDX-License-Identifier: MIT
//
// What only another machine can do to a connection, or the way to it: hosts that are not there,
// handshakes that nobody answers, peers that fall silent for a while or for ever, or that come back
// and know nothing. Across a far network, as tests/blackbox/shaped_networks.sh makes it; without
// one there is nothing to run.

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rouse/sleep.h>
#include <rouse/udp.h>
#include <string.h>

#include "conn.h"
#include "harness/pair.h"

// What is sent to these ports of the far address, whether somebody listens there or not.
enum { PORT_LOST = 11, PORT_NO_HOST, PORT_NO_NETWORK, PORT_FORBIDDEN, PORT_RESET, PORT_NO_PORT };

// From now on nothing that this end sends arrives, or everything does again.
static void silence(const struct rouse_tcp *conn, bool is_silent)
{
    set_option(conn, SOL_SOCKET, SO_MARK, is_silent ? FAR_MARK_LOST : 0);
}

static void silence_both(const struct pair *pair, bool is_silent)
{
    silence(pair->client, is_silent);
    silence(pair->server, is_silent);
}

// ---- Connections that cannot be made ----

static const struct {
    const char *address;  // NULL: the far one
    unsigned port;
    int error;
} refusals[] = {
    {NULL, PORT_NO_HOST, -EHOSTUNREACH},   {NULL, PORT_NO_NETWORK, -ENETUNREACH},
    {NULL, PORT_FORBIDDEN, -EHOSTUNREACH}, {NULL, PORT_RESET, -ECONNREFUSED},
    {NULL, PORT_NO_PORT, -ECONNREFUSED},   {"10.77.0.99:9", 0, -EHOSTUNREACH},  // answers no ARP
    {"10.77.1.1:9", 0, -EHOSTUNREACH},     {"10.77.2.1:9", 0, -EACCES},
    {"10.78.0.1:9", 0, -ENETUNREACH},
};
enum { REFUSALS = sizeof refusals / sizeof refusals[0] };

struct connect_says_who_refused_it {
    struct body body;
    int next;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
};

static rouse_poll connect_says_who_refused_it(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(connect_says_who_refused_it, frame, cx);
    for (f->next = 0; f->next < REFUSALS; f->next++) {
        f->address = far_address(refusals[f->next].port);
        if (refusals[f->next].address != NULL) {
            CHECK_EQ(rouse_addr_parse(&f->address, refusals[f->next].address), 0);
        }
        rouse_tcp_connect_init(&f->connect, &f->address);
        AWAIT(&f->connect.base);
        CHECK_EQ(f->connect.output, refusals[f->next].error);
    }
    BODY_END();
}

struct connect_that_nobody_answers_times_out {
    struct body body;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
};

static rouse_poll connect_that_nobody_answers_times_out(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(connect_that_nobody_answers_times_out, frame, cx);
    f->address = far_address(PORT_LOST);
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, -ETIMEDOUT);
    CHECK(rouse_tcp_connect_take(&f->connect) == NULL);
    BODY_END();
}

struct connect_that_nobody_answers_can_be_given_up {
    struct body body;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
    struct rouse_timeout timeout;
};

static rouse_poll connect_that_nobody_answers_can_be_given_up(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(connect_that_nobody_answers_can_be_given_up, frame, cx);
    f->address = far_address(PORT_LOST);
    rouse_tcp_connect_init(&f->connect, &f->address);
    rouse_timeout_init(&f->timeout, &f->connect.base, rouse_deadline_after(5 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    BODY_END();
}

// ---- Peers that fall silent ----

enum { SILENCE_MS = 60 };

struct silent_peer_ends_a_wait_of_each_kind {
    struct body body;
    int kind;
    struct pair pair;
    struct rouse_join_handle waiter;
    struct rouse_tcp_write write;
};

static rouse_poll silent_peer_ends_a_wait_of_each_kind(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(silent_peer_ends_a_wait_of_each_kind, frame, cx);
    for (f->kind = 0; f->kind < WAIT_KINDS; f->kind++) {
        pair_init(&f->pair);
        AWAIT(&f->pair.both.base);
        pair_take(&f->pair);
        set_option(f->pair.client, IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_MS);
        silence_both(&f->pair, true);
        CHECK_EQ(SPAWN(&f->waiter, waiter, .kind = (enum wait_kind)f->kind, .conn = f->pair.client),
                 0);
        // What nobody acknowledges is how the kernel learns of it.
        rouse_tcp_write_init(&f->write, f->pair.client, "x", 1);
        AWAIT(&f->write.base);
        AWAIT(&f->waiter.base);
        CHECK_EQ(joined(&f->waiter), -ETIMEDOUT);
        rouse_tcp_write_init(&f->write, f->pair.client, "x", 1);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, -EPIPE);
        pair_free(&f->pair);
    }
    BODY_END();
}

struct silent_peer_of_an_idle_connection_is_found_out {
    struct body body;
    struct pair pair;
    struct rouse_tcp_readable readable;
    char buf[8];
};

static rouse_poll silent_peer_of_an_idle_connection_is_found_out(void *frame,
                                                                 struct rouse_context *cx)
{
    BODY_BEGIN(silent_peer_of_an_idle_connection_is_found_out, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    CHECK_EQ(rouse_tcp_set_keepalive(f->pair.client, 1, 1, 1), 0);
    silence_both(&f->pair, true);
    rouse_tcp_readable_init(&f->readable, f->pair.client);
    AWAIT(&f->readable.base);
    CHECK_EQ(f->readable.output, 0);
    CHECK_EQ(rouse_tcp_try_read(f->pair.client, f->buf, sizeof f->buf), -ETIMEDOUT);
    pair_free(&f->pair);
    BODY_END();
}

// Its machine has started anew, say: nothing of the end of the connection was heard.
struct peer_that_knows_nothing_resets {
    struct body body;
    struct pair pair;
    struct rouse_join_handle waiter;
    struct rouse_tcp_write write;
};

static rouse_poll peer_that_knows_nothing_resets(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(peer_that_knows_nothing_resets, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    silence(f->pair.server, true);
    rouse_tcp_reset(f->pair.server);
    CHECK_EQ(SPAWN(&f->waiter, waiter, .kind = WAIT_READ, .conn = f->pair.client), 0);
    rouse_tcp_write_init(&f->write, f->pair.client, "still there?", 12);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, 12);
    AWAIT(&f->waiter.base);
    CHECK_EQ(joined(&f->waiter), -ECONNRESET);
    pair_free(&f->pair);
    BODY_END();
}

// Bytes that are under way keep no close and no deadline waiting.
struct silent_peer_holds_up_no_close {
    struct body body;
    int kind;
    struct pair pair;
    struct rouse_join_handle waiters[WAIT_KINDS];
    struct rouse_tcp_read read;
    struct rouse_timeout timeout;
    char buf[8];
};

static rouse_poll silent_peer_holds_up_no_close(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(silent_peer_holds_up_no_close, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    silence_both(&f->pair, true);
    for (f->kind = 0; f->kind < WAIT_KINDS; f->kind++) {
        CHECK_EQ(SPAWN(&f->waiters[f->kind], waiter, .kind = (enum wait_kind)f->kind,
                       .conn = f->pair.client),
                 0);
    }
    rouse_tcp_read_init(&f->read, f->pair.client, f->buf, sizeof f->buf);
    rouse_timeout_init(&f->timeout, &f->read.base, rouse_deadline_after(10 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(rouse_tcp_shutdown_write(f->pair.client), 0);
    rouse_tcp_close(f->pair.client);
    for (f->kind = 0; f->kind < WAIT_KINDS; f->kind++) {
        AWAIT(&f->waiters[f->kind].base);
        int64_t end = joined(&f->waiters[f->kind]);

        // The writer may have learnt of the shutdown first.
        CHECK(end == -EBADF || (f->kind == WAIT_WRITE && end == -EPIPE));
    }
    pair_free(&f->pair);
    BODY_END();
}

// Both ways stand still twice, and go on.
struct outage_delays_a_stream_and_loses_nothing {
    struct body body;
    struct pair pair;
    _Atomic int partial;
    int next;
    struct rouse_join_handle senders[2];
    struct rouse_join_handle receivers[2];
    struct rouse_sleep sleep;
};

static rouse_poll outage_delays_a_stream_and_loses_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(outage_delays_a_stream_and_loses_nothing, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    silence_both(&f->pair, true);
    for (f->next = 0; f->next < 2; f->next++) {
        struct rouse_tcp *from = f->next == 0 ? f->pair.server : f->pair.client;
        struct rouse_tcp *to = f->next == 0 ? f->pair.client : f->pair.server;

        CHECK_EQ(SPAWN(&f->senders[f->next], bulk_sender, .conn = from, .stream = f->next,
                       .partial = &f->partial),
                 0);
        CHECK_EQ(SPAWN(&f->receivers[f->next], bulk_receiver, .conn = to, .stream = f->next), 0);
    }
    for (f->next = 0; f->next < 4; f->next++) {
        rouse_sleep_init(&f->sleep, 5 * MS);
        AWAIT(&f->sleep.base);
        silence_both(&f->pair, f->next % 2 == 1);
    }
    silence_both(&f->pair, false);
    for (f->next = 0; f->next < 2; f->next++) {
        AWAIT(&f->senders[f->next].base);
        CHECK_EQ(joined(&f->senders[f->next]), 0);
        AWAIT(&f->receivers[f->next].base);
        CHECK_EQ(joined(&f->receivers[f->next]), 0);
    }
    pair_free(&f->pair);
    BODY_END();
}

// ---- Datagrams ----

static struct rouse_udp *far_udp(struct rouse_addr *address)
{
    struct rouse_addr any = far_address(0);
    struct rouse_udp *udp;
    int home = far_enter();

    CHECK_EQ(rouse_udp_bind(&udp, &any, NULL), 0);
    far_leave(home);
    CHECK_EQ(rouse_udp_local_address(udp, address), 0);
    return udp;
}

static struct rouse_udp *near_udp(const struct rouse_addr *peer)
{
    struct rouse_addr any;
    struct rouse_udp *udp;

    CHECK_EQ(rouse_addr_parse(&any, "0.0.0.0:0"), 0);
    CHECK_EQ(rouse_udp_bind(&udp, &any, NULL), 0);
    CHECK_EQ(rouse_udp_connect(udp, peer), 0);
    return udp;
}

enum { LARGE = 3000, ROOM = 100 };

struct datagram_in_fragments_arrives_whole_or_is_cut {
    struct body body;
    int next;
    size_t room;
    struct rouse_addr address;
    struct rouse_udp *far;
    struct rouse_udp *near;
    struct rouse_udp_send send;
    struct rouse_udp_recv recv;
    char out[LARGE];
    char in[LARGE + 1];
};

static rouse_poll datagram_in_fragments_arrives_whole_or_is_cut(void *frame,
                                                                struct rouse_context *cx)
{
    BODY_BEGIN(datagram_in_fragments_arrives_whole_or_is_cut, frame, cx);
    f->far = far_udp(&f->address);
    f->near = near_udp(&f->address);
    for (int i = 0; i < LARGE; i++) f->out[i] = (char)(i * 7 + i / 256);
    for (f->next = 0; f->next < 2; f->next++) {
        f->room = f->next == 0 ? sizeof f->in : ROOM;
        rouse_udp_send_init(&f->send, f->near, f->out, LARGE, NULL);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, LARGE);
        rouse_udp_recv_init(&f->recv, f->far, f->in, f->room);
        AWAIT(&f->recv.base);
        CHECK_EQ(f->recv.output, f->next == 0 ? LARGE : ROOM);
        CHECK_EQ(f->recv.length, LARGE);
        CHECK_EQ(f->recv.truncated, f->next == 1);
        CHECK(memcmp(f->in, f->out, (size_t)f->recv.output) == 0);
    }
    rouse_udp_unref(f->near);
    rouse_udp_unref(f->far);
    BODY_END();
}

// The kernel keeps a missing host or network from datagram sockets: they may be there again soon.
static const struct {
    unsigned port;
    int error;
} udp_refusals[] = {{PORT_NO_PORT, -ECONNREFUSED}, {PORT_FORBIDDEN, -EHOSTUNREACH}};
enum { UDP_REFUSALS = sizeof udp_refusals / sizeof udp_refusals[0] };

struct refused_datagram_says_by_whom {
    struct body body;
    int next;
    struct rouse_addr address;
    struct rouse_udp *far;
    struct rouse_udp *near;
    struct rouse_udp_send send;
    struct rouse_udp_recv recv;
    char buf[8];
};

static rouse_poll refused_datagram_says_by_whom(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(refused_datagram_says_by_whom, frame, cx);
    for (f->next = 0; f->next < UDP_REFUSALS; f->next++) {
        f->address = far_address(udp_refusals[f->next].port);
        f->near = near_udp(&f->address);
        rouse_udp_send_init(&f->send, f->near, "x", 1, NULL);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, 1);
        rouse_udp_recv_init(&f->recv, f->near, f->buf, sizeof f->buf);
        AWAIT(&f->recv.base);
        CHECK_EQ(f->recv.output, udp_refusals[f->next].error);

        // The socket goes on.
        f->far = far_udp(&f->address);
        CHECK_EQ(rouse_udp_connect(f->near, &f->address), 0);
        rouse_udp_send_init(&f->send, f->near, "again", 5, NULL);
        AWAIT(&f->send.base);
        rouse_udp_recv_init(&f->recv, f->far, f->buf, sizeof f->buf);
        AWAIT(&f->recv.base);
        CHECK_EQ(f->recv.output, 5);
        rouse_udp_unref(f->near);
        rouse_udp_unref(f->far);
    }
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(connect_says_who_refused_it), .far = true},
    {TEST(connect_that_nobody_answers_times_out), .far = true},
    {TEST(connect_that_nobody_answers_can_be_given_up), .far = true},
    {TEST(silent_peer_ends_a_wait_of_each_kind), .far = true},
    {TEST(silent_peer_of_an_idle_connection_is_found_out), .far = true},
    {TEST(peer_that_knows_nothing_resets), .far = true},
    {TEST(silent_peer_holds_up_no_close), .far = true},
    {TEST(outage_delays_a_stream_and_loses_nothing), .far = true},
    {TEST(datagram_in_fragments_arrives_whole_or_is_cut), .far = true},
    {TEST(refused_datagram_says_by_whom), .far = true},
    {0}};
