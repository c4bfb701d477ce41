// SPDX-License-Identifier: MIT
//
// What TCP does when it does not go well: resets, peers that vanish, buffers too small for what is
// sent, connections that cannot be made, too few descriptors, numbers of descriptors that are used
// again. What goes well, half-closes and closes under waiters are in tcp.c; what only another
// machine can do, or the way to it, is in net_shaped.c.

#include <errno.h>
#include <rouse/sleep.h>
#include <rouse/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "harness/api.h"
#include "harness/pair.h"

// ---- Resets and closes ----

struct reset_ends_a_wait_of_each_kind {
    struct body body;
    int kind;
    struct pair pair;
    struct rouse_join_handle waiter;
    struct rouse_sleep sleep;
    struct rouse_tcp_write write;
};

static rouse_poll reset_ends_a_wait_of_each_kind(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(reset_ends_a_wait_of_each_kind, frame, cx);
    for (f->kind = 0; f->kind < WAIT_KINDS; f->kind++) {
        pair_init(&f->pair);
        AWAIT(&f->pair.both.base);
        pair_take(&f->pair);
        CHECK_EQ(SPAWN(&f->waiter, waiter, .kind = (enum wait_kind)f->kind, .conn = f->pair.server),
                 0);
        rouse_sleep_init(&f->sleep, MS);
        AWAIT(&f->sleep.base);
        rouse_tcp_reset(f->pair.client);
        AWAIT(&f->waiter.base);
        // A write that comes after the reset was seen says -EPIPE.
        int64_t end = joined(&f->waiter);

        CHECK(end == -ECONNRESET || (f->kind == WAIT_WRITE && end == -EPIPE));
        rouse_tcp_write_init(&f->write, f->pair.server, "x", 1);
        AWAIT(&f->write.base);
        CHECK_EQ(f->write.output, -EPIPE);
        pair_free(&f->pair);
    }
    BODY_END();
}

struct close_ends_waits_of_all_kinds_at_once {
    struct body body;
    int kind;
    struct pair pair;
    struct rouse_join_handle waiters[WAIT_KINDS];
    struct rouse_sleep sleep;
};

static rouse_poll close_ends_waits_of_all_kinds_at_once(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(close_ends_waits_of_all_kinds_at_once, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    for (f->kind = 0; f->kind < WAIT_KINDS; f->kind++) {
        CHECK_EQ(SPAWN(&f->waiters[f->kind], waiter, .kind = (enum wait_kind)f->kind,
                       .conn = f->pair.server),
                 0);
    }
    rouse_sleep_init(&f->sleep, 2 * MS);
    AWAIT(&f->sleep.base);
    rouse_tcp_close(f->pair.server);
    for (f->kind = 0; f->kind < WAIT_KINDS; f->kind++) {
        AWAIT(&f->waiters[f->kind].base);
        CHECK_EQ(joined(&f->waiters[f->kind]), -EBADF);
    }
    pair_free(&f->pair);
    BODY_END();
}

// ---- A peer that vanishes ----

// With bytes unread, its kernel answers by a reset: what it had sent is lost or not, but then an
// error comes, and no end of the stream.
struct peer_that_vanishes_is_an_error {
    struct body body;
    struct pair pair;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_readable readable;
    struct rouse_tcp_read_exact read;
    char buf[64];
};

static rouse_poll peer_that_vanishes_is_an_error(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(peer_that_vanishes_is_an_error, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    rouse_tcp_write_all_init(&f->write, f->pair.client, "last words", 10);
    AWAIT(&f->write.base);
    rouse_tcp_write_all_init(&f->write, f->pair.server, "unread", 6);
    AWAIT(&f->write.base);
    CHECK_EQ(f->write.output, 6);
    rouse_tcp_readable_init(&f->readable, f->pair.client);
    AWAIT(&f->readable.base);
    CHECK_EQ(f->readable.output, 0);
    rouse_tcp_unref(f->pair.client);
    rouse_tcp_read_exact_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
    AWAIT(&f->read.base);
    CHECK_EQ(f->read.output, -ECONNRESET);
    CHECK(f->read.done == 0 || f->read.done == 10);
    rouse_tcp_unref(f->pair.server);
    BODY_END();
}

// ---- Small buffers ----

enum { SMALL = 8192 };

struct small_buffers_cut_writes_and_lose_nothing {
    struct body body;
    struct pair pair;
    _Atomic int partial;
    int next;
    struct rouse_join_handle senders[2];
    struct rouse_join_handle receivers[2];
};

static rouse_poll small_buffers_cut_writes_and_lose_nothing(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(small_buffers_cut_writes_and_lose_nothing, frame, cx);
    pair_init(&f->pair);
    AWAIT(&f->pair.both.base);
    pair_take(&f->pair);
    set_option(f->pair.server, SOL_SOCKET, SO_SNDBUF, SMALL);
    set_option(f->pair.client, SOL_SOCKET, SO_SNDBUF, SMALL);
    for (f->next = 0; f->next < 2; f->next++) {
        struct rouse_tcp *from = f->next == 0 ? f->pair.server : f->pair.client;
        struct rouse_tcp *to = f->next == 0 ? f->pair.client : f->pair.server;

        CHECK_EQ(SPAWN(&f->senders[f->next], bulk_sender, .conn = from, .stream = f->next,
                       .partial = &f->partial),
                 0);
        CHECK_EQ(SPAWN(&f->receivers[f->next], bulk_receiver, .conn = to, .stream = f->next), 0);
    }
    for (f->next = 0; f->next < 2; f->next++) {
        AWAIT(&f->senders[f->next].base);
        CHECK_EQ(joined(&f->senders[f->next]), 0);
        AWAIT(&f->receivers[f->next].base);
        CHECK_EQ(joined(&f->receivers[f->next]), 0);
    }
    CHECK(count_get(&f->partial) > 0);
    pair_free(&f->pair);
    BODY_END();
}

// ---- Connections that cannot be made ----

struct connect_says_why_it_failed {
    struct body body;
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
};

static rouse_poll connect_says_why_it_failed(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(connect_says_why_it_failed, frame, cx);
    listen_anywhere(&f->listener, &f->address);
    rouse_tcp_listener_unref(f->listener);
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, -ECONNREFUSED);
    CHECK(rouse_tcp_connect_take(&f->connect) == NULL);
    // The broadcast address of the loopback network: no connection leads there.
    CHECK_EQ(rouse_addr_parse(&f->address, "127.255.255.255:9"), 0);
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, -ENETUNREACH);
    BODY_END();
}

// Nobody accepts: the first fill the backlog, and then a handshake is left half-way.
enum { CALLERS = 6 };

struct full_backlog_lets_a_connect_time_out {
    struct body body;
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    int next;
    int made;
    int late;
    struct rouse_tcp *conns[CALLERS];
    struct rouse_tcp_connect connect;
    struct rouse_timeout timeout;
};

static rouse_poll full_backlog_lets_a_connect_time_out(void *frame, struct rouse_context *cx)
{
    const struct rouse_tcp_listen_options one = {.size = sizeof one, .backlog = 1};

    BODY_BEGIN(full_backlog_lets_a_connect_time_out, frame, cx);
    listen_with(&f->listener, &f->address, &one);
    for (f->next = 0; f->next < CALLERS; f->next++) {
        rouse_tcp_connect_init(&f->connect, &f->address);
        rouse_timeout_init(&f->timeout, &f->connect.base, rouse_deadline_after(3 * MS));
        AWAIT(&f->timeout.base);
        if (f->timeout.output == 0) {
            CHECK_EQ(f->connect.output, 0);
            f->conns[f->made++] = rouse_tcp_connect_take(&f->connect);
        } else {
            CHECK_EQ(f->timeout.output, -ETIMEDOUT);
            f->late++;
        }
        rouse_future_drop(&f->timeout.base);
    }
    CHECK(f->late > 0);
    while (f->made > 0) rouse_tcp_unref(f->conns[--f->made]);
    rouse_tcp_listener_unref(f->listener);
    BODY_END();
}

// ---- Too few descriptors ----

static struct rlimit limit_before;

// No further descriptor can be opened, until the limit is raised again.
static void descriptors_forbid(void)
{
    struct rlimit limit;
    int fd = dup(0);

    CHECK(fd >= 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit_before), 0);
    limit = limit_before;
    limit.rlim_cur = (rlim_t)fd;
    close(fd);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

struct accept_waits_out_a_lack_of_descriptors {
    struct body body;
    struct rouse_tcp_listener *listener;
    struct rouse_addr address;
    struct rouse_tcp_connect connect;
    struct rouse_tcp_accept accept;
    struct rouse_timeout timeout;
    struct rouse_tcp *client;
    struct rouse_tcp *server;
};

static rouse_poll accept_waits_out_a_lack_of_descriptors(void *frame, struct rouse_context *cx)
{
    BODY_BEGIN(accept_waits_out_a_lack_of_descriptors, frame, cx);
    listen_anywhere(&f->listener, &f->address);
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    f->client = rouse_tcp_connect_take(&f->connect);
    CHECK(f->client != NULL);
    descriptors_forbid();
    rouse_tcp_connect_init(&f->connect, &f->address);
    AWAIT(&f->connect.base);
    CHECK_EQ(f->connect.output, -EMFILE);
    rouse_tcp_accept_init(&f->accept, f->listener);
    rouse_timeout_init(&f->timeout, &f->accept.base, rouse_deadline_after(5 * MS));
    AWAIT(&f->timeout.base);
    CHECK_EQ(f->timeout.output, -ETIMEDOUT);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit_before), 0);
    rouse_tcp_accept_init(&f->accept, f->listener);
    AWAIT(&f->accept.base);
    CHECK_EQ(f->accept.output, 0);
    f->server = rouse_tcp_accept_take(&f->accept);
    rouse_tcp_unref(f->server);
    rouse_tcp_unref(f->client);
    rouse_tcp_listener_unref(f->listener);
    BODY_END();
}

// ---- Numbers that are used again ----

enum { OWNERS = 40 };

// Each connection is closed with an event for its reader under way, and the next one gets its
// descriptor's number.
struct descriptor_keeps_no_event_for_its_next_owner {
    struct body body;
    int round;
    int reused;
    int number;
    struct pair pair;
    struct rouse_join_handle waiter;
    struct rouse_tcp_write_all write;
    struct rouse_tcp_read read;
    struct rouse_timeout timeout;
    char buf[16];
};

static rouse_poll descriptor_keeps_no_event_for_its_next_owner(void *frame,
                                                               struct rouse_context *cx)
{
    BODY_BEGIN(descriptor_keeps_no_event_for_its_next_owner, frame, cx);
    for (f->round = 0; f->round < OWNERS; f->round++) {
        pair_init(&f->pair);
        AWAIT(&f->pair.both.base);
        pair_take(&f->pair);
        if (f->round > 0 && descriptor_of(f->pair.server) == f->number) f->reused++;
        f->number = descriptor_of(f->pair.server);

        // Nothing of the former owner's: not a byte, not an end.
        rouse_tcp_read_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
        rouse_timeout_init(&f->timeout, &f->read.base, rouse_deadline_after(100 * ROUSE_NS_PER_US));
        AWAIT(&f->timeout.base);
        CHECK_EQ(f->timeout.output, -ETIMEDOUT);
        f->buf[0] = (char)f->round;
        rouse_tcp_write_all_init(&f->write, f->pair.client, f->buf, 1);
        AWAIT(&f->write.base);
        rouse_tcp_read_init(&f->read, f->pair.server, f->buf, sizeof f->buf);
        AWAIT(&f->read.base);
        CHECK_EQ(f->read.output, 1);
        CHECK_EQ(f->buf[0], f->round);

        CHECK_EQ(SPAWN(&f->waiter, waiter, .kind = WAIT_READ, .conn = f->pair.server), 0);
        rouse_tcp_write_all_init(&f->write, f->pair.client, "late", 4);
        AWAIT(&f->write.base);
        rouse_tcp_close(f->pair.server);
        AWAIT(&f->waiter.base);
        int64_t end = joined(&f->waiter);

        CHECK(end == 4 || end == -EBADF);
        pair_free(&f->pair);
    }
    CHECK(f->reused > 0);
    BODY_END();
}

const struct api_test API_TESTS[] = {
    {TEST(reset_ends_a_wait_of_each_kind)},
    {TEST(close_ends_waits_of_all_kinds_at_once)},
    {TEST(peer_that_vanishes_is_an_error)},
    {TEST(small_buffers_cut_writes_and_lose_nothing)},
    {TEST(connect_says_why_it_failed)},
    {TEST(full_backlog_lets_a_connect_time_out)},
    {TEST(accept_waits_out_a_lack_of_descriptors)},
    {TEST(descriptor_keeps_no_event_for_its_next_owner)},
    {0}};
