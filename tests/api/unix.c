// SPDX-License-Identifier: MIT
//
// Unix sockets: streams through a listener with an abstract name, served as TCP's are; descriptors
// passed, not taken, and aborted; datagrams to a receiver that is full, and with descriptors.

#include <fcntl.h>
#include <rouse/error.h>
#include <rouse/join.h>
#include <rouse/sleep.h>
#include <rouse/task.h>
#include <rouse/unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/api.h"

static struct rouse_addr address_here(void)
{
    struct rouse_addr address;
    char name[64];
    int size = snprintf(name, sizeof name, "rouse-api-%d", (int)getpid());

    CHECK_EQ(rouse_addr_unix_abstract(&address, name, (size_t)size), 0);
    return address;
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

// ---- Streams ----

// Serves one connection after another until the listener is closed, with nothing but tcp.h.
struct server {
    struct body body;
    struct rouse_tcp_listener *listener;
    struct rouse_tcp *conn;
    struct rouse_tcp_accept accept;
    struct rouse_tcp_read read;
    struct rouse_tcp_write_all write;
    char buf[64];
};

static rouse_poll server(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(server, frame, cx);
    for (;;) {
        rouse_tcp_accept_init(&f->accept, f->listener);
        AWAIT(&f->accept.base);
        if (f->accept.output < 0) break;
        f->conn = rouse_tcp_accept_take(&f->accept);
        for (;;) {
            rouse_tcp_read_init(&f->read, f->conn, f->buf, sizeof f->buf);
            AWAIT(&f->read.base);
            CHECK(f->read.output >= 0);
            if (f->read.output == 0) break;
            rouse_tcp_write_all_init(&f->write, f->conn, f->buf, (size_t)f->read.output);
            AWAIT(&f->write.base);
            CHECK_EQ(f->write.output, f->read.output);
        }
        rouse_tcp_unref(f->conn);
    }
    BODY_RETURN(f->accept.output);
    BODY_END();
}

enum { CLIENTS = 8, MESSAGE = 1000 };

// Sends all, says so by half of a close, and reads it back to the end.
struct client {
    struct body body;
    struct rouse_addr address;
    struct rouse_tcp *conn;
    struct rouse_unix_connect connect;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read_exact read;
    char sent[MESSAGE];
    char received[MESSAGE + 1];
};

static rouse_poll client(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(client, frame, cx);
    rouse_unix_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, 0);
    f->conn = rouse_unix_connect_take(&f->connect);
    for (int i = 0; i < MESSAGE; i++) f->sent[i] = (char)(i * 7);
    rouse_tcp_write_all_init(&f->write, f->conn, f->sent, MESSAGE);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, MESSAGE);
    CHECK_EQ(rouse_tcp_shutdown_write(f->conn), 0);
    rouse_tcp_read_exact_init(&f->read, f->conn, f->received, MESSAGE + 1);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, MESSAGE);
    CHECK_EQ(memcmp(f->sent, f->received, MESSAGE), 0);
    rouse_tcp_unref(f->conn);
    BODY_END();
}

// The backlog of 1 fills up: some connects wait until the server comes to them.
struct handler_for_tcp_serves_a_unix_listener_with_a_full_backlog {
    struct body body;
    int next;
    struct rouse_addr address;
    struct rouse_tcp_listener *listener;
    struct rouse_join_handle clients[CLIENTS];
    struct rouse_join_handle server;
    struct rouse_sleep sleep;
};

static rouse_poll handler_for_tcp_serves_a_unix_listener_with_a_full_backlog(
    void *frame, struct rouse_context *cx)
{
    const struct rouse_unix_listen_options small = {.backlog = 1};

    BODY_BEGIN(handler_for_tcp_serves_a_unix_listener_with_a_full_backlog, frame, cx);
    f->address = address_here();
    CHECK_EQ(rouse_unix_listen(&f->listener, &f->address, &small), 0);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_EQ(SPAWN(&f->clients[i], client, .address = f->address), 0);
    }
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    CHECK_EQ(SPAWN(&f->server, server, .listener = f->listener), 0);
    for (f->next = 0; f->next < CLIENTS; f->next++) {
        AWAIT(&f->clients[f->next].base);
        CHECK_EQ(joined(&f->clients[f->next]), 0);
    }
    rouse_tcp_listener_close(f->listener);
    AWAIT(&f->server.base);
    CHECK_EQ(joined(&f->server), -EBADF);
    rouse_tcp_listener_unref(f->listener);
    BODY_END();
}

// ---- Descriptors ----

static int file_with(const char *text)
{
    char path[] = "/tmp/rouse-api-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

// Receives descriptors and answers with the first bytes of each file.
struct reader {
    struct body body;
    struct rouse_tcp *conn;
    unsigned count;
    int fds[4];
    struct rouse_unix_recv_fds recv;
    struct rouse_tcp_write_all write;
    char buf[8];
};

static rouse_poll reader(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reader, frame, cx);
    rouse_unix_recv_fds_init(&f->recv, f->conn, f->buf, sizeof f->buf, f->fds, 4);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 1);
    CHECK(!f->recv.truncated);
    f->count = rouse_unix_recv_fds_take(&f->recv);
    CHECK_EQ(f->count, 2);
    for (unsigned i = 0; i < f->count; i++) {
        CHECK_EQ(pread(f->fds[i], f->buf + i * 3, 3, 0), 3);
        CHECK_EQ(close(f->fds[i]), 0);
    }
    rouse_tcp_write_all_init(&f->write, f->conn, f->buf, 6);
    AWAIT(&f->write.base);
    BODY_RETURN(f->write.output);
    BODY_END();
}

struct passed_descriptors_read_the_same_files {
    struct body body;
    int before;
    int fds[2];
    struct rouse_tcp *ends[2];
    struct rouse_join_handle reader;
    struct rouse_sleep sleep;
    struct rouse_unix_send_fds send;
    struct rouse_tcp_read_exact read;
    char buf[6];
};

static rouse_poll passed_descriptors_read_the_same_files(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(passed_descriptors_read_the_same_files, frame, cx);
    CHECK_EQ(rouse_unix_pair(f->ends), 0);
    CHECK_EQ(SPAWN(&f->reader, reader, .conn = f->ends[1]), 0);
    rouse_sleep_init(&f->sleep, MS);
    AWAIT(&f->sleep.base);
    f->before = descriptors();
    f->fds[0] = file_with("one");
    f->fds[1] = file_with("two");
    rouse_unix_send_fds_init(&f->send, f->ends[0], "x", 1, f->fds, 2);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 1);
    CHECK_EQ(close(f->fds[0]), 0);
    CHECK_EQ(close(f->fds[1]), 0);
    rouse_tcp_read_exact_init(&f->read, f->ends[0], f->buf, 6);
    AWAIT(&f->read.base);
    CHECK_EQ(memcmp(f->buf, "onetwo", 6), 0);
    AWAIT(&f->reader.base);
    CHECK_EQ(joined(&f->reader), 6);
    CHECK_EQ(descriptors(), f->before);
    rouse_tcp_unref(f->ends[0]);
    rouse_tcp_unref(f->ends[1]);
    BODY_END();
}

struct descriptors_that_nobody_took_are_closed {
    struct body body;
    int before;
    int fd;
    int got[2];
    struct rouse_tcp *ends[2];
    struct rouse_join_handle reader;
    struct rouse_unix_send_fds send;
    struct rouse_unix_recv_fds recv;
    struct rouse_sleep sleep;
    char buf[4];
};

static rouse_poll descriptors_that_nobody_took_are_closed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(descriptors_that_nobody_took_are_closed, frame, cx);
    f->fd = file_with("one");
    f->before = descriptors();
    CHECK_EQ(rouse_unix_pair(f->ends), 0);
    // A reader that waits, and is aborted: the descriptors are there for the next one.
    CHECK_EQ(SPAWN(&f->reader, reader, .conn = f->ends[1]), 0);
    rouse_sleep_init(&f->sleep, MS);
    AWAIT(&f->sleep.base);
    rouse_abort(&f->reader);
    AWAIT(&f->reader.base);
    CHECK_EQ(joined(&f->reader), -ECANCELED);
    rouse_unix_send_fds_init(&f->send, f->ends[0], "x", 1, &f->fd, 1);
    AWAIT(&f->send.base);
    rouse_unix_recv_fds_init(&f->recv, f->ends[1], f->buf, sizeof f->buf, f->got, 2);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 1);
    CHECK_EQ(f->recv.count, 1);
    rouse_future_drop(&f->recv.base);
    rouse_tcp_unref(f->ends[0]);
    rouse_tcp_unref(f->ends[1]);
    CHECK_EQ(descriptors(), f->before);
    CHECK_EQ(close(f->fd), 0);
    BODY_END();
}

// ---- Datagrams ----

enum { DATAGRAMS = 600 };  // more than any queue takes

struct datagram_receiver {
    struct body body;
    struct rouse_udp *udp;
    int number;
    int expected;
    struct rouse_udp_recv recv;
    struct rouse_sleep sleep;
};

static rouse_poll datagram_receiver(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(datagram_receiver, frame, cx);
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    while (f->expected < DATAGRAMS) {
        rouse_udp_recv_init(&f->recv, f->udp, &f->number, sizeof f->number);
        AWAIT(&f->recv.base);
        CHECK_EQ(f->recv.output, (ssize_t)sizeof f->number);
        CHECK_EQ(f->number, f->expected);
        f->expected++;
    }
    BODY_END();
}

struct datagrams_to_a_full_receiver_wait_and_arrive_in_order {
    struct body body;
    struct rouse_addr address;
    struct rouse_udp *receiver;
    struct rouse_udp *sender;
    struct rouse_join_handle join;
    struct rouse_udp_send send;
    int number;
};

static rouse_poll datagrams_to_a_full_receiver_wait_and_arrive_in_order(void *frame,
                                                                        struct rouse_context *cx)
{
    BODY_BEGIN(datagrams_to_a_full_receiver_wait_and_arrive_in_order, frame, cx);
    f->address = address_here();
    CHECK_EQ(rouse_unix_bind(&f->receiver, &f->address, NULL), 0);
    CHECK_EQ(rouse_unix_bind(&f->sender, NULL, NULL), 0);
    CHECK_EQ(SPAWN(&f->join, datagram_receiver, .udp = f->receiver), 0);
    for (f->number = 0; f->number < DATAGRAMS; f->number++) {
        rouse_udp_send_init(&f->send, f->sender, &f->number, sizeof f->number, &f->address);
        AWAIT(&f->send.base);
        CHECK_EQ(f->send.output, (ssize_t)sizeof f->number);
    }
    AWAIT(&f->join.base);
    CHECK_EQ(joined(&f->join), 0);
    rouse_udp_unref(f->sender);
    rouse_udp_unref(f->receiver);
    BODY_END();
}

// Waits for two datagrams: one that fits, with a descriptor, and one that does not, with two of
// which nobody takes any.
struct datagram_taker {
    struct body body;
    struct rouse_udp *udp;
    int fds[2];
    struct rouse_unix_recv_fds recv;
    char buf[4];
};

static rouse_poll datagram_taker(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(datagram_taker, frame, cx);
    rouse_unix_datagram_recv_fds_init(&f->recv, f->udp, f->buf, sizeof f->buf, f->fds, 2);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 0);
    CHECK_EQ(f->recv.length, 0);
    CHECK_EQ(rouse_unix_recv_fds_take(&f->recv), 1);
    CHECK_EQ(pread(f->fds[0], f->buf, 3, 0), 3);
    CHECK_EQ(memcmp(f->buf, "one", 3), 0);
    CHECK_EQ(close(f->fds[0]), 0);
    rouse_unix_datagram_recv_fds_init(&f->recv, f->udp, f->buf, sizeof f->buf, f->fds, 2);
    AWAIT(&f->recv.base);
    CHECK_EQ(f->recv.output, 4);
    CHECK_EQ(f->recv.length, 8);
    CHECK_EQ(memcmp(f->buf, "datagram", 4), 0);
    CHECK_EQ(f->recv.count, 2);
    CHECK(!f->recv.truncated);
    rouse_future_drop(&f->recv.base);
    BODY_END();
}

struct descriptors_travel_with_datagrams {
    struct body body;
    int before;
    int fds[2];
    struct rouse_udp *ends[2];
    struct rouse_udp *alone;
    struct rouse_join_handle taker;
    struct rouse_unix_send_fds send;
    struct rouse_sleep sleep;
};

static rouse_poll descriptors_travel_with_datagrams(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(descriptors_travel_with_datagrams, frame, cx);
    CHECK_EQ(rouse_unix_datagram_pair(f->ends), 0);
    CHECK_EQ(rouse_unix_bind(&f->alone, NULL, NULL), 0);
    f->fds[0] = file_with("one");
    f->fds[1] = file_with("two");
    CHECK_EQ(SPAWN(&f->taker, datagram_taker, .udp = f->ends[1]), 0);
    rouse_sleep_init(&f->sleep, MS);
    AWAIT(&f->sleep.base);
    f->before = descriptors();
    rouse_unix_datagram_send_fds_init(&f->send, f->alone, "x", 1, f->fds, 1);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, -ENOTCONN);
    rouse_unix_datagram_send_fds_init(&f->send, f->ends[0], NULL, 0, f->fds, 1);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 0);
    rouse_unix_datagram_send_fds_init(&f->send, f->ends[0], "datagram", 8, f->fds, 2);
    AWAIT(&f->send.base);
    CHECK_EQ(f->send.output, 8);
    AWAIT(&f->taker.base);
    CHECK_EQ(joined(&f->taker), 0);
    CHECK_EQ(descriptors(), f->before);
    CHECK_EQ(close(f->fds[0]), 0);
    CHECK_EQ(close(f->fds[1]), 0);
    rouse_udp_unref(f->alone);
    rouse_udp_unref(f->ends[0]);
    rouse_udp_unref(f->ends[1]);
    BODY_END();
}

#ifdef ROUSE_TEST_STYLE_FIBER
struct direct_forms_pass_descriptors_with_datagrams {
    struct body body;
    struct rouse_udp *ends[2];
};

static rouse_poll direct_forms_pass_descriptors_with_datagrams(void *frame,
                                                               struct rouse_context *cx)
{
    unsigned count = 2;
    bool truncated = true;
    int fds[2];
    char buf[8];

    BODY_BEGIN(direct_forms_pass_descriptors_with_datagrams, frame, cx);
    CHECK_EQ(rouse_unix_datagram_pair(f->ends), 0);
    fds[0] = file_with("one");
    CHECK_EQ(rouse_unix_datagram_send_fds(f->ends[0], "abc", 3, fds, 1), 3);
    CHECK_EQ(close(fds[0]), 0);
    CHECK_EQ(rouse_unix_datagram_recv_fds(f->ends[1], buf, sizeof buf, fds, &count, &truncated), 3);
    CHECK_EQ(count, 1);
    CHECK(!truncated);
    CHECK_EQ(pread(fds[0], buf, 3, 0), 3);
    CHECK_EQ(memcmp(buf, "one", 3), 0);
    CHECK_EQ(close(fds[0]), 0);
    rouse_udp_unref(f->ends[0]);
    rouse_udp_unref(f->ends[1]);
    BODY_END();
}
#endif

const struct api_test API_TESTS[] = {
    {TEST(handler_for_tcp_serves_a_unix_listener_with_a_full_backlog)},
    {TEST(passed_descriptors_read_the_same_files), .any_reactor = true},
    {TEST(descriptors_that_nobody_took_are_closed), .any_reactor = true},
    {TEST(datagrams_to_a_full_receiver_wait_and_arrive_in_order)},
    {TEST(descriptors_travel_with_datagrams), .any_reactor = true},
#ifdef ROUSE_TEST_STYLE_FIBER
    {TEST(direct_forms_pass_descriptors_with_datagrams), .any_reactor = true},
#endif
    {0}};
