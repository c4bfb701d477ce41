// SPDX-License-Identifier: MIT
//
// UDP over the loopback interface: echo, what is cut off, batches, refusals, closes under waiters,
// cancelled receives. Ports are picked by the system.

#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/udp.h>
#include <string.h>

#include "harness/api.h"

static struct rouse_udp *socket_at(struct rouse_addr *address)
{
    struct rouse_addr any = rouse_addr_loopback(0);
    struct rouse_udp *udp;

    CHECK_EQ(rouse_udp_bind(&udp, &any, NULL), 0);
    CHECK_EQ(rouse_udp_local_address(udp, address), 0);
    return udp;
}

// Two sockets that are connected to each other.
struct ends {
    struct rouse_udp *near;
    struct rouse_udp *far;
};

static void ends_init(struct ends *ends)
{
    struct rouse_addr near, far;

    ends->near = socket_at(&near);
    ends->far = socket_at(&far);
    CHECK_EQ(rouse_udp_connect(ends->near, &far), 0);
    CHECK_EQ(rouse_udp_connect(ends->far, &near), 0);
}

static void ends_free(struct ends *ends)
{
    rouse_udp_unref(ends->near);
    rouse_udp_unref(ends->far);
}

// ---- Echo ----

enum { CLIENTS = 10, ROUNDS = 10, MESSAGE = 300 };

// Until its socket is closed.
struct server {
    struct body body;
    struct rouse_udp *udp;
    struct rouse_udp_recv recv;
    struct rouse_udp_send send;
    char buf[MESSAGE];
};

static rouse_poll server(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(server, frame, cx);
    for (;;) {
        rouse_udp_recv_init(&f->recv, f->udp, f->buf, sizeof f->buf);
        AWAIT(&f->recv.base);
        if (f->recv.output < 0) break;
        rouse_udp_send_init(&f->send, f->udp, f->buf, (size_t)f->recv.output, &f->recv.from);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, f->recv.output);
    }
    BODY_RETURN(f->recv.output);
    BODY_END();
}

struct client {
    struct body body;
    int number;
    int round;
    struct rouse_addr address;  // the server's
    struct rouse_udp *udp;
    struct rouse_udp_send send;
    struct rouse_udp_recv recv;
    char sent[MESSAGE];
    char received[MESSAGE];
};

static rouse_poll client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(client, frame, cx);
    struct rouse_addr ours;

    f->udp = socket_at(&ours);
    for (f->round = 0; f->round < ROUNDS; f->round++) {
        memset(f->sent, f->number * 16 + f->round, sizeof f->sent);
        rouse_udp_send_init(&f->send, f->udp, f->sent, (size_t)(MESSAGE - f->round), &f->address);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, MESSAGE - f->round);
        rouse_udp_recv_init(&f->recv, f->udp, f->received, sizeof f->received);
        AWAIT(&f->recv.base);
        CHECK_EQ(f->recv.output, MESSAGE - f->round);
        CHECK(rouse_addr_equal(&f->recv.from, &f->address));
        CHECK_EQ(memcmp(f->sent, f->received, (size_t)f->recv.output), 0);
    }
    rouse_udp_unref(f->udp);
    BODY_END();
}

struct echo_gives_back_what_was_sent {
    struct body body;
    int next;
    struct rouse_udp *udp;
    struct rouse_addr address;
    struct rouse_join_handle server;
    struct rouse_join_handle clients[CLIENTS];
};

static rouse_poll echo_gives_back_what_was_sent(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(echo_gives_back_what_was_sent, frame, cx);
    f->udp = socket_at(&f->address);
    CHECK_EQ(SPAWN(&f->server, server, .udp = f->udp), 0);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_EQ(SPAWN(&f->clients[i], client, .number = i, .address = f->address), 0);
    }
    for (f->next = 0; f->next < CLIENTS; f->next++) {
        AWAIT(&f->clients[f->next].base);
        CHECK_EQ(joined(&f->clients[f->next]), 0);
    }
    rouse_udp_close(f->udp);
    AWAIT(&f->server.base);
    CHECK_EQ(joined(&f->server), -EBADF);
    rouse_udp_unref(f->udp);
    BODY_END();
}

// ---- Single datagrams ----

struct what_does_not_fit_is_cut_off_and_told {
    struct body body;
    struct ends ends;
    struct rouse_udp_send send;
    struct rouse_udp_recv recv;
    char buf[4];
};

static rouse_poll what_does_not_fit_is_cut_off_and_told(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(what_does_not_fit_is_cut_off_and_told, frame, cx);
    ends_init(&f->ends);
    rouse_udp_send_init(&f->send, f->ends.near, "longer", 6, NULL);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 6);
    rouse_udp_recv_init(&f->recv, f->ends.far, f->buf, sizeof f->buf);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 4);
    CHECK_EQ(f->recv.length, 6);
    CHECK(f->recv.truncated);

    rouse_udp_send_init(&f->send, f->ends.near, NULL, 0, NULL);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 0);
    rouse_udp_recv_init(&f->recv, f->ends.far, f->buf, sizeof f->buf);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 0);
    CHECK(!f->recv.truncated);
    ends_free(&f->ends);
    BODY_END();
}

struct refused_datagram_leaves_the_socket_alive {
    struct body body;
    struct ends ends;
    struct rouse_addr far;
    struct rouse_udp_send send;
    struct rouse_udp_recv recv;
    char buf[8];
};

static rouse_poll refused_datagram_leaves_the_socket_alive(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(refused_datagram_leaves_the_socket_alive, frame, cx);
    ends_init(&f->ends);
    CHECK_EQ(rouse_udp_local_address(f->ends.far, &f->far), 0);
    rouse_udp_unref(f->ends.far);
    rouse_udp_send_init(&f->send, f->ends.near, "x", 1, NULL);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 1);
    rouse_udp_recv_init(&f->recv, f->ends.near, f->buf, sizeof f->buf);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, -ECONNREFUSED);

    CHECK_EQ(rouse_udp_bind(&f->ends.far, &f->far, NULL), 0);
    rouse_udp_send_init(&f->send, f->ends.near, "again", 5, NULL);
    AWAIT(&f->send.base);
    rouse_udp_recv_init(&f->recv, f->ends.far, f->buf, sizeof f->buf);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 5);
    ends_free(&f->ends);
    BODY_END();
}

// ---- Batches ----

enum { BATCH = 12 };

// Sends them all, however many a call takes.
struct batch_sender {
    struct body body;
    struct rouse_udp *udp;
    int sent;
    struct rouse_udp_send_many send;
    struct rouse_datagram messages[BATCH];
    char bufs[BATCH][8];
};

static rouse_poll batch_sender(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(batch_sender, frame, cx);
    for (int i = 0; i < BATCH; i++) {
        memset(f->bufs[i], i, sizeof f->bufs[i]);
        f->messages[i] = (struct rouse_datagram){.buf = f->bufs[i], .size = (size_t)i % 8};
    }
    while (f->sent < BATCH) {
        rouse_udp_send_many_init(&f->send, f->udp, f->messages + f->sent,
                                 (unsigned)(BATCH - f->sent));
        AWAIT(&f->send.base);
        CHECK(f->send.output > 0);
        f->sent += f->send.output;
    }
    BODY_END();
}

struct batch_arrives_whole_and_in_order {
    struct body body;
    struct ends ends;
    int received;
    struct rouse_join_handle sender;
    struct rouse_udp_recv_many recv;
    struct rouse_datagram messages[BATCH];
    char bufs[BATCH][8];
};

static rouse_poll batch_arrives_whole_and_in_order(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(batch_arrives_whole_and_in_order, frame, cx);
    ends_init(&f->ends);
    for (int i = 0; i < BATCH; i++) {
        f->messages[i] = (struct rouse_datagram){.buf = f->bufs[i], .size = sizeof f->bufs[i]};
    }
    CHECK_EQ(SPAWN(&f->sender, batch_sender, .udp = f->ends.near), 0);
    while (f->received < BATCH) {
        rouse_udp_recv_many_init(&f->recv, f->ends.far, f->messages + f->received,
                                 (unsigned)(BATCH - f->received));
        AWAIT(&f->recv.base);
        CHECK(f->recv.output > 0);
        f->received += f->recv.output;
    }
    for (int i = 0; i < BATCH; i++) {
        CHECK_EQ(f->messages[i].received, (size_t)i % 8);
        for (size_t k = 0; k < f->messages[i].received; k++) CHECK_EQ(f->bufs[i][k], i);
    }
    AWAIT(&f->sender.base);
    CHECK_EQ(joined(&f->sender), 0);
    ends_free(&f->ends);
    BODY_END();
}

// ---- Closed, cancelled ----

static _Atomic int received;

struct receiver {
    struct body body;
    struct rouse_udp *udp;
    struct rouse_udp_recv recv;
    char buf[8];
};

static rouse_poll receiver(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(receiver, frame, cx);
    rouse_udp_recv_init(&f->recv, f->udp, f->buf, sizeof f->buf);
    AWAIT(&f->recv.base);
    if (f->recv.output > 0) count_add(&received, 1);
    BODY_RETURN(f->recv.output);
    BODY_END();
}

enum { RECEIVERS = 4 };

struct several_receivers_get_one_datagram_each_or_the_close {
    struct body body;
    int next;
    int got;
    struct ends ends;
    struct rouse_join_handle receivers[RECEIVERS];
    struct rouse_udp_send send;
    struct rouse_sleep sleep;
};

static rouse_poll several_receivers_get_one_datagram_each_or_the_close(void *frame,
                                                                       struct rouse_context *cx)
{
    BODY_BEGIN(several_receivers_get_one_datagram_each_or_the_close, frame, cx);
    ends_init(&f->ends);
    for (int i = 0; i < RECEIVERS; i++) {
        CHECK_EQ(SPAWN(&f->receivers[i], receiver, .udp = f->ends.far), 0);
    }
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    for (f->next = 0; f->next < RECEIVERS - 1; f->next++) {
        rouse_udp_send_init(&f->send, f->ends.near, "x", 1, NULL);
        AWAIT(&f->send.base);
    }
    // Who gets none waits on.
    while (count_get(&received) < RECEIVERS - 1) {
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
    }
    rouse_udp_close(f->ends.far);
    for (f->next = 0; f->next < RECEIVERS; f->next++) {
        AWAIT(&f->receivers[f->next].base);
        CHECK(f->receivers[f->next].output == 1 || f->receivers[f->next].output == -EBADF);
        f->got += joined(&f->receivers[f->next]) == 1;
    }
    CHECK_EQ(f->got, RECEIVERS - 1);
    ends_free(&f->ends);
    BODY_END();
}

enum { NUMBERS = 200 };

// Sends numbers, with pauses.
struct counter {
    struct body body;
    struct rouse_udp *udp;
    int number;
    struct rouse_udp_send send;
    struct rouse_sleep sleep;
};

static rouse_poll counter(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(counter, frame, cx);
    for (f->number = 0; f->number < NUMBERS; f->number++) {
        rouse_udp_send_init(&f->send, f->udp, &f->number, sizeof f->number, NULL);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, (ssize_t)sizeof f->number);
        rouse_sleep_init(&f->sleep, (uint64_t)(f->number % 3) * 100 * ROUSE_NS_PER_US);
        AWAIT(&f->sleep.base);
    }
    BODY_END();
}

struct cancelled_receives_lose_no_datagram {
    struct body body;
    int expected;
    int cancelled;
    int number;
    struct ends ends;
    struct rouse_join_handle counter;
    struct rouse_udp_recv recv;
    struct rouse_timeout timeout;
};

static rouse_poll cancelled_receives_lose_no_datagram(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(cancelled_receives_lose_no_datagram, frame, cx);
    ends_init(&f->ends);
    CHECK_EQ(SPAWN(&f->counter, counter, .udp = f->ends.near), 0);
    while (f->expected < NUMBERS) {
        rouse_udp_recv_init(&f->recv, f->ends.far, &f->number, sizeof f->number);
        rouse_timeout_init(&f->timeout, &f->recv.base, rouse_deadline_after(50 * ROUSE_NS_PER_US));
        AWAIT(&f->timeout.base);
        if (f->timeout.output == 0) {
            CHECK_EQ(f->recv.output, (ssize_t)sizeof f->number);
            CHECK_EQ(f->number, f->expected);
            f->expected++;
        } else {
            f->cancelled++;
        }
        rouse_future_drop(&f->timeout.base);
    }
    CHECK(f->cancelled > 0);
    AWAIT(&f->counter.base);
    CHECK_EQ(joined(&f->counter), 0);
    ends_free(&f->ends);
    BODY_END();
}

// ---- The direct forms ----

#ifdef ROUSE_TEST_STYLE_FIBER
static int serve_directly(void *arg)
{
    struct rouse_udp *udp = arg;
    struct rouse_addr from;
    size_t length;
    char buf[8];

    CHECK_EQ(rouse_udp_recv_from(udp, buf, sizeof buf, &from, &length), 8);
    CHECK_EQ(length, 11);
    CHECK_EQ(rouse_udp_send_to(udp, buf, 8, &from), 8);
    CHECK_EQ(rouse_udp_recv(udp, buf, sizeof buf), -ECANCELED);
    return 1;
}

struct direct_forms_send_and_receive {
    struct body body;
    struct rouse_udp *udp;
    struct rouse_addr address;
    struct rouse_join_handle server;
    struct rouse_udp *client;
    char buf[16];
};

static rouse_poll direct_forms_send_and_receive(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(direct_forms_send_and_receive, frame, cx);
    struct rouse_addr ours;
    struct rouse_datagram message = {.buf = "hello there", .size = 11};

    f->udp = socket_at(&f->address);
    f->client = socket_at(&ours);
    CHECK_EQ(rouse_spawn(&f->server, serve_directly, f->udp), 0);
    CHECK_EQ(rouse_udp_connect(f->client, &f->address), 0);
    CHECK_EQ(rouse_udp_try_recv_from(f->client, f->buf, 16, NULL, NULL), -EAGAIN);
    CHECK_EQ(rouse_udp_send_many(f->client, &message, 1), 1);
    message = (struct rouse_datagram){.buf = f->buf, .size = 16};
    CHECK_EQ(rouse_udp_recv_many(f->client, &message, 1), 1);
    CHECK_EQ(message.received, 8);
    CHECK_EQ(memcmp(f->buf, "hello th", 8), 0);
    rouse_abort(&f->server);
    CHECK_EQ(rouse_join(&f->server), 1);
    rouse_udp_unref(f->client);
    rouse_udp_unref(f->udp);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(echo_gives_back_what_was_sent)},
    {TEST(what_does_not_fit_is_cut_off_and_told), .any_reactor = true},
    {TEST(refused_datagram_leaves_the_socket_alive)},
    {TEST(batch_arrives_whole_and_in_order), .any_reactor = true},
    {TEST(several_receivers_get_one_datagram_each_or_the_close)},
    {TEST(cancelled_receives_lose_no_datagram)},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_send_and_receive)},
#endif
    {0}};
